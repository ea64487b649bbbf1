/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_JSON_H
#define BRIG_RUNTIME_BASE_JSON_H

#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

/*
 * DOC: JSON
 *
 * Reading: yajl's streaming parser builds a tree in an arena; each node knows its line and column. Refused:
 * duplicate keys, trailing bytes, invalid UTF-8, NUL in strings, more than JSON_MAX_DEPTH levels, more than the
 * given number of bytes. Numbers keep their text; the readers below check type and range exactly.
 *
 * Writing: a thin layer over a struct buf, so that nothing depends on yajl's allocator on the hot path.
 */
#define JSON_MAX_DEPTH 64

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	uint32_t line, col;      /* 1-based; of the value's last byte as the parser saw it */
	const char *key;         /* the member's name, or NULL */
	struct json *parent;     /* NULL at the root */
	struct json *next;       /* next sibling */
	union {
		bool boolean;
		const char *string; /* also a number's text; NUL-terminated */
		struct {
			struct json *first;
			size_t n;
		} kids; /* array elements, or object members in order */
	} u;
	uint32_t index; /* position among the siblings */
};

/* Parse text (n bytes) into a tree that lives in arena. name is used in messages: "config.json:12:7: ...". */
int json_parse(struct arena *arena, const char *name, const char *text, size_t n, struct json **ret, struct err *err) MUST_CHECK;

/* Member of an object, or NULL. */
const struct json *json_get(const struct json *object, const char *key);

/* The node's place as "process.rlimits[2].type"; "." for the root. New string. */
char *json_place(const struct json *node) __attribute__((returns_nonnull));

/* Set err to "NAME:LINE:COL: PLACE: fmt" and return -code. */
int json_err(struct err *err, const char *name, const struct json *node, int code, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Exact conversions; the error names place, found type or range. */
int json_to_i64(const struct json *n, const char *name, int64_t min, int64_t max, int64_t *ret, struct err *err) MUST_CHECK;
int json_to_u64(const struct json *n, const char *name, uint64_t max, uint64_t *ret, struct err *err) MUST_CHECK;

/* Writer. Commas, nesting and escaping are its work. Pretty output is indented by two spaces (as runc does). */
struct json_writer {
	struct buf *out; /* borrowed */
	unsigned depth;
	bool pretty, need_comma, after_key;
};
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_string(struct json_writer *w, const char *s); /* NULL writes null; invalid UTF-8 becomes U+FFFD */
void json_i64(struct json_writer *w, int64_t v);
void json_u64(struct json_writer *w, uint64_t v);
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
void json_kv_string(struct json_writer *w, const char *key, const char *s);
void json_kv_i64(struct json_writer *w, const char *key, int64_t v);
void json_kv_u64(struct json_writer *w, const char *key, uint64_t v);
void json_kv_bool(struct json_writer *w, const char *key, bool v);

#endif
