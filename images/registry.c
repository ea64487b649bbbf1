/* SPDX-License-Identifier: Apache-2.0 */
#include "images/registry_priv.h"

#include "images/registry_tls.h"
#include "runtime/base/json.h"
#include "runtime/base/log.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

enum { MAX_REDIRECTS = 10, MAX_HEADERS = 16, MAX_PAUSE_MS = 60000, PAUSE_STEP_MS = 100, ERROR_MAX_BYTES = 64 << 10 };

char *registry_url(const struct registry *r, const char *fmt, ...)
{
	struct buf b = { 0 };
	char *rest = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&rest, fmt, ap) < 0)
		rest = NULL;
	va_end(ap);
	buf_addf(&b, "%s/v2/%s%s%s", r->base, r->ref.path, *r->ref.path ? "/" : "", rest ? rest : "");
	free(rest);
	return buf_take(&b);
}

/* ---- errors ---- */

/* The first error's code and message in the body of the distribution-spec. */
static void read_errors(const struct http_response *resp, char **code, char **message)
{
	struct arena arena = { 0 };
	const struct json *list, *v;
	struct json *root;

	*code = *message = NULL;
	if (resp->body.len && json_parse(&arena, "errors", resp->body.p, resp->body.len, &root, NULL) == 0 && root->type == JSON_OBJECT) {
		list = json_get(root, "errors");
		if (list && list->type == JSON_ARRAY && list->u.kids.n && list->u.kids.first->type == JSON_OBJECT)
			root = list->u.kids.first;
		v = json_get(root, "code");
		*code = v && v->type == JSON_STRING ? xstrdup(v->u.string) : NULL;
		v = json_get(root, "message");
		if (!v || v->type != JSON_STRING)
			v = json_get(root, "details"); /* docker's token server */
		*message = v && v->type == JSON_STRING ? xstrdup(v->u.string) : NULL;
	}
	arena_done(&arena);
}

int registry_refused(struct registry_conn *c, const struct http_response *resp, const char *what, struct err *err)
{
	AUTO_FREE char *code = NULL, *message = NULL, *name = reference_repository(&c->r->ref);
	const char *why, *sep;
	int r;

	read_errors(resp, &code, &message);
	why = message ? message : code ? code : "";
	sep = *why ? ": " : "";
	switch (resp->status) {
	case 401:
		r = err_set(err, EACCES, "%s: unauthorized: access to %s needs other credentials (brig login %s)%s%s", what, name,
			    c->r->ref.host, sep, why);
		break;
	case 403:
		r = err_set(err, EACCES, "%s: access to %s denied%s%s", what, name, sep, why);
		break;
	case 404:
		r = err_set(err, ENOENT, "%s: not found in %s%s%s", what, name, sep, why);
		break;
	case 429:
		r = err_set(err, EBUSY, "%s: too many requests to %s%s%s", what, c->r->ref.host, sep, why);
		break;
	default:
		r = err_set(err, EIO, "%s: %s answers %ld%s%s", what, c->r->ref.host, resp->status, sep, why);
	}
	err_sanitize(err);
	return r;
}

/* ---- one request ---- */

static bool is_redirect(const struct http_request *q, const struct http_response *resp)
{
	bool safe = str_eq(q->method, "GET") || str_eq(q->method, "HEAD");

	return resp->location && (resp->status == 307 || resp->status == 308 ||
				  (safe && (resp->status == 301 || resp->status == 302 || resp->status == 303)));
}

