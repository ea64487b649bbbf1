/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int nl_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

void nl_init(struct nl_request *m, uint16_t type, uint16_t flags, const void *body, size_t n)
{
	*m = (struct nl_request){ .head = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(n), .nlmsg_type = type,
					    .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) } };
	memcpy(m->body, body, n);
}

void nl_attr(struct nl_request *m, unsigned short type, const void *data, size_t n)
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

int nl_ask(int fd, struct nl_request *m)
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

static bool has_mac(const struct nlmsghdr *h, const uint8_t mac[6])
{
	const char *p = (const char *)h + NLMSG_LENGTH(sizeof(struct ifinfomsg));
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(struct ifinfomsg));

	while (left >= sizeof(struct rtattr)) {
		struct rtattr a;

		memcpy(&a, p, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > left)
			return false;
		if (a.rta_type == IFLA_ADDRESS && a.rta_len == RTA_LENGTH(6) && memcmp(p + RTA_LENGTH(0), mac, 6) == 0)
			return true;
		p += RTA_ALIGN(a.rta_len);
		left -= RTA_ALIGN(a.rta_len) < left ? RTA_ALIGN(a.rta_len) : left;
	}
	return false;
}

int nl_find_mac(int fd, const uint8_t mac[6])
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	_Alignas(struct nlmsghdr) char buf[32768];
	struct nl_request m;
	int found = 0;

	nl_init(&m, RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info));
	if (send(fd, &m, m.head.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		size_t left = got > 0 ? (size_t)got : 0;

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return found;
			if (h->nlmsg_type == RTM_NEWLINK && has_mac(h, mac)) {
				memcpy(&info, NLMSG_DATA(h), sizeof(info));
				found = info.ifi_index;
			}
		}
	}
}
