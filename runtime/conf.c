/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/conf.h"

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>

#define MAX_BYTES (1u << 20)

struct line {
	const char *file, *key;
	char *value;
	unsigned number;
};

struct key {
	const char *name;
	size_t offset;
	int (*read)(struct conf *c, const struct line *l, void *at, struct err *err);
};

static int bad(const struct line *l, struct err *err, const char *what)
{
	return err_set(err, EINVAL, "%s:%u: %s: '%s' is not %s", l->file, l->number, l->key, l->value, what);
}

static int read_path(struct conf *c, const struct line *l, void *at, struct err *err)
{
	if (l->value[0] != '/')
		return bad(l, err, "an absolute path");
	*(const char **)at = arena_strdup(&c->arena, l->value);
	return 0;
}

static int read_accel(struct conf *c, const struct line *l, void *at, struct err *err)
{
	if (!str_eq(l->value, "auto") && !str_eq(l->value, "kvm") && !str_eq(l->value, "emulate"))
		return bad(l, err, "auto, kvm or emulate");
	*(const char **)at = arena_strdup(&c->arena, l->value);
	return 0;
}

/* Bytes, or with k, m, g in powers of 1024. */
static int read_size(struct conf *c, const struct line *l, void *at, struct err *err)
{
	static const char units[] = "kmg";
	size_t n = strlen(l->value);
	const char *unit = n ? strchr(units, l->value[n - 1] | 0x20) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	AUTO_FREE char *digits = xstrndup(l->value, n && unit ? n - 1 : n);
	uint64_t v;

	(void)c;
	if (str_to_u64(digits, &v) < 0 || !v || v > UINT64_MAX >> 1 >> shift)
		return bad(l, err, "a size such as 512m");
	*(uint64_t *)at = v << shift;
	return 0;
}

static int read_vcpus(struct conf *c, const struct line *l, void *at, struct err *err)
{
	uint32_t v;

	(void)c;
	if (str_to_u32(l->value, &v) < 0 || v < 1 || v > 64)
		return bad(l, err, "a number of CPUs from 1 to 64");
	*(unsigned *)at = v;
	return 0;
}

static int read_allow(struct conf *c, const struct line *l, void *at, struct err *err)
{
	static const struct name_value names[] = {
		{ "vcpus", CONF_ALLOW_VCPUS }, { "memory", CONF_ALLOW_MEMORY }, { "kernel", CONF_ALLOW_KERNEL }, { "none", 0 }, { NULL, 0 },
	};
	char *rest = l->value, *word;

	(void)c;
	while ((word = strsep(&rest, ", \t"))) {
		const struct name_value *row = name_find(names, word);

		if (!*word)
			continue;
		if (!row)
			return err_set(err, EINVAL, "%s:%u: %s: '%s' is not one of vcpus, memory, kernel, none", l->file, l->number, l->key, word);
		*(unsigned *)at |= (unsigned)row->value;
	}
	return 0;
}

static const struct key keys[] = {
	{ "vm.accel", offsetof(struct conf, accel), read_accel },
	{ "vm.kernel", offsetof(struct conf, kernel), read_path },
	{ "vm.initramfs", offsetof(struct conf, initramfs), read_path },
	{ "vm.qemu", offsetof(struct conf, qemu), read_path },
	{ "vm.virtiofsd", offsetof(struct conf, virtiofsd), read_path },
	{ "vm.memory", offsetof(struct conf, memory_bytes), read_size },
	{ "vm.vcpus", offsetof(struct conf, vcpus), read_vcpus },
	{ "vm.allow-annotations", offsetof(struct conf, allow), read_allow },
};

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n && strchr(" \t\r", s[n - 1]))
		s[--n] = '\0';
	return s;
}

static void cut_comment(char *s)
{
	for (char *p = s; *p; p++)
		if (*p == '#' && (p == s || p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			return;
		}
}

static int read_line(struct conf *c, struct line *l, char *text, uint64_t *seen, struct err *err)
{
	char *value = text;
	const char *key;

	cut_comment(text);
	text = trim(text);
	if (!*text)
		return 0;
	value = strchr(text, '=');
	if (!value)
		return err_set(err, EINVAL, "%s:%u: '%.80s' is not of the form key = value", l->file, l->number, text);
	*value++ = '\0';
	key = trim(text);
	l->value = trim(value);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!str_eq(keys[i].name, key))
			continue;
		l->key = keys[i].name;
		if (*seen & 1ull << i)
			return err_set(err, EINVAL, "%s:%u: %s is given twice", l->file, l->number, key);
		*seen |= 1ull << i;
		return keys[i].read(c, l, (char *)c + keys[i].offset, err);
	}
	return err_set(err, EINVAL, "%s:%u: there is no key '%.80s'", l->file, l->number, key);
}

int conf_parse(const char *name, const char *text, struct conf *ret, struct err *err)
{
	CLEANUP(conf_done) struct conf c = { 0 };
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy, *line;
	struct line l = { .file = name };
	uint64_t seen = 0;

	while ((line = strsep(&rest, "\n"))) {
		l.number++;
		if (read_line(&c, &l, line, &seen, err) < 0)
			return -err->code;
	}
	*ret = c;
	c = (struct conf){ 0 };
	return 0;
}

int conf_load(const char *path, struct conf *ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	int r = fd_read_file(AT_FDCWD, path, MAX_BYTES, &text, NULL);

	if (r == -ENOENT || r == -ENOTDIR) {
		*ret = (struct conf){ 0 };
		return 0;
	}
	return r < 0 ? err_sys(err, r, "read '%s'", path) : conf_parse(path, text, ret, err);
}

void conf_done(struct conf *c)
{
	arena_done(&c->arena);
}
