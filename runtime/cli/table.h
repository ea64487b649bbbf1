/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_TABLE_H
#define BRIG_RUNTIME_CLI_TABLE_H

#include "runtime/base/json.h"

/*
 * DOC: tables, as docker's and podman's users know them
 *
 * A command describes its rows once, as an array of JSON objects whose members are the columns, and names its default
 * table as a template. Then --format has one meaning everywhere:
 *   (none), "table"       the default table, with a line of headings
 *   "table TEMPLATE"      the columns of the template (split by \t), with headings
 *   "json"                the rows as a JSON array
 *   "TEMPLATE"            the template for each row, one line each, without headings
 */
struct table_heading {
	const char *field; /* "Repository" */
	const char *text;  /* "REPOSITORY" */
};

struct table_style {
	const char *columns;			/* default table: "{{.ID}}\t{{.Names}}" */
	const struct table_heading *headings;	/* ends with a NULL field; a field without one is written in upper case */
	bool no_heading;			/* --noheading */
};

/* Append rows (a JSON array of objects) to out as format (may be NULL) asks. */
int table_format(const struct table_style *style, const char *format, const struct json *rows, struct buf *out, struct err *err) MUST_CHECK;

/* Lines of cells separated by tabs, as columns: every cell but a line's last is padded to its column's width, which is
 * at least 12, two spaces included. Widths are counted in characters, not bytes. */
void table_align(const char *text, struct buf *out);

/* "5 seconds ago", "About an hour ago", "3 weeks ago"; age in seconds. Without " ago". New string. */
char *table_age(int64_t seconds) __attribute__((returns_nonnull));
/* "1.23 MB": decimal units, three significant digits (docker: no space: "1.23MB"). New string. */
char *table_size(uint64_t bytes, const char *space) __attribute__((returns_nonnull));
/* "2026-01-02 15:04:05 +0000 UTC": Go's way to write a time, in our own time zone. New string. */
char *table_time(int64_t seconds) __attribute__((returns_nonnull));
/* Seconds since 1970 of an RFC 3339 time, or of one without zone ("2026-01-02", "2026-01-02T15:04", with seconds and their fractions),
 * which is in our own; -EINVAL. */
int table_parse_time(const char *text, int64_t *ret) MUST_CHECK;

#endif
