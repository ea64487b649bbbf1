/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/template_priv.h"

#include <ctype.h>
#include <errno.h>

struct parser {
	struct template *t;
	const char *text, *p;
	unsigned depth;
	struct err *err;
};

/* What ended a list of nodes. */
enum stop { STOP_END_OF_TEXT, STOP_END, STOP_ELSE, STOP_ELSE_IF };

static int parse_pipe(struct parser *p, struct template_pipe **ret);
static int parse_list(struct parser *p, struct template_node **ret, enum stop *stop);

static int fail(struct parser *p, const char *why)
{
	return err_set(p->err, EINVAL, "template: %s at byte %zu of '%.200s'", why, (size_t)(p->p - p->text), p->text);
}

static void skip_space(struct parser *p)
{
	while (isspace((unsigned char)*p->p))
		p->p++;
}

static bool at_end_of_action(struct parser *p)
{
	skip_space(p);
	return str_starts(p->p, "}}") || (str_starts(p->p, "-}}"));
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* A keyword or name, "" when there is none. */
static char *take_name(struct parser *p)
{
	const char *start = p->p;

	while (is_word_char(*p->p))
		p->p++;
	return arena_strndup(&p->t->arena, start, (size_t)(p->p - start));
}

static bool take_keyword(struct parser *p, const char *word)
{
	size_t n = strlen(word);

	if (!str_starts(p->p, word) || is_word_char(p->p[n]))
		return false;
	p->p += n;
	return true;
}

/* Text between actions, or inside a quoted string: \t, \n and the like. */
static char *unescape(struct arena *arena, const char *s, size_t n)
{
	static const char from[] = "tnr\\\"", to[] = "\t\n\r\\\"";
	char *out = arena_strndup(arena, s, n), *w = out;

	for (size_t i = 0; i < n; i++) {
		const char *hit = s[i] == '\\' && i + 1 < n ? strchr(from, s[i + 1]) : NULL;

		if (hit && *hit) {
			*w++ = to[hit - from];
			i++;
		} else {
			*w++ = s[i];
		}
	}
	*w = '\0';
	return out;
}

/* ---- words ---- */

static int parse_string(struct parser *p, struct template_word *w)
{
	char quote = *p->p++;
	const char *start = p->p;
	size_t n;

	while (*p->p && *p->p != quote)
		p->p += quote == '"' && p->p[0] == '\\' && p->p[1] ? 2 : 1;
	if (!*p->p)
		return fail(p, "unterminated string");
	n = (size_t)(p->p++ - start);
	w->base = BASE_LITERAL;
	w->literal = template_new_string(&p->t->arena, quote == '"' ? unescape(&p->t->arena, start, n) :
								      arena_strndup(&p->t->arena, start, n));
	return 0;
}

static int parse_number(struct parser *p, struct template_word *w)
{
	const char *start = p->p;
	struct json *v;

	p->p++;
	while (is_word_char(*p->p) || *p->p == '.')
		p->p++;
	v = template_new_string(&p->t->arena, arena_strndup(&p->t->arena, start, (size_t)(p->p - start)));
	v->type = JSON_NUMBER;
	w->base = BASE_LITERAL;
	w->literal = v;
	return 0;
}

static int parse_fields(struct parser *p, struct template_word *w)
{
	while (p->p[0] == '.' && is_word_char(p->p[1])) {
		if (w->n_fields == ARRAY_SIZE(w->fields))
			return fail(p, "too many fields");
		p->p++;
		w->fields[w->n_fields++] = take_name(p);
	}
	return 0;
}

static int parse_name(struct parser *p, struct template_word *w)
{
	w->name = take_name(p);
	w->base = BASE_LITERAL;
	if (str_eq(w->name, "true") || str_eq(w->name, "false")) {
		w->literal = template_new_bool(&p->t->arena, w->name[0] == 't');
		return 0;
	}
	if (str_eq(w->name, "nil")) {
		w->literal = arena_alloc(&p->t->arena, sizeof(struct json));
		return 0;
	}
	w->base = BASE_FUNCTION;
	if (template_has_function(w->name))
		return 0;
	return err_set(p->err, EINVAL, "template: function \"%s\" not defined", w->name);
}

static int parse_parenthesis(struct parser *p, struct template_word *w)
{
	int r;

	p->p++;
	w->base = BASE_PIPE;
	r = parse_pipe(p, &w->pipe);
	skip_space(p);
	if (r == 0 && *p->p != ')')
		r = fail(p, "missing ')'");
	if (r == 0)
		p->p++;
	return r;
}

static int parse_word(struct parser *p, struct template_word *w)
{
	int r = 0;

	*w = (struct template_word){ .base = BASE_DOT };
	if (*p->p == '"' || *p->p == '`')
		return parse_string(p, w);
	if (isdigit((unsigned char)*p->p) || (*p->p == '-' && isdigit((unsigned char)p->p[1])))
		return parse_number(p, w);
	if (*p->p == '(') {
		r = parse_parenthesis(p, w);
	} else if (*p->p == '$') {
		p->p++;
		w->base = BASE_VARIABLE;
		w->name = take_name(p);
	} else if (*p->p == '.') {
		if (!is_word_char(p->p[1])) {
			p->p++;
			return 0;
		}
	} else if (is_word_char(*p->p)) {
		return parse_name(p, w);
	} else {
		return fail(p, "unexpected character");
	}
	return r == 0 ? parse_fields(p, w) : r;
}

/* ---- commands and pipes ---- */

static int parse_command(struct parser *p, struct template_command *c)
{
	for (;;) {
		int r;

		if (at_end_of_action(p) || *p->p == '|' || *p->p == ')')
			return c->n ? 0 : fail(p, "missing value for command");
		if (c->n == ARRAY_SIZE(c->words))
			return fail(p, "too many words");
		if (!*p->p)
			return fail(p, "unclosed action");
		r = parse_word(p, &c->words[c->n]);
		if (r < 0)
			return r;
		c->n++;
	}
}

/* "$v :=" or "$k, $v :=". A '$' that begins something else is left alone. */
static void parse_assignment(struct parser *p, struct template_pipe *pipe)
{
	const char *start = p->p;
	char *first, *second = NULL;

	if (*p->p != '$')
		return;
	p->p++;
	first = take_name(p);
	skip_space(p);
	if (*p->p == ',') {
		p->p++;
		skip_space(p);
		if (*p->p == '$')
			p->p++;
		second = take_name(p);
		skip_space(p);
	}
	if (!str_starts(p->p, ":=") && *p->p != '=') {
		p->p = start;
		return;
	}
	p->p += *p->p == '=' ? 1 : 2;
	pipe->key = second ? first : NULL;
	pipe->variable = second ? second : first;
}

static int parse_pipe(struct parser *p, struct template_pipe **ret)
{
	struct template_pipe *pipe = arena_alloc(&p->t->arena, sizeof(*pipe));
	struct template_command **at = &pipe->first;
	int r;

	if (++p->depth > TEMPLATE_MAX_DEPTH)
		return fail(p, "nested too deeply");
	skip_space(p);
	parse_assignment(p, pipe);
	for (;;) {
		*at = arena_alloc(&p->t->arena, sizeof(**at));
		r = parse_command(p, *at);
		if (r < 0 || *p->p != '|')
			break;
		p->p++;
		at = &(*at)->next;
	}
	p->depth--;
	*ret = pipe;
	return r;
}

/* ---- nodes ---- */

static int end_action(struct parser *p)
{
	if (!at_end_of_action(p))
		return fail(p, "unexpected text in action");
	if (*p->p == '-') {
		p->p += 3;
		skip_space(p);
	} else {
		p->p += 2;
	}
	return 0;
}

/* Behind "if" and its like: the condition, the body, and what stands for else. */
static int parse_block(struct parser *p, enum template_kind kind, struct template_node **ret)
{
	struct template_node *n = arena_alloc(&p->t->arena, sizeof(*n));
	enum stop stop = STOP_END;
	int r;

	if (++p->depth > TEMPLATE_MAX_DEPTH)
		return fail(p, "nested too deeply");
	n->kind = kind;
	r = parse_pipe(p, &n->pipe);
	if (r == 0)
		r = end_action(p);
	if (r == 0)
		r = parse_list(p, &n->body, &stop);
	if (r == 0 && stop == STOP_ELSE_IF)
		r = parse_block(p, NODE_IF, &n->otherwise);
	else if (r == 0 && stop == STOP_ELSE)
		r = parse_list(p, &n->otherwise, &stop);
	if (r == 0 && stop != STOP_END && stop != STOP_ELSE_IF)
		r = fail(p, "missing {{end}}");
	p->depth--;
	*ret = n;
	return r;
}

static int parse_else(struct parser *p, enum stop *stop)
{
	skip_space(p);
	if (take_keyword(p, "if")) {
		*stop = STOP_ELSE_IF;
		return 0;
	}
	*stop = STOP_ELSE;
	return end_action(p);
}

/* One action, its "{{" read already. Sets *stop, and no node, when it ends the list. */
static int parse_action(struct parser *p, struct template_node **ret, enum stop *stop)
{
	struct template_node *n;
	int r;

	skip_space(p);
	if (str_starts(p->p, "/*")) {
		const char *end = strstr(p->p, "*/");

		if (!end)
			return fail(p, "unclosed comment");
		p->p = end + 2;
		return end_action(p);
	}
	if (take_keyword(p, "if"))
		return parse_block(p, NODE_IF, ret);
	if (take_keyword(p, "range"))
		return parse_block(p, NODE_RANGE, ret);
	if (take_keyword(p, "with"))
		return parse_block(p, NODE_WITH, ret);
	if (take_keyword(p, "else"))
		return parse_else(p, stop);
	if (take_keyword(p, "end")) {
		*stop = STOP_END;
		return end_action(p);
	}
	n = arena_alloc(&p->t->arena, sizeof(*n));
	n->kind = NODE_PIPE;
	r = parse_pipe(p, &n->pipe);
	if (r == 0)
		r = end_action(p);
	*ret = n;
	return r;
}

/* Text up to the next action; "{{- " takes the white space before it away. */
static struct template_node *parse_text(struct parser *p)
{
	struct template_node *n;
	const char *start = p->p, *brace = strstr(p->p, "{{");
	size_t len = brace ? (size_t)(brace - start) : strlen(start);

	p->p = start + len;
	if (brace) {
		p->p += 2;
		if (p->p[0] == '-' && isspace((unsigned char)p->p[1])) {
			p->p++;
			while (len && isspace((unsigned char)start[len - 1]))
				len--;
		}
	}
	if (!len)
		return NULL;
	n = arena_alloc(&p->t->arena, sizeof(*n));
	n->kind = NODE_TEXT;
	n->text = unescape(&p->t->arena, start, len);
	return n;
}

static int parse_list(struct parser *p, struct template_node **ret, enum stop *stop)
{
	struct template_node **at = ret;
	enum stop found = STOP_END_OF_TEXT;
	int r = 0;

	while (r == 0 && *p->p && found == STOP_END_OF_TEXT) {
		bool action = strstr(p->p, "{{") != NULL;

		*at = parse_text(p);
		if (*at)
			at = &(*at)->next;
		if (!action)
			break;
		r = parse_action(p, at, &found);
		if (*at)
			at = &(*at)->next;
	}
	*stop = found;
	return r;
}

int template_parse(const char *text, struct template **ret, struct err *err)
{
	AUTO_TEMPLATE struct template *t = xcalloc(1, sizeof(*t));
	struct parser p = { .t = t, .text = text, .p = text, .err = err };
	enum stop stop;
	int r = parse_list(&p, &t->first, &stop);

	if (r == 0 && stop != STOP_END_OF_TEXT)
		r = fail(&p, "unexpected {{end}} or {{else}}");
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	arena_done(&t->arena);
	free(t);
}

void cleanup_template(struct template **t)
{
	template_free(*t);
}
