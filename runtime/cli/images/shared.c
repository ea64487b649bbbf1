/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include "runtime/cli/event_line.h"

#include "runtime/base/fd.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

int image_view_load(struct store *s, const struct store_image *image, struct image_view *ret, struct err *err)
{
	int r = store_load_image(s, &image->manifest, &ret->manifest, &ret->config, err);

	if (r < 0)
		return r;
	ret->image = *image;
	if (!*ret->config.created || table_parse_time(ret->config.created, &ret->created_s) < 0)
		ret->created_s = 0;
	return 0;
}

void image_view_done(struct image_view *v)
{
	manifest_done(&v->manifest);
	image_config_done(&v->config);
}

int image_find(struct image_cli *cli, const char *text, struct store_image *ret, char **ret_name, struct err *err)
{
	struct store_image *list = NULL, found = { 0 };
	size_t n = 0;
	int r = lookup_image(&cli->store, text, &found, ret_name, err);

	if (r < 0)
		return r;
	r = store_list(&cli->store, &list, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!digest_eq(&list[i].manifest, &found.manifest))
			continue;
		store_image_done(&found);
		found = list[i];
		list[i] = (struct store_image){ 0 };
		break;
	}
	store_list_done(list, n);
	if (r < 0) {
		store_image_done(&found);
		return r;
	}
	*ret = found;
	return 0;
}

const char *image_tag(const char *name)
{
	const char *slash = strrchr(name, '/'), *colon = strchr(slash ? slash : name, ':');

	return colon && !lookup_is_digest_name(name) ? colon + 1 : NULL;
}

char *image_repository(const char *name)
{
	const char *at = strchr(name, '@'), *tag = image_tag(name);

	if (at)
		return xstrndup(name, (size_t)(at - name));
	return tag ? xstrndup(name, (size_t)(tag - 1 - name)) : xstrdup(name);
}

void image_report(struct err *err, int *code, int this_code)
{
	fprintf(stderr, "Error: %s\n", err->msg);
	if (*code < this_code)
		*code = this_code;
	*err = (struct err){ 0 };
}

int image_print(const struct buf *b, struct err *err)
{
	int r = b->len ? fd_write_all(STDOUT_FILENO, b->p, b->len) : 0;

	return r < 0 ? err_sys(err, r, "write to stdout") : 0;
}

int image_json(struct arena *arena, const struct buf *text, struct json **ret, struct err *err)
{
	return json_parse(arena, "output", text->p, text->len, ret, err);
}

int image_filter_split(const char *filter, char **ret_key, const char **ret_value, struct err *err)
{
	const char *eq = strchr(filter, '=');

	if (!eq || eq == filter)
		return err_set(err, EINVAL, "invalid filter '%s': must be KEY=VALUE", filter);
	*ret_key = xstrndup(filter, (size_t)(eq - filter));
	*ret_value = eq + 1;
	return 0;
}

bool image_label_matches(const struct image_config *c, const char *filter)
{
	size_t n = strcspn(filter, "=");

	for (size_t i = 0; i < c->n_labels; i++) {
		const struct label *l = &c->labels[i];

		if (strlen(l->key) == n && memcmp(l->key, filter, n) == 0 && (!filter[n] || str_eq(l->value, filter + n + 1)))
			return true;
	}
	return false;
}

int image_until(const char *text, int64_t *ret, struct err *err)
{
	uint64_t ns;

	if (option_duration(text, &ns) == 0)
		*ret = (int64_t)time(NULL) - (int64_t)(ns / 1000000000);
	else if (str_to_i64(text, ret) < 0 && table_parse_time(text, ret) < 0)
		return err_set(err, EINVAL, "invalid time '%s': must be a duration, a time of RFC 3339 or seconds since 1970", text);
	return 0;
}

void image_event(const struct image_cli *cli, const char *action, const struct store_image *image, const char *name)
{
	char text[DIGEST_TEXT_LEN];
	struct event_line l;

	if (!cli->run_dir)
		return;
	event_line_begin(&l, "image", action, digest_text(&image->config, text));
	json_kv_string(&l.w, "name", name ? name : digest_text(&image->config, text));
	event_line_append(&l, cli->run_dir);
}
