/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/oci/options.h"

/* ---- values ---- */

int option_bool(const char *text, bool *ret)
{
	static const char *const names[2][6] = {
		{ "0", "f", "F", "false", "False", "FALSE" },
		{ "1", "t", "T", "true", "True", "TRUE" },
	};

	for (size_t value = 0; value < 2; value++) {
		for (size_t i = 0; i < ARRAY_SIZE(names[0]); i++) {
			if (str_eq(text, names[value][i])) {
				*ret = value != 0;
				return 0;
			}
		}
	}
	return -EINVAL;
}

/* Digits with an optional fraction, as mantissa / scale. Returns what follows, or NULL. */
static const char *read_decimal(const char *s, uint64_t *mantissa, uint64_t *scale)
{
	bool fraction = false, digit = false;

	*mantissa = 0;
	*scale = 1;
	for (; isdigit((unsigned char)*s) || (*s == '.' && !fraction); s++) {
		if (*s == '.') {
			fraction = true;
			continue;
		}
		digit = true;
		if (fraction && *scale >= 1000000000)
			continue; /* finer than anything we count in */
		if (__builtin_mul_overflow(*mantissa, (uint64_t)10, mantissa) ||
		    __builtin_add_overflow(*mantissa, (uint64_t)(*s - '0'), mantissa))
			return NULL;
		if (fraction)
			*scale *= 10;
	}
	return digit ? s : NULL;
}

/* mantissa / scale * unit without losing bits on the way */
static int scale_number(uint64_t mantissa, uint64_t scale, uint64_t unit, uint64_t max, uint64_t *ret)
{
	unsigned __int128 v = (unsigned __int128)mantissa * unit / scale;

	if (v > max)
		return -ERANGE;
	*ret = (uint64_t)v;
	return 0;
}

int option_size(const char *text, int64_t *ret)
{
	static const char units[] = "kmgtp";
	uint64_t mantissa, scale, bytes, unit = 1;
	const char *s, *u;
	int r;

	if (str_eq(text, "-1")) {
		*ret = -1;
		return 0;
	}
	s = read_decimal(text, &mantissa, &scale);
	if (!s)
		return isdigit((unsigned char)*text) ? -ERANGE : -EINVAL;
	if (*s == ' ')
		s++;
	u = *s ? strchr(units, tolower((unsigned char)*s)) : NULL;
	if (u) {
		unit = 1ull << (10 * (u - units + 1));
		s++;
		if (*s == 'i' || *s == 'I')
			s++;
	}
	if (*s == 'b' || *s == 'B')
		s++;
	if (*s)
		return -EINVAL;
	r = scale_number(mantissa, scale, unit, INT64_MAX, &bytes);
	if (r == 0)
		*ret = (int64_t)bytes;
	return r;
}

static const char *read_duration_unit(const char *s, uint64_t *ns)
{
	/* longest first: "ms" before "m" */
	static const struct name_value units[] = {
		{ "ns", 1 },		    { "us", 1000 },	     { "\xc2\xb5s", 1000 },
		{ "ms", 1000000 },	    { "s", 1000000000 },     { "m", 60ull * 1000000000 },
		{ "h", 3600ull * 1000000000 }, { NULL, 0 },
	};

	for (const struct name_value *u = units; u->name; u++) {
		if (str_starts(s, u->name)) {
			*ns = u->value;
			return s + strlen(u->name);
		}
	}
	return NULL;
}

int option_duration(const char *text, uint64_t *ret_ns)
{
	uint64_t total = 0, mantissa, scale, unit, part;
	const char *s = text;

	if (str_eq(text, "0")) {
		*ret_ns = 0;
		return 0;
	}
	do {
		s = read_decimal(s, &mantissa, &scale);
		if (!s)
			return -EINVAL;
		s = read_duration_unit(s, &unit);
		if (!s)
			return -EINVAL;
		if (scale_number(mantissa, scale, unit, INT64_MAX, &part) < 0 ||
		    __builtin_add_overflow(total, part, &total) || total > INT64_MAX)
			return -ERANGE;
	} while (*s);
	*ret_ns = total;
	return 0;
}

