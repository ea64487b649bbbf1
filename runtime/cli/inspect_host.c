/* SPDX-License-Identifier: Apache-2.0 */
/* HostConfig of a container's inspect: the flags, as docker and podman show them. */
#include "runtime/cli/inspect_priv.h"

#include "runtime/base/mem.h"
#include "runtime/cli/container_net.h"

static void write_restart(struct inspect_view *v)
{
	const char *policy = v->r->restart_policy ? v->r->restart_policy : "no", *colon = strchr(policy, ':');
	AUTO_FREE char *name = xstrndup(policy, colon ? (size_t)(colon - policy) : strlen(policy));
	uint32_t max = 0;

	if (colon)
		(void)!str_to_u32(colon + 1, &max); /* was checked by the kernel of the matter: a bad one counts as 0 */
	inspect_object(v, "RestartPolicy");
	inspect_text(v, "Name", name);
	json_kv_u64(v->w, "MaximumRetryCount", max);
	inspect_end(v);
}

/* "nofile=1024:2048" */
static void write_ulimits(struct inspect_view *v)
{
	json_key(v->w, "Ulimits");
	json_begin_array(v->w);
	for (size_t i = 0; i < v->o.ulimit.n; i++) {
		AUTO_FREE char *copy = xstrdup(v->o.ulimit.v[i]);
		char *hard = copy, *name = strsep(&hard, "="), *soft = strsep(&hard, ":");

		if (!soft) /* "host" */
			continue;
		json_begin_object(v->w);
		inspect_text(v, "Name", name);
		json_kv_i64(v->w, "Soft", strtoll(soft, NULL, 10));
		json_kv_i64(v->w, "Hard", strtoll(hard ? hard : soft, NULL, 10));
		json_end_object(v->w);
	}
	json_end_array(v->w);
}

/* "/dev/fuse:/dev/fuse:rwm" */
static void write_devices(struct inspect_view *v)
{
	json_key(v->w, "Devices");
	json_begin_array(v->w);
	for (size_t i = 0; i < v->o.device.n; i++) {
		AUTO_FREE char *copy = xstrdup(v->o.device.v[i]);
		char *rest = copy, *host = strsep(&rest, ":"), *place = strsep(&rest, ":");
		bool placed = place && place[0] == '/';

		json_begin_object(v->w);
		inspect_text(v, "PathOnHost", host);
		inspect_text(v, "PathInContainer", placed ? place : host);
		inspect_text(v, "CgroupPermissions", rest ? rest : place && !placed ? place : "rwm");
		json_end_object(v->w);
	}
	json_end_array(v->w);
}

static void write_bindings(struct inspect_view *v)
{
	struct net_request q = { 0 };
	struct err ignored;

	json_key(v->w, "PortBindings");
	if (container_net_request(&v->o, NULL, &q, &ignored) < 0)
		q = (struct net_request){ 0 };
	net_bindings_json(q.ports, q.n_ports, false, v->w);
	net_request_done(&q);
}