static bool is_busy(long status)
{
	return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

/* Retry-After: seconds or a date. */
static unsigned retry_after_ms(const struct http_response *resp)
{
	uint64_t s;
	time_t when;

	if (!resp->retry_after)
		return 0;
	if (str_to_u64(resp->retry_after, &s) == 0)
		return s >= MAX_PAUSE_MS / 1000 ? MAX_PAUSE_MS : (unsigned)s * 1000;
	when = curl_getdate(resp->retry_after, NULL);
	if (when <= time(NULL))
		return 0;
	s = (uint64_t)(when - time(NULL));
	return s >= MAX_PAUSE_MS / 1000 ? MAX_PAUSE_MS : (unsigned)s * 1000;
}

/* The request at url, with the registry's authorization when url is the registry's. */
static int send_to(struct registry_conn *c, const struct http_request *q, const char *url, struct http_response *resp,
		   unsigned *ret_generation, enum http_failure *failure, struct err *err)
{
	const char *headers[MAX_HEADERS + 2] = { 0 };
	struct http_request copy = *q;
	AUTO_FREE char *auth = NULL;
	size_t n = 0;

	for (; q->headers && q->headers[n] && n < MAX_HEADERS; n++)
		headers[n] = q->headers[n];
	pthread_mutex_lock(&c->r->lock);
	*ret_generation = c->r->generation;
	if (c->r->authorization && http_same_origin(url, c->r->base))
		auth = xasprintf("Authorization: %s", c->r->authorization);
	pthread_mutex_unlock(&c->r->lock);
	headers[n] = auth;
	copy.headers = headers;
	copy.url = url;
	if (!copy.max_body)
		copy.max_body = ERROR_MAX_BYTES;
	return http_exchange(c->http, &copy, resp, failure, err);
}

static int follow(struct registry_conn *c, char **url, const struct http_response *resp, struct err *err)
{
	char *next = http_join(*url, resp->location);

	if (!next)
		return err_set(err, EIO, "%s redirects to a bad address", c->r->ref.host);
	if (str_starts(*url, "https://") && str_starts(next, "http://") && !c->r->trust_http) {
		free(next);
		return err_set(err, EIO, "%s redirects from https to http", c->r->ref.host);
	}
	free(*url);
	*url = next;
	return 0;
}

int registry_call_once(struct registry_conn *c, const struct http_request *q, struct http_response *resp, bool *ret_again,
		       unsigned *ret_pause_ms, struct err *err)
{
	AUTO_FREE char *url = xstrdup(q->url);
	bool answered = false;

	*ret_again = false;
	*ret_pause_ms = 0;
	for (int hops = 0; hops <= MAX_REDIRECTS;) {
		enum http_failure failure;
		unsigned generation;
		int r;

		http_response_done(resp);
		r = send_to(c, q, url, resp, &generation, &failure, err);
		if (r < 0) {
			*ret_again = failure == HTTP_FAILED_CONNECT;
			return r;
		}
		if (resp->status == 401 && !answered && http_same_origin(url, c->r->base)) {
			answered = true;
			r = registry_authorize(c, resp, generation, err);
		} else if (is_redirect(q, resp)) {
			hops++;
			r = follow(c, &url, resp, err);
		} else {
			*ret_again = is_busy(resp->status);
			*ret_pause_ms = *ret_again ? retry_after_ms(resp) : 0;
			return 0;
		}
		if (r < 0)
			return r;
	}
	return err_set(err, ELOOP, "%s: more than %d redirects", c->r->ref.host, MAX_REDIRECTS);
}

/* ---- retries ---- */

static bool is_cancelled(const struct registry *r)
{
	return r->o.cancel && __atomic_load_n(r->o.cancel, __ATOMIC_RELAXED);
}

int registry_pause(struct registry *r, unsigned n, unsigned pause_ms, const char *why, struct err *err)
{
	uint32_t random = 0;
	uint64_t ms = (uint64_t)r->o.retry_delay_ms << (n > 16 ? 16 : n - 1);

	if (ms > MAX_PAUSE_MS)
		ms = MAX_PAUSE_MS;
	/* A quarter more or less, so that many clients do not come back together. */
	if (getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random) && ms >= 4)
		ms = ms - ms / 4 + random % (ms / 2);
	if (pause_ms)
		ms = pause_ms;
	if (r->o.note) {
		AUTO_FREE char *text = xasprintf("%s; trying again in %llu.%llu s (%u of %u)", why, (unsigned long long)ms / 1000,
						 (unsigned long long)ms % 1000 / 100, n, r->o.retries);

		r->o.note(r->o.ctx, text);
	}
	while (ms && !is_cancelled(r)) {
		uint64_t step = ms < PAUSE_STEP_MS ? ms : PAUSE_STEP_MS;
		struct timespec ts = { .tv_nsec = (long)step * 1000000 };

		nanosleep(&ts, NULL);
		ms -= step;
	}
	return is_cancelled(r) ? err_set(err, ECANCELED, "cancelled") : 0;
}

int registry_call(struct registry_conn *c, const struct http_request *q, struct http_response *resp, struct err *err)
{
	for (unsigned n = 1;; n++) {
		char status[64];
		unsigned pause;
		bool again;
		int r = registry_call_once(c, q, resp, &again, &pause, err), x;

		if (!again || n > c->r->o.retries)
			return r;
		(void)snprintf(status, sizeof(status), "%s answers %ld", c->r->ref.host, resp->status);
		x = registry_pause(c->r, n, pause, r < 0 ? err->msg : status, err);
		if (x < 0)
			return x;
	}
}

/* ---- opening ---- */

static bool is_local(const char *host)
{
	size_t n = strcspn(host, ":");

	return (n == 9 && strncmp(host, "localhost", 9) == 0) || str_starts(host, "127.") || str_starts(host, "[::1]");
}

/* docker.io is a name, not a host. */
static const char *real_host(const char *host)
{
	return str_eq(host, REFERENCE_DEFAULT_HOST) ? "registry-1.docker.io" : host;
}

/* Ask for /v2/ by this scheme. *ret_status 0: no answer. */
static int probe(struct registry *r, const char *scheme, long *ret_status, enum http_failure *failure, struct err *err)
{
	AUTO_RESPONSE struct http_response resp = { 0 };
	AUTO_FREE char *url = NULL;
	struct http_request q = { .method = "GET", .max_body = ERROR_MAX_BYTES };
	AUTO_CONN struct registry_conn *c = NULL;
	int x = registry_connect(r, &c, err);

	free(r->base);
	r->base = xasprintf("%s://%s", scheme, real_host(r->ref.host));
	url = xasprintf("%s/v2/", r->base);
	q.url = url;
	*failure = HTTP_FAILED_OTHER;
	if (x == 0)
		x = http_exchange(c->http, &q, &resp, failure, err);
	*ret_status = x == 0 ? resp.status : 0;
	return x;
}

