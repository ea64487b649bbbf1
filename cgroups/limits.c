/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

struct limit *limit_add(struct limit_list *l, enum cg_ctl ctl, const char *field, const char *file, const char *value)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 16;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n] = (struct limit){ .ctl = ctl, .field = field, .file = file, .value = value };
	return &l->v[l->n++];
}

struct limit *limit_addf(struct limit_list *l, enum cg_ctl ctl, const char *field, const char *file, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return limit_add(l, ctl, field, file, arena_strdup(&l->arena, text));
}

void limit_list_done(struct limit_list *l)
{
	free(l->v);
	arena_done(&l->arena);
	*l = (struct limit_list){ 0 };
}

/* Page sizes become part of file names: "2MB", "1GB", nothing else. */
bool limits_page_size_ok(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits > 0 && digits < 20 && strchr("KMG", s[digits]) && s[digits] && str_eq(s + digits + 1, "B");
}

int limits_hugetlb(struct limit_list *l, const struct spec_resources *r, const char *file, struct err *err)
{
	for (size_t i = 0; i < r->n_hugepages; i++) {
		const struct spec_hugepage_limit *p = &r->hugepages[i];
		unsigned long long limit = p->limit;
		struct arena *a = &l->arena;

		if (!limits_page_size_ok(p->page_size))
			return err_set(err, EINVAL, "linux.resources.hugepageLimits[%zu].pageSize: '%s' is not a size such as 2MB", i,
				       p->page_size);
		limit_addf(l, CTL_HUGETLB, "hugepageLimits", arena_printf(a, "hugetlb.%s.%s", p->page_size, file), "%llu", limit);
		limit_addf(l, CTL_HUGETLB, "hugepageLimits", arena_printf(a, "hugetlb.%s.rsvd.%s", p->page_size, file), "%llu", limit)
			->flags = LIMIT_OPTIONAL;
	}
	return 0;
}

/* A file of "KEY VALUE" lines: the rest of the line with this key, or NULL. */
static char *line_of_key(char *text, const char *key)
{
	size_t len = strlen(key);

	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		char *end;

		if (strncmp(line, key, len) != 0 || line[len] != ' ')
			continue;
		end = strchrnul(line, '\n');
		*end = '\0';
		return line;
	}
	return NULL;
}

/* One done write, and the text that takes it back. */
struct undo {
	int dir_fd; /* borrowed */
	const struct limit *limit;
	const char *file;
	char *old; /* owned; NULL: cannot be taken back */
	char *now; /* owned; what the file says after all writes; NULL: not asked for */
};

/* The value of a file, as it would be written. New string, or NULL. */
static char *read_value(int dir_fd, const struct limit *l, const char *file)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	char *line;

	if (fd_read_file(dir_fd, file, 1 << 20, &text, &len) < 0)
		return NULL;
	if (l->key) {
		line = line_of_key(text, l->key);
		return line ? xstrdup(line) : xasprintf("%s %s", l->key, l->reset);
	}
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	/* "oom_kill_disable 0", "default 100": such files print names and further lines, and take the number */
	line = strchr(text, '\n');
	if (line || str_starts(text, "default ")) {
		text[strcspn(text, "\n")] = '\0';
		line = strrchr(text, ' ');
		return xstrdup(line ? line + 1 : text);
	}
	/* an empty cpuset list is written as a newline: a write of no bytes would not reach the kernel */
	return len ? TAKE_PTR(text) : xstrdup("\n");
}

static int write_limit(int dir_fd, const struct limit *l, const char **ret_file)
{
	char old[64], both[96];
	int r;

	*ret_file = l->file;
	if (l->flags & LIMIT_KEEP_FIRST) {
		r = cg_read(dir_fd, l->file, old, sizeof(old));
		if (r < 0)
			return r;
		(void)snprintf(both, sizeof(both), "%.*s %s", (int)strcspn(old, " "), old, l->value);
		return fd_write_file(dir_fd, l->file, both);
	}
	r = fd_write_file(dir_fd, l->file, l->value);
	if (r != -ENOENT || !l->alt_file)
		return r;
	*ret_file = l->alt_file;
	return fd_write_file(dir_fd, l->alt_file, l->alt_value ? l->alt_value : l->value);
}

/* The old values, last first, or the new ones again. Twice: a pair such as limit and memsw may be refused in the wrong order. */
static bool write_back(const struct undo *undo, size_t n, bool old)
{
	bool again = true;

	for (int pass = 0; pass < 2 && again; pass++) {
		again = false;
		for (size_t i = 0; i < n; i++) {
			const struct undo *u = &undo[old ? n - 1 - i : i];
			const char *text = old ? u->old : u->now;

			if (text && fd_write_file(u->dir_fd, u->file, text) < 0)
				again = true;
		}
	}
	return !again;
}

