/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_RUN_OPTIONS_H
#define BRIG_RUNTIME_CLI_RUN_OPTIONS_H

#include "runtime/oci/options.h"
#include "runtime/spec.h"

/*
 * DOC: the flags of `run` and `create`
 *
 * One struct for both; spelling and meaning are docker's and podman's. A container's record keeps them as words, which a
 * later start parses again: run_options_freeze() reads the files that they name and takes what the environment gives, so
 * that the words mean the same for ever.
 */
struct run_options {
	/* the client */
	bool detach, rm, replace, quiet, sig_proxy;
	struct option_list attach;
	const char *cidfile, *pidfile, *conmon_pidfile, *detach_keys, *pull, *platform, *arch, *os, *variant, *authfile, *tls_verify;
	/* the process */
	bool interactive, tty, init, no_healthcheck, env_host, http_proxy, unsetenv_all;
	const char *name, *workdir, *user, *entrypoint, *hostname, *domainname, *init_path, *systemd, *sdnotify, *stop_signal, *umask;
	unsigned stop_timeout, timeout, preserve_fds;
	struct option_list env, env_file, unsetenv, group_add, label, label_file, annotation;
	/* files */
	struct option_list volume, mount, tmpfs, volumes_from, secret, device, device_cgroup_rule;
	bool read_only, read_only_tmpfs;
	const char *shm_size, *image_volume, *tz;
	/* network */
	struct option_list network, publish, expose, dns, dns_search, dns_option, add_host, network_alias;
	bool publish_all, no_hosts;
	const char *ip, *ip6, *mac_address;
	/* limits */
	struct opt_i64 memory, memory_swap, memory_reservation, memory_swappiness, oom_score_adj, pids_limit;
	struct opt_i64 cpu_quota, cpu_rt_runtime;
	struct opt_u64 cpu_shares, cpu_period, cpu_rt_period;
	struct opt_u32 blkio_weight;
	const char *cpus, *cpuset_cpus, *cpuset_mems, *cgroup_parent, *cgroups;
	bool oom_kill_disable;
	struct option_list ulimit, blkio_weight_device, device_read_bps, device_write_bps, device_read_iops, device_write_iops;
	struct option_list cgroup_conf, sysctl;
	/* security */
	bool privileged, vm;
	struct option_list cap_add, cap_drop, security_opt;
	/* namespaces */
	const char *userns, *pid, *ipc, *uts, *cgroupns, *subuidname, *subgidname;
	struct option_list uidmap, gidmap;
	/* afterwards */
	const char *restart, *log_driver, *runtime;
	/* refused, or without a choice */
	const char *gpus, *pod, *volume_driver, *isolation;
	bool disable_content_trust;
	struct option_list link, storage_opt;
	struct opt_i64 kernel_memory;
	struct option_list log_opt;
	const char *health_cmd, *health_interval, *health_retries, *health_start_period, *health_timeout, *health_on_failure;
};
extern const struct option_row run_option_rows[];    /* of `run` */
extern const struct option_row create_option_rows[]; /* of `create`: without what concerns the client's terminal */
extern const struct run_options run_option_defaults;

/* Check what can be checked without the image, and make the words of the record. Errors name the flag. */
int run_options_check(const struct run_options *o, struct err *err) MUST_CHECK;
int run_options_freeze(const struct run_options *o, struct arena *a, struct strlist *ret, struct err *err) MUST_CHECK;
/* --vm, however it is said. */
bool run_options_vm(const struct run_options *o);
/* The reverse. The strings lie in words, which must live as long. run_options_done() releases the lists. */
int run_options_thaw(const struct strlist *words, struct run_options *ret, struct err *err) MUST_CHECK;
void run_options_done(struct run_options *o);
#define AUTO_RUN_OPTIONS CLEANUP(run_options_done)

/* Every option of target that differs from defaults, as "--name=value" words. */
void options_to_words(const struct option_row *rows, const void *target, const void *defaults, struct arena *a, struct strlist *ret);

/* --env-file, --label-file: NAME=VALUE lines, NAME alone (the value is that of our environment, when it has one), # comments. */
int read_env_file(const char *path, struct arena *a, struct strlist *ret, struct err *err) MUST_CHECK;

#endif
