/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/progress.h"

#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/cli/table.h"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { REDRAW_MS = 100, BAR_MAX = 30, SHOW_BAR_AFTER_MS = 1000 };

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void write_out(const struct buf *b)
{
	if (b->len)
		(void)!write(STDERR_FILENO, b->p, b->len);
}

/* Take what is drawn off the terminal again. */
static void erase(struct progress *p, struct buf *out)
{
	if (p->lines)
		buf_addf(out, "\r\033[%zuA\033[J", p->lines);
	p->lines = 0;
}

/* ---- terminal ---- */

static void terminal_size(unsigned *rows, unsigned *columns)
{
	struct winsize w;

	*rows = 24;
	*columns = 80;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col) {
		*rows = w.ws_row;
		*columns = w.ws_col;
	}
}

static const char *state_name(enum transfer_state state, bool push)
{
	switch (state) {
	case TRANSFER_WAITING:
		return "waiting";
	case TRANSFER_RUNNING:
		return push ? "uploading" : "downloading";
	case TRANSFER_DONE:
		return "done";
	case TRANSFER_EXISTS:
		return "already exists";
	case TRANSFER_MOUNTED:
		return "mounted";
	}
	return "";
}

/* "[=====>    ]" */
static void add_bar(struct buf *out, uint64_t done, uint64_t size, unsigned width)
{
	unsigned full = size ? (unsigned)((double)done / (double)size * width) : width;

	if (full > width)
		full = width;
	buf_add(out, " [");
	for (unsigned i = 0; i < width; i++)
		buf_add(out, i < full ? "=" : i == full ? ">" : " ");
	buf_add(out, "]");
}

static void add_item(const struct progress *p, struct buf *out, const struct transfer_item *i, unsigned columns)
{
	uint64_t done = __atomic_load_n(&i->done, __ATOMIC_RELAXED);
	AUTO_FREE char *have = table_size(done, " "), *size = table_size(i->size, " ");
	AUTO_BUF struct buf line = { 0 };
	int64_t ms = now_ms() - p->started_ms;
	char hex[DIGEST_HEX_LEN];

	buf_addf(&line, "%.12s  %-14s", digest_hex(&i->digest, hex), state_name(i->state, p->push));
	if (i->state == TRANSFER_RUNNING) {
		AUTO_FREE char *rate = table_size(ms > 0 ? done * 1000 / (uint64_t)ms : 0, " ");

		if (ms >= SHOW_BAR_AFTER_MS && columns > 70 + BAR_MAX / 2)
			add_bar(&line, done, i->size, columns - 70 < BAR_MAX ? columns - 70 : BAR_MAX);
		buf_addf(&line, " %9s / %s  %s/s", have, size, rate);
	} else {
		buf_addf(&line, " %9s", size);
	}
	if (line.len >= columns)
		line.p[columns - 1] = '\0';
	buf_addf(out, "%s\n", line.p);
}

static void add_total(struct progress *p, struct buf *out, const struct transfer_item *items, size_t n)
{
	uint64_t done = 0, size = 0;
	int64_t ms = now_ms() - p->started_ms;

	for (size_t i = 0; i < n; i++) {
		if (items[i].state == TRANSFER_EXISTS || items[i].state == TRANSFER_MOUNTED)
			continue;
		done += __atomic_load_n(&items[i].done, __ATOMIC_RELAXED);
		size += items[i].size;
	}
	{
		AUTO_FREE char *have = table_size(done, " "), *all = table_size(size, " ");
		AUTO_FREE char *rate = table_size(ms > 0 ? done * 1000 / (uint64_t)ms : 0, " ");

		buf_addf(out, "%s of %s, %s/s\n", have, all, rate);
	}
	p->lines++;
}

static void draw(struct progress *p, const struct transfer_item *items, size_t n)
{
	AUTO_BUF struct buf out = { 0 };
	unsigned rows, columns;

	terminal_size(&rows, &columns);
	erase(p, &out);
	for (size_t i = 0; i < n; i++) {
		/* More layers than lines: only what moves. */
		if (n + 2 > rows && items[i].state != TRANSFER_RUNNING)
			continue;
		add_item(p, &out, &items[i], columns);
		p->lines++;
	}
	add_total(p, &out, items, n);
	write_out(&out);
}

