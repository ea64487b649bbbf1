/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/net.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/net/drivers.h"
#include "runtime/net/firewall.h"
#include "runtime/net/host_ports.h"
#include "runtime/net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

static char *from_env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return xstrdup(v && *v ? v : otherwise);
}

void net_env_init(struct net_env *env, const char *run_root, bool rootless)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	*env = (struct net_env){ .run_dir = xasprintf("%s/net", run_root), .rootless = rootless };
	if (!rootless)
		env->conf_dir = xstrdup("/etc/brig/networks");
	else if (config && *config)
		env->conf_dir = xasprintf("%s/brig/networks", config);
	else
		env->conf_dir = xasprintf("%s/.config/brig/networks", home ? home : "");
	env->cni_conf_dir = from_env("NETCONFPATH", "/etc/cni/net.d");
	env->cni_path = from_env("CNI_PATH", "/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni");
}

void net_env_done(struct net_env *env)
{
	free(env->run_dir);
	free(env->conf_dir);
	free(env->cni_conf_dir);
	free(env->cni_path);
	*env = (struct net_env){ 0 };
}

char *net_pin_path(const struct net_env *env, const char *id)
{
	return xasprintf("%s/ns/%s", env->run_dir, id);
}

/* A name in the file system for those who come back to the namespace later: CNI plugins. */
int net_pin(const struct net_env *env, const char *id, int ns_fd, char **ret, struct err *err)
{
	AUTO_FREE char *dir = xasprintf("%s/ns", env->run_dir);
	AUTO_FREE char *path = net_pin_path(env, id);
	char source[FD_PROC_PATH_LEN];
	AUTO_CLOSE int fd = netrec_mkdir(dir) < 0 ? -1 : open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, -errno, "make '%s'", path);
	if (mount(fd_proc_path(ns_fd, source), path, "", MS_BIND, NULL) < 0)
		return err_sys(err, -errno, "mount the network namespace on '%s'", path);
	*ret = TAKE_PTR(path);
	return 0;
}

