/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/seccomp_internal.h"

#include "runtime/base/mem.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>

#define RETURN (BPF_RET | BPF_K)
#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define MASK (BPF_ALU | BPF_AND | BPF_K)
#define JUMP (BPF_JMP | BPF_JA)
#define IF(op) (BPF_JMP | BPF_K | (op))
#define NR offsetof(struct seccomp_data, nr)
#define ARCH offsetof(struct seccomp_data, arch)
/* Instructions that look at one syscall's arguments; a longer tail is left to libseccomp's program. */
#define TAIL_MAX  64
#define JUMP_NEAR 250 /* a condition jumps 255 at most; the rest is for what may be put before it */

enum held { HELD_NOTHING, HELD_NR, HELD_ARCH };

/* What is done about a syscall: a return, or the look at its arguments with returns at its ends. at: its place in the new program that was put last,
 * 0 before there is one. */
struct tail {
	struct sock_filter v[TAIL_MAX];
	size_t n, at;
};

/* The numbers from this one to the next span's have that tail. */
struct span {
	uint32_t from;
	size_t tail;
};

struct shrink {
	const struct sock_filter *old;
	size_t n_old;
	uint32_t archs[SECCOMP_MAX_ARCHS];
	size_t n_archs;
	/* what is followed now: this number on this architecture, or (other) on any that archs does not have */
	uint32_t arch, nr;
	bool other;
	bool failed;      /* an instruction that is not understood: the old program stays */
	uint32_t *breaks; /* sorted: between two of them no comparison tells numbers apart */
	size_t n_breaks;
	struct tail *tails;
	size_t n_tails;
	struct span *spans;      /* of one architecture, room for n_breaks */
	struct sock_filter *out; /* as many as the old one has, filled from the end: jumps go forward only */
	size_t at;
};

static size_t fail(struct shrink *s)
{
	s->failed = true;
	return 0;
}

/* ---- following the old program ---- */

static bool arch_listed(const struct shrink *s, uint32_t arch)
{
	for (size_t i = 0; i < s->n_archs; i++)
		if (s->archs[i] == arch)
			return true;
	return false;
}

static size_t follow_condition(struct shrink *s, size_t pc, enum held held)
{
	const struct sock_filter *i = &s->old[pc];
	uint32_t a = held == HELD_NR ? s->nr : s->arch;
	bool yes;

	if (held == HELD_NOTHING)
		return fail(s);
	if (held == HELD_ARCH && s->other) {
		if (i->code != IF(BPF_JEQ) || !arch_listed(s, i->k))
			return fail(s);
		yes = false;
	} else {
		yes = i->code == IF(BPF_JEQ) ? a == i->k : i->code == IF(BPF_JGT) ? a > i->k : a >= i->k;
	}
	return pc + 1 + (yes ? i->jt : i->jf);
}

/* As far as number and architecture decide: to a return or to the load of an argument. */
static size_t follow(struct shrink *s, size_t pc)
{
	enum held held = HELD_NOTHING;

	while (!s->failed && pc < s->n_old) {
		const struct sock_filter *i = &s->old[pc];

		if (i->code == RETURN || (i->code == LOAD && i->k != NR && i->k != ARCH))
			return pc;
		if (i->code == LOAD) {
			held = i->k == NR ? HELD_NR : HELD_ARCH;
			pc++;
		} else if (i->code == JUMP) {
			pc += 1 + (size_t)i->k;
		} else if (i->code == IF(BPF_JEQ) || i->code == IF(BPF_JGT) || i->code == IF(BPF_JGE)) {
			pc = follow_condition(s, pc, held);
		} else {
			break;
		}
	}
	return fail(s);
}

/* ---- tails ---- */

/* A tail in the making, from its end; places are counted from the end, too, and 0 is none. */
struct maker {
	struct sock_filter v[TAIL_MAX];
	size_t pc[TAIL_MAX]; /* of the old program */
	size_t n;
};

static size_t maker_find(const struct maker *m, size_t pc)
{
	for (size_t i = 1; i <= m->n; i++)
		if (m->pc[TAIL_MAX - i] == pc)
			return i;
	return 0;
}