static int store_value(const struct option_row *row, const char *value, void *target)
{
	void *at = (char *)target + row->offset;
	int r;

	switch (row->kind) {
	case OPTION_FLAG:
		return option_bool(value, at);
	case OPTION_STRING:
		*(const char **)at = value;
		return 0;
	case OPTION_LIST: {
		struct option_list *l = at;

		l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
		l->v[l->n++] = value;
		return 0;
	}
	case OPTION_UINT:
		return str_to_u32(value, at);
	case OPTION_I64:
		r = str_to_i64(value, &((struct opt_i64 *)at)->v);
		((struct opt_i64 *)at)->set = true;
		return r;
	case OPTION_U64:
		r = str_to_u64(value, &((struct opt_u64 *)at)->v);
		((struct opt_u64 *)at)->set = true;
		return r;
	case OPTION_U32:
		r = str_to_u32(value, &((struct opt_u32 *)at)->v);
		((struct opt_u32 *)at)->set = true;
		return r;
	case OPTION_SIZE:
		r = option_size(value, &((struct opt_i64 *)at)->v);
		((struct opt_i64 *)at)->set = true;
		return r;
	case OPTION_IGNORE:
	case OPTION_END:
		break;
	}
	return 0;
}

static const char *kind_wants(enum option_kind kind)
{
	switch (kind) {
	case OPTION_FLAG:
		return "true or false";
	case OPTION_SIZE:
		return "a size such as 512m, or -1";
	case OPTION_UINT:
	case OPTION_U32:
		return "a number from 0 to 4294967295";
	case OPTION_U64:
		return "a number of at least 0";
	case OPTION_I64:
		return "a number";
	case OPTION_STRING:
	case OPTION_LIST:
	case OPTION_IGNORE:
	case OPTION_END:
		break;
	}
	return "text";
}

/* ---- words ---- */

struct parser {
	const struct option_row *rows;
	void *target;
	char **next; /* the word after the one that is being read */
	bool posix;  /* options_parse_posix() */
	bool help;
	struct err *err;
};

static const struct option_row *find_long(const struct option_row *rows, const char *name, size_t n)
{
	for (; rows->kind != OPTION_END; rows++) {
		if (strlen(rows->name) == n && strncmp(rows->name, name, n) == 0)
			return rows;
	}
	return NULL;
}

static const struct option_row *find_letter(const struct option_row *rows, char letter)
{
	for (; rows->kind != OPTION_END; rows++) {
		if (rows->letter && rows->letter == letter)
			return rows;
	}
	return NULL;
}

/* shown: the option as the user wrote it, for messages. value: behind "=", or NULL. */
static int apply(struct parser *p, const struct option_row *row, const char *shown, int shown_len, const char *value)
{
	int r;

	if (!value && row->kind == OPTION_FLAG)
		value = "true";
	if (!value) {
		if (!*p->next)
			return err_set(p->err, EINVAL, "flag needs an argument: %.*s", shown_len, shown);
		value = *p->next++;
	}
	r = store_value(row, value, p->target);
	if (r < 0 && p->posix)
		return err_set(p->err, -r, "invalid argument \"%s\" for \"%.*s\" flag: must be %s", value, shown_len, shown,
			       kind_wants(row->kind));
	if (r < 0)
		return err_set(p->err, -r, "invalid value \"%s\" for flag %.*s: must be %s", value, shown_len, shown,
			       kind_wants(row->kind));
	return 0;
}

/* "-abc": every letter but the last has to be a flag. */
static int parse_letters(struct parser *p, const char *word)
{
	const char *equals = strchr(word, '=');
	const char *end = equals ? equals : word + strlen(word);

	for (const char *c = word + 1; c < end; c++) {
		const struct option_row *row = find_letter(p->rows, *c);

		if (*c == 'h' && !row) {
			p->help = true;
			return 0;
		}
		if (!row || (c + 1 < end && row->kind != OPTION_FLAG))
			return err_set(p->err, EINVAL, "flag provided but not defined: %.*s", (int)(end - word), word);
	}
	for (const char *c = word + 1; c < end; c++) {
		const struct option_row *row = find_letter(p->rows, *c);
		char shown[] = { '-', *c, '\0' };
		int r = row ? apply(p, row, shown, 2, c + 1 == end && equals ? equals + 1 : NULL) : -EINVAL;

		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_option(struct parser *p, const char *word)
{
	size_t dashes = word[1] == '-' ? 2 : 1;
	const char *name = word + dashes;
	const char *equals = strchr(name, '=');
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_row *row = find_long(p->rows, name, n);

	if (row)
		return apply(p, row, word, (int)(dashes + n), equals ? equals + 1 : NULL);
	if (n == 4 && strncmp(name, "help", 4) == 0) {
		p->help = true;
		return 0;
	}
	if (dashes == 1 && n > 0)
		return parse_letters(p, word);
	return err_set(p->err, EINVAL, "flag provided but not defined: %.*s", (int)(dashes + n), word);
}

/* "-it", "-p80:80", "-p=80:80": a letter that takes a value takes the rest of the word. */
static int parse_posix_letters(struct parser *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct option_row *row = find_letter(p->rows, *c);
		char shown[] = { '-', *c, '\0' };
		const char *value = NULL;
		int r;

		if (!row && *c == 'h') {
			p->help = true;
			return 0;
		}
		if (!row)
			return err_set(p->err, EINVAL, "unknown shorthand flag: '%c' in %s", *c, word);
		if (row->kind == OPTION_FLAG ? c[1] == '=' : c[1] != '\0')
			value = c + 1 + (c[1] == '=');
		r = apply(p, row, shown, 2, value);
		if (r < 0 || value)
			return r;
	}
	return 0;
}

static int parse_posix_option(struct parser *p, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);
	const struct option_row *row;

	if (word[1] != '-')
		return parse_posix_letters(p, word);
	row = find_long(p->rows, word + 2, n - 2);
	if (row)
		return apply(p, row, word, (int)n, equals ? equals + 1 : NULL);
	if (n == 6 && strncmp(word, "--help", n) == 0) {
		p->help = true;
		return 0;
	}
	return err_set(p->err, EINVAL, "unknown flag: %.*s", (int)n, word);
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0'; /* a lone "-" is stdin */
}

