/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/host_ports.h"

#include "runtime/base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

/* Try to listen there: *port 0 is replaced by one that is free. -EADDRINUSE. */
static int try_port(const struct net_port *p, uint16_t *port)
{
	struct ip_addr a = { .family = AF_INET };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(*port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(*port) };
	int type = p->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, on = 1, r;
	AUTO_CLOSE int fd = -1;
	struct sockaddr *at;
	socklen_t n;

	if (p->host_ip && ip_parse(p->host_ip, &a) < 0)
		return -EINVAL;
	v4.sin_addr = a.u.v4;
	v6.sin6_addr = a.u.v6;
	at = a.family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	n = a.family == AF_INET ? sizeof(v4) : sizeof(v6);
	fd = socket(a.family, type | SOCK_CLOEXEC, p->protocol);
	if (fd < 0)
		return *port && p->protocol == IPPROTO_SCTP ? 0 : -errno; /* a kernel without sctp has no listeners either */
	if (p->protocol != IPPROTO_UDP)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	r = bind(fd, at, n) < 0 ? -errno : 0;
	if (r == 0 && *port == 0 && getsockname(fd, at, &n) == 0)
		*port = ntohs(a.family == AF_INET ? v4.sin_port : v6.sin6_port);
	return r;
}

static int port_error(const struct net_port *p, uint16_t port, int r, struct err *err)
{
	return err_sys(err, r, "publish %s:%u", p->host_ip ? p->host_ip : "0.0.0.0", port);
}

static bool overlaps(const struct net_port *a, const struct net_port *b)
{
	bool same_ip = !a->host_ip || !b->host_ip || str_eq(a->host_ip, b->host_ip);

	return same_ip && a->protocol == b->protocol && a->host_port < b->host_port + b->n && b->host_port < a->host_port + a->n;
}

static bool given_twice(const struct netrec *r, const struct net_port *p)
{
	for (size_t i = 0; i < r->n_ports; i++)
		if (overlaps(&r->ports[i], p))
			return true;
	return false;
}

/* host_port..host_last: the first that is free. */
static int choose_from_range(struct netrec *r, struct net_port *p, struct err *err)
{
	uint16_t first = p->host_port, last = p->host_last;

	p->host_last = 0;
	for (unsigned port = first; port <= last; port++) {
		uint16_t n = (uint16_t)port;

		p->host_port = n;
		if (!given_twice(r, p) && try_port(p, &n) == 0) {
			ports_add(&r->ports, &r->n_ports, p);
			return 0;
		}
	}
	return err_set(err, EADDRINUSE, "publish %u-%u: every port of the range is in use", first, last);
}

/* Each port of a range without numbers is one of its own: free ports need not lie side by side. */
static int choose_free(struct netrec *r, const struct net_port *p, struct err *err)
{
	for (uint16_t k = 0; k < p->n; k++) {
		struct net_port one = *p;
		int result;

		one.n = 1;
		one.container_port = (uint16_t)(p->container_port + k);
		one.host_port = 0;
		result = try_port(p, &one.host_port);
		if (result < 0)
			return port_error(p, 0, result, err);
		ports_add(&r->ports, &r->n_ports, &one);
	}
	return 0;
}

static int check_given(struct netrec *r, const struct net_port *p, struct err *err)
{
	if (given_twice(r, p))
		return err_set(err, EINVAL, "publish %u: the port is given twice", p->host_port);
	for (uint16_t k = 0; k < p->n; k++) {
		uint16_t port = (uint16_t)(p->host_port + k);
		int result = try_port(p, &port);

		if (result < 0)
			return port_error(p, port, result, err);
	}
	ports_add(&r->ports, &r->n_ports, p);
	return 0;
}

static int resolve(struct netrec *r, const struct net_port *p, struct err *err)
{
	struct net_port copy = *p;

	if (p->host_last)
		return choose_from_range(r, &copy, err);
	return p->host_port ? check_given(r, p, err) : choose_free(r, p, err);
}

static bool published(const struct net_request *q, const struct net_port *e, uint16_t k)
{
	unsigned port = (unsigned)e->container_port + k;

	for (size_t i = 0; i < q->n_ports; i++)
		if (q->ports[i].protocol == e->protocol && port >= q->ports[i].container_port &&
		    port < (unsigned)q->ports[i].container_port + q->ports[i].n)
			return true;
	return false;
}

int host_ports_resolve(const struct net_request *q, struct netrec *r, struct err *err)
{
	for (size_t i = 0; i < q->n_ports; i++)
		if (resolve(r, &q->ports[i], err) < 0)
			return -err->code;
	for (size_t i = 0; q->publish_all && i < q->n_exposed; i++)
		for (uint16_t k = 0; k < q->exposed[i].n; k++) {
			struct net_port one = q->exposed[i];

			one.n = 1;
			one.container_port = (uint16_t)(one.container_port + k);
			if (!published(q, &q->exposed[i], k) && choose_free(r, &one, err) < 0)
				return -err->code;
		}
	return 0;
}
