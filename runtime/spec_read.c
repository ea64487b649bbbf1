/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/log.h"
#include "runtime/base/path.h"
#include "runtime/spec_fields.h"

#include <errno.h>
#include <stdarg.h>

int spec_fail(struct spec_reader *r, const struct json *node, const char *fmt, ...)
{
	struct err what;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what.msg, sizeof(what.msg), fmt, ap);
	va_end(ap);
	return json_err(r->err, r->name, node, EINVAL, "%s", what.msg);
}

void spec_warn(struct spec_reader *r, const struct json *node, const char *fmt, ...)
{
	struct err what, text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what.msg, sizeof(what.msg), fmt, ap);
	va_end(ap);
	json_err(&text, r->name, node, EINVAL, "%s", what.msg);
	log_warn("%s", text.msg);
}

int spec_want(struct spec_reader *r, const struct json *node, enum json_type type)
{
	if (node->type == type)
		return 0;
	return spec_fail(r, node, "must be %s, not %s", json_type_name(type), json_type_name(node->type));
}

const struct json *spec_blame(const struct json *object, const char *key)
{
	const struct json *member = json_get(object, key);

	return member ? member : object;
}

static const struct field *find_field(const struct object_type *t, const char *name)
{
	for (const struct field *f = t->fields; f->name; f++)
		if (f->name[0] == name[0] && strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

/* Remember a field that not every backend acts on. Empty strings and lists ask for nothing. */
static void note_support(struct spec_reader *r, const struct field *f, const struct json *node)
{
	AUTO_FREE char *place = NULL;
	struct spec_note *note;

	if (!r->spec || f->support == FIELD_BOTH || f->read == read_other_platform || f->read == read_refused)
		return;
	if (node->type == JSON_STRING ? !node->u.string[0] : node->type > JSON_STRING && !node->u.kids.n)
		return;
	place = json_place(node);
	note = arena_alloc(r->arena, sizeof(*note));
	note->place = arena_printf(r->arena, "%s:%u:%u: %s", r->name, node->line, node->col, place);
	note->namespaces = f->support & FIELD_NAMESPACES;
	note->vm = f->support & FIELD_VM;
	note->label = f->label;
	note->next = r->spec->notes;
	r->spec->notes = note;
}

static int read_member(struct spec_reader *r, const struct object_type *t, const struct json *node, char *base)
{
	const struct field *f = find_field(t, node->key);
	int result;

	if (!f) {
		if (r->strict)
			return spec_fail(r, node, "unknown field");
		spec_warn(r, node, "unknown field");
		return 0;
	}
	if (node->type == JSON_NULL)
		return 0;
	result = spec_want(r, node, f->type);
	if (result >= 0)
		note_support(r, f, node);
	return result < 0 ? result : f->read(r, f, node, base + f->offset);
}

int spec_read_members(struct spec_reader *r, const struct object_type *t, const struct json *node, void *base)
{
	int result = spec_want(r, node, JSON_OBJECT);

	for (const struct field *f = t->fields; f->name && result >= 0; f++) {
		const struct json *member;

		if (!f->required)
			continue;
		member = json_get(node, f->name);
		if (!member || member->type == JSON_NULL)
			return spec_fail(r, node, "'%s' is required", f->name);
	}
	for (const struct json *k = node->u.kids.first; result >= 0 && node->type == JSON_OBJECT && k; k = k->next)
		result = read_member(r, t, k, base);
	if (result >= 0 && t->check)
		result = t->check(r, node, base);
	return result;
}

int read_object(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	return spec_read_members(r, f->object, node, at);
}

int read_list(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	struct {
		void *v;
		size_t n;
	} list = { NULL, 0 };
	char *element;

	if (node->u.kids.n) {
		list.v = element = arena_alloc(r->arena, node->u.kids.n * f->size);
		for (const struct json *k = node->u.kids.first; k; k = k->next, element += f->size) {
			int result = spec_read_members(r, f->object, k, element);

			if (result < 0)
				return result;
		}
		list.n = node->u.kids.n;
	}
	memcpy(at, &list, sizeof(list)); /* every list is a pointer and a count beside it */
	return 0;
}

int read_string(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	char **s = at;

	if (!node->u.string[0] && f->required)
		return spec_fail(r, node, "must not be empty");
	*s = node->u.string[0] ? node->u.string : NULL;
	return 0;
}

int read_abs_path(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	if (node->u.string[0] && node->u.string[0] != '/')
		return spec_fail(r, node, "'%s' is not an absolute path", node->u.string);
	return read_string(r, f, node, at);
}

static int fill_strlist(struct spec_reader *r, const struct json *node, struct strlist *list)
{
	size_t i = 0;

	list->n = node->u.kids.n;
	if (!list->n)
		return 0;
	list->v = arena_alloc(r->arena, (list->n + 1) * sizeof(char *));
	for (const struct json *k = node->u.kids.first; k; k = k->next) {
		int result = spec_want(r, k, JSON_STRING);

		if (result < 0)
			return result;
		list->v[i++] = k->u.string;
	}
	return 0;
}

int read_strlist(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at)
{
	return fill_strlist(r, node, at);
}

int read_abs_paths(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at)
{
	int result = fill_strlist(r, node, at);

	for (const struct json *k = node->u.kids.first; result >= 0 && k; k = k->next)
		if (k->u.string[0] != '/')
			result = spec_fail(r, k, "'%s' is not an absolute path", k->u.string);
	return result;
}

int read_kvlist(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at)
{
	struct kvlist *list = at;
	size_t i = 0;

	list->n = node->u.kids.n;
	if (!list->n)
		return 0;
	list->v = arena_alloc(r->arena, list->n * sizeof(*list->v));
	for (const struct json *k = node->u.kids.first; k; k = k->next) {
		int result = spec_want(r, k, JSON_STRING);

		if (result < 0)
			return result;
		if (!k->key[0])
			return spec_fail(r, k, "the key is empty");
		list->v[i].key = k->key;
		list->v[i++].value = k->u.string;
	}
	return 0;
}

int read_bool(struct spec_reader *r UNUSED, const struct field *f UNUSED, const struct json *node, void *at)
{
	bool *b = at;

	*b = node->u.boolean;
	return 0;
}

int read_opt_bool(struct spec_reader *r UNUSED, const struct field *f UNUSED, const struct json *node, void *at)
{
	struct opt_bool *b = at;

	b->v = node->u.boolean;
	b->set = true;
	return 0;
}

static int to_i64(struct spec_reader *r, const struct field *f, const struct json *node, int64_t *v)
{
	int64_t max = f->max ? (int64_t)f->max : INT64_MAX;

	return json_to_i64(node, r->name, f->min, max, v, r->err);
}

int read_i64(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	return to_i64(r, f, node, at);
}

int read_i32(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	int32_t *i = at;
	int64_t v = 0;
	int result = to_i64(r, f, node, &v);

	if (result >= 0)
		*i = (int32_t)v;
	return result;
}

int read_opt_i64(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	struct opt_i64 *o = at;

	o->set = true;
	return to_i64(r, f, node, &o->v);
}

int read_u64(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	return json_to_u64(node, r->name, f->max ? f->max : UINT64_MAX, at, r->err);
}

int read_opt_u64(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	struct opt_u64 *o = at;

	o->set = true;
	return read_u64(r, f, node, &o->v);
}

int read_u32(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	uint32_t *u = at;
	uint64_t v = 0;
	int result = json_to_u64(node, r->name, f->max ? f->max : UINT32_MAX, &v, r->err);

	if (result >= 0)
		*u = (uint32_t)v;
	return result;
}

int read_opt_u32(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	struct opt_u32 *o = at;

	o->set = true;
	return read_u32(r, f, node, &o->v);
}

static int to_value(struct spec_reader *r, const struct field *f, const struct json *node, uint64_t *v)
{
	int result = spec_want(r, node, JSON_STRING);
	const struct name_value *row;

	if (result < 0)
		return result;
	row = name_find(f->names, node->u.string);
	if (!row)
		return spec_fail(r, node, "'%s' is not a %s", node->u.string, f->what);
	*v = row->value;
	return 0;
}

int read_name32(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	uint32_t *u = at;
	uint64_t v = 0;
	int result = to_value(r, f, node, &v);

	if (result >= 0)
		*u = (uint32_t)v;
	return result;
}

int read_flags64(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	uint64_t *flags = at;
	int result = 0;

	for (const struct json *k = node->u.kids.first; k && result >= 0; k = k->next) {
		uint64_t v = 0;

		result = to_value(r, f, k, &v);
		*flags |= v;
	}
	return result;
}

int read_flags32(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	uint32_t *u = at;
	uint64_t v = 0;
	int result = read_flags64(r, f, node, &v);

	*u = (uint32_t)v;
	return result;
}

#define LIST_BITS 8192 /* as many CPUs as CONFIG_NR_CPUS can be */

int read_cpu_list(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	uint64_t bits[LIST_BITS / 64];
	int result;

	if (!node->u.string[0])
		return read_string(r, f, node, at);
	result = str_to_bitset(node->u.string, bits, LIST_BITS);
	if (result == -ERANGE)
		return spec_fail(r, node, "'%s' has a number above %d", node->u.string, LIST_BITS - 1);
	if (result < 0)
		return spec_fail(r, node, "'%s' is not a list such as 0-3,7", node->u.string);
	return read_string(r, f, node, at);
}

int read_other_platform(struct spec_reader *r, const struct field *f UNUSED, const struct json *node, void *at UNUSED)
{
	spec_warn(r, node, "not for Linux: ignored");
	return 0;
}

int read_refused(struct spec_reader *r, const struct field *f, const struct json *node, void *at UNUSED)
{
	return spec_fail(r, node, "not supported: %s", f->note);
}
