/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_TEMPLATE_PRIV_H
#define BRIG_RUNTIME_CLI_TEMPLATE_PRIV_H

#include "runtime/cli/template.h"

/* The parsed form, which the parser makes and the interpreter walks. All of it lives in the template's arena. */
enum { TEMPLATE_MAX_DEPTH = 32, TEMPLATE_MAX_WORDS = 16 };

struct template_pipe;

enum template_base { BASE_DOT, BASE_VARIABLE, BASE_LITERAL, BASE_PIPE, BASE_FUNCTION };

/* One word of a command: ".A.B", "$x.A", "12", "(...)" with fields behind it, or a function's name. */
struct template_word {
	enum template_base base;
	const char *name; /* of the variable ("" for $) or function */
	const struct json *literal;
	struct template_pipe *pipe;
	const char *fields[TEMPLATE_MAX_WORDS];
	size_t n_fields;
};

struct template_command {
	struct template_word words[TEMPLATE_MAX_WORDS];
	size_t n;
	struct template_command *next; /* behind a '|' */
};

struct template_pipe {
	const char *key, *variable; /* "$k, $v :=", or NULL */
	struct template_command *first;
};

enum template_kind { NODE_TEXT, NODE_PIPE, NODE_IF, NODE_RANGE, NODE_WITH };

struct template_node {
	enum template_kind kind;
	const char *text;
	struct template_pipe *pipe;
	struct template_node *body, *otherwise, *next;
};

struct template {
	struct arena arena;
	struct template_node *first;
};

/* The functions; args are values, the piped one last. New values live in arena. */
struct template_call {
	const char *name;
	const struct json *args[TEMPLATE_MAX_WORDS + 1];
	size_t n;
	struct arena *arena;
};
bool template_has_function(const char *name);
int template_call(struct template_call *c, const struct json **ret, struct err *err) MUST_CHECK;

bool template_truth(const struct json *v);
/* A member by its exact name, else in any case; NULL. */
const struct json *template_member(const struct json *object, const char *name);
/* Members of an object sorted by key, elements of an array in order; NULL-terminated, in arena. */
const struct json **template_items(struct arena *arena, const struct json *v);

struct json *template_new_string(struct arena *arena, const char *s);
struct json *template_new_number(struct arena *arena, int64_t v);
struct json *template_new_bool(struct arena *arena, bool v);

#endif
