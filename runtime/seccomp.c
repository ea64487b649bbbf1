/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/seccomp_internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#define FAIL_UNKNOWN_ANNOTATION "run.oci.seccomp_fail_unknown_syscall"
#define RECEIVER_ANNOTATION	"run.oci.seccomp.receiver"

static void release_filter(scmp_filter_ctx *f)
{
	if (*f)
		seccomp_release(*f);
}

static const char *annotation(const struct kvlist *list, const char *key)
{
	for (size_t i = 0; list && i < list->n; i++)
		if (str_eq(list->v[i].key, key))
			return list->v[i].value;
	return NULL;
}

bool seccomp_fails_on_unknown(const struct kvlist *annotations)
{
	const char *value = annotation(annotations, FAIL_UNKNOWN_ANNOTATION);

	return value && !str_eq(value, "0");
}

bool seccomp_has_listener(const struct spec_seccomp *s, const struct kvlist *annotations)
{
	const char *receiver = annotation(annotations, RECEIVER_ANNOTATION);

	return (s->listener_path && *s->listener_path) || (receiver && *receiver);
}

static void arch_put(uint32_t *archs, size_t *n, uint32_t arch)
{
	for (size_t i = 0; i < *n; i++)
		if (archs[i] == arch)
			return;
	if (*n < SECCOMP_MAX_ARCHS)
		archs[(*n)++] = arch;
}

size_t seccomp_archs(const struct spec_seccomp *s, uint32_t archs[SECCOMP_MAX_ARCHS])
{
	size_t n = 0;

	arch_put(archs, &n, seccomp_arch_native());
	for (size_t i = 0; i < s->n_architectures; i++)
		arch_put(archs, &n, s->architectures[i] == SCMP_ARCH_NATIVE ? seccomp_arch_native() : s->architectures[i]);
	return n;
}

/* The action with its errno. where names the field for messages. */
static int full_action(uint32_t action, const struct opt_u32 *e, const char *where, uint32_t *ret, struct err *err)
{
	uint32_t code = e->set ? e->v : EPERM;
	bool takes_errno = action == SCMP_ACT_ERRNO(0) || action == SCMP_ACT_TRACE(0);

	if (e->set && !takes_errno)
		return err_set(err, EINVAL, "%s: the action takes no errno", where);
	if (code > 0xffff)
		return err_set(err, EINVAL, "%s: %u is too big", where, code);
	*ret = takes_errno ? action | code : action;
	return 0;
}

/* MASKED_EQ: value is the mask, valueTwo what has to remain. */
static struct scmp_arg_cmp to_cmp(const struct spec_seccomp_arg *a)
{
	return (struct scmp_arg_cmp){ .arg = a->index, .op = (enum scmp_compare)a->op, .datum_a = a->value, .datum_b = a->value_two };
}

static int add_rule(scmp_filter_ctx f, uint32_t action, int nr, const struct scmp_arg_cmp *cmp, unsigned n)
{
	int r = seccomp_rule_add_array(f, action, nr, n, cmp);

	/* The same rule twice, or a syscall that one of the architectures does not have. */
	return r == -EEXIST || r == -EDOM ? 0 : r;
}

static int add_syscall(scmp_filter_ctx f, const struct spec_seccomp_rule *rule, uint32_t action, int nr)
{
	struct scmp_arg_cmp cmp[6];
	unsigned seen = 0;
	bool twice = false;
	int r = 0;

	for (size_t i = 0; i < rule->n_args; i++) {
		twice = twice || (seen & 1u << rule->args[i].index);
		seen |= 1u << rule->args[i].index;
	}
	if (!twice) {
		for (size_t i = 0; i < rule->n_args; i++)
			cmp[i] = to_cmp(&rule->args[i]);
		return add_rule(f, action, nr, cmp, (unsigned)rule->n_args);
	}
	/* libseccomp takes one condition an argument; profiles mean "any of these" by several. */
	for (size_t i = 0; !r && i < rule->n_args; i++) {
		cmp[0] = to_cmp(&rule->args[i]);
		r = add_rule(f, action, nr, cmp, 1);
	}
	return r;
}

static int check_notify(bool has_listener, const char *name, struct err *err)
{
	if (!has_listener)
		return err_set(err, EINVAL, "linux.seccomp.listenerPath: required by SCMP_ACT_NOTIFY");
	/* The listener is sent with it when the filter is in force already, and nobody listens yet. */
	if (str_eq(name, "sendmsg"))
		return err_set(err, EINVAL, "linux.seccomp: SCMP_ACT_NOTIFY cannot be used for sendmsg");
	return 0;
}

struct compiler {
	const struct spec_seccomp *s;
	scmp_filter_ctx filter;
	uint32_t default_action;
	bool fail_unknown, has_listener;
	bool notify;
};

static int add_name(struct compiler *c, const struct spec_seccomp_rule *rule, uint32_t action, const char *name, struct err *err)
{
	int r, nr = seccomp_syscall_resolve_name(name);

	if (nr == __NR_SCMP_ERROR) {
		if (c->fail_unknown)
			return err_set(err, EINVAL, "linux.seccomp.syscalls: unknown syscall '%s'", name);
		log_debug("linux.seccomp.syscalls: unknown syscall '%s' skipped", name);
		return 0;
	}
	if (action == SCMP_ACT_NOTIFY) {
		r = check_notify(c->has_listener, name, err);
		if (r < 0)
			return r;
		c->notify = true;
	}
	r = add_syscall(c->filter, rule, action, nr);
	return r < 0 ? err_sys(err, r, "linux.seccomp.syscalls: add rule for '%s'", name) : 0;
}

