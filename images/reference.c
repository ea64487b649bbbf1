/* SPDX-License-Identifier: Apache-2.0 */
#include "images/reference.h"

#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <ctype.h>
#include <errno.h>

enum { NAME_MAX_BYTES = 255, TAG_MAX_BYTES = 128 };

void reference_done(struct reference *r)
{
	free(r->host);
	free(r->path);
	free(r->tag);
	*r = (struct reference){ 0 };
}

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One component of a path: runs of [a-z0-9] joined by one '.', one or two '_', or any number of '-'. */
static bool is_component(const char *s, size_t n)
{
	size_t i = 0;

	if (!n || !is_lower_or_digit(s[0]) || !is_lower_or_digit(s[n - 1]))
		return false;
	while (i < n) {
		size_t run = 0;
		char c = s[i];

		if (is_lower_or_digit(c)) {
			i++;
			continue;
		}
		if (c != '.' && c != '_' && c != '-')
			return false;
		while (i < n && s[i] == c) {
			run++;
			i++;
		}
		if (!is_lower_or_digit(s[i]) || (c == '.' && run > 1) || (c == '_' && run > 2))
			return false;
	}
	return true;
}

static bool is_path(const char *s)
{
	for (;;) {
		size_t n = strcspn(s, "/");

		if (!is_component(s, n))
			return false;
		if (!s[n])
			return true;
		s += n + 1;
	}
}

/* A host is letters, digits, '.' and '-' (no label empty or with '-' at an end), or an IPv6 address in brackets; then a port. */
static bool is_host(const char *s)
{
	const char *end = s + strcspn(s, ":");
	char last = '.';

	if (*s == '[') {
		size_t n = strspn(s + 1, "0123456789abcdefABCDEF:.");

		if (!n || s[n + 1] != ']')
			return false;
		end = s + n + 2;
	} else {
		for (const char *p = s; p < end; p++) {
			bool alnum = isalnum((unsigned char)*p);

			if ((!alnum && *p != '.' && *p != '-') || (!alnum && *p == '.' && !isalnum((unsigned char)last)) ||
			    (*p == '-' && last == '.'))
				return false;
			last = *p;
		}
		if (end == s || !isalnum((unsigned char)last))
			return false;
	}
	if (!*end)
		return true;
	return *end == ':' && end[1] && strlen(end + 1) <= 5 && strspn(end + 1, "0123456789") == strlen(end + 1);
}

static bool is_tag(const char *s)
{
	if (!isalnum((unsigned char)*s) && *s != '_')
		return false;
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_' && *p != '.' && *p != '-')
			return false;
	return strlen(s) <= TAG_MAX_BYTES;
}

