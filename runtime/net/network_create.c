/* SPDX-License-Identifier: Apache-2.0 */
/* `network create` and `network rm`. */
#include "runtime/base/fd.h"
#include "runtime/net/firewall.h"
#include "runtime/net/netrec.h"
#include "runtime/base/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <unistd.h>

struct list {
	struct network *v;
	size_t n;
};

static bool listed(const struct list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->v[i].name, name))
			return true;
	return false;
}

static bool interface_used(const struct list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->v[i].interface, name))
			return true;
	return false;
}

/* The first brigN that no network and no interface has; brig0 belongs to the default network. */
static char *free_bridge(const struct list *l, bool is_default)
{
	AUTO_CLOSE int fd = nl_socket(NETLINK_ROUTE);

	for (unsigned i = is_default ? 0 : 1;; i++) {
		char *name = xasprintf("brig%u", i);

		if (!interface_used(l, name) && (is_default || fd < 0 || !link_index(fd, name)))
			return name;
		free(name);
	}
}

static int take_options(struct network *n, const struct network_create_options *o, struct err *err)
{
	const char *mtu = strings_value(o->options, "mtu"), *bridge = strings_value(o->options, "com.docker.network.bridge.name");
	uint32_t v = 0;

	mtu = mtu ? mtu : strings_value(o->options, "com.docker.network.driver.mtu");
	if (mtu && (str_to_u32(mtu, &v) < 0 || v < 68 || v > 65535))
		return err_set(err, EINVAL, "--opt mtu=%s: not a number from 68 to 65535", mtu);
	n->mtu = v;
	if (!bridge)
		return 0;
	if (strlen(bridge) > 15 || !network_name_ok(bridge))
		return err_set(err, EINVAL, "--opt com.docker.network.bridge.name=%s: no name for an interface", bridge);
	free(n->interface);
	n->interface = xstrdup(bridge);
	return 0;
}

static int fill_new(const struct net_env *env, const struct list *all, const struct network_create_options *o, struct network *n,
		    struct err *err)
{
	const char *driver = o->driver ? o->driver : "bridge";
	char created[STR_TIME_LEN], id[65];

	if (!str_eq(driver, "bridge") && !str_eq(driver, "macvlan") && !str_eq(driver, "ipvlan"))
		return err_set(err, EINVAL, "--driver %s: unknown; bridge, macvlan and ipvlan are there", driver);
	str_time_now(created);
	str_random_hex(id, 64);
	n->id = xstrdup(id);
	n->created = xstrdup(created);
	n->driver = xstrdup(driver);
	n->labels = strings_copy(o->labels);
	n->options = strings_copy(o->options);
	n->internal = o->internal;
	n->ours = true;
	n->names = !o->no_names && str_eq(driver, "bridge");
	if (str_eq(driver, "bridge"))
		n->interface = free_bridge(all, str_eq(n->name, NETWORK_DEFAULT));
	else
		n->interface = xstrdup(o->parent ? o->parent : strings_value(o->options, "parent") ? strings_value(o->options, "parent") : "");
	if (take_options(n, o, err) < 0)
		return -EINVAL;
	return network_subnets(env, o, n, err);
}

/* link(2) and not rename: an existing network of this name stays as it is. */
static int write_new(const struct net_env *env, struct network *n, struct err *err)
{
	AUTO_FREE char *temp = xasprintf("%s/.%s.new", env->conf_dir, n->id);
	int r;

	n->path = xasprintf("%s/%s.conflist", env->conf_dir, n->name);
	n->text = network_conflist(n);
	r = fd_write_file_atomic(AT_FDCWD, temp, n->text, strlen(n->text), 0644, true);
	if (r < 0)
		return err_sys(err, r, "write '%s'", temp);
	r = link(temp, n->path) < 0 ? -errno : 0;
	(void)unlink(temp);
	if (r == -EEXIST)
		return err_set(err, EEXIST, "network '%s' already exists", n->name);
	return r < 0 ? err_sys(err, r, "write '%s'", n->path) : 0;
}

static char *free_name(const struct list *l)
{
	for (unsigned i = 1;; i++) {
		char *name = xasprintf("brig%u", i);

		if (!listed(l, name))
			return name;
		free(name);
	}
}

static int create_locked(const struct net_env *env, const struct network_create_options *o, struct network *n, struct err *err)
{
	struct list all = { 0 };
	int r = network_all(env, false, &all.v, &all.n, err);

	n->name = o->name ? xstrdup(o->name) : free_name(&all);
	if (r == 0 && listed(&all, n->name))
		r = err_set(err, EEXIST, "network '%s' already exists", n->name);
	if (r == 0)
		r = fill_new(env, &all, o, n, err);
	network_list_done(all.v, all.n);
	if (r == 0)
		r = write_new(env, n, err);
	n->builtin = r == 0 && str_eq(n->driver, "bridge");
	return r;
}

int network_create(const struct net_env *env, const struct network_create_options *o, struct network *ret, struct err *err)
{
	static const char *const reserved[] = { "none", "host", "default", "private", "container", "ns", "pasta", "slirp4netns" };
	AUTO_CLOSE int lock = -1;
	struct network n = { 0 };
	int r;

	if (o->name && !network_name_ok(o->name))
		return err_set(err, EINVAL, "'%s' is no name for a network: letters, digits, '_', '.' and '-', a letter or digit first",
			       o->name);
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (str_eq(o->name, reserved[i]))
			return err_set(err, EINVAL, "'%s' is no name for a network: --network %s means something else", o->name, o->name);
	if (netrec_mkdir(env->conf_dir) < 0)
		return err_sys(err, -errno, "make the directory '%s'", env->conf_dir);
	lock = netrec_lock(env, err);
	if (lock < 0)
		return lock;
	r = create_locked(env, o, &n, err);
	if (r < 0) {
		network_done(&n);
		return r;
	}
	*ret = n;
	return 0;
}

static int remove_bridge(const struct network *n, struct err *err)
{
	AUTO_CLOSE int fd = nl_socket(NETLINK_ROUTE);
	int r = fd < 0 ? err_sys(err, fd, "netlink socket") : link_delete(fd, n->interface, err);

	return r < 0 ? r : firewall_remove_bridge(n, err);
}

int network_remove(const struct net_env *env, const char *name, struct err *err)
{
	AUTO_NETWORK struct network n = { 0 };
	AUTO_FREE char *users = NULL;
	AUTO_FREE char *leases = NULL;
	AUTO_CLOSE int lock = -1;
	int r;

	if (str_eq(name, NETWORK_DEFAULT))
		return err_set(err, EPERM, "network '%s' is the default and cannot be removed", name);
	r = network_find(env, name, &n, err);
	if (r < 0)
		return r;
	if (!n.ours)
		return err_set(err, EPERM, "network '%s' was not made by brig: it is '%s'", n.name, n.path);
	lock = netrec_lock(env, err);
	if (lock < 0)
		return lock;
	users = netrec_users(env, n.name);
	if (users)
		return err_set(err, EBUSY, "network '%s' is in use by %s", n.name, users);
	if (n.builtin && !env->rootless && remove_bridge(&n, err) < 0)
		return -err->code;
	leases = xasprintf("%s/leases/%s", env->run_dir, n.name);
	netrec_remove_dir(leases);
	return unlink(n.path) < 0 && errno != ENOENT ? err_sys(err, -errno, "remove '%s'", n.path) : 0;
}
