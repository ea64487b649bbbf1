/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_REGISTRY_PRIV_H
#define BRIG_IMAGES_REGISTRY_PRIV_H

#include "images/http.h"
#include "images/registry.h"
#include "runtime/base/mem.h"

#include <pthread.h>

/* What the files of the registry client share. */

struct registry {
	struct registry_options o;
	struct reference ref;	  /* host and path only */
	char *base;		  /* "https://host:port", owned */
	struct http_config config; /* its strings belong to the next two */
	char *ca_pem, *cert, *key;
	bool push, trust_http; /* trust_http: plain http was asked for */
	struct credentials creds;
	char **also; /* owned: repositories to mount from */
	size_t n_also;

	pthread_mutex_t lock; /* of the rest */
	char *authorization;  /* owned; "Basic ..." or "Bearer ..."; NULL: none yet */
	unsigned generation;  /* counts changes of it */
	struct registry_conn *idle; /* owned: connections that nobody uses at the moment, still open */
};

struct registry_conn {
	struct registry *r; /* borrowed */
	struct http *http;
	struct registry_conn *next; /* of the idle ones */
};

/* A challenge: WWW-Authenticate's parts; strings are owned. */
struct challenge {
	bool basic, bearer;
	char *realm, *service, *scope, *error;
};
/* The best of a response's challenges: Bearer before Basic. -EACCES when none is known. */
int challenge_parse(char *const *headers, size_t n, struct challenge *ret, struct err *err) MUST_CHECK;
void challenge_done(struct challenge *c);
#define AUTO_CHALLENGE CLEANUP(challenge_done)

/* Answer a 401 that came to a request sent with the given generation of authorization. -EACCES when it cannot be. */
int registry_authorize(struct registry_conn *c, const struct http_response *response, unsigned generation, struct err *err) MUST_CHECK;

/* One request with authorization and redirects, no retries. *ret_again: another try may help; the pause that the server asks for, or
 * 0, goes to *ret_pause_ms. 0 when there was a response, whatever its status. */
int registry_call_once(struct registry_conn *c, const struct http_request *q, struct http_response *ret, bool *ret_again,
		       unsigned *ret_pause_ms, struct err *err) MUST_CHECK;
/* The same with retries: a response that comes back needs none. */
int registry_call(struct registry_conn *c, const struct http_request *q, struct http_response *ret, struct err *err) MUST_CHECK;
/* Wait before try number n (from 1 on); -ECANCELED. why is told to the user. */
int registry_pause(struct registry *r, unsigned n, unsigned pause_ms, const char *why, struct err *err) MUST_CHECK;

/* An error of a response's status: what is "manifest of x", say. */
int registry_refused(struct registry_conn *c, const struct http_response *response, const char *what, struct err *err);

/* "BASE/v2/PATH/" + fmt, new string. */
char *registry_url(const struct registry *r, const char *fmt, ...) PRINTF_LIKE(2, 3) __attribute__((returns_nonnull));

#endif
