/* SPDX-License-Identifier: Apache-2.0 */
/* brig network ... */
#include "runtime/base/mem.h"
#include "runtime/cli/events.h"
#include "runtime/cli/output.h"
#include "runtime/cli/select.h"
#include "runtime/net/netrec.h"
#include "runtime/net/network.h"

#include <errno.h>

static void init_env(struct cli *cli, struct net_env *env)
{
	net_env_init(env, cli->run_dir, cli->oci.rootless);
}
#define AUTO_ENV CLEANUP(net_env_done)

/* ---- ls ---- */

struct ls_options {
	bool quiet, no_trunc, no_heading;
	const char *format;
	struct option_list filter;
};
#define T struct ls_options
static const struct option_row ls_rows[] = {
	OPT_LIST(T, filter, "filter", 'f', "KEY=VALUE", "those that match: name, id, driver, label"),
	OPT_STRING(T, format, "format", 0, "FORMAT", "json, table, or a Go template"),
	OPT_FLAG(T, no_trunc, "no-trunc", 0, "whole IDs"),
	OPT_FLAG(T, no_heading, "noheading", 'n', "without the line of headings"),
	OPT_FLAG(T, quiet, "quiet", 'q', "names only"),
	OPT_END,
};
#undef T

/* 1: matches, 0: does not. */
static int filter_one(const struct network *n, const char *f, struct err *err)
{
	if (str_starts(f, "name="))
		return strstr(n->name, f + 5) != NULL;
	if (str_starts(f, "id="))
		return n->id[0] && str_starts(n->id, f + 3);
	if (str_starts(f, "driver="))
		return str_eq(n->driver, f + 7);
	if (str_starts(f, "label="))
		return output_has_label(n->labels, f + 6);
	if (str_starts(f, "label!="))
		return !output_has_label(n->labels, f + 7);
	if (str_starts(f, "until="))
		return created_before(n->created, f + 6);
	return err_set(err, EINVAL, "--filter '%s': must be KEY=VALUE with one of the keys name, id, driver, label, until", f);
}

static int filter_all(const struct network *n, const struct option_list *l, struct err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		int x = filter_one(n, l->v[i], err);

		if (x <= 0)
			return x;
	}
	return 1;
}

static void put_row(struct json_writer *w, const struct network *n, bool whole)
{
	AUTO_FREE char *id = xstrndup(n->id, whole ? 64 : 12);
	AUTO_BUF struct buf labels = { 0 };

	for (size_t i = 0; n->labels && n->labels[i]; i++)
		buf_addf(&labels, "%s%s", i ? "," : "", n->labels[i]);
	json_begin_object(w);
	json_kv_string(w, "ID", id);
	json_kv_string(w, "Name", n->name);
	json_kv_string(w, "Driver", n->driver);
	json_kv_string(w, "Scope", "local");
	json_kv_string(w, "CreatedAt", n->created);
	json_kv_bool(w, "Internal", n->internal);
	json_kv_bool(w, "IPv6", n->n_subnets && n->subnets[n->n_subnets - 1].net.family == AF_INET6);
	json_kv_string(w, "Labels", labels.p ? labels.p : "");
	json_end_object(w);
}

/* What is always there, besides networks that have a file. */
static void put_modes(struct json_writer *w, const struct option_list *filter)
{
	static const char *const modes[] = { "host", "none" };
	struct err ignored;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct network n = { 0 };

		if (network_mode(modes[i], &n) && filter_all(&n, filter, &ignored) > 0)
			put_row(w, &n, false);
		network_done(&n);
	}
}

static int list_networks(struct cli *cli, const struct ls_options *o, struct json_writer *w, struct err *err)
{
	AUTO_ENV struct net_env env;
	struct network *all;
	size_t n;
	int r;

	init_env(cli, &env);
	if (!env.rootless) { /* the default network is there for everyone, used yet or not */
		AUTO_NETWORK struct network def = { 0 };

		if (network_find(&env, NETWORK_DEFAULT, &def, err) < 0)
			return -err->code;
	}
	r = network_all(&env, true, &all, &n, err);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		r = filter_all(&all[i], &o->filter, err);
		if (r > 0)
			put_row(w, &all[i], o->no_trunc);
	}
	network_list_done(all, n);
	if (r >= 0)
		put_modes(w, &o->filter);
	return r < 0 ? r : 0;
}

