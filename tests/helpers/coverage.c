/* SPDX-License-Identifier: Apache-2.0 */
/* Print COVERAGE.md: every field of config.json, from the table that reads it. */
#include "runtime/mount_options.h"
#include "runtime/spec_fields.h"

static const char *const types[] = {
	[JSON_NULL] = "",	   [JSON_BOOL] = "boolean", [JSON_NUMBER] = "number",
	[JSON_STRING] = "string", [JSON_ARRAY] = "array",   [JSON_OBJECT] = "object",
};

static const char *mark(const struct field *f, enum field_support which)
{
	return f->support & which ? "yes" : "no";
}

static void print_type(const struct object_type *t, const char *prefix)
{
	for (const struct field *f = t->fields; f->name; f++) {
		char path[256];

		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", f->name);
		printf("| `%s` | %s%s | %s | %s | %s |\n", path, types[f->type], f->required ? ", required" : "",
		       mark(f, FIELD_NAMESPACES), mark(f, FIELD_VM), f->note ? f->note : "");
		if (!f->object)
			continue;
		/* A list shows its elements, a map (an object whose keys are names) its values. */
		if (f->type == JSON_ARRAY)
			snprintf(path + strlen(path), sizeof(path) - strlen(path), "[]");
		else if (f->map)
			snprintf(path + strlen(path), sizeof(path) - strlen(path), ".NAME");
		print_type(f->object, path);
	}
}

int main(void)
{
	printf("# What of config.json is in force\n\n"
	       "Made by `make coverage` from the table that reads the file (`runtime/spec*.c`): do not edit.\n\n"
	       "A field is in force or refused with an error that names it. Fields that the table does not have are a warning, and an\n"
	       "error with `--strict`. What only vm-mode has is ignored with a warning in namespaces mode; what vm-mode lacks it\n"
	       "refuses, but for the host's security labels, which mean nothing inside a guest: those are a warning.\n\n"
	       "| field | type | namespaces | vm | note |\n|---|---|---|---|---|\n");
	print_type(&spec_type_root, "");
	printf("\n## Mount options\n\nAny other option is handed to the file system.\n\n");
	for (const struct mount_option *o = mount_options; o->name; o++)
		printf("%s`%s`%s", o == mount_options ? "" : " ", o->name, o[1].name ? "," : ".\n");
	return 0;
}
