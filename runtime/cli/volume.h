/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_VOLUME_H
#define BRIG_RUNTIME_CLI_VOLUME_H

#include "runtime/base/err.h"
#include "runtime/base/json.h"

/*
 * DOC: volumes and mounts of `brig run`
 *
 *   DIR/NAME/volume.json   driver, labels, options, created, anonymous; written last: a volume exists when this file does
 *   DIR/NAME/_data         its contents
 *   DIR/NAME/users/ID      one empty file for each container that mounts it
 *   DIR/lock               flock: exclusive while volumes and users come or go
 *
 * The flags become a list, the list is kept in the container's record, volume_prepare() makes what is missing before a start,
 * and volume_mounts_json() writes OCI mounts.
 */
enum volume_kind { VOLUME_BIND, VOLUME_VOLUME, VOLUME_TMPFS, VOLUME_RAMFS, VOLUME_DEVPTS, VOLUME_MQUEUE };

struct volume_mount {
	enum volume_kind kind;
	char *source;	   /* bind: absolute path; volume: its name, NULL until volume_prepare() named an anonymous one */
	char *subpath;	   /* of a volume, or NULL */
	char *target;	   /* absolute, clean */
	bool anonymous;	   /* removed with the container: `rm -v`, --rm */
	bool read_only;
	bool nocopy;	   /* do not seed an empty volume from the image */
	bool chown;	   /* :U: give the source to the container's user */
	bool overlay;	   /* :O: what the container writes stays with it */
	char *layers;	   /* with overlay: where, once volume_prepare() made it */
	bool create_source; /* -v makes a missing bind source; --mount does not */
	char **options;	   /* further mount options, ready for OCI: rprivate, noexec, size=..., NULL-terminated or NULL */
};

struct volume_list {
	struct volume_mount *v;
	size_t n;
};
void volume_list_done(struct volume_list *l);

/*
 * The flags. Two mounts on one target are an error, in volume_list_check().
 *   -v       [SOURCE:]TARGET[:OPTION,...]; a SOURCE with a '/' or '.' in front is a path, else a volume's name
 *            options: ro rw z Z U nocopy copy exec noexec suid nosuid dev nodev [r]shared [r]slave [r]private [r]unbindable bind rbind O
 *   --mount  type=bind|volume|tmpfs|ramfs|devpts|mqueue,src=...,dst=...,ro,...  (docker's and podman's spellings);
 *            type=glob,src=PATTERN: a bind mount of each path that matches, in dst when that is given
 *   --tmpfs  TARGET[:OPTION,...]
 */
int volume_parse(struct volume_list *l, const char *value, struct err *err) MUST_CHECK;
int volume_parse_mount(struct volume_list *l, const char *value, struct err *err) MUST_CHECK;
int volume_parse_tmpfs(struct volume_list *l, const char *value, struct err *err) MUST_CHECK;
/* A path of the image's Volumes: an anonymous volume, unless the list has something there. */
void volume_add_image(struct volume_list *l, const char *path);
int volume_list_check(const struct volume_list *l, struct err *err) MUST_CHECK;

/* To keep it in the container's record: one JSON value, and back. */
void volume_list_json(const struct volume_list *l, struct json_writer *w);
int volume_list_load(struct volume_list *ret, const struct json *node, const char *name, struct err *err) MUST_CHECK;

/* Make what is missing: volumes (seeded from the image when they are empty), sources of -v, ownership for :U; note the
 * container as a user of its volumes. rootfs_fd: the image's root file system as a directory. uid, gid: the container's user. */
struct volume_container {
	const char *id;
	const char *dir; /* the container's own directory, for what :O writes */
	int rootfs_fd;
	uint32_t uid, gid;
};
int volume_prepare(const char *dir, struct volume_list *l, const struct volume_container *c, struct err *err) MUST_CHECK;
/* Append the OCI mounts of a prepared list to the array that is open in w. */
void volume_mounts_json(const char *dir, const struct volume_list *l, struct json_writer *w);
/* The container is removed: it uses its volumes no longer; with_anonymous removes those that were made for it and that nobody else
 * uses. Goes on after errors; idempotent. */
int volume_release(const char *dir, const struct volume_list *l, const char *id, bool with_anonymous, struct err *err) MUST_CHECK;

/* ---- `brig volume` ---- */

struct volume {
	char *name, *driver, *created; /* created: RFC 3339 */
	char *mountpoint;	       /* DIR/NAME/_data */
	bool anonymous;
	char **labels, **options;      /* "key=value", NULL-terminated, or NULL */
	char **users;		       /* container ids, NULL-terminated, or NULL */
};
void volume_done(struct volume *v);
/* What docker's inspect shows, as one object. */
void volume_json(const struct volume *v, struct json_writer *w);

/* name NULL: 64 random hexadecimal digits. -EEXIST. */
int volume_create(const char *dir, const char *name, char *const *labels, char *const *options, bool anonymous, struct volume *ret,
		  struct err *err) MUST_CHECK;
/* By name, or an unambiguous beginning of one. -ENOENT says: no such volume. */
int volume_load(const char *dir, const char *name, struct volume *ret, struct err *err) MUST_CHECK;
/* Sorted by name. */
int volume_all(const char *dir, struct volume **ret, size_t *ret_n, struct err *err) MUST_CHECK;
void volume_all_done(struct volume *v, size_t n);
/* -EBUSY names the containers that use it. */
int volume_remove(const char *dir, const char *name, struct err *err) MUST_CHECK;

#endif
