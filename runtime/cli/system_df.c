/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/output.h"
#include "runtime/cli/status.h"
#include "runtime/cli/system.h"
#include "runtime/cli/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

struct df_options {
	bool verbose;
	const char *format;
};
#define T struct df_options
static const struct option_row rows[] = {
	OPT_STRING(T, format, "format", 0, "FORMAT", "json, table, or a Go template"),
	OPT_FLAG(T, verbose, "verbose", 'v', "every image, container and volume"),
	OPT_END,
};
#undef T

/* All that is stored, as lists. */
struct stored {
	struct store_image *images;
	struct record **records;
	struct volume *volumes;
	size_t n_images, n_records, n_volumes;
	int data_fd;
};

static void stored_done(struct stored *s)
{
	store_list_done(s->images, s->n_images);
	record_list_free(s->records, s->n_records);
	volume_all_done(s->volumes, s->n_volumes);
	fd_close(&s->data_fd);
}

static int stored_load(struct cli *cli, struct stored *s, struct err *err)
{
	AUTO_FREE char *dir = NULL;
	int r = cli_volume_dir(cli, &dir, err);

	if (r < 0)
		return r;
	s->data_fd = open(cli->store.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->data_fd < 0)
		return err_sys(err, -errno, "open '%s'", cli->store.root);
	r = store_list(&cli->store, &s->images, &s->n_images, err);
	if (r == 0)
		r = record_list(cli, &s->records, &s->n_records, err);
	return r < 0 ? r : volume_all(dir, &s->volumes, &s->n_volumes, err);
}

uint64_t system_image_bytes(int data_fd)
{
	static const char *const parts[] = { "blobs", "layers", "chains", "images", "trees", NULL };
	uint64_t sum = 0;

	for (const char *const *p = parts; *p; p++)
		sum += tree_bytes(data_fd, *p);
	return sum;
}

static size_t users_of(const struct stored *s, const struct store_image *image)
{
	char text[DIGEST_TEXT_LEN];
	size_t n = 0;

	digest_text(&image->manifest, text);
	for (size_t i = 0; i < s->n_records; i++)
		n += str_eq(s->records[i]->manifest, text);
	return n;
}

static bool alive(struct record *r)
{
	enum record_state state = record_state(r, NULL);

	return state == RECORD_RUNNING || state == RECORD_PAUSED;
}

static uint64_t volume_bytes(const struct stored *s, const struct volume *v)
{
	AUTO_FREE char *path = xasprintf("volumes/%s/_data", v->name);

	return tree_bytes(s->data_fd, path);
}

/* ---- the summary ---- */

static void write_line(struct json_writer *w, const char *type, size_t total, size_t active, uint64_t size, uint64_t free_able)
{
	AUTO_FREE char *size_text = table_size(size, ""), *free_text = table_size(free_able, "");
	AUTO_FREE char *reclaimable = xasprintf("%s (%u%%)", free_text, size ? (unsigned)(free_able * 100 / size) : 0);

	json_begin_object(w);
	json_kv_string(w, "Type", type);
	json_kv_u64(w, "Total", total);
	json_kv_u64(w, "TotalCount", total);
	json_kv_u64(w, "Active", active);
	json_kv_string(w, "Size", size_text);
	json_kv_u64(w, "RawSize", size);
	json_kv_string(w, "Reclaimable", reclaimable);
	json_kv_u64(w, "RawReclaimable", free_able);
	json_end_object(w);
}

/* What would be freed is at most all: layers count in every image that has them. */
static void write_images(const struct stored *s, struct json_writer *w)
{
	uint64_t total = system_image_bytes(s->data_fd), unused = 0;
	size_t active = 0;

	for (size_t i = 0; i < s->n_images; i++) {
		if (users_of(s, &s->images[i]))
			active++;
		else
			unused += s->images[i].size;
	}
	write_line(w, "Images", s->n_images, active, total, active && unused < total ? unused : total);
}

static void write_containers(const struct stored *s, struct json_writer *w)
{
	uint64_t total = 0, unused = 0;
	size_t active = 0;

	for (size_t i = 0; i < s->n_records; i++) {
		uint64_t bytes = status_size(s->records[i]);

		total += bytes;
		if (alive(s->records[i]))
			active++;
		else
			unused += bytes;
	}
	write_line(w, "Containers", s->n_records, active, total, unused);
}

static void write_volumes(const struct stored *s, struct json_writer *w)
{
	uint64_t total = 0, unused = 0;
	size_t active = 0;

	for (size_t i = 0; i < s->n_volumes; i++) {
		uint64_t bytes = volume_bytes(s, &s->volumes[i]);

		total += bytes;
		if (s->volumes[i].users)
			active++;
		else
			unused += bytes;
	}
	write_line(w, "Local Volumes", s->n_volumes, active, total, unused);
}

static int summary(const struct stored *s, const char *format, struct err *err)
{
	static const struct table_style style = { .columns = "{{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}" };
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };

	json_begin_array(&w);
	write_images(s, &w);
	write_containers(s, &w);
	write_volumes(s, &w);
	json_end_array(&w);
	return output_rows(&style, format, &text, err);
}

