/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a JSON text. What the reader takes, the writer writes, and the reader takes again. */
#include "runtime/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void write_node(struct json_writer *w, const struct json *node)
{
	if (node->key)
		json_key(w, node->key);
	switch (node->type) {
	case JSON_NULL:
		json_null(w);
		break;
	case JSON_BOOL:
		json_bool(w, node->u.boolean);
		break;
	case JSON_NUMBER:
		json_raw(w, node->u.string);
		break;
	case JSON_STRING:
		json_string(w, node->u.string);
		break;
	case JSON_ARRAY:
		json_begin_array(w);
		for (const struct json *k = node->u.kids.first; k; k = k->next)
			write_node(w, k);
		json_end_array(w);
		break;
	case JSON_OBJECT:
		json_begin_object(w);
		for (const struct json *k = node->u.kids.first; k; k = k->next)
			write_node(w, k);
		json_end_object(w);
		break;
	}
}

static void check_places(const struct json *node, uint32_t line)
{
	if (node->line < line || !node->col)
		abort();
	free(json_place(node));
	if (node->type == JSON_ARRAY || node->type == JSON_OBJECT)
		for (const struct json *k = node->u.kids.first; k; k = k->next)
			check_places(k, node->line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = { 0 };
	AUTO_BUF struct buf once = { 0 };
	AUTO_BUF struct buf twice = { 0 };
	struct json_writer w1 = { .out = &once, .pretty = true }, w2 = { .out = &twice, .pretty = true };
	struct json *root = NULL, *again = NULL;
	struct err err = { 0 };

	if (json_parse(&a, "fuzz", (const char *)data, n, &root, &err) >= 0) {
		check_places(root, 1);
		write_node(&w1, root);
		if (json_parse(&a, "fuzz", once.p, once.len, &again, &err) < 0)
			abort();
		write_node(&w2, again);
		if (once.len != twice.len || memcmp(once.p, twice.p, once.len) != 0)
			abort();
	} else if (err.code <= 0 || !str_starts(err.msg, "fuzz:")) {
		abort();
	}
	arena_done(&a);
	return 0;
}
