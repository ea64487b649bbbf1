/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/path.h"
#include "runtime/spec_fields.h"

/* config.md "Mounts". */
#define MNT(member) offsetof(struct spec_mount, member)
#define MAP(member) offsetof(struct spec_id_map, member)

static int check_map(struct spec_reader *r, const struct json *node, void *base)
{
	const struct spec_id_map *m = base;

	if (!m->size)
		return spec_fail(r, spec_blame(node, "size"), "must be above 0");
	if ((uint64_t)m->container_id + m->size > UINT32_MAX || (uint64_t)m->host_id + m->size > UINT32_MAX)
		return spec_fail(r, node, "the range ends above the greatest id");
	return 0;
}

static const struct field map_fields[] = {
	FIELD("containerID", JSON_NUMBER, true, FIELD_BOTH, MAP(container_id), read_u32),
	FIELD("hostID", JSON_NUMBER, true, FIELD_BOTH, MAP(host_id), read_u32),
	FIELD("size", JSON_NUMBER, true, FIELD_BOTH, MAP(size), read_u32),
	FIELD_END,
};
const struct object_type spec_type_id_map = { "config-linux.md#user-namespace-mappings", map_fields, check_map };

/* Relative destinations are deprecated since 1.2, and mean "below /". */
static int read_destination(struct spec_reader *r, const struct field *f, const struct json *node, void *at)
{
	char **ret = at;
	int result = read_string(r, f, node, ret);
	AUTO_FREE char *absolute = NULL;
	AUTO_FREE char *clean = NULL;

	if (result < 0)
		return result;
	if ((*ret)[0] != '/')
		spec_warn(r, node, "'%s' is a relative path: taken as '/%s'", *ret, *ret);
	absolute = xasprintf("%s%s", (*ret)[0] == '/' ? "" : "/", *ret);
	clean = path_clean(absolute);
	*ret = arena_strdup(r->arena, clean);
	return 0;
}

static int check_mount(struct spec_reader *r, const struct json *node, void *base)
{
	struct spec_mount *m = base;

	spec_mount_split_options(r->arena, m);
	if (!m->uid_maps.n != !m->gid_maps.n)
		return spec_fail(r, spec_blame(node, m->uid_maps.n ? "uidMappings" : "gidMappings"),
				 "'uidMappings' and 'gidMappings' must be given together");
	/* The maps alone ask for it too; the option exists so that old runtimes do not overlook them. */
	if (m->uid_maps.n)
		m->idmap = true;
	return 0;
}

static const struct field mount_fields[] = {
	FIELD("destination", JSON_STRING, true, FIELD_BOTH, MNT(destination), read_destination,
	  .note = "a relative one is taken from /, with a warning"),
	FIELD("source", JSON_STRING, false, FIELD_BOTH, MNT(source), read_string),
	FIELD("options", JSON_ARRAY, false, FIELD_BOTH, MNT(options), read_strlist,
	  .note = "all of the specification, copy-symlink, src-nofollow, dest-nofollow, idmap=; others go to the file system"),
	FIELD("type", JSON_STRING, false, FIELD_BOTH, MNT(type), read_string),
	FIELD("uidMappings", JSON_ARRAY, false, FIELD_BOTH, MNT(uid_maps), read_list, .object = &spec_type_id_map,
	  .size = sizeof(struct spec_id_map)),
	FIELD("gidMappings", JSON_ARRAY, false, FIELD_BOTH, MNT(gid_maps), read_list, .object = &spec_type_id_map,
	  .size = sizeof(struct spec_id_map)),
	FIELD_END,
};

const struct object_type spec_type_mount = { "config.md#mounts", mount_fields, check_mount };
