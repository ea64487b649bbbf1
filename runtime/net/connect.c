/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that come and go while the container runs. */
#include "runtime/base/fd.h"
#include "runtime/net/drivers.h"
#include "runtime/net/firewall.h"
#include "runtime/net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The namespace of a container that runs, from outside. */
struct inside {
	struct netrec record;
	int ns_fd, route_fd;
	char *ns_path;
};

static void inside_done(struct inside *in)
{
	netrec_done(&in->record);
	fd_close(&in->ns_fd);
	fd_close(&in->route_fd);
	free(in->ns_path);
}

static int enter(const struct net_env *env, const struct net_container *c, struct inside *in, struct err *err)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/ns/net", (int)c->target_pid), *pinned = net_pin_path(env, c->id);
	int r = netrec_load(env, c->id, &in->record, err);

	if (r == -ENOENT)
		return err_set(err, ENOTSUP, "container %s was started without a network: stop it first", c->name);
	if (r < 0)
		return r;
	if (in->record.helper_pid)
		return err_set(err, ENOTSUP, "container %s has the network of a helper process: it cannot be connected to others", c->name);
	in->ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (in->ns_fd < 0)
		return err_sys(err, -errno, "open the network namespace of container %s", c->name);
	in->route_fd = netns_route_socket(in->ns_fd);
	if (in->route_fd < 0)
		return err_sys(err, in->route_fd, "netlink socket of container %s", c->name);
	in->ns_path = access(pinned, F_OK) == 0 ? TAKE_PTR(pinned) : NULL;
	return 0;
}

static struct net_place place_in(const struct net_env *env, const struct net_container *c, const struct inside *in)
{
	return (struct net_place){ .env = env, .id = c->id, .name = in->record.name, .ns_fd = in->ns_fd, .route_fd = in->route_fd,
				   .userns_fd = -1, .ns_path = in->ns_path };
}

static struct netrec_if *find_if(struct netrec *r, const char *network)
{
	for (size_t i = 0; i < r->n_ifs; i++)
		if (str_eq(r->ifs[i].pub.network, network))
			return &r->ifs[i];
	return NULL;
}

/* The lowest N of which no interface is called ethN. */
static size_t free_number(const struct netrec *r)
{
	for (size_t n = 0;; n++) {
		AUTO_FREE char *name = xasprintf("eth%zu", n);
		bool taken = false;

		for (size_t i = 0; i < r->n_ifs; i++)
			taken |= str_eq(r->ifs[i].pub.ifname, name);
		if (!taken)
			return n;
	}
}

/* As in net_setup(): what will be made is in the record before it is made. */
static int wire(struct inside *in, const struct net_place *p, const struct network *n, const struct net_attach *a, struct err *err)
{
	struct netrec *r = &in->record;
	size_t number = free_number(r);
	struct netrec_if *i;
	int x = 0;

	r->ifs = xreallocarray(r->ifs, r->n_ifs + 1, sizeof(*r->ifs));
	i = &r->ifs[r->n_ifs++];
	*i = (struct netrec_if){ 0 };
	net_fill_interface(n, a, number, i);
	if (n->builtin)
		x = bridge_plan(p, n, a, i, err);
	if (x == 0)
		x = netrec_save(p->env, r, err);
	if (x < 0)
		return x;
	return n->builtin ? bridge_wire(p, n, i, err) : cni_wire(p, n, a, r, r->n_ifs - 1, false, err);
}

static int take_away(const struct net_env *env, struct netrec *r, struct netrec_if *i, const char *ns_path, struct err *err)
{
	struct ip_addr v4 = { 0 }, v6 = { 0 };
	int x = 0, y;

	if (i->conflist)
		return cni_undo(env, r, i, ns_path ? ns_path : "", err);
	if (i->pub.v4.text[0] && ip_parse(i->pub.v4.text, &v4) < 0)
		v4.family = 0;
	if (i->pub.v6.text[0] && ip_parse(i->pub.v6.text, &v6) < 0)
		v6.family = 0;
	if (r->n_ports)
		x = firewall_remove_ports(r->ports, r->n_ports, &v4, &v6, err);
	y = bridge_undo(env, r, i, err);
	return x < 0 ? x : y;
}

/* Remove the interface from the record, and let the others forget it. */
static int forget(const struct net_env *env, struct netrec *r, struct netrec_if *i, struct err *err)
{
	struct netrec_if gone = *i;
	int x;

	*i = r->ifs[r->n_ifs - 1];
	r->ifs[r->n_ifs - 1] = gone;
	r->n_ifs--;
	x = netrec_save(env, r, err);
	r->n_ifs++;
	files_tell_others(env, r); /* those on the lost network, too */
	r->n_ifs--;
	netrec_if_done(&gone);
	return x;
}

int net_connect(const struct net_env *env, const struct net_container *c, const struct net_request *q, const struct net_attach *a,
		struct err *err)
{
	CLEANUP(inside_done) struct inside in = { .ns_fd = -1, .route_fd = -1 };
	AUTO_NETWORK struct network n = { 0 };
	struct net_place p;
	struct err ignored;
	int x = network_find(env, a->network, &n, err);

	if (x == 0)
		x = enter(env, c, &in, err);
	if (x == 0 && find_if(&in.record, n.name))
		x = err_set(err, EEXIST, "container %s is already connected to network %s", c->name, n.name);
	if (x == 0 && !n.builtin && !in.ns_path)
		x = net_pin(env, c->id, in.ns_fd, &in.ns_path, err);
	if (x < 0)
		return x;
	p = place_in(env, c, &in);
	x = wire(&in, &p, &n, a, err);
	if (x == 0)
		x = netrec_save(env, &in.record, err);
	if (x < 0) {
		struct netrec_if *i = find_if(&in.record, n.name);

		if (i && take_away(env, &in.record, i, in.ns_path, &ignored) == 0)
			(void)!forget(env, &in.record, i, &ignored);
		return x;
	}
	files_tell_others(env, &in.record);
	return files_write(env, &in.record, q, err);
}

/* The way out may have gone with the interface: the others have routes of their own. */
static int mend_routes(const struct net_place *p, const struct netrec *r, struct err *err)
{
	int x = 0;

	for (size_t i = 0; i < r->n_ifs && x == 0; i++)
		if (!r->ifs[i].conflist)
			x = bridge_configure(p, &r->ifs[i], err);
	return x;
}

int net_disconnect(const struct net_env *env, const struct net_container *c, const struct net_request *q, const char *network, struct err *err)
{
	CLEANUP(inside_done) struct inside in = { .ns_fd = -1, .route_fd = -1 };
	struct netrec_if *i;
	struct net_place p;
	int x = enter(env, c, &in, err);

	if (x < 0)
		return x;
	i = find_if(&in.record, network);
	if (!i)
		return err_set(err, ENOENT, "container %s is not connected to network %s", c->name, network);
	x = take_away(env, &in.record, i, in.ns_path, err);
	if (x == 0)
		x = forget(env, &in.record, i, err);
	if (x < 0)
		return x;
	p = place_in(env, c, &in);
	x = mend_routes(&p, &in.record, err);
	return x < 0 ? x : files_write(env, &in.record, q, err);
}
