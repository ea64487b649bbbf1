/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_REGISTRY_H
#define BRIG_IMAGES_REGISTRY_H

#include "images/auth.h"
#include "images/reference.h"

/*
 * DOC: a registry
 *
 * The client's half of the distribution-spec, for one repository of one registry. What holds everywhere:
 *   - a 401 is answered once, by Basic or by a token from the realm that the challenge names; a second 401 is an error;
 *   - redirects are followed by hand: Authorization goes to the registry's own origin only, and never from https to http;
 *   - 408, 429, 5xx and lost connections are tried again, with growing pauses and Retry-After; a blob goes on where it stopped;
 *   - what has a digest is checked against it, and no answer is longer than what was announced.
 * A struct registry is shared by threads; a struct registry_conn is one thread's connection.
 */
enum registry_tls {
	REGISTRY_TLS_DEFAULT,	/* https; where registries.conf says insecure, http when https does not answer; on localhost what answers */
	REGISTRY_TLS_VERIFY,	/* https only */
	REGISTRY_TLS_NO_VERIFY, /* https without looking at the certificate, else http */
};

struct registry_options {
	const char *authfile, *cert_dir, *user_agent; /* NULL: default */
	const struct credentials *creds;	      /* given by hand; NULL: looked for in files */
	enum registry_tls tls;
	unsigned retries;	 /* how often something is tried again; REGISTRY_RETRIES */
	unsigned retry_delay_ms; /* the first pause; it doubles up to a minute */
	unsigned stall_s;
	const bool *cancel; /* see struct http_config */
	/* A line for the user: a retry, a registry's warning. May be NULL; called from any thread. */
	void (*note)(void *ctx, const char *text);
	void *ctx;
};
enum { REGISTRY_RETRIES = 5, REGISTRY_RETRY_DELAY_MS = 1000 };

struct registry; /* opaque */
/* ref's host and path; insecure: as registries.conf says. push asks for that right, too. Finds out the scheme where it is open. */
int registry_open(const struct reference *ref, bool insecure, bool push, const struct registry_options *o, struct registry **ret,
		  struct err *err) MUST_CHECK;
void registry_free(struct registry *r); /* accepts NULL */
void cleanup_registry(struct registry **r);
#define AUTO_REGISTRY CLEANUP(cleanup_registry)
/* Another repository of the same registry that blobs may be mounted from: tokens will be good for it, too. */
void registry_also_pull(struct registry *r, const char *path);

struct registry_conn; /* opaque */
/* One that was disconnected is taken again, open as it is: a handshake less. The registry has to outlive its connections. */
int registry_connect(struct registry *r, struct registry_conn **ret, struct err *err) MUST_CHECK;
void registry_disconnect(struct registry_conn *c); /* accepts NULL */
void cleanup_registry_conn(struct registry_conn **c);
#define AUTO_CONN CLEANUP(cleanup_registry_conn)

/* ---- pull ---- */

struct registry_manifest {
	char *text; /* owned */
	size_t n;
	char *content_type; /* owned; NULL: not said */
	struct digest digest; /* of the text, in the algorithm asked for */
};
void registry_manifest_done(struct registry_manifest *m);
/* By tag or by digest (which is checked). -ENOENT, -EACCES. */
int registry_get_manifest(struct registry_conn *c, const char *tag, const struct digest *digest, struct registry_manifest *ret,
			  struct err *err) MUST_CHECK;
/* Only the digest of what a tag is now, without loading it. */
int registry_head_manifest(struct registry_conn *c, const char *tag, struct digest *ret, struct err *err) MUST_CHECK;

/* A blob's size bytes into sink, in pieces; the caller checks the digest. More bytes than size are never given. */
int registry_get_blob(struct registry_conn *c, const struct digest *d, uint64_t size,
		      int (*sink)(void *ctx, const void *data, size_t n, struct err *err), void *ctx, struct err *err) MUST_CHECK;

/* ---- push ---- */

int registry_has_blob(struct registry_conn *c, const struct digest *d, bool *ret, struct err *err) MUST_CHECK;
/* Take a blob over from another repository (registry_also_pull). *ret false: it has to be sent; then *ret_upload (new string, or NULL)
 * is a started upload. */
int registry_mount_blob(struct registry_conn *c, const struct digest *d, const char *from, bool *ret, char **ret_upload,
			struct err *err) MUST_CHECK;
/* Send size bytes of fd. upload: from registry_mount_blob(), or NULL. chunk 0: in one piece. */
int registry_put_blob(struct registry_conn *c, const struct digest *d, int fd, uint64_t size, const char *upload, uint64_t chunk,
		      void (*sent)(void *ctx, uint64_t n), void *ctx, struct err *err) MUST_CHECK;
/* reference: a tag or a digest's text. */
int registry_put_manifest(struct registry_conn *c, const char *reference, const char *media_type, const char *text, size_t n,
			  struct err *err) MUST_CHECK;

/* ---- others ---- */

/* Do the credentials open the registry? For login. -EACCES. */
int registry_check_login(struct registry_conn *c, struct err *err) MUST_CHECK;
/* All tags of the repository; the caller frees each and the array. */
int registry_list_tags(struct registry_conn *c, char ***ret, size_t *ret_n, struct err *err) MUST_CHECK;

#endif
