/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/sync.h"
#include "vm-mode/host/client.h"
#include "vm-mode/host/exec.h"
#include "vm-mode/host/launch.h"
#include "vm-mode/host/net.h"
#include "vm-mode/host/oom.h"
#include "vm-mode/host/pod.h"
#include "vm-mode/host/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a command keeps until it is done. */
struct vm_data {
	int sync_fd, console_fd;
	struct vm_oom *oom; /* `events` */
};

#define MAX_NAME 255
#define NET_MS	 30000

static int backend_check(const struct spec *s, struct err *err)
{
	if (s->ns[NS_MNT].path)
		return err_set(err, ENOTSUP, "linux.namespaces: vm-mode cannot join a mount namespace of the host");
	if (s->n_net_devices)
		return err_set(err, ENOTSUP, "linux.netDevices: vm-mode cannot move a device of the host into a machine");
	if (s->seccomp.listener_path)
		return err_set(err, ENOTSUP, "linux.seccomp.listenerPath: vm-mode cannot pass a listener out of a machine");
	return 0;
}

static int backend_create(struct container *c, const struct create_opts *o, struct err *err)
{
	CLEANUP(vm_launch_done) struct vm_launch l;
	AUTO_FREE char *sandbox = NULL;
	struct vm_data *data;
	int r;

	if (strlen(c->id) > MAX_NAME) {
		vm_launch_init(&l);
		return err_set(err, ENAMETOOLONG, "container id: vm-mode allows at most %d bytes", MAX_NAME);
	}
	sandbox = pod_find_sandbox(c);
	if (sandbox) {
		vm_launch_init(&l);
		r = pod_create(c, o, sandbox, &l.own_console_fd, err);
	} else {
		r = vm_launch(&l, c, o, err);
	}
	if (r < 0)
		return r;
	data = xcalloc(1, sizeof(*data));
	data->sync_fd = TAKE_FD(l.parent_sync_fd);
	data->console_fd = TAKE_FD(l.own_console_fd);
	c->backend_data = data;
	return 0;
}

static int backend_committed(struct container *c, struct err *err)
{
	struct vm_data *data = c->backend_data;
	int r = data->sync_fd < 0 ? 0 : sync_send(data->sync_fd, SYNC_READY, NULL, 0, -1);

	if (r < 0)
		return err_sys(err, r, "release the machine's process");
	fd_close(&data->sync_fd);
	return 0;
}

/* Interfaces that the engine made after create. An unprivileged caller may not look; its engines make them before. */
static int late_network(struct container *c, struct err *err)
{
	CLEANUP(vm_net_done) struct vm_net net = { 0 };
	AUTO_FREE char *sandbox = pod_sandbox(c);
	AUTO_BUF struct buf b = { 0 };
	int r = container_load_spec(c, err);

	if (r < 0 || !c->spec->ns[NS_NET].present || sandbox)
		return r;
	r = vm_net_late(c->pid, c->spec->ns[NS_USER].present, &net, err);
	if (r == -EACCES || r == -EPERM) {
		log_debug("interfaces made after create are not looked for: %s", err->msg);
		*err = (struct err){ 0 };
		return 0;
	}
	if (r < 0 || !net.json)
		return r;
	proto_pack_text(&b, net.json);
	return client_call(c, PROTO_NET, 0, &b, NET_MS, NULL, err);
}

static int backend_start(struct container *c, struct err *err)
{
	AUTO_BUF struct buf b = { 0 };
	int r = late_network(c, err);

	if (r < 0)
		return r;
	proto_pack_text(&b, c->id);
	r = client_call(c, PROTO_START, 0, &b, -1, NULL, err);
	(void)unlinkat(c->dir_fd, "gate", 0); /* `run` has none */
	return r;
}

static int backend_console(struct container *c)
{
	struct vm_data *data = c->backend_data;

	return data ? TAKE_FD(data->console_fd) : -1;
}

static int backend_oom_fd(struct container *c, struct err *err)
{
	struct vm_oom *oom = vm_oom_open(c, err);
	struct vm_data *data;

	if (!oom)
		return -1;
	data = xcalloc(1, sizeof(*data));
	*data = (struct vm_data){ .sync_fd = -1, .console_fd = -1, .oom = oom };
	c->backend_data = data;
	return vm_oom_fd(oom);
}

static int backend_oom_count(struct container *c, uint64_t *ret)
{
	struct vm_data *data = c->backend_data;

	return data ? vm_oom_count(data->oom, ret) : -ESRCH;
}

static int backend_plan_text(struct container *c, const struct create_opts *o, struct buf *out, struct err *err)
{
	CLEANUP(vm_settings_done) struct vm_settings s = { 0 };
	CLEANUP(plan_done) struct plan plan = { 0 };
	struct plan_env env = { .euid = geteuid(), .egid = getegid(), .no_pivot = o->no_pivot, .bundle = c->bundle };
	int r = vm_settings_host(c->opts, &s, err);

	if (!r)
		r = vm_settings_container(&s, c->spec, err);
	if (!r)
		r = plan_build(&plan, c->spec, &env, err);
	if (r < 0)
		return r;
	buf_addf(out, "machine: %s, %u vCPUs, %llu MiB for the guest, %llu MiB for the monitor\n", s.accel == VM_ACCEL_KVM ? "kvm" : "emulated",
		 s.vcpus, (unsigned long long)(s.guest_bytes >> 20), (unsigned long long)(s.overhead_bytes >> 20));
	buf_addf(out, "kernel: %s\ninitramfs: %s\n", s.kernel, s.initramfs);
	plan_print(&plan, out);
	return 0;
}

/* What a machine would be made of here and now, or why there would be none. */
static void backend_features(const struct runtime_opts *opts, struct json_writer *w)
{
	CLEANUP(vm_settings_done) struct vm_settings s = { 0 };
	struct err err = { 0 };

	if (vm_settings_host(opts, &s, &err) < 0) {
		json_kv_string(w, "brig.vm.accel", "none");
		json_kv_string(w, "brig.vm.why", err.msg);
		return;
	}
	json_kv_string(w, "brig.vm.accel", s.accel == VM_ACCEL_KVM ? "kvm" : "emulate");
	if (s.accel_why[0])
		json_kv_string(w, "brig.vm.why", s.accel_why);
	json_kv_string(w, "brig.vm.kernel", s.kernel);
	json_kv_string(w, "brig.vm.initramfs", s.initramfs);
}

static int backend_destroy(struct container *c, struct err *err)
{
	AUTO_FREE char *sandbox = pod_sandbox(c);

	return sandbox ? pod_destroy(c, sandbox, err) : 0;
}

static void backend_free_data(void *p)
{
	struct vm_data *data = p;

	if (data) {
		fd_close(&data->sync_fd);
		fd_close(&data->console_fd);
		vm_oom_free(data->oom);
	}
	free(data);
}

const struct backend vm_backend = {
	.name = "vm",
	.check = backend_check,
	.create = backend_create,
	.committed = backend_committed,
	.start = backend_start,
	.console = backend_console,
	.plan_text = backend_plan_text,
	.exec = vm_exec,
	.kill = vm_verb_kill,
	.pause = vm_verb_pause,
	.resume = vm_verb_resume,
	.update = vm_verb_update,
	.stats = vm_verb_stats,
	.oom_fd = backend_oom_fd,
	.oom_count = backend_oom_count,
	.ps_table = vm_verb_ps_table,
	.open_root = vm_verb_open_root,
	.checkpoint = vm_verb_checkpoint,
	.restore = vm_verb_restore,
	.features = backend_features,
	.destroy = backend_destroy,
	.free_data = backend_free_data,
};
