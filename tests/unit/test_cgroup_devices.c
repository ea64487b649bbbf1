/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include "cgroups/internal.h"

#include <linux/bpf.h>

/* Rules by definition: the last that matches decides; a deny matches when it takes away any access that is asked for. */
static bool allowed_by_list(const struct device_list *l, char type, int64_t major, int64_t minor, unsigned access)
{
	for (size_t i = l->n; i-- > 0;) {
		const struct spec_device_rule *d = &l->v[i];

		if (d->type == 'a')
			return d->allow;
		if (d->type != type || (d->major >= 0 && d->major != major) || (d->minor >= 0 && d->minor != minor))
			continue;
		if (d->allow ? !(access & ~(unsigned)d->access) : access & d->access)
			return d->allow;
	}
	return false;
}

/* What the kernel would compute: the few instructions that the generator uses. */
static int run(const struct bpf_prog_buf *p, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t r[16] = { 0 };
	unsigned steps = 0;

	for (size_t pc = 0; pc < p->n && steps < 100000; pc++, steps++) {
		const struct bpf_insn *i = &p->v[pc];
		uint64_t imm = (uint64_t)(int64_t)i->imm;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			memcpy(&imm, (const char *)ctx + i->off, 4);
			r[i->dst_reg] = (uint32_t)imm;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			r[i->dst_reg] = (uint32_t)r[i->dst_reg] & (uint32_t)imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			r[i->dst_reg] = (uint32_t)r[i->dst_reg] >> imm;
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			r[i->dst_reg] = (uint32_t)r[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[i->dst_reg] = imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			pc += r[i->dst_reg] != imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += r[i->dst_reg] == imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)r[0];
		default:
			return -1;
		}
	}
	return -2; /* ran off the end */
}

