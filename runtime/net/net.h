/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_NET_H
#define BRIG_RUNTIME_NET_NET_H

#include "runtime/base/err.h"
#include "runtime/base/json.h"

/*
 * DOC: a container's network
 *
 * The network is made before the container: net_setup() makes a network namespace, wires it up, and says by which path
 * the OCI runtime finds it (/proc/PID/fd/N of this very process). Nothing is pinned in a file system: the namespace lives
 * as long as net_result.ns_fd is open or a process is in it, so a crash leaves none behind. Keep the result until the
 * OCI create came back. A VM's process joins the same path.
 *
 * What lies outside the namespace (address leases, port mappings, CNI's own state, a pasta process) is written down in
 * RUN_DIR/containers/ID before it is made; net_teardown() undoes what it finds there, needs nothing else, and may be
 * called any number of times, also for a container that never had a network. RUN_DIR is on a tmpfs: a reboot forgets
 * it with the namespaces.
 *
 * Whose code wires a network up depends on where its configuration comes from (network.h): bridges that brig made are
 * built with netlink here, everything else is done by CNI plugins.
 */

/* Where things are. */
struct net_env {
	char *run_dir;	   /* /run/brig/net, or XDG_RUNTIME_DIR/brig/net */
	char *conf_dir;	   /* brig's own networks: /etc/brig/networks, or XDG_CONFIG_HOME/brig/networks */
	char *cni_conf_dir; /* conflists of others: /etc/cni/net.d; NETCONFPATH in the environment changes it */
	char *cni_path;	   /* plugins, ':' between directories; CNI_PATH in the environment changes it */
	bool rootless;	   /* no privilege over the host's network: bridges cannot be made */
};
/* run_root: /run/brig and its like. rootless: as above; inside a user namespace of brig's own, too. */
void net_env_init(struct net_env *env, const char *run_root, bool rootless);
void net_env_done(struct net_env *env);

/* ---- what is wanted ---- */

enum net_mode {
	NET_DEFAULT,	/* nothing was asked for: the network "bridge", or pasta / slirp4netns when rootless */
	NET_NETWORKS,	/* by name */
	NET_NONE,	/* a namespace with nothing but loopback */
	NET_HOST,	/* the host's namespace */
	NET_CONTAINER,	/* another container's namespace */
	NET_NS_PATH,	/* the namespace at a path */
	NET_PASTA,
	NET_SLIRP4NETNS,
};

/* A network to attach to, in order: the first is eth0. */
struct net_attach {
	char *network;	  /* name */
	char *ip, *ip6;	  /* wanted address, or NULL */
	char *mac;	  /* or NULL */
	char *ifname;	  /* or NULL: ethN */
	char **aliases;	  /* further names of the container on this network */
	size_t n_aliases;
};

/* n ports from host_port on are sent to n ports from container_port on. */
struct net_port {
	char *host_ip;	     /* NULL: all addresses */
	uint16_t host_port;  /* 0: any free one */
	uint16_t host_last;  /* not 0: any free one from host_port to this */
	uint16_t container_port;
	uint16_t n;
	uint16_t protocol;   /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
};

struct net_request {
	enum net_mode mode;
	char *target;		 /* NET_CONTAINER: name or id as given; NET_NS_PATH: path; pasta, slirp4netns: options */
	struct net_attach *nets; /* NET_NETWORKS; at least one */
	size_t n_nets;
	struct net_port *ports;
	size_t n_ports;
	bool publish_all;	 /* -P: every port of `exposed` on a free port of the host */
	struct net_port *exposed; /* --expose and the image's ExposedPorts */
	size_t n_exposed;
	char **dns, **dns_search, **dns_option, **add_host; /* NULL-terminated, or NULL */
	bool no_hosts;		 /* leave the image's /etc/hosts alone */
};
void net_request_done(struct net_request *r);

/*
 * The flags, in any order. Errors name the flag and the part that is wrong.
 *   --network none | host | bridge | default | private | container:X | ns:PATH | NAME[:ip=A,ip6=A,mac=M,alias=N,
 *             interface_name=N] | pasta[:OPTION,...] | slirp4netns[:OPTION,...]; a comma or a repetition gives several
 *             names. Podman's name "podman" means the default network, unless there is one of this name.
 *   -p        [[IP:][HOST[-END]]:]CONTAINER[-END][/tcp|udp|sctp]
 *   --expose  PORT[-END][/PROTOCOL]
 *   --ip, --ip6, --mac-address, --network-alias apply to the first network, as do the short forms.
 */
