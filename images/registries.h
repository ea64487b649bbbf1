/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_REGISTRIES_H
#define BRIG_IMAGES_REGISTRIES_H

#include "images/reference.h"
#include "runtime/base/json.h"

/*
 * DOC: registries.conf
 *
 * containers-registries.conf(5), version 2, as podman and skopeo read it: $CONTAINERS_REGISTRIES_CONF, else the user's
 * ~/.config/containers/registries.conf, else /etc/containers/registries.conf; then the files of registries.conf.d beside
 * each of the last two, in the order of their names, later ones over earlier ones. Also the short-name cache that podman
 * writes. Without unqualified-search-registries a short name is docker.io's.
 */
enum mirror_use { MIRROR_ALL, MIRROR_DIGEST_ONLY, MIRROR_TAG_ONLY };

struct registry_mirror {
	const char *location;
	bool insecure;
	enum mirror_use use;
};

struct registry_rule {
	const char *prefix, *location; /* location "": the same as the prefix */
	bool insecure, blocked, mirror_by_digest_only;
	struct registry_mirror *mirrors;
	size_t n_mirrors;
};

struct registry_alias {
	const char *name, *value; /* value "": taken back */
};

struct registries {
	struct arena arena; /* holds everything */
	const char **search;
	size_t n_search;
	struct registry_rule *rules; /* owned */
	size_t n_rules;
	struct registry_alias *aliases; /* owned */
	size_t n_aliases;
};

int registries_load(struct registries *ret, struct err *err) MUST_CHECK;
void registries_done(struct registries *r);
#define AUTO_REGISTRIES CLEANUP(registries_done)

/* Add one file's text, for registries_load() and tests. */
int registries_add(struct registries *r, const char *name, const char *text, struct err *err) MUST_CHECK;

/* The rule with the longest prefix of the reference ("*.example.com" matches subdomains), or NULL. */
const struct registry_rule *registries_find(const struct registries *r, const struct reference *ref);

/* What a reference may mean, best first: itself when it is qualified; else its alias alone, or each search registry. The caller frees
 * each (reference_done) and the array. */
void registries_candidates(const struct registries *r, const struct reference *ref, struct reference **ret, size_t *ret_n);

/* One place to pull ref from: location replaces the rule's prefix. */
struct registry_source {
	struct reference ref; /* with the real host */
	bool insecure, is_mirror;
};
/* Mirrors first, in their order, then the place itself. -EPERM when it is blocked. The caller frees as above. */
int registries_sources(const struct registries *r, const struct reference *ref, struct registry_source **ret, size_t *ret_n,
		       struct err *err) MUST_CHECK;
void registry_sources_done(struct registry_source *list, size_t n);

#endif