/* https if it answers, else http where that is allowed. On this machine http is asked first: whoever could listen there could do so
 * anyway, and a handshake with the certificates that it needs is dearer than a small pull. A registry answers 200 or 401, anything
 * else may be what a TLS port says to plain http. */
static int find_scheme(struct registry *r, struct err *err)
{
	enum http_failure failure;
	struct err first = { 0 };
	long status;
	int x;

	if (!r->trust_http) {
		r->base = xasprintf("https://%s", real_host(r->ref.host));
		return 0;
	}
	if (is_local(r->ref.host) && probe(r, "http", &status, &failure, &first) == 0 && (status == 200 || status == 401))
		return 0;
	first = (struct err){ 0 };
	x = probe(r, "https", &status, &failure, &first);
	if (x < 0 && (failure == HTTP_FAILED_TLS || failure == HTTP_FAILED_CONNECT)) {
		x = probe(r, "http", &status, &failure, err);
		return x;
	}
	if (x < 0)
		*err = first;
	return x;
}

int registry_open(const struct reference *ref, bool insecure, bool push, const struct registry_options *o, struct registry **ret,
		  struct err *err)
{
	AUTO_REGISTRY struct registry *r = xcalloc(1, sizeof(*r));
	int x;

	(void)curl_global_init(CURL_GLOBAL_DEFAULT); /* counts; http_new() fails when it did */
	pthread_mutex_init(&r->lock, NULL);
	r->o = *o;
	r->ref = (struct reference){ .host = xstrdup(ref->host), .path = xstrdup(ref->path) };
	r->push = push;
	r->trust_http = o->tls == REGISTRY_TLS_NO_VERIFY || (o->tls == REGISTRY_TLS_DEFAULT && (insecure || is_local(ref->host)));
	r->config = (struct http_config){ .user_agent = o->user_agent,
					  .verify = o->tls == REGISTRY_TLS_VERIFY || (o->tls == REGISTRY_TLS_DEFAULT && !insecure),
					  .stall_s = o->stall_s,
					  .cancel = o->cancel };
	x = registry_tls_files(ref->host, o->cert_dir, &r->ca_pem, &r->cert, &r->key, err);
	r->config.ca_pem = r->ca_pem;
	r->config.cert = r->cert;
	r->config.key = r->key;
	if (x == 0 && o->creds) {
		r->creds.user = o->creds->user ? xstrdup(o->creds->user) : NULL;
		r->creds.password = o->creds->password ? xstrdup(o->creds->password) : NULL;
		r->creds.identity_token = o->creds->identity_token ? xstrdup(o->creds->identity_token) : NULL;
	} else if (x == 0) {
		x = auth_find(o->authfile, ref->host, *ref->path ? ref->path : NULL, &r->creds, err);
	}
	if (x == 0)
		x = find_scheme(r, err);
	if (x < 0)
		return x;
	*ret = TAKE_PTR(r);
	return 0;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	for (struct registry_conn *c = r->idle, *next; c; c = next) {
		next = c->next;
		http_free(c->http);
		free(c);
	}
	reference_done(&r->ref);
	credentials_done(&r->creds);
	for (size_t i = 0; i < r->n_also; i++)
		free(r->also[i]);
	free(r->also);
	free(r->base);
	free(r->ca_pem);
	free(r->cert);
	free(r->key);
	free(r->authorization);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void cleanup_registry(struct registry **r)
{
	registry_free(*r);
}

void registry_also_pull(struct registry *r, const char *path)
{
	for (size_t i = 0; i < r->n_also; i++)
		if (str_eq(r->also[i], path))
			return;
	r->also = xreallocarray(r->also, r->n_also + 1, sizeof(char *));
	r->also[r->n_also++] = xstrdup(path);
}

int registry_connect(struct registry *r, struct registry_conn **ret, struct err *err)
{
	struct registry_conn *c;
	struct http *http;
	int x;

	pthread_mutex_lock(&r->lock);
	c = r->idle;
	if (c)
		r->idle = c->next;
	pthread_mutex_unlock(&r->lock);
	if (!c) {
		x = http_new(&r->config, &http, err);
		if (x < 0)
			return x;
		c = xcalloc(1, sizeof(*c));
		*c = (struct registry_conn){ .r = r, .http = http };
	}
	*ret = c;
	return 0;
}

void registry_disconnect(struct registry_conn *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->r->lock);
	c->next = c->r->idle;
	c->r->idle = c;
	pthread_mutex_unlock(&c->r->lock);
}

void cleanup_registry_conn(struct registry_conn **c)
{
	registry_disconnect(*c);
}

int registry_check_login(struct registry_conn *c, struct err *err)
{
	AUTO_RESPONSE struct http_response resp = { 0 };
	AUTO_FREE char *url = xasprintf("%s/v2/", c->r->base);
	struct http_request q = { .method = "GET", .url = url };
	int r = registry_call(c, &q, &resp, err);

	if (r < 0)
		return r;
	return resp.status == 200 ? 0 : registry_refused(c, &resp, "login", err);
}
