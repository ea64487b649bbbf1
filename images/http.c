/* SPDX-License-Identifier: Apache-2.0 */
#include "images/http.h"

#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#include <ctype.h>
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <strings.h>
#include <unistd.h>

enum { CONNECT_TIMEOUT_S = 30, RECEIVE_BUFFER = 256 << 10, SEND_BUFFER = 256 << 10 };

struct http {
	CURL *curl;
	char error[CURL_ERROR_SIZE];
	const bool *cancel;
	bool by_folder; /* certificates come from the system's folder alone so far */
};

/* One exchange, as the callbacks see it. */
struct exchange {
	struct http *h;
	const struct http_request *q;
	struct http_response *r;
	uint64_t sent;
	bool begun, sink_failed, too_long;
	int result;
	struct err *err;
};

void http_response_done(struct http_response *r)
{
	free(r->content_type);
	free(r->digest);
	free(r->location);
	free(r->retry_after);
	free(r->warning);
	free(r->range);
	for (size_t i = 0; i < r->n_challenges; i++)
		free(r->challenges[i]);
	buf_done(&r->body);
	*r = (struct http_response){ 0 };
}

/* ---- callbacks ---- */

static void keep(char **where, const char *value)
{
	free(*where);
	*where = xstrdup(value);
}

static void read_header(struct http_response *r, const char *name, const char *value)
{
	if (strcasecmp(name, "content-type") == 0)
		keep(&r->content_type, value);
	else if (strcasecmp(name, "docker-content-digest") == 0)
		keep(&r->digest, value);
	else if (strcasecmp(name, "location") == 0)
		keep(&r->location, value);
	else if (strcasecmp(name, "retry-after") == 0)
		keep(&r->retry_after, value);
	else if (strcasecmp(name, "warning") == 0)
		keep(&r->warning, value);
	else if (strcasecmp(name, "content-range") == 0 || strcasecmp(name, "range") == 0)
		keep(&r->range, value);
	else if (strcasecmp(name, "www-authenticate") == 0 && r->n_challenges < HTTP_MAX_CHALLENGES)
		r->challenges[r->n_challenges++] = xstrdup(value);
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	AUTO_FREE char *line = xstrndup(data, size * n);
	char *colon = strchr(line, ':'), *end = line + strlen(line);

	while (end > line && isspace((unsigned char)end[-1]))
		*--end = '\0';
	/* A new status line: what came before was a 100 or a proxy's answer. */
	if (str_starts(line, "HTTP/")) {
		http_response_done(x->r);
		return size * n;
	}
	if (colon) {
		*colon++ = '\0';
		read_header(x->r, line, colon + strspn(colon, " \t"));
	}
	return size * n;
}

static bool is_good(long status)
{
	return status >= 200 && status < 300;
}

/* Returns false when the exchange has to end. */
static bool to_sink(struct exchange *x, const char *data, size_t n)
{
	if (!x->begun && x->q->begin)
		x->result = x->q->begin(x->q->ctx, x->r, x->err);
	x->begun = true;
	if (x->result >= 0)
		x->result = x->q->sink(x->q->ctx, data, n, x->err);
	x->sink_failed = x->result < 0;
	return !x->sink_failed;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	size_t bytes = size * n, room;

	curl_easy_getinfo(x->h->curl, CURLINFO_RESPONSE_CODE, &x->r->status);
	if (x->q->sink && (x->r->status == 200 || x->r->status == 206))
		return to_sink(x, data, bytes) ? bytes : 0;
	room = x->q->max_body > x->r->body.len ? x->q->max_body - x->r->body.len : 0;
	if (bytes > room && is_good(x->r->status)) {
		x->too_long = true;
		return 0;
	}
	buf_add_n(&x->r->body, data, bytes < room ? bytes : room);
	return bytes;
}

static size_t on_send(char *data, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	uint64_t left = x->q->file_size - x->sent;
	size_t want = size * n < left ? size * n : (size_t)left;
	ssize_t got = want ? pread(x->q->body_fd, data, want, (off_t)(x->q->file_offset + x->sent)) : 0;

	if (got < 0)
		return CURL_READFUNC_ABORT;
	x->sent += (uint64_t)got;
	if (got > 0 && x->q->sent)
		x->q->sent(x->q->ctx, (uint64_t)got);
	return (size_t)got;
}

