/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/sync.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANY (1u << SYNC_GO | 1u << SYNC_READY)

int main(void)
{
	int pair[2], fd = -1;
	struct err err = { 0 }, sent;
	AUTO_FREE char *data = NULL, *big = xcalloc(1, SYNC_MAX_DATA + 1);
	size_t n = 0;
	uint32_t bad_kind = 77;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	is_int(sync_send(pair[0], SYNC_GO, "state", 5, -1), 0, "sync: send");
	is_int(sync_recv(pair[1], ANY, &data, &n, NULL, &err), SYNC_GO, "sync: receive its kind");
	ok(n == 5 && strcmp(data, "state") == 0, "sync: and its data, with a NUL behind");
	is_int(sync_send(pair[0], SYNC_READY, NULL, 0, 0), 0, "sync: send with a fd");
	is_int(sync_recv(pair[1], ANY, NULL, NULL, &fd, &err), SYNC_READY, "sync: receive it");
	ok(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC), "sync: the fd is close-on-exec");
	fd_close(&fd);
	is_int(sync_send(pair[0], SYNC_START, NULL, 0, -1), 0, "sync: send what is not expected");
	is_int(sync_recv(pair[1], ANY, NULL, NULL, NULL, &err), -EPROTO, "sync: which is refused");
	like(err.msg, "'start'", "sync: by name");
	is_int(sync_send(pair[0], SYNC_READY, big, SYNC_MAX_DATA + 1, -1), -EMSGSIZE, "sync: too large to send");
	free(data);
	data = NULL;
	memset(big, 'x', SYNC_MAX_DATA + 1);
	is_int(sync_send(pair[0], SYNC_GO, big, SYNC_MAX_DATA + 1, -1), 0, "sync: a large go");
	is_int(sync_recv(pair[1], ANY, &data, &n, NULL, &err), SYNC_GO, "sync: is received");
	ok(n == SYNC_MAX_DATA + 1 && memcmp(data, big, n) == 0, "sync: whole");
	(void)!send(pair[0], &bad_kind, sizeof(bad_kind), 0);
	is_int(sync_recv(pair[1], ANY, NULL, NULL, NULL, &err), -EPROTO, "sync: an unknown kind is refused");
	(void)!send(pair[0], "ab", 2, 0);
	is_int(sync_recv(pair[1], ANY, NULL, NULL, NULL, &err), -EPROTO, "sync: a message shorter than its head is refused");

	(void)err_set(&sent, EACCES, "no way\n\x1b[2J");
	sync_fail(pair[0], &sent);
	is_int(sync_recv(pair[1], ANY, NULL, NULL, NULL, &err), -EACCES, "sync: a failure comes out as the error");
	is_str(err.msg, "no way??[2J", "sync: without its control characters");
	is_int(sync_send(pair[0], SYNC_FAILED, "x", 1, -1), 0, "sync: a malformed failure");
	is_int(sync_recv(pair[1], ANY, NULL, NULL, NULL, &err), -EPROTO, "sync: is an error of its own");
	close(pair[0]);
	is_int(sync_recv(pair[1], ANY, NULL, NULL, NULL, &err), -ECHILD, "sync: end of file, when nobody expects it");
	is_int(sync_recv(pair[1], 1u << 0, NULL, NULL, NULL, &err), 0, "sync: end of file, expected");
	close(pair[1]);
	return done();
}
