/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/seccomp_prog.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A file is this header, key_len bytes of key, n instructions. The checksum finds damage, not malice: who may write here is
 * decided by the directory, and by the look at the file's owner. The kernel verifies the program itself.
 */
struct file_head {
	char magic[8];
	uint64_t checksum; /* of all that follows it */
	uint32_t n, flags, notify, key_len;
};
static const char file_magic[8] = { 'b', 'r', 'i', 'g', 'b', 'p', 'f', '1' };

#define MAX_FILE_BYTES (sizeof(struct file_head) + SECCOMP_PROG_MAX_KEY + BPF_MAXINSNS * sizeof(struct sock_filter))

uint64_t seccomp_prog_hash(const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

void seccomp_prog_done(struct seccomp_prog *p)
{
	cleanup_free(&p->v);
	*p = (struct seccomp_prog){ 0 };
}

static uint64_t checksum(const unsigned char *file, size_t n)
{
	size_t from = offsetof(struct file_head, n);

	return seccomp_prog_hash(file + from, n - from);
}

int seccomp_prog_save_keyed(const struct seccomp_prog *p, int dir_fd, const char *name, const void *key, size_t key_len)
{
	struct file_head head = { .n = (uint32_t)p->n, .flags = p->flags, .notify = p->notify, .key_len = (uint32_t)key_len };
	size_t code = p->n * sizeof(*p->v), total = sizeof(head) + key_len + code;
	AUTO_FREE unsigned char *file = NULL;

	if (!p->v || !p->n || p->n > BPF_MAXINSNS || key_len > SECCOMP_PROG_MAX_KEY)
		return -EINVAL;
	file = xmalloc(total);
	memcpy(head.magic, file_magic, sizeof(head.magic));
	memcpy(file, &head, sizeof(head));
	if (key_len)
		memcpy(file + sizeof(head), key, key_len);
	memcpy(file + sizeof(head) + key_len, p->v, code);
	head.checksum = checksum(file, total);
	memcpy(file, &head, sizeof(head));
	return fd_write_file_atomic(dir_fd, name, file, total, 0600, false);
}

/* Only what this user, or root, wrote is believed. */
static int open_trusted(int dir_fd, const char *name, size_t *ret_size)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022))
		return -EPERM;
	if (st.st_size < (off_t)sizeof(struct file_head) || st.st_size > (off_t)MAX_FILE_BYTES)
		return -EBADMSG;
	*ret_size = (size_t)st.st_size;
	return TAKE_FD(fd);
}

int seccomp_prog_load_keyed(struct seccomp_prog *ret, int dir_fd, const char *name, const void *key, size_t key_len)
{
	AUTO_FREE unsigned char *file = NULL;
	AUTO_CLOSE int fd = -1;
	struct file_head head;
	size_t size = 0, code;
	ssize_t got;

	fd = open_trusted(dir_fd, name, &size);
	if (fd < 0)
		return fd;
	file = xmalloc(size);
	got = fd_read_all(fd, file, size);
	if (got < 0)
		return (int)got;
	if ((size_t)got != size)
		return -EBADMSG;
	memcpy(&head, file, sizeof(head));
	code = (size_t)head.n * sizeof(*ret->v);
	if (memcmp(head.magic, file_magic, sizeof(head.magic)) != 0 || !head.n || head.n > BPF_MAXINSNS ||
	    head.key_len > SECCOMP_PROG_MAX_KEY || size != sizeof(head) + head.key_len + code || head.checksum != checksum(file, size))
		return -EBADMSG;
	if (head.key_len != key_len || (key_len && memcmp(file + sizeof(head), key, key_len) != 0))
		return -ENOENT;
	ret->v = xmalloc(code);
	memcpy(ret->v, file + sizeof(head) + key_len, code);
	ret->n = head.n;
	ret->flags = head.flags;
	ret->notify = head.notify != 0;
	return 0;
}

int seccomp_prog_save(const struct seccomp_prog *p, int dir_fd, const char *name)
{
	return seccomp_prog_save_keyed(p, dir_fd, name, NULL, 0);
}

int seccomp_prog_load(struct seccomp_prog *ret, int dir_fd, const char *name)
{
	return seccomp_prog_load_keyed(ret, dir_fd, name, NULL, 0);
}
