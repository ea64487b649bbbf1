/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/path.h"
#include "runtime/base/sys.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Take openat2 away, so that the walk by hand is what runs. */
static void no_openat2(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		abort();
}

static char top[] = "/tmp/brig-path-XXXXXX";

static int open_text(int root, const char *path, char *text, size_t size)
{
	AUTO_CLOSE int fd = path_open_in_root(root, path, O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	return 0;
}

static void make_tree(int d)
{
	(void)!mkdirat(d, "root", 0755);
	(void)!mkdirat(d, "root/dir", 0755);
	(void)!fd_write_file_atomic(d, "secret", "outside", 7, 0644, false);
	(void)!fd_write_file_atomic(d, "root/file", "inside", 6, 0644, false);
	(void)!symlinkat("/file", d, "root/absolute");
	(void)!symlinkat("../../../secret", d, "root/dir/escape");
	(void)!symlinkat("../../../file", d, "root/dir/up");
	(void)!symlinkat("loop2", d, "root/loop1");
	(void)!symlinkat("loop1", d, "root/loop2");
	(void)!symlinkat("/nowhere", d, "root/dangling");
	(void)!symlinkat("/dir", d, "root/dirlink");
	(void)!symlinkat("/proc/self/root", d, "root/magic");
}

static void test_all(const char *how)
{
	AUTO_CLOSE int d = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int root = -1;
	AUTO_FREE char *name = NULL;
	char text[32];
	struct stat st;
	int fd;

	make_tree(d);
	root = openat(d, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok(open_text(root, "/file", text, sizeof(text)) == 0 && strcmp(text, "inside") == 0, "path (%s): a plain file", how);
	ok(open_text(root, "absolute", text, sizeof(text)) == 0 && strcmp(text, "inside") == 0, "path (%s): an absolute link stays inside", how);
	ok(open_text(root, "dir/up", text, sizeof(text)) == 0 && strcmp(text, "inside") == 0, "path (%s): .. stops at the root", how);
	is_int(open_text(root, "dir/escape", text, sizeof(text)), -ENOENT, "path (%s): a link out of the root finds nothing", how);
	is_int(open_text(root, "../secret", text, sizeof(text)), -ENOENT, "path (%s): .. out of the root finds nothing", how);
	is_int(open_text(root, "loop1", text, sizeof(text)), -ELOOP, "path (%s): a loop of links", how);
	is_int(path_open_in_root(root, "absolute", O_RDONLY | O_NOFOLLOW, 0), -ELOOP, "path (%s): O_NOFOLLOW on a link", how);
	is_int(path_open_in_root(root, "file/x", O_PATH, 0), -ENOTDIR, "path (%s): below a file", how);
	ok(path_open_in_root(root, "magic", O_PATH, 0) < 0, "path (%s): no way through a missing or magic procfs link", how);

	fd = path_mkdir_in_root(root, "/dirlink/a/b/c", 0755);
	ok(fd >= 0 && fstatat(root, "dir/a/b/c", &st, 0) == 0 && S_ISDIR(st.st_mode), "path (%s): mkdir follows a link inside", how);
	fd_close(&fd);
	is_int(path_mkdir_in_root(root, "dangling/x", 0755), -ENOENT, "path (%s): mkdir through a dangling link", how);
	ok(fstatat(d, "nowhere", &st, 0) < 0 && access("/nowhere", F_OK) < 0, "path (%s): which made nothing anywhere", how);
	is_int(path_mkdir_in_root(root, "file/x", 0755), -ENOTDIR, "path (%s): mkdir below a file", how);
	is_int(path_mkdir_in_root(root, "new/../../../evil", 0755), -EINVAL, "path (%s): mkdir with .. behind what is missing", how);
	ok(fstatat(d, "evil", &st, 0) < 0, "path (%s): which made nothing outside", how);
	fd = path_mkfile_in_root(root, "etc/x/resolv.conf", 0755, 0644);
	ok(fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode), "path (%s): mkfile makes its parents", how);
	fd_close(&fd);
	fd = path_mkfile_in_root(root, "file", 0755, 0644);
	ok(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 6, "path (%s): mkfile leaves what is there", how);
	fd_close(&fd);
	fd = path_open_parent_in_root(root, "/a/b/name/", true, 0755, &name);
	ok(fd >= 0 && name && strcmp(name, "name") == 0, "path (%s): parent and last name", how);
	fd_close(&fd);
	is_int(path_open_parent_in_root(root, "/a/..", false, 0, &name), -EINVAL, "path (%s): .. is no last name", how);
	is_int(path_open_parent_in_root(root, "/", false, 0, &name), -EINVAL, "path (%s): / has no last name", how);
}

static void test_clean(void)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "/", "/" },		  { "", "/" },		{ "/a//b/./c", "/a/b/c" }, { "/a/../b", "/b" }, { "/../..", "/" },
		{ "a/b", "/a/b" },	  { "/a/b/..", "/a" },	{ "/a/...", "/a/..." },	   { "//a/", "/a" },	{ "../x", "/x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *got = path_clean(rows[i].in);

		is_str(got, rows[i].out, "path: clean '%s'", rows[i].in);
	}
	ok(path_has_dotdot("a/../b") && path_has_dotdot("..") && path_has_dotdot("a/.."), "path: finds ..");
	ok(!path_has_dotdot("a/..b/...") && !path_has_dotdot(""), "path: and only that");
}

static void remove_tree(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", top, (char *)NULL);
		_exit(1);
	}
	(void)!sys_wait_pid(pid);
}

int main(void)
{
	test_clean();
	if (!mkdtemp(top))
		abort();
	test_all("openat2");
	remove_tree();
	(void)!mkdir(top, 0755);
	no_openat2();
	test_all("walk");
	remove_tree();
	return done();
}
