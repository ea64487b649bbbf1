/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/launch.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sys.h"
#include "runtime/cli/config.h"
#include "runtime/cli/events.h"
#include "runtime/cli/health.h"
#include "runtime/cli/image_find.h"
#include "runtime/cli/userns.h"
#include "runtime/cli/container_net.h"

#include <errno.h>
#include <fcntl.h>

/* KEY=VALUE, or KEY alone */
static void set_labels(struct record *r, const struct image_config *image, const struct strlist *words)
{
	for (size_t i = 0; i < image->n_labels; i++)
		kvlist_set(&r->arena, &r->labels, image->labels[i].key, image->labels[i].value);
	for (size_t i = 0; i < words->n; i++) {
		AUTO_FREE char *key = NULL;
		char *equals;

		if (!str_starts(words->v[i], "--label="))
			continue;
		key = xstrdup(words->v[i] + 8);
		equals = strchr(key, '=');
		if (equals)
			*equals = '\0';
		kvlist_set(&r->arena, &r->labels, key, equals ? equals + 1 : "");
	}
}

static int add_flags(struct volume_list *l, const struct option_list *flags,
		     int (*parse)(struct volume_list *, const char *, struct err *), struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < flags->n && r == 0; i++)
		r = parse(l, flags->v[i], err);
	return r;
}

/* --volumes-from CONTAINER[:ro|rw] */
static int add_volumes_of(struct cli *cli, struct volume_list *l, const char *text, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_RECORD struct record *other = NULL;
	AUTO_FREE char *name = xstrdup(text);
	struct volume_list theirs = { 0 };
	char *mode = strchr(name, ':');
	struct json *root;
	int r;

	if (mode)
		*mode++ = '\0';
	r = record_load(cli, name, false, &other, err);
	if (r < 0 || !other->mounts)
		return r < 0 ? err_wrap(err, "--volumes-from") : 0;
	r = json_parse(&a, "record.json", other->mounts, strlen(other->mounts), &root, err);
	if (r == 0)
		r = volume_list_load(&theirs, root, "record.json", err);
	for (size_t i = 0; i < theirs.n && r == 0; i++) {
		theirs.v[i].anonymous = false; /* not ours to remove */
		theirs.v[i].read_only |= str_eq(mode, "ro");
		l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
		l->v[l->n++] = theirs.v[i];
		theirs.v[i] = (struct volume_mount){ 0 };
	}
	volume_list_done(&theirs);
	return r;
}

static int add_image_volumes(const struct run_options *o, const struct image_config *image, struct volume_list *l, struct err *err)
{
	int r = 0;

	if (o->image_volume && str_eq(o->image_volume, "ignore"))
		return 0;
	for (size_t i = 0; i < image->volumes.n && r == 0; i++) {
		if (o->image_volume && str_eq(o->image_volume, "tmpfs"))
			r = volume_parse_tmpfs(l, image->volumes.v[i], err);
		else
			volume_add_image(l, image->volumes.v[i]);
	}
	return r;
}

static int set_mounts(struct record *r, const struct run_options *o, const struct image_config *image, struct err *err)
{
	CLEANUP(volume_list_done) struct volume_list l = { 0 };
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	int x = add_flags(&l, &o->volume, volume_parse, err);

	if (x == 0)
		x = add_flags(&l, &o->mount, volume_parse_mount, err);
	if (x == 0)
		x = add_flags(&l, &o->tmpfs, volume_parse_tmpfs, err);
	for (size_t i = 0; i < o->volumes_from.n && x == 0; i++)
		x = add_volumes_of(r->cli, &l, o->volumes_from.v[i], err);
	if (x == 0)
		x = add_image_volumes(o, image, &l, err);
	if (x == 0)
		x = volume_list_check(&l, err);
	if (x < 0 || !l.n)
		return x;
	volume_list_json(&l, &w);
	r->mounts = arena_strdup(&r->arena, text.p);
	return 0;
}

static void set_network(struct record *r, const struct run_options *o)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i < o->network.n; i++)
		buf_addf(&b, "%s%s", i ? "," : "", o->network.v[i]);
	if (b.len)
		r->network = arena_strdup(&r->arena, b.p);
}

static int check_network(const struct run_options *o, const struct image_config *image, struct err *err)
{
	struct net_request q = { 0 };
	int r = container_net_request(o, image, &q, err);

	if (r < 0)
		return r;
	if ((q.n_ports || q.publish_all) && (q.mode == NET_HOST || q.mode == NET_NONE))
		log_warn("published ports are discarded with --network %s", q.mode == NET_HOST ? "host" : "none");
	net_request_done(&q);
	return 0;
}

#define DEFAULT_STOP_TIMEOUT_S 10