static int run_ls(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	static const struct table_heading headings[] = { { "ID", "NETWORK ID" }, { "CreatedAt", "CREATED AT" }, { NULL, NULL } };
	const struct ls_options *o = target;
	struct table_style style = { .columns = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", .headings = headings,
				     .no_heading = o->no_heading };
	AUTO_BUF struct buf rows = { 0 };
	struct json_writer w = { .out = &rows };
	int r;

	json_begin_array(&w);
	r = list_networks(cli, o, &w, err);
	json_end_array(&w);
	return r < 0 ? r : output_rows(&style, o->quiet ? "{{.Name}}" : o->format, &rows, err);
}

const struct cli_command cli_network_ls = {
	.name = "network ls",
	.operands = "[OPTIONS]",
	.help = "list networks",
	.options = ls_rows,
	.target_size = sizeof(struct ls_options),
	.max_operands = 0,
	.run = run_ls,
};

/* ---- create ---- */

struct create_options_net {
	const char *driver, *parent;
	struct option_list subnet, gateway, range, label, opt;
	bool internal, ipv6, disable_dns, ignore;
};
#define T struct create_options_net
static const struct option_row create_rows[] = {
	OPT_FLAG(T, disable_dns, "disable-dns", 0, "containers do not find one another by name"),
	OPT_STRING(T, driver, "driver", 'd', "NAME", "bridge, macvlan or ipvlan (bridge)"),
	OPT_LIST(T, gateway, "gateway", 0, "IP", "the bridge's own address (the subnet's first)"),
	OPT_FLAG(T, ignore, "ignore", 0, "one that is there already is no error"),
	OPT_FLAG(T, internal, "internal", 0, "no way out of the network"),
	OPT_LIST(T, range, "ip-range", 0, "RANGE", "give out addresses of this part only: CIDR or FIRST-LAST"),
	OPT_FLAG(T, ipv6, "ipv6", '6', "also an IPv6 subnet"),
	OPT_LIST(T, label, "label", 0, "KEY=VALUE", "label of the network"),
	OPT_LIST(T, opt, "opt", 'o', "KEY=VALUE", "mtu, mode, parent, com.docker.network.bridge.name"),
	OPT_STRING(T, parent, "parent", 0, "INTERFACE", "the host's interface, for macvlan and ipvlan"),
	OPT_LIST(T, subnet, "subnet", 0, "CIDR", "addresses of the network (a free 10.x.y.0/24)"),
	OPT_END,
};
#undef T

static int run_create(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct create_options_net *o = target;
	AUTO_FREE char **subnets = output_list(&o->subnet), **gateways = output_list(&o->gateway), **ranges = output_list(&o->range);
	AUTO_FREE char **labels = output_list(&o->label), **options = output_list(&o->opt);
	struct network_create_options c = { .name = operands[0], .driver = o->driver, .parent = o->parent, .subnets = subnets,
					    .gateways = gateways, .ranges = ranges, .labels = labels, .options = options,
					    .internal = o->internal, .ipv6 = o->ipv6, .no_names = o->disable_dns };
	AUTO_NETWORK struct network n = { 0 };
	AUTO_ENV struct net_env env;
	int r;

	init_env(cli, &env);
	if (env.rootless)
		return err_set(err, EPERM, "networks on bridges need root; rootless containers have pasta, slirp4netns, host and none");
	r = network_create(&env, &c, &n, err);
	if (r == -EEXIST && o->ignore && operands[0]) {
		printf("%s\n", operands[0]);
		return 0;
	}
	if (r < 0)
		return r;
	event_other(cli, "network", "create", n.name, n.name);
	printf("%s\n", n.name);
	return 0;
}

const struct cli_command cli_network_create = {
	.name = "network create",
	.operands = "[OPTIONS] [NAME]",
	.help = "make a network",
	.options = create_rows,
	.target_size = sizeof(struct create_options_net),
	.max_operands = 1,
	.run = run_create,
};

/* ---- rm ---- */

