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
	const char *file;
	char *old; /* owned; NULL: cannot be taken back */
};

static char *read_old(int dir_fd, const struct limit *l, const char *file)
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

static void take_back(struct undo *undo, size_t n)
{
	bool again = true;

	/* Twice: a pair such as limit and memsw may be refused in the wrong order. */
	for (int pass = 0; pass < 2 && again; pass++) {
		again = false;
		for (size_t i = n; i-- > 0;)
			if (undo[i].old && fd_write_file(undo[i].dir_fd, undo[i].file, undo[i].old) < 0)
				again = true;
	}
	if (again)
		log_warn("some cgroup limits could not be set back after a failed update");
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

int limits_apply(struct cgroup *cg, const struct limit_list *l, bool all_or_nothing, struct err *err)
{
	AUTO_FREE struct undo *undo = xcalloc(l->n + 1, sizeof(*undo));
	AUTO_FREE size_t *later = xcalloc(l->n + 1, sizeof(*later));
	size_t n_undo = 0, n_later = 0;
	int r = check_usage(cg, l, err);

	for (size_t k = 0; k < l->n + n_later && r == 0; k++) {
		bool second = k >= l->n;
		const struct limit *one = &l->v[second ? later[k - l->n] : k];
		const char *file = one->file;
		char *old;
		int dir_fd = -1;

		r = find_dir(cg, one, &dir_fd, err);
		if (r != 0) {
			r = r > 0 ? 0 : r;
			continue;
		}
		old = all_or_nothing ? read_old(dir_fd, one, file) : NULL;
		if (all_or_nothing && !old && one->alt_file)
			old = read_old(dir_fd, one, one->alt_file);
		r = write_limit(dir_fd, one, &file);
		if (r == 0) {
			undo[n_undo++] = (struct undo){ dir_fd, file, old };
			continue;
		}
		free(old);
		if (r == -EINVAL && one->flags & LIMIT_DEFER && !second) {
			later[n_later++] = k;
			r = 0;
		} else if (r == -ENOENT && one->flags & (LIMIT_OPTIONAL | LIMIT_NOOP)) {
			r = 0;
		} else if (cg->rootless && (r == -ENOENT || r == -EACCES || r == -EPERM)) {
			log_warn("linux.resources.%s is not in force: '%s': %s", one->field, file, strerror(-r));
			r = 0;
		} else {
			r = limit_error(cg, one, file, dir_fd, r, err);
		}
	}
	if (r < 0 && all_or_nothing)
		take_back(undo, n_undo);
	for (size_t i = 0; i < n_undo; i++)
		free(undo[i].old);
	return r;
}

int limits_set(struct cgroup *cg, const struct spec_resources *r, bool update, struct err *err)
{
	CLEANUP(limit_list_done) struct limit_list l = { 0 };
	struct cg_hier *v2 = cgroup_v2_hier(cg);
	int ret;

	if (!r)
		return 0;
	if (cg->layout == CGROUP_LAYOUT_V2)
		ret = limits_v2(&l, r, v2 ? v2->controllers : 0, err);
	else
		ret = limits_v1(&l, r, v2 ? v2->controllers : 0, err);
	return ret < 0 || l.n == 0 ? ret : limits_apply(cg, &l, update, err);
}
