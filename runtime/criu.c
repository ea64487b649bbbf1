/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/criu.h"
#include "runtime/criu_internal.h"

/* ---- command line ---- */

void criu_add(struct strlist *l, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	text = xmalloc((size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	l->v = xreallocarray(l->v, l->n + 2, sizeof(*l->v));
	l->v[l->n++] = text;
	l->v[l->n] = NULL;
}

void criu_command_done(struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strlist){ 0 };
}

static void add_value(struct strlist *l, const char *flag, const char *value)
{
	if (!value)
		return;
	criu_add(l, "%s", flag);
	criu_add(l, "%s", value);
}

static void add_flags(struct strlist *l, const struct checkpoint_opts *o, bool restore)
{
	const struct {
		bool on;
		const char *flag;
	} flags[] = {
		{ o->tcp_established, "--tcp-established" },
		{ o->tcp_close, "--tcp-close" },
		{ o->tcp_skip_in_flight && !restore, "--skip-in-flight" },
		{ o->ext_unix_sk, "--ext-unix-sk" },
		{ o->shell_job, "--shell-job" },
		{ o->file_locks, "--file-locks" },
		{ o->link_remap, "--link-remap" },
		{ o->auto_dedup, "--auto-dedup" },
		{ o->lazy_pages, "--lazy-pages" },
		{ o->leave_running && !restore && !o->pre_dump, "--leave-running" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].on)
			criu_add(l, "%s", flags[i].flag);
	}
}

/* ADDRESS:PORT was checked by criu_check_opts() */
static void add_page_server(struct strlist *l, const char *where)
{
	const char *colon = where ? strrchr(where, ':') : NULL;

	if (!colon)
		return;
	criu_add(l, "--page-server");
	criu_add(l, "--address");
	criu_add(l, "%.*s", (int)(colon - where), where);
	add_value(l, "--port", colon + 1);
}

struct strlist criu_command(const struct checkpoint_opts *o, const char *action, const char *image_path, const char *work_path)
{
	bool restore = str_eq(action, "restore");
	struct strlist l = { 0 };

	criu_add(&l, "criu");
	criu_add(&l, "%s", action);
	add_value(&l, "--images-dir", image_path);
	add_value(&l, "--work-dir", work_path);
	add_value(&l, "--log-file", restore ? "restore.log" : "dump.log");
	criu_add(&l, "-v4");
	/* The container's cgroup is brig's to make, at restore as at create; criu restores it only when it is told to. */
	criu_add(&l, "--manage-cgroups=%s", o->manage_cgroups_mode ? o->manage_cgroups_mode : "ignore");
	add_flags(&l, o, restore);
	add_value(&l, "--prev-images-dir", restore ? NULL : o->parent_path);
	add_value(&l, "--network-lock", o->network_lock);
	add_value(&l, "--status-fd", o->status_fd);
	add_value(&l, "--lsm-profile", restore ? o->lsm_profile : NULL);
	add_value(&l, "--lsm-mount-context", restore ? o->lsm_mount_context : NULL);
	for (size_t i = 0; i < o->n_empty_ns; i++)
		criu_add(&l, "--empty-ns=%s", str_eq(o->empty_ns[i], "network") ? "net" : o->empty_ns[i]);
	if (!restore) {
		add_page_server(&l, o->page_server);
		if (o->pre_dump || o->parent_path)
			criu_add(&l, "--track-mem");
	}
	return l;
}

static int check_name(const char *flag, const char *value, const char *const *names, struct err *err)
{
	AUTO_BUF struct buf all = { 0 };

	if (!value)
		return 0;
	for (const char *const *n = names; *n; n++) {
		if (str_eq(value, *n))
			return 0;
		buf_addf(&all, "%s%s", n == names ? "" : ", ", *n);
	}
	return err_set(err, EINVAL, "invalid value \"%s\" for flag --%s: must be one of %s", value, flag, all.p);
}

