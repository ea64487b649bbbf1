/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/launch.h"

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/cli/config.h"
#include "runtime/cli/default_seccomp.h"
#include "runtime/cli/image_find.h"
#include "runtime/cli/mount_points.h"
#include "runtime/cli/tree_root.h"
#include "runtime/cli/userns.h"
#include "runtime/cli/container_net.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is put together for one start. */
struct parts {
	const struct launch *l;
	struct record *r;
	struct store_image image;
	struct image_config config;
	struct image_user user;
	struct volume_list volumes;
	struct secret_uses secrets;
	struct net_result net;
	struct arena arena;
	struct strlist args;
	const char *hostname; /* NULL: the host's */
	const char *init;
	const char *ns_paths[NS_TYPES];
	struct userns userns;
	struct tree_root tree; /* rootless */
	int root_fd;
};

static void parts_done(struct parts *p)
{
	store_image_done(&p->image);
	image_config_done(&p->config);
	image_user_done(&p->user);
	volume_list_done(&p->volumes);
	secret_uses_done(&p->secrets);
	net_result_done(&p->net);
	arena_done(&p->arena);
	fd_close(&p->root_fd);
	tree_root_close(&p->tree);
	userns_done(&p->userns);
}

int launch_image(struct record *r, struct store_image *image, struct image_config *config, struct err *err)
{
	struct digest d;
	int x;

	if (r->found) {
		*image = r->found->image;
		*config = r->found->config;
		free(r->found->name);
		*r->found = (struct found_image){ 0 };
		free(TAKE_PTR(r->found));
		return 0;
	}
	x = digest_parse(r->manifest, &d, err);
	if (x == 0)
		x = store_read_image(&r->cli->store, &d, image, err);
	if (x == 0)
		x = store_image_config(&r->cli->store, image, config, err);
	return x < 0 ? err_wrap(err, "image %s of container %s", r->image, r->name) : 0;
}

/* ---- root file system ---- */

/* 0755: the upper directory's mode is that of the container's "/" once it was copied up. Returns 1 for a new one, 0 for an old one. */
static int make_dir(struct record *r, const char *name, struct err *err)
{
	if (mkdirat(r->dir_fd, name, 0755) == 0)
		return 1;
	return errno == EEXIST ? 0 : err_sys(err, -errno, "make '%s/%s'", r->dir, name);
}

/* fresh: no work directory of an earlier start, whose mark of a volatile mount would refuse the next one. */
static int make_dirs(struct record *r, bool fresh, struct err *err)
{
	int x = make_dir(r, "upper", err);

	if (x >= 0)
		x = make_dir(r, "work", err);
	if (x == 0 && fresh) {
		(void)remove_tree(r->dir_fd, "work"); /* the next one tells */
		x = make_dir(r, "work", err);
	}
	return x < 0 ? x : 0;
}

static int mount_rootless(struct parts *p, struct err *err)
{
	int r = tree_root_rootless(p->r, &p->image, &p->userns, &p->arena, &p->tree, err);

	if (r < 0)
		return err_wrap(err, "root file system of container %s", p->r->name);
	p->root_fd = TAKE_FD(p->tree.root_fd);
	p->userns.fd = TAKE_FD(p->tree.userns_fd);
	return 0;
}

static int mount_root(struct parts *p, struct err *err)
{
	AUTO_FREE char *upper = xasprintf("%s/upper", p->r->dir), *work = xasprintf("%s/work", p->r->dir);
	/* what --rm will throw away need not reach the disk */
	struct store_rootfs_options o = { .upper = upper, .work = work, .no_sync = p->r->auto_remove };
	AUTO_CLOSE int below_fd = -1;
	int r;

	if (userns_rootless(p->r->cli))
		return mount_rootless(p, err);
	r = userns_open(&p->userns, err);
	if (r == 0)
		r = make_dirs(p->r, o.no_sync, err);
	if (r < 0)
		return r;
	o.userns_fd = p->userns.own ? &p->userns.fd : NULL;
	below_fd = o.userns_fd ? -1 : mount_points_open(p->r);
	o.below_fd = below_fd >= 0 ? &below_fd : NULL;
	p->root_fd = store_rootfs_mount(&p->r->cli->store, &p->image, &o, err);
	if (p->root_fd == -ENODEV || p->root_fd == -EPERM) /* a kernel without EROFS; root of a user namespace */
		p->root_fd = tree_root_open(p->r, &p->image, o.userns_fd, err);
	return p->root_fd < 0 ? err_wrap(err, "root file system of container %s", p->r->name) : 0;
}

