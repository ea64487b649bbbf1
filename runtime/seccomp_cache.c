/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/seccomp_internal.h"

#include "runtime/base/log.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <sys/utsname.h>

#define KEY_FORMAT  2  /* count up when the same profile compiles to something else */
#define CACHE_SLOTS 64 /* a slot is overwritten by the next profile that falls into it: the cache cannot grow */

static void key_number(struct buf *b, uint64_t v)
{
	buf_add_n(b, (const char *)&v, sizeof(v));
}

/* With its length, so that no two lists of texts give the same bytes. */
static void key_text(struct buf *b, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	key_number(b, n);
	if (n)
		buf_add_n(b, s, n);
}

static void key_optional(struct buf *b, const struct opt_u32 *v)
{
	key_number(b, v->set ? 1 + (uint64_t)v->v : 0);
}

static void key_rule(struct buf *b, const struct spec_seccomp_rule *r)
{
	key_number(b, r->names.n);
	for (size_t i = 0; i < r->names.n; i++)
		key_text(b, r->names.v[i]);
	key_number(b, r->action);
	key_optional(b, &r->errno_ret);
	key_number(b, r->n_args);
	for (size_t i = 0; i < r->n_args; i++) {
		key_number(b, r->args[i].index);
		key_number(b, r->args[i].value);
		key_number(b, r->args[i].value_two);
		key_number(b, r->args[i].op);
	}
}

static void key_environment(struct buf *b)
{
	const struct scmp_version *v = seccomp_version();
	struct utsname u = { 0 };

	(void)uname(&u); /* fails for a bad pointer only */
	key_number(b, KEY_FORMAT);
	key_number(b, (uint64_t)v->major << 32 | v->minor << 16 | v->micro);
	key_text(b, u.release);
	key_text(b, u.machine);
}

static void make_key(struct buf *b, const struct spec_seccomp *s, const struct kvlist *annotations)
{
	key_environment(b);
	key_number(b, seccomp_fails_on_unknown(annotations));
	key_number(b, s->default_action);
	key_optional(b, &s->default_errno);
	key_number(b, s->flags_set ? 1 + (uint64_t)s->flags : 0);
	/* Only whether there is one changes the outcome. */
	key_number(b, seccomp_has_listener(s, annotations));
	key_number(b, s->n_architectures);
	for (size_t i = 0; i < s->n_architectures; i++)
		key_number(b, s->architectures[i]);
	key_number(b, s->n_syscalls);
	for (size_t i = 0; i < s->n_syscalls; i++)
		key_rule(b, &s->syscalls[i]);
}

int seccomp_compile_cached(const struct spec_seccomp *s, const struct kvlist *annotations, int cache_dir_fd, struct seccomp_prog *ret,
			   struct err *err)
{
	AUTO_BUF struct buf key = { 0 };
	char name[32];
	int r;

	*ret = (struct seccomp_prog){ 0 };
	if (!s->set || cache_dir_fd < 0)
		return seccomp_compile(s, annotations, ret, err);
	make_key(&key, s, annotations);
	if (key.len > SECCOMP_PROG_MAX_KEY)
		return seccomp_compile(s, annotations, ret, err);
	snprintf(name, sizeof(name), "seccomp-%02u.bpf", (unsigned)(seccomp_prog_hash(key.p, key.len) % CACHE_SLOTS));
	r = seccomp_prog_load_keyed(ret, cache_dir_fd, name, key.p, key.len);
	if (r == 0)
		return 0;
	if (r != -ENOENT)
		log_debug("seccomp cache entry '%s': %s", name, strerror(-r));
	r = seccomp_compile(s, annotations, ret, err);
	if (r < 0)
		return r;
	r = seccomp_prog_save_keyed(ret, cache_dir_fd, name, key.p, key.len);
	if (r < 0)
		log_debug("write seccomp cache entry '%s': %s", name, strerror(-r));
	return 0;
}