static int on_progress(void *ctx, curl_off_t a UNUSED, curl_off_t b UNUSED, curl_off_t c UNUSED, curl_off_t d UNUSED)
{
	const struct http *h = ctx;

	return h->cancel && __atomic_load_n(h->cancel, __ATOMIC_RELAXED);
}

/* --debug shows the headers, never what gives access. */
static int on_debug(CURL *curl UNUSED, curl_infotype type, char *data, size_t n, void *ctx UNUSED)
{
	static const char *const secrets[] = { "authorization:", "set-cookie:", "www-authenticate-token:" };
	AUTO_FREE char *text = NULL;
	char *save = NULL;

	if (type != CURLINFO_HEADER_IN && type != CURLINFO_HEADER_OUT)
		return 0;
	text = xstrndup(data, n);
	for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		bool secret = false;

		for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
			secret |= strncasecmp(line, secrets[i], strlen(secrets[i])) == 0;
		log_debug("http %s %.*s%s", type == CURLINFO_HEADER_IN ? "<" : ">", secret ? (int)strcspn(line, ":") + 1 : 1000, line,
			  secret ? " (hidden)" : "");
	}
	return 0;
}

/* ---- set-up ---- */

/* Has the folder of the system's authorities its files by hash, as OpenSSL looks for them? */
static bool has_hashed_folder(void)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
	AUTO_DIR DIR *dir = v->age >= CURLVERSION_SEVENTH && v->capath ? opendir(v->capath) : NULL;
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (strlen(d->d_name) == 10 && strspn(d->d_name, "0123456789abcdef") == 8 && str_eq(d->d_name + 8, ".0"))
			return true;
	return false;
}

/* The bundle is some hundred certificates, which OpenSSL parses anew for each connection: 40 ms. The folder has the same, and only what is
 * needed is read. Where somebody changed the bundle alone, http_exchange() comes back to it. */
static void set_tls(struct http *h, const struct http_config *c)
{
	if (!c->verify) {
		curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYHOST, 0L);
		curl_easy_setopt(h->curl, CURLOPT_CAINFO, NULL);
		curl_easy_setopt(h->curl, CURLOPT_CAPATH, NULL);
	} else if (!c->ca_pem && has_hashed_folder()) {
		curl_easy_setopt(h->curl, CURLOPT_CAINFO, NULL);
		h->by_folder = true;
	}
	if (c->ca_pem) {
		/* The blob takes the place of the system's bundle; its folder is read beside it. */
		char *pem = NULL;
		struct curl_blob blob = { .len = strlen(c->ca_pem), .flags = CURL_BLOB_COPY };

		memcpy(&pem, &c->ca_pem, sizeof(pem));
		blob.data = pem;
		curl_easy_setopt(h->curl, CURLOPT_CAINFO_BLOB, &blob);
		curl_easy_setopt(h->curl, CURLOPT_CAPATH, "/etc/ssl/certs");
	}
	if (c->cert) {
		curl_easy_setopt(h->curl, CURLOPT_SSLCERT, c->cert);
		curl_easy_setopt(h->curl, CURLOPT_SSLKEY, c->key);
	}
}

int http_new(const struct http_config *c, struct http **ret, struct err *err)
{
	struct http *h = xcalloc(1, sizeof(*h));

	h->curl = curl_easy_init();
	if (!h->curl) {
		free(h);
		return err_set(err, ENOMEM, "libcurl does not start");
	}
	h->cancel = c->cancel;
	curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	/* One stream a connection: HTTP/2 would only add copies and windows. */
	curl_easy_setopt(h->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h->curl, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
	curl_easy_setopt(h->curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BUFFER);
	curl_easy_setopt(h->curl, CURLOPT_USERAGENT, c->user_agent ? c->user_agent : "brig");
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, (long)(c->stall_s ? c->stall_s : 60));
	curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h->curl, CURLOPT_READFUNCTION, on_send);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, h);
	curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
	if (log_get_level() >= LOG_LEVEL_DEBUG) {
		curl_easy_setopt(h->curl, CURLOPT_DEBUGFUNCTION, on_debug);
		curl_easy_setopt(h->curl, CURLOPT_VERBOSE, 1L);
	}
	set_tls(h, c);
	*ret = h;
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h);
}

/* ---- the exchange ---- */