int criu_check_opts(const struct checkpoint_opts *o, struct err *err)
{
	static const char *const modes[] = { "soft", "full", "strict", "ignore", NULL };
	static const char *const locks[] = { "iptables", "nftables", "skip", NULL };
	static const char *const namespaces[] = { "network", NULL };
	const char *colon = o->page_server ? strrchr(o->page_server, ':') : NULL;
	uint32_t n;
	int r = check_name("manage-cgroups-mode", o->manage_cgroups_mode, modes, err);

	if (r == 0)
		r = check_name("network-lock", o->network_lock, locks, err);
	for (size_t i = 0; r == 0 && i < o->n_empty_ns; i++)
		r = check_name("empty-ns", o->empty_ns[i], namespaces, err);
	if (r < 0)
		return r;
	if (o->page_server && (!colon || colon == o->page_server || str_to_u32(colon + 1, &n) < 0 || n == 0 || n > 65535))
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --page-server: must be ADDRESS:PORT", o->page_server);
	if (o->status_fd && (str_to_u32(o->status_fd, &n) < 0 || fcntl((int)n, F_GETFD) < 0))
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --status-fd: must be an open descriptor", o->status_fd);
	if (o->parent_path && (o->parent_path[0] == '/' || !o->parent_path[0]))
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --parent-path: must be relative to --image-path",
			       o->parent_path);
	if (o->lsm_profile && !str_starts(o->lsm_profile, "apparmor:") && !str_starts(o->lsm_profile, "selinux:"))
		return err_set(err, EINVAL, "invalid value \"%s\" for flag --lsm-profile: must be apparmor:NAME or selinux:LABEL",
			       o->lsm_profile);
	return 0;
}

/* ---- run it ---- */

#define QUOTED 4

/* The lines of criu's log that say why are marked "Error"; early ones are often harmless probes. The last few, without
 * their time stamps. */
static void quote_log(const char *work_path, const char *name, struct buf *out)
{
	AUTO_FREE char *path = xasprintf("%s/%s", work_path, name);
	AUTO_FREE char *text = NULL;
	const char *found[QUOTED] = { NULL };
	char *save, *line;
	size_t n = 0;

	if (fd_read_file(AT_FDCWD, path, 64u << 20, &text, NULL) < 0)
		return;
	save = text;
	while ((line = strsep(&save, "\n"))) {
		const char *error = strstr(line, "Error");

		if (error)
			found[n++ % QUOTED] = error;
	}
	for (size_t i = n < QUOTED ? 0 : n - QUOTED; i < n; i++)
		buf_addf(out, "; %s", found[i % QUOTED]);
}

static NORETURN void criu_child(const struct criu_run *run)
{
	int r = run->prepare ? run->prepare(run) : 0;

	if (r == 0) {
		execvp(run->argv.v[0], run->argv.v);
		r = -errno;
	}
	(void)!write(run->fail_fd, &r, sizeof(r));
	_exit(127);
}

int criu_execute(struct criu_run *run, const char *work_path, const char *log_name, struct err *err)
{
	AUTO_CLOSE int fail_read = -1;
	AUTO_CLOSE int fail_write = -1;
	AUTO_BUF struct buf why = { 0 };
	int fds[2], failure = 0, status = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe");
	fail_read = fds[0];
	run->fail_fd = fail_write = fds[1];
	pid = fork();
	if (pid < 0)
		return err_sys(err, -errno, "fork");
	if (pid == 0)
		criu_child(run);
	fd_close(&fail_write);
	if (fd_read_all(fail_read, &failure, sizeof(failure)) != (ssize_t)sizeof(failure))
		failure = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (failure == -ENOENT)
		return err_set(err, ENOENT, "criu is not installed (checkpoint and restore need the criu program in PATH)");
	if (failure < 0)
		return err_sys(err, failure, "execute criu");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	quote_log(work_path, log_name, &why);
	return err_set(err, EIO, "criu %s failed (log: %s/%s)%s", run->argv.v[1], work_path, log_name, why.len ? why.p : "");
}

