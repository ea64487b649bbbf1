/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/process.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAP(n)	     ((uint64_t)1 << (n))
#define CHOWN	     0
#define DAC_OVERRIDE 1
#define KILL	     5
#define NET_RAW	     13

/* What a child tells. */
struct report {
	int r;
	struct err err;
	char out[512];
};

typedef void (*child_fn)(struct process_ctx *ctx, struct report *ret, const void *arg);

static void write_map(const char *path, unsigned id)
{
	char text[64];

	snprintf(text, sizeof(text), "0 %u 1", id);
	if (fd_write_file(AT_FDCWD, path, text) < 0)
		_exit(77);
}

/* Root, or root of a user namespace of our own. 77: neither. */
static void become_root(bool must_be_new)
{
	unsigned uid = geteuid(), gid = getegid();

	if (uid == 0 && !must_be_new)
		return;
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(77);
	if (fd_write_file(AT_FDCWD, "/proc/self/setgroups", "deny") < 0)
		_exit(77);
	write_map("/proc/self/uid_map", uid);
	write_map("/proc/self/gid_map", gid);
}

enum how { AS_IS, AS_ROOT, AS_USERNS_ROOT };

/* Run fn in a child, with root (may be NULL) as its root directory. False: it cannot be done here. */
static bool in_child(enum how how, const char *root, child_fn fn, const struct spec_process *spec, const void *arg, struct report *ret)
{
	struct process_ctx ctx = { .spec = spec, .proc_fd = -1, .notify_fd = -1 };
	int pipe_fds[2], status;
	bool whole;
	pid_t pid;

	memset(ret, 0, sizeof(*ret));
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		/* Out of the way of what is done to small numbers. */
		pipe_fds[1] = fcntl(pipe_fds[1], F_DUPFD_CLOEXEC, 600);
		ctx.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (how != AS_IS)
			become_root(how == AS_USERNS_ROOT);
		if (root && (chdir(root) < 0 || chroot(".") < 0))
			_exit(77);
		fn(&ctx, ret, arg);
		(void)!write(pipe_fds[1], ret, sizeof(*ret));
		process_ctx_done(&ctx);
		_exit(0);
	}
	close(pipe_fds[1]);
	whole = fd_read_all(pipe_fds[0], ret, sizeof(*ret)) == (ssize_t)sizeof(*ret);
	close(pipe_fds[0]);
	waitpid(pid, &status, 0);
	return whole;
}

static void put(const char *root, const char *path, const char *text, mode_t mode)
{
	char name[256];
	int fd;

	snprintf(name, sizeof(name), "%s/%s", root, path);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0)
		exit(1);
	close(fd);
}