/* ---- plain ---- */

static void print_changes(struct progress *p, const struct transfer_item *items, size_t n)
{
	AUTO_BUF struct buf out = { 0 };
	char text[DIGEST_TEXT_LEN];

	for (size_t i = 0; i < n; i++) {
		const char *what = items[i].state == TRANSFER_EXISTS	? " skipped: already exists" :
				   items[i].state == TRANSFER_MOUNTED ? " mounted from another repository" :
									"";

		if (items[i].state == p->seen[i])
			continue;
		/* A quick one is seen when it is done already. */
		if (*what || p->seen[i] == TRANSFER_WAITING)
			buf_addf(&out, "Copying blob %s%s\n", digest_text(&items[i].digest, text), what);
		p->seen[i] = items[i].state;
	}
	write_out(&out);
}

/* ---- the observer ---- */

static void on_progress(void *ctx, const struct transfer_item *items, size_t n, bool last)
{
	struct progress *p = ctx;
	int64_t now = now_ms();

	if (p->quiet)
		return;
	pthread_mutex_lock(&p->lock);
	if (n != p->n_seen) {
		p->seen = xreallocarray(p->seen, n + 1, sizeof(*p->seen));
		memset(p->seen, 0, (n + 1) * sizeof(*p->seen));
		p->n_seen = n;
	}
	if (!p->terminal)
		print_changes(p, items, n);
	else if (last || now - p->drawn_ms >= REDRAW_MS) {
		draw(p, items, n);
		p->drawn_ms = now;
	}
	if (last) {
		p->lines = 0; /* they stay */
		p->n_blobs += n;
		for (size_t i = 0; i < n; i++)
			p->total += items[i].done;
	}
	pthread_mutex_unlock(&p->lock);
}

static void print_line(struct progress *p, const char *a, const char *b, const char *c)
{
	AUTO_BUF struct buf out = { 0 };

	pthread_mutex_lock(&p->lock);
	erase(p, &out);
	buf_addf(&out, "%s%s%s\n", a, b, c);
	write_out(&out);
	pthread_mutex_unlock(&p->lock);
}

static void on_start(void *ctx, const char *name)
{
	struct progress *p = ctx;

	if (!p->quiet)
		print_line(p, p->push ? "Pushing to " : "Trying to pull ", name, "...");
}

static void on_step(void *ctx, const char *what, const struct digest *d)
{
	struct progress *p = ctx;
	char text[DIGEST_TEXT_LEN];

	if (!p->quiet)
		print_line(p, what, " ", digest_text(d, text));
}

static void on_note(void *ctx, const char *text)
{
	print_line(ctx, "Warning: ", text, "");
}

void progress_init(struct progress *p, bool quiet, bool push)
{
	const char *term = getenv("TERM");

	*p = (struct progress){ .quiet = quiet, .push = push, .started_ms = now_ms() };
	p->terminal = isatty(STDERR_FILENO) && term && !str_eq(term, "dumb");
	pthread_mutex_init(&p->lock, NULL);
	p->observer = (struct transfer_observer){ .start = on_start, .progress = on_progress, .step = on_step, .note = on_note, .ctx = p };
}

void progress_done(struct progress *p)
{
	free(p->seen);
	pthread_mutex_destroy(&p->lock);
}

void progress_summary(struct progress *p, const char *name)
{
	AUTO_FREE char *size = table_size(p->total, " ");
	int64_t ms = now_ms() - p->started_ms;

	if (!p->quiet && p->terminal && p->n_blobs)
		fprintf(stderr, "%s %s (%s, %zu layer%s, %lld.%lld s)\n", p->push ? "pushed" : "pulled", name, size, p->n_blobs,
			p->n_blobs == 1 ? "" : "s", (long long)(ms / 1000), (long long)(ms % 1000 / 100));
}
