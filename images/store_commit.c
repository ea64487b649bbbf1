/* SPDX-License-Identifier: Apache-2.0 */
#include "images/image_config.h"
#include "images/manifest.h"
#include "images/store_priv.h"
#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t file_size(struct store *s, const char *path)
{
	struct stat st;

	return fstatat(s->root_fd, path, &st, 0) == 0 ? (uint64_t)st.st_size : 0;
}

int store_load_image(struct store *s, const struct digest *manifest, struct manifest *ret_manifest, struct image_config *ret_config,
		     struct err *err)
{
	AUTO_FREE char *text = NULL, *config_text = NULL;
	char name[DIGEST_TEXT_LEN];
	struct manifest m;
	size_t n;
	int r = store_read_blob(s, manifest, MANIFEST_MAX_BYTES, &text, &n, err);

	if (r < 0)
		return r;
	r = manifest_parse(digest_text(manifest, name), text, n, NULL, &m, err);
	if (r < 0)
		return r;
	r = manifest_check_image(&m, err);
	if (r == 0)
		r = store_read_blob(s, &m.config.digest, IMAGE_CONFIG_MAX_BYTES, &config_text, &n, err);
	if (r == 0)
		r = image_config_parse(digest_text(&m.config.digest, name), config_text, n, ret_config, err);
	if (r < 0) {
		manifest_done(&m);
		return r;
	}
	*ret_manifest = m;
	return 0;
}

static int check_layers(struct store *s, const struct manifest *m, const struct image_config *c, uint64_t *ret_bytes, struct err *err)
{
	char text[DIGEST_TEXT_LEN];
	uint64_t sum = 0;

	if (m->n != c->n_diff_ids)
		return err_set(err, EINVAL, "manifest has %zu layers, its config has %zu diff_ids", m->n, c->n_diff_ids);
	for (size_t i = 0; i < c->n_diff_ids; i++) {
		AUTO_FREE char *data = store_layer_path(&c->diff_ids[i], ".data"), *entries = NULL;

		if (!store_has_layer(s, &c->diff_ids[i]))
			return err_set(err, ENOENT, "layer %zu (%s) is not in the image store", i + 1, digest_text(&c->diff_ids[i], text));
		entries = store_layer_path(&c->diff_ids[i], ".entries");
		sum += file_size(s, data) + file_size(s, entries);
	}
	*ret_bytes = sum;
	return 0;
}

/* Manifest and config were stored without a sync (store_put_blob): they come before what refers to them. */
static int add_blobs(struct store_batch *b, const struct digest *manifest, const struct digest *config, struct err *err)
{
	AUTO_FREE char *m = store_blob_path(manifest), *c = store_blob_path(config);
	int r = store_batch_settle(b, m);

	if (r == 0)
		r = store_batch_settle(b, c);
	return r < 0 ? err_sys(err, r, "open manifest and config in '%s'", b->s->root) : 0;
}

int store_commit_image(struct store *s, const struct digest *manifest, const char *const *names, size_t n_names,
		       struct store_image *ret, struct err *err)
{
	struct store_image image = { .manifest = *manifest, .stored_s = time(NULL) };
	AUTO_IMAGE_CONFIG struct image_config c = { 0 };
	AUTO_MANIFEST struct manifest m = { 0 };
	AUTO_BATCH struct store_batch b = { .s = s };
	uint64_t chain_bytes = 0;
	int r = store_load_image(s, manifest, &m, &c, err);

	if (r == 0)
		r = check_layers(s, &m, &c, &image.size, err);
	if (r == 0)
		r = add_blobs(&b, manifest, &m.config.digest, err);
	if (r == 0)
		r = store_add_chain(&b, c.diff_ids, c.n_diff_ids, &image.chain, &chain_bytes, err);
	if (r < 0)
		return r;
	image.config = m.config.digest;
	image.size += m.config.size + chain_bytes;
	r = store_add_record(&b, &image);
	if (r < 0)
		return err_sys(err, r, "write image record to '%s'", s->root);
	for (size_t i = 0; r == 0 && i < n_names; i++)
		r = store_add_name(&b, names[i], manifest, err);
	if (r < 0)
		return r;
	r = store_batch_commit(&b);
	if (r < 0)
		return err_sys(err, r, "write image to '%s'", s->root);
	if (ret)
		*ret = image;
	return 0;
}
