/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_USERNS_H
#define BRIG_RUNTIME_CLI_USERNS_H

#include "runtime/cli/record.h"
#include "runtime/cli/run_options.h"

/*
 * DOC: a container's user namespace
 *
 * --userns, --uidmap, --gidmap, --subuidname and --subgidname say which ids of the host the container's are. The namespace is made
 * before the container (or is another's), since the root file system and the network namespace must belong to it:
 *
 *   privileged   userns.fd. The image and the writable layer are mounted with mapped ids and keep the image's ids on the disk, so
 *		  that commit, diff and cp need not know, and the map may be another one at the next start.
 *   rootless	  always one; a helper process makes it (userns_helper.h), since more than one id needs newuidmap, and the image is
 *		  written as files with the owners that belong to the map.
 */
struct userns {
	bool own;		       /* not the namespace that brig is in */
	bool shifted;		       /* rootless: another map than the user's default one */
	const char *join;	       /* path of the namespace to join, or NULL: a new one */
	struct spec_id_maps uids, gids; /* of a new one */
	int fd;			       /* owned: privileged; else -1 */
};

/* Without privileges: the namespace needs the helper. Root of a user namespace has them. */
bool userns_rootless(const struct cli *cli);
/* What the flags say, without making anything but the path of another container's namespace. Strings and maps lie in a. Errors
 * name the flag. */
int userns_choose(struct cli *cli, const struct run_options *o, struct arena *a, struct userns *ret, struct err *err) MUST_CHECK;
/* Rootless: the user's own map: the own id is root, the subordinate ids follow. */
void userns_default(struct arena *a, struct userns *ret);
/* keep-id[:uid=N,gid=N]: "uid:gid", the user that the container's process is when nothing else is asked for. */
const char *userns_keep_user(const char *mode, struct arena *a);
/* Privileged: fill fd. The namespace of the host, joined by its path, is none of the container's own. */
int userns_open(struct userns *u, struct err *err) MUST_CHECK;
void userns_done(struct userns *u);

/* `create` with --userns auto: a range of ids that no other container has, as --uidmap and --gidmap of o, which keep for the
 * container's life. Until the container's record is written nobody else may look for one: *ret_lock_fd is open as long (-1 when
 * there is nothing to allocate). Strings and lists in a. */
int userns_allocate(struct cli *cli, struct run_options *o, struct arena *a, int *ret_lock_fd, struct err *err) MUST_CHECK;

/* The host's id of a container's; the overflow id when there is none. */
uint32_t userns_to_host(const struct spec_id_maps *maps, uint32_t id);

/* userns_maps.c: --uidmap and its like. base: what the caller may use, as the ids that the flag names (rootless), or NULL (any
 * id of the host). */
int userns_parse_maps(const char *flag, const struct option_list *l, const struct spec_id_maps *base, struct arena *a,
		      struct spec_id_maps *ret, struct err *err) MUST_CHECK;
/* How many ids base has after its first range, which is the user's own id. */
uint32_t userns_others(const struct spec_id_maps *base);
/* keep-id: the user's own id (base's first) keeps its number `id` in the container, the others are put around it. */
void userns_keep_id(const struct spec_id_maps *base, uint32_t id, struct arena *a, struct spec_id_maps *ret);
/* n ids of the container from `inside` on are the ids of base from `outside` on. -ERANGE: base has no such. */
int userns_add_through(const struct spec_id_maps *base, uint32_t inside, uint32_t outside, uint32_t n, struct arena *a,
		       struct spec_id_maps *ret);
/* The first `size` ids of base that are not in used; -ENOSPC. used: host_id and size matter. */
int userns_find_free(const struct spec_id_maps *base, const struct spec_id_maps *used, uint32_t size, uint32_t *ret_host);

#endif