static size_t maker_put(struct shrink *s, struct maker *m, size_t pc, struct sock_filter i)
{
	if (s->failed || m->n == TAIL_MAX)
		return fail(s);
	m->n++;
	m->pc[TAIL_MAX - m->n] = pc;
	m->v[TAIL_MAX - m->n] = i;
	return m->n;
}

static size_t make_tail(struct shrink *s, struct maker *m, size_t pc);

/* Goes on with the instruction behind it. */
static size_t make_step(struct shrink *s, struct maker *m, size_t pc)
{
	size_t next = make_tail(s, m, pc + 1);

	if (!s->failed && next != m->n)
		(void)maker_put(s, m, SIZE_MAX, (struct sock_filter)BPF_STMT(JUMP, (uint32_t)(m->n - next)));
	return maker_put(s, m, pc, s->old[pc]);
}

static size_t make_condition(struct shrink *s, struct maker *m, size_t pc)
{
	struct sock_filter i = s->old[pc];
	size_t no = make_tail(s, m, pc + 1 + i.jf), yes = make_tail(s, m, pc + 1 + i.jt);

	i.jt = (uint8_t)(m->n - yes);
	i.jf = (uint8_t)(m->n - no);
	return maker_put(s, m, pc, i);
}

/* The old program from pc on, where the accumulator has an argument, or a load or return comes next. */
static size_t make_tail(struct shrink *s, struct maker *m, size_t pc)
{
	const struct sock_filter *i = &s->old[pc];
	size_t found;

	if (s->failed || pc >= s->n_old)
		return fail(s);
	found = maker_find(m, pc);
	if (found)
		return found;
	switch (i->code) {
	case RETURN:
		return maker_put(s, m, pc, *i);
	case LOAD: /* of the number once more: what follows is known again */
		return i->k == NR || i->k == ARCH ? make_tail(s, m, follow(s, pc)) : make_step(s, m, pc);
	case MASK:
		return make_step(s, m, pc);
	case JUMP:
		return make_tail(s, m, pc + 1 + i->k);
	case IF(BPF_JEQ):
	case IF(BPF_JGT):
	case IF(BPF_JGE):
	case IF(BPF_JSET):
		return make_condition(s, m, pc);
	default:
		return fail(s);
	}
}

/* The tail of the number and architecture that are followed now. */
static size_t find_tail(struct shrink *s)
{
	struct maker m = { .n = 0 };
	const struct sock_filter *v = m.v + TAIL_MAX - make_tail(s, &m, follow(s, 0));
	struct tail *t;

	if (s->failed)
		return 0;
	for (size_t i = 0; i < s->n_tails; i++)
		if (s->tails[i].n == m.n && memcmp(s->tails[i].v, v, m.n * sizeof(*v)) == 0)
			return i;
	s->tails = xreallocarray(s->tails, s->n_tails + 1, sizeof(*t));
	t = &s->tails[s->n_tails];
	*t = (struct tail){ .n = m.n };
	memcpy(t->v, v, m.n * sizeof(*v));
	return s->n_tails++;
}

static size_t find_spans(struct shrink *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_breaks && !s->failed; i++) {
		size_t tail;

		s->nr = s->breaks[i];
		tail = find_tail(s);
		if (n == 0 || s->spans[n - 1].tail != tail)
			s->spans[n++] = (struct span){ s->nr, tail };
	}
	return n;
}

/* ---- the new program ---- */

/* All that put something return its place. */
static size_t put(struct shrink *s, struct sock_filter i)
{
	if (!s->at)
		return fail(s); /* no shorter than the old one */
	s->out[--s->at] = i;
	return s->at;
}

static size_t put_near(struct shrink *s, size_t place)
{
	if (place - s->at <= JUMP_NEAR)
		return place;
	return put(s, (struct sock_filter)BPF_STMT(JUMP, (uint32_t)(place - s->at)));
}

static size_t put_condition(struct shrink *s, uint16_t op, uint32_t k, size_t yes, size_t no)
{
	if (s->failed)
		return 0;
	yes = put_near(s, yes);
	no = put_near(s, no);
	return put(s, (struct sock_filter)BPF_JUMP(IF(op), k, (uint8_t)(yes - s->at), (uint8_t)(no - s->at)));
}

