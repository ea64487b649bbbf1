/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"
#include "runtime/cli/container_net.h"
#include "runtime/cli/select.h"

#include <errno.h>
#include <netinet/in.h>

struct port_options {
	bool all, latest;
};
#define T struct port_options
static const struct option_row rows[] = {
	OPT_FLAG(T, all, "all", 'a', "of all containers that run"),
	OPT_FLAG(T, latest, "latest", 'l', "of the newest container"),
	OPT_END,
};
#undef T

static const char *protocol_of(const struct net_port *p)
{
	return p->protocol == IPPROTO_UDP ? "udp" : p->protocol == IPPROTO_SCTP ? "sctp" : "tcp";
}

static void print_host(const struct net_port *p, unsigned port)
{
	const char *ip = p->host_ip ? p->host_ip : "0.0.0.0";
	bool v6 = strchr(ip, ':');

	printf("%s%s%s:%u\n", v6 ? "[" : "", ip, v6 ? "]" : "", port);
}

/* "80" or "80/udp"; *ret_protocol NULL: any. */
static int parse_wanted(const char *text, unsigned *port, const char **ret_protocol, struct err *err)
{
	const char *slash = strchr(text, '/');
	AUTO_FREE char *number = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);
	uint32_t v;

	if (str_to_u32(number, &v) < 0 || !v || v > UINT16_MAX)
		return err_set(err, EINVAL, "'%s' is no port: PORT[/PROTOCOL]", text);
	*port = v;
	*ret_protocol = slash ? slash + 1 : "tcp";
	return 0;
}

static int print_ports(const struct net_result *net, const char *name, const char *wanted, struct err *err)
{
	const char *protocol = NULL;
	unsigned port = 0;
	bool found = false;

	if (wanted && parse_wanted(wanted, &port, &protocol, err) < 0)
		return -EINVAL;
	for (size_t i = 0; i < net->n_ports; i++)
		for (unsigned k = 0; k < net->ports[i].n; k++) {
			const struct net_port *p = &net->ports[i];

			if (wanted && (p->container_port + k != port || !str_eq(protocol_of(p), protocol)))
				continue;
			found = true;
			if (!wanted)
				printf("%u/%s -> ", p->container_port + k, protocol_of(p));
			print_host(p, p->host_port + k);
		}
	if (wanted && !found)
		return err_set(err, ENOENT, "no public port '%s' published for %s", wanted, name);
	return 0;
}

static int port_one(struct record *r, void *arg, struct err *err)
{
	struct net_result net = { .ns_fd = -1 };
	int x = container_net_load(r, &net, err);

	if (x == 0)
		x = print_ports(&net, r->name, arg, err);
	net_result_done(&net);
	return x;
}

static int run(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct port_options *o = target;
	struct selection s = { .all = o->all, .latest = o->latest, .running = true };
	char *one[] = { operands[0], NULL }, *wanted = operands[0] ? operands[1] : NULL;

	return for_each_selected(cli, &s, one, port_one, wanted, err);
}

const struct cli_command cli_port = {
	.name = "port",
	.operands = "[OPTIONS] CONTAINER [PORT[/PROTOCOL]]",
	.help = "show the published ports of a container",
	.options = rows,
	.target_size = sizeof(struct port_options),
	.max_operands = 2,
	.container = true,
	.run = run,
};
