/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/str.h"

#include "runtime/base/mem.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/random.h>
#include <time.h>

static void buf_room(struct buf *b, size_t more)
{
	size_t need = b->len + more + 1;

	if (need <= b->cap)
		return;
	b->cap = need < 128 ? 128 : need * 2;
	b->p = xreallocarray(b->p, b->cap, 1);
}

void buf_add_n(struct buf *b, const char *s, size_t n)
{
	buf_room(b, n);
	memcpy(b->p + b->len, s, n);
	b->len += n;
	b->p[b->len] = '\0';
}

void buf_add(struct buf *b, const char *s)
{
	buf_add_n(b, s, strlen(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0) {
		buf_room(b, (size_t)n);
		vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

char *buf_take(struct buf *b)
{
	char *p = b->p ? b->p : xstrdup("");

	*b = (struct buf){ 0 };
	return p;
}

bool str_eq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n >= k && memcmp(s + n - k, suffix, k) == 0;
}

int str_to_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

int str_to_i64(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t v, limit = (uint64_t)INT64_MAX + negative;
	int r = str_to_u64(s + negative, &v);

	if (r < 0)
		return r;
	if (v > limit)
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int str_to_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = str_to_u64(s, &v);

	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int str_to_int(const char *s, int *ret)
{
	int64_t v;
	int r = str_to_i64(s, &v);

	if (r < 0)
		return r;
	if (v < INT32_MIN || v > INT32_MAX)
		return -ERANGE;
	*ret = (int)v;
	return 0;
}

/* A number at *s; leaves *s behind it. */
static int list_number(const char **s, uint64_t *ret)
{
	char digits[12];
	size_t n = strspn(*s, "0123456789");

	if (!n || n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, *s, n);
	digits[n] = '\0';
	*s += n;
	return str_to_u64(digits, ret);
}

int str_to_bitset(const char *s, uint64_t *bits, size_t nbits)
{
	memset(bits, 0, (nbits + 63) / 64 * sizeof(*bits));
	for (;;) {
		uint64_t a, b;
		int r = list_number(&s, &a);

		if (r < 0)
			return r;
		b = a;
		if (*s == '-') {
			s++;
			r = list_number(&s, &b);
			if (r < 0)
				return r;
		}
		if (b < a)
			return -EINVAL;
		if (b >= nbits)
			return -ERANGE;
		for (uint64_t i = a; i <= b; i++)
			bits[i / 64] |= 1ull << (i % 64);
		if (!*s)
			return 0;
		if (*s++ != ',')
			return -EINVAL;
	}
}

const struct name_value *name_find(const struct name_value *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

const char *name_of(const struct name_value *table, uint64_t value)
{
	for (; table->name; table++)
		if (table->value == value)
			return table->name;
	return NULL;
}

static const struct name_value signals[] = {
	{ "HUP", SIGHUP },	 { "INT", SIGINT },   { "QUIT", SIGQUIT }, { "ILL", SIGILL },	   { "TRAP", SIGTRAP },
	{ "ABRT", SIGABRT },	 { "IOT", SIGIOT },   { "BUS", SIGBUS },   { "FPE", SIGFPE },	   { "KILL", SIGKILL },
	{ "USR1", SIGUSR1 },	 { "SEGV", SIGSEGV }, { "USR2", SIGUSR2 }, { "PIPE", SIGPIPE },   { "ALRM", SIGALRM },
	{ "TERM", SIGTERM },	 { "CHLD", SIGCHLD }, { "CLD", SIGCHLD },  { "CONT", SIGCONT },   { "STOP", SIGSTOP },
	{ "STKFLT", SIGSTKFLT }, { "TSTP", SIGTSTP }, { "TTIN", SIGTTIN }, { "TTOU", SIGTTOU },   { "URG", SIGURG },
	{ "XCPU", SIGXCPU },	 { "XFSZ", SIGXFSZ }, { "PROF", SIGPROF }, { "VTALRM", SIGVTALRM }, { "IO", SIGIO },
	{ "POLL", SIGIO },	 { "PWR", SIGPWR },   { "SYS", SIGSYS },   { "WINCH", SIGWINCH }, { NULL, 0 },
};

/* Real-time signals are counted from the kernel's numbers 34 and 64, as kill(1) does with glibc. */
#define RT_MIN 34
#define RT_MAX 64

static int rt_signal(const char *s)
{
	bool from_max = strncmp(s, "MAX", 3) == 0;
	int base = from_max ? RT_MAX : RT_MIN, off = 0;

	if (!from_max && strncmp(s, "MIN", 3) != 0)
		return -EINVAL;
	s += 3;
	if (*s) {
		if (*s != (from_max ? '-' : '+') || str_to_int(s + 1, &off) < 0 || off < 0 || off > RT_MAX - RT_MIN)
			return -EINVAL;
	}
	return from_max ? base - off : base + off;
}

int str_to_signal(const char *s)
{
	char up[16] = "";
	const char *name = up;
	size_t n = strlen(s);
	const struct name_value *row;
	int num;

	if (str_to_int(s, &num) == 0)
		return num >= 0 && num <= RT_MAX ? num : -EINVAL;
	if (n >= sizeof(up))
		return -EINVAL;
	for (size_t i = 0; i <= n; i++)
		up[i] = s[i] >= 'a' && s[i] <= 'z' ? (char)(s[i] - 'a' + 'A') : s[i];
	if (str_starts(name, "SIG"))
		name += 3;
	if (str_starts(name, "RT"))
		return rt_signal(name + 2);
	row = name_find(signals, name);
	return row ? (int)row->value : -EINVAL;
}

void str_random_hex(char *out, size_t digits)
{
	uint8_t bytes[32];

	/* without flags, so few bytes are never refused or cut short once the machine has booted */
	if (digits > 2 * sizeof(bytes) || getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		abort();
	for (size_t i = 0; i < digits; i++)
		out[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
	out[digits] = '\0';
}

/* Years are counted from March here, so that the leap day is the last one of its year. 1970-01-01 is day 719468 of that count. */
void str_time_utc(time_t t, char out[STR_TIME_LEN])
{
	const int64_t days = t / 86400 - (t % 86400 < 0) + 719468, secs = t - (days - 719468) * 86400;
	const int64_t era = (days >= 0 ? days : days - 146096) / 146097; /* 400 years */
	const int64_t day = days - era * 146097;
	const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	const int64_t in_year = day - (year * 365 + year / 4 - year / 100);
	const int64_t month = (in_year * 5 + 2) / 153; /* 0: March */

	snprintf(out, STR_TIME_LEN, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02dZ", year + era * 400 + (month >= 10),
		 (int)(month < 10 ? month + 3 : month - 9), (int)(in_year - (month * 153 + 2) / 5 + 1), (int)(secs / 3600),
		 (int)(secs / 60 % 60), (int)(secs % 60));
}

void str_time_now(char out[STR_TIME_LEN])
{
	struct timespec ts;
	char secs[STR_TIME_LEN];

	sys_clock_now(&ts);
	str_time_utc(ts.tv_sec, secs);
	snprintf(out, STR_TIME_LEN, "%.19s.%09ldZ", secs, ts.tv_nsec);
}
