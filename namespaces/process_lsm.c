/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/process_internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * DOC: writes to procfs
 *
 * A label that goes into a file of the image's making is a container without its label (CVE-2019-16884), and a write
 * redirected to another file of procfs is worse (CVE-2025-52881). So: relative to a procfs that nobody in the container can
 * mount over, crossing no mount, following no link but procfs' own relative ones; then the fd is looked at again.
 */
static int open_proc_file(int proc_fd, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOCTTY),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	struct stat st, top;
	struct statfs fs;
	int fd;

	if (proc_fd < 0)
		return -ENOSYS;
	fd = sys_openat2(proc_fd, path, &how);
	if (fd == -ENOSYS || fd == -EPERM || fd == -EACCES) {
		fd = openat(proc_fd, path, flags | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
		fd = fd < 0 ? -errno : fd;
	}
	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    fstat(proc_fd, &top) < 0 || st.st_dev != top.st_dev) {
		fd_close(&fd);
		return -EXDEV;
	}
	return fd;
}

static int write_proc(int proc_fd, const char *path, const char *text)
{
	AUTO_CLOSE int fd = open_proc_file(proc_fd, path, O_WRONLY);
	ssize_t r;

	if (fd < 0)
		return fd;
	r = write(fd, text, strlen(text)); /* one write is one value */
	return r < 0 ? -errno : 0;
}

static int read_proc(int proc_fd, const char *path, char *buf, size_t n)
{
	AUTO_CLOSE int fd = open_proc_file(proc_fd, path, O_RDONLY);
	ssize_t r;

	if (fd < 0)
		return fd;
	r = fd_read_all(fd, buf, n - 1);
	if (r < 0)
		return (int)r;
	buf[r] = '\0';
	return 0;
}

int process_oom_score(struct process_ctx *ctx, struct err *err)
{
	const char *path = "self/oom_score_adj";
	char now[32] = "", want[32];
	int r;

	if (!ctx->spec->oom_score_adj.set)
		return 0;
	snprintf(want, sizeof(want), "%" PRId64, ctx->spec->oom_score_adj.v);
	r = read_proc(ctx->proc_fd, path, now, sizeof(now));
	now[strcspn(now, "\n")] = '\0';
	/* The parent may have set it, with the rights that a user namespace has not. */
	if (!r && str_eq(now, want))
		return 0;
	r = write_proc(ctx->proc_fd, path, want);
	if (r == -EACCES) {
		log_warn("process.oomScoreAdj: no right to lower it from %s to %s, it stays", now, want);
		return 0;
	}
	return r < 0 ? err_sys(err, r, "process.oomScoreAdj: write %s", want) : 0;
}

/* Without AppArmor in the kernel's list of modules its files exist, but reading them is EINVAL. */
static bool apparmor_enabled(int proc_fd)
{
	char text[8];

	return read_proc(proc_fd, "thread-self/attr/apparmor/current", text, sizeof(text)) == 0 ||
	       read_proc(proc_fd, "thread-self/attr/current", text, sizeof(text)) == 0;
}

static int set_apparmor(int proc_fd, const char *profile, struct err *err)
{
	AUTO_FREE char *text = xasprintf("exec %s", profile);
	int r;

	if (!apparmor_enabled(proc_fd)) {
		if (str_eq(profile, "unconfined"))
			return 0;
		return err_set(err, ENOTSUP, "apparmor profile '%s': AppArmor is not enabled in this kernel", profile);
	}
	r = write_proc(proc_fd, "thread-self/attr/apparmor/exec", text);
	if (r == -ENOENT) /* a kernel before 5.8 has one file for all modules; a missing profile is ENOENT there, too */
		r = write_proc(proc_fd, "thread-self/attr/exec", text);
	if (r == -ENOENT)
		return err_set(err, ENOENT, "apparmor profile '%s': no profile of this name is loaded (apparmor_parser loads it)", profile);
	return r < 0 ? err_sys(err, r, "apply apparmor profile '%s' (/proc/thread-self/attr/apparmor/exec)", profile) : 0;
}

static int set_selinux(int proc_fd, const char *label, struct err *err)
{
	int r = write_proc(proc_fd, "thread-self/attr/exec", label);

	/* EINVAL: no module takes it, or a module of another kind. */
	if (r == -EINVAL)
		return err_set(err, ENOTSUP, "selinux label '%s': SELinux is not enabled in this kernel, or the label is invalid", label);
	return r < 0 ? err_sys(err, r, "apply selinux label '%s' (/proc/thread-self/attr/exec)", label) : 0;
}

int process_lsm_label(struct process_ctx *ctx, struct err *err)
{
	const struct spec_process *p = ctx->spec;
	int r = 0;

	if (p->apparmor_profile && *p->apparmor_profile)
		r = set_apparmor(ctx->proc_fd, p->apparmor_profile, err);
	if (!r && p->selinux_label && *p->selinux_label)
		r = set_selinux(ctx->proc_fd, p->selinux_label, err);
	return r;
}

/* Let the owner's processes that come later (exec) find the keyring by its name: search permission for the user. */
static void allow_search(int32_t id)
{
	char text[256], *mask = text;
	uint32_t perm;

	if (syscall(SYS_keyctl, KEYCTL_DESCRIBE, id, text, sizeof(text)) < 0)
		return;
	text[sizeof(text) - 1] = '\0';
	/* "keyring;UID;GID;MASK;NAME" */
	for (int i = 0; i < 3 && mask; i++) {
		mask = strchr(mask, ';');
		mask = mask ? mask + 1 : NULL;
	}
	if (!mask)
		return;
	perm = (uint32_t)strtoul(mask, NULL, 16) | 0x00080000; /* KEY_USR_SEARCH */
	(void)syscall(SYS_keyctl, KEYCTL_SETPERM, id, perm); /* the keyring is usable without it */
}

int process_keyring(struct process_ctx *ctx, struct err *err)
{
	long id;
	int r;

	if (!ctx->keyring)
		return 0;
	id = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, ctx->keyring);
	if (id >= 0) {
		allow_search((int32_t)id);
		return 0;
	}
	r = -errno;
	/* EPERM is a seccomp filter around us: the container has that filter, too, and cannot use any keyring. */
	if (r == -ENOSYS || r == -EDQUOT || r == -EPERM) {
		log_warn("join session keyring '%s': %s", ctx->keyring, strerror(-r));
		return 0;
	}
	return err_sys(err, r, "join session keyring '%s'", ctx->keyring);
}
