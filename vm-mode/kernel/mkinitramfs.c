/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write the guest's initramfs: mkinitramfs OUT INIT [MODULES-DIR GROUPS-FILE]
 *
 * A newc archive (kernel: Documentation/driver-api/early-userspace/buffer-format.rst) with INIT as /init, and of the modules below
 * MODULES-DIR those that GROUPS-FILE names, each after those that it depends on, with a list for brig-guest (vm-mode/guest/modules.c).
 * The same input gives the same bytes. Names that the kernel has built in are skipped.
 */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <elf.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAX_FILE (256u << 20)

struct module {
	struct module *next;
	char *name, *path; /* '-' is '_' in names */
	bool written;
};

struct maker {
	struct buf out, list;
	unsigned inode;
	struct module *modules;
	char *builtin; /* modules.builtin, '-' as '_' */
};

static struct maker *ftw_maker; /* nftw has no argument for its callback */

NORETURN static void fail(const char *what, const char *name)
{
	(void)fprintf(stderr, "mkinitramfs: %s '%s'\n", what, name);
	exit(1);
}

static void align4(struct buf *b)
{
	while (b->len % 4)
		buf_add_n(b, "", 1);
}

static void add_node(struct maker *m, const char *name, unsigned mode, unsigned maj, unsigned min, const void *data, size_t n)
{
	buf_addf(&m->out, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", ++m->inode, mode, 0u, 0u, 1u, 0u, n, 0u, 0u, maj,
		 min, strlen(name) + 1, 0u);
	buf_add_n(&m->out, name, strlen(name) + 1);
	align4(&m->out);
	if (n)
		buf_add_n(&m->out, data, n);
	align4(&m->out);
}

static char *read_file(const char *path, size_t *ret_n)
{
	char *data = NULL;

	if (fd_read_file(AT_FDCWD, path, MAX_FILE, &data, ret_n) < 0)
		fail("cannot read", path);
	return data;
}

static void dashes(char *name)
{
	for (; *name; name++)
		if (*name == '-')
			*name = '_';
}

static int found(const char *path, const struct stat *st, int type, struct FTW *f)
{
	const char *base = path + f->base;
	struct module *mod;

	(void)st;
	if (type != FTW_F || !str_ends(base, ".ko"))
		return 0;
	mod = xcalloc(1, sizeof(*mod));
	mod->name = xstrndup(base, strlen(base) - 3);
	dashes(mod->name);
	mod->path = xstrdup(path);
	mod->next = ftw_maker->modules;
	ftw_maker->modules = mod;
	return 0;
}

static struct module *find(struct maker *m, const char *name)
{
	struct module *mod = m->modules;

	while (mod && strcmp(mod->name, name) != 0)
		mod = mod->next;
	return mod;
}

/* The file is ours, from a package; a damaged one gives an empty answer. */
static const char *modinfo(const char *elf, size_t n, const char *key)
{
	const Elf64_Ehdr *h = (const Elf64_Ehdr *)(const void *)elf;
	size_t key_n = strlen(key);

	if (n < sizeof(*h) || h->e_shoff > n || h->e_shnum > (n - h->e_shoff) / sizeof(Elf64_Shdr) || h->e_shstrndx >= h->e_shnum)
		return "";
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(const void *)(elf + h->e_shoff), *names = &sections[h->e_shstrndx];
	for (unsigned i = 0; i < h->e_shnum; i++) {
		const Elf64_Shdr *s = &sections[i];

		if (s->sh_offset > n || s->sh_size > n - s->sh_offset || names->sh_offset + s->sh_name + 9 > n ||
		    strcmp(elf + names->sh_offset + s->sh_name, ".modinfo") != 0)
			continue;
		for (const char *p = elf + s->sh_offset, *end = p + s->sh_size; p < end; p += strnlen(p, (size_t)(end - p)) + 1)
			if (strncmp(p, key, key_n) == 0 && p[key_n] == '=')
				return p + key_n + 1;
	}
	return "";
}

