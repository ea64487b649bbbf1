/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_NETREC_H
#define BRIG_RUNTIME_NET_NETREC_H

#include "runtime/net/net.h"
#include "runtime/net/network.h"

/*
 * DOC: what is to be undone
 *
 *   RUN_DIR/containers/ID       a container's network as JSON, written (atomically) before each thing that it names is made
 *   RUN_DIR/leases/NETWORK/IP   who has the address
 *   RUN_DIR/lock                flock: networks are made and removed, hosts files of several containers are changed
 */
struct netrec_if {
	struct net_interface pub;
	char *host_if;	  /* our end of the pair, or NULL */
	char *conflist;	  /* NULL: built-in; else what the plugins were called with, for DEL */
	char *result;	  /* their last result, JSON */
	bool names;	  /* containers of this network find one another by name */
};

void netrec_if_done(struct netrec_if *i);

struct netrec {
	char *id, *name, *hostname, *dir;
	struct netrec_if *ifs;
	size_t n_ifs;
	struct net_port *ports;
	size_t n_ports;
	pid_t helper_pid;	 /* pasta, slirp4netns; 0: none */
	uint64_t helper_start;	 /* its start time */
	char **dns;
};
void netrec_done(struct netrec *r);
#define AUTO_NETREC CLEANUP(netrec_done)

int netrec_save(const struct net_env *env, const struct netrec *r, struct err *err) MUST_CHECK;
/* -ENOENT without a message: there is none. */
int netrec_load(const struct net_env *env, const char *id, struct netrec *ret, struct err *err) MUST_CHECK;
void netrec_remove(const struct net_env *env, const char *id);
/* Every record that can be read. */
void netrec_each(const struct net_env *env, void (*each)(void *ctx, struct netrec *r), void *ctx);
/* Names of the containers on a network, ", " between them; NULL: none. */
char *netrec_users(const struct net_env *env, const char *network);

/* An fd that holds RUN_DIR/lock exclusively. -errno. */
int netrec_lock(const struct net_env *env, struct err *err) MUST_CHECK;
/* The same for DIR/lock of any directory, which is made when it is missing. */
int netrec_lock_dir(const char *dir, struct err *err) MUST_CHECK;
/* mkdir -p; errno is set. */
int netrec_mkdir(const char *path) MUST_CHECK;
/* Remove a directory of plain files. */
void netrec_remove_dir(const char *path);

/* Ports as a JSON array, and back. */
void ports_json(const struct net_port *ports, size_t n, struct json_writer *w);
int ports_load(const struct json *array, const char *name, struct net_port **ret, size_t *ret_n, struct err *err) MUST_CHECK;
void ports_free(struct net_port *ports, size_t n);
void ports_add(struct net_port **ports, size_t *n, const struct net_port *p); /* copies */
/* A JSON array of strings as a list, and back. */
void strings_json(char *const *list, struct json_writer *w);
char **strings_load(const struct json *array);
const char *json_text(const struct json *object, const char *key); /* or NULL */

#endif
