/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a config.json, a process.json and a resources.json. An error names the file, a success keeps its promises. */
#include "runtime/base/log.h"
#include "runtime/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct spec *s)
{
	if (!s->oci_version || !s->root_path || (s->has_process && (!s->process.args.n || s->process.cwd[0] != '/')))
		abort();
	for (size_t i = 0; i < s->n_mounts; i++)
		if (s->mounts[i].destination[0] != '/' || strstr(s->mounts[i].destination, "/../"))
			abort();
	for (int t = 0; t < NS_TYPES; t++)
		if (s->ns[t].path && s->ns[t].path[0] != '/')
			abort();
}

static void check_err(int result, const struct err *err)
{
	if (result < 0 && (err->code != -result || !str_starts(err->msg, "f:")))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data;
	struct arena a = { 0 };
	struct spec_process p;
	struct spec_resources res;
	struct err err = { 0 };
	struct spec s;
	int r;

	log_setup(2, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	r = spec_parse(&s, "f", text, n, n % 2, &err);
	check_err(r, &err);
	if (r >= 0) {
		check(&s);
		spec_done(&s);
	}
	check_err(spec_parse_process(&a, &p, "f", text, n, &err), &err);
	check_err(spec_parse_resources(&a, &res, "f", text, n, &err), &err);
	arena_done(&a);
	return 0;
}
