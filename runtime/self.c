/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/program.h"
#include "runtime/base/sys.h"
#include "runtime/self.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define SELF_EXE   "/proc/self/exe"
#define SELF_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* ST_RDONLY of the mount through which the program was started */
static bool on_readonly_mount(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (fs.f_flags & ST_RDONLY);
}

bool self_is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SELF_SEALS) == SELF_SEALS;
}

/* Returns a CLOEXEC fd of the program below a detached read-only mount, or -errno. */
static int readonly_clone(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO_CLOSE int fd = sys_open_tree(AT_FDCWD, SELF_EXE, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r;

	if (fd < 0)
		return fd;
	r = sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr);
	if (r < 0)
		return r;
	if (!on_readonly_mount(fd))
		return -EROFS;
	return TAKE_FD(fd);
}

int self_sealed_copy(int fd)
{
	AUTO_CLOSE int copy = -1;
	struct stat st;
	off_t done = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	copy = memfd_create("brig-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL) /* before 6.3 every memfd is executable */
		copy = memfd_create("brig-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0)
		return -errno;
	while (done < st.st_size) {
		ssize_t n = sendfile(copy, fd, &done, (size_t)(st.st_size - done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	if (fchmod(copy, 0500) < 0 || fcntl(copy, F_ADD_SEALS, SELF_SEALS) < 0)
		return -errno;
	return TAKE_FD(copy);
}

static int run_again(int fd, char **argv)
{
	int r = program_leave_mark();

	if (r < 0)
		return r;
	return sys_execveat(fd, "", argv, environ, AT_EMPTY_PATH);
}

/* execveat() with an empty path names the process after the fd */
static void restore_name(const char *argv0)
{
	(void)prctl(PR_SET_NAME, basename(argv0), 0, 0, 0); /* for ps only */
}

/* later: move then. */
static int move(int path_fd, struct program_move *later)
{
	struct program_move now;
	int r = program_leave_mark();

	if (r == 0)
		r = program_move_prepare(later ? later : &now, path_fd);
	if (r < 0 || later)
		return r;
	r = program_move(&now);
	fd_close(&now.fd);
	return r;
}

int self_protect(char **argv, struct program_move *later, struct err *err)
{
	AUTO_CLOSE int exe = open(SELF_EXE, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int protected = -1;
	bool second_run = program_is_second_run(); /* one that finds itself unprotected must not try a third time */
	int open_errno = errno, r;

	if (exe < 0) {
		exe = open(SELF_EXE, O_PATH | O_CLOEXEC);
		if (exe < 0)
			return err_sys(err, -open_errno, "open '%s'", SELF_EXE);
	}
	if (on_readonly_mount(exe) || self_is_sealed(exe)) {
		if (second_run)
			restore_name(argv[0]);
		return 0;
	}
	if (second_run)
		return err_set(err, EPERM, "protect '%s': still writable after it was executed from a protected copy", SELF_EXE);

	protected = readonly_clone();
	if (protected >= 0) {
		if (move(protected, later) == 0)
			return 0;
		(void)run_again(protected, argv); /* where execveat refuses, the copy may still do */
		fd_close(&protected);
	}
	protected = self_sealed_copy(exe);
	if (protected < 0)
		return err_sys(err, protected, "protect '%s' by a sealed copy", SELF_EXE);
	r = run_again(protected, argv);
	return err_sys(err, r, "execute the sealed copy of '%s'", SELF_EXE);
}
