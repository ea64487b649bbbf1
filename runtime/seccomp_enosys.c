/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/seccomp_internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#define X32_BIT	 0x40000000u
#define NR_LIMIT 0xffffu /* no table of Linux comes near; what is above is not a number of a table (ARM's private calls) */

/* The highest number among the names of the profile in arch, without the x32 bit; -1: none. */
static int highest(const struct spec_seccomp *s, uint32_t arch)
{
	int max = -1;

	for (size_t i = 0; i < s->n_syscalls; i++) {
		for (size_t j = 0; j < s->syscalls[i].names.n; j++) {
			int nr = seccomp_syscall_resolve_name_arch(arch, s->syscalls[i].names.v[j]);

			if (nr >= 0 && arch == SCMP_ARCH_X32)
				nr &= (int)~X32_BIT;
			if (nr > max && nr <= (int)NR_LIMIT)
				max = nr;
		}
	}
	return max;
}

static bool lets_new_ones_pass(const struct spec_seccomp *s)
{
	uint32_t action = s->default_action;

	/* A tracer or an agent decides by itself, and may emulate. */
	return action == SCMP_ACT_ALLOW || action == SCMP_ACT_LOG || action == SCMP_ACT_TRACE(0) || action == SCMP_ACT_NOTIFY;
}

static bool has_arch(const uint32_t *archs, size_t n, uint32_t arch)
{
	for (size_t i = 0; i < n; i++)
		if (archs[i] == arch)
			return true;
	return false;
}

#define LOAD(field)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RET_ENOSYS     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)
#define JUMP_AWAY      BPF_STMT(BPF_JMP | BPF_JA, 0) /* its distance is filled in at the end */
#define IS_JUMP_AWAY(i) ((i).code == (BPF_JMP | BPF_JA))

/* The accumulator holds the architecture before, and after when it is another one. */
static size_t stub_plain(struct sock_filter *out, uint32_t audit_arch, int max)
{
	const struct sock_filter code[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, audit_arch, 0, 4),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)max, 0, 1),
		RET_ENOSYS,
		JUMP_AWAY,
	};

	memcpy(out, code, sizeof(code));
	return ARRAY_SIZE(code);
}

/* x86_64 and x32 are one architecture to the kernel, told apart by a bit of the number. max_x32 < 0: x32 is not in the
 * filter, and what libseccomp does about it stays. */
static size_t stub_x86_64(struct sock_filter *out, int max, int max_x32)
{
	uint32_t limit_x32 = max_x32 < 0 ? UINT32_MAX : X32_BIT | (uint32_t)max_x32;
	const struct sock_filter code[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 6),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)max, 1, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, limit_x32, 0, 1),
		RET_ENOSYS,
		JUMP_AWAY,
	};

	memcpy(out, code, sizeof(code));
	return ARRAY_SIZE(code);
}

size_t seccomp_enosys_stub(const struct spec_seccomp *s, struct sock_filter *out)
{
	uint32_t archs[SECCOMP_MAX_ARCHS];
	size_t n = 1, n_archs = seccomp_archs(s, archs);

	if (lets_new_ones_pass(s))
		return 0;
	out[0] = (struct sock_filter)LOAD(arch);
	for (size_t i = 0; i < n_archs; i++) {
		int max = highest(s, archs[i]);

		if (max < 0 || archs[i] == SCMP_ARCH_X32)
			continue;
		if (archs[i] == SCMP_ARCH_X86_64)
			n += stub_x86_64(out + n, max,
					 has_arch(archs, n_archs, SCMP_ARCH_X32) ? highest(s, SCMP_ARCH_X32) : -1);
		else
			n += stub_plain(out + n, archs[i], max);
	}
	if (n == 1)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (IS_JUMP_AWAY(out[i]))
			out[i].k = (uint32_t)(n - i - 1);
	return n;
}
