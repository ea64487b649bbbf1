/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_HTTP_H
#define BRIG_IMAGES_HTTP_H

#include "runtime/base/err.h"
#include "runtime/base/str.h"

/*
 * DOC: one HTTP exchange
 *
 * A thin layer over libcurl: sends one request, gives back one response. No redirects, no credentials, no retries: those
 * are decisions, and registry.c makes them. A struct http is one connection (kept open between requests) and belongs to
 * one thread.
 */
struct http_response;

struct http_config {
	const char *user_agent;
	bool verify;		/* TLS: check the certificate and the name in it */
	const char *ca_pem;	/* further certificate authorities, or NULL; the system's stay */
	const char *cert, *key; /* files of a client certificate, or NULL */
	unsigned stall_s;	/* give up when nothing moved for so long */
	const bool *cancel;	/* another thread may set it to end the exchange; NULL: nobody does */
};

struct http_request {
	const char *method, *url;
	const char *const *headers; /* "Name: value", NULL-terminated; NULL: none */
	/* Body: bytes, or size bytes of a file from offset on. */
	const void *body;
	size_t body_n;
	int body_fd; /* used when has_file */
	bool has_file;
	uint64_t file_offset, file_size;
	void (*sent)(void *ctx, uint64_t n); /* progress of the file; may be NULL */
	/* Where the body of a 200 or 206 goes; NULL: into response.body. A negative return ends the exchange with it. */
	int (*sink)(void *ctx, const void *data, size_t n, struct err *err);
	void *ctx;
	/* Called once before the first byte of such a body: may refuse it by its headers. */
	int (*begin)(void *ctx, const struct http_response *response, struct err *err);
	size_t max_body; /* of response.body; longer is an error when the status is 2xx, cut otherwise */
};

enum { HTTP_MAX_CHALLENGES = 8 };
struct http_response {
	long status;
	char *content_type, *digest, *location, *retry_after, *warning; /* owned; NULL: not there */
	char *challenges[HTTP_MAX_CHALLENGES];				/* owned: WWW-Authenticate */
	size_t n_challenges;
	char *range; /* owned: Content-Range, or Range of an upload */
	struct buf body;
};
void http_response_done(struct http_response *r);
#define AUTO_RESPONSE CLEANUP(http_response_done)

struct http; /* opaque */
int http_new(const struct http_config *config, struct http **ret, struct err *err) MUST_CHECK;
void http_free(struct http *h); /* accepts NULL */

/* What failed when http_exchange() did. */
enum http_failure {
	HTTP_OK,
	HTTP_FAILED_SINK,    /* begin or sink said so */
	HTTP_FAILED_NAME,    /* the host's name has no address: mostly a wrong name, which no retry mends */
	HTTP_FAILED_CONNECT, /* no connection, or it was lost: worth a retry */
	HTTP_FAILED_TLS,     /* the other side does not speak TLS */
	HTTP_FAILED_OTHER,   /* certificate, bad address, too long a body: no retry helps */
};
/* 0 when there was a response, whatever its status. */
int http_exchange(struct http *h, const struct http_request *q, struct http_response *ret, enum http_failure *ret_failure,
		  struct err *err) MUST_CHECK;

/* "https://host:port/a?b" joined with "/c" or "https://x/": new string, NULL when it is no http address. */
char *http_join(const char *base, const char *location);
/* Do both have the same scheme, host and port? */
bool http_same_origin(const char *a, const char *b);
/* "a b/c" as part of an address: new string. */
char *http_escape(const char *s) __attribute__((returns_nonnull));

#endif