static void set_body(struct http *h, const struct http_request *q)
{
	bool head = str_eq(q->method, "HEAD");

	curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L); /* undoes what an earlier request set */
	curl_easy_setopt(h->curl, CURLOPT_NOBODY, head ? 1L : 0L);
	if (q->has_file) {
		curl_easy_setopt(h->curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->file_size);
	} else if (q->body || str_eq(q->method, "POST") || str_eq(q->method, "PUT")) {
		curl_easy_setopt(h->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_n);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, q->body ? q->body : "");
	}
	curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, head ? NULL : q->method);
}

static enum http_failure failure_of(CURLcode code)
{
	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return HTTP_FAILED_NAME;
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return HTTP_FAILED_CONNECT;
	case CURLE_SSL_CONNECT_ERROR:
		return HTTP_FAILED_TLS;
	default:
		return HTTP_FAILED_OTHER;
	}
}

static int fail(struct exchange *x, CURLcode code, enum http_failure *ret)
{
	const char *text = *x->h->error ? x->h->error : curl_easy_strerror(code);

	*ret = failure_of(code);
	if (x->sink_failed) {
		*ret = HTTP_FAILED_SINK;
		return x->result;
	}
	if (code == CURLE_ABORTED_BY_CALLBACK) {
		*ret = HTTP_FAILED_OTHER;
		return err_set(x->err, ECANCELED, "cancelled");
	}
	if (x->too_long)
		return err_set(x->err, EFBIG, "%s: answer is longer than %zu bytes", x->q->url, x->q->max_body);
	/* Addresses of storage services carry signatures behind the '?'. */
	return err_set(x->err, code == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : EIO, "%s %.*s: %s", x->q->method,
		       (int)strcspn(x->q->url, "?"), x->q->url, text);
}

int http_exchange(struct http *h, const struct http_request *q, struct http_response *ret, enum http_failure *ret_failure, struct err *err)
{
	struct exchange x = { .h = h, .q = q, .r = ret, .err = err };
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	CURLcode code;

	for (const char *const *s = q->headers; s && *s; s++)
		headers = curl_slist_append(headers, *s);
	h->error[0] = '\0';
	set_body(h, q);
	curl_easy_setopt(h->curl, CURLOPT_URL, q->url);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, &x);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &x);
	curl_easy_setopt(h->curl, CURLOPT_READDATA, &x);
	code = curl_easy_perform(h->curl);
	if (code == CURLE_PEER_FAILED_VERIFICATION && h->by_folder) {
		h->by_folder = false;
		curl_easy_setopt(h->curl, CURLOPT_CAINFO, curl_version_info(CURLVERSION_NOW)->cainfo);
		code = curl_easy_perform(h->curl);
	}
	curl_slist_free_all(headers);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &ret->status);
	*ret_failure = HTTP_OK;
	if (code != CURLE_OK)
		return fail(&x, code, ret_failure);
	/* An empty body is a body, too. */
	if (q->sink && !x.begun && ret->status == 200 && !to_sink(&x, "", 0)) {
		*ret_failure = HTTP_FAILED_SINK;
		return x.result;
	}
	return 0;
}

/* ---- addresses ---- */

char *http_join(const char *base, const char *location)
{
	CURLU *u = curl_url();
	char *text = NULL, *ret = NULL;

	if (u && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK && curl_url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK && (str_starts(text, "http://") || str_starts(text, "https://")))
		ret = xstrdup(text);
	curl_free(text);
	curl_url_cleanup(u);
	return ret;
}

/* "scheme://host:port" in lower case; NULL when it is no address. */
static char *origin(const char *url)
{
	char *scheme = NULL, *host = NULL, *port = NULL, *ret = NULL;
	CURLU *u = curl_url();

	if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
		ret = xasprintf("%s://%s:%s", scheme, host, port);
	for (char *s = ret; s && *s; s++)
		*s = (char)tolower((unsigned char)*s);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return ret;
}

bool http_same_origin(const char *a, const char *b)
{
	AUTO_FREE char *x = origin(a), *y = origin(b);

	return x && str_eq(x, y);
}

char *http_escape(const char *s)
{
	char *text = curl_easy_escape(NULL, s, 0), *ret = xstrdup(text ? text : "");

	curl_free(text);
	return ret;
}
