/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/cli/default_seccomp.h"
#include "runtime/seccomp_internal.h"
#include "tests/unit/tap.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

/*
 * The long and the short program side by side, in an interpreter: for every number of a syscall table and
 * those round its edges, on every architecture of the filter and on others, with arguments that the rules
 * tell apart.
 */
#define X32_BIT 0x40000000u
#define TABLE 600u /* above all numbers of x86 */
#define MAX_ARGS 96

static uint32_t at(const struct seccomp_data *d, uint32_t offset)
{
	uint32_t v;

	if (offset > sizeof(*d) - sizeof(v) || offset % sizeof(v) != 0) {
		printf("Bail out! a load at %u\n", offset);
		exit(1);
	}
	memcpy(&v, (const char *)d + offset, sizeof(v));
	return v;
}

static uint32_t run(const struct seccomp_prog *p, const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < p->n; pc++) {
		const struct sock_filter *i = &p->v[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = at(d, i->k);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			printf("Bail out! instruction %#x\n", i->code);
			exit(1);
		}
	}
	printf("Bail out! the program has no end\n");
	exit(1);
}

struct sample {
	uint64_t v[MAX_ARGS]; /* each for one argument, 0 for the others, and for all of them */
	size_t n;
};

static void add_sample(struct sample *s, uint64_t v)
{
	for (int d = -1; d <= 1 && s->n < MAX_ARGS; d++)
		s->v[s->n++] = v + (uint64_t)(int64_t)d;
}

static unsigned differ_at(const struct seccomp_prog *l, const struct seccomp_prog *s, struct seccomp_data *d,
			  const struct sample *args)
{
	unsigned differ = 0;

	for (size_t i = 0; i < args->n; i++)
		for (unsigned where = 0; where <= 6; where++) {
			for (unsigned k = 0; k < 6; k++)
				d->args[k] = where == 6 || k == where ? args->v[i] : 0;
			if (run(l, d) == run(s, d))
				continue;
			if (!differ++)
				printf("# arch %#x, number %#x, argument %#llx: %#x, was %#x\n", d->arch,
				       (unsigned)d->nr, (unsigned long long)args->v[i], run(s, d), run(l, d));
		}
	return differ;
}

static unsigned differences(const struct seccomp_prog *l, const struct seccomp_prog *s,
			    const struct sample *args)
{
	static const uint32_t archs[] = {
		AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_S390X, 0, UINT32_MAX
	};
	static const uint32_t edges[] = { 0xfffe,     0xffff,     0x10000,    X32_BIT - 1,
					  0x7fffffff, 0x80000000, 0x80000001, UINT32_MAX };
	unsigned differ = 0;

	for (size_t a = 0; a < ARRAY_SIZE(archs); a++) {
		struct seccomp_data d = { .arch = archs[a], .instruction_pointer = 0x1234567890 };

		for (uint32_t nr = 0; nr < TABLE; nr++) {
			d.nr = (int)nr;
			differ += differ_at(l, s, &d, args);
			d.nr = (int)(nr | X32_BIT);
			differ += differ_at(l, s, &d, args);
		}
		for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
			d.nr = (int)edges[i];
			differ += differ_at(l, s, &d, args);
		}
	}
	return differ;
}

/* Returns how long the shorter one is, in percent. */
static size_t compare(const struct spec_seccomp *p, const struct sample *args, const char *name)
{
	struct seccomp_prog l = { 0 }, s = { 0 };
	struct err err = { 0 };
	size_t percent;

	if (seccomp_compile_long(p, NULL, &l, &err) < 0 || seccomp_compile(p, NULL, &s, &err) < 0) {
		ok(false, "seccomp, shorter: %s: compiles (%s)", name, err.msg);
		return 100;
	}
	is_int(differences(&l, &s, args), 0,
	       "seccomp, shorter: %s: %zu instructions for %zu, the same answers", name, s.n, l.n);
	percent = 100 * s.n / l.n;
	seccomp_prog_done(&l);
	seccomp_prog_done(&s);
	return percent;
}

static void test_default(const char *const *caps, const char *name)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_FREE char *config = NULL;
	struct json_writer w = { .out = &text };
	struct sample args = { 0 };
	struct spec spec = { 0 };
	struct err err = { 0 };

	default_seccomp_json(&w, caps, 6 << 16);
	config = xasprintf("{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"process\":{\"user\":{"
			   "\"uid\":0,\"gid\":0},\"cwd\":\"/\","
			   "\"args\":[\"x\"]},\"linux\":{\"seccomp\":%s}}",
			   text.p);
	if (!ok(spec_parse(&spec, "config.json", config, strlen(config), false, &err) == 0,
		"seccomp, shorter: %s: %s", name, err.msg))
		return;
	for (unsigned bit = 0; bit < 26; bit++)
		args.v[args.n++] = 1ull << (bit + 8); /* flags of clone, and above */
	for (size_t i = 0; i < spec.seccomp.n_syscalls; i++)
		for (size_t j = 0; j < spec.seccomp.syscalls[i].n_args; j++)
			add_sample(&args, spec.seccomp.syscalls[i].args[j].value);
	add_sample(&args, UINT64_MAX - 1);
	add_sample(&args, 40ull << 32 | 40);
	ok(compare(&spec.seccomp, &args, name) < 30, "seccomp, shorter: %s: much shorter", name);
	spec_done(&spec);
}

/* ---- profiles made by chance, from a seed ---- */

#define RULES 12
#define NAMES 300
#define ROUNDS 16

static uint32_t chance(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % below;
}

