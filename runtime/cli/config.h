/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_CONFIG_H
#define BRIG_RUNTIME_CLI_CONFIG_H

#include "images/image_config.h"
#include "runtime/base/json.h"
#include "runtime/cli/image_user.h"
#include "runtime/cli/run_options.h"
#include "runtime/cli/secret.h"
#include "runtime/cli/volume.h"
#include "runtime/spec.h"

/*
 * DOC: from an image and flags to config.json
 *
 * config_write() makes the OCI configuration of a container: what the image says (image-spec, conversion.md), changed by the
 * flags, with docker's defaults for the rest. It reads the host only where a flag asks for it (a device, a profile); everything
 * else comes in by struct config_input, so that tests compare its output as text.
 */
struct config_input {
	const struct run_options *o;
	const struct image_config *image;
	const struct image_user *user; /* found in the image */
	const struct strlist *args;    /* config_args() */
	const char *id, *hostname;
	const char *bundle;	       /* folder with hosts, resolv.conf and hostname, each bound when it is there */
	const char *init;	       /* program for --init on the host, or NULL */
	const char *volume_dir;
	const struct volume_list *volumes; /* prepared */
	const char *secret_dir;		   /* the container's directory, which has their copies */
	const struct secret_uses *secrets; /* with their values; NULL: none */
	bool net_host;		       /* no network namespace */
	const char *net_path;	       /* the one to join, or NULL: a new one */
	const char *ns_paths[NS_TYPES]; /* of others to join (container:, ns:), or NULL */
	const struct spec_id_maps *uid_maps, *gid_maps; /* new user namespace, or NULL */
	uint64_t caps_available;       /* what may be given at all: our own bounding set */
	unsigned kernel;	       /* default_seccomp_kernel() */
	bool rootless;
	bool systemd_cgroup;
	bool swap_limit;	       /* the kernel can limit swap */
};

/* --ipc container:NAME: POSIX shared memory is files on a mount of that container's. "/proc/PID/" in front of this is the source of
 * the bind mount, which only a process in that mount namespace can open: struct create_opts, open_tree. */
#define CONFIG_SHM_OF_NAMESPACE "root/dev/shm"

/* The program and its arguments: entry point, then command; both from the flags when given. An empty one is an error. */
int config_args(const struct run_options *o, const struct image_config *image, const struct strlist *command, struct arena *a,
		struct strlist *ret, struct err *err) MUST_CHECK;

/* --systemd: is the container set up for systemd as its program? */
bool config_for_systemd(const struct run_options *o, const struct strlist *args);

int config_write(const struct config_input *in, struct json_writer *w, struct err *err) MUST_CHECK;

/* Capabilities in force (bit n is capability n), and whether a name like "net_admin", "CAP_NET_ADMIN" or "all" is known. */
int config_caps(const struct run_options *o, uint64_t available, uint64_t *ret, struct err *err) MUST_CHECK;
/* The value of a --security-opt that may be spelt key=value or key:value; NULL when it is not there. The last one wins. */
const char *config_security(const struct run_options *o, const char *key);

/* ---- parts, each writing its members ---- */
int config_process(const struct config_input *in, struct json_writer *w, struct err *err) MUST_CHECK;
int config_mounts(const struct config_input *in, struct json_writer *w, struct err *err) MUST_CHECK;
int config_linux(const struct config_input *in, struct json_writer *w, struct err *err) MUST_CHECK;
int config_resources(const struct config_input *in, struct json_writer *w, struct err *err) MUST_CHECK;
int config_seccomp(const struct config_input *in, struct json_writer *w, struct err *err) MUST_CHECK;

/* A device of the container. */
struct config_device {
	char *path; /* in the container */
	char type;  /* c b p */
	unsigned major, minor, mode;
	uint32_t uid, gid;
	char access[4]; /* rwm */
};
struct config_devices {
	struct config_device *v;
	size_t n;
};
/* --device, and all of /dev for --privileged. In arena a. */
int config_devices(const struct run_options *o, struct arena *a, struct config_devices *ret, struct err *err) MUST_CHECK;

void config_strings(struct json_writer *w, const char *key, const char *const *v); /* NULL-terminated */
bool config_has_mount(const struct config_input *in, const char *target);

#endif
