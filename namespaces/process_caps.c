/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/process_internal.h"

#include "runtime/base/log.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_CAPS 64

static uint64_t join64(uint32_t low, uint32_t high)
{
	return (uint64_t)high << 32 | low;
}

int caps_get(struct cap_sets *ret)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	if (syscall(SYS_capget, &head, d) < 0)
		return -errno;
	ret->effective = join64(d[0].effective, d[1].effective);
	ret->permitted = join64(d[0].permitted, d[1].permitted);
	ret->inheritable = join64(d[0].inheritable, d[1].inheritable);
	return 0;
}

int caps_set(const struct cap_sets *s)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	for (int i = 0; i < 2; i++) {
		d[i].effective = (uint32_t)(s->effective >> 32 * i);
		d[i].permitted = (uint32_t)(s->permitted >> 32 * i);
		d[i].inheritable = (uint32_t)(s->inheritable >> 32 * i);
	}
	return syscall(SYS_capset, &head, d) < 0 ? -errno : 0;
}

/* One line for all of them. */
static void warn_all(uint64_t caps, const char *why)
{
	char list[MAX_CAPS * 24] = "";
	size_t at = 0;

	for (unsigned n = 0; n < MAX_CAPS; n++) {
		const char *name = name_of(cap_names, n);
		char number[8];

		if (!(caps & (uint64_t)1 << n))
			continue;
		snprintf(number, sizeof(number), "%u", n);
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", at ? ", " : "", name ? name : number);
		if (at >= sizeof(list))
			break;
	}
	if (at)
		log_warn("process.capabilities: %s %s", list, why);
}

/* Which of the capabilities asked for this kernel knows, and which are in the bounding set. A call for each: those that nobody
 * asked for are not looked at. No procfs is needed: an unknown one is EINVAL. */
static uint64_t known_caps(uint64_t asked, uint64_t *ret_bounding)
{
	uint64_t known = 0;

	*ret_bounding = 0;
	for (unsigned n = 0; n < MAX_CAPS; n++) {
		int r = asked & (uint64_t)1 << n ? prctl(PR_CAPBSET_READ, n, 0, 0, 0) : -1;

		if (r >= 0)
			known |= (uint64_t)1 << n;
		if (r > 0)
			*ret_bounding |= (uint64_t)1 << n;
	}
	return known;
}

static uint64_t all_asked(const struct spec_caps *c)
{
	return c->bounding | c->effective | c->inheritable | c->permitted | c->ambient;
}

int process_drop_bounding(struct process_ctx *ctx, struct err *err)
{
	const struct spec_caps *c = &ctx->spec->caps;
	const uint64_t asked = all_asked(c);
	uint64_t bounding, known = known_caps(asked, &bounding);

	warn_all(asked & ~known, "unknown to this kernel: ignored");
	warn_all(c->bounding & known & ~bounding, "cannot be granted: not in the bounding set of the runtime");
	for (unsigned n = 0; n < MAX_CAPS; n++) {
		if (c->bounding & (uint64_t)1 << n || prctl(PR_CAPBSET_DROP, n, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL) /* behind the last one that the kernel knows */
			break;
		if (errno != EPERM || prctl(PR_CAPBSET_READ, n, 0, 0, 0) != 0)
			return err_sys(err, -errno, "drop capability %u from the bounding set", n);
	}
	return 0;
}

/* Ambient ones have to be permitted and inheritable, or the kernel says EPERM. */
static int set_ambient(uint64_t wanted, const struct cap_sets *have, struct err *err)
{
	uint64_t can = have->permitted & have->inheritable;

	/* EINVAL: a kernel without ambient capabilities has none to clear. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return err_sys(err, -errno, "clear the ambient capabilities");
	warn_all(wanted & ~can, "cannot be ambient: not both permitted and inheritable");
	for (unsigned n = 0; n < MAX_CAPS; n++) {
		if (!(wanted & can & (uint64_t)1 << n))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0) < 0)
			log_warn("process.capabilities: ambient capability %u: %s", n, strerror(errno));
	}
	return 0;
}

int process_caps(struct process_ctx *ctx, struct err *err)
{
	const struct spec_caps *c = &ctx->spec->caps;
	struct cap_sets have = { 0 }, want;
	uint64_t bounding, known = known_caps(all_asked(c), &bounding), heritable;
	int r = caps_get(&have);

	if (r < 0)
		return err_sys(err, r, "read capabilities");
	want.permitted = c->permitted & have.permitted;
	warn_all(c->permitted & known & ~have.permitted, "cannot be granted: the runtime does not have it");
	want.effective = c->effective & want.permitted;
	warn_all(c->effective & known & ~want.permitted & ~(c->permitted & ~have.permitted),
		  "cannot be effective: not permitted");
	/* The rule of capset(2) for one without CAP_SETPCAP; with it no more could be gained at execve anyway. */
	heritable = have.inheritable | (have.permitted & bounding);
	want.inheritable = c->inheritable & heritable;
	warn_all(c->inheritable & known & ~heritable & ~(c->permitted & ~have.permitted), "cannot be inheritable");
	r = caps_set(&want);
	if (r < 0)
		return err_sys(err, r, "set capabilities");
	return set_ambient(c->ambient & known, &want, err);
}

int process_no_new_privs(struct process_ctx *ctx, struct err *err)
{
	if (ctx->spec->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, -errno, "set no_new_privs");
	return 0;
}
