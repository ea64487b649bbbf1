/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/conf.h"
#include "runtime/base/str.h"
#include "tests/unit/tap.h"
#include "vm-mode/host/exec.h"
#include "vm-mode/host/jail.h"
#include "vm-mode/host/net_tap.h"
#include "runtime/base/netlink.h"
#include "vm-mode/host/settings.h"
#include "vm-mode/host/stdio.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024ull * 1024)

static void test_conf(void)
{
	CLEANUP(conf_done) struct conf c = { 0 };
	struct err err = { 0 };

	ok(conf_parse("f", "# all\n\nvm.accel = kvm\nvm.memory = 1g # much\n vm.vcpus=4\nvm.kernel = /boot/k\nvm.allow-annotations = vcpus, memory\n",
		      &c, &err) == 0,
	   "conf: reads keys, sizes, comments");
	ok(str_eq(c.accel, "kvm") && c.memory_bytes == 1024 * MIB && c.vcpus == 4 && str_eq(c.kernel, "/boot/k") &&
		   c.allow == (CONF_ALLOW_VCPUS | CONF_ALLOW_MEMORY),
	   "conf: their values");
	ok(conf_parse("f", "vm.accle = kvm\n", &c, &err) == -EINVAL && strstr(err.msg, "f:1: there is no key 'vm.accle'"), "conf: names an unknown key");
	ok(conf_parse("f", "\nvm.vcpus = 0\n", &c, &err) == -EINVAL && strstr(err.msg, "f:2: vm.vcpus"), "conf: names the line of a bad value");
	ok(conf_parse("f", "vm.vcpus = 1\nvm.vcpus = 2\n", &c, &err) == -EINVAL && strstr(err.msg, "twice"), "conf: a key once");
	ok(conf_parse("f", "vm.kernel = k\n", &c, &err) == -EINVAL, "conf: paths are absolute");
	ok(conf_parse("f", "vm.kernel\n", &c, &err) == -EINVAL, "conf: a line is key = value");
	ok(conf_load("/nonexistent/brig.conf", &c, &err) == 0 && !c.accel, "conf: a missing file is empty");
}

static void test_size(void)
{
	struct vm_settings s = { .accel = VM_ACCEL_KVM };
	struct spec_resources r = { 0 }, host;

	vm_size(&s, &r, 8);
	ok(s.vcpus == 1 && s.guest_bytes == VM_DEFAULT_MEMORY, "size: the defaults");
	r.cpu_quota = (struct opt_i64){ 250000, true };
	r.cpu_period = (struct opt_u64){ 100000, true };
	r.mem_limit = (struct opt_i64){ (int64_t)(1024 * MIB), true };
	r.mem_swap = (struct opt_i64){ (int64_t)(2048 * MIB), true };
	r.pids_limit = (struct opt_i64){ 10, true };
	vm_size(&s, &r, 8);
	ok(s.vcpus == 3, "size: a quota of 2.5 CPUs is three");
	ok(s.guest_bytes == (1024 + 96 + 32) * MIB, "size: the guest's kernel on top of the limit");
	host = r;
	vm_host_limits(&s, &host);
	ok(host.mem_limit.v == (int64_t)(s.needed_bytes + VM_OVERHEAD_KVM), "size: the host's limit has room for the monitor");
	ok(host.mem_swap.v - host.mem_limit.v == (int64_t)(1024 * MIB), "size: swap stays what it is");
	ok(host.pids_limit.v == 10 + VM_OVERHEAD_PIDS, "size: and threads");
	vm_size(&s, &r, 2);
	ok(s.vcpus == 2, "size: not more than the host has");
	r.cpus = (char[]){ "3" };
	vm_size(&s, &r, 8);
	ok(s.vcpus == 1, "size: not more than the cpuset has");
	r.cpu_quota.set = false;
	r.cpus = (char[]){ "0-2,7" };
	vm_size(&s, &r, 8);
	ok(s.vcpus == 4, "size: a cpuset alone");
	r.mem_limit.v = 4096;
	vm_size(&s, &r, 8);
	ok(s.guest_bytes == VM_DEFAULT_MEMORY && vm_size_allows(&s, &r, NULL) == 0, "size: room for a higher limit");
	r.mem_limit.v = (int64_t)(500 * MIB);
	ok(vm_size_allows(&s, &r, NULL) == -EINVAL, "size: as far as the machine goes");
	s.conf.memory_bytes = 1;
	r.mem_limit.v = 4096;
	vm_size(&s, &r, 8);
	ok(s.guest_bytes == VM_MIN_MEMORY, "size: no machine is smaller than it can boot");
}