static void unpin(const struct net_env *env, const char *id)
{
	AUTO_FREE char *path = net_pin_path(env, id);

	(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	(void)unlink(path);
}

static struct netrec new_record(const struct net_container *c)
{
	return (struct netrec){ .id = xstrdup(c->id), .name = xstrdup(c->name ? c->name : ""),
				.hostname = xstrdup(c->hostname ? c->hostname : ""), .dir = xstrdup(c->dir) };
}

/* A setup in the making. */
struct setup {
	const struct net_env *env;
	const struct net_container *c;
	const struct net_request *q;
	struct netrec record;
	struct network *networks; /* of q->nets, or the default one */
	size_t n_networks;
	int ns_fd, route_fd;
	char *ns_path; /* owned */
};

static struct net_place place(const struct setup *s)
{
	return (struct net_place){ .env = s->env, .id = s->c->id, .name = s->record.name, .ns_fd = s->ns_fd, .route_fd = s->route_fd,
				   .userns_fd = s->c->userns_fd, .ns_path = s->ns_path };
}

static const struct net_attach *attach_of(const struct setup *s, size_t i)
{
	static const struct net_attach nothing;

	return i < s->q->n_nets ? &s->q->nets[i] : &nothing;
}

static int load_networks(struct setup *s, struct err *err)
{
	size_t n = s->q->mode == NET_NETWORKS ? s->q->n_nets : 1;

	s->networks = xcalloc(n, sizeof(*s->networks));
	for (size_t i = 0; i < n; i++) {
		const char *name = attach_of(s, i)->network;

		if (network_find(s->env, name ? name : NETWORK_DEFAULT, &s->networks[i], err) < 0)
			return -err->code;
		s->n_networks++;
	}
	return 0;
}

void net_fill_interface(const struct network *n, const struct net_attach *a, size_t i, struct netrec_if *ret)
{
	ret->pub.network = xstrdup(n->name);
	ret->pub.ifname = a->ifname ? xstrdup(a->ifname) : xasprintf("eth%zu", i);
	for (size_t k = 0; k < a->n_aliases; k++)
		strings_add(&ret->pub.aliases, a->aliases[k]);
	ret->pub.n_aliases = a->n_aliases;
	if (!n->builtin)
		ret->conflist = xstrdup(n->text);
}

/* What will be made goes into the record before it is made. */
static int plan_networks(struct setup *s, struct err *err)
{
	struct net_place p = place(s);

	s->record.ifs = xcalloc(s->n_networks, sizeof(*s->record.ifs));
	for (size_t i = 0; i < s->n_networks; i++) {
		net_fill_interface(&s->networks[i], attach_of(s, i), i, &s->record.ifs[i]);
		s->record.n_ifs++;
		if (s->networks[i].builtin && bridge_plan(&p, &s->networks[i], attach_of(s, i), &s->record.ifs[i], err) < 0)
			return -err->code;
	}
	return 0;
}

static void addresses_of(const struct netrec_if *i, struct ip_addr *v4, struct ip_addr *v6)
{
	*v4 = *v6 = (struct ip_addr){ 0 };
	if (i->pub.v4.text[0] && ip_parse(i->pub.v4.text, v4) < 0)
		v4->family = 0;
	if (i->pub.v6.text[0] && ip_parse(i->pub.v6.text, v6) < 0)
		v6->family = 0;
}

/* Ports are published on the first network that leads out; a plugin of that network does it, or our rules. */
static size_t port_network(const struct setup *s)
{
	for (size_t i = 0; i < s->n_networks; i++)
		if (!s->networks[i].internal)
			return i;
	return 0;
}

static int wire_networks(struct setup *s, struct err *err)
{
	struct net_place p = place(s);
	size_t ports_on = port_network(s);
	struct ip_addr v4, v6;

	for (size_t i = 0; i < s->n_networks; i++) {
		int r = s->networks[i].builtin ?
				bridge_wire(&p, &s->networks[i], &s->record.ifs[i], err) :
				cni_wire(&p, &s->networks[i], attach_of(s, i), &s->record, i, i == ports_on, err);

		if (r < 0)
			return r;
		if (i != ports_on || !s->networks[i].builtin || !s->record.n_ports)
			continue;
		addresses_of(&s->record.ifs[i], &v4, &v6);
		r = firewall_add_ports(s->record.ports, s->record.n_ports, &v4, &v6, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool uses_plugins(const struct setup *s)
{
	for (size_t i = 0; i < s->n_networks; i++)
		if (!s->networks[i].builtin)
			return true;
	return false;
}

static bool by_helper(const struct setup *s)
{
	return s->q->mode == NET_PASTA || s->q->mode == NET_SLIRP4NETNS || (s->q->mode == NET_DEFAULT && s->env->rootless);
}

static int set_up_by_helper(struct setup *s, struct err *err)
{
	struct net_place p;

	if (netrec_save(s->env, &s->record, err) < 0)
		return -err->code;
	/* they open it once, at their start */
	s->ns_path = xasprintf("/proc/%d/fd/%d", (int)getpid(), s->ns_fd);
	p = place(s);
	return rootless_wire(&p, s->q, &s->record, err);
}

static int set_up_networks(struct setup *s, struct err *err)
{
	if (s->env->rootless)
		return err_set(err, EPERM, "--network %s: networks on bridges need root; rootless containers have pasta, slirp4netns, host and none",
			       s->q->n_nets && s->q->nets[0].network ? s->q->nets[0].network : NETWORK_DEFAULT);
	if (load_networks(s, err) < 0)
		return -err->code;
	if (netrec_save(s->env, &s->record, err) < 0) /* leases of a container without a record are free for all */
		return -err->code;
	if (plan_networks(s, err) < 0 || netrec_save(s->env, &s->record, err) < 0)
		return -err->code;
	if (uses_plugins(s) && net_pin(s->env, s->c->id, s->ns_fd, &s->ns_path, err) < 0)
		return -err->code;
	return wire_networks(s, err);
}

static void setup_done(struct setup *s)
{
	netrec_done(&s->record);
	network_list_done(s->networks, s->n_networks);
	fd_close(&s->ns_fd);
	fd_close(&s->route_fd);
	free(s->ns_path);
}

static void copy_interface(const struct net_interface *from, struct net_interface *to)
{
	*to = *from;
	to->network = xstrdup(from->network);
	to->ifname = xstrdup(from->ifname);
	to->aliases = NULL;
	for (size_t i = 0; i < from->n_aliases; i++)
		strings_add(&to->aliases, from->aliases[i]);
}

static void fill_result(const struct netrec *r, struct net_result *ret)
{
	ret->ifs = xcalloc(r->n_ifs, sizeof(*ret->ifs));
	for (size_t i = 0; i < r->n_ifs; i++)
		copy_interface(&r->ifs[i].pub, &ret->ifs[i]);
	ret->n_ifs = r->n_ifs;
	for (size_t i = 0; i < r->n_ports; i++)
		ports_add(&ret->ports, &ret->n_ports, &r->ports[i]);
	ret->dns = strings_copy(r->dns);
}

/* A namespace of its own with interfaces. */
static int set_up_own(struct setup *s, struct net_result *ret, struct err *err)
{
	if (host_ports_resolve(s->q, &s->record, err) < 0)
		return -err->code;
	if (netns_create(s->c->userns_fd, &s->ns_fd, &s->route_fd, err) < 0)
		return -err->code;
	if ((by_helper(s) ? set_up_by_helper(s, err) : set_up_networks(s, err)) < 0)
		return -err->code;
	if (netrec_save(s->env, &s->record, err) < 0)
		return -err->code;
	files_tell_others(s->env, &s->record);
	ret->ns = NET_NS_JOIN;
	ret->ns_path = xasprintf("/proc/%d/fd/%d", getpid(), s->ns_fd);
	fill_result(&s->record, ret);
	return 0;
}

static int join(const char *path, struct net_result *ret, struct err *err)
{
	ret->ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ret->ns_fd < 0)
		return err_sys(err, -errno, "open the network namespace '%s'", path);
	ret->ns = NET_NS_JOIN;
	ret->ns_path = xstrdup(path);
	return 0;
}

static int copy_file(const char *from_dir, const char *to_dir, const char *name, struct err *err)
{
	AUTO_FREE char *from = xasprintf("%s/%s", from_dir, name);
	AUTO_FREE char *to = xasprintf("%s/%s", to_dir, name);

	(void)unlink(to);
	/* The same file, so that both see each change. */
	return link(from, to) < 0 && errno != ENOENT ? err_sys(err, -errno, "share '%s'", from) : 0;
}

static int join_container(const struct net_container *c, struct net_result *ret, struct err *err)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/ns/net", c->target_pid);

	if (c->target_pid <= 0)
		return err_set(err, ESRCH, "--network container: the container does not run");
	if (join(path, ret, err) < 0)
		return -err->code;
	if (!c->target_dir)
		return 0;
	if (copy_file(c->target_dir, c->dir, "hosts", err) < 0)
		return -err->code;
	return copy_file(c->target_dir, c->dir, "resolv.conf", err);
}

static int set_up(struct setup *s, struct net_result *ret, struct err *err)
{
	switch (s->q->mode) {
	case NET_HOST:
		ret->ns = NET_NS_HOST;
		break;
	case NET_NONE:
		ret->ns = NET_NS_NEW;
		break;
	case NET_NS_PATH:
		if (join(s->q->target, ret, err) < 0)
			return -err->code;
		break;
	case NET_CONTAINER:
		return join_container(s->c, ret, err);
	case NET_DEFAULT:
	case NET_NETWORKS:
	case NET_PASTA:
	case NET_SLIRP4NETNS:
		if (set_up_own(s, ret, err) < 0)
			return -err->code;
		break;
	}
	return files_write(s->env, &s->record, s->q, err);
}

/* Undo with an error that is kept. */
static void roll_back(const struct net_env *env, const char *id)
{
	struct err ignored;

	if (net_teardown(env, id, &ignored) < 0)
		log_info("undo the network: %s", ignored.msg);
}

int net_setup(const struct net_env *env, const struct net_container *c, const struct net_request *r, struct net_result *ret, struct err *err)
{
	struct setup s = { .env = env, .c = c, .q = r, .record = new_record(c), .ns_fd = -1, .route_fd = -1 };
	struct net_result result = { .ns_fd = -1 };
	int status = net_teardown(env, c->id, err);

	if (status == 0)
		status = set_up(&s, &result, err);
	if (status < 0) {
		/* What the plugins or the helper made is known to s alone until it is saved. */
		if (s.record.n_ifs) {
			struct err ignored;

			if (netrec_save(env, &s.record, &ignored) < 0)
				log_warn("%s", ignored.msg);
		}
		net_result_done(&result);
		roll_back(env, c->id);
	} else {
		if (result.ns_fd < 0)
			result.ns_fd = TAKE_FD(s.ns_fd);
		*ret = result;
	}
	setup_done(&s);
	return status;
}

static void keep_first(int result, const struct err *this, int *ret, struct err *err)
{
	if (result >= 0)
		return;
	if (*ret == 0) {
		*ret = result;
		*err = *this;
	} else {
		log_warn("%s", this->msg);
	}
}

static int undo(const struct net_env *env, struct netrec *r, struct err *err)
{
	AUTO_FREE char *path = net_pin_path(env, r->id);
	const char *ns_path = access(path, F_OK) == 0 ? path : "";
	struct ip_addr v4, v6;
	struct err this;
	int result = 0;

	rootless_undo(r);
	for (size_t i = r->n_ifs; i-- > 0;) {
		struct netrec_if *f = &r->ifs[i];
		int one;

		if (f->conflist) {
			keep_first(cni_undo(env, r, f, ns_path, &this), &this, &result, err);
			continue;
		}
		if (!f->host_if)
			continue; /* a helper's */
		addresses_of(f, &v4, &v6);
		one = r->n_ports ? firewall_remove_ports(r->ports, r->n_ports, &v4, &v6, &this) : 0;
		keep_first(one, &this, &result, err);
		keep_first(bridge_undo(env, r, f, &this), &this, &result, err);
	}
	unpin(env, r->id);
	return result;
}

int net_teardown(const struct net_env *env, const char *id, struct err *err)
{
	AUTO_NETREC struct netrec r = { 0 };
	int result = netrec_load(env, id, &r, err);

	if (result == -ENOENT)
		return 0;
	if (result < 0) { /* nothing to go by; it shall not keep the container for ever */
		netrec_remove(env, id);
		return result;
	}
	result = undo(env, &r, err);
	netrec_remove(env, id);
	files_tell_others(env, &r);
	return result;
}

int net_load(const struct net_env *env, const char *id, struct net_result *ret, struct err *err)
{
	AUTO_NETREC struct netrec r = { 0 };
	int result = netrec_load(env, id, &r, err);

	*ret = (struct net_result){ .ns_fd = -1 };
	if (result == -ENOENT)
		return 0;
	if (result == 0)
		fill_result(&r, ret);
	return result;
}

void net_result_done(struct net_result *r)
{
	fd_close(&r->ns_fd);
	free(r->ns_path);
	for (size_t i = 0; i < r->n_ifs; i++) {
		free(r->ifs[i].network);
		free(r->ifs[i].ifname);
		strings_free(r->ifs[i].aliases);
	}
	free(r->ifs);
	ports_free(r->ports, r->n_ports);
	strings_free(r->dns);
	*r = (struct net_result){ .ns_fd = -1 };
}
