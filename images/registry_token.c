/* SPDX-License-Identifier: Apache-2.0 */
#include "images/registry_priv.h"

#include "runtime/base/json.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

enum { TOKEN_MAX_BYTES = 256 << 10 };

/* ---- challenges ---- */

void challenge_done(struct challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	free(c->error);
	*c = (struct challenge){ 0 };
}

static bool is_token_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* A token or a quoted string; NULL when there is neither. */
static char *take_value(const char **s)
{
	struct buf b = { 0 };

	if (**s == '"') {
		for ((*s)++; **s && **s != '"'; (*s)++) {
			if (**s == '\\' && (*s)[1])
				(*s)++;
			buf_add_n(&b, *s, 1);
		}
		if (**s)
			(*s)++;
		return buf_take(&b);
	}
	/* Some registries leave the quotes out around addresses. */
	while (**s && **s != ',' && !isspace((unsigned char)**s))
		buf_add_n(&b, (*s)++, 1);
	return buf_take(&b);
}

static void set_parameter(struct challenge *c, const char *name, char *value)
{
	char **where = strcasecmp(name, "realm") == 0	? &c->realm :
		       strcasecmp(name, "service") == 0 ? &c->service :
		       strcasecmp(name, "scope") == 0	? &c->scope :
		       strcasecmp(name, "error") == 0	? &c->error :
							  NULL;

	if (where) {
		free(*where);
		*where = value;
	} else {
		free(value);
	}
}

static void skip_separators(const char **s)
{
	while (isspace((unsigned char)**s) || **s == ',')
		(*s)++;
}

static char *take_token(const char **s)
{
	const char *start = *s;

	while (is_token_char(**s))
		(*s)++;
	return xstrndup(start, (size_t)(*s - start));
}

/* A challenge of a kind that is better than best takes its place. */
static void keep_better(struct challenge *best, struct challenge *c)
{
	if ((c->bearer && c->realm && !best->bearer) || (c->basic && !best->bearer && !best->basic)) {
		challenge_done(best);
		*best = *c;
		*c = (struct challenge){ 0 };
	}
	challenge_done(c);
}

/* scheme SP name=value, ...; one header may hold several of them. */
static void parse_header(const char *s, struct challenge *best)
{
	struct challenge c = { 0 };

	for (skip_separators(&s); *s; skip_separators(&s)) {
		AUTO_FREE char *word = take_token(&s);

		if (!*word)
			break;
		while (isspace((unsigned char)*s))
			s++;
		if (*s == '=') {
			s++;
			while (isspace((unsigned char)*s))
				s++;
			set_parameter(&c, word, take_value(&s));
			continue;
		}
		keep_better(best, &c);
		c.bearer = strcasecmp(word, "Bearer") == 0;
		c.basic = strcasecmp(word, "Basic") == 0;
	}
	keep_better(best, &c);
}

int challenge_parse(char *const *headers, size_t n, struct challenge *ret, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		parse_header(headers[i], ret);
	if (ret->bearer || ret->basic)
		return 0;
	return n ? err_set(err, EACCES, "registry asks for a kind of authentication that brig does not know: %.100s", headers[0]) :
		   err_set(err, EACCES, "registry asks for authentication and does not say of which kind");
}

/* ---- tokens ---- */

static char *basic_header(const struct credentials *c)
{
	AUTO_FREE char *pair = xasprintf("%s:%s", c->user, c->password);
	AUTO_FREE char *encoded = auth_base64(pair);

	return xasprintf("Basic %s", encoded);
}

/* The scopes to ask for: what the challenge says and what we know, "&scope=..." or " "-joined for a form. */
static void add_scopes(const struct registry *r, const struct challenge *ch, struct buf *out, bool form)
{
	AUTO_FREE char *own = xasprintf("repository:%s:%s", r->ref.path, r->push ? "pull,push" : "pull");
	bool any = *r->ref.path != '\0';
	AUTO_BUF struct buf joined = { 0 };

	if (any)
		buf_add(&joined, own);
	else if (ch->scope)
		buf_add(&joined, ch->scope);
	for (size_t i = 0; i < r->n_also; i++)
		buf_addf(&joined, " repository:%s:pull", r->also[i]);
	for (const char *s = joined.p; s && *s;) {
		size_t n = strcspn(s, " ");
		AUTO_FREE char *one = xstrndup(s, n);
		AUTO_FREE char *escaped = http_escape(one);

		if (form)
			buf_addf(out, "%s%s", s == joined.p ? "&scope=" : "+", escaped);
		else
			buf_addf(out, "&scope=%s", escaped);
		s += n + strspn(s + n, " ");
	}
}

