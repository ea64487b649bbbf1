/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/table.h"

#include "runtime/cli/template_priv.h"

#include <ctype.h>
#include <errno.h>
#include <time.h>

enum { COLUMN_MIN = 12, COLUMN_GAP = 2, MAX_COLUMNS = 64 };

/* ---- columns ---- */

static size_t width_of(const char *s, size_t n)
{
	size_t w = 0;

	for (size_t i = 0; i < n; i++)
		w += ((unsigned char)s[i] & 0xc0) != 0x80;
	return w;
}

/* Call fn for each cell; the last cell of a line is marked. */
static void for_each_cell(const char *text, void (*fn)(void *ctx, size_t column, const char *s, size_t n, bool last), void *ctx)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, "\t\n");
		bool last = text[n] != '\t';

		fn(ctx, column, text, n, last);
		column = last ? 0 : column + 1;
		text += n + (text[n] != '\0');
	}
}

static void measure(void *ctx, size_t column, const char *s, size_t n, bool last)
{
	size_t *widths = ctx, w = width_of(s, n) + COLUMN_GAP;

	if (!last && column < MAX_COLUMNS && w > widths[column])
		widths[column] = w;
}

struct aligner {
	const size_t *widths;
	struct buf *out;
};

static void emit(void *ctx, size_t column, const char *s, size_t n, bool last)
{
	struct aligner *a = ctx;

	buf_add_n(a->out, s, n);
	if (last)
		buf_add(a->out, "\n");
	else if (column < MAX_COLUMNS)
		buf_addf(a->out, "%*s", (int)(a->widths[column] - width_of(s, n)), "");
}

void table_align(const char *text, struct buf *out)
{
	size_t widths[MAX_COLUMNS];
	struct aligner a = { widths, out };

	for (size_t i = 0; i < MAX_COLUMNS; i++)
		widths[i] = COLUMN_MIN;
	for_each_cell(text, measure, widths);
	for_each_cell(text, emit, &a);
}

/* ---- --format ---- */

static const char *heading_of(const struct table_style *style, const char *field)
{
	for (const struct table_heading *h = style->headings; h && h->field; h++)
		if (str_eq(h->field, field))
			return h->text;
	return NULL;
}

static void add_heading(const struct table_style *style, const char *field, struct buf *out)
{
	const char *text = heading_of(style, field);

	if (text)
		buf_add(out, text);
	else
		for (; *field; field++)
			buf_addf(out, "%c", toupper((unsigned char)*field));
}

/* The headings of a template are its last fields' names, whatever functions stand around them. */
static void pipe_heading(const struct table_style *style, const struct template_pipe *p, struct buf *out)
{
	for (const struct template_command *c = p->first; c; c = c->next) {
		for (size_t i = 0; i < c->n; i++) {
			const struct template_word *w = &c->words[i];

			if (w->n_fields)
				add_heading(style, w->fields[w->n_fields - 1], out);
			else if (w->base == BASE_PIPE)
				pipe_heading(style, w->pipe, out);
		}
	}
}

static void headings(const struct table_style *style, const struct template_node *n, struct buf *out)
{
	for (; n; n = n->next) {
		if (n->kind == NODE_TEXT)
			buf_add(out, n->text);
		else if (n->kind == NODE_PIPE)
			pipe_heading(style, n->pipe, out);
		else
			headings(style, n->body, out);
	}
}

static int run_rows(const struct template *t, const struct json *rows, struct buf *out, struct err *err)
{
	for (const struct json *k = rows->u.kids.first; k; k = k->next) {
		int r = template_run(t, k, out, err);

		if (r < 0)
			return r;
		if (!out->len || out->p[out->len - 1] != '\n')
			buf_add(out, "\n");
	}
	return 0;
}

/* The template behind "table", or NULL when format asks for no table. */
static const char *table_template(const struct table_style *style, const char *format)
{
	if (!format || !*format || str_eq(format, "table"))
		return style->columns;
	if (!str_starts(format, "table") || !strchr(" \t\\", format[5]))
		return NULL;
	format += 5;
	format += strspn(format, " \t");
	return str_starts(format, "\\t") ? format + 2 : format;
}

int table_format(const struct table_style *style, const char *format, const struct json *rows, struct buf *out, struct err *err)
{
	const char *columns = table_template(style, format);
	AUTO_TEMPLATE struct template *t = NULL;
	AUTO_BUF struct buf text = { 0 };
	int r;

	if (format && str_eq(format, "json")) {
		template_json(rows, true, out);
		buf_add(out, "\n");
		return 0;
	}
	r = template_parse(columns ? columns : format, &t, err);
	if (r < 0)
		return r;
	if (!columns)
		return run_rows(t, rows, out, err);
	if (!style->no_heading) {
		headings(style, t->first, &text);
		if (!text.len || text.p[text.len - 1] != '\n')
			buf_add(&text, "\n");
	}
	r = run_rows(t, rows, &text, err);
	if (r == 0 && text.len)
		table_align(text.p, out);
	return r;
}

/* ---- cells ---- */

char *table_age(int64_t s)
{
	static const struct {
		int64_t below, unit;
		const char *format;
	} steps[] = {
		{ 1, 1, "Less than a second" },
		{ 2, 1, "1 second" },
		{ 60, 1, "%lld seconds" },
		{ 120, 60, "About a minute" },
		{ 3600, 60, "%lld minutes" },
		{ 5400, 3600, "About an hour" },
		{ 2 * 86400, 3600, "%lld hours" },
		{ 14 * 86400, 86400, "%lld days" },
		{ 60 * 86400, 7 * 86400, "%lld weeks" },
		{ 730 * 86400LL, 30 * 86400, "%lld months" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int64_t round = steps[i].unit == 3600 ? 1800 : 0;

		if (s >= steps[i].below)
			continue;
		if (!strchr(steps[i].format, '%'))
			return xstrdup(steps[i].format);
		return xasprintf("%lld%s", (long long)((s + round) / steps[i].unit), strchr(steps[i].format, ' '));
	}
	return xasprintf("%lld years", (long long)(s / (365 * 86400)));
}

char *table_size(uint64_t bytes, const char *space)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	size_t i = 0;

	for (; v >= 999.5 && i + 1 < ARRAY_SIZE(units); i++)
		v /= 1000;
	return xasprintf("%.3g%s%s", v, space, units[i]);
}

char *table_time(int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm = { 0 };
	char text[64];

	if (!localtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z %Z", &tm))
		text[0] = '\0';
	return xstrdup(text);
}

int table_parse_time(const char *text, int64_t *ret)
{
	struct tm tm = { .tm_isdst = -1 };
	int zone_h = 0, zone_m = 0;
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!p)
		p = strptime(text, "%Y-%m-%dT%H:%M", &tm);
	if (!p)
		p = strptime(text, "%Y-%m-%d", &tm);
	if (!p)
		return -EINVAL;
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p);)
			p++;
	if (!*p) {
		*ret = (int64_t)mktime(&tm);
		return 0;
	}
	if (*p != 'Z' && *p != 'z' && sscanf(p, "%3d:%2d", &zone_h, &zone_m) != 2)
		return -EINVAL;
	*ret = (int64_t)timegm(&tm) - zone_h * 3600LL - (*p == '-' ? -zone_m : zone_m) * 60LL;
	return 0;
}
