/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_NETWORK_H
#define BRIG_RUNTIME_NET_NETWORK_H

#include "runtime/net/link.h"
#include "runtime/net/net.h"

/*
 * DOC: networks
 *
 * A network is a CNI conflist (CNI spec 1.0, "Network configuration lists"). Those that `brig network create` made lie in
 * CONF_DIR/NAME.conflist with a member "brig" for what CNI has no place for; others are read from the CNI directory and never
 * written. A list of ours that begins with the plugin "bridge" is set up by brig itself with the result that the plugins would have;
 * running the plugins costs several programs and a dozen iptables calls, more than all the rest of a container's start.
 */
#define NETWORK_DEFAULT "bridge"

struct network_subnet {
	struct ip_addr net;		/* the network itself with its prefix */
	struct ip_addr gateway;		/* family 0: none */
	struct ip_addr first, last;	/* from which addresses are given out; family 0: all */
};

struct network {
	char *name, *id;      /* id: 64 hexadecimal digits; a foreign network has none ("") */
	char *driver;	      /* type of the first plugin: bridge, macvlan ... */
	char *created;	      /* RFC 3339, or "" */
	char *path;	      /* of the conflist */
	char *interface;      /* the bridge, or the parent of macvlan and ipvlan; or "" */
	bool ours;	      /* made by brig */
	bool builtin;	      /* brig sets it up without plugins */
	bool internal;	      /* no way out */
	bool names;	      /* containers find one another by name */
	unsigned mtu;	      /* 0: the kernel's */
	struct network_subnet subnets[2]; /* at most one a family */
	size_t n_subnets;
	char **labels, **options; /* "key=value", NULL-terminated, or NULL */
	char *text;	      /* the conflist itself */
};
void network_done(struct network *n);
#define AUTO_NETWORK CLEANUP(network_done)

/* By name or id (or an unambiguous beginning of one). The default network is made when it is missing. -ENOENT: no such network. */
int network_find(const struct net_env *env, const char *name, struct network *ret, struct err *err) MUST_CHECK;
/* The networks that are no files, but are always there: "host" and "none". false: name is neither. */
bool network_mode(const char *name, struct network *ret);
/* All, sorted by name. Files that cannot be understood are left out, with a warning when warn is set. */
int network_all(const struct net_env *env, bool warn, struct network **ret, size_t *ret_n, struct err *err) MUST_CHECK;
void network_list_done(struct network *list, size_t n);

struct network_create_options {
	const char *name;	       /* NULL: brigN */
	const char *driver;	       /* NULL: bridge; macvlan, ipvlan */
	const char *parent;	       /* of macvlan and ipvlan */
	char *const *subnets, *const *gateways, *const *ranges; /* NULL-terminated, or NULL; matched by position */
	char *const *labels, *const *options;
	bool internal, ipv6, no_names;
};
int network_create(const struct net_env *env, const struct network_create_options *o, struct network *ret, struct err *err) MUST_CHECK;

/* With its bridge and rules. -EBUSY names the containers on it. */
int network_remove(const struct net_env *env, const char *name, struct err *err) MUST_CHECK;

/* What docker's inspect shows, as one object. */
void network_json(const struct net_env *env, const struct network *n, struct json_writer *w);

/* Letters, digits, "_.-", beginning with a letter or digit. */
bool network_name_ok(const char *name);

/* network_subnet.c: what create was asked for, or free subnets; at most one a family. */
int network_subnets(const struct net_env *env, const struct network_create_options *o, struct network *n, struct err *err) MUST_CHECK;

/* network_conf.c: the conflist's text, from and to. */
int network_parse(const char *path, bool ours, char *text, struct network *ret, struct err *err) MUST_CHECK; /* takes text */
char *network_conflist(const struct network *n) __attribute__((returns_nonnull));

/* strings "key=value": a copy of a NULL-terminated list, its release, one more. */
char **strings_copy(char *const *list);
void strings_free(char **list);
void strings_add(char ***list, const char *s);
size_t strings_count(char *const *list);
bool strings_have(char *const *list, const char *s);
/* The value of "key=value", or NULL. */
const char *strings_value(char *const *list, const char *key);

#endif