static int limit_error(struct cgroup *cg, const struct limit *l, const char *file, int dir_fd, int r, struct err *err)
{
	uint64_t usage = 0, peak = 0;
	bool v2 = cg->layout == CGROUP_LAYOUT_V2;

	if (r == -EBUSY && l->ctl == CTL_MEMORY && str_eq(l->field, "memory.limit")) {
		ignore(cg_read_u64(dir_fd, v2 ? "memory.current" : "memory.usage_in_bytes", &usage));
		ignore(cg_read_u64(dir_fd, v2 ? "memory.peak" : "memory.max_usage_in_bytes", &peak));
		return err_set(err, EBUSY, "linux.resources.memory.limit: unable to set memory limit to %s (current usage: %llu, peak usage: %llu)",
			       l->value, (unsigned long long)usage, (unsigned long long)peak);
	}
	if (r == -ENOENT && cg->enable_err.code)
		return err_set(err, cg->enable_err.code, "linux.resources.%s: %s", l->field, cg->enable_err.msg);
	if (r == -ENOENT)
		return err_set(err, ENOENT, "linux.resources.%s: this kernel has no '%s'", l->field, file);
	return err_sys(err, r, "linux.resources.%s: write '%s' to '%s'", l->field, l->value, file);
}

static const char *ctl_name(const struct cgroup *cg, enum cg_ctl ctl)
{
	if (ctl >= CTL_COUNT)
		return "cgroup";
	return cg->layout == CGROUP_LAYOUT_V2 && ctl_names_v2[ctl] ? ctl_names_v2[ctl] : ctl_names_v1[ctl];
}

/* 1: skip this one. 0: *ret is the directory. */
static int find_dir(struct cgroup *cg, const struct limit *l, int *ret, struct err *err)
{
	struct cg_hier *h = cgroup_hier_of(cg, l->ctl);
	int fd = h ? cg_hier_dir(h) : -ENODEV;
	const char *name = ctl_name(cg, l->ctl);

	if (fd >= 0) {
		*ret = fd;
		return 0;
	}
	if (l->flags & (LIMIT_NOOP | LIMIT_OPTIONAL))
		return 1;
	if (cg->rootless) {
		log_warn("linux.resources.%s is not in force: no cgroup of the %s controller may be used", l->field, name);
		return 1;
	}
	if (fd != -ENODEV)
		return err_sys(err, fd, "linux.resources.%s: open cgroup '%s'", l->field, h->path);
	return err_set(err, ENODEV, "linux.resources.%s: controller '%s' is not available: no mounted cgroup hierarchy has it",
		       l->field, name);
}

static int check_usage(struct cgroup *cg, const struct limit_list *l, struct err *err)
{
	struct cg_hier *h = cgroup_hier_of(cg, CTL_MEMORY);
	uint64_t usage;

	if (!l->checked_memory || l->memory_limit <= 0 || !h || cg_hier_dir(h) < 0 ||
	    cg_read_u64(h->dir_fd, h->v2 ? "memory.current" : "memory.usage_in_bytes", &usage) < 0)
		return 0;
	if (usage < (uint64_t)l->memory_limit)
		return 0;
	return err_set(err, EBUSY, "linux.resources.memory.limit: %lld is below the current usage of %llu (checkBeforeUpdate is set)",
		       (long long)l->memory_limit, (unsigned long long)usage);
}

struct applier {
	struct cgroup *cg;
	bool keep_old;
	struct undo *undo; /* owned */
	size_t n_undo;
};

static void applier_done(struct applier *a)
{
	for (size_t i = 0; i < a->n_undo; i++) {
		free(a->undo[i].old);
		free(a->undo[i].now);
	}
	free(a->undo);
}

/* 1: refused, perhaps for its place in the order; only with may_wait. */
static int apply_one(struct applier *a, const struct limit *one, bool may_wait, struct err *err)
{
	AUTO_FREE char *old = NULL;
	const char *file = one->file;
	int dir_fd = -1, r = find_dir(a->cg, one, &dir_fd, err);

	if (r != 0)
		return r > 0 ? 0 : r;
	if (a->keep_old) {
		old = read_value(dir_fd, one, file);
		if (!old && one->alt_file)
			old = read_value(dir_fd, one, one->alt_file);
	}
	r = write_limit(dir_fd, one, &file);
	if (r == 0) {
		a->undo[a->n_undo++] = (struct undo){ dir_fd, one, file, TAKE_PTR(old), NULL };
		return 0;
	}
	if (r == -EINVAL && one->flags & LIMIT_DEFER && may_wait)
		return 1;
	if (r == -ENOENT && one->flags & (LIMIT_OPTIONAL | LIMIT_NOOP))
		return 0;
	if (a->cg->rootless && (r == -ENOENT || r == -EACCES || r == -EPERM)) {
		log_warn("linux.resources.%s is not in force: '%s': %s", one->field, file, strerror(-r));
		return 0;
	}
	return limit_error(a->cg, one, file, dir_fd, r, err);
}

