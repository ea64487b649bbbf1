/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_STR_H
#define BRIG_RUNTIME_BASE_STR_H

#include "runtime/base/attr.h"

#include <time.h>

/* A growing string. Starts as { 0 }; always NUL-terminated once something was added. */
struct buf {
	char *p; /* owned; NULL when empty */
	size_t len, cap;
};
void buf_add(struct buf *b, const char *s);
void buf_add_n(struct buf *b, const char *s, size_t n);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_done(struct buf *b);
/* Hand the string over ("" when nothing was added); the buf is empty afterwards. */
char *buf_take(struct buf *b) __attribute__((returns_nonnull));
#define AUTO_BUF CLEANUP(buf_done)

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Strict numbers: the whole string, no sign for unsigned, no white space, no overflow. -EINVAL or -ERANGE. */
int str_to_u64(const char *s, uint64_t *ret) MUST_CHECK;
int str_to_i64(const char *s, int64_t *ret) MUST_CHECK;
int str_to_u32(const char *s, uint32_t *ret) MUST_CHECK;
int str_to_int(const char *s, int *ret) MUST_CHECK;

/* "0-3,7" to a bit set of nbits bits (caller's array of uint64_t, zeroed here). -EINVAL, -ERANGE. */
int str_to_bitset(const char *s, uint64_t *bits, size_t nbits) MUST_CHECK;

/* A table row of a name and its value; tables end with a NULL name. */
struct name_value {
	const char *name;
	uint64_t value;
};
const struct name_value *name_find(const struct name_value *table, const char *name);
const char *name_of(const struct name_value *table, uint64_t value);

/* Signal by name (with or without SIG, any case, RTMIN+n) or number 0..64. -EINVAL. */
int str_to_signal(const char *s) MUST_CHECK;

/* So many lower-case hexadecimal digits (at most 64) at random, and a NUL: ids and names that nobody else has. */
void str_random_hex(char *out, size_t digits);

/* RFC 3339, UTC. libc's functions would read /etc/localtime for it: in the init child a file of the container. */
#define STR_TIME_LEN 40
void str_time_utc(time_t t, char out[STR_TIME_LEN]);
/* With nanoseconds. */
void str_time_now(char out[STR_TIME_LEN]);

#endif