static void write_limits(struct inspect_view *v)
{
	const struct run_options *o = &v->o;
	double cpus = o->cpus ? strtod(o->cpus, NULL) : 0;

	json_kv_i64(v->w, "Memory", o->memory.v);
	json_kv_i64(v->w, "MemorySwap", o->memory_swap.set ? o->memory_swap.v : o->memory.v * 2);
	json_kv_i64(v->w, "MemoryReservation", o->memory_reservation.v);
	json_kv_i64(v->w, "MemorySwappiness", o->memory_swappiness.set ? o->memory_swappiness.v : -1);
	json_kv_i64(v->w, "NanoCpus", (int64_t)(cpus * 1e9 + 0.5));
	json_kv_u64(v->w, "CpuShares", o->cpu_shares.v);
	json_kv_u64(v->w, "CpuPeriod", o->cpu_period.v);
	json_kv_i64(v->w, "CpuQuota", o->cpu_quota.v);
	inspect_text(v, "CpusetCpus", o->cpuset_cpus);
	inspect_text(v, "CpusetMems", o->cpuset_mems);
	json_kv_i64(v->w, "PidsLimit", o->pids_limit.set ? o->pids_limit.v : 2048);
	json_kv_u64(v->w, "BlkioWeight", o->blkio_weight.v);
	json_kv_bool(v->w, "OomKillDisable", o->oom_kill_disable);
	json_kv_i64(v->w, "OomScoreAdj", o->oom_score_adj.v);
	inspect_text(v, "CgroupParent", o->cgroup_parent);
	json_kv_i64(v->w, "CpuRealtimePeriod", (int64_t)o->cpu_rt_period.v);
	json_kv_i64(v->w, "CpuRealtimeRuntime", o->cpu_rt_runtime.v);
	inspect_options(v, "BlkioWeightDevice", &o->blkio_weight_device);
	inspect_options(v, "BlkioDeviceReadBps", &o->device_read_bps);
	inspect_options(v, "BlkioDeviceWriteBps", &o->device_write_bps);
	inspect_options(v, "BlkioDeviceReadIOps", &o->device_read_iops);
	inspect_options(v, "BlkioDeviceWriteIOps", &o->device_write_iops);
	write_ulimits(v);
}

void inspect_host_config(struct inspect_view *v)
{
	const struct run_options *o = &v->o;
	int64_t shm = 64 << 20;

	if (o->shm_size)
		(void)!option_size(o->shm_size, &shm); /* was checked by create */
	inspect_object(v, "HostConfig");
	inspect_options(v, "Binds", &o->volume);
	inspect_text(v, "NetworkMode", record_network(v->r));
	write_bindings(v);
	json_kv_bool(v->w, "PublishAllPorts", o->publish_all);
	write_restart(v);
	json_kv_bool(v->w, "AutoRemove", o->rm);
	json_kv_bool(v->w, "Privileged", o->privileged);
	json_kv_bool(v->w, "ReadonlyRootfs", o->read_only);
	json_kv_bool(v->w, "Init", o->init);
	inspect_options(v, "CapAdd", &o->cap_add);
	inspect_options(v, "CapDrop", &o->cap_drop);
	inspect_options(v, "SecurityOpt", &o->security_opt);
	inspect_options(v, "Dns", &o->dns);
	inspect_options(v, "DnsOptions", &o->dns_option);
	inspect_options(v, "DnsSearch", &o->dns_search);
	inspect_options(v, "ExtraHosts", &o->add_host);
	inspect_options(v, "GroupAdd", &o->group_add);
	write_devices(v);
	inspect_options(v, "DeviceCgroupRules", &o->device_cgroup_rule);
	inspect_options(v, "VolumesFrom", &o->volumes_from);
	inspect_pairs(v, "Tmpfs", &o->tmpfs, ':');
	inspect_pairs(v, "Sysctls", &o->sysctl, '=');
	inspect_list(v, "Links", NULL, 0);
	inspect_text(v, "ContainerIDFile", o->cidfile);
	inspect_text(v, "VolumeDriver", "");
	inspect_text(v, "Isolation", "");
	inspect_text(v, "PidMode", o->pid);
	inspect_text(v, "IpcMode", o->ipc ? o->ipc : "shareable");
	inspect_text(v, "UTSMode", o->uts);
	inspect_text(v, "UsernsMode", o->userns);
	inspect_text(v, "CgroupnsMode", o->cgroupns ? o->cgroupns : "private");
	json_kv_i64(v->w, "ShmSize", shm);
	inspect_text(v, "Runtime", run_options_vm(o) ? "brig-vm" : "brig-oci");
	inspect_object(v, "LogConfig");
	inspect_text(v, "Type", o->log_driver ? o->log_driver : "k8s-file");
	inspect_pairs(v, "Config", &o->log_opt, '=');
	inspect_end(v);
	write_limits(v);
	inspect_end(v);
}