static void put_dir(const char *root, const char *path, mode_t mode)
{
	char name[256];

	snprintf(name, sizeof(name), "%s/%s", root, path);
	if (mkdir(name, mode) < 0 || chmod(name, mode) < 0)
		exit(1);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static char *make_root(void)
{
	char *root = strdup("/tmp/brig-test-process-XXXXXX");

	if (!root || !mkdtemp(root) || chmod(root, 0755) < 0)
		exit(1);
	put_dir(root, "etc", 0755);
	put_dir(root, "bin", 0755);
	put_dir(root, "sbin", 0755);
	put_dir(root, "sbin/dir", 0755);
	put_dir(root, "work", 0755);
	put_dir(root, "secret", 0700);
	put(root, "etc/passwd",
	    "root:x:0:0:root:/root:/bin/sh\nbroken\n:::::\nx:x:1000x:0::/wrong:\nrelative:x:1001:0::home:\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n"
	    "later:x:1000:1000::/later:\nnohome:x:1002:1\nlast:x:1003:1:a:/home/last",
	    0644);
	put(root, "bin/tool", "#!/none\n", 0755);
	put(root, "bin/text", "text\n", 0644);
	put(root, "sbin/text", "text\n", 0755);
	put(root, "bin/plain", "text\n", 0644);
	put(root, "secret/hidden", "text\n", 0755);
	put(root, "bin/garbage", "\1\2\3", 0755);
	return root;
}

static void remove_root(char *root)
{
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	ok(access(root, F_OK) < 0, "process: test: the root is gone");
	free(root);
}

/* -- environment -- */

static void child_env(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	ctx->listen_fds = arg ? *(const int *)arg : 0;
	ret->r = process_env(ctx, &ret->err);
	for (size_t i = 0, n = 0; !ret->r && ctx->env[i]; i++) {
		if (str_starts(ctx->env[i], "LISTEN_PID=") && strtol(ctx->env[i] + 11, NULL, 10) == getpid())
			ctx->env[i][11] = '\0';
		n += (size_t)snprintf(ret->out + n, sizeof(ret->out) - n, "%s|", ctx->env[i]);
	}
}

static void check_env(const char *root, uint32_t uid, char **env, int listen_fds, const char *want, const char *what)
{
	struct spec_process spec = { .user = { .uid = uid }, .env = { env, 0 } };
	struct report rep;

	while (env && env[spec.env.n])
		spec.env.n++;
	if (in_child(AS_ROOT, root, child_env, &spec, listen_fds ? &listen_fds : NULL, &rep))
		is_str(rep.r ? rep.err.msg : rep.out, want, "process: env: %s", what);
	else
		skip("needs root or a user namespace");
}

static char *s(const char *text)
{
	static char room[64][48];
	static size_t next;
	char *p = room[next++ % 64];

	snprintf(p, sizeof(room[0]), "%s", text);
	return p;
}

static void test_env(const char *root)
{
	char *twice[] = { s("A=1"), s("B=2"), s("A=3"), s("HOME=/h"), NULL };
	char *empty[] = { s("HOME="), s("A="), NULL };
	char *prefix[] = { s("HO=1"), s("HOMER=2"), s("HOME=/h"), NULL };
	char *listen[] = { s("LISTEN_FDS=9"), s("HOME=/h"), NULL };
	char *bad[] = { s("A=1"), s("nonsense"), NULL };
	char *nameless[] = { s("=x"), NULL };

	check_env(root, 0, twice, 0, "A=3|B=2|HOME=/h|", "the last of two wins");
	check_env(root, 0, empty, 0, "HOME=/root|A=|", "an empty HOME is filled");
	check_env(root, 0, prefix, 0, "HO=1|HOMER=2|HOME=/h|", "only whole names are equal");
	check_env(root, 0, NULL, 0, "HOME=/root|", "HOME of root");
	check_env(root, 1000, NULL, 0, "HOME=/home/ann|", "HOME is of the first line with the uid; broken lines are skipped");
	check_env(root, 1001, NULL, 0, "HOME=/|", "a relative home does not count");
	check_env(root, 1002, NULL, 0, "HOME=/|", "a line that is too short does not count");
	check_env(root, 1003, NULL, 0, "HOME=/home/last|", "a last line without newline counts");
	check_env(root, 4000, NULL, 0, "HOME=/|", "HOME of an unknown user");
	check_env(root, 0, listen, 2, "LISTEN_FDS=2|HOME=/h|LISTEN_PID=|", "LISTEN_FDS and LISTEN_PID");
	check_env(root, 0, bad, 0, "process.env[1]: 'nonsense' is not NAME=VALUE", "an entry without '='");
	check_env(root, 0, nameless, 0, "process.env[0]: '=x' is not NAME=VALUE", "an entry without a name");
}

static void replace_passwd(const char *root, const char *link_to, bool fifo)
{
	char name[256];

	snprintf(name, sizeof(name), "%s/etc/passwd", root);
	if (unlink(name) < 0)
		exit(1);
	if (fifo ? mkfifo(name, 0644) < 0 : link_to && symlink(link_to, name) < 0)
		exit(1);
	if (!fifo && !link_to)
		put(root, "etc/passwd", "", 0644);
}

static void test_passwd_kinds(const char *root)
{
	char huge[256];
	int fd;

	replace_passwd(root, NULL, true);
	check_env(root, 0, NULL, 0, "HOME=/|", "a fifo as passwd does not hang");
	replace_passwd(root, "/dev/zero", false);
	check_env(root, 0, NULL, 0, "HOME=/|", "passwd as a dangling link");
	replace_passwd(root, "../../../../../etc/group", false);
	check_env(root, 0, NULL, 0, "HOME=/|", "passwd as a link that wants to leave the root");
	replace_passwd(root, NULL, false);
	snprintf(huge, sizeof(huge), "%s/etc/passwd", root);
	fd = open(huge, O_WRONLY | O_CLOEXEC);
	ok(fd >= 0 && ftruncate(fd, (off_t)1 << 40) == 0, "process: test: a huge sparse passwd");
	close(fd);
	check_env(root, 0, NULL, 0, "HOME=/|", "a huge passwd is not read");
}

/* -- exe -- */

static void child_resolve(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	(void)arg;
	if (chdir("/bin") < 0)
		_exit(1);
	ret->r = process_env(ctx, &ret->err);
	if (!ret->r && ctx->spec->user.uid)
		ret->r = process_ids(ctx, &ret->err);
	if (!ret->r)
		ret->r = process_resolve_exe(ctx, &ret->err);
	if (!ret->r)
		snprintf(ret->out, sizeof(ret->out), "%s", ctx->exe);
}

static void check_exe(const char *root, uint32_t uid, const char *name, const char *path, const char *want, const char *what)
{
	char *args[] = { s(name), NULL }, *env[] = { path ? s(path) : NULL, NULL };
	struct spec_process spec = { .user = { .uid = uid }, .args = { args, 1 }, .env = { env, path ? 1 : 0 } };
	struct report rep;

	spec.caps = (struct spec_caps){ .set = true, .permitted = uid ? 0 : UINT64_MAX, .effective = uid ? 0 : UINT64_MAX };
	if ((uid && geteuid() != 0) || !in_child(AS_ROOT, root, child_resolve, &spec, NULL, &rep))
		skip("needs root%s", uid ? "" : " or a user namespace");
	else
		is_str(rep.r ? rep.err.msg : rep.out, want, "process: exe: %s", what);
}

static void test_exe(const char *root)
{
	check_exe(root, 0, "tool", "PATH=/sbin:/bin", "/bin/tool", "found in the second directory");
	check_exe(root, 0, "text", "PATH=/bin:/sbin", "/sbin/text", "one that may not be executed is passed over");
	check_exe(root, 0, "tool", NULL, "/bin/tool", "without PATH in the default one");
	check_exe(root, 0, "tool", "PATH=/sbin:", "./tool", "an empty element is the cwd");
	check_exe(root, 0, "./tool", "PATH=", "./tool", "a relative path is relative to the cwd");
	check_exe(root, 0, "/bin/tool", "PATH=", "/bin/tool", "an absolute path");
	check_exe(root, 0, "nope", "PATH=/sbin:/bin", "exec: \"nope\": executable file not found in $PATH", "not in PATH");
	check_exe(root, 0, "dir", "PATH=/sbin", "exec: \"dir\": executable file not found in $PATH", "a directory in PATH");
	check_exe(root, 0, "plain", "PATH=/sbin:/bin", "exec: \"plain\": permission denied", "not executable in PATH");
	check_exe(root, 0, "/bin/plain", "PATH=/", "exec: \"/bin/plain\": permission denied", "not executable");
	check_exe(root, 0, "/sbin/dir", "PATH=/", "exec: \"/sbin/dir\": is a directory", "a directory");
	check_exe(root, 0, "/no/such", "PATH=/", "exec: \"/no/such\": stat /no/such: no such file or directory", "not there");
	check_exe(root, 0, "/bin/tool/x", "PATH=/", "exec: \"/bin/tool/x\": stat /bin/tool/x: not a directory", "below a file");
	check_exe(root, 0, "", "PATH=/", "exec: \"\": executable file not found in $PATH", "an empty name");
	check_exe(root, 1000, "hidden", "PATH=/secret:/bin", "exec: \"hidden\": executable file not found in $PATH",
		  "a directory that the user may not search");
	check_exe(root, 1000, "/secret/hidden", "PATH=/",
		  "exec: \"/secret/hidden\": stat /secret/hidden: permission denied", "looked up with the rights of the user");
	check_exe(root, 1000, "tool", "PATH=/secret:/bin", "/bin/tool", "the search goes on behind such a directory");
}

static void child_exec(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	ctx->env = (char *[]){ NULL };
	ctx->exe = s(arg);
	ret->r = process_exec(ctx, &ret->err);
}

static void test_exec(const char *root)
{
	char *args[] = { s("x"), NULL };
	struct spec_process spec = { .args = { args, 1 } };
	struct report rep;

	if (!in_child(AS_ROOT, root, child_exec, &spec, "/bin/garbage", &rep)) {
		skip("needs root or a user namespace");
		return;
	}
	ok(rep.r == -ENOEXEC, "process: exec: garbage is ENOEXEC");
	is_str(rep.err.msg, "exec: \"/bin/garbage\": exec format error", "process: exec: its text");
	(void)in_child(AS_ROOT, root, child_exec, &spec, "/bin/tool", &rep);
	like(rep.err.msg, "exec: \"/bin/tool\": no such file or directory", "process: exec: a missing interpreter");
	(void)in_child(AS_ROOT, root, child_exec, &spec, "/bin/plain", &rep);
	is_str(rep.err.msg, "exec: \"/bin/plain\": permission denied", "process: exec: permission");
}

/* -- cwd -- */

static void child_cwd(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	char path[256] = "";

	ctx->default_cwd = arg;
	umask(077);
	ret->r = process_cwd(ctx, &ret->err);
	if (!ret->r && ctx->spec->user.uid)
		ret->r = process_ids(ctx, &ret->err);
	if (!ret->r && getcwd(path, sizeof(path))) {
		struct stat st;

		(void)stat(".", &st);
		snprintf(ret->out, sizeof(ret->out), "%s %o", path, st.st_mode & 0777);
	}
}

static void check_cwd(const char *root, const char *cwd, const char *fallback, uint32_t uid, const char *want, const char *what)
{
	struct spec_process spec = { .cwd = cwd ? s(cwd) : NULL, .user = { .uid = uid } };
	struct report rep;

	if ((uid && geteuid() != 0) || !in_child(AS_ROOT, root, child_cwd, &spec, fallback, &rep))
		skip("needs root%s", uid ? "" : " or a user namespace");
	else
		like(rep.r ? rep.err.msg : rep.out, want, "process: cwd: %s", what);
}

static void child_cwd_link(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	struct spec_process p = *ctx->spec;
	char path[64];

	/* A directory that leaked from outside, as it could be reached from inside. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", open(arg, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	p.cwd = path;
	ctx->spec = &p;
	ret->r = process_cwd(ctx, &ret->err);
}

static void test_cwd(const char *root)
{
	struct spec_process spec = { 0 };
	struct report rep;

	check_cwd(root, "/work", NULL, 0, "/work 755", "an existing one");
	check_cwd(root, "/new/deep", NULL, 0, "/new/deep 755", "made when missing, whatever the umask");
	check_cwd(root, NULL, "/bin", 0, "/bin 755", "the default of exec");
	check_cwd(root, NULL, NULL, 0, "/ 755", "none at all is the root");
	check_cwd(root, "bin", NULL, 0, "not an absolute path", "a relative one");
	check_cwd(root, "/bin/tool", NULL, 0, "chdir to cwd '/bin/tool': Not a directory", "a file");
	check_cwd(root, "/../../work", NULL, 0, "/work 755", "'..' stays in the root");
	check_cwd(root, "/secret", NULL, 1000, "/secret 700", "only root may enter: entered before the user is changed");
	(void)in_child(AS_IS, NULL, child_cwd_link, &spec, root, &rep);
	ok(rep.r == -ELOOP, "process: cwd: a link of procfs is not followed: %s", rep.err.msg);
}

/* Root without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH may not enter a directory of the user's. */
static void child_cwd_user(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	char path[256];

	(void)arg;
	if (chown("/secret", 1000, 1000) < 0 || prctl(PR_CAPBSET_DROP, 1) < 0 || prctl(PR_CAPBSET_DROP, 2) < 0)
		_exit(1);
	struct process_ctx drop = *ctx;
	struct spec_process p = *ctx->spec;

	p.caps = (struct spec_caps){ .set = true, .permitted = ~(uint64_t)6, .effective = ~(uint64_t)6 };
	drop.spec = &p;
	if (process_caps(&drop, &ret->err) < 0)
		_exit(1);
	ret->r = process_cwd(ctx, &ret->err);
	if (!ret->r && !ctx->cwd_as_user)
		ret->r = -1;
	if (!ret->r)
		ret->r = process_ids(ctx, &ret->err);
	if (!ret->r && getcwd(path, sizeof(path)))
		snprintf(ret->out, sizeof(ret->out), "%s", path);
}

static void test_cwd_user(const char *root)
{
	struct spec_process spec = { .cwd = s("/secret"), .user = { .uid = 1000, .gid = 1000 } };
	struct report rep;

	if (geteuid() != 0 || !in_child(AS_ROOT, root, child_cwd_user, &spec, NULL, &rep)) {
		skip("needs root");
		return;
	}
	is_str(rep.r ? rep.err.msg : rep.out, "/secret", "process: cwd: only the user may enter: entered after");
}

/* -- ids and capabilities -- */

static void status_line(const char *key, char *out, size_t n)
{
	AUTO_FREE char *text = NULL;
	const char *p;

	out[0] = '\0';
	if (fd_read_file(AT_FDCWD, "/proc/self/status", 65536, &text, NULL) < 0)
		return;
	p = strstr(text, key);
	if (p)
		snprintf(out, n, "%.*s", (int)strcspn(p + strlen(key) + 1, "\n"), p + strlen(key) + 1);
}

static void child_ids(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	char groups[128];
	mode_t mask;

	(void)arg;
	ret->r = process_ids(ctx, &ret->err);
	if (ret->r)
		return;
	status_line("Groups:", groups, sizeof(groups));
	mask = umask(0);
	snprintf(ret->out, sizeof(ret->out), "%u:%u umask %o groups %s dumpable %d", geteuid(), getegid(), mask, groups,
		 prctl(PR_GET_DUMPABLE));
}

static void test_ids(void)
{
	uint32_t gids[] = { 5, 70000 }, bad_gids[] = { UINT32_MAX };
	struct spec_process spec = { .user = { .uid = 1000, .gid = 1001 } };
	struct report rep;

	spec.user.uid = UINT32_MAX;
	(void)in_child(AS_IS, NULL, child_ids, &spec, NULL, &rep);
	ok(rep.r < 0, "process: ids: user -1 is refused, it would mean to stay who we are: %s", rep.err.msg);
	spec.user.uid = 1000;
	spec.user.gid = UINT32_MAX;
	(void)in_child(AS_IS, NULL, child_ids, &spec, NULL, &rep);
	ok(rep.r < 0, "process: ids: group -1 is refused: %s", rep.err.msg);
	spec.user.gid = 1001;
	if (geteuid() != 0) {
		skip("ids: needs root");
		return;
	}
	spec.user.additional_gids = gids;
	spec.user.n_additional_gids = 2;
	(void)in_child(AS_IS, NULL, child_ids, &spec, NULL, &rep);
	is_str(rep.r ? rep.err.msg : rep.out, "1000:1001 umask 22 groups 5 70000  dumpable 0", "process: ids: user, group, groups, umask");
	spec.user.umask = (struct opt_u32){ 0, true };
	(void)in_child(AS_IS, NULL, child_ids, &spec, NULL, &rep);
	like(rep.out, "umask 0 ", "process: ids: an umask of 0 is one that was given");
	spec.user.gid = 0;
	(void)in_child(AS_IS, NULL, child_ids, &spec, NULL, &rep);
	like(rep.out, "1000:0 ", "process: ids: a user without a group is still that user");
	spec.user.additional_gids = bad_gids;
	spec.user.n_additional_gids = 1;
	(void)in_child(AS_IS, NULL, child_ids, &spec, NULL, &rep);
	like(rep.err.msg, "additionalGids", "process: ids: additional group -1 is refused");
}

static void child_userns(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	ctx->setgroups_denied = true;
	child_ids(ctx, ret, arg);
}

static void test_userns(void)
{
	uint32_t gids[] = { 5 };
	struct spec_process spec = { .user = { 0 } };
	struct report rep;

	if (!in_child(AS_USERNS_ROOT, NULL, child_userns, &spec, NULL, &rep)) {
		skip("no user namespaces here");
		return;
	}
	like(rep.r ? rep.err.msg : rep.out, "0:0 umask 22", "process: ids: without setgroups in a user namespace");
	spec.user.additional_gids = gids;
	spec.user.n_additional_gids = 1;
	(void)in_child(AS_USERNS_ROOT, NULL, child_userns, &spec, NULL, &rep);
	like(rep.err.msg, "setgroups is denied", "process: ids: additional groups that cannot be had are an error");
	spec.user = (struct spec_user){ .uid = 1000 };
	(void)in_child(AS_USERNS_ROOT, NULL, child_userns, &spec, NULL, &rep);
	like(rep.err.msg, "set user id 1000 (is it mapped", "process: ids: an id outside of the map");
}

static void child_caps(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	static const char *const keys[] = { "CapBnd:", "CapPrm:", "CapEff:", "CapInh:", "CapAmb:" };
	size_t n = 0;

	(void)arg;
	ret->r = process_drop_bounding(ctx, &ret->err);
	if (!ret->r)
		ret->r = process_ids(ctx, &ret->err);
	if (!ret->r)
		ret->r = process_caps(ctx, &ret->err);
	if (!ret->r)
		ret->r = process_no_new_privs(ctx, &ret->err);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char text[64];

		status_line(keys[i], text, sizeof(text));
		n += (size_t)snprintf(ret->out + n, sizeof(ret->out) - n, "%llx ", strtoull(text, NULL, 16));
	}
	snprintf(ret->out + n, sizeof(ret->out) - n, "nnp %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void check_caps(const struct spec_process *spec, const char *want, const char *what)
{
	struct report rep;

	if (in_child(spec->user.uid ? AS_IS : AS_USERNS_ROOT, NULL, child_caps, spec, NULL, &rep))
		is_str(rep.r ? rep.err.msg : rep.out, want, "process: caps: %s", what);
	else
		skip("no user namespaces here");
}

static void test_caps(void)
{
	struct spec_process spec = { 0 };

	/* One id is mapped and setgroups is denied in that user namespace; no group is asked for. */
	spec.user.n_additional_gids = 0;
	if (geteuid() != 0) {
		skip("caps: need root");
		return;
	}
	spec.user = (struct spec_user){ .uid = 1000, .gid = 1000 };
	check_caps(&spec, "0 0 0 0 0 nnp 0", "without the object there are none");
	spec.no_new_privileges = true;
	spec.caps = (struct spec_caps){ true, CAP(KILL) | CAP(CHOWN), CAP(KILL), CAP(KILL), CAP(KILL) | CAP(CHOWN), CAP(KILL) };
	check_caps(&spec, "21 21 20 20 20 nnp 1", "all five sets of a user, and no_new_privs");
	spec.caps = (struct spec_caps){ true, CAP(KILL), CAP(KILL) | CAP(CHOWN), 0, CAP(KILL), CAP(KILL) };
	check_caps(&spec, "20 20 20 0 0 nnp 1", "what is not permitted is not effective, what is not inheritable not ambient");
	spec.caps = (struct spec_caps){ true, CAP(KILL) | CAP(63), CAP(63), CAP(63), CAP(KILL) | CAP(63), CAP(63) };
	check_caps(&spec, "20 20 0 0 0 nnp 1", "what the kernel does not know is left out");
}

/* -- limits and scheduling -- */

static void child_limits(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	struct rlimit64 l = { 0 };

	(void)arg;
	ret->r = process_rlimits(ctx, &ret->err);
	(void)prlimit64(0, RLIMIT_CORE, NULL, &l);
	snprintf(ret->out, sizeof(ret->out), "%llu %llu", (unsigned long long)l.rlim_cur, (unsigned long long)l.rlim_max);
}

static void test_limits(void)
{
	struct spec_rlimit limit = { RLIMIT_CORE, 3, 4 };
	struct spec_process spec = { .rlimits = &limit, .n_rlimits = 1 };
	struct report rep;

	(void)in_child(AS_IS, NULL, child_limits, &spec, NULL, &rep);
	is_str(rep.r ? rep.err.msg : rep.out, "3 4", "process: rlimits: soft and hard");
	limit = (struct spec_rlimit){ RLIMIT_NOFILE, (uint64_t)1 << 40, (uint64_t)1 << 40 };
	(void)in_child(AS_IS, NULL, child_limits, &spec, NULL, &rep);
	is_str(rep.err.msg, "set rlimit RLIMIT_NOFILE to soft 1099511627776 hard 1099511627776: Operation not permitted",
	       "process: rlimits: the error names limit and values");
	limit = (struct spec_rlimit){ RLIMIT_CORE, 5, 4 };
	(void)in_child(AS_IS, NULL, child_limits, &spec, NULL, &rep);
	like(rep.err.msg, "RLIMIT_CORE to soft 5 hard 4: Invalid argument", "process: rlimits: soft above hard");
}

static void child_sched(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	(void)arg;
	ret->r = process_scheduler(ctx, &ret->err);
	snprintf(ret->out, sizeof(ret->out), "policy %d nice %d io %lx", sched_getscheduler(0), getpriority(PRIO_PROCESS, 0),
		 (unsigned long)syscall(SYS_ioprio_get, 1, 0));
}

static void test_sched(void)
{
	static const struct {
		struct spec_scheduler v;
		const char *want;
	} rows[] = {
		{ { true, SCHED_BATCH, 19, 0, 0, 0, 0, 0 }, "policy 3 nice 19" },
		{ { true, SCHED_OTHER, 20, 0, 0, 0, 0, 0 }, "process.scheduler.nice: 20 is not in -20..19" },
		{ { true, SCHED_BATCH, 0, 3, 0, 0, 0, 0 }, "process.scheduler.priority: only SCHED_FIFO and SCHED_RR" },
		{ { true, SCHED_FIFO, 0, 0, 0, 0, 0, 0 }, "process.scheduler.priority: 0 is not in 1..99" },
		{ { true, SCHED_RR, 0, 100, 0, 0, 0, 0 }, "process.scheduler.priority: 100 is not in 1..99" },
		{ { true, SCHED_IDLE, 0, 0, 0, 1, 0, 0 }, "only SCHED_DEADLINE has runtime" },
		{ { true, 4, 0, 0, 0, 0, 0, 0 }, "no SCHED_ISO" },
		{ { true, 6, 0, 0, 0, 30, 20, 10 }, "process.scheduler: set SCHED_DEADLINE" },
	};
	struct spec_process spec = { 0 };
	struct report rep;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		spec.scheduler = rows[i].v;
		(void)in_child(AS_IS, NULL, child_sched, &spec, NULL, &rep);
		like(rep.r ? rep.err.msg : rep.out, rows[i].want, "process: scheduler: row %zu", i);
	}
	spec.scheduler.set = false;
	spec.io_priority = (struct spec_io_priority){ true, 3, 0 };
	(void)in_child(AS_IS, NULL, child_sched, &spec, NULL, &rep);
	like(rep.r ? rep.err.msg : rep.out, "io 6000", "process: ioPriority: idle");
	spec.io_priority = (struct spec_io_priority){ true, 2, 8 };
	(void)in_child(AS_IS, NULL, child_sched, &spec, NULL, &rep);
	like(rep.err.msg, "process.ioPriority.priority: 8", "process: ioPriority: out of range");
}

static void child_affinity(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
	ctx->is_exec = *(const bool *)arg;
	ret->r = process_affinity(ctx, &ret->err);
	(void)sched_getaffinity(0, sizeof(set), &set);
	snprintf(ret->out, sizeof(ret->out), "%d", CPU_COUNT(&set));
}

static void test_affinity(void)
{
	struct spec_process spec = { 0 };
	bool init = false, exec = true;
	struct report rep;
	char all[16];
	cpu_set_t set;

	(void)sched_getaffinity(0, sizeof(set), &set);
	if (!CPU_ISSET(0, &set) || CPU_COUNT(&set) < 2 || CPU_COUNT(&set) != sysconf(_SC_NPROCESSORS_ONLN)) {
		skip("affinity: needs two CPUs");
		return;
	}
	snprintf(all, sizeof(all), "%d", CPU_COUNT(&set));
	(void)in_child(AS_IS, NULL, child_affinity, &spec, &init, &rep);
	is_str(rep.out, all, "process: affinity: that of the runtime is not handed down");
	(void)in_child(AS_IS, NULL, child_affinity, &spec, &exec, &rep);
	is_str(rep.out, all, "process: affinity: nor to exec");
	spec.exec_affinity_initial = s("0");
	(void)in_child(AS_IS, NULL, child_affinity, &spec, &exec, &rep);
	is_str(rep.out, "1", "process: affinity: with an initial one only it stays");
	spec.exec_affinity_final = s("0-1");
	(void)in_child(AS_IS, NULL, child_affinity, &spec, &exec, &rep);
	is_str(rep.out, "2", "process: affinity: final");
	spec.exec_affinity_final = s("8000");
	(void)in_child(AS_IS, NULL, child_affinity, &spec, &exec, &rep);
	like(rep.err.msg, "process.execCPUAffinity.final: '8000'", "process: affinity: a CPU that is not there");
}

static void child_personality(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	(void)arg;
	ctx->has_personality = true;
	ctx->personality = PER_LINUX32;
	ret->r = process_personality(ctx, &ret->err);
	snprintf(ret->out, sizeof(ret->out), "%x", personality(0xffffffff));
}

static void child_mempolicy(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	int mode = -1;

	ctx->memory_policy = arg;
	ret->r = process_memory_policy(ctx, &ret->err);
	(void)syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0);
	snprintf(ret->out, sizeof(ret->out), "%d", mode);
}

static void test_memory(void)
{
	struct spec_memory_policy policy = { true, 2 /* MPOL_BIND */, 0, s("0") };
	struct spec_process spec = { 0 };
	struct report rep;

	(void)in_child(AS_IS, NULL, child_personality, &spec, NULL, &rep);
	is_str(rep.out, "8", "process: personality: LINUX32");
	(void)in_child(AS_IS, NULL, child_mempolicy, &spec, &policy, &rep);
	if (rep.r == -ENOSYS) {
		skip("no memory policies in this kernel");
		return;
	}
	is_str(rep.r ? rep.err.msg : rep.out, "2", "process: memoryPolicy: bind to node 0");
	policy.nodes = NULL;
	(void)in_child(AS_IS, NULL, child_mempolicy, &spec, &policy, &rep);
	like(rep.err.msg, "linux.memoryPolicy", "process: memoryPolicy: bind to nothing");
	policy = (struct spec_memory_policy){ true, 4 /* MPOL_LOCAL */, 0, NULL };
	(void)in_child(AS_IS, NULL, child_mempolicy, &spec, &policy, &rep);
	is_str(rep.r ? rep.err.msg : rep.out, "4", "process: memoryPolicy: without nodes");
	policy = (struct spec_memory_policy){ true, 2, 0, s("4095") };
	(void)in_child(AS_IS, NULL, child_mempolicy, &spec, &policy, &rep);
	like(rep.err.msg, "nodes '4095'", "process: memoryPolicy: a node that is not there");
}

/* -- procfs and fds -- */

static void child_oom(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	AUTO_FREE char *text = NULL;

	if (arg)
		ctx->proc_fd = open(arg, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ret->r = process_oom_score(ctx, &ret->err);
	if (!fd_read_file(AT_FDCWD, "/proc/self/oom_score_adj", 64, &text, NULL))
		snprintf(ret->out, sizeof(ret->out), "%.*s", (int)strcspn(text, "\n"), text);
}

static void test_oom(const char *root)
{
	struct spec_process spec = { .oom_score_adj = { 500, true } };
	char fake[128];
	struct report rep;

	(void)in_child(AS_IS, NULL, child_oom, &spec, NULL, &rep);
	is_str(rep.r ? rep.err.msg : rep.out, "500", "process: oomScoreAdj is written");
	spec.oom_score_adj.v = 2000;
	(void)in_child(AS_IS, NULL, child_oom, &spec, NULL, &rep);
	like(rep.err.msg, "process.oomScoreAdj: write 2000: Invalid argument", "process: oomScoreAdj out of range");
	/* A directory that only looks like procfs. */
	put_dir(root, "self", 0755);
	put(root, "self/oom_score_adj", "0\n", 0666);
	spec.oom_score_adj.v = 500;
	snprintf(fake, sizeof(fake), "%s", root);
	(void)in_child(AS_IS, NULL, child_oom, &spec, fake, &rep);
	ok(rep.r == -EXDEV, "process: writes to no file that is not procfs': %s", rep.err.msg);
}

static void child_label(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	(void)arg;
	ret->r = process_lsm_label(ctx, &ret->err);
}

static void test_label(void)
{
	struct spec_process spec = { .apparmor_profile = s("brig-no-such-profile") };
	struct report rep;

	(void)in_child(AS_IS, NULL, child_label, &spec, NULL, &rep);
	ok(rep.r < 0, "process: a profile that is not there is an error");
	like(rep.err.msg, "apparmor profile 'brig-no-such-profile'", "process: it names the profile");
	spec = (struct spec_process){ .selinux_label = s("no:such:label:s0") };
	(void)in_child(AS_IS, NULL, child_label, &spec, NULL, &rep);
	like(rep.err.msg, "selinux label 'no:such:label:s0'", "process: it names the label");
	spec = (struct spec_process){ .selinux_label = s(""), .apparmor_profile = s("") };
	(void)in_child(AS_IS, NULL, child_label, &spec, NULL, &rep);
	is_int(rep.r, 0, "process: empty labels are none");
}

static void child_fds(struct process_ctx *ctx, struct report *ret, const void *arg)
{
	const int *want = arg;
	size_t n = 0;

	ctx->preserve_fds = (unsigned)want[0];
	for (int fd = 3; fd < 20; fd++)
		(void)dup2(0, fd);
	(void)dup2(0, 500);
	ret->r = process_close_fds(ctx, want[1], &ret->err);
	for (int fd = 0; fd < 20; fd++)
		if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			n += (size_t)snprintf(ret->out + n, sizeof(ret->out) - n, "%d ", fd);
	if (!(fcntl(500, F_GETFD) & FD_CLOEXEC))
		snprintf(ret->out + n, sizeof(ret->out) - n, "500");
}

static void test_fds(void)
{
	static const struct {
		int preserve_keep[2];
		const char *want;
	} rows[] = {
		{ { 0, -1 }, "0 1 2 " },	{ { 2, -1 }, "0 1 2 3 4 " }, { { 0, 7 }, "0 1 2 7 " },
		{ { 0, 3 }, "0 1 2 3 " }, { { 3, 4 }, "0 1 2 3 4 5 " }, { { 0, 500 }, "0 1 2 500" },
	};
	struct spec_process spec = { 0 };
	struct report rep;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		(void)in_child(AS_IS, NULL, child_fds, &spec, rows[i].preserve_keep, &rep);
		is_str(rep.out, rows[i].want, "process: fds: %d preserved, %d kept", rows[i].preserve_keep[0], rows[i].preserve_keep[1]);
	}
}

int main(void)
{
	char *root = make_root();

	log_setup(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
	test_env(root);
	test_exe(root);
	test_exec(root);
	test_cwd(root);
	test_cwd_user(root);
	test_passwd_kinds(root);
	test_ids();
	test_userns();
	test_caps();
	test_limits();
	test_sched();
	test_affinity();
	test_memory();
	test_oom(root);
	test_label();
	test_fds();
	remove_root(root);
	return done();
}
