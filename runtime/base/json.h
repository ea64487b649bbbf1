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
 * duplicate keys, trailing bytes, invalid UTF-8 (also by escapes), NUL in strings, more than JSON_MAX_DEPTH levels,
 * JSON_MAX_BYTES bytes or JSON_MAX_NODES values. Numbers keep their text; the readers below check type and range
 * exactly.
 *
 * Writing: a thin layer over a struct buf, so that nothing depends on yajl's allocator on the hot path.
 */
#define JSON_MAX_DEPTH 64
#define JSON_MAX_BYTES (16u << 20)
#define JSON_MAX_NODES (1u << 20) /* a value costs about 80 bytes, so a hostile text of 16 MB cannot cost more than 80 MB */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	uint32_t line, col;      /* 1-based, col in bytes; of the value's first byte */
	char *key;               /* the member's name, or NULL */
	struct json *parent;     /* NULL at the root */
	struct json *next;       /* next sibling */
	union {
		bool boolean;
		char *string; /* also a number's text; NUL-terminated; as long-lived as the arena */
		struct {
			struct json *first;
			size_t n;
		} kids; /* array elements, or object members in order */
	} u;
	uint32_t index; /* position among the siblings */
};

/* Parse text (n bytes) into a tree that lives in arena. name is used in messages: "config.json:12:7: ...". The text
 * itself is not kept. */
int json_parse(struct arena *arena, const char *name, const char *text, size_t n, struct json **ret, struct err *err) MUST_CHECK;

/* Member of an object, or NULL. */
const struct json *json_get(const struct json *object, const char *key);

/* The node's place as "process.rlimits[2].type"; "." for the root; keys that are no plain words are quoted:
 * linux.sysctl["net.ipv4.ip_forward"]. New string. */
char *json_place(const struct json *node) __attribute__((returns_nonnull));

/* Set err to "NAME:LINE:COL: PLACE: fmt" and return -code. Control characters in the text become '?'. */
int json_err(struct err *err, const char *name, const struct json *node, int code, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Length of the well-formed UTF-8 sequence at s (n > 0 bytes are there), 0 when it is not one. Overlong forms,
 * surrogates and values above U+10FFFF are not well-formed (Unicode, table 3-7). */
size_t json_utf8_len(const unsigned char *s, size_t n);

/* "a string", "an object", ...: for messages. */
const char *json_type_name(enum json_type type);

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
void json_decimal(struct json_writer *w, unsigned whole, unsigned hundredths); /* 1.05 */
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
void json_raw(struct json_writer *w, const char *text); /* text that is JSON already, such as a number's */
void json_copy(struct json_writer *w, const struct json *node); /* a parsed value; numbers keep their text */
void json_kv_string(struct json_writer *w, const char *key, const char *s);
void json_kv_i64(struct json_writer *w, const char *key, int64_t v);
void json_kv_u64(struct json_writer *w, const char *key, uint64_t v);
void json_kv_bool(struct json_writer *w, const char *key, bool v);
/* An object of the words "NAME=VALUE", of which "NAME" alone has an empty value; list ends with NULL, or is NULL: {}. */
void json_kv_pairs(struct json_writer *w, const char *key, char *const *list);

#endif
