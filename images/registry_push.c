/* SPDX-License-Identifier: Apache-2.0 */
#include "images/registry_priv.h"

#include <errno.h>

int registry_has_blob(struct registry_conn *c, const struct digest *d, bool *ret, struct err *err)
{
	AUTO_RESPONSE struct http_response resp = { 0 };
	char text[DIGEST_TEXT_LEN];
	AUTO_FREE char *url = registry_url(c->r, "blobs/%s", digest_text(d, text));
	struct http_request q = { .method = "HEAD", .url = url };
	int r = registry_call(c, &q, &resp, err);

	if (r < 0)
		return r;
	*ret = resp.status == 200;
	if (resp.status == 200 || resp.status == 404 || resp.status == 405)
		return 0;
	return registry_refused(c, &resp, text, err);
}

/* Where an upload goes on: Location, against the address that it came from. */
static int upload_address(const struct registry_conn *c, const struct http_response *resp, char **ret, struct err *err)
{
	char *next = resp->location ? http_join(c->r->base, resp->location) : NULL;

	if (!next) {
		err_set(err, EIO, "%s starts an upload and does not say where", c->r->ref.host);
		return -EIO;
	}
	*ret = next;
	return 0;
}

int registry_mount_blob(struct registry_conn *c, const struct digest *d, const char *from, bool *ret, char **ret_upload, struct err *err)
{
	AUTO_RESPONSE struct http_response resp = { 0 };
	char text[DIGEST_TEXT_LEN];
	AUTO_FREE char *repository = http_escape(from);
	AUTO_FREE char *url = registry_url(c->r, "blobs/uploads/?mount=%s&from=%s", digest_text(d, text), repository);
	struct http_request q = { .method = "POST", .url = url };
	int r = registry_call(c, &q, &resp, err);

	*ret_upload = NULL;
	*ret = false;
	if (r < 0)
		return r;
	if (resp.status == 202)
		return upload_address(c, &resp, ret_upload, err);
	/* Anything else: the blob is sent the long way, and if that may not be, it says so. */
	*ret = resp.status == 201;
	return 0;
}

/* ---- uploads ---- */

static int start_upload(struct registry_conn *c, char **ret, struct err *err)
{
	AUTO_RESPONSE struct http_response resp = { 0 };
	AUTO_FREE char *url = registry_url(c->r, "blobs/uploads/");
	struct http_request q = { .method = "POST", .url = url };
	int r = registry_call(c, &q, &resp, err);

	if (r < 0)
		return r;
	if (resp.status != 202)
		return registry_refused(c, &resp, "upload", err);
	return upload_address(c, &resp, ret, err);
}

struct upload {
	struct registry_conn *c;
	const struct digest *digest;
	int fd;
	uint64_t size;
	char *url; /* owned */
	void (*sent)(void *ctx, uint64_t n);
	void *ctx;
};

/* PUT of n bytes from offset on, which ends the upload. */
static int finish_upload(struct upload *u, uint64_t offset, uint64_t n, bool *ret_again, unsigned *pause, struct err *err)
{
	static const char *const headers[] = { "Content-Type: application/octet-stream", NULL };
	AUTO_RESPONSE struct http_response resp = { 0 };
	char text[DIGEST_TEXT_LEN];
	const char *at = u->url ? u->url : ""; /* always set here; the analyser loses sight of it */
	AUTO_FREE char *url = xasprintf("%s%cdigest=%s", at, strchr(at, '?') ? '&' : '?', digest_text(u->digest, text));
	struct http_request q = { .method = "PUT", .url = url, .headers = headers, .body_fd = u->fd, .has_file = n > 0, .file_offset = offset,
				  .file_size = n, .sent = u->sent, .ctx = u->ctx };
	int r = registry_call_once(u->c, &q, &resp, ret_again, pause, err);

	if (r < 0)
		return r;
	if (resp.status == 201 || resp.status == 204)
		return 0;
	return registry_refused(u->c, &resp, text, err);
}

/* PATCH of one piece; the address of the next comes back. */
static int send_chunk(struct upload *u, uint64_t offset, uint64_t n, bool *ret_again, unsigned *pause, struct err *err)
{
	AUTO_RESPONSE struct http_response resp = { 0 };
	AUTO_FREE char *range = xasprintf("Content-Range: %llu-%llu", (unsigned long long)offset, (unsigned long long)(offset + n - 1));
	const char *const headers[] = { "Content-Type: application/octet-stream", range, NULL };
	struct http_request q = { .method = "PATCH", .url = u->url, .headers = headers, .body_fd = u->fd, .has_file = true,
				  .file_offset = offset, .file_size = n, .sent = u->sent, .ctx = u->ctx };
	char *next;
	int r = registry_call_once(u->c, &q, &resp, ret_again, pause, err);

	if (r < 0)
		return r;
	if (resp.status != 202 && resp.status != 201 && resp.status != 204)
		return registry_refused(u->c, &resp, "upload", err);
	r = upload_address(u->c, &resp, &next, err);
	if (r == 0) {
		free(u->url);
		u->url = next;
	}
	return r;
}

static int send_all(struct upload *u, uint64_t chunk, bool *ret_again, unsigned *pause, struct err *err)
{
	uint64_t at = 0;
	int r = 0;

	*ret_again = false;
	*pause = 0;
	if (!u->url) {
		r = start_upload(u->c, &u->url, err);
		if (r < 0)
			return r;
	}
	while (r == 0 && chunk && at < u->size) {
		uint64_t n = u->size - at < chunk ? u->size - at : chunk;

		r = send_chunk(u, at, n, ret_again, pause, err);
		at += n;
	}
	return r == 0 ? finish_upload(u, at, u->size - at, ret_again, pause, err) : r;
}

int registry_put_blob(struct registry_conn *c, const struct digest *d, int fd, uint64_t size, const char *upload, uint64_t chunk,
		      void (*sent)(void *ctx, uint64_t n), void *ctx, struct err *err)
{
	struct upload u = { .c = c, .digest = d, .fd = fd, .size = size, .url = upload ? xstrdup(upload) : NULL, .sent = sent, .ctx = ctx };
	int r;

	for (unsigned n = 1;; n++) {
		unsigned pause;
		bool again;

		r = send_all(&u, chunk, &again, &pause, err);
		if (r == 0 || !again || n > c->r->o.retries)
			break;
		/* What a broken upload has got is not known: from the start, at a new address. */
		free(u.url);
		u.url = NULL;
		r = registry_pause(c->r, n, pause, err->msg, err);
		if (r < 0)
			break;
	}
	free(u.url);
	return r;
}

int registry_put_manifest(struct registry_conn *c, const char *reference, const char *media_type, const char *text, size_t n,
			  struct err *err)
{
	AUTO_RESPONSE struct http_response resp = { 0 };
	AUTO_FREE char *url = registry_url(c->r, "manifests/%s", reference), *type = xasprintf("Content-Type: %s", media_type);
	const char *const headers[] = { type, NULL };
	struct http_request q = { .method = "PUT", .url = url, .headers = headers, .body = text, .body_n = n };
	int r = registry_call(c, &q, &resp, err);

	if (r < 0)
		return r;
	return resp.status == 201 || resp.status == 200 || resp.status == 202 ? 0 : registry_refused(c, &resp, "manifest", err);
}
