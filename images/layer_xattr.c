/* SPDX-License-Identifier: Apache-2.0 */
#include "images/layer_xattr.h"

#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <errno.h>

static const char *const refused[] = { "trusted.overlay.", "user.overlay." };
static const char *const kept[] = { "user.", "security.", "trusted.", "system.posix_acl_access", "system.posix_acl_default" };
/* A label belongs to the host's policy, not to the image. */
static const char *const dropped[] = { "security.selinux" };

static bool has_prefix_of(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_starts(name, list[i]))
			return true;
	return false;
}

static int add(struct xattr_list *l, const char *name, const void *value, size_t len, struct err *err)
{
	struct entry_xattr *x = NULL;
	char *copy;

	if (has_prefix_of(name, refused, ARRAY_SIZE(refused)))
		return err_set(err, EINVAL, "attribute '%.100s' would steer overlayfs", name);
	if (!has_prefix_of(name, kept, ARRAY_SIZE(kept)) || has_prefix_of(name, dropped, ARRAY_SIZE(dropped)))
		return 0;
	if (strlen(name) > ENTRY_NAME_MAX || len > ENTRY_VALUE_MAX)
		return err_set(err, EINVAL, "attribute '%.100s' is too long", name);
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->items[i].name, name))
			x = &l->items[i];
	if (!x && l->n == ENTRY_XATTRS_MAX)
		return err_set(err, EINVAL, "more than %d attributes", ENTRY_XATTRS_MAX);
	if (!x)
		x = &l->items[l->n++];
	copy = arena_alloc(&l->arena, len + 1);
	if (len)
		memcpy(copy, value, len);
	*x = (struct entry_xattr){ .name = arena_strdup(&l->arena, name), .value = copy, .value_len = (uint32_t)len };
	return 0;
}

/* The kernel's form of a POSIX ACL, ordered by tag and id. */
struct acl_item {
	uint16_t tag, perm;
	uint32_t id;
};

static const struct {
	int archive;
	uint16_t kernel;
} acl_tags[] = {
	{ ARCHIVE_ENTRY_ACL_USER_OBJ, 0x01 },  { ARCHIVE_ENTRY_ACL_USER, 0x02 }, { ARCHIVE_ENTRY_ACL_GROUP_OBJ, 0x04 },
	{ ARCHIVE_ENTRY_ACL_GROUP, 0x08 }, { ARCHIVE_ENTRY_ACL_MASK, 0x10 }, { ARCHIVE_ENTRY_ACL_OTHER, 0x20 },
};

static int compare_acl(const void *a, const void *b)
{
	const struct acl_item *x = a, *y = b;

	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static int add_acl(struct xattr_list *l, struct archive_entry *ae, int want, const char *name, struct err *err)
{
	struct acl_item items[512];
	int type, permset, tag, id;
	const char *qualifier;
	uint32_t version = htole32(2);
	uint8_t *raw;
	size_t n = 0;

	if (!archive_entry_acl_reset(ae, want))
		return 0;
	while (archive_entry_acl_next(ae, want, &type, &permset, &tag, &id, &qualifier) == 0) {
		struct acl_item item = { .perm = (uint16_t)(permset & 7), .id = UINT32_MAX };

		for (size_t i = 0; i < ARRAY_SIZE(acl_tags); i++)
			if (acl_tags[i].archive == tag)
				item.tag = acl_tags[i].kernel;
		if (!item.tag || n == ARRAY_SIZE(items))
			return err_set(err, EINVAL, "bad access control list");
		if (item.tag == 0x02 || item.tag == 0x08)
			item.id = (uint32_t)id;
		if ((item.tag == 0x02 || item.tag == 0x08) && id < 0)
			return err_set(err, EINVAL, "access control list names '%.60s' without a number", qualifier ? qualifier : "");
		items[n++] = item;
	}
	if (!n)
		return 0;
	qsort(items, n, sizeof(items[0]), compare_acl);
	raw = arena_alloc(&l->arena, 4 + 8 * n);
	memcpy(raw, &version, 4);
	for (size_t i = 0; i < n; i++) {
		uint16_t tag_perm[2] = { htole16(items[i].tag), htole16(items[i].perm) };
		uint32_t le_id = htole32(items[i].id);

		memcpy(raw + 4 + 8 * i, tag_perm, 4);
		memcpy(raw + 8 + 8 * i, &le_id, 4);
	}
	return add(l, name, raw, 4 + 8 * n, err);
}

int xattr_list_read(struct xattr_list *l, struct archive_entry *ae, struct err *err)
{
	const char *name;
	const void *value;
	size_t len;
	int r;

	arena_done(&l->arena);
	l->n = 0;
	r = add_acl(l, ae, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access", err);
	if (r == 0)
		r = add_acl(l, ae, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default", err);
	archive_entry_xattr_reset(ae);
	while (r == 0 && archive_entry_xattr_next(ae, &name, &value, &len) == ARCHIVE_OK)
		r = name ? add(l, name, value, len, err) : 0;
	return r;
}

void xattr_list_done(struct xattr_list *l)
{
	arena_done(&l->arena);
}