struct rm_options_net {
	bool force;
	struct option_list filter; /* of prune */
};
#define T struct rm_options_net
static const struct option_row rm_rows[] = {
	OPT_IGNORE("time", "SECONDS", NULL), /* podman's, for containers that it stops first */
	OPT_FLAG(T, force, "force", 'f', "one that is not there is no error"),
	OPT_END,
};
#undef T

static int run_rm(struct cli *cli, void *target, char **operands, struct err *err UNUSED)
{
	const struct rm_options_net *o = target;
	AUTO_ENV struct net_env env;
	int code = 0;

	init_env(cli, &env);
	for (; *operands; operands++) {
		struct err e = { 0 };
		int r = network_remove(&env, *operands, &e);

		if (r == 0) {
			event_other(cli, "network", "destroy", *operands, *operands);
			printf("%s\n", *operands);
		} else if (!(r == -ENOENT && o->force))
			cli_report(&e, &code);
	}
	return code;
}

const struct cli_command cli_network_rm = {
	.name = "network rm",
	.operands = "[OPTIONS] NETWORK [NETWORK...]",
	.help = "remove networks",
	.options = rm_rows,
	.target_size = sizeof(struct rm_options_net),
	.min_operands = 1,
	.max_operands = -1,
	.run = run_rm,
};

/* ---- inspect ---- */

struct inspect_options_net {
	const char *format;
};
#define T struct inspect_options_net
static const struct option_row inspect_rows[] = {
	OPT_STRING(T, format, "format", 'f', "FORMAT", "json, or a Go template"),
	OPT_END,
};
#undef T

static int run_inspect(struct cli *cli, void *target, char **operands, struct err *err)
{
	const struct inspect_options_net *o = target;
	AUTO_BUF struct buf out = { 0 };
	struct json_writer w = { .out = &out };
	AUTO_ENV struct net_env env;
	int code = 0, r;

	init_env(cli, &env);
	json_begin_array(&w);
	for (; *operands; operands++) {
		AUTO_NETWORK struct network n = { 0 };
		struct err e = { 0 };

		if (!network_mode(*operands, &n) && network_find(&env, *operands, &n, &e) < 0)
			cli_report(&e, &code);
		else
			network_json(&env, &n, &w);
	}
	json_end_array(&w);
	r = output_objects(o->format, &out, err);
	return r < 0 ? r : code;
}

const struct cli_command cli_network_inspect = {
	.name = "network inspect",
	.operands = "[OPTIONS] NETWORK [NETWORK...]",
	.help = "show all about networks",
	.options = inspect_rows,
	.target_size = sizeof(struct inspect_options_net),
	.min_operands = 1,
	.max_operands = -1,
	.run = run_inspect,
};

/* ---- prune ---- */

static const struct option_row prune_rows[] = {
	OPT_LIST(struct rm_options_net, filter, "filter", 0, "KEY=VALUE", "only those that match: name, id, driver, label, until"),
	OPT_FLAG(struct rm_options_net, force, "force", 'f', "do not ask"),
	OPT_END,
};

static int run_prune(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	const struct rm_options_net *o = target;
	AUTO_ENV struct net_env env;
	struct network *all;
	size_t n;
	int code = 0, r;

	if (!output_confirm("Remove all networks that no container uses?", o->force))
		return 0;
	init_env(cli, &env);
	r = network_all(&env, false, &all, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		AUTO_FREE char *users = netrec_users(&env, all[i].name);
		struct err e = { 0 };
		int hit = filter_all(&all[i], &o->filter, err);

		if (hit < 0)
			r = hit;
		if (hit <= 0 || users || !all[i].ours || str_eq(all[i].name, NETWORK_DEFAULT))
			continue;
		if (network_remove(&env, all[i].name, &e) < 0) {
			cli_report(&e, &code);
			continue;
		}
		event_other(cli, "network", "destroy", all[i].name, all[i].name);
		printf("%s\n", all[i].name);
	}
	network_list_done(all, n);
	return r < 0 ? r : code;
}

const struct cli_command cli_network_prune = {
	.name = "network prune",
	.operands = "[OPTIONS]",
	.help = "remove networks that no container uses",
	.options = prune_rows,
	.target_size = sizeof(struct rm_options_net),
	.max_operands = 0,
	.run = run_prune,
};