/* A setting of the container is refused unless the administrator allows it. */
static void test_permission(void)
{
	struct vm_settings s = { .accel = VM_ACCEL_KVM };
	struct kv kv = { (char[]){ "org.brig.vm.memory" }, (char[]){ "268435456" } };
	struct spec spec = { .annotations = { &kv, 1 } };
	struct err err = { 0 };

	ok(vm_settings_container(&s, &spec, &err) == -EPERM && strstr(err.msg, "org.brig.vm.memory: not allowed"), "settings: refused");
	s.conf.allow = CONF_ALLOW_MEMORY;
	ok(vm_settings_container(&s, &spec, &err) == 0 && s.guest_bytes == 256 * MIB, "settings: allowed");
	kv.value = (char[]){ "12" };
	ok(vm_settings_container(&s, &spec, &err) == -EINVAL, "settings: too small");
}

static void test_tc(void)
{
	AUTO_BUF struct buf queue = { 0 };
	AUTO_BUF struct buf filter = { 0 };
	const struct nlmsghdr *h;
	const void *kind, *options, *sel;
	struct tcmsg t;
	size_t n = 0, n_sel = 0, n_act = 0;

	net_tap_qdisc(&queue, 7);
	h = (const struct nlmsghdr *)(const void *)queue.p;
	memcpy(&t, NLMSG_DATA(h), sizeof(t));
	kind = nl_attr(h, sizeof(t), TCA_KIND, &n);
	ok(h->nlmsg_type == RTM_NEWQDISC && t.tcm_ifindex == 7 && kind && str_eq(kind, "ingress"), "tc: the ingress queue");
	net_tap_filter(&filter, 7, 8, false);
	h = (const struct nlmsghdr *)(const void *)filter.p;
	options = nl_attr(h, sizeof(t), TCA_OPTIONS, &n);
	ok(h->nlmsg_type == RTM_NEWTFILTER && h->nlmsg_len == filter.len && options, "tc: a filter with options");
	sel = options ? nl_find(options, n, TCA_U32_SEL, &n_sel) : NULL;
	ok(sel && n_sel == sizeof(struct tc_u32_sel) + sizeof(struct tc_u32_key) && nl_find(options, n, TCA_U32_ACT, &n_act),
	   "tc: that matches everything, and an action");
}

static void test_json(void)
{
	char *args[] = { (char[]){ "sh" }, NULL };
	struct spec_rlimit limit = { 7, 10, 20 };
	struct spec_process p = { .args = { args, 1 }, .cwd = (char[]){ "/" }, .user = { .uid = 5, .gid = 6 }, .rlimits = &limit, .n_rlimits = 1,
				  .caps = { .set = true, .effective = 1 }, .no_new_privileges = true }, back = { 0 };
	CLEANUP(arena_done) struct arena arena = { 0 };
	AUTO_BUF struct buf b = { 0 };
	struct json_writer w = { .out = &b };
	struct err err = { 0 };

	vm_process_json(&p, &w);
	ok(spec_parse_process(&arena, &back, "p", b.p, b.len, &err) == 0, "process: what is written can be read: %s", err.msg);
	ok(back.user.uid == 5 && back.user.gid == 6 && back.args.n == 1 && back.n_rlimits == 1 && back.rlimits[0].resource == 7 &&
		   back.rlimits[0].hard == 20 && back.caps.effective == 1 && back.no_new_privileges,
	   "process: and is the same");
}