int net_request_network(struct net_request *r, const char *value, struct err *err) MUST_CHECK;
int net_request_publish(struct net_request *r, const char *value, struct err *err) MUST_CHECK;
int net_request_expose(struct net_request *r, const char *value, struct err *err) MUST_CHECK;
int net_request_ip(struct net_request *r, const char *value, struct err *err) MUST_CHECK;
int net_request_ip6(struct net_request *r, const char *value, struct err *err) MUST_CHECK;
int net_request_mac(struct net_request *r, const char *value, struct err *err) MUST_CHECK;
int net_request_alias(struct net_request *r, const char *value, struct err *err) MUST_CHECK;
int net_request_dns(struct net_request *r, const char *value, struct err *err) MUST_CHECK;
int net_request_dns_search(struct net_request *r, const char *value, struct err *err) MUST_CHECK;
int net_request_dns_option(struct net_request *r, const char *value, struct err *err) MUST_CHECK;
int net_request_add_host(struct net_request *r, const char *value, struct err *err) MUST_CHECK; /* NAME:IP, IP may be host-gateway */
/* After the last flag: what does not go together (a port with --network host is only a warning, as elsewhere). */
int net_request_check(const struct net_request *r, struct err *err) MUST_CHECK;

/* ---- what came of it ---- */

struct net_address {
	char text[48];	   /* without the prefix length */
	unsigned prefix;
	char gateway[48];  /* "" when there is none */
};

struct net_interface {
	char *network;	   /* name */
	char *ifname;	   /* in the container */
	char mac[18];
	struct net_address v4, v6; /* text "" when there is none */
	char **aliases;
	size_t n_aliases;
};

enum net_ns {
	NET_NS_NEW,  /* the OCI runtime makes an empty one: {"type":"network"} */
	NET_NS_HOST, /* no network namespace in the spec */
	NET_NS_JOIN, /* {"type":"network","path":ns_path} */
};

struct net_result {
	enum net_ns ns;
	int ns_fd;		   /* NET_NS_JOIN: owned, keeps the namespace alive; else -1 */
	char *ns_path;		   /* NET_NS_JOIN */
	struct net_interface *ifs; /* none for modes without interfaces of our making */
	size_t n_ifs;
	struct net_port *ports;	   /* as mapped: every host_port is a number */
	size_t n_ports;
	char **dns;		   /* servers that networks brought along, or NULL */
};
void net_result_done(struct net_result *r);

/* Who gets the network. */
struct net_container {
	const char *id;	      /* 64 hexadecimal digits */
	const char *name;
	const char *hostname; /* in its /etc/hosts */
	const char *dir;      /* of this container: "hosts" and "resolv.conf" are written here, and kept true while other
				 containers come and go */
	pid_t target_pid;     /* NET_CONTAINER: init of the running target (the caller resolves r->target); else 0 */
	int userns_fd;	      /* user namespace that is to own the network namespace; -1: ours */
	const char *target_dir; /* NET_CONTAINER: the target's dir, whose hosts and resolv.conf are shared; else NULL */
};

/* Make the network and the two files. On error everything is undone. A second setup of the same id tears the first down. */
int net_setup(const struct net_env *env, const struct net_container *c, const struct net_request *r, struct net_result *ret,
	      struct err *err) MUST_CHECK;

/* Undo. What cannot be undone is logged and does not stop the rest. */
int net_teardown(const struct net_env *env, const char *id, struct err *err) MUST_CHECK;

/* connect.c: one more network for a container that runs, or one less; c->target_pid is its own init. q: its flags, for hosts and
 * resolv.conf. The container has a namespace with interfaces of networks. -EEXIST: it is on that network; -ENOENT: it is not. */
int net_connect(const struct net_env *env, const struct net_container *c, const struct net_request *q, const struct net_attach *a,
		struct err *err) MUST_CHECK;
int net_disconnect(const struct net_env *env, const struct net_container *c, const struct net_request *q, const char *network,
		   struct err *err) MUST_CHECK;

/* The result of a container that is set up, from its record (without ns_fd): for inspect, port and ps. A container without a
 * record gives an empty result. */
int net_load(const struct net_env *env, const char *id, struct net_result *ret, struct err *err) MUST_CHECK;

/* "0.0.0.0:8080->80/tcp, 0.0.0.0:9000-9002->9000-9002/udp": ps' PORTS. New string. */
char *net_ports_text(const struct net_port *ports, size_t n) __attribute__((returns_nonnull));
/* [{"host_ip": "", "container_port": 80, "host_port": 8080, "range": 1, "protocol": "tcp"}]: as podman's ps writes them. */
void net_ports_json(const struct net_port *ports, size_t n, struct json_writer *w);
/* {"80/tcp": [{"HostIp": ..., "HostPort": ...}]}: ports by the container's, as docker writes them. mapped: as they are, not as asked for. */
void net_bindings_json(const struct net_port *ports, size_t n, bool mapped, struct json_writer *w);
/* The members of docker's NetworkSettings (without the braces' key): Networks, Ports, IPAddress, Gateway, MacAddress ... networks: the
 * --network values, "," between them; those without an interface have empty addresses. */
void net_result_json(const struct net_result *r, const char *networks, struct json_writer *w);

#endif
