/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/sync.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

static const char *const kind_names[SYNC_KINDS] = {
	[0] = "end of file",	       [SYNC_GO] = "go",	 [SYNC_HOOKS] = "hooks",
	[SYNC_HOOKS_DONE] = "hooks-done", [SYNC_READY] = "ready", [SYNC_START] = "start",
	[SYNC_NOTIFY] = "notify",      [SYNC_NOTIFY_DONE] = "notify-done", [SYNC_FAILED] = "failed",
	[SYNC_NAMESPACES] = "namespaces", [SYNC_NIC] = "nic",
};

/* Bit of the header: the data of a GO came as a file in memory. */
#define IN_FILE (1u << 31)

static int send_file(int sock, uint32_t head, const void *data, size_t n)
{
	AUTO_CLOSE int fd = fd_memory_file("sync", data, n);

	head |= IN_FILE;
	return fd < 0 ? fd : fd_send(sock, &head, sizeof(head), &fd, 1);
}

int sync_send(int sock, enum sync_kind kind, const void *data, size_t n, int fd)
{
	AUTO_FREE char *message = NULL;
	uint32_t head = kind;

	if (n > SYNC_MAX_DATA)
		return kind == SYNC_GO && fd < 0 && n <= SYNC_MAX_FILE ? send_file(sock, head, data, n) : -EMSGSIZE;
	message = xmalloc(sizeof(head) + n);
	memcpy(message, &head, sizeof(head));
	if (n)
		memcpy(message + sizeof(head), data, n);
	return fd_send(sock, message, sizeof(head) + n, &fd, fd >= 0);
}

static int take_failure(const char *data, size_t n, struct err *err)
{
	if (n != sizeof(*err))
		return err_set(err, EPROTO, "container init sent a malformed error");
	memcpy(err, data, sizeof(*err));
	err_sanitize(err);
	return -err->code;
}

static int take_file(int fd, char **ret_data, size_t *ret_n, struct err *err)
{
	AUTO_FREE char *data = NULL;
	struct stat st;
	ssize_t n;

	if (!ret_data)
		return SYNC_GO;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > SYNC_MAX_FILE)
		return err_set(err, EPROTO, "message 'go' without its data");
	data = xmalloc((size_t)st.st_size + 1);
	n = fd_read_all(fd, data, (size_t)st.st_size);
	if (n < 0)
		return err_sys(err, (int)n, "read the data of message 'go'");
	data[n] = '\0';
	*ret_data = TAKE_PTR(data);
	if (ret_n)
		*ret_n = (size_t)n;
	return SYNC_GO;
}

int sync_recv(int sock, unsigned allowed, char **ret_data, size_t *ret_n, int *ret_fd, struct err *err)
{
	AUTO_FREE char *message = NULL;
	AUTO_CLOSE int fd = -1;
	uint32_t head = 0;
	size_t nfds = 0, n;
	ssize_t got;
	/* Nearly all messages are small: ask for the size before memory is touched. */
	ssize_t size = recv(sock, NULL, 0, MSG_PEEK | MSG_TRUNC);

	if (size < 0 && errno == EINTR)
		return sync_recv(sock, allowed, ret_data, ret_n, ret_fd, err);
	if (size < 0)
		return err_sys(err, -errno, "receive from container init");
	if ((size_t)size > SYNC_MAX_DATA + sizeof(head))
		return err_set(err, EPROTO, "message of %zd bytes from container init", size);
	message = xmalloc((size_t)size + sizeof(head) + 1);
	got = fd_recv(sock, message, (size_t)size + sizeof(head), &fd, 1, &nfds);
	if (got < 0)
		return err_sys(err, (int)got, "receive from container init");
	if (got > 0 && (size_t)got < sizeof(head))
		return err_set(err, EPROTO, "short message from container init");
	if (got)
		memcpy(&head, message, sizeof(head));
	n = got ? (size_t)got - sizeof(head) : 0;
	if (head == SYNC_FAILED)
		return take_failure(message + sizeof(head), n, err);
	if (head == (SYNC_GO | IN_FILE) && allowed & 1u << SYNC_GO)
		return take_file(fd, ret_data, ret_n, err);
	if (!got && !(allowed & 1u << head))
		return err_set(err, ECHILD, "container init died (killed, or out of its memory limit?)");
	if (head >= SYNC_KINDS || !(allowed & 1u << head))
		return err_set(err, EPROTO, "container init: unexpected message '%s'",
			       head < SYNC_KINDS ? kind_names[head] : "of unknown kind");
	if (ret_data) {
		memmove(message, message + sizeof(head), n);
		message[n] = '\0';
		*ret_data = TAKE_PTR(message);
		if (ret_n)
			*ret_n = n;
	}
	if (ret_fd)
		*ret_fd = TAKE_FD(fd);
	return (int)head;
}

void sync_fail(int sock, const struct err *err)
{
	(void)!sync_send(sock, SYNC_FAILED, err, sizeof(*err), -1);
}