static bool is_builtin(const struct maker *m, const char *name)
{
	AUTO_FREE char *want = xasprintf("/%s.ko\n", name);

	return strstr(m->builtin, want);
}

/* A module and, before it, what it needs. The file goes in once, the line for each group. */
static void add_module(struct maker *m, const char *group, const char *name)
{
	AUTO_FREE char *clean = xstrdup(name), *data = NULL, *depends = NULL, *line = NULL, *inside = NULL;
	struct module *mod;
	size_t n;

	dashes(clean);
	mod = find(m, clean);
	if (!mod && is_builtin(m, clean))
		return;
	if (!mod)
		fail("the kernel has no module", name);
	data = read_file(mod->path, &n);
	depends = xstrdup(modinfo(data, n, "depends"));
	for (char *at = depends, *one; (one = strsep(&at, ","));)
		if (*one)
			add_module(m, group, one);
	line = xasprintf("%s %s.ko\n", group, mod->name);
	if (!m->list.p || !strstr(m->list.p, line))
		buf_add(&m->list, line);
	if (mod->written)
		return;
	mod->written = true;
	inside = xasprintf("modules/%s.ko", mod->name);
	add_node(m, inside, S_IFREG | 0600, 0, 0, data, n);
}

/* Lines of GROUPS-FILE: "GROUP: MODULE..." or "ALIAS = GROUP"; # starts a comment. */
static void add_groups(struct maker *m, const char *path)
{
	AUTO_FREE char *text = read_file(path, NULL);

	for (char *at = text, *line; (line = strsep(&at, "\n"));) {
		char group[64], alias[64];
		int used = 0;

		line[strcspn(line, "#")] = '\0';
		if (sscanf(line, " %63[^:= ] = %63s", alias, group) == 2) {
			buf_addf(&m->list, "= %s %s\n", alias, group);
		} else if (sscanf(line, " %63[^:= ]:%n", group, &used) == 1 && used) {
			for (char *rest = line + used, *one; (one = strsep(&rest, " \t"));)
				if (*one)
					add_module(m, group, one);
		} else if (line[strspn(line, " \t")]) {
			fail("cannot read the line", line);
		}
	}
}

static void add_modules(struct maker *m, const char *dir, const char *groups)
{
	AUTO_FREE char *path = xasprintf("%s/modules.builtin", dir);
	const char *release = strrchr(dir, '/');

	buf_addf(&m->list, "%% %s\n", release ? release + 1 : dir);
	m->builtin = read_file(path, NULL);
	dashes(m->builtin);
	ftw_maker = m;
	if (nftw(dir, found, 16, FTW_PHYS) != 0)
		fail("cannot read", dir);
	add_node(m, "modules", S_IFDIR | 0755, 0, 0, NULL, 0);
	add_groups(m, groups);
	add_node(m, "modules/list", S_IFREG | 0600, 0, 0, m->list.p, m->list.len);
}

int main(int argc, char **argv)
{
	struct maker m = { 0 };
	AUTO_FREE char *init = NULL;
	size_t n;

	if (argc != 3 && argc != 5)
		fail("usage: mkinitramfs OUT INIT [MODULES-DIR GROUPS-FILE]; not", argc > 1 ? argv[1] : "");
	init = read_file(argv[2], &n);
	add_node(&m, "dev", S_IFDIR | 0755, 0, 0, NULL, 0);
	add_node(&m, "dev/console", S_IFCHR | 0600, 5, 1, NULL, 0);
	add_node(&m, "root", S_IFDIR | 0755, 0, 0, NULL, 0);
	add_node(&m, "init", S_IFREG | 0755, 0, 0, init, n);
	if (argc == 5)
		add_modules(&m, argv[3], argv[4]);
	m.inode = 0;
	add_node(&m, "TRAILER!!!", 0, 0, 0, NULL, 0);
	if (fd_write_file_atomic(AT_FDCWD, argv[1], m.out.p, m.out.len, 0644, false) < 0)
		fail("cannot write", argv[1]);
	return 0;
}
