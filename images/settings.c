/* SPDX-License-Identifier: Apache-2.0 */
#include "images/settings.h"

#include "runtime/base/fd.h"
#include "runtime/base/toml.h"

#include <errno.h>
#include <fcntl.h>

enum { SETTINGS_MAX_BYTES = 1 << 20 };

static const struct image_settings defaults = {
	.sync = true, .parallel_layers = 3, .stall_seconds = 60, .retries = 5, .retry_delay_ms = 1000,
};

enum kind { KIND_BOOL, KIND_UNSIGNED, KIND_U64 };

static const struct {
	const char *key;
	enum kind kind;
	size_t offset;
	int64_t min, max;
} rows[] = {
	{ "keep-blobs", KIND_BOOL, offsetof(struct image_settings, keep_blobs), 0, 0 },
	{ "sync", KIND_BOOL, offsetof(struct image_settings, sync), 0, 0 },
	{ "parallel-layers", KIND_UNSIGNED, offsetof(struct image_settings, parallel_layers), 1, 16 },
	{ "stall-seconds", KIND_UNSIGNED, offsetof(struct image_settings, stall_seconds), 1, 3600 },
	{ "retries", KIND_UNSIGNED, offsetof(struct image_settings, retries), 0, 100 },
	{ "retry-delay-ms", KIND_UNSIGNED, offsetof(struct image_settings, retry_delay_ms), 1, 60000 },
	{ "upload-chunk-bytes", KIND_U64, offsetof(struct image_settings, upload_chunk_bytes), 0, INT64_MAX },
};

static int read_row(const char *name, const struct json *v, size_t row, struct image_settings *ret, struct err *err)
{
	char *at = (char *)ret + rows[row].offset;
	int64_t n;
	int r;

	if (rows[row].kind == KIND_BOOL) {
		if (v->type != JSON_BOOL)
			return json_err(err, name, v, EINVAL, "must be true or false");
		*(bool *)at = v->u.boolean;
		return 0;
	}
	r = json_to_i64(v, name, rows[row].min, rows[row].max, &n, err);
	if (r < 0)
		return r;
	if (rows[row].kind == KIND_U64)
		*(uint64_t *)(void *)at = (uint64_t)n;
	else
		*(unsigned *)(void *)at = (unsigned)n;
	return 0;
}

static int read_key(const char *name, const struct json *v, struct image_settings *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_eq(rows[i].key, v->key))
			return read_row(name, v, i, ret, err);
	return json_err(err, name, v, EINVAL, "unknown setting");
}

int image_settings_parse(const char *name, const char *text, struct image_settings *ret, struct err *err)
{
	struct image_settings s = defaults;
	struct arena arena = { 0 };
	const struct json *table;
	struct json *root;
	int r = toml_parse(&arena, name, text, &root, err);

	table = r == 0 ? json_get(root, "images") : NULL;
	if (table && table->type != JSON_OBJECT)
		r = json_err(err, name, table, EINVAL, "must be a table");
	for (const struct json *k = r == 0 && table ? table->u.kids.first : NULL; r == 0 && k; k = k->next)
		r = read_key(name, k, &s, err);
	arena_done(&arena);
	if (r == 0)
		*ret = s;
	return r;
}

int image_settings_load(struct image_settings *ret, struct err *err)
{
	const char *env = getenv("BRIG_IMAGES_CONF"), *path = env && *env ? env : "/etc/brig/images.conf";
	AUTO_FREE char *text = NULL;
	int r = fd_read_file(AT_FDCWD, path, SETTINGS_MAX_BYTES, &text, NULL);

	if (r == -ENOENT && path != env) {
		*ret = defaults;
		return 0;
	}
	if (r < 0)
		return err_sys(err, r, "read '%s'", path);
	return image_settings_parse(path, text, ret, err);
}