static int add_rules(struct compiler *c, struct err *err)
{
	for (size_t i = 0; i < c->s->n_syscalls; i++) {
		const struct spec_seccomp_rule *rule = &c->s->syscalls[i];
		uint32_t action = 0;
		int r = full_action(rule->action, &rule->errno_ret, "linux.seccomp.syscalls.errnoRet", &action, err);

		if (r < 0)
			return r;
		for (size_t j = 0; j < rule->n_args; j++)
			if (rule->args[j].index > 5)
				return err_set(err, EINVAL, "linux.seccomp.syscalls.args.index: %u is not in 0..5", rule->args[j].index);
		/* What happens anyway needs no rule, and libseccomp takes none. */
		if (action == c->default_action)
			continue;
		for (size_t j = 0; j < rule->names.n; j++) {
			r = add_name(c, rule, action, rule->names.v[j], err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int add_archs(struct compiler *c, struct err *err)
{
	uint32_t archs[SECCOMP_MAX_ARCHS];
	size_t n = seccomp_archs(c->s, archs);

	/* Of another byte order or unknown to this libseccomp. The native one is there from the start. */
	for (size_t i = 1; i < n; i++) {
		int r = seccomp_arch_add(c->filter, archs[i]);

		if (r < 0 && r != -EEXIST)
			return err_sys(err, r, "linux.seccomp.architectures: add %#x", archs[i]);
	}
	return 0;
}

/* libseccomp 2.5 exports to an fd only. */
static int export_program(struct compiler *c, struct seccomp_prog *ret, struct err *err)
{
	AUTO_CLOSE int fd = memfd_create("brig-seccomp", MFD_CLOEXEC);
	struct sock_filter stub[SECCOMP_STUB_MAX], *v;
	size_t n_stub, n;
	struct stat st;
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "make a memfd for the seccomp filter");
	r = seccomp_export_bpf(c->filter, fd);
	if (r < 0)
		return err_sys(err, r, "compile seccomp filter");
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, -errno, "read seccomp filter");
	n_stub = seccomp_enosys_stub(c->s, stub);
	n = n_stub + (size_t)st.st_size / sizeof(*v);
	v = xcalloc(n, sizeof(*v));
	memcpy(v, stub, n_stub * sizeof(*v));
	if (fd_read_all(fd, v + n_stub, (size_t)st.st_size) != (ssize_t)st.st_size) {
		cleanup_free(&v);
		return err_set(err, EIO, "read seccomp filter");
	}
	ret->v = v;
	ret->n = n;
	return 0;
}

static uint32_t filter_flags(const struct spec_seccomp *s, bool notify)
{
	uint32_t flags = s->flags_set ? s->flags : SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	/* The kernel refuses it without a listener, where it could have no effect. */
	return notify ? flags : flags & ~(uint32_t)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
}

int seccomp_compile_long(const struct spec_seccomp *s, const struct kvlist *annotations, struct seccomp_prog *ret, struct err *err)
{
	CLEANUP(release_filter) scmp_filter_ctx filter = NULL;
	struct compiler c = {
		.s = s,
		.fail_unknown = seccomp_fails_on_unknown(annotations),
		.has_listener = seccomp_has_listener(s, annotations),
	};
	int r;

	*ret = (struct seccomp_prog){ 0 };
	if (!s->set)
		return 0;
	if (s->default_action == SCMP_ACT_NOTIFY)
		return err_set(err, EINVAL, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would stop the runtime itself");
	r = full_action(s->default_action, &s->default_errno, "linux.seccomp.defaultErrnoRet", &c.default_action, err);
	if (r < 0)
		return r;
	c.filter = filter = seccomp_init(c.default_action);
	if (!filter)
		return err_set(err, EINVAL, "linux.seccomp.defaultAction: not supported by libseccomp or the kernel");
	/* A binary tree over the numbers in place of a list of comparisons. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = add_archs(&c, err);
	if (!r)
		r = add_rules(&c, err);
	if (!r)
		r = export_program(&c, ret, err);
	if (r < 0)
		return r;
	ret->notify = c.notify;
	ret->flags = filter_flags(s, c.notify);
	return 0;
}

int seccomp_compile(const struct spec_seccomp *s, const struct kvlist *annotations, struct seccomp_prog *ret, struct err *err)
{
	uint32_t archs[SECCOMP_MAX_ARCHS];
	int r = seccomp_compile_long(s, annotations, ret, err);

	if (r < 0 || !ret->n)
		return r;
	seccomp_shrink(ret, archs, seccomp_archs(s, archs));
	if (ret->n <= BPF_MAXINSNS)
		return 0;
	r = err_set(err, E2BIG, "linux.seccomp: the filter has %zu instructions, the kernel takes %d", ret->n, BPF_MAXINSNS);
	seccomp_prog_done(ret);
	return r;
}

int seccomp_send_listener(const char *path, int notify_fd, const char *process_state, size_t n, struct err *err)
{
	AUTO_CLOSE int fd = fd_unix_connect(AT_FDCWD, path);
	int r;

	if (fd < 0)
		return err_sys(err, fd, "linux.seccomp.listenerPath: connect to '%s'", path);
	r = fd_send(fd, process_state, n, &notify_fd, 1);
	return r < 0 ? err_sys(err, r, "linux.seccomp.listenerPath: send to '%s'", path) : 0;
}
