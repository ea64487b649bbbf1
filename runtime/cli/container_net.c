/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/container_net.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <unistd.h>

typedef int (*request_fn)(struct net_request *r, const char *value, struct err *err);

static int add_each(struct net_request *r, const struct option_list *l, request_fn fn, struct err *err)
{
	int x = 0;

	for (size_t i = 0; i < l->n && x == 0; i++)
		x = fn(r, l->v[i], err);
	return x;
}

int container_net_request(const struct run_options *o, const struct image_config *image, struct net_request *ret, struct err *err)
{
	struct net_request r = { .publish_all = o->publish_all, .no_hosts = o->no_hosts };
	const struct {
		const struct option_list *list;
		request_fn fn;
	} lists[] = {
		{ &o->network, net_request_network }, { &o->publish, net_request_publish },	  { &o->expose, net_request_expose },
		{ &o->dns, net_request_dns },	      { &o->dns_search, net_request_dns_search }, { &o->dns_option, net_request_dns_option },
		{ &o->add_host, net_request_add_host }, { &o->network_alias, net_request_alias },
	};
	const struct {
		const char *value;
		request_fn fn;
	} single[] = { { o->ip, net_request_ip }, { o->ip6, net_request_ip6 }, { o->mac_address, net_request_mac } };
	int x = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists) && x == 0; i++)
		x = add_each(&r, lists[i].list, lists[i].fn, err);
	for (size_t i = 0; i < ARRAY_SIZE(single) && x == 0; i++)
		x = single[i].value ? single[i].fn(&r, single[i].value, err) : 0;
	for (size_t i = 0; image && i < image->exposed_ports.n && x == 0; i++)
		x = net_request_expose(&r, image->exposed_ports.v[i], err);
	if (x == 0)
		x = net_request_check(&r, err);
	if (x < 0) {
		net_request_done(&r);
		return x;
	}
	*ret = r;
	return 0;
}

static void init_env(struct record *r, struct net_env *env)
{
	net_env_init(env, r->cli->run_dir, r->cli->oci.rootless);
}

/* --network container:X */
static int find_target(struct record *r, const struct net_request *q, struct net_container *c, struct record **ret_target, struct err *err)
{
	struct container *running = NULL;
	int x;

	if (q->mode != NET_CONTAINER)
		return 0;
	x = record_load(r->cli, q->target, false, ret_target, err);
	if (x < 0)
		return err_wrap(err, "--network container:%s", q->target);
	record_state(*ret_target, &running);
	if (!running || container_status(running) == CONTAINER_STOPPED)
		x = err_set(err, ESRCH, "--network container:%s: the container is not running", q->target);
	else
		c->target_pid = running->pid;
	c->target_dir = (*ret_target)->run_dir;
	container_free(running);
	return x;
}

int container_net_setup(struct record *r, const struct run_options *o, const struct image_config *image, const char *hostname,
		  int userns_fd, struct net_result *ret, struct err *err)
{
	struct net_container c = { .id = r->id, .name = r->name, .hostname = hostname, .dir = r->run_dir, .userns_fd = userns_fd };
	AUTO_RECORD struct record *target = NULL;
	struct net_request q = { 0 };
	struct net_env env;
	int x = container_net_request(o, image, &q, err);

	if (x < 0)
		return x;
	init_env(r, &env);
	x = find_target(r, &q, &c, &target, err);
	if (x == 0)
		x = net_setup(&env, &c, &q, ret, err);
	net_env_done(&env);
	net_request_done(&q);
	return x;
}

int container_net_teardown(struct record *r, struct err *err)
{
	struct net_env env;
	int x;

	init_env(r, &env);
	x = net_teardown(&env, r->id, err);
	net_env_done(&env);
	return x;
}

int container_net_load(struct record *r, struct net_result *ret, struct err *err)
{
	struct net_env env;
	int x;

	init_env(r, &env);
	x = net_load(&env, r->id, ret, err);
	net_env_done(&env);
	return x;
}
