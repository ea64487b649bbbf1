/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_MEM_H
#define BRIG_RUNTIME_BASE_MEM_H

#include "runtime/base/attr.h"

/*
 * DOC: ownership
 *
 * Heap: x*() never return NULL; out of memory prints one line and exits with 125, because no caller
 * could do better. Local variables release themselves at the end of their scope through AUTO_* and CLEANUP();
 * a value is handed on only by TAKE_PTR() or TAKE_FD(). Cleaners keep errno.
 *
 * Arena: a bump allocator for things that live and die together (a parsed config.json). Nothing in it is
 * freed alone.
 */
void *xmalloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2), returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((malloc, returns_nonnull));

/* Cleaners; p points to the variable. All accept a NULL pointer or a negative fd in it. */
void cleanup_free(void *p);
void cleanup_close(int *fd);
void cleanup_dir(void *p);  /* DIR * */
void cleanup_file(void *p); /* FILE * */

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define AUTO_FREE   CLEANUP(cleanup_free)
#define AUTO_CLOSE  CLEANUP(cleanup_close)
#define AUTO_DIR    CLEANUP(cleanup_dir)
#define AUTO_FILE   CLEANUP(cleanup_file)

#define TAKE_PTR(p)                    \
	({                             \
		typeof(p) take_ = (p); \
		(p) = NULL;            \
		take_;                 \
	})
#define TAKE_FD(fd)               \
	({                        \
		int take_ = (fd); \
		(fd) = -1;        \
		take_;            \
	})

struct arena_block;
struct arena {
	struct arena_block *head; /* newest block first */
};

/* Memory is zeroed and aligned for any type. An arena starts as { 0 }; arena_done() makes it that again. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3) __attribute__((returns_nonnull));
void arena_done(struct arena *a);

#endif
