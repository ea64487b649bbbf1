/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_FD_H
#define BRIG_RUNTIME_BASE_FD_H

#include "runtime/base/attr.h"

/* Close *fd if it is not negative, set it to -1, keep errno. */
void fd_close(int *fd);

/* Write or read all n bytes, through short counts and EINTR. fd_read_all returns the bytes read (less than n at
 * end of file). Both: -errno. */
int fd_write_all(int fd, const void *buf, size_t n) MUST_CHECK;
ssize_t fd_read_all(int fd, void *buf, size_t n) MUST_CHECK;

/* Read a whole file relative to dir_fd (AT_FDCWD allowed) into a new NUL-terminated buffer owned by the caller.
 * -EFBIG when it is longer than max bytes. ret_len may be NULL. The file is read to its end, whatever fstat says
 * (proc and cgroup files have size 0). */
int fd_read_file(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len) MUST_CHECK;

/* A file in memory with these n bytes, to be read from its start; CLOEXEC. -errno. */
int fd_memory_file(const char *name, const void *data, size_t n) MUST_CHECK;

/* Write text to an existing file (proc, cgroup, sysfs) in one write(2). -errno. */
int fd_write_file(int dir_fd, const char *path, const char *text) MUST_CHECK;

/* Create a file, which must not exist. -errno. */
int fd_write_new_file(int dir_fd, const char *path, const void *data, size_t n, mode_t mode) MUST_CHECK;

/* Create or replace a file atomically: temporary name in the same directory, fsync if asked for, rename.
 * Nothing is left behind on error. */
int fd_write_file_atomic(int dir_fd, const char *path, const void *data, size_t n, mode_t mode, bool fsync_it) MUST_CHECK;

/* Send up to 8 fds with a payload of at least one byte over a unix socket; receive likewise. Received fds are
 * CLOEXEC; too many fds, or a truncated control message, is -EPROTO and closes what came. fd_recv returns the
 * payload's length, 0 at end of file. */
int fd_send(int sock_fd, const void *data, size_t n, const int *fds, size_t nfds) MUST_CHECK;
ssize_t fd_recv(int sock_fd, void *data, size_t n, int *ret_fds, size_t max_fds, size_t *ret_nfds) MUST_CHECK;

/* Connect to, or listen on, a unix stream socket at dir_fd/path. Paths longer than sun_path go through
 * /proc/self/fd. Returns a CLOEXEC fd or -errno. */
int fd_unix_connect(int dir_fd, const char *path) MUST_CHECK;
int fd_unix_listen(int dir_fd, const char *path) MUST_CHECK;
/* The same, for messages of the sync protocol. */
int fd_seqpacket_connect(int dir_fd, const char *path) MUST_CHECK;
int fd_seqpacket_listen(int dir_fd, const char *path) MUST_CHECK;

/* Open those of 0, 1 and 2 that are closed on /dev/null, so that none of the program's own files gets there. For main(). */
void fd_open_std(void);

/* Format "/proc/self/fd/N" into buf. */
#define FD_PROC_PATH_LEN 32
const char *fd_proc_path(int fd, char buf[FD_PROC_PATH_LEN]);

#endif
