/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/mount_options.h"

#include "runtime/base/sys.h"
#include "tests/unit/tap.h"

#include <sys/mount.h>

static struct arena arena;

/* options: up to eight, NULL-terminated. True, to stand before what a test asks of *m. */
static bool split(struct spec_mount *m, const char *type, const char *const *options)
{
	*m = (struct spec_mount){ .type = type ? arena_strdup(&arena, type) : NULL };
	m->options.v = arena_alloc(&arena, 9 * sizeof(char *));
	for (; options[m->options.n]; m->options.n++)
		m->options.v[m->options.n] = arena_strdup(&arena, options[m->options.n]);
	spec_mount_split_options(&arena, m);
	return true;
}
#define SPLIT(type, ...) split(&m, type, (const char *const[]){ __VA_ARGS__, NULL })

static void test_table(void)
{
	for (const struct mount_option *o = mount_options; o->name; o++) {
		struct spec_mount m;

		ok(mount_option_find(o->name) == o, "mount options: '%s' is found in its row", o->name);
		if (o[1].name)
			ok(strcmp(o->name, o[1].name) < 0, "mount options: '%s' is before '%s'", o->name, o[1].name);
		ok(SPLIT("tmpfs", o->name) && !m.data, "mount options: '%s' is not handed to the file system", o->name);
	}
	ok(!mount_option_find("") && !mount_option_find("acl") && !mount_option_find("ro ") && !mount_option_find("zz"),
	   "mount options: others are not found");
}

/* Pairs of which the second undoes the first. */
static void test_pairs(void)
{
	static const char *const pairs[][2] = {
		{ "ro", "rw" },		{ "nosuid", "suid" },	  { "nodev", "dev" },
		{ "noexec", "exec" },	{ "sync", "async" },	  { "noatime", "atime" },
		{ "nodiratime", "diratime" }, { "relatime", "norelatime" }, { "strictatime", "nostrictatime" },
		{ "iversion", "noiversion" }, { "lazytime", "nolazytime" }, { "silent", "loud" },
		{ "mand", "nomand" },	{ "nosymfollow", "symfollow" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *on = pairs[i][0], *off = pairs[i][1];
		uint64_t v = mount_option_find(on)->value;
		struct spec_mount m;

		ok(v && mount_option_find(off)->value == v, "mount options: %s and %s are one flag", on, off);
		ok(SPLIT(NULL, off, on) && m.flags == v && !m.flags_cleared, "mount options: %s after %s wins", on, off);
		ok(SPLIT(NULL, on, off) && !m.flags && m.flags_cleared == v, "mount options: %s after %s wins", off, on);
	}
}

static void test_recursive(void)
{
	static const char *const pairs[][2] = {
		{ "rro", "rrw" },	{ "rnosuid", "rsuid" },	      { "rnodev", "rdev" },
		{ "rnoexec", "rexec" }, { "rnodiratime", "rdiratime" }, { "rnosymfollow", "rsymfollow" },
	};
	struct spec_mount m;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *on = pairs[i][0], *off = pairs[i][1];
		uint64_t v = mount_option_find(on)->value;

		ok(SPLIT(NULL, off, on) && m.rec_attr_set == v && !m.rec_attr_clear, "mount options: %s after %s", on, off);
		ok(SPLIT(NULL, on, off) && !m.rec_attr_set && m.rec_attr_clear == v, "mount options: %s after %s", off, on);
	}
	ok(SPLIT(NULL, "rstrictatime", "rnoatime", "rro") && m.rec_attr_clear == MOUNT_ATTR__ATIME &&
		   m.rec_attr_set == (MOUNT_ATTR_NOATIME | MOUNT_ATTR_RDONLY),
	   "mount options: the recursive atime field is replaced as a whole");
	ok(SPLIT(NULL, "rnoatime", "rrelatime") && m.rec_attr_clear == MOUNT_ATTR__ATIME && !m.rec_attr_set,
	   "mount options: rrelatime is the field's zero");
}

static void test_rest(void)
{
	struct spec_mount m;

	ok(SPLIT("none", "rbind", "ro", "rprivate") && m.flags == (MS_BIND | MS_REC | MS_RDONLY) &&
		   m.propagation == (MS_PRIVATE | MS_REC),
	   "mount options: a recursive bind");
	ok(SPLIT(NULL, "shared", "rslave") && m.propagation == (MS_SLAVE | MS_REC), "mount options: the last propagation wins");
	ok(SPLIT("bind", "ro") && (m.flags & MS_BIND), "mount options: the type bind is a bind mount");
	ok(SPLIT("tmpfs", "nosuid", "mode=755", "", "size=64k", "defaults"), "mount options: a file system's own");
	is_str(m.data, "mode=755,size=64k", "mount options: are joined");
	ok(SPLIT("ext4", "acl"), "mount options: acl is a file system's own");
	is_str(m.data, "acl", "mount options: and is handed on");
	ok(SPLIT("none", "bind", "nocopy", "ro", "mode=755") && m.flags == (MS_BIND | MS_RDONLY) && !m.data,
	   "mount options: a bind mount drops what is not an option of every mount");
	ok(SPLIT("none", "copy", "rbind") && !m.data, "mount options: whatever the order");
	ok(SPLIT(NULL, "bind", "idmap") && m.idmap && !m.idmap_recursive, "mount options: idmap");
	ok(SPLIT(NULL, "bind", "ridmap") && m.idmap && m.idmap_recursive, "mount options: ridmap");
	ok(SPLIT(NULL, "bind", "idmap=uids=0-1000-1") && m.idmap && !m.data, "mount options: idmap= with maps");
	is_str(m.idmap_option, "uids=0-1000-1", "mount options: keeps the maps' text");
	ok(SPLIT("tmpfs", "tmpcopyup") && m.tmpcopyup, "mount options: tmpcopyup");
	ok(SPLIT(NULL, "bind", "copy-symlink", "src-nofollow", "dest-nofollow") && m.copy_symlink && m.src_nofollow &&
		   m.dest_nofollow,
	   "mount options: link handling");
	m = (struct spec_mount){ 0 };
	spec_mount_split_options(&arena, &m);
	ok(!m.flags && !m.data, "mount options: none at all");
}

int main(void)
{
	test_table();
	test_pairs();
	test_recursive();
	test_rest();
	arena_done(&arena);
	return done();
}
