/* SPDX-License-Identifier: Apache-2.0 */
#include "images/hash.h"
#include "images/manifest.h"
#include "images/registry_priv.h"

#include "runtime/base/json.h"

#include <errno.h>

/* One header: some registries look at the first only. */
static const char accept_manifests[] = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
				       "application/vnd.docker.distribution.manifest.list.v2+json, "
				       "application/vnd.docker.distribution.manifest.v2+json";

void registry_manifest_done(struct registry_manifest *m)
{
	free(m->text);
	free(m->content_type);
	*m = (struct registry_manifest){ 0 };
}

/* "x:tag" or "x@digest", for messages. */
static char *manifest_name(const struct registry_conn *c, const char *reference, bool digest)
{
	return xasprintf("%s/%s%c%s", c->r->ref.host, c->r->ref.path, digest ? '@' : ':', reference);
}

static void show_warning(struct registry_conn *c, const struct http_response *resp)
{
	/* 299 - "text": what the registry wants people to read */
	const char *s = resp->warning ? strchr(resp->warning, '"') : NULL;

	if (s && str_starts(resp->warning, "299") && c->r->o.note) {
		AUTO_FREE char *text = xasprintf("%s warns: %.*s", c->r->ref.host, (int)strcspn(s + 1, "\""), s + 1);

		for (char *p = text; *p; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				*p = '?';
		c->r->o.note(c->r->o.ctx, text);
	}
}

static int check_digest(const char *name, const struct digest *want, const struct http_response *resp, struct digest *ret, struct err *err)
{
	char a[DIGEST_TEXT_LEN], b[DIGEST_TEXT_LEN];
	struct digest said;

	hash_bytes(want ? want->algorithm : DIGEST_SHA256, resp->body.p ? resp->body.p : "", resp->body.len, ret);
	if (want && !digest_eq(want, ret))
		return err_set(err, EBADMSG, "%s: manifest has the digest %s", name, digest_text(ret, a));
	/* What the registry says beside it is only a second opinion. */
	if (resp->digest && digest_parse(resp->digest, &said, NULL) == 0 && said.algorithm == ret->algorithm && !digest_eq(&said, ret))
		return err_set(err, EBADMSG, "%s: manifest has the digest %s, the registry says %s", name, digest_text(ret, a),
			       digest_text(&said, b));
	return 0;
}

int registry_get_manifest(struct registry_conn *c, const char *tag, const struct digest *digest, struct registry_manifest *ret, struct err *err)
{
	static const char *const headers[] = { accept_manifests, NULL };
	AUTO_RESPONSE struct http_response resp = { 0 };
	char text[DIGEST_TEXT_LEN];
	const char *reference = digest ? digest_text(digest, text) : tag;
	AUTO_FREE char *url = registry_url(c->r, "manifests/%s", reference), *name = manifest_name(c, reference, digest != NULL);
	struct http_request q = { .method = "GET", .url = url, .headers = headers, .max_body = MANIFEST_MAX_BYTES };
	int r = registry_call(c, &q, &resp, err);

	if (r < 0)
		return r;
	if (resp.status != 200)
		return registry_refused(c, &resp, name, err);
	show_warning(c, &resp);
	r = check_digest(name, digest, &resp, &ret->digest, err);
	if (r < 0)
		return r;
	ret->n = resp.body.len;
	ret->text = buf_take(&resp.body);
	ret->content_type = TAKE_PTR(resp.content_type);
	return 0;
}

int registry_head_manifest(struct registry_conn *c, const char *tag, struct digest *ret, struct err *err)
{
	static const char *const headers[] = { accept_manifests, NULL };
	AUTO_RESPONSE struct http_response resp = { 0 };
	AUTO_FREE char *url = registry_url(c->r, "manifests/%s", tag), *name = manifest_name(c, tag, false);
	struct http_request q = { .method = "HEAD", .url = url, .headers = headers };
	struct registry_manifest m = { 0 };
	int r = registry_call(c, &q, &resp, err);

	if (r < 0)
		return r;
	if (resp.status == 200 && resp.digest && digest_parse(resp.digest, ret, NULL) == 0)
		return 0;
	if (resp.status != 200 && resp.status != 405)
		return registry_refused(c, &resp, name, err);
	/* A registry without HEAD, or one that does not name the digest. */
	r = registry_get_manifest(c, tag, NULL, &m, err);
	if (r == 0)
		*ret = m.digest;
	registry_manifest_done(&m);
	return r;
}

/* ---- blobs ---- */

struct download {
	uint64_t size, done; /* done: bytes handed on so far */
	uint64_t skip;	     /* bytes that this answer gives again */
	int (*sink)(void *ctx, const void *data, size_t n, struct err *err);
	void *ctx;
};

/* An answer to a request from done on: it starts there (206), or at 0 (200). */
static int begin(void *ctx, const struct http_response *resp, struct err *err)
{
	struct download *d = ctx;
	unsigned long long from;

	if (resp->status == 200) {
		d->skip = d->done;
		return 0;
	}
	if (!resp->range || sscanf(resp->range, "bytes %llu-", &from) != 1 || from != d->done)
		return err_set(err, EBADMSG, "registry answers with the wrong range '%.100s'", resp->range ? resp->range : "");
	d->skip = 0;
	return 0;
}

static int receive(void *ctx, const void *data, size_t n, struct err *err)
{
	struct download *d = ctx;
	size_t skip = n < d->skip ? n : (size_t)d->skip;
	int r;

	d->skip -= skip;
	n -= skip;
	if (n > d->size - d->done)
		return err_set(err, EFBIG, "registry sends more than the %llu bytes that the descriptor says", (unsigned long long)d->size);
	r = n ? d->sink(d->ctx, (const char *)data + skip, n, err) : 0;
	if (r == 0)
		d->done += n;
	return r;
}

/* One try. *ret_again: what is missing may come by another. */
static int get_once(struct registry_conn *c, const char *url, struct download *d, bool *ret_again, unsigned *pause, struct err *err)
{
	AUTO_RESPONSE struct http_response resp = { 0 };
	AUTO_FREE char *range = d->done ? xasprintf("Range: bytes=%llu-", (unsigned long long)d->done) : NULL;
	/* Without this a proxy may compress once more, and change the bytes that the digest is of. */
	const char *const headers[] = { "Accept-Encoding: identity", range, NULL };
	struct http_request q = { .method = "GET", .url = url, .headers = headers, .sink = receive, .begin = begin, .ctx = d };
	int r = registry_call_once(c, &q, &resp, ret_again, pause, err);

	if (r < 0)
		return r;
	if (resp.status != 200 && resp.status != 206)
		return registry_refused(c, &resp, "blob", err);
	if (d->done == d->size)
		return 0;
	*ret_again = true;
	return err_set(err, EBADMSG, "blob ends after %llu of %llu bytes", (unsigned long long)d->done, (unsigned long long)d->size);
}

int registry_get_blob(struct registry_conn *c, const struct digest *digest, uint64_t size,
		      int (*sink)(void *ctx, const void *data, size_t n, struct err *err), void *ctx, struct err *err)
{
	enum { PROGRESS_BYTES = 1 << 20 };
	struct download d = { .size = size, .sink = sink, .ctx = ctx };
	char text[DIGEST_TEXT_LEN];
	AUTO_FREE char *url = registry_url(c->r, "blobs/%s", digest_text(digest, text));
	uint64_t before = 0;

	for (unsigned n = 1;; n++) {
		unsigned pause;
		bool again;
		int r = get_once(c, url, &d, &again, &pause, err);

		if (r == 0)
			return 0;
		/* A connection that breaks now and then but moves on is not given up. */
		if (d.done - before >= PROGRESS_BYTES)
			n = 1;
		before = d.done;
		if (!again || n > c->r->o.retries)
			return err_wrap(err, "%s", text);
		r = registry_pause(c->r, n, pause, err->msg, err);
		if (r < 0)
			return r;
	}
}

/* ---- tags ---- */

static int add_tags(const struct http_response *resp, char ***ret, size_t *ret_n, struct err *err)
{
	struct arena arena = { 0 };
	const struct json *tags;
	struct json *root;
	int r = json_parse(&arena, "tags", resp->body.p ? resp->body.p : "", resp->body.len, &root, err);

	if (r == 0) {
		tags = json_get(root, "tags");
		for (const struct json *k = tags && tags->type == JSON_ARRAY ? tags->u.kids.first : NULL; k; k = k->next) {
			if (k->type != JSON_STRING)
				continue;
			*ret = xreallocarray(*ret, *ret_n + 1, sizeof(char *));
			(*ret)[(*ret_n)++] = xstrdup(k->u.string);
		}
	}
	arena_done(&arena);
	return r;
}

int registry_list_tags(struct registry_conn *c, char ***ret, size_t *ret_n, struct err *err)
{
	AUTO_RESPONSE struct http_response resp = { 0 };
	AUTO_FREE char *url = registry_url(c->r, "tags/list");
	struct http_request q = { .method = "GET", .url = url, .max_body = MANIFEST_MAX_BYTES };
	int r = registry_call(c, &q, &resp, err);

	*ret = NULL;
	*ret_n = 0;
	if (r < 0)
		return r;
	if (resp.status != 200)
		return registry_refused(c, &resp, "tags", err);
	return add_tags(&resp, ret, ret_n, err);
}
