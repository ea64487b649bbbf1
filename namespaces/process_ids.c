/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/process_internal.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEFAULT_UMASK 0022
#define NO_ID	      UINT32_MAX /* setresuid reads -1 as "leave it": a user with that number would stay root */

/* In a user namespace that somebody else made (unshare --map-root-user) nobody has to have told us that setgroups(2) is denied. */
static bool denied_by_namespace(int failure)
{
	struct cap_sets s;

	return failure == EPERM && caps_get(&s) == 0 && s.effective & 1ull << CAP_SETGID;
}

static int set_groups(const struct process_ctx *ctx, struct err *err)
{
	const struct spec_user *u = &ctx->spec->user;

	if (ctx->keep_groups)
		return 0;
	if (ctx->setgroups_denied) {
		if (u->n_additional_gids)
			return err_set(err, EPERM, "process.user.additionalGids: setgroups is denied in this user namespace");
		return 0;
	}
	for (size_t i = 0; i < u->n_additional_gids; i++)
		if (u->additional_gids[i] == NO_ID)
			return err_set(err, EINVAL, "process.user.additionalGids: %u is not a group id", NO_ID);
	if (setgroups(u->n_additional_gids, u->additional_gids) < 0) {
		if (denied_by_namespace(errno) && !u->n_additional_gids)
			return 0; /* nobody can drop a group there */
		return err_sys(err, -errno, "set additional groups%s",
			       errno == EINVAL ? " (is each of them mapped in the user namespace?)" : "");
	}
	return 0;
}

static int set_ids(const struct spec_user *u, struct err *err)
{
	const char *hint = " (is it mapped in the user namespace?)";
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (u->uid == NO_ID || u->gid == NO_ID)
		return err_set(err, EINVAL, "process.user: %u is not an id", NO_ID);
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return err_sys(err, -errno, "set group id %u%s", u->gid, errno == EINVAL ? hint : "");
	if (setresuid(u->uid, u->uid, u->uid) < 0)
		return err_sys(err, -errno, "set user id %u%s", u->uid, errno == EINVAL ? hint : "");
	/* To run as somebody else than asked for is the worst error of all here; believe nobody. */
	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0 || r != u->uid || e != u->uid || s != u->uid || rg != u->gid ||
	    eg != u->gid || sg != u->gid)
		return err_set(err, EPERM, "user %u:%u was not taken on", u->uid, u->gid);
	return 0;
}

/* setresuid cleared the effective set; the phases that follow (the filter) still have rights until process_caps. */
static int raise_effective(struct err *err)
{
	struct cap_sets s;
	int r = caps_get(&s);

	if (!r) {
		s.effective = s.permitted;
		r = caps_set(&s);
	}
	return r < 0 ? err_sys(err, r, "keep capabilities") : 0;
}

int process_ids(struct process_ctx *ctx, struct err *err)
{
	const struct spec_user *u = &ctx->spec->user;
	int r;

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(err, -errno, "keep capabilities");
	r = set_groups(ctx, err);
	if (!r)
		r = set_ids(u, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_sys(err, -errno, "stop keeping capabilities");
	/* The change of ids made us as dumpable as fs.suid_dumpable says; nobody inside may look into the runtime. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, -errno, "stay non-dumpable");
	if (ctx->cwd_as_user) {
		r = cwd_enter(ctx, false);
		if (r < 0)
			return cwd_error(ctx, r, err);
		ctx->cwd_as_user = false;
	}
	umask(u->umask.set ? (mode_t)u->umask.v & 0777 : DEFAULT_UMASK);
	return raise_effective(err);
}

static bool is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

int process_fix_stdio(struct process_ctx *ctx, struct err *err)
{
	struct stat st;

	for (int fd = 0; fd <= 2; fd++) {
		/* A closed one needs nothing. /dev/null is the host's, or shared with others. */
		if (fstat(fd, &st) < 0 || st.st_uid == ctx->spec->user.uid || is_null_device(&st))
			continue;
		/* Not ours to change: an id outside of the map, a file of somebody else, a read-only file system. */
		if (fchown(fd, ctx->spec->user.uid, (gid_t)-1) < 0 && errno != EPERM && errno != EROFS && errno != EINVAL &&
		    errno != EOPNOTSUPP && errno != EACCES)
			return err_sys(err, -errno, "give fd %d to user %u", fd, ctx->spec->user.uid);
	}
	return 0;
}