/* Does the component before the first '/' name a host? */
static bool looks_like_host(const char *s, size_t n)
{
	if (n == strlen(REFERENCE_LOCAL_HOST) && memcmp(s, REFERENCE_LOCAL_HOST, n) == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (s[i] == '.' || s[i] == ':' || s[i] == '[' || isupper((unsigned char)s[i]))
			return true;
	return false;
}

/* Cut the digest, then the tag, off the end of rest. */
static int parse_suffixes(char *rest, struct reference *r, struct err *err)
{
	char *at = strchr(rest, '@'), *slash, *colon;
	int x;

	if (at) {
		*at = '\0';
		x = digest_parse(at + 1, &r->digest, err);
		if (x < 0)
			return x;
	}
	slash = strrchr(rest, '/');
	colon = strchr(slash ? slash : rest, ':');
	if (colon) {
		*colon = '\0';
		if (!is_tag(colon + 1))
			return err_set(err, EINVAL, "bad tag '%.200s'", colon + 1);
		r->tag = xstrdup(colon + 1);
	}
	return 0;
}

static bool is_id(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static int check_path(const struct reference *r, struct err *err)
{
	for (const char *s = r->path; *s; s++)
		if (isupper((unsigned char)*s))
			return err_set(err, EINVAL, "repository name must be lower case");
	if (!is_path(r->path))
		return err_set(err, EINVAL, "bad repository name '%.200s'", r->path);
	if (!r->host && is_id(r->path))
		return err_set(err, EINVAL, "64 hexadecimal digits are an image's id, not a name");
	if (strlen(r->path) + (r->host ? strlen(r->host) + 1 : 0) > NAME_MAX_BYTES)
		return err_set(err, EINVAL, "repository name is longer than %d bytes", NAME_MAX_BYTES);
	return 0;
}

static int parse(const char *text, struct reference *r, struct err *err)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy, *slash = strchr(copy, '/');
	int x;

	if (slash && looks_like_host(copy, (size_t)(slash - copy))) {
		*slash = '\0';
		if (!is_host(copy))
			return err_set(err, EINVAL, "bad host name '%.200s'", copy);
		r->host = xstrdup(copy);
		rest = slash + 1;
		/* docker's old spelling of its own registry */
		if (str_eq(r->host, "index.docker.io")) {
			free(r->host);
			r->host = xstrdup(REFERENCE_DEFAULT_HOST);
		}
	}
	x = parse_suffixes(rest, r, err);
	if (x < 0)
		return x;
	if (!*rest)
		return err_set(err, EINVAL, "no repository name");
	r->path = str_eq(r->host, REFERENCE_DEFAULT_HOST) && !strchr(rest, '/') ? xasprintf("library/%s", rest) : xstrdup(rest);
	return check_path(r, err);
}

int reference_parse(const char *text, struct reference *ret, struct err *err)
{
	AUTO_REFERENCE struct reference r = { 0 };
	int x = parse(text, &r, err);

	if (x < 0)
		return err_wrap(err, "invalid reference format '%.200s'", text);
	*ret = r;
	r = (struct reference){ 0 };
	return 0;
}

void reference_copy(const struct reference *r, struct reference *ret)
{
	*ret = (struct reference){
		.host = r->host ? xstrdup(r->host) : NULL,
		.path = xstrdup(r->path),
		.tag = r->tag ? xstrdup(r->tag) : NULL,
		.digest = r->digest,
	};
}

void reference_qualify(const struct reference *r, const char *host, struct reference *ret)
{
	reference_copy(r, ret);
	if (!r->host) {
		/* A search registry may be "host/namespace". */
		const char *slash = strchr(host, '/');

		ret->host = slash ? xstrndup(host, (size_t)(slash - host)) : xstrdup(host);
		free(ret->path);
		if (slash)
			ret->path = xasprintf("%s/%s", slash + 1, r->path);
		else if (str_eq(host, REFERENCE_DEFAULT_HOST) && !strchr(r->path, '/'))
			ret->path = xasprintf("library/%s", r->path);
		else
			ret->path = xstrdup(r->path);
	}
	if (!ret->tag && !digest_is_set(&ret->digest))
		ret->tag = xstrdup(REFERENCE_DEFAULT_TAG);
}

char *reference_repository(const struct reference *r)
{
	return r->host ? xasprintf("%s/%s", r->host, r->path) : xstrdup(r->path);
}

char *reference_text(const struct reference *r)
{
	AUTO_FREE char *repository = reference_repository(r);
	char digest[DIGEST_TEXT_LEN];

	if (digest_is_set(&r->digest))
		return xasprintf("%s@%s", repository, digest_text(&r->digest, digest));
	return xasprintf("%s:%s", repository, r->tag ? r->tag : REFERENCE_DEFAULT_TAG);
}

int reference_local_name(const char *text, char **ret, struct err *err)
{
	AUTO_REFERENCE struct reference short_name = { 0 }, full = { 0 };
	int x = reference_parse(text, &short_name, err);

	if (x < 0)
		return x;
	if (digest_is_set(&short_name.digest))
		return err_set(err, EINVAL, "'%.200s': a name with a digest cannot be given to an image", text);
	reference_qualify(&short_name, REFERENCE_LOCAL_HOST, &full);
	*ret = reference_text(&full);
	return 0;
}

/* ---- transports ---- */

void location_done(struct location *l)
{
	free(l->path);
	free(l->name);
	*l = (struct location){ 0 };
}

static const struct {
	const char *prefix;
	enum transport transport;
	bool named; /* PATH[:NAME] */
} transports[] = {
	{ "docker://", TRANSPORT_REGISTRY, false },
	{ "oci:", TRANSPORT_OCI, true },
	{ "oci-archive:", TRANSPORT_OCI_ARCHIVE, true },
	{ "docker-archive:", TRANSPORT_DOCKER_ARCHIVE, true },
	{ "dir:", TRANSPORT_DIR, false },
};

int location_parse(const char *text, struct location *ret, struct err *err)
{
	static const char *const others[] = { "docker-daemon:", "containers-storage:", "ostree:", "sif:", "tarball:", "atomic:" };

	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		const char *rest, *colon;

		if (!str_starts(text, transports[i].prefix))
			continue;
		rest = text + strlen(transports[i].prefix);
		colon = transports[i].named ? strchr(rest, ':') : NULL;
		if (!*rest || colon == rest)
			return err_set(err, EINVAL, "'%.200s' has nothing behind '%s'", text, transports[i].prefix);
		ret->transport = transports[i].transport;
		ret->path = colon ? xstrndup(rest, (size_t)(colon - rest)) : xstrdup(rest);
		ret->name = colon && colon[1] ? xstrdup(colon + 1) : NULL;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (str_starts(text, others[i]))
			return err_set(err, ENOTSUP, "'%.200s': the transport '%s' is not supported", text, others[i]);
	*ret = (struct location){ .transport = TRANSPORT_NONE, .path = xstrdup(text) };
	return 0;
}