/* ---- -v ---- */

static void write_age(struct json_writer *w, int64_t since)
{
	AUTO_FREE char *age = table_age(time(NULL) - since), *ago = xasprintf("%s ago", age);

	json_kv_string(w, "Created", ago);
}

static void write_size(struct json_writer *w, uint64_t bytes)
{
	AUTO_FREE char *size = table_size(bytes, "");

	json_kv_string(w, "Size", size);
}

static void write_image_row(const struct stored *s, const struct store_image *i, struct json_writer *w)
{
	AUTO_FREE char *name = xstrdup(i->n_names ? i->names[0] : "<none>");
	char hex[DIGEST_HEX_LEN], *slash = strrchr(name, '/'), *colon = strchr(slash ? slash : name, ':');

	digest_hex(&i->config, hex);
	hex[RECORD_SHORT_LEN] = '\0';
	if (colon)
		*colon = '\0';
	json_begin_object(w);
	json_kv_string(w, "Repository", name);
	json_kv_string(w, "Tag", colon ? colon + 1 : "<none>");
	json_kv_string(w, "ImageID", hex);
	write_age(w, i->stored_s);
	write_size(w, i->size);
	json_kv_u64(w, "Containers", users_of(s, i));
	json_end_object(w);
}

static void write_container_row(struct record *r, struct json_writer *w)
{
	AUTO_FREE char *status = status_text(r, record_state(r, NULL)), *id = xstrndup(r->id, RECORD_SHORT_LEN);

	json_begin_object(w);
	json_kv_string(w, "ContainerID", id);
	json_kv_string(w, "Image", r->image);
	json_kv_string(w, "Command", r->args.n ? r->args.v[0] : "");
	write_size(w, status_size(r));
	write_age(w, record_since(r, RECORD_CREATED));
	json_kv_string(w, "Status", status);
	json_kv_string(w, "Names", r->name);
	json_end_object(w);
}

static void write_volume_row(const struct stored *s, const struct volume *v, struct json_writer *w)
{
	size_t links = 0;

	while (v->users && v->users[links])
		links++;
	json_begin_object(w);
	json_kv_string(w, "VolumeName", v->name);
	json_kv_u64(w, "Links", links);
	write_size(w, volume_bytes(s, v));
	json_end_object(w);
}

static int section(const char *title, const char *columns, struct json_writer *w, struct err *err)
{
	static const struct table_heading headings[] = { { "ImageID", "IMAGE ID" }, { "ContainerID", "CONTAINER ID" },
							 { "VolumeName", "VOLUME NAME" }, { NULL, NULL } };
	struct table_style style = { .columns = columns, .headings = headings };
	AUTO_FREE char *heading = xasprintf("%s space usage:\n\n", title);
	int r;

	json_end_array(w);
	r = cli_print(heading, err);
	if (r == 0)
		r = output_rows(&style, NULL, w->out, err);
	return r < 0 ? r : cli_print("\n", err);
}

static int details(const struct stored *s, struct err *err)
{
	AUTO_BUF struct buf images = { 0 }, containers = { 0 }, volumes = { 0 };
	struct json_writer wi = { .out = &images }, wc = { .out = &containers }, wv = { .out = &volumes };
	int r;

	json_begin_array(&wi);
	for (size_t i = 0; i < s->n_images; i++)
		write_image_row(s, &s->images[i], &wi);
	r = section("Images", "{{.Repository}}\t{{.Tag}}\t{{.ImageID}}\t{{.Created}}\t{{.Size}}\t{{.Containers}}", &wi, err);
	json_begin_array(&wc);
	for (size_t i = 0; i < s->n_records; i++)
		write_container_row(s->records[i], &wc);
	if (r == 0)
		r = section("Containers", "{{.ContainerID}}\t{{.Image}}\t{{.Command}}\t{{.Size}}\t{{.Created}}\t{{.Status}}\t{{.Names}}", &wc, err);
	json_begin_array(&wv);
	for (size_t i = 0; i < s->n_volumes; i++)
		write_volume_row(s, &s->volumes[i], &wv);
	return r < 0 ? r : section("Local Volumes", "{{.VolumeName}}\t{{.Links}}\t{{.Size}}", &wv, err);
}

static int run(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	const struct df_options *o = target;
	CLEANUP(stored_done) struct stored s = { .data_fd = -1 };
	int r = 0;

	if (o->verbose && o->format)
		return err_set(err, EINVAL, "--verbose and --format contradict each other");
	r = stored_load(cli, &s, err);
	if (r < 0)
		return r;
	return o->verbose ? details(&s, err) : summary(&s, o->format, err);
}

const struct cli_command cli_system_df = {
	.name = "system df",
	.operands = "[OPTIONS]",
	.help = "show how much images, containers and volumes take",
	.options = rows,
	.target_size = sizeof(struct df_options),
	.max_operands = 0,
	.run = run,
};
