/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/idmap.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/base/sys.h"
#include "runtime/base/user.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * DOC: id maps
 *
 * A privileged parent writes /proc/PID/{uid,gid}_map. An unprivileged one may map only its own id, and only after
 * setgroups was denied; more ids need the setuid helpers newuidmap and newgidmap, which check /etc/subuid and /etc/subgid.
 */
static char *map_text(const struct spec_id_maps *maps)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < maps->n; i++)
		buf_addf(&b, "%u %u %u\n", maps->v[i].container_id, maps->v[i].host_id, maps->v[i].size);
	return buf_take(&b);
}

static int proc_write(pid_t pid, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return fd_write_file(AT_FDCWD, path, text);
}

#define MAX_HELPER_MAPS 32

static int run_helper(const char *program, pid_t pid, const struct spec_id_maps *maps, struct err *err)
{
	char words[MAX_HELPER_MAPS * 3 + 1][16];
	char *argv[MAX_HELPER_MAPS * 3 + 3];
	size_t n = 0;
	pid_t child;
	int status;

	if (maps->n > MAX_HELPER_MAPS)
		return err_set(err, E2BIG, "%s: more than %d id mappings", program, MAX_HELPER_MAPS);
	argv[n++] = xstrdup(program);
	snprintf(words[0], sizeof(words[0]), "%d", (int)pid);
	argv[n++] = words[0];
	for (size_t i = 0; i < maps->n; i++) {
		const uint32_t v[3] = { maps->v[i].container_id, maps->v[i].host_id, maps->v[i].size };

		for (size_t k = 0; k < 3; k++) {
			char *word = words[i * 3 + k + 1];

			snprintf(word, sizeof(words[0]), "%u", v[k]);
			argv[n++] = word;
		}
	}
	argv[n] = NULL;
	child = fork();
	if (child == 0) {
		execvp(program, argv);
		_exit(127);
	}
	free(argv[0]);
	if (child < 0)
		return err_sys(err, -errno, "fork for %s", program);
	status = sys_wait_pid(child);
	if (status == 127)
		return err_set(err, ENOENT, "%s not found: install the package uidmap", program);
	return status ? err_set(err, EPERM, "%s failed (exit status %d): does /etc/sub%cid allow these ids?", program, status, program[3]) : 0;
}

static bool maps_only_self(const struct spec_id_maps *maps, uint32_t id)
{
	return maps->n == 1 && maps->v[0].size == 1 && maps->v[0].host_id == id;
}

static int write_one(pid_t pid, const char *file, const char *helper, const struct spec_id_maps *maps, bool only_self, struct err *err)
{
	AUTO_FREE char *text = map_text(maps);
	int r = proc_write(pid, file, text);

	if (r >= 0)
		return 0;
	if ((r == -EPERM || r == -EACCES) && !only_self)
		return run_helper(helper, pid, maps, err);
	return err_sys(err, r, "write %s", file);
}

int idmap_write(pid_t pid, const struct spec_id_maps *uids, const struct spec_id_maps *gids, bool privileged, struct err *err)
{
	bool self_gid = !privileged && maps_only_self(gids, getegid());
	int r;

	if (self_gid) {
		r = proc_write(pid, "setgroups", "deny");
		if (r < 0)
			return err_sys(err, r, "deny setgroups");
	}
	r = write_one(pid, "uid_map", "newuidmap", uids, !privileged && maps_only_self(uids, geteuid()), err);
	return r < 0 ? r : write_one(pid, "gid_map", "newgidmap", gids, self_gid, err);
}

/* One line "name:start:count" or "uid:start:count"; false when it is not one of this user. */
static bool parse_range(char *line, const char *user, const char *number, struct spec_id_map *ret)
{
	char *name = strsep(&line, ":"), *start = line ? strsep(&line, ":") : NULL;

	return name && start && line && (str_eq(name, user) || str_eq(name, number)) && str_to_u32(start, &ret->host_id) == 0 &&
	       str_to_u32(line, &ret->size) == 0 && ret->size && ret->host_id <= UINT32_MAX - ret->size;
}

void idmap_subids(const char *file, const char *user, uint32_t uid, uint32_t first, struct arena *a, struct spec_id_maps *ret)
{
	AUTO_FREE char *text = NULL;
	char number[16];
	char *rest, *line;

	if (fd_read_file(AT_FDCWD, file, 1 << 20, &text, NULL) < 0)
		return;
	(void)snprintf(number, sizeof(number), "%u", uid);
	rest = text;
	while ((line = strsep(&rest, "\n")) && ret->n < MAX_HELPER_MAPS) {
		struct spec_id_map m = { .container_id = first };

		if (!parse_range(line, user, number, &m) || m.size > UINT32_MAX - first)
			continue;
		idmap_add(a, ret, m);
		first += m.size;
	}
}

void idmap_add(struct arena *a, struct spec_id_maps *l, struct spec_id_map m)
{
	struct spec_id_map *v = arena_alloc(a, (l->n + 1) * sizeof(*v));

	if (l->n)
		memcpy(v, l->v, l->n * sizeof(*v));
	v[l->n++] = m;
	l->v = v;
}

void idmap_default(uint32_t euid, uint32_t egid, struct arena *a, struct spec_id_maps *uids, struct spec_id_maps *gids)
{
	AUTO_FREE char *user = user_name_of(euid);

	idmap_add(a, uids, (struct spec_id_map){ 0, euid, 1 });
	idmap_add(a, gids, (struct spec_id_map){ 0, egid, 1 });
	idmap_subids("/etc/subuid", user, euid, 1, a, uids);
	idmap_subids("/etc/subgid", user, euid, 1, a, gids);
}

int idmap_rootless(struct plan *plan, const struct spec *spec, uint32_t euid, uint32_t egid, struct err *err)
{
	(void)err;
	if (spec->uid_maps.n || spec->gid_maps.n)
		return 0;
	idmap_default(euid, egid, &plan->arena, &plan->uid_maps, &plan->gid_maps);
	log_debug("rootless: made a user namespace with %zu uid and %zu gid mappings", plan->uid_maps.n, plan->gid_maps.n);
	return 0;
}