/* In their order; then what was refused for it; then those that override the others. */
static int apply_all(struct applier *a, const struct limit_list *l, struct err *err)
{
	AUTO_FREE size_t *later = xcalloc(l->n + 1, sizeof(*later));
	size_t n_later = 0;
	int r = 0;

	for (size_t i = 0; i < l->n && r >= 0; i++) {
		if (l->v[i].flags & LIMIT_LAST)
			continue;
		r = apply_one(a, &l->v[i], true, err);
		if (r > 0)
			later[n_later++] = i;
	}
	for (size_t i = 0; i < n_later && r >= 0; i++)
		r = apply_one(a, &l->v[later[i]], false, err);
	for (size_t i = 0; i < l->n && r >= 0; i++)
		if (l->v[i].flags & LIMIT_LAST)
			r = apply_one(a, &l->v[i], false, err);
	return r < 0 ? r : 0;
}

static int build(struct limit_list *l, struct cgroup *cg, const struct spec_resources *r, struct err *err)
{
	struct cg_hier *v2 = cgroup_v2_hier(cg);
	uint32_t in_v2 = v2 ? v2->controllers : 0;

	return cg->layout == CGROUP_LAYOUT_V2 ? limits_v2(l, r, in_v2, err) : limits_v1(l, r, in_v2, err);
}

int limits_set(struct cgroup *cg, const struct spec_resources *r, struct err *err)
{
	CLEANUP(limit_list_done) struct limit_list l = { 0 };
	CLEANUP(applier_done) struct applier a = { .cg = cg };
	int ret = r ? build(&l, cg, r, err) : 0;

	if (ret < 0 || l.n == 0)
		return ret;
	a.undo = xcalloc(l.n, sizeof(*a.undo));
	ret = check_usage(cg, &l, err);
	return ret < 0 ? ret : apply_all(&a, &l, err);
}

/* The manager of the unit writes the same files, in its own units: a quota is rounded. What we wrote stays in force. */
static int apply_manager(struct applier *a, const struct devices_change *devices, const struct spec_resources *r,
			 limits_manager *manager, struct err *err)
{
	int ret;

	for (size_t i = 0; i < a->n_undo; i++)
		a->undo[i].now = read_value(a->undo[i].dir_fd, a->undo[i].limit, a->undo[i].file);
	ret = manager(a->cg, r, err);
	if (ret == 0 && !write_back(a->undo, a->n_undo, false))
		log_warn("some cgroup limits have the values that systemd rounded them to");
	return ret < 0 ? ret : devices_update_again(devices, err);
}

/* v2's swap limit is what is given less the memory limit, which may be the one that is in force. */
static void complete_swap(struct cgroup *cg, struct spec_resources *r)
{
	struct cg_hier *h = cgroup_hier_of(cg, CTL_MEMORY);
	uint64_t limit;

	if (!h || !h->v2 || !r->mem_swap.set || r->mem_swap.v <= 0 || (r->mem_limit.set && r->mem_limit.v != 0))
		return;
	if (cg_hier_dir(h) >= 0 && cg_read_u64(h->dir_fd, "memory.max", &limit) == 0 && limit <= INT64_MAX)
		r->mem_limit = (struct opt_i64){ (int64_t)limit, true };
}

int limits_update(struct cgroup *cg, const struct spec_resources *given, limits_manager *manager, cgroup_also *also, void *arg,
		  struct err *err)
{
	CLEANUP(limit_list_done) struct limit_list l = { 0 };
	CLEANUP(applier_done) struct applier a = { .cg = cg, .keep_old = true };
	CLEANUP(devices_change_done) struct devices_change devices = DEVICES_CHANGE_INIT;
	struct spec_resources now = *given, *r = &now;
	int ret;

	complete_swap(cg, r);
	ret = build(&l, cg, r, err);

	if (ret < 0)
		return ret;
	a.undo = xcalloc(l.n + 1, sizeof(*a.undo));
	ret = check_usage(cg, &l, err);
	if (ret == 0)
		ret = apply_all(&a, &l, err);
	if (ret == 0)
		ret = devices_update(cg, r, &devices, err);
	if (ret == 0 && also)
		ret = also(arg, err);
	if (ret == 0 && manager)
		ret = apply_manager(&a, &devices, r, manager, err);
	if (ret < 0 && (devices_update_undo(&devices) < 0) | !write_back(a.undo, a.n_undo, true))
		log_warn("some cgroup limits could not be set back after a failed update");
	return ret;
}
