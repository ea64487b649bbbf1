/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

static NORETURN void out_of_memory(void)
{
	static const char text[] = "brig: out of memory\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1); /* nothing to do when even this fails */
	_exit(125);
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xreallocarray(void *p, size_t n, size_t size)
{
	void *q = reallocarray(p, n ? n : 1, size ? size : 1);

	if (!q)
		out_of_memory();
	return q;
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = xmalloc(len + 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	char *p = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0 || !p)
		out_of_memory();
	return p;
}

void cleanup_free(void *p)
{
	int saved = errno;
	void *q;

	memcpy(&q, p, sizeof(q)); /* p is the address of a pointer of any type */
	free(q);
	errno = saved;
}

void cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

void cleanup_dir(void *p)
{
	int saved = errno;
	DIR *d;

	memcpy(&d, p, sizeof(d));
	if (d)
		closedir(d);
	errno = saved;
}

void cleanup_file(void *p)
{
	int saved = errno;
	FILE *f;

	memcpy(&f, p, sizeof(f));
	if (f)
		fclose(f);
	errno = saved;
}

/* Blocks double from 1 to 16 KiB, or are larger for one large thing. Most arenas stay small, and lie side by side then: a page that is
 * touched for the first time is dearer than a malloc(). */
#define ARENA_FIRST 1024
#define ARENA_BLOCK 16384

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char data[];
};

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	size_t need;
	struct arena_block *b = a->head;

	if (size > SIZE_MAX / 2)
		out_of_memory();
	need = (size + align - 1) / align * align;
	if (!b || b->size - b->used < need) {
		size_t bytes = !b ? ARENA_FIRST : b->size < ARENA_BLOCK / 2 ? 2 * b->size : ARENA_BLOCK;
		size_t cap = bytes - sizeof(*b) > need ? bytes - sizeof(*b) : need;

		b = xmalloc(sizeof(*b) + cap);
		b->used = 0;
		b->size = cap;
		b->next = a->head;
		a->head = b;
	}
	b->used += need;
	return memset(b->data + b->used - need, 0, need);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = arena_alloc(a, len + 1);

	memcpy(p, s, len);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

void arena_done(struct arena *a)
{
	while (a->head) {
		struct arena_block *b = a->head;

		a->head = b->next;
		free(b);
	}
}
