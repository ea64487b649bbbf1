/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/mount_options.h"

#include "runtime/base/sys.h"

#include <errno.h>
#include <sys/mount.h>

/* Not in every libc's <sys/mount.h>; values of the kernel's interface. */
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif

/* clang-format off */
const struct mount_option mount_options[] = {
	{ "async",          MOUNT_OPTION_CLEAR,       MS_SYNCHRONOUS },
	{ "atime",          MOUNT_OPTION_CLEAR,       MS_NOATIME },
	{ "bind",           MOUNT_OPTION_SET,         MS_BIND },
	{ "copy-symlink",   MOUNT_OPTION_COPY_SYMLINK, 0 },
	{ "defaults",       MOUNT_OPTION_NONE,        0 },
	{ "dest-nofollow",  MOUNT_OPTION_DEST_NOFOLLOW, 0 },
	{ "dev",            MOUNT_OPTION_CLEAR,       MS_NODEV },
	{ "diratime",       MOUNT_OPTION_CLEAR,       MS_NODIRATIME },
	{ "dirsync",        MOUNT_OPTION_SET,         MS_DIRSYNC },
	{ "exec",           MOUNT_OPTION_CLEAR,       MS_NOEXEC },
	{ "idmap",          MOUNT_OPTION_IDMAP,       0 },
	{ "iversion",       MOUNT_OPTION_SET,         MS_I_VERSION },
	{ "lazytime",       MOUNT_OPTION_SET,         MS_LAZYTIME },
	{ "loud",           MOUNT_OPTION_CLEAR,       MS_SILENT },
	{ "mand",           MOUNT_OPTION_SET,         MS_MANDLOCK },
	{ "noatime",        MOUNT_OPTION_SET,         MS_NOATIME },
	{ "nodev",          MOUNT_OPTION_SET,         MS_NODEV },
	{ "nodiratime",     MOUNT_OPTION_SET,         MS_NODIRATIME },
	{ "noexec",         MOUNT_OPTION_SET,         MS_NOEXEC },
	{ "noiversion",     MOUNT_OPTION_CLEAR,       MS_I_VERSION },
	{ "nolazytime",     MOUNT_OPTION_CLEAR,       MS_LAZYTIME },
	{ "nomand",         MOUNT_OPTION_CLEAR,       MS_MANDLOCK },
	{ "norelatime",     MOUNT_OPTION_CLEAR,       MS_RELATIME },
	{ "nostrictatime",  MOUNT_OPTION_CLEAR,       MS_STRICTATIME },
	{ "nosuid",         MOUNT_OPTION_SET,         MS_NOSUID },
	{ "nosymfollow",    MOUNT_OPTION_SET,         MS_NOSYMFOLLOW },
	{ "private",        MOUNT_OPTION_PROPAGATION, MS_PRIVATE },
	{ "ratime",         MOUNT_OPTION_REC_ATIME,   MOUNT_ATTR_RELATIME },
	{ "rbind",          MOUNT_OPTION_SET,         MS_BIND | MS_REC },
	{ "rdev",           MOUNT_OPTION_REC_CLEAR,   MOUNT_ATTR_NODEV },
	{ "rdiratime",      MOUNT_OPTION_REC_CLEAR,   MOUNT_ATTR_NODIRATIME },
	{ "relatime",       MOUNT_OPTION_SET,         MS_RELATIME },
	{ "remount",        MOUNT_OPTION_SET,         MS_REMOUNT },
	{ "rexec",          MOUNT_OPTION_REC_CLEAR,   MOUNT_ATTR_NOEXEC },
	{ "ridmap",         MOUNT_OPTION_IDMAP_REC,   0 },
	{ "rnoatime",       MOUNT_OPTION_REC_ATIME,   MOUNT_ATTR_NOATIME },
	{ "rnodev",         MOUNT_OPTION_REC_SET,     MOUNT_ATTR_NODEV },
	{ "rnodiratime",    MOUNT_OPTION_REC_SET,     MOUNT_ATTR_NODIRATIME },
	{ "rnoexec",        MOUNT_OPTION_REC_SET,     MOUNT_ATTR_NOEXEC },
	{ "rnorelatime",    MOUNT_OPTION_REC_ATIME,   MOUNT_ATTR_STRICTATIME },
	{ "rnostrictatime", MOUNT_OPTION_REC_ATIME,   MOUNT_ATTR_RELATIME },
	{ "rnosuid",        MOUNT_OPTION_REC_SET,     MOUNT_ATTR_NOSUID },
	{ "rnosymfollow",   MOUNT_OPTION_REC_SET,     MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro",             MOUNT_OPTION_SET,         MS_RDONLY },
	{ "rprivate",       MOUNT_OPTION_PROPAGATION, MS_PRIVATE | MS_REC },
	{ "rrelatime",      MOUNT_OPTION_REC_ATIME,   MOUNT_ATTR_RELATIME },
	{ "rro",            MOUNT_OPTION_REC_SET,     MOUNT_ATTR_RDONLY },
	{ "rrw",            MOUNT_OPTION_REC_CLEAR,   MOUNT_ATTR_RDONLY },
	{ "rshared",        MOUNT_OPTION_PROPAGATION, MS_SHARED | MS_REC },
	{ "rslave",         MOUNT_OPTION_PROPAGATION, MS_SLAVE | MS_REC },
	{ "rstrictatime",   MOUNT_OPTION_REC_ATIME,   MOUNT_ATTR_STRICTATIME },
	{ "rsuid",          MOUNT_OPTION_REC_CLEAR,   MOUNT_ATTR_NOSUID },
	{ "rsymfollow",     MOUNT_OPTION_REC_CLEAR,   MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable",    MOUNT_OPTION_PROPAGATION, MS_UNBINDABLE | MS_REC },
	{ "rw",             MOUNT_OPTION_CLEAR,       MS_RDONLY },
	{ "shared",         MOUNT_OPTION_PROPAGATION, MS_SHARED },
	{ "silent",         MOUNT_OPTION_SET,         MS_SILENT },
	{ "slave",          MOUNT_OPTION_PROPAGATION, MS_SLAVE },
	{ "src-nofollow",   MOUNT_OPTION_SRC_NOFOLLOW, 0 },
	{ "strictatime",    MOUNT_OPTION_SET,         MS_STRICTATIME },
	{ "suid",           MOUNT_OPTION_CLEAR,       MS_NOSUID },
	{ "symfollow",      MOUNT_OPTION_CLEAR,       MS_NOSYMFOLLOW },
	{ "sync",           MOUNT_OPTION_SET,         MS_SYNCHRONOUS },
	{ "tmpcopyup",      MOUNT_OPTION_TMPCOPYUP,   0 },
	{ "unbindable",     MOUNT_OPTION_PROPAGATION, MS_UNBINDABLE },
	{ NULL,             MOUNT_OPTION_NONE,        0 },
};
/* clang-format on */

static int by_name(const void *key, const void *row)
{
	const struct mount_option *o = row;

	return strcmp(key, o->name);
}

const struct mount_option *mount_option_find(const char *name)
{
	return bsearch(name, mount_options, ARRAY_SIZE(mount_options) - 1, sizeof(mount_options[0]), by_name);
}

static void apply(struct spec_mount *m, const struct mount_option *o)
{
	switch (o->kind) {
	case MOUNT_OPTION_NONE:
		break;
	case MOUNT_OPTION_SET:
		m->flags |= o->value;
		m->flags_cleared &= ~o->value;
		break;
	case MOUNT_OPTION_CLEAR:
		m->flags &= ~o->value;
		m->flags_cleared |= o->value;
		break;
	case MOUNT_OPTION_PROPAGATION:
		m->propagation = o->value; /* a mount has one: the last wins */
		break;
	case MOUNT_OPTION_REC_SET:
		m->rec_attr_set |= o->value;
		m->rec_attr_clear &= ~o->value;
		break;
	case MOUNT_OPTION_REC_CLEAR:
		m->rec_attr_set &= ~o->value;
		m->rec_attr_clear |= o->value;
		break;
	case MOUNT_OPTION_REC_ATIME:
		/* mount_setattr(2) takes the field as a whole: clear all of it, then set one value (RELATIME is 0) */
		m->rec_attr_clear |= MOUNT_ATTR__ATIME;
		m->rec_attr_set = (m->rec_attr_set & ~(uint64_t)MOUNT_ATTR__ATIME) | o->value;
		break;
	case MOUNT_OPTION_IDMAP:
		m->idmap = true;
		break;
	case MOUNT_OPTION_IDMAP_REC:
		m->idmap = m->idmap_recursive = true;
		break;
	case MOUNT_OPTION_TMPCOPYUP:
		m->tmpcopyup = true;
		break;
	case MOUNT_OPTION_COPY_SYMLINK:
		m->copy_symlink = true;
		break;
	case MOUNT_OPTION_SRC_NOFOLLOW:
		m->src_nofollow = true;
		break;
	case MOUNT_OPTION_DEST_NOFOLLOW:
		m->dest_nofollow = true;
		break;
	}
}

/* crun's way to give the maps: idmap=uids=0-1000-1;gids=0-1000-1 */
static bool is_idmap_option(const char *option)
{
	return str_starts(option, "idmap=") || str_starts(option, "ridmap=");
}

static void apply_idmap_option(struct spec_mount *m, char *option)
{
	m->idmap = true;
	m->idmap_recursive = option[0] == 'r';
	m->idmap_option = strchr(option, '=') + 1;
}

void spec_mount_split_options(struct arena *arena, struct spec_mount *m)
{
	struct buf data = { 0 };

	for (size_t i = 0; i < m->options.n; i++) {
		char *option = m->options.v[i];
		const struct mount_option *o = mount_option_find(option);

		if (o) {
			apply(m, o);
		} else if (is_idmap_option(option)) {
			apply_idmap_option(m, option);
		} else if (option[0]) {
			buf_addf(&data, "%s%s", data.len ? "," : "", option);
		}
	}
	/* The type "bind" is a dummy by the specification, but engines write it and mean it. */
	if (str_eq(m->type, "bind") && !(m->flags & MS_REMOUNT))
		m->flags |= MS_BIND;
	if (data.len)
		m->data = arena_strndup(arena, data.p, data.len);
	buf_done(&data);
	/*
	 * A bind mount has no file system of its own that could take one. Engines leave words of their own there (podman: copy,
	 * nocopy), which other runtimes drop without a word, as the kernel does: to refuse them would refuse working containers.
	 */
	if (m->flags & MS_BIND)
		m->data = NULL;
}
