/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROG_NAME "brig_devices"

/*
 * DOC: the device filter of cgroup v2
 *
 * The kernel asks a program of type BPF_CGROUP_DEVICE with { access << 16 | type, major, minor }; 1 allows. The last
 * matching rule wins, so the program tests the rules from the last to the first and answers at the first hit. An allow
 * rule holds when it has every access that is asked for, a deny rule when it takes away any of it.
 *
 * r2 type, r3 access, r4 major, r5 minor; r1 (the context, then scratch).
 */
static void emit(struct bpf_prog_buf *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 128;
		p->v = xreallocarray(p->v, p->cap, sizeof(*p->v));
	}
	p->v[p->n] = (struct bpf_insn){ .code = code, .off = off, .imm = imm };
	p->v[p->n].dst_reg = dst & 0xfu;
	p->v[p->n++].src_reg = src & 0xfu;
}

static void load_context(struct bpf_prog_buf *p)
{
	const int16_t access = offsetof(struct bpf_cgroup_dev_ctx, access_type);

	emit(p, BPF_LDX | BPF_MEM | BPF_W, 2, 1, access, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 3, 1, access, 0);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 4, 1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 5, 1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
}

static int32_t bpf_access(uint8_t access)
{
	return (access & DEVICE_M ? BPF_DEVCG_ACC_MKNOD : 0) | (access & DEVICE_R ? BPF_DEVCG_ACC_READ : 0) |
	       (access & DEVICE_W ? BPF_DEVCG_ACC_WRITE : 0);
}

/* Skip `then` instructions when reg != value. */
static void unless_equal(struct bpf_prog_buf *p, uint8_t reg, int64_t value)
{
	emit(p, BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, (int32_t)value);
}

static void emit_rule(struct bpf_prog_buf *p, const struct spec_device_rule *d)
{
	size_t start = p->n;

	if (d->type != 'a')
		unless_equal(p, 2, d->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (d->type != 'a' && (d->access & 7) != 7) {
		emit(p, BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0);
		if (d->allow) { /* nothing asked for beyond the rule */
			emit(p, BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, ~bpf_access(d->access) & 7);
			unless_equal(p, 1, 0);
		} else { /* something asked for that the rule denies */
			emit(p, BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, bpf_access(d->access));
			emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0, 0);
		}
	}
	if (d->type != 'a' && d->major >= 0)
		unless_equal(p, 4, d->major);
	if (d->type != 'a' && d->minor >= 0)
		unless_equal(p, 5, d->minor);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, d->allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (size_t i = start; i < p->n; i++) /* every test jumps behind the rule */
		if (BPF_CLASS(p->v[i].code) == BPF_JMP && BPF_OP(p->v[i].code) != BPF_EXIT)
			p->v[i].off = (int16_t)(p->n - i - 1);
}

void devices_bpf_generate(struct bpf_prog_buf *ret, const struct device_list *l)
{
	*ret = (struct bpf_prog_buf){ 0 };
	load_context(ret);
	for (size_t i = l->n; i-- > 0;) {
		emit_rule(ret, &l->v[i]);
		if (l->v[i].type == 'a') /* answers everything: the verifier refuses code behind it */
			return;
	}
	emit(ret, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	emit(ret, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void bpf_prog_buf_done(struct bpf_prog_buf *p)
{
	free(p->v);
	*p = (struct bpf_prog_buf){ 0 };
}

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static int load(const struct bpf_prog_buf *p)
{
	const struct rlimit memlock = { RLIM_INFINITY, RLIM_INFINITY };
	union bpf_attr attr = { 0 };
	int r;

	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)p->v;
	attr.insn_cnt = (uint32_t)p->n;
	attr.license = (uint64_t)(uintptr_t)"Apache-2.0";
	(void)snprintf(attr.prog_name, sizeof(attr.prog_name), PROG_NAME);
	r = sys_bpf(BPF_PROG_LOAD, &attr);
	if (r == -EPERM) { /* before Linux 5.11 programs count against RLIMIT_MEMLOCK */
		struct rlimit old;

		if (getrlimit(RLIMIT_MEMLOCK, &old) == 0 && setrlimit(RLIMIT_MEMLOCK, &memlock) == 0) {
			r = sys_bpf(BPF_PROG_LOAD, &attr);
			(void)setrlimit(RLIMIT_MEMLOCK, &old);
		}
	}
	return r;
}

/* Programs that are attached to the cgroup itself. Returns their number or -errno. */
static int query(int cgroup_fd, uint32_t ids[64])
{
	union bpf_attr attr = { 0 };
	int r;

	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
	attr.query.prog_cnt = 64;
	r = sys_bpf(BPF_PROG_QUERY, &attr);
	return r < 0 ? r : (int)attr.query.prog_cnt;
}

static int attach(int cgroup_fd, int prog_fd, int replace_fd)
{
	union bpf_attr attr = { 0 };

	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (replace_fd >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replace_fd;
	}
	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

/* Name and hash of a program; false: it cannot be asked. */
static bool prog_info(int fd, struct bpf_prog_info *ret)
{
	union bpf_attr attr = { 0 };

	*ret = (struct bpf_prog_info){ 0 };
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(*ret);
	attr.info.info = (uint64_t)(uintptr_t)ret;
	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0;
}

/* The program that an earlier call attached, and its hash; -1: there is none. */
static int find_own(int cgroup_fd, struct bpf_prog_info *ret_info)
{
	uint32_t ids[64] = { 0 };
	int n = query(cgroup_fd, ids);

	for (int i = 0; i < n; i++) {
		union bpf_attr attr = { .prog_id = ids[i] };
		int fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr);

		if (fd < 0)
			continue;
		if (prog_info(fd, ret_info) && str_eq(ret_info->name, PROG_NAME))
			return fd;
		fd_close(&fd);
	}
	return -1;
}

/* All programs of a cgroup must allow an access. One old program of ours is replaced in one step, so that there is no
 * moment without a filter; programs of others (systemd's) stay. */
int devices_bpf_attach(int cgroup_fd, const struct device_list *l, struct devices_bpf_change *ret, struct err *err)
{
	CLEANUP(bpf_prog_buf_done) struct bpf_prog_buf p = { 0 };
	AUTO_CLOSE int prog_fd = -1, old_fd = -1;
	struct bpf_prog_info info, old_info;
	int r;

	devices_bpf_generate(&p, l);
	prog_fd = load(&p);
	if (prog_fd < 0)
		return err_sys(err, prog_fd, "linux.resources.devices: load the device filter (%zu instructions)", p.n);
	old_fd = find_own(cgroup_fd, &old_info);
	if (old_fd >= 0 && prog_info(prog_fd, &info) && !memcmp(info.tag, old_info.tag, sizeof(info.tag)))
		return 0; /* the same instructions */
	r = attach(cgroup_fd, prog_fd, old_fd);
	if (r < 0)
		return err_sys(err, r, "linux.resources.devices: attach the device filter to the cgroup");
	if (ret) {
		ret->old_fd = TAKE_FD(old_fd);
		ret->new_fd = TAKE_FD(prog_fd);
	}
	return 0;
}

int devices_bpf_undo(int cgroup_fd, const struct devices_bpf_change *c)
{
	union bpf_attr attr = { 0 };

	if (c->new_fd < 0)
		return 0;
	if (c->old_fd >= 0)
		return attach(cgroup_fd, c->old_fd, c->new_fd);
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)c->new_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return sys_bpf(BPF_PROG_DETACH, &attr);
}