static int read_token(const char *realm, const struct http_response *resp, char **ret, struct err *err)
{
	struct arena arena = { 0 };
	const struct json *token;
	struct json *root;
	int r = json_parse(&arena, "token", resp->body.p ? resp->body.p : "", resp->body.len, &root, err);

	if (r == 0) {
		token = json_get(root, "token");
		if (!token || token->type != JSON_STRING || !*token->u.string)
			token = json_get(root, "access_token");
		if (token && token->type == JSON_STRING && *token->u.string && !strpbrk(token->u.string, "\r\n"))
			*ret = xstrdup(token->u.string);
		else
			r = err_set(err, EACCES, "token server %s sent no token", realm);
	}
	arena_done(&arena);
	return r;
}

static int check_realm(const struct registry *r, const char *realm, struct err *err)
{
	if (str_starts(realm, "https://") || (str_starts(realm, "http://") && (r->trust_http || str_starts(r->base, "http://"))))
		return 0;
	/* Else whoever changes the challenge on its way could have our password in the clear. */
	return err_set(err, EACCES, "registry sends to a token server without TLS: %.200s", realm);
}

/* GET with Basic, or without credentials. */
static int ask_get(struct registry_conn *c, const struct challenge *ch, struct http_response *resp, struct err *err)
{
	AUTO_FREE char *basic = c->r->creds.user && c->r->creds.password ? basic_header(&c->r->creds) : NULL;
	AUTO_FREE char *header = basic ? xasprintf("Authorization: %s", basic) : NULL;
	AUTO_FREE char *service = http_escape(ch->service ? ch->service : "");
	const char *const headers[] = { header, NULL };
	struct http_request q = { .method = "GET", .headers = headers, .max_body = TOKEN_MAX_BYTES };
	enum http_failure failure;
	AUTO_BUF struct buf url = { 0 };

	buf_addf(&url, "%s%cservice=%s", ch->realm, strchr(ch->realm, '?') ? '&' : '?', service);
	add_scopes(c->r, ch, &url, false);
	if (basic) {
		AUTO_FREE char *account = http_escape(c->r->creds.user);

		buf_addf(&url, "&account=%s", account);
	}
	q.url = url.p;
	return http_exchange(c->http, &q, resp, &failure, err);
}

/* OAuth2: an identity token is exchanged for an access token. */
static int ask_post(struct registry_conn *c, const struct challenge *ch, struct http_response *resp, struct err *err)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded", NULL };
	AUTO_FREE char *token = http_escape(c->r->creds.identity_token), *service = http_escape(ch->service ? ch->service : "");
	struct http_request q = { .method = "POST", .url = ch->realm, .headers = headers, .max_body = TOKEN_MAX_BYTES };
	AUTO_BUF struct buf form = { 0 };
	enum http_failure failure;

	buf_addf(&form, "grant_type=refresh_token&client_id=brig&service=%s&refresh_token=%s", service, token);
	add_scopes(c->r, ch, &form, true);
	q.body = form.p;
	q.body_n = form.len;
	return http_exchange(c->http, &q, resp, &failure, err);
}

static int fetch_token(struct registry_conn *c, const struct challenge *ch, char **ret, struct err *err)
{
	AUTO_RESPONSE struct http_response resp = { 0 };
	AUTO_FREE char *token = NULL;
	bool post = c->r->creds.identity_token != NULL;
	int r = check_realm(c->r, ch->realm, err);

	for (unsigned try = 0; r == 0; try++) {
		http_response_done(&resp);
		r = post ? ask_post(c, ch, &resp, err) : ask_get(c, ch, &resp, err);
		if (r < 0)
			return err_wrap(err, "ask for a token");
		/* A server without OAuth2 may take the password the old way. */
		if (post && c->r->creds.password && (resp.status == 401 || resp.status == 404 || resp.status == 405)) {
			post = false;
			continue;
		}
		if ((resp.status != 429 && resp.status < 500) || try >= c->r->o.retries)
			break;
		r = registry_pause(c->r, try + 1, 0, "token server is busy", err);
	}
	if (r < 0)
		return r;
	if (resp.status != 200)
		return registry_refused(c, &resp, "token", err);
	r = read_token(ch->realm, &resp, &token, err);
	if (r == 0)
		*ret = xasprintf("Bearer %s", token);
	return r;
}

int registry_authorize(struct registry_conn *c, const struct http_response *response, unsigned generation, struct err *err)
{
	AUTO_CHALLENGE struct challenge ch = { 0 };
	struct registry *reg = c->r;
	char *fresh = NULL;
	int r = challenge_parse(response->challenges, response->n_challenges, &ch, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&reg->lock);
	/* Another thread may have done it meanwhile. */
	if (reg->generation == generation) {
		if (ch.bearer)
			r = fetch_token(c, &ch, &fresh, err);
		else if (reg->creds.user && reg->creds.password && !reg->authorization)
			fresh = basic_header(&reg->creds);
		else
			r = -EACCES;
		if (r == 0) {
			free(reg->authorization);
			reg->authorization = fresh;
			reg->generation++;
		}
	}
	pthread_mutex_unlock(&reg->lock);
	if (r == -EACCES && !ch.bearer)
		return registry_refused(c, response, "repository", err);
	return r;
}
