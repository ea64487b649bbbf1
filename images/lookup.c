/* SPDX-License-Identifier: Apache-2.0 */
#include "images/lookup.h"

#include "images/registries.h"

#include <ctype.h>
#include <errno.h>

bool lookup_is_digest_name(const char *name)
{
	return strchr(name, '@') != NULL;
}

/* With a digest: an image that was pulled by it, or whose manifest it is and that has a name in the repository. */
static int by_digest(struct store *s, const struct reference *ref, const char *text, struct store_image *ret, struct err *err)
{
	AUTO_FREE char *repository = reference_repository(ref);
	char digest[DIGEST_TEXT_LEN];
	size_t n = strlen(repository);
	int r = store_resolve(s, text, ret, err);

	if (r != -ENOENT)
		return r;
	r = store_resolve(s, digest_text(&ref->digest, digest), ret, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ret->n_names; i++)
		if (strncmp(ret->names[i], repository, n) == 0 && (ret->names[i][n] == ':' || ret->names[i][n] == '@'))
			return 0;
	store_image_done(ret);
	return -ENOENT;
}

static int try_name(struct store *s, const struct reference *ref, const char *host, struct store_image *ret, char **ret_name, struct err *err)
{
	AUTO_REFERENCE struct reference full = { 0 };
	AUTO_FREE char *text = NULL;
	int r;

	reference_qualify(ref, host, &full);
	text = reference_text(&full);
	r = digest_is_set(&full.digest) ? by_digest(s, &full, text, ret, err) : store_resolve(s, text, ret, err);
	if (r == 0 && ret_name)
		*ret_name = TAKE_PTR(text);
	return r;
}

static int try_candidates(struct store *s, const struct reference *ref, struct store_image *ret, char **ret_name, struct err *err)
{
	AUTO_REGISTRIES struct registries conf = { 0 };
	struct reference *list;
	size_t n;
	int r = registries_load(&conf, err);

	if (r < 0)
		return r;
	registries_candidates(&conf, ref, &list, &n);
	r = -ENOENT;
	for (size_t i = 0; i < n; i++) {
		if (r == -ENOENT)
			r = try_name(s, &list[i], REFERENCE_DEFAULT_HOST, ret, ret_name, err);
		reference_done(&list[i]);
	}
	free(list);
	return r == -ENOENT ? try_name(s, ref, REFERENCE_DEFAULT_HOST, ret, ret_name, err) : r;
}

static bool may_be_id(const char *text)
{
	if (str_starts(text, "sha256:") || str_starts(text, "sha512:"))
		return true;
	for (const char *p = text; *p; p++)
		if (!isxdigit((unsigned char)*p) || isupper((unsigned char)*p))
			return false;
	return strlen(text) >= 3;
}

int lookup_image(struct store *s, const char *text, struct store_image *ret, char **ret_name, struct err *err)
{
	AUTO_REFERENCE struct reference ref = { 0 };
	struct err bad = { 0 };
	int r = reference_parse(text, &ref, &bad);

	if (ret_name)
		*ret_name = NULL;
	if (r < 0 && !may_be_id(text)) {
		*err = bad;
		return r;
	}
	r = r < 0 ? -ENOENT : try_name(s, &ref, REFERENCE_LOCAL_HOST, ret, ret_name, err);
	if (r == -ENOENT && ref.path && !ref.host)
		r = try_candidates(s, &ref, ret, ret_name, err);
	if (r == -ENOENT && may_be_id(text))
		r = store_resolve(s, text, ret, err);
	return r == -ENOENT ? err_set(err, ENOENT, "%s: image not known", text) : r;
}
