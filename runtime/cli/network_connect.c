/* SPDX-License-Identifier: Apache-2.0 */
/* brig network connect, brig network disconnect. */
#include "runtime/base/mem.h"
#include "runtime/cli/container_net.h"
#include "runtime/cli/events.h"
#include "runtime/net/network.h"

#include <errno.h>

struct connect_options {
	const char *ip, *ip6, *mac_address;
	struct option_list alias;
	bool force;
};
#define T struct connect_options
static const struct option_row connect_rows[] = {
	OPT_LIST(T, alias, "alias", 0, "NAME", "one more name of the container on the network"),
	OPT_STRING(T, ip, "ip", 0, "IP", "IPv4 address"),
	OPT_STRING(T, ip6, "ip6", 0, "IP", "IPv6 address"),
	OPT_STRING(T, mac_address, "mac-address", 0, "MAC", "hardware address"),
	OPT_END,
};
static const struct option_row disconnect_rows[] = {
	OPT_FLAG(T, force, "force", 'f', "a container that is not on the network is no error"),
	OPT_END,
};
#undef T

/* A container, its flags, and what they ask of the network. */
struct subject {
	struct record *r; /* locked */
	struct run_options o;
	struct net_request q;
	struct net_env env;
	struct network network;
	pid_t pid; /* 0: does not run */
};

static void subject_done(struct subject *s)
{
	record_free(s->r);
	run_options_done(&s->o);
	net_request_done(&s->q);
	net_env_done(&s->env);
	network_done(&s->network);
}

/* The default network becomes one by name, like the others. */
static void name_default(struct net_request *q)
{
	if (q->mode != NET_DEFAULT)
		return;
	if (!q->n_nets) {
		q->nets = xcalloc(1, sizeof(*q->nets));
		q->n_nets = 1;
	}
	if (!q->nets[0].network)
		q->nets[0].network = xstrdup(NETWORK_DEFAULT);
	q->mode = NET_NETWORKS;
}

static int load(struct cli *cli, char **operands, struct subject *s, struct err *err)
{
	struct container *c = NULL;
	enum record_state state;
	int x;

	net_env_init(&s->env, cli->run_dir, cli->oci.rootless);
	if (s->env.rootless)
		return err_set(err, EPERM, "networks on bridges need root; rootless containers have pasta, slirp4netns, host and none");
	x = network_find(&s->env, operands[0], &s->network, err);
	if (x == 0)
		x = record_load(cli, operands[1], true, &s->r, err);
	if (x == 0)
		x = run_options_thaw(&s->r->flags, &s->o, err);
	if (x == 0)
		x = container_net_request(&s->o, NULL, &s->q, err);
	if (x < 0)
		return x;
	name_default(&s->q);
	if (s->q.mode != NET_NETWORKS && !(s->q.mode == NET_NONE && !s->q.n_nets))
		return err_set(err, ENOTSUP, "container %s has --network %s: it has no networks that come and go", s->r->name,
			       record_network(s->r));
	state = record_state(s->r, &c);
	s->pid = c && (state == RECORD_RUNNING || state == RECORD_PAUSED) ? c->pid : 0;
	container_free(c);
	return 0;
}

static struct net_container container_of_subject(const struct subject *s)
{
	return (struct net_container){ .id = s->r->id, .name = s->r->name, .dir = s->r->run_dir, .target_pid = s->pid, .userns_fd = -1 };
}

static struct net_attach *find_attach(struct net_request *q, const char *network)
{
	for (size_t i = 0; i < q->n_nets; i++)
		if (q->nets[i].network && str_eq(q->nets[i].network, network))
			return &q->nets[i];
	return NULL;
}

/* ---- what later starts go by ---- */

static bool is_network_word(const char *word)
{
	static const char *const flags[] = { "--network=", "--ip=", "--ip6=", "--mac-address=", "--network-alias=", NULL };
	bool hit = false;

	for (const char *const *f = flags; *f; f++)
		hit |= str_starts(word, *f);
	return hit;
}

/* "NAME:ip=A,ip6=A,mac=M,alias=N,interface_name=N" */
static char *attach_word(const struct net_attach *a)
{
	const struct {
		const char *key, *value;
	} parts[] = { { "ip", a->ip }, { "ip6", a->ip6 }, { "mac", a->mac }, { "interface_name", a->ifname } };
	struct buf b = { 0 };
	size_t n = 0;

	buf_add(&b, a->network);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i].value)
			buf_addf(&b, "%s%s=%s", n++ ? "," : ":", parts[i].key, parts[i].value);
	for (size_t i = 0; i < a->n_aliases; i++)
		buf_addf(&b, "%salias=%s", n++ ? "," : ":", a->aliases[i]);
	return buf_take(&b);
}

