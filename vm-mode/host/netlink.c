/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/netlink.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int nlmsg_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

void nlmsg_init(struct nlmsg *m, uint16_t type, uint16_t flags, const void *body, size_t n)
{
	*m = (struct nlmsg){ .head = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(n), .nlmsg_type = type,
				       .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) } };
	memcpy(m->body, body, n);
}

void nlmsg_attr(struct nlmsg *m, unsigned short type, const void *data, size_t n)
{
	size_t at = NLMSG_ALIGN(m->head.nlmsg_len);
	struct rtattr a = { .rta_len = (unsigned short)RTA_LENGTH(n), .rta_type = type };

	if (at + RTA_SPACE(n) > sizeof(*m))
		return;
	memcpy((char *)m + at, &a, sizeof(a));
	if (n)
		memcpy((char *)m + at + RTA_LENGTH(0), data, n);
	m->head.nlmsg_len = (uint32_t)(at + RTA_LENGTH(n));
}

size_t nlmsg_begin(struct nlmsg *m, unsigned short type)
{
	size_t at = NLMSG_ALIGN(m->head.nlmsg_len);

	nlmsg_attr(m, type, NULL, 0);
	return at;
}

void nlmsg_end(struct nlmsg *m, size_t begun)
{
	unsigned short len = (unsigned short)(m->head.nlmsg_len - begun);

	memcpy((char *)m + begun + offsetof(struct rtattr, rta_len), &len, sizeof(len));
}

int nlmsg_ask(int fd, struct nlmsg *m)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[1024];
	} reply;

	m->head.nlmsg_flags |= NLM_F_ACK;
	if (send(fd, m, m->head.nlmsg_len, 0) < 0)
		return -errno;
	if (recv(fd, &reply, sizeof(reply), 0) < (ssize_t)sizeof(reply.head))
		return -EIO;
	return reply.head.nlmsg_type == NLMSG_ERROR ? reply.error.error : -EPROTO;
}

static void parse_attrs(const struct nlmsghdr *h, size_t body, struct nlattrs *ret)
{
	const char *p = (const char *)h + NLMSG_SPACE(body);
	size_t left = h->nlmsg_len > NLMSG_SPACE(body) ? h->nlmsg_len - NLMSG_SPACE(body) : 0;

	*ret = (struct nlattrs){ 0 };
	while (left >= sizeof(struct rtattr)) {
		struct rtattr a;
		size_t step;

		memcpy(&a, p, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > left)
			return;
		if (a.rta_type <= NLMSG_MAX_ATTR) {
			ret->data[a.rta_type] = p + RTA_LENGTH(0);
			ret->len[a.rta_type] = a.rta_len - RTA_LENGTH(0);
		}
		step = RTA_ALIGN(a.rta_len) < left ? RTA_ALIGN(a.rta_len) : left;
		p += step;
		left -= step;
	}
}

int nlmsg_dump(int fd, uint16_t type, const void *body, size_t n,
	       int (*cb)(void *arg, uint16_t type, const void *body, const struct nlattrs *attrs), void *arg)
{
	_Alignas(struct nlmsghdr) char buf[32768];
	struct nlattrs attrs;
	struct nlmsg m;

	nlmsg_init(&m, type, NLM_F_DUMP, body, n);
	if (send(fd, &m, m.head.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		size_t left = got > 0 ? (size_t)got : 0;

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			int r = 0;

			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return -EIO;
			if (h->nlmsg_len < NLMSG_LENGTH(n))
				continue;
			parse_attrs(h, n, &attrs);
			r = cb(arg, h->nlmsg_type, NLMSG_DATA(h), &attrs);
			if (r < 0)
				return r;
		}
	}
}