/* ---- dump ---- */

int criu_paths(const struct checkpoint_opts *o, bool make, char **ret_image, char **ret_work, struct err *err)
{
	const char *image = o->image_path ? o->image_path : "checkpoint";
	const char *work = o->work_path ? o->work_path : image;

	if (make && mkdir(image, 0700) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make --image-path '%s'", image);
	if (mkdir(work, 0700) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make --work-path '%s'", work);
	*ret_image = realpath(image, NULL);
	if (!*ret_image)
		return err_sys(err, -errno, "--image-path '%s'", image);
	*ret_work = realpath(work, NULL);
	return *ret_work ? 0 : err_sys(err, -errno, "--work-path '%s'", work);
}

/* Mounts whose source lies outside of the container: criu has to leave them to us. */
void criu_add_external_mounts(struct strlist *l, struct container *c, bool restore)
{
	const struct spec *s = c->spec;

	for (size_t i = 0; i < s->n_mounts; i++) {
		const struct spec_mount *m = &s->mounts[i];

		if (m->flags & MS_BIND_FLAG)
			criu_add(l, "--external=mnt[%s]:%s", m->destination, restore ? m->source : m->destination);
		if (str_eq(m->type, "cgroup"))
			criu_add_cgroup_mounts(l, c, m, restore);
	}
	for (size_t i = 0; i < s->masked_paths.n; i++) {
		struct stat st;

		/* Files are masked by /dev/null of the host, directories by a file system of the container's own. The masked
		 * paths are procfs and sysfs ones, which are of the same kind on the host. */
		if (stat(s->masked_paths.v[i], &st) == 0 && !S_ISDIR(st.st_mode))
			criu_add(l, "--external=mnt[%s]:%s", s->masked_paths.v[i], restore ? "/dev/null" : s->masked_paths.v[i]);
	}
}

void criu_add_cgroup_mounts(struct strlist *l, struct container *c, const struct spec_mount *m, bool restore)
{
	const struct cgroup_hierarchy *h = NULL;
	size_t n = c->cgroup ? cgroup_hierarchies(c->cgroup, &h) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *name = h[i].v2 ? "unified" : str_starts(h[i].name, "name=") ? h[i].name + 5 : h[i].name;

		if (h[i].v2 && cgroup_layout(c->cgroup) == CGROUP_LAYOUT_V2)
			criu_add(l, "--external=mnt[%s]:%s", m->destination, restore ? h[i].path : m->destination);
		else
			criu_add(l, "--external=mnt[%s/%s]:%s%s%s", m->destination, name, restore ? h[i].path : m->destination,
				 restore ? "" : "/", restore ? "" : name);
	}
}

/* Namespaces that were joined by path stay as they are; restore hands them in again. */
static void add_external_namespaces(struct strlist *l, struct container *c)
{
	static const struct {
		enum ns_type type;
		const char *criu_name, *key;
	} joined[] = { { NS_NET, "net", "extRootNetNS" }, { NS_PID, "pid", "extRootPidNS" } };

	for (size_t i = 0; i < ARRAY_SIZE(joined); i++) {
		const struct spec_namespace *ns = &c->spec->ns[joined[i].type];
		struct stat st;

		if (ns->path && stat(ns->path, &st) == 0)
			criu_add(l, "--external=%s[%lu]:%s", joined[i].criu_name, (unsigned long)st.st_ino, joined[i].key);
	}
}

/* mnt_id of an open file; -1 when it cannot be known. */
static int mount_id_of(pid_t pid, int fd)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/fdinfo/%d", (int)pid, fd);
	AUTO_FREE char *text = NULL;
	const char *at;

	if (fd_read_file(AT_FDCWD, path, 1 << 16, &text, NULL) < 0)
		return -1;
	at = strstr(text, "mnt_id:");
	return at ? (int)strtol(at + strlen("mnt_id:"), NULL, 10) : -1;
}