/* ---- namespaces of others ---- */

static int namespace_path(struct parts *p, enum ns_type t, const char *flag, const char *mode, struct err *err)
{
	AUTO_RECORD struct record *other = NULL;
	struct container *c = NULL;
	int r = 0;

	if (!mode)
		return 0;
	if (str_starts(mode, "ns:")) {
		p->ns_paths[t] = arena_strdup(&p->arena, mode + 3);
		return 0;
	}
	if (!str_starts(mode, "container:"))
		return 0;
	r = record_load(p->r->cli, mode + 10, false, &other, err);
	if (r < 0)
		return err_wrap(err, "--%s %s", flag, mode);
	record_state(other, &c);
	if (!c || container_status(c) == CONTAINER_STOPPED)
		r = err_set(err, ESRCH, "--%s %s: the container is not running", flag, mode);
	else
		p->ns_paths[t] = arena_printf(&p->arena, "/proc/%d/ns/%s", (int)c->pid, ns_proc_names[t]);
	container_free(c);
	return r;
}

static int find_namespaces(struct parts *p, struct err *err)
{
	const struct run_options *o = p->l->o;
	int r = namespace_path(p, NS_PID, "pid", o->pid, err);

	if (r == 0)
		r = namespace_path(p, NS_IPC, "ipc", o->ipc, err);
	if (r == 0)
		r = namespace_path(p, NS_UTS, "uts", o->uts, err);
	if (r == 0)
		r = namespace_path(p, NS_CGROUP, "cgroupns", o->cgroupns, err);
	return r;
}

/* ---- the rest ---- */

static int find_init(struct parts *p, struct err *err)
{
	static const char *const places[] = { "/usr/libexec/podman/catatonit", "/usr/bin/catatonit", "/usr/bin/docker-init",
					      "/usr/bin/tini-static", "/usr/libexec/docker/docker-init", "/sbin/docker-init" };
	const char *given = p->l->o->init_path;

	if (!p->l->o->init)
		return 0;
	if (given && access(given, X_OK) < 0)
		return err_sys(err, -errno, "--init-path '%s'", given);
	p->init = given;
	for (size_t i = 0; i < ARRAY_SIZE(places) && !p->init; i++)
		p->init = access(places[i], X_OK) == 0 ? places[i] : NULL;
	return p->init ? 0 : err_set(err, ENOENT, "--init: no init program found; install the package catatonit, or name one with --init-path");
}

static void choose_hostname(struct parts *p)
{
	const struct run_options *o = p->l->o;

	if (o->uts && !str_eq(o->uts, "private") && *o->uts)
		return;
	p->hostname = o->hostname && *o->hostname ? o->hostname : arena_strndup(&p->arena, p->r->id, RECORD_SHORT_LEN);
}

