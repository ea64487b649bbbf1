/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_MANIFEST_H
#define BRIG_IMAGES_MANIFEST_H

#include "images/digest.h"
#include "runtime/base/json.h"

/*
 * DOC: manifests and indexes
 *
 * Readers only: a manifest is kept and sent on as the bytes that came, or its digest would change. OCI's and docker's
 * (schema 2) media types are synonyms. Unknown members are no errors.
 */
#define MANIFEST_MAX_BYTES  (4U << 20)
#define MANIFEST_MAX_LAYERS 512
#define MANIFEST_MAX_INDEX  4096

enum media_kind { MEDIA_UNKNOWN, MEDIA_INDEX, MEDIA_MANIFEST, MEDIA_CONFIG, MEDIA_LAYER };
/* Parameters behind a ';' are ignored. */
enum media_kind media_kind_of(const char *media_type);

struct descriptor {
	const char *media_type; /* never NULL */
	struct digest digest;	/* DIGEST_NONE in an index when its algorithm is not known */
	uint64_t size;
	const char *os, *architecture, *variant; /* of an index' entry; "" when not given */
	const char *ref_name;			 /* annotation org.opencontainers.image.ref.name, or NULL */
	const char *containerd_name;		 /* annotation io.containerd.image.name, or NULL */
};

struct manifest {
	struct arena arena; /* holds all strings */
	bool is_index;
	const char *media_type;	  /* "" when the document does not say */
	const char *artifact_type; /* or NULL */
	struct descriptor config; /* manifest only */
	struct descriptor *list;  /* layers, or the index' manifests */
	size_t n;
};

/* Parse a manifest or an index; name is used in messages. content_type is what the registry or the descriptor called it (NULL:
 * not known): a document that calls itself otherwise, or is both a manifest and an index, is refused. */
int manifest_parse(const char *name, const char *text, size_t n, const char *content_type, struct manifest *ret,
		   struct err *err) MUST_CHECK;
void manifest_done(struct manifest *m);
#define AUTO_MANIFEST CLEANUP(manifest_done)

/* -EINVAL with a reason when the manifest is no container image, or has layers that brig does not read. */
int manifest_check_image(const struct manifest *m, struct err *err) MUST_CHECK;

/* "os[/arch[/variant]]"; NULL: the host's. -ENOENT when the index has no such entry. */
int manifest_pick(const struct manifest *index, const char *platform, const struct descriptor **ret, struct err *err) MUST_CHECK;

/* "amd64", "arm64": the host's, as Go calls it. */
const char *manifest_host_architecture(void);

/* A descriptor of three members as a JSON object. */
void descriptor_json(struct json_writer *w, const char *media_type, const struct digest *d, uint64_t size);

#endif