static size_t put_load(struct shrink *s, size_t field, size_t then)
{
	if (!s->failed && then != s->at)
		(void)put(s, (struct sock_filter)BPF_STMT(JUMP, (uint32_t)(then - s->at)));
	return put(s, (struct sock_filter)BPF_STMT(LOAD, (uint32_t)field));
}

static size_t put_tail(struct shrink *s, struct tail *t)
{
	if (t->at && t->at - s->at <= JUMP_NEAR)
		return t->at;
	if (t->at && t->n > 1)
		return t->at = put_near(s, t->at);
	for (size_t i = t->n; i > 0; i--)
		t->at = put(s, t->v[i - 1]);
	return t->at;
}

/* A binary tree, over the number in the accumulator. */
static size_t put_tree(struct shrink *s, const struct span *v, size_t n)
{
	size_t middle = n / 2, above, below;

	if (n == 1)
		return put_tail(s, &s->tails[v->tail]);
	if (n == 3 && v[0].tail == v[2].tail && v[2].from - v[1].from == 1) {
		above = put_tail(s, &s->tails[v[1].tail]);
		below = put_tail(s, &s->tails[v[0].tail]);
		return put_condition(s, BPF_JEQ, v[1].from, above, below);
	}
	above = n - middle > 1 ? put_tree(s, v + middle, n - middle) : 0;
	below = middle > 1 ? put_tree(s, v, middle) : 0;
	/* tails last, so that they are near */
	above = above ? above : put_tail(s, &s->tails[v[middle].tail]);
	below = below ? below : put_tail(s, &s->tails[v[0].tail]);
	return put_condition(s, BPF_JGE, v[middle].from, above, below);
}

static size_t put_arch(struct shrink *s)
{
	size_t n = find_spans(s), tree;

	if (s->failed)
		return 0;
	tree = put_tree(s, s->spans, n);
	return n == 1 ? tree : put_load(s, NR, tree);
}

static void put_program(struct shrink *s)
{
	size_t places[SECCOMP_MAX_ARCHS], next;

	s->other = true;
	next = put_arch(s);
	s->other = false;
	for (size_t i = s->n_archs; i > 0 && !s->failed; i--) {
		s->arch = s->archs[i - 1];
		places[i - 1] = put_arch(s);
	}
	for (size_t i = s->n_archs; i > 0 && !s->failed; i--)
		next = put_condition(s, BPF_JEQ, s->archs[i - 1], places[i - 1], next);
	if (!s->failed)
		(void)put_load(s, ARCH, next);
}

/* ---- */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Those of comparisons with other things than the number, too, which does no harm. */
static void find_breaks(struct shrink *s)
{
	size_t n = 0;

	s->breaks = xcalloc(2 * s->n_old + 1, sizeof(*s->breaks));
	s->breaks[s->n_breaks++] = 0;
	for (size_t i = 0; i < s->n_old; i++) {
		const struct sock_filter *f = &s->old[i];

		if (BPF_CLASS(f->code) != BPF_JMP || f->code == JUMP)
			continue;
		s->breaks[s->n_breaks++] = f->k;
		if (f->k != UINT32_MAX)
			s->breaks[s->n_breaks++] = f->k + 1;
	}
	qsort(s->breaks, s->n_breaks, sizeof(*s->breaks), compare);
	for (size_t i = 0; i < s->n_breaks; i++)
		if (i == 0 || s->breaks[i] != s->breaks[i - 1])
			s->breaks[n++] = s->breaks[i];
	s->n_breaks = n;
}

void seccomp_shrink(struct seccomp_prog *p, const uint32_t *archs, size_t n_archs)
{
	struct shrink s = { .old = p->v, .n_old = p->n, .at = p->n };

	for (size_t i = 0; i < n_archs; i++)
		if (archs[i] != SCMP_ARCH_X32) /* the kernel says x86_64 */
			s.archs[s.n_archs++] = archs[i];
	find_breaks(&s);
	s.spans = xcalloc(s.n_breaks, sizeof(*s.spans));
	s.out = xcalloc(s.n_old, sizeof(*s.out));
	put_program(&s);
	if (!s.failed && s.at > 0) {
		p->n -= s.at;
		memcpy(p->v, s.out + s.at, p->n * sizeof(*p->v));
	}
	cleanup_free(&s.breaks);
	cleanup_free(&s.spans);
	cleanup_free(&s.tails);
	cleanup_free(&s.out);
}
