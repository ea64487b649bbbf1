/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/container_root.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_stopped(struct record *r, struct err *err)
{
	AUTO_FREE char *upper = xasprintf("%s/upper", r->dir), *work = xasprintf("%s/work", r->dir);
	struct store_rootfs_options o = { .upper = upper, .work = work };
	AUTO_IMAGE struct store_image image = { 0 };
	struct digest d;
	int x = cli_open_store(r->cli, err);

	if (x == 0)
		x = digest_parse(r->manifest, &d, err);
	if (x == 0)
		x = store_read_image(&r->cli->store, &d, &image, err);
	if (x < 0)
		return x;
	if ((mkdir(upper, 0755) < 0 || mkdir(work, 0755) < 0) && errno != EEXIST)
		return err_sys(err, -errno, "make '%s'", upper);
	return store_rootfs_mount(&r->cli->store, &image, &o, err);
}

int container_root_open(struct cli *cli, const char *name, struct err *err)
{
	CLEANUP(cleanup_container) struct container *c = NULL;
	AUTO_RECORD struct record *r = NULL;
	int x = record_load(cli, name, false, &r, err);
	enum record_state state;

	if (x < 0)
		return x;
	state = record_state(r, &c);
	return c && (state == RECORD_RUNNING || state == RECORD_PAUSED) ? container_open_root(c, err) : open_stopped(r, err);
}