static void set_stop(struct record *r, const struct run_options *o, const struct image_config *image)
{
	const char *signal = o->stop_signal ? o->stop_signal : image->stop_signal;

	if (!o->stop_signal && config_for_systemd(o, &r->args))
		signal = "SIGRTMIN+3";
	if (str_to_signal(signal) <= 0)
		signal = "SIGTERM";
	r->stop_signal = arena_strdup(&r->arena, signal);
	r->stop_timeout = o->stop_timeout == run_option_defaults.stop_timeout ? DEFAULT_STOP_TIMEOUT_S : o->stop_timeout;
}

static int check_health(const struct run_options *o, const struct image_config *image, struct err *err)
{
	AUTO_HEALTH struct health h = { 0 };

	return health_config(o, image, &h, err);
}

static int fill_record(struct record *r, const struct run_options *o, char **operands, const struct found_image *found, struct err *err)
{
	const struct image_config *image = &found->config;
	char text[DIGEST_TEXT_LEN], hex[DIGEST_HEX_LEN];
	int x;

	r->name = o->name ? arena_strdup(&r->arena, o->name) : NULL;
	r->image = arena_strdup(&r->arena, found->name);
	r->image_id = arena_strdup(&r->arena, digest_hex(&found->image.config, hex));
	r->manifest = arena_strdup(&r->arena, digest_text(&found->image.manifest, text));
	for (char **word = operands + 1; *word; word++)
		strlist_add(&r->arena, &r->command, *word);
	r->auto_remove = o->rm;
	r->tty = o->tty;
	r->restart_policy = o->restart && *o->restart ? arena_strdup(&r->arena, o->restart) : NULL;
	set_stop(r, o, image);
	x = config_args(o, image, &r->command, &r->arena, &r->args, err);
	if (x == 0)
		x = run_options_freeze(o, &r->arena, &r->flags, err);
	if (x == 0)
		x = check_network(o, image, err);
	if (x == 0)
		x = check_health(o, image, err);
	if (x < 0)
		return x;
	set_labels(r, image, &r->flags);
	set_network(r, o);
	return set_mounts(r, o, image, err);
}

static int replace_old(struct cli *cli, const char *name, struct err *err)
{
	AUTO_RECORD struct record *old = NULL;
	int r = record_load(cli, name, false, &old, err);

	if (r == -ENOENT)
		return 0;
	if (r == 0 && !str_eq(old->name, name))
		return 0; /* the beginning of an ID */
	if (r == 0)
		r = stop_container(old, 0, true, err);
	if (r == 0)
		r = record_lock(old, err);
	if (r == 0)
		r = remove_container(old, true, err);
	return r == -ENOENT ? 0 : r;
}

static int write_cidfile(const char *path, const char *id, struct err *err)
{
	int r = fd_write_file_atomic(AT_FDCWD, path, id, strlen(id), 0644, false);

	return r < 0 ? err_sys(err, r, "--cidfile '%s'", path) : 0;
}

/* What --rm will throw away need not outlive a crash of the machine. */
static int add_ref(struct cli *cli, const struct run_options *o, const char *id, const struct digest *manifest, struct err *err)
{
	const bool sync = cli->store.sync;
	int r;

	cli->store.sync = sync && !o->rm;
	r = store_add_ref(&cli->store, id, manifest, err);
	cli->store.sync = sync;
	return r;
}

static int keep_secrets(struct record *r, const struct run_options *o, struct err *err)
{
	AUTO_SECRETS struct secret_uses l = { 0 };
	AUTO_FREE char *dir = NULL;
	int x = o->secret.n ? secret_uses_parse(&o->secret, &l, err) : 0;

	if (x == 0 && l.n)
		x = cli_secret_dir(r->cli, &dir, err);
	return x == 0 && dir ? secrets_keep(dir, &l, r->dir_fd, err) : x;
}

int create_container(struct cli *cli, const struct run_options *o, char **operands, struct record **ret, struct err *err)
{
	CLEANUP(found_image_done) struct found_image found = { 0 };
	AUTO_RECORD struct record *r = NULL;
	AUTO_CLOSE int ranges_fd = -1;
	struct run_options chosen = *o;
	struct err ignored;
	int x = run_options_check(o, err);

	if (x == 0)
		x = find_image(cli, o, operands[0], &found, err);
	if (x < 0)
		return x;
	r = record_new(cli);
	x = userns_allocate(cli, &chosen, &r->arena, &ranges_fd, err);
	if (x == 0)
		x = fill_record(r, &chosen, operands, &found, err);
	if (x == 0 && o->replace)
		x = replace_old(cli, o->name, err);
	if (x == 0)
		x = record_create(r, err);
	if (x < 0)
		return x;
	x = add_ref(cli, o, r->id, &found.image.manifest, err);
	if (x == 0)
		x = keep_secrets(r, o, err);
	if (x == 0 && o->cidfile)
		x = write_cidfile(o->cidfile, r->id, err);
	if (x < 0) {
		(void)!record_remove(r, &ignored); /* the first error is the one to tell */
		return x;
	}
	event_container(r, "create");
	r->found = xmalloc(sizeof(*r->found));
	*r->found = found;
	found = (struct found_image){ 0 };
	*ret = TAKE_PTR(r);
	return 0;
}
