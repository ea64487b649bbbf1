/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/netrec.h"

#include "runtime/base/dir.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX (4u << 20)

void netrec_if_done(struct netrec_if *i)
{
	free(i->pub.network);
	free(i->pub.ifname);
	for (size_t k = 0; k < i->pub.n_aliases; k++)
		free(i->pub.aliases[k]);
	free(i->pub.aliases);
	free(i->host_if);
	free(i->conflist);
	free(i->result);
}

void netrec_done(struct netrec *r)
{
	free(r->id);
	free(r->name);
	free(r->hostname);
	free(r->dir);
	for (size_t i = 0; i < r->n_ifs; i++)
		netrec_if_done(&r->ifs[i]);
	free(r->ifs);
	ports_free(r->ports, r->n_ports);
	strings_free(r->dns);
	*r = (struct netrec){ 0 };
}

int netrec_mkdir(const char *path)
{
	AUTO_FREE char *copy = xstrdup(path);

	for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	return mkdir(copy, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

int netrec_lock_dir(const char *dir, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/lock", dir);
	AUTO_CLOSE int fd = netrec_mkdir(dir) < 0 ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "open '%s'", path);
	do {
		r = flock(fd, LOCK_EX);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(err, -errno, "lock '%s'", path) : TAKE_FD(fd);
}

int netrec_lock(const struct net_env *env, struct err *err)
{
	return netrec_lock_dir(env->run_dir, err);
}

void netrec_remove_dir(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (dir_remove_files(fd) < 0)
		log_debug("empty '%s': it is left behind", path);
	(void)rmdir(path);
}

static void put_address(struct json_writer *w, const char *key, const struct net_address *a)
{
	if (!a->text[0])
		return;
	json_key(w, key);
	json_begin_object(w);
	json_kv_string(w, "address", a->text);
	json_kv_u64(w, "prefix", a->prefix);
	json_kv_string(w, "gateway", a->gateway);
	json_end_object(w);
}

static void put_if(struct json_writer *w, const struct netrec_if *i)
{
	json_begin_object(w);
	json_kv_string(w, "network", i->pub.network);
	json_kv_string(w, "ifname", i->pub.ifname);
	json_kv_string(w, "mac", i->pub.mac);
	put_address(w, "v4", &i->pub.v4);
	put_address(w, "v6", &i->pub.v6);
	json_key(w, "aliases");
	json_begin_array(w);
	for (size_t k = 0; k < i->pub.n_aliases; k++)
		json_string(w, i->pub.aliases[k]);
	json_end_array(w);
	json_kv_bool(w, "names", i->names);
	if (i->host_if)
		json_kv_string(w, "hostIf", i->host_if);
	if (i->conflist)
		json_kv_string(w, "conflist", i->conflist);
	if (i->result)
		json_kv_string(w, "result", i->result);
	json_end_object(w);
}

int netrec_save(const struct net_env *env, const struct netrec *r, struct err *err)
{
	AUTO_FREE char *dir = xasprintf("%s/containers", env->run_dir);
	AUTO_FREE char *path = xasprintf("%s/%s", dir, r->id);
	AUTO_BUF struct buf out = { 0 };
	struct json_writer w = { .out = &out };
	int result;

	json_begin_object(&w);
	json_kv_string(&w, "id", r->id);
	json_kv_string(&w, "name", r->name);
	json_kv_string(&w, "hostname", r->hostname);
	json_kv_string(&w, "dir", r->dir);
	json_kv_i64(&w, "helper", r->helper_pid);
	json_kv_u64(&w, "helperStart", r->helper_start);
	json_key(&w, "dns");
	strings_json(r->dns, &w);
	json_key(&w, "ports");
	ports_json(r->ports, r->n_ports, &w);
	json_key(&w, "interfaces");
	json_begin_array(&w);
	for (size_t i = 0; i < r->n_ifs; i++)
		put_if(&w, &r->ifs[i]);
	json_end_array(&w);
	json_end_object(&w);
	result = fd_write_file_atomic(AT_FDCWD, path, out.p, out.len, 0600, false);
	if (result == -ENOENT && netrec_mkdir(dir) == 0)
		result = fd_write_file_atomic(AT_FDCWD, path, out.p, out.len, 0600, false);
	return result < 0 ? err_sys(err, result, "write '%s'", path) : 0;
}

static char *copy_text(const struct json *object, const char *key)
{
	const char *s = json_text(object, key);

	return xstrdup(s ? s : "");
}

static void load_address(const struct json *object, const char *key, struct net_address *a)
{
	const struct json *n = json_get(object, key);
	const char *text = n && n->type == JSON_OBJECT ? json_text(n, "address") : NULL, *gateway = text ? json_text(n, "gateway") : NULL;
	uint64_t prefix = 0;

	if (!text || !json_get(n, "prefix") || json_to_u64(json_get(n, "prefix"), "", 128, &prefix, NULL) < 0)
		return;
	snprintf(a->text, sizeof(a->text), "%s", text);
	snprintf(a->gateway, sizeof(a->gateway), "%s", gateway ? gateway : "");
	a->prefix = (unsigned)prefix;
}

static void load_if(const struct json *n, struct netrec_if *i)
{
	const struct json *aliases = json_get(n, "aliases"), *names = json_get(n, "names");
	const char *mac = json_text(n, "mac");

	i->pub.network = copy_text(n, "network");
	i->pub.ifname = copy_text(n, "ifname");
	snprintf(i->pub.mac, sizeof(i->pub.mac), "%s", mac ? mac : "");
	load_address(n, "v4", &i->pub.v4);
	load_address(n, "v6", &i->pub.v6);
	i->pub.aliases = strings_load(aliases);
	i->pub.n_aliases = strings_count(i->pub.aliases);
	i->names = names && names->type == JSON_BOOL && names->u.boolean;
	i->host_if = json_text(n, "hostIf") ? xstrdup(json_text(n, "hostIf")) : NULL;
	i->conflist = json_text(n, "conflist") ? xstrdup(json_text(n, "conflist")) : NULL;
	i->result = json_text(n, "result") ? xstrdup(json_text(n, "result")) : NULL;
}

static int load_fields(const struct json *root, const char *path, struct netrec *r, struct err *err)
{
	const struct json *ifs = json_get(root, "interfaces"), *pid = json_get(root, "helper"), *start = json_get(root, "helperStart");
	int64_t helper = 0;

	r->id = copy_text(root, "id");
	r->name = copy_text(root, "name");
	r->hostname = copy_text(root, "hostname");
	r->dir = copy_text(root, "dir");
	r->dns = strings_load(json_get(root, "dns"));
	if (pid && json_to_i64(pid, path, 0, INT32_MAX, &helper, err) < 0)
		return -EINVAL;
	if (start && json_to_u64(start, path, UINT64_MAX, &r->helper_start, err) < 0)
		return -EINVAL;
	r->helper_pid = (pid_t)helper;
	for (const struct json *k = ifs && ifs->type == JSON_ARRAY ? ifs->u.kids.first : NULL; k; k = k->next) {
		r->ifs = xreallocarray(r->ifs, r->n_ifs + 1, sizeof(*r->ifs));
		r->ifs[r->n_ifs] = (struct netrec_if){ 0 };
		load_if(k, &r->ifs[r->n_ifs++]);
	}
	return ports_load(json_get(root, "ports"), path, &r->ports, &r->n_ports, err);
}

int netrec_load(const struct net_env *env, const char *id, struct netrec *ret, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/containers/%s", env->run_dir, id);
	AUTO_FREE char *text = NULL;
	struct arena arena = { 0 };
	struct netrec record = { 0 };
	struct json *root;
	int r = fd_read_file(AT_FDCWD, path, RECORD_MAX, &text, NULL);

	if (r == -ENOENT)
		return r;
	if (r < 0)
		return err_sys(err, r, "read '%s'", path);
	r = json_parse(&arena, path, text, strlen(text), &root, err);
	if (r == 0)
		r = root->type == JSON_OBJECT ? load_fields(root, path, &record, err) : err_set(err, EINVAL, "%s: not an object", path);
	arena_done(&arena);
	if (r < 0)
		netrec_done(&record);
	else
		*ret = record;
	return r;
}

void netrec_remove(const struct net_env *env, const char *id)
{
	AUTO_FREE char *path = xasprintf("%s/containers/%s", env->run_dir, id);

	(void)unlink(path);
}

void netrec_each(const struct net_env *env, void (*each)(void *ctx, struct netrec *r), void *ctx)
{
	AUTO_FREE char *dir = xasprintf("%s/containers", env->run_dir);
	AUTO_DIR DIR *d = opendir(dir);

	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		AUTO_NETREC struct netrec r = { 0 };
		struct err err;

		if (strchr(e->d_name, '.'))
			continue; /* ".", ".." and files on their way to a name */
		if (netrec_load(env, e->d_name, &r, &err) == 0)
			each(ctx, &r);
	}
}

struct users {
	const char *network;
	struct buf names;
};

static void note_user(void *ctx, struct netrec *r)
{
	struct users *u = ctx;

	for (size_t i = 0; i < r->n_ifs; i++) {
		if (!str_eq(r->ifs[i].pub.network, u->network))
			continue;
		buf_addf(&u->names, "%s%s", u->names.len ? ", " : "", r->name[0] ? r->name : r->id);
		return;
	}
}

char *netrec_users(const struct net_env *env, const char *network)
{
	struct users u = { .network = network };

	netrec_each(env, note_user, &u);
	return u.names.len ? buf_take(&u.names) : NULL;
}