static int parse_words(struct parser p, enum option_order order, struct option_result *ret)
{
	char **argv = p.next;
	AUTO_FREE char **operands = NULL;
	bool options_over = false;
	int n = 0, words = 0;

	while (argv[words])
		words++;
	operands = xcalloc((size_t)words + 1, sizeof(*operands));
	while (*p.next && !p.help) {
		char *word = *p.next++;

		if (!options_over && str_eq(word, "--")) {
			options_over = true;
		} else if (!options_over && is_option(word)) {
			int r = p.posix ? parse_posix_option(&p, word) : parse_option(&p, word);

			if (r < 0)
				return r;
		} else {
			operands[n++] = word;
			if (order == OPTION_ORDER_ANY)
				continue;
			if (order == OPTION_ORDER_STOP_AFTER_1ST && *p.next && str_eq(*p.next, "--") && !options_over)
				p.next++;
			while (*p.next)
				operands[n++] = *p.next++;
		}
	}
	*ret = (struct option_result){ .operands = TAKE_PTR(operands), .n_operands = n, .help = p.help };
	return 0;
}

int options_parse(const struct option_row *rows, enum option_order order, char **argv, void *target, struct option_result *ret,
		  struct err *err)
{
	return parse_words((struct parser){ .rows = rows, .target = target, .next = argv, .err = err }, order, ret);
}

int options_parse_posix(const struct option_row *rows, bool stop_at_operand, char **argv, void *target, struct option_result *ret,
			struct err *err)
{
	struct parser p = { .rows = rows, .target = target, .next = argv, .posix = true, .err = err };

	return parse_words(p, stop_at_operand ? OPTION_ORDER_STOP_AT_1ST : OPTION_ORDER_ANY, ret);
}

void option_result_done(struct option_result *r)
{
	free(r->operands);
	*r = (struct option_result){ 0 };
}

void options_release(const struct option_row *rows, void *target)
{
	for (; rows->kind != OPTION_END; rows++) {
		if (rows->kind == OPTION_LIST) {
			struct option_list *l = (struct option_list *)(void *)((char *)target + rows->offset);

			free(l->v);
			*l = (struct option_list){ 0 };
		}
	}
}

/* ---- help ---- */

static void print_row(const struct option_row *row, int width, FILE *out)
{
	AUTO_BUF struct buf b = { 0 };

	buf_addf(&b, "--%s", row->name);
	if (row->letter)
		buf_addf(&b, ", -%c", row->letter);
	if (row->value)
		buf_addf(&b, " %s", row->value);
	fprintf(out, "   %-*s  %s\n", width, b.p, row->help);
}

void options_help(const struct option_row *rows, FILE *out)
{
	struct option_row help_row = { .name = "help", .letter = find_letter(rows, 'h') ? '\0' : 'h', .kind = OPTION_FLAG,
				       .help = "show this help" };
	int width = 0;

	for (const struct option_row *row = rows; row->kind != OPTION_END; row++) {
		int n = (int)strlen(row->name) + 2 + (row->letter ? 4 : 0) + (row->value ? 1 + (int)strlen(row->value) : 0);

		width = n > width ? n : width;
	}
	for (const struct option_row *row = rows; row->kind != OPTION_END; row++) {
		if (row->help)
			print_row(row, width, out);
	}
	print_row(&help_row, width, out);
}
