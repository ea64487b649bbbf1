/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_DRIVERS_H
#define BRIG_RUNTIME_NET_DRIVERS_H

#include "runtime/net/netrec.h"

/*
 * DOC: the ways to wire a container up
 *
 * bridge.c (built in), cni.c (plugins) and rootless.c (pasta, slirp4netns). Each way has a plan, which says what will be made and
 * makes nothing that cannot be found again, then the record is saved, then the wiring. Undoing needs the record alone.
 */

/* Where the container's end is. */
struct net_place {
	const struct net_env *env;
	const char *id, *name;
	int ns_fd, route_fd; /* the namespace, and an rtnetlink socket in it */
	int userns_fd;	     /* its owner; -1: our user namespace */
	const char *ns_path;
};

/* ---- net.c ---- */
/* Give the namespace a name in the file system, for those who come back to it later: CNI plugins. New string. */
int net_pin(const struct net_env *env, const char *id, int ns_fd, char **ret, struct err *err) MUST_CHECK;
char *net_pin_path(const struct net_env *env, const char *id) __attribute__((returns_nonnull));
/* What is known of an interface (the i-th: ethI) before it is made. */
void net_fill_interface(const struct network *n, const struct net_attach *a, size_t i, struct netrec_if *ret);

/* ---- bridge.c ---- */
int bridge_plan(const struct net_place *p, const struct network *n, const struct net_attach *a, struct netrec_if *i, struct err *err) MUST_CHECK;
int bridge_wire(const struct net_place *p, const struct network *n, const struct netrec_if *i, struct err *err) MUST_CHECK;
/* Its addresses and routes; what is there already is no error. */
int bridge_configure(const struct net_place *p, const struct netrec_if *i, struct err *err) MUST_CHECK;
/* Goes on after errors. */
int bridge_undo(const struct net_env *env, const struct netrec *r, const struct netrec_if *i, struct err *err) MUST_CHECK;

/* ---- cni.c ---- */
/* Fills r->ifs[index] and adds to r->dns; maps r->ports when with_ports. */
int cni_wire(const struct net_place *p, const struct network *n, const struct net_attach *a, struct netrec *r, size_t index, bool with_ports,
	     struct err *err) MUST_CHECK;
int cni_undo(const struct net_env *env, const struct netrec *r, const struct netrec_if *i, const char *ns_path, struct err *err) MUST_CHECK;
/* cni_result.c: addresses, MAC and DNS of a result into the interface; -EINVAL. */
int cni_read_result(const char *text, const char *name, struct netrec_if *i, char ***dns, struct err *err) MUST_CHECK;
/* cni_conf.c: what a plugin reads. prev: a result as JSON, or NULL. All new strings. */
struct cni_call {
	const char *conflist;	/* its text */
	const char *ifname, *id, *ns_path;
	const char *ip, *ip6, *mac; /* wanted, or NULL */
	char *const *aliases;
	size_t n_aliases;
	const struct net_port *ports;
	size_t n_ports;
};
struct cni_plugin {
	char *type, *config; /* owned */
};
/* The plugins of a list, with name, cniVersion and runtimeConfig filled in but without prevResult. */
int cni_plugins(const struct cni_call *c, const char *name, struct cni_plugin **ret, size_t *ret_n, struct err *err) MUST_CHECK;
char *cni_with_result(const char *config, const char *prev) __attribute__((returns_nonnull));
void cni_plugins_free(struct cni_plugin *v, size_t n);

/* ---- rootless.c ---- */
/* Start pasta or slirp4netns (NET_DEFAULT: the one that is there, pasta first) for the namespace; fills the record's helper and its
 * interface. */
int rootless_wire(const struct net_place *p, const struct net_request *q, struct netrec *r, struct err *err) MUST_CHECK;
void rootless_undo(const struct netrec *r);

/* ---- hosts.c ---- */
/* hosts and resolv.conf of a container, in r->dir. */
int files_write(const struct net_env *env, const struct netrec *r, const struct net_request *q, struct err *err) MUST_CHECK;
/* The others on r's networks learn of it, or forget it. */
void files_tell_others(const struct net_env *env, const struct netrec *r);

#endif
