/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REPLY_BYTES (64 << 10)

int nl_socket(int protocol)
{
	/* The kernel answers from within send(2); the timeout is for a kernel that does not. */
	static const struct timeval limit = { .tv_sec = 10 };
	static const int on = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)); /* answers without the request: may fail */
	return fd;
}

static void pad(struct buf *b)
{
	static const char zeros[NLMSG_ALIGNTO] = { 0 };

	buf_add_n(b, zeros, NLMSG_ALIGN(b->len) - b->len);
}

size_t nl_begin(struct buf *b, uint16_t type, uint16_t flags, const void *header, size_t n)
{
	struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = flags | NLM_F_REQUEST };
	size_t at = b->len;

	buf_add_n(b, (const char *)&h, sizeof(h));
	buf_add_n(b, header, n);
	pad(b);
	return at;
}

void nl_end(struct buf *b, size_t message)
{
	uint32_t len = (uint32_t)(b->len - message);

	memcpy(b->p + message + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof(len));
}

void nl_put(struct buf *b, uint16_t type, const void *data, size_t n)
{
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };

	buf_add_n(b, (const char *)&a, sizeof(a));
	buf_add_n(b, data, n);
	pad(b);
}

void nl_put_string(struct buf *b, uint16_t type, const char *s)
{
	nl_put(b, type, s, strlen(s) + 1);
}

void nl_put_u8(struct buf *b, uint16_t type, uint8_t v)
{
	nl_put(b, type, &v, sizeof(v));
}

void nl_put_u32(struct buf *b, uint16_t type, uint32_t v)
{
	nl_put(b, type, &v, sizeof(v));
}

void nl_put_be32(struct buf *b, uint16_t type, uint32_t v)
{
	nl_put_u32(b, type, htonl(v));
}

size_t nl_nest(struct buf *b, uint16_t type)
{
	size_t at = b->len;

	nl_put(b, type | NLA_F_NESTED, "", 0);
	return at;
}

void nl_nest_end(struct buf *b, size_t nest)
{
	uint16_t len = (uint16_t)(b->len - nest);

	memcpy(b->p + nest, &len, sizeof(len)); /* nla_len is the first member */
}

static bool is_fine(const int *fine, int error)
{
	if (error >= 0)
		return true;
	for (; fine && *fine; fine++)
		if (error == -*fine)
			return true;
	return false;
}

/* Give each message its number; how many will be answered? */
static size_t number(char *p, size_t len)
{
	uint32_t seq = 0;
	size_t acks = 0;

	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= len; seq++) {
		struct nlmsghdr h;

		memcpy(&h, p + at, sizeof(h));
		h.nlmsg_seq = seq;
		memcpy(p + at, &h, sizeof(h));
		acks += (h.nlmsg_flags & NLM_F_ACK) != 0;
		at += NLMSG_ALIGN(h.nlmsg_len);
	}
	return acks;
}

static int send_all(int fd, const struct buf *b)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (sendto(fd, b->p, b->len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

/* An error ends a transaction at once: some kernels answer the rest, some do not, so what remains is thrown away. */
static void drain(int fd, char *reply)
{
	while (recv(fd, reply, REPLY_BYTES, MSG_DONTWAIT) > 0)
		;
}

/* One datagram of answers: its length, or -errno. */
static ssize_t receive(int fd, char *reply)
{
	ssize_t n;

	do
		n = recv(fd, reply, REPLY_BYTES, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? n : -EIO;
}

int nl_talk(int fd, const struct buf *b, const int *fine, size_t *ret_index)
{
	AUTO_FREE char *reply = xmalloc(REPLY_BYTES);
	size_t acks = number(b->p, b->len);
	int r = b->len ? send_all(fd, b) : 0;

	while (r == 0 && acks) {
		ssize_t got = receive(fd, reply);
		size_t left = got > 0 ? (size_t)got : 0;

		if (got < 0)
			return (int)got;
		for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)reply; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *e = nl_body(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			acks -= acks > 0;
			if (is_fine(fine, e->error))
				continue;
			if (ret_index)
				*ret_index = h->nlmsg_seq;
			drain(fd, reply);
			return e->error;
		}
	}
	return r;
}

int nl_query(int fd, const struct buf *b, int (*each)(void *ctx, const struct nlmsghdr *h), void *ctx)
{
	AUTO_FREE char *reply = xmalloc(REPLY_BYTES);
	int r = send_all(fd, b);

	while (r == 0) {
		ssize_t got = receive(fd, reply);
		size_t left = got > 0 ? (size_t)got : 0;

		if (got < 0)
			return (int)got;
		for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)reply; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)nl_body(h))->error;
			r = each(ctx, h);
			if (r < 0 || !(h->nlmsg_flags & NLM_F_MULTI))
				return r;
		}
	}
	return r;
}

const void *nl_body(const struct nlmsghdr *h)
{
	return (const char *)h + NLMSG_HDRLEN;
}

const void *nl_find(const void *p, size_t n, uint16_t type, size_t *ret_n)
{
	const char *at = p;

	while (n >= NLA_HDRLEN) {
		struct nlattr a;
		size_t step;

		memcpy(&a, at, sizeof(a));
		if (a.nla_len < NLA_HDRLEN || a.nla_len > n)
			break;
		if ((a.nla_type & NLA_TYPE_MASK) == type) {
			*ret_n = (size_t)a.nla_len - NLA_HDRLEN;
			return at + NLA_HDRLEN;
		}
		step = NLA_ALIGN((size_t)a.nla_len);
		if (step >= n)
			break;
		at += step;
		n -= step;
	}
	return NULL;
}

const void *nl_attr(const struct nlmsghdr *h, size_t header, uint16_t type, size_t *ret_n)
{
	size_t head = NLMSG_SPACE(header);

	return h->nlmsg_len < head ? NULL : nl_find((const char *)h + head, h->nlmsg_len - head, type, ret_n);
}

bool nl_attr_copy(const struct nlmsghdr *h, size_t header, uint16_t type, void *out, size_t n)
{
	size_t got = 0;
	const void *p = nl_attr(h, header, type, &got);

	if (!p || got != n)
		return false;
	memcpy(out, p, n);
	return true;
}