struct made {
	struct spec_seccomp s;
	struct spec_seccomp_rule rules[RULES];
	struct spec_seccomp_arg args[RULES][3];
	char *names[RULES][NAMES];
	uint32_t archs[3];
	struct sample sample;
};

static void make_args(struct made *m, size_t i, uint64_t *seed)
{
	static const enum scmp_compare ops[] = { SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE,       SCMP_CMP_EQ,
						 SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ };
	static const uint64_t values[] = { 0,          1,           40,           0xff00,    0x7fffffff,
					   0xffffffff, 0x100000000, 0x2800000028, UINT64_MAX };

	m->rules[i].args = m->args[i];
	m->rules[i].n_args = 1 + chance(seed, 3);
	for (size_t j = 0; j < m->rules[i].n_args; j++) {
		struct spec_seccomp_arg *a = &m->args[i][j];

		*a = (struct spec_seccomp_arg){ .index = chance(seed, 6),
						.value = values[chance(seed, ARRAY_SIZE(values))],
						.op = ops[chance(seed, ARRAY_SIZE(ops))] };
		a->value_two = a->op == SCMP_CMP_MASKED_EQ ? a->value & 0x20000000ff : 0;
	}
	for (size_t v = 0; v < ARRAY_SIZE(values) && m->sample.n == 3 * v; v++)
		add_sample(&m->sample, values[v]);
}

static void make_profile(struct made *m, uint64_t *seed)
{
	static const uint32_t actions[] = { SCMP_ACT_ALLOW,        SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(0),
					    SCMP_ACT_KILL_PROCESS, SCMP_ACT_LOG,   SCMP_ACT_TRAP };
	static const uint32_t archs[] = { SCMP_ARCH_X86, SCMP_ARCH_X32, SCMP_ARCH_AARCH64 };

	*m = (struct made){ .s = { .set = true,
				   .default_action = actions[chance(seed, ARRAY_SIZE(actions))],
				   .syscalls = m->rules } };
	m->s.n_syscalls = 1 + chance(seed, RULES);
	m->s.architectures = m->archs;
	for (size_t i = 0; i < ARRAY_SIZE(archs); i++)
		if (chance(seed, 2))
			m->archs[m->s.n_architectures++] = archs[i];
	for (size_t i = 0; i < m->s.n_syscalls; i++) {
		struct spec_seccomp_rule *r = &m->rules[i];

		r->names.v = m->names[i];
		r->action = actions[chance(seed, ARRAY_SIZE(actions))];
		if (i >= 2)
			make_args(m, i, seed);
		for (unsigned k = 1 + chance(seed, i < 2 ? NAMES : 2), first = chance(seed, 400); k > 0;
		     k--) {
			char *name = seccomp_syscall_resolve_num_arch(
				SCMP_ARCH_NATIVE, (int)((first + k + chance(seed, 2)) % 460));

			if (name)
				m->names[i][r->names.n++] = name;
		}
	}
	add_sample(&m->sample, 0x28);
}

static void test_made(void)
{
	uint64_t seed = 20261128;
	unsigned shorter = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct made *m = xcalloc(1, sizeof(*m));
		char name[32];

		snprintf(name, sizeof(name), "made by chance, %u", round);
		make_profile(m, &seed);
		shorter += compare(&m->s, &m->sample, name) < 80;
		for (size_t i = 0; i < RULES; i++)
			for (size_t j = 0; j < ARRAY_SIZE(m->names[i]); j++)
				free(m->names[i][j]);
		free(m);
	}
	ok(shorter > ROUNDS / 2, "seccomp, shorter: most of %d made by chance are (%u)", ROUNDS, shorter);
}

/* ---- what is not understood stays ---- */

static void test_left_alone(void)
{
	static const uint32_t archs[] = { AUDIT_ARCH_X86_64 };
	const struct sock_filter nr = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	const struct sock_filter arch =
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
				 killed = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL);
	const struct {
		const char *name;
		struct sock_filter v[6];
	} rows[] = {
		{ "a bit of the number",
		  { nr, BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1), killed, allow, allow, allow } },
		{ "a masked number",
		  { nr, BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 1), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
		    killed, allow, allow } },
		{ "an architecture that the profile does not name",
		  { arch, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_ARM, 0, 1), killed, allow, allow,
		    allow } },
		{ "a range of architectures",
		  { arch, BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 5, 0, 1), killed, allow, allow, allow } },
		{ "the accumulator before a load",
		  { BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), killed, allow, allow, allow, allow } },
		{ "the index register",
		  { BPF_STMT(BPF_MISC | BPF_TAX, 0), allow, allow, allow, allow, allow } },
		{ "a way out of the program",
		  { nr, BPF_STMT(BPF_JMP | BPF_JA, 9), allow, allow, allow, allow } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seccomp_prog p = { .v = xcalloc(ARRAY_SIZE(rows[i].v), sizeof(*p.v)),
					  .n = ARRAY_SIZE(rows[i].v) };

		memcpy(p.v, rows[i].v, sizeof(rows[i].v));
		seccomp_shrink(&p, archs, 1);
		ok(p.n == ARRAY_SIZE(rows[i].v) && memcmp(p.v, rows[i].v, sizeof(rows[i].v)) == 0,
		   "seccomp, shorter: not with %s", rows[i].name);
		seccomp_prog_done(&p);
	}
}

int main(void)
{
	static const char *const docker[] = { "CAP_CHOWN", "CAP_NET_RAW", "CAP_SYS_CHROOT", NULL };
	static const char *const admin[] = { "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_TIME", NULL };

	test_default(docker, "the default profile");
	test_default(admin, "the default profile of CAP_SYS_ADMIN");
	test_made();
	test_left_alone();
	return done();
}