static int write_bundle(struct parts *p, struct err *err)
{
	AUTO_FREE char *rootfs = xasprintf("%s/rootfs", p->r->run_dir), *path = xasprintf("%s/hostname", p->r->run_dir);
	AUTO_FREE char *line = xasprintf("%s\n", p->hostname ? p->hostname : "");
	int r;

	if (mkdir(rootfs, 0755) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make '%s'", rootfs);
	r = p->hostname ? fd_write_file_atomic(AT_FDCWD, path, line, strlen(line), 0644, false) : 0;
	return r < 0 ? err_sys(err, r, "write '%s'", path) : 0;
}

/* An id of the container as one of the process that prepares volumes. */
static uint32_t outer_id(const struct parts *p, bool group, uint32_t id)
{
	const struct spec_id_maps *tree = group ? &p->tree.gids : &p->tree.uids, *own = group ? &p->userns.gids : &p->userns.uids;

	if (p->tree.helper.pid > 0) /* in the helper, who is root, too */
		return tree->n ? userns_to_host(tree, id) : id;
	return p->userns.own ? userns_to_host(own, id) : id;
}

static int volumes_here(struct parts *p, struct err *err)
{
	AUTO_FREE char *dir = xasprintf("%s/volumes", p->r->cli->store.root);
	struct volume_container c = { .id = p->r->id, .dir = p->r->dir, .rootfs_fd = p->root_fd, .uid = outer_id(p, false, p->user.uid),
				      .gid = outer_id(p, true, p->user.gid) };

	return volume_prepare(dir, &p->volumes, &c, err);
}

/* In a helper, which has the right to give files to other ids: the list comes back as JSON in a file. */
static int volumes_in_helper(void *arg, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	AUTO_CLOSE int fd = memfd_create("volumes", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : volumes_here(arg, err);

	if (fd < 0)
		return err_sys(err, r, "memfd_create");
	if (r < 0)
		return r;
	volume_list_json(&((struct parts *)arg)->volumes, &w);
	r = fd_write_all(fd, text.p, text.len);
	return r < 0 ? err_sys(err, r, "write the volumes") : TAKE_FD(fd);
}

static int load_volumes(struct parts *p, const char *text, struct err *err)
{
	struct json *root;
	int r = json_parse(&p->arena, "record.json", text, strlen(text), &root, err);

	volume_list_done(&p->volumes);
	return r < 0 ? r : volume_list_load(&p->volumes, root, "record.json", err);
}

static int volumes_by_helper(struct parts *p, struct err *err)
{
	CLEANUP(userns_helper_end) struct userns_helper h = { .fd = -1 };
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *text = NULL;
	char path[FD_PROC_PATH_LEN];
	struct userns user;
	int r;

	userns_default(&p->arena, &user);
	r = userns_helper_run(&user, volumes_in_helper, p, &h, &fd, err);
	if (r < 0)
		return r;
	r = fd_read_file(AT_FDCWD, fd_proc_path(fd, path), 1 << 20, &text, NULL);
	return r < 0 ? err_sys(err, r, "read the volumes") : load_volumes(p, text, err);
}

static int prepare_volumes(struct parts *p, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	int r;

	if (!p->r->mounts)
		return 0;
	r = load_volumes(p, p->r->mounts, err);
	if (r == 0)
		r = userns_rootless(p->r->cli) ? volumes_by_helper(p, err) : volumes_here(p, err);
	if (r < 0)
		return r;
	volume_list_json(&p->volumes, &w);
	if (str_eq(text.p, p->r->mounts))
		return 0;
	p->r->mounts = arena_strdup(&p->r->arena, text.p); /* anonymous volumes have names now */
	return record_save(p->r, err);
}

static uint32_t secret_owner(const void *parts, bool group, uint32_t id)
{
	return outer_id(parts, group, id);
}

static int secrets_here(void *parts, struct err *err)
{
	struct parts *p = parts;

	return secrets_give(p->r->dir, &p->secrets, secret_owner, p, err);
}

static int prepare_secrets(struct parts *p, struct err *err)
{
	CLEANUP(userns_helper_end) struct userns_helper h = { .fd = -1 };
	AUTO_CLOSE int fd = -1;
	struct userns user;
	int r = p->l->o->secret.n ? secret_uses_parse(&p->l->o->secret, &p->secrets, err) : 0;

	if (r == 0 && p->secrets.n && userns_rootless(p->r->cli)) {
		userns_default(&p->arena, &user);
		r = userns_helper_run(&user, secrets_here, p, &h, &fd, err);
	} else if (r == 0) {
		r = secrets_here(p, err);
	}
	return r < 0 ? r : secrets_load_values(p->r->dir, &p->secrets, err);
}

static uint64_t bounding_set(void)
{
	uint64_t caps = 0;

	for (const struct name_value *c = cap_names; c->name; c++) {
		if (prctl(PR_CAPBSET_READ, c->value, 0, 0, 0) == 1)
			caps |= 1ull << c->value;
	}
	return caps;
}

/* cgroup v1 says so by a file; with v2 it is a matter of the kernel's configuration that nearly all have. */
static bool has_swap_limit(void)
{
	if (access("/sys/fs/cgroup/memory/memory.limit_in_bytes", F_OK) == 0)
		return access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
	return true;
}

static int write_config(struct parts *p, struct buf *out, struct err *err)
{
	AUTO_FREE char *volume_dir = xasprintf("%s/volumes", p->r->cli->store.root);
	struct json_writer w = { .out = out };
	struct config_input in = {
		.o = p->l->o,
		.image = &p->config,
		.user = &p->user,
		.args = &p->args,
		.id = p->r->id,
		.hostname = p->hostname,
		.bundle = p->r->run_dir,
		.init = p->init,
		.volume_dir = volume_dir,
		.volumes = &p->volumes,
		.secret_dir = p->r->dir,
		.secrets = &p->secrets,
		.net_host = p->net.ns == NET_NS_HOST,
		.net_path = p->net.ns == NET_NS_JOIN ? p->net.ns_path : NULL,
		.caps_available = bounding_set(),
		.kernel = default_seccomp_kernel(),
		.rootless = p->r->cli->oci.rootless,
		.systemd_cgroup = p->r->cli->oci.manager == CGROUP_SYSTEMD,
		.swap_limit = has_swap_limit(),
	};

	memcpy(in.ns_paths, p->ns_paths, sizeof(in.ns_paths));
	return config_write(&in, &w, err);
}

/* keep-id is for being oneself inside, too. */
static const char *user_text(struct parts *p)
{
	const char *given = p->l->o->user;

	if (!given && userns_rootless(p->r->cli) && str_starts(p->l->o->userns ? p->l->o->userns : "", "keep-id"))
		return userns_keep_user(p->l->o->userns, &p->arena);
	return given ? given : p->config.user;
}

static int put_together(struct parts *p, struct buf *config, struct err *err)
{
	const struct run_options *o = p->l->o;
	int r = launch_image(p->r, &p->image, &p->config, err);

	if (r == 0)
		r = config_args(o, &p->config, &p->r->command, &p->arena, &p->args, err);
	if (r == 0)
		r = find_init(p, err);
	if (r == 0)
		r = find_namespaces(p, err);
	if (r == 0)
		r = userns_choose(p->r->cli, o, &p->arena, &p->userns, err);
	if (r == 0)
		r = record_make_run_dir(p->r, err);
	if (r == 0)
		r = mount_root(p, err);
	if (r == 0 && p->userns.own)
		p->ns_paths[NS_USER] = arena_printf(&p->arena, "/proc/%d/fd/%d", (int)getpid(), p->userns.fd);
	if (r == 0)
		r = image_user_resolve(p->root_fd, user_text(p), o->group_add.v, o->group_add.n, &p->user, err);
	if (r < 0)
		return r;
	choose_hostname(p);
	r = write_bundle(p, err);
	if (r == 0)
		r = prepare_volumes(p, err);
	if (r == 0)
		r = prepare_secrets(p, err);
	if (r == 0)
		r = container_net_setup(p->r, o, &p->config, p->hostname, p->userns.own ? p->userns.fd : -1, &p->net, err);
	if (r == 0)
		r = write_config(p, config, err);
	return r;
}

static int check_vm(const struct run_options *o, struct runtime_opts *oci, struct err *err)
{
	if (!run_options_vm(o))
		return 0;
	oci->backend = backend_by_name("vm");
	return oci->backend ? 0 : err_set(err, ENOSYS, "--vm: vm-mode is not part of this build of brig");
}

static int open_source(void *arg, const char *path, unsigned flags)
{
	struct parts *p = arg;
	int pid = 0, n = 0;

	if (sscanf(path, "/proc/%d/%n", &pid, &n) == 1 && n && str_eq(path + n, CONFIG_SHM_OF_NAMESPACE))
		return userns_open_tree_of(pid, "/dev/shm", flags);
	return p->tree.helper.pid > 0 ? userns_helper_open_tree(&p->tree.helper, path, flags) : -ENOSYS;
}

static int create(const struct launch *l, struct container **ret, struct err *err)
{
	CLEANUP(parts_done) struct parts p = { .l = l, .r = l->record, .root_fd = -1, .userns.fd = -1, .tree = { .root_fd = -1, .userns_fd = -1, .helper.fd = -1 }, .net = { .ns_fd = -1 } };
	AUTO_BUF struct buf config = { 0 };
	struct create_opts o = {
		.id = l->record->id,
		.bundle = l->record->run_dir,
		.pid_file = l->pid_file,
		.console_socket = l->console_socket,
		.preserve_fds = l->o->preserve_fds,
		.root_fd = &p.root_fd,
		.run = l->foreground,
	};
	struct cli *cli = l->record->cli;
	int r = check_vm(l->o, &cli->oci, err);

	if (r == 0)
		r = put_together(&p, &config, err);
	if (r < 0)
		return r;
	if (l->o->cgroups && str_eq(l->o->cgroups, "disabled"))
		cli->oci.manager = CGROUP_DISABLED;
	o.config_text = config.p;
	o.open_tree = open_source;
	o.open_tree_arg = &p;
	return container_create(ret, &cli->oci, &o, err);
}

int launch_create(const struct launch *l, struct container **ret, struct err *err)
{
	/* What is made for the container (its root directory, /etc/hosts) is for all of its users, whatever the caller's habits are. */
	mode_t old = umask(022);
	int r = create(l, ret, err);

	(void)umask(old);
	return r;
}

int launch_exit_code(const struct err *err)
{
	if (!strstr(err->msg, "exec: \""))
		return CLI_EXIT_ERROR;
	return err->code == ENOENT || err->code == ENOTDIR ? CLI_EXIT_NOT_FOUND : CLI_EXIT_NOT_EXEC;
}
