/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_REFERENCE_H
#define BRIG_IMAGES_REFERENCE_H

#include "images/digest.h"

/*
 * DOC: references
 *
 *   [HOST[:PORT]/]PATH[:TAG][@DIGEST]
 *
 * The first component is a host when it has a '.' or ':' or an upper-case letter, or is "localhost"; without one the name is
 * short, and images/registries.h says which hosts it may mean. "docker.io/x" is "docker.io/library/x". With a tag and a
 * digest the digest decides, and the tag is only remembered.
 */
#define REFERENCE_DEFAULT_TAG  "latest"
#define REFERENCE_DEFAULT_HOST "docker.io"
#define REFERENCE_LOCAL_HOST   "localhost"

struct reference {
	char *host;	      /* owned; NULL: a short name */
	char *path;	      /* owned; "library/debian" */
	char *tag;	      /* owned; NULL: none given */
	struct digest digest; /* DIGEST_NONE: none given */
};
void reference_done(struct reference *r);
#define AUTO_REFERENCE CLEANUP(reference_done)

/* -EINVAL names what is wrong. */
int reference_parse(const char *text, struct reference *ret, struct err *err) MUST_CHECK;
/* The same name with host put before a short one ("library/" where docker.io needs it), and the default tag when it has neither tag
 * nor digest. */
void reference_qualify(const struct reference *r, const char *host, struct reference *ret);
void reference_copy(const struct reference *r, struct reference *ret);

/* "HOST/PATH", "HOST/PATH:TAG", "HOST/PATH@DIGEST" (the digest wins). New strings. */
char *reference_repository(const struct reference *r) __attribute__((returns_nonnull));
char *reference_text(const struct reference *r) __attribute__((returns_nonnull));

/* The name under which an image is stored that was not pulled: a short name is of the host localhost. New string in *ret. */
int reference_local_name(const char *text, char **ret, struct err *err) MUST_CHECK;

/* Where an image comes from or goes to: the prefix of podman's and skopeo's image names. */
enum transport {
	TRANSPORT_NONE,		  /* no prefix: a reference */
	TRANSPORT_REGISTRY,	  /* docker://REFERENCE */
	TRANSPORT_OCI,		  /* oci:DIRECTORY[:NAME] */
	TRANSPORT_OCI_ARCHIVE,	  /* oci-archive:FILE[:NAME] */
	TRANSPORT_DOCKER_ARCHIVE, /* docker-archive:FILE[:NAME] */
	TRANSPORT_DIR,		  /* dir:DIRECTORY */
};
struct location {
	enum transport transport;
	char *path; /* owned: the reference's text, or the file or directory */
	char *name; /* owned; NULL: none given */
};
void location_done(struct location *l);
#define AUTO_LOCATION CLEANUP(location_done)
/* -ENOTSUP for a transport that is known elsewhere but not here. */
int location_parse(const char *text, struct location *ret, struct err *err) MUST_CHECK;

#endif