static bool container_has_mount(pid_t pid, int mount_id)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/mountinfo", (int)pid);
	AUTO_FREE char *text = NULL;
	char *save, *line;

	if (fd_read_file(AT_FDCWD, path, 64u << 20, &text, NULL) < 0)
		return true;
	save = text;
	while ((line = strsep(&save, "\n"))) {
		if (strtol(line, NULL, 10) == mount_id)
			return true;
	}
	return false;
}

/*
 * What 0, 1 and 2 are, in the words by which restore can hand in others for them: "pipe:[INODE]", or "file[MOUNT:INODE]"
 * (hexadecimal) for a file of the host, such as the /dev/null or the log that an engine gave. "" is a closed one.
 */
static char *describe_fd(pid_t pid, int fd)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/fd/%d", (int)pid, fd);
	char target[4096];
	int mount_id = mount_id_of(pid, fd);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	struct stat st;

	if (n < 0 || stat(path, &st) < 0)
		return xstrdup("");
	target[n] = '\0';
	if (target[0] == '/' && mount_id >= 0 && !container_has_mount(pid, mount_id))
		return xasprintf("file[%x:%lx]", (unsigned)mount_id, (unsigned long)st.st_ino);
	return xstrdup(target);
}

/* Note them for restore, and tell criu which are none of the container's. */
static int save_descriptors(const struct container *c, const char *image_path, struct strlist *argv, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	AUTO_FREE char *path = xasprintf("%s/%s", image_path, CRIU_DESCRIPTORS);
	int r;

	json_begin_array(&w);
	for (int fd = 0; fd < 3; fd++) {
		AUTO_FREE char *what = describe_fd(c->pid, fd);

		json_string(&w, what);
		if (str_starts(what, "file["))
			criu_add(argv, "--external=%s", what);
	}
	json_end_array(&w);
	r = fd_write_file_atomic(AT_FDCWD, path, text.p, text.len, 0600, false);
	return r < 0 ? err_sys(err, r, "write '%s'", path) : 0;
}

int criu_checkpoint(struct container *c, const struct checkpoint_opts *o, struct err *err)
{
	CLEANUP(criu_run_done) struct criu_run run = { .c = c };
	AUTO_FREE char *image = NULL;
	AUTO_FREE char *work = NULL;
	enum container_status status = container_status(c);
	int r;

	if (status != CONTAINER_RUNNING && status != CONTAINER_PAUSED)
		return err_set(err, EINVAL, "cannot checkpoint a container in the %s state: '%s'", container_status_name(status), c->id);
	r = container_load_spec(c, err);
	if (r < 0)
		return r;
	if (c->spec->has_process && c->spec->process.terminal && !o->shell_job)
		return err_set(err, ENOTSUP, "container '%s' has a terminal: it can be checkpointed with --shell-job only", c->id);
	r = criu_paths(o, true, &image, &work, err);
	if (r < 0)
		return r;
	run.argv = criu_command(o, o->pre_dump ? "pre-dump" : "dump", image, work);
	r = save_descriptors(c, image, &run.argv, err);
	if (r < 0)
		return r;
	criu_add(&run.argv, "--tree=%d", (int)c->pid);
	if (c->rootfs)
		criu_add(&run.argv, "--root=%s", c->rootfs);
	criu_add_external_mounts(&run.argv, c, false);
	add_external_namespaces(&run.argv, c);
	r = criu_execute(&run, work, "dump.log", err);
	if (r < 0 || o->leave_running || o->pre_dump)
		return r;
	/* criu has killed the tree; what hangs on it (cgroup, mounts) is delete's to remove, as after any exit */
	return 0;
}

void criu_run_done(struct criu_run *run)
{
	criu_command_done(&run->argv);
	for (size_t i = 0; i < run->n_fds; i++)
		fd_close(&run->fds[i]);
}