static void compare(const char *name, const struct spec_device_rule *rules, size_t n)
{
	static const int64_t majors[] = { 1, 5, 8, 10, 136, 200 }, minors[] = { 0, 1, 2, 3, 8, 200, 229 };
	CLEANUP(device_list_done) struct device_list l = { 0 };
	CLEANUP(bpf_prog_buf_done) struct bpf_prog_buf p = { 0 };
	unsigned asked = 0, wrong = 0;

	device_list_build(&l, rules, n);
	devices_bpf_generate(&p, &l);
	for (int block = 0; block < 2; block++)
		for (size_t a = 0; a < ARRAY_SIZE(majors); a++)
			for (size_t i = 0; i < ARRAY_SIZE(minors); i++)
				for (unsigned access = 1; access < 8; access++) {
					struct bpf_cgroup_dev_ctx ctx = { .major = (uint32_t)majors[a], .minor = (uint32_t)minors[i] };
					unsigned bits = (access & DEVICE_M ? BPF_DEVCG_ACC_MKNOD : 0u) |
							(access & DEVICE_R ? BPF_DEVCG_ACC_READ : 0u) |
							(access & DEVICE_W ? BPF_DEVCG_ACC_WRITE : 0u);

					ctx.access_type = bits << 16 | (block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
					asked++;
					wrong += run(&p, &ctx) !=
						 allowed_by_list(&l, block ? 'b' : 'c', majors[a], minors[i], access);
				}
	ok(!wrong && asked > 500, "devices: the filter is the list: %s (%u of %u differ, %zu instructions)", name, wrong, asked, p.n);
}

static bool may(const struct spec_device_rule *rules, size_t n, char type, int64_t major, int64_t minor, unsigned access)
{
	CLEANUP(device_list_done) struct device_list l = { 0 };

	device_list_build(&l, rules, n);
	return allowed_by_list(&l, type, major, minor, access);
}

/* What v1's kernel is told when a list takes the place of another one. */
static void v1_lists(void)
{
	struct spec_device_rule rules[] = {
		{ false, 'a', -1, -1, 7 }, { true, 'c', 10, 229, 3 }, { true, 'b', 7, -1, 1 }, { false, 'c', 10, 229, 2 }, { false, 'c', 9, 9, 7 },
	};
	CLEANUP(device_list_done) struct device_list l = { 0 }, have = { 0 }, all = { 0 };

	device_list_exceptions(&l, &(struct device_list){ rules, ARRAY_SIZE(rules) });
	ok(l.n == 2 && l.v[0].type == 'c' && l.v[0].access == DEVICE_R && l.v[1].type == 'b' && l.v[1].minor == -1 && l.v[1].access == 1,
	   "v1 list: a denied access of an exception is taken from it, what was not there is not");
	device_list_parse(&have, "c 1:3 rwm\nb 7:* r\nc *:* m\n");
	ok(have.n == 4 && have.v[0].type == 'a' && !have.v[0].allow && have.v[1].major == 1 && have.v[1].minor == 3 && have.v[1].access == 7 &&
		   have.v[2].minor == -1 && have.v[2].access == DEVICE_R && have.v[3].major == -1 && have.v[3].access == DEVICE_M,
	   "v1 list: devices.list as rules");
	device_list_parse(&all, "a *:* rwm\n");
	ok(all.n == 1 && all.v[0].type == 'a' && all.v[0].allow, "v1 list: all devices");
}

int main(void)
{
	static const struct spec_device_rule deny_all[] = { { false, 'a', -1, -1, 7 } };
	static const struct spec_device_rule all[] = { { false, 'a', -1, -1, 7 }, { true, 'a', -1, -1, 7 } };
	static const struct spec_device_rule fuse[] = { { false, 'a', -1, -1, 7 }, { true, 'c', 10, 229, 3 }, { true, 'b', 8, -1, 1 } };
	static const struct spec_device_rule halves[] = {
		{ false, 'a', -1, -1, 7 }, { true, 'c', 10, 229, 1 }, { true, 'b', 8, 0, 1 }, { true, 'c', 10, 229, 2 }
	};
	static const struct spec_device_rule holes[] = {
		{ true, 'a', -1, -1, 7 }, { false, 'b', -1, -1, 2 }, { false, 'c', 10, -1, 7 }, { true, 'c', 10, 200, 3 },
		{ false, 'c', 1, 8, 1 }
	};

	static const struct spec_device_rule parts[] = { { false, 'a', -1, -1, 7 }, { true, 'a', -1, -1, 1 }, { true, 'a', 7, -1, 3 } };

	compare("no rules", NULL, 0);
	compare("parts of all", parts, 3);
	ok(may(parts, 3, 'b', 8, 0, DEVICE_R) && !may(parts, 3, 'b', 8, 0, DEVICE_W), "devices: to read all is not to write all");
	ok(may(parts, 3, 'c', 7, 1, 3) && may(parts, 3, 'b', 7, 1, 3) && !may(parts, 3, 'c', 10, 1, 2),
	   "devices: a major number of both types");
	compare("deny all", deny_all, 1);
	compare("allow all", all, 2);
	compare("fuse and disks", fuse, 3);
	compare("halves", halves, 4);
	compare("allow all with holes", holes, 5);
	ok(may(NULL, 0, 'c', 1, 3, 7), "devices: null is allowed without a list");
	ok(may(deny_all, 1, 'c', 5, 2, 7) && may(deny_all, 1, 'c', 136, 200, 3), "devices: ptmx and pts are allowed");
	ok(may(deny_all, 1, 'c', 10, 200, 7) && !may(deny_all, 1, 'c', 10, 201, 1), "devices: tun is allowed, its neighbour is not");
	ok(may(deny_all, 1, 'b', 8, 0, DEVICE_M) && !may(deny_all, 1, 'b', 8, 0, DEVICE_R), "devices: a node may be made, not read");
	ok(may(fuse, 3, 'c', 10, 229, 3) && !may(fuse, 3, 'c', 10, 229, 8 | 1), "devices: the spec's rule holds");
	ok(may(halves, 4, 'c', 10, 229, 3), "devices: two rules for one node add up");
	ok(may(all, 2, 'b', 8, 0, 7), "devices: allow all allows all");
	ok(!may(holes, 5, 'b', 8, 0, DEVICE_W) && may(holes, 5, 'b', 8, 0, DEVICE_R), "devices: a denied access of an allowed device");
	ok(may(holes, 5, 'c', 1, 8, 1), "devices: the defaults come after the spec's rules");
	v1_lists();
	return done();
}