/* The flags of the record say what q says. */
static int keep(struct record *r, const struct net_request *q, struct err *err)
{
	struct strlist flags = { 0 };
	AUTO_BUF struct buf all = { 0 };

	for (size_t i = 0; i < r->flags.n; i++)
		if (!is_network_word(r->flags.v[i]))
			strlist_add(&r->arena, &flags, r->flags.v[i]);
	for (size_t i = 0; i < q->n_nets; i++) {
		AUTO_FREE char *word = attach_word(&q->nets[i]), *flag = xasprintf("--network=%s", word);

		strlist_add(&r->arena, &flags, flag);
		buf_addf(&all, "%s%s", i ? "," : "", q->nets[i].network);
	}
	if (!q->n_nets)
		strlist_add(&r->arena, &flags, "--network=none");
	r->flags = flags;
	r->network = arena_strdup(&r->arena, q->n_nets ? all.p : "none");
	return record_save(r, err);
}

/* ---- the two ---- */

static void add_attach(struct net_request *q, const struct connect_options *o, const char *network)
{
	struct net_attach *a;

	q->nets = xreallocarray(q->nets, q->n_nets + 1, sizeof(*q->nets));
	a = &q->nets[q->n_nets++];
	*a = (struct net_attach){ .network = xstrdup(network), .ip = o->ip ? xstrdup(o->ip) : NULL, .ip6 = o->ip6 ? xstrdup(o->ip6) : NULL,
				  .mac = o->mac_address ? xstrdup(o->mac_address) : NULL };
	for (size_t i = 0; i < o->alias.n; i++)
		strings_add(&a->aliases, o->alias.v[i]);
	a->n_aliases = o->alias.n;
}

/* As the flags of run are checked. */
static int check_flags(const struct connect_options *o, struct err *err)
{
	struct net_request q = { 0 };
	int x = o->ip ? net_request_ip(&q, o->ip, err) : 0;

	if (x == 0 && o->ip6)
		x = net_request_ip6(&q, o->ip6, err);
	if (x == 0 && o->mac_address)
		x = net_request_mac(&q, o->mac_address, err);
	for (size_t i = 0; i < o->alias.n && x == 0; i++)
		x = net_request_alias(&q, o->alias.v[i], err);
	net_request_done(&q);
	return x;
}

static int run_connect(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct connect_options *o = target;
	CLEANUP(subject_done) struct subject s = { 0 };
	struct net_container c;
	int x = check_flags(o, err);

	if (x == 0)
		x = load(cli, operands, &s, err);
	if (x < 0)
		return x;
	if (find_attach(&s.q, s.network.name))
		return err_set(err, EEXIST, "container %s is already connected to network %s", s.r->name, s.network.name);
	add_attach(&s.q, o, s.network.name);
	c = container_of_subject(&s);
	if (s.pid)
		x = net_connect(&s.env, &c, &s.q, &s.q.nets[s.q.n_nets - 1], err);
	if (x == 0)
		x = keep(s.r, &s.q, err);
	if (x == 0)
		event_other(cli, "network", "connect", s.network.name, s.network.name);
	return x;
}

static int run_disconnect(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct connect_options *o = target;
	CLEANUP(subject_done) struct subject s = { 0 };
	struct net_attach *a, gone;
	struct net_container c;
	int x = load(cli, operands, &s, err);

	if (x < 0)
		return x;
	a = find_attach(&s.q, s.network.name);
	if (!a)
		return o->force ? 0 : err_set(err, ENOENT, "container %s is not connected to network %s", s.r->name, s.network.name);
	c = container_of_subject(&s);
	if (s.pid)
		x = net_disconnect(&s.env, &c, &s.q, s.network.name, err);
	if (x < 0)
		return x;
	gone = *a;
	memmove(a, a + 1, (size_t)(&s.q.nets[s.q.n_nets] - (a + 1)) * sizeof(*a));
	s.q.nets[s.q.n_nets - 1] = gone; /* net_request_done() releases it */
	s.q.n_nets--;
	x = keep(s.r, &s.q, err);
	s.q.n_nets++;
	if (x == 0)
		event_other(cli, "network", "disconnect", s.network.name, s.network.name);
	return x;
}

const struct cli_command cli_network_connect = {
	.name = "network connect",
	.operands = "[OPTIONS] NETWORK CONTAINER",
	.help = "connect a container with one more network, at once when it runs",
	.options = connect_rows,
	.target_size = sizeof(struct connect_options),
	.min_operands = 2,
	.max_operands = 2,
	.run = run_connect,
};

const struct cli_command cli_network_disconnect = {
	.name = "network disconnect",
	.operands = "[OPTIONS] NETWORK CONTAINER",
	.help = "take a container from a network",
	.options = disconnect_rows,
	.target_size = sizeof(struct connect_options),
	.min_operands = 2,
	.max_operands = 2,
	.run = run_disconnect,
};
