/* SPDX-License-Identifier: Apache-2.0 */
/* -p and --expose. */
#include "runtime/net/netrec.h"

#include <errno.h>
#include <netinet/in.h>
#include <strings.h>

struct range {
	uint16_t first, last;
};

static int one_port(const char *s, size_t n, uint16_t *ret)
{
	AUTO_FREE char *text = xstrndup(s, n);
	uint32_t v;

	if (str_to_u32(text, &v) < 0 || v > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

static int parse_range(const char *s, size_t n, struct range *ret)
{
	const char *dash = memchr(s, '-', n);

	if (!dash) {
		int r = one_port(s, n, &ret->first);

		ret->last = ret->first;
		return r;
	}
	if (one_port(s, (size_t)(dash - s), &ret->first) < 0 || one_port(dash + 1, n - (size_t)(dash - s) - 1, &ret->last) < 0)
		return -EINVAL;
	return ret->first && ret->first <= ret->last ? 0 : -EINVAL;
}

/* Cut "/tcp" off. */
static int take_protocol(char *s, uint16_t *ret)
{
	char *slash = strchr(s, '/');

	*ret = IPPROTO_TCP;
	if (!slash)
		return 0;
	*slash = '\0';
	if (strcasecmp(slash + 1, "udp") == 0)
		*ret = IPPROTO_UDP;
	else if (strcasecmp(slash + 1, "sctp") == 0)
		*ret = IPPROTO_SCTP;
	else if (strcasecmp(slash + 1, "tcp") != 0)
		return -EINVAL;
	return 0;
}

/* Cut "IP:" or "[IP]:" off the beginning; *ret stays NULL when there is none. */
static int take_ip(char **s, char **ret)
{
	struct ip_addr a;
	char *end, *colon = strrchr(*s, ':');

	if (**s == '[') {
		end = strchr(*s, ']');
		if (!end || end[1] != ':')
			return -EINVAL;
		*end = '\0';
		*ret = *s + 1;
		*s = end + 2;
		return ip_parse(*ret, &a);
	}
	if (!colon)
		return 0;
	/* IP:HOST:CONTAINER has two colons at least; HOST:CONTAINER has one. */
	end = colon;
	while (end > *s && end[-1] != ':')
		end--;
	if (end == *s)
		return 0;
	end[-1] = '\0';
	*ret = *s;
	*s = end;
	return strchr(*ret, '/') ? -EINVAL : ip_parse(*ret, &a);
}

static int fill_port(char *rest, struct net_port *p, const char **why)
{
	char *colon = strchr(rest, ':');
	const char *inner = colon ? colon + 1 : rest;
	struct range host = { 0 }, container = { 0 };

	if (parse_range(inner, strlen(inner), &container) < 0 || !container.first) {
		*why = "the container's port is not a number from 1 to 65535 or a range of them";
		return -EINVAL;
	}
	if (colon && colon != rest && parse_range(rest, (size_t)(colon - rest), &host) < 0) {
		*why = "the host's port is not a number from 0 to 65535 or a range of them";
		return -EINVAL;
	}
	p->container_port = container.first;
	p->n = (uint16_t)(container.last - container.first + 1);
	p->host_port = host.first;
	if (host.first && host.last != host.first && p->n == 1)
		p->host_last = host.last;
	else if (host.first && host.last - host.first != container.last - container.first) {
		*why = "the two ranges have different lengths";
		return -EINVAL;
	}
	return 0;
}

int net_request_publish(struct net_request *r, const char *value, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(value);
	const char *why = "not [[IP:][HOSTPORT]:]CONTAINERPORT[/tcp|udp|sctp]";
	struct net_port p = { 0 };
	char *rest = copy;

	if (take_protocol(copy, &p.protocol) < 0)
		why = "the protocol is none of tcp, udp and sctp";
	else if (take_ip(&rest, &p.host_ip) < 0)
		why = "the address is not an IP address";
	else if (fill_port(rest, &p, &why) == 0) {
		ports_add(&r->ports, &r->n_ports, &p);
		return 0;
	}
	return err_set(err, EINVAL, "--publish %s: %s", value, why);
}

int net_request_expose(struct net_request *r, const char *value, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(value);
	struct net_port p = { 0 };
	struct range range = { 0 };

	if (take_protocol(copy, &p.protocol) < 0 || parse_range(copy, strlen(copy), &range) < 0 || !range.first)
		return err_set(err, EINVAL, "--expose %s: not PORT[-END][/tcp|udp|sctp]", value);
	p.container_port = range.first;
	p.n = (uint16_t)(range.last - range.first + 1);
	ports_add(&r->exposed, &r->n_exposed, &p);
	return 0;
}
