/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/output.h"

#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/cli/template.h"

int output_rows(const struct table_style *style, const char *format, const struct buf *array, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_BUF struct buf out = { 0 };
	struct json *root;
	int r = json_parse(&a, "output", array->p, array->len, &root, err);

	if (r == 0)
		r = table_format(style, format, root, &out, err);
	return r < 0 ? r : cli_print(out.p, err);
}

static int each_object(const char *format, const struct json *root, struct buf *out, struct err *err)
{
	AUTO_TEMPLATE struct template *t = NULL;
	int r;

	if (!format || str_eq(format, "json")) {
		template_json(root, true, out);
		buf_add(out, "\n");
		return 0;
	}
	r = template_parse(format, &t, err);
	for (const struct json *k = root->u.kids.first; r == 0 && k; k = k->next) {
		r = template_run(t, k, out, err);
		buf_add(out, "\n");
	}
	return r;
}

int output_objects(const char *format, const struct buf *array, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_BUF struct buf out = { 0 };
	struct json *root;
	int r = json_parse(&a, "output", array->p, array->len, &root, err);

	if (r == 0)
		r = each_object(format, root, &out, err);
	return r < 0 ? r : cli_print(out.p, err);
}

char **output_list(const struct option_list *l)
{
	char **v = xcalloc(l->n + 1, sizeof(*v));

	for (size_t i = 0; i < l->n; i++)
		memcpy(&v[i], &l->v[i], sizeof(*v)); /* borrowed, and only read */
	return v;
}

bool output_has_label(char *const *labels, const char *want)
{
	size_t n = strlen(want);

	for (size_t i = 0; labels && labels[i]; i++)
		if (strncmp(labels[i], want, n) == 0 && (labels[i][n] == '\0' || (labels[i][n] == '=' && !strchr(want, '='))))
			return true;
	return false;
}

bool output_confirm(const char *question, bool force)
{
	char answer[16] = "";

	if (force)
		return true;
	fprintf(stderr, "%s [y/N] ", question);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}
