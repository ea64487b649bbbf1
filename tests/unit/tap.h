/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_TESTS_UNIT_TAP_H
#define BRIG_TESTS_UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* TAP in one page. A test program: calls ok() and its kin in main, returns done(). */
struct tap {
	int run, failed;
};
static struct tap tap;

__attribute__((format(printf, 4, 5), unused)) static bool tap_ok(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	if (!tap.run)
		setvbuf(stdout, NULL, _IOLBF, 0); /* or a forked child prints our lines again */
	tap.run++;
	printf("%sok %d - ", good ? "" : "not ", tap.run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!good) {
		tap.failed++;
		printf("# at %s:%d\n", file, line);
	}
	return good;
}

#define ok(cond, ...) tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)
#define is_str(got, want, ...) tap_is_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, ...) tap_is_int((long long)(got), (long long)(want), __FILE__, __LINE__, __VA_ARGS__)
#define like(got, part, ...) tap_like((got), (part), __FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 5, 6), unused)) static bool tap_is_str(const char *got, const char *want, const char *file, int line,
								     const char *fmt, ...)
{
	char name[256];
	va_list ap;
	bool good = got && want ? strcmp(got, want) == 0 : got == want;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	tap_ok(good, file, line, "%s", name);
	if (!good)
		printf("#  got: %s\n# want: %s\n", got ? got : "(null)", want ? want : "(null)");
	return good;
}

__attribute__((format(printf, 5, 6), unused)) static bool tap_is_int(long long got, long long want, const char *file, int line,
								     const char *fmt, ...)
{
	char name[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	tap_ok(got == want, file, line, "%s", name);
	if (got != want)
		printf("#  got: %lld\n# want: %lld\n", got, want);
	return got == want;
}

/* got contains part */
__attribute__((format(printf, 5, 6), unused)) static bool tap_like(const char *got, const char *part, const char *file, int line,
								   const char *fmt, ...)
{
	char name[256];
	va_list ap;
	bool good = got && strstr(got, part);

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	tap_ok(good, file, line, "%s", name);
	if (!good)
		printf("#   got: %s\n# wants: %s\n", got ? got : "(null)", part);
	return good;
}

__attribute__((format(printf, 1, 2), unused)) static void skip(const char *fmt, ...)
{
	va_list ap;

	tap.run++;
	printf("ok %d # skip ", tap.run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

__attribute__((unused)) static int done(void)
{
	printf("1..%d\n", tap.run);
	return tap.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