/* Bytes of the guest come out of the descriptor, credit goes back, the end ends it. */
static void test_stdio(void)
{
	struct stdio s;
	struct frame_writer w;
	struct frame f = { .type = PROTO_STDOUT, .id = 5, .data = (const uint8_t *)"hello", .len = 5, .flags = PROTO_EOF };
	struct pollfd p[STDIO_POLLS];
	struct err err = { 0 };
	char got[8] = "";
	int fds[2];

	frame_writer_init(&w, 1 << 20);
	stdio_init(&s, 5, -1);
	if (pipe(fds) < 0)
		return;
	s.out_fd[0] = fds[1];
	s.out_fd[1] = -1;
	ok(stdio_frame(&s, &w, &f, &err) == 0 && stdio_waiting(&s) && !stdio_drained(&s), "stdio: output waits");
	stdio_poll(&s, &w, p);
	ok(p[1].fd == fds[1] && p[1].events == POLLOUT, "stdio: for its descriptor");
	p[0].revents = 0;
	p[1].revents = POLLOUT;
	p[2].revents = 0;
	ok(stdio_work(&s, &w, p, &err) == 0 && read(fds[0], got, sizeof(got)) == 5 && str_eq(got, "hello"), "stdio: and comes out");
	ok(stdio_drained(&s), "stdio: then it has ended");
	ok(stdio_frame(&s, &w, &f, &err) == -EPROTO, "stdio: more after the end breaks the rules");
	stdio_done(&s);
	frame_writer_done(&w);
}

static int in_child_with(enum jail_kind kind, long call, unsigned long second)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct err err;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || jail_filter(kind, &err) < 0)
			_exit(2);
		(void)syscall(call, -1, second, 0, 0, 0, 0);
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int in_child(enum jail_kind kind, long call)
{
	return in_child_with(kind, call, 0);
}

/* A call that a monitor's thread has no business with kills the process; one that it needs does not. */
static void test_jail(void)
{
	ok(in_child(JAIL_VCPU, SYS_read) == 0 && in_child(JAIL_FILES, SYS_openat) == 0 && in_child(JAIL_CONTROL, SYS_accept4) == 0,
	   "jail: what each kind of thread needs");
	ok(in_child(JAIL_VCPU, SYS_openat) == 128 + SIGSYS && in_child(JAIL_DEVICE, SYS_openat) == 128 + SIGSYS,
	   "jail: a vCPU opens no files, nor does a device but the file server");
	ok(in_child(JAIL_VCPU, SYS_ioctl) == 128 + SIGSYS, "jail: nor does it send an ioctl but KVM's");
	ok(in_child_with(JAIL_VCPU, SYS_ioctl, KVM_RUN) == 0 && in_child_with(JAIL_VCPU, SYS_ioctl, TUNSETOFFLOAD) == 0 &&
		   in_child_with(JAIL_VCPU, SYS_ioctl, TUNSETIFF) == 128 + SIGSYS,
	   "jail: and the one of a network device that starts to work");
	ok(in_child(JAIL_DEVICE, SYS_socket) == 128 + SIGSYS && in_child(JAIL_DEVICE, SYS_execve) == 128 + SIGSYS &&
		   in_child(JAIL_DEVICE, SYS_clone) == 128 + SIGSYS && in_child(JAIL_DEVICE, SYS_mount) == 128 + SIGSYS,
	   "jail: a device makes no sockets, programs, processes or mounts");
	ok(in_child(JAIL_CONTROL, SYS_openat) == 128 + SIGSYS && in_child(JAIL_CONTROL, SYS_execve) == 128 + SIGSYS,
	   "jail: nor does the control loop open files");
}

int main(void)
{
	test_jail();
	test_conf();
	test_size();
	test_permission();
	test_tc();
	test_json();
	test_stdio();
	return done();
}
