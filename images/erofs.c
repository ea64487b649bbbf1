/* SPDX-License-Identifier: Apache-2.0 */
#include "images/erofs.h"

#include "images/erofs_format.h"
#include "runtime/base/fd.h"

#include <endian.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH_BYTES = 1 << 20, XATTR_HEADER = 12 };

static const struct {
	uint32_t format;
	uint8_t dirent;
} types[ENTRY_TYPE_END] = {
	[ENTRY_FILE] = { S_IFREG, 1 },	[ENTRY_DIR] = { S_IFDIR, 2 },	[ENTRY_CHAR] = { S_IFCHR, 3 },
	[ENTRY_BLOCK] = { S_IFBLK, 4 }, [ENTRY_FIFO] = { S_IFIFO, 5 }, [ENTRY_SYMLINK] = { S_IFLNK, 7 },
};

/* An inode with what the layout pass found out. Directories remember their sorted children for the second pass. */
struct item {
	struct tree_inode *inode;
	struct tree_node *node;
	struct tree_node **kids; /* owned; directories */
	size_t n_kids;
	uint64_t offset; /* of the inode in the image */
	uint64_t block;	 /* first block of contents in the image, when not inline */
	uint64_t bytes;	 /* of contents in the image */
	uint32_t xattr_bytes;
	bool is_inline;
};

struct writer {
	struct tree *tree;
	struct item *items; /* owned; in the image's order */
	size_t n, cap;
	uint64_t end;	/* of the inode area while laying out */
	uint64_t blocks; /* of the image */
	uint32_t *layer_block; /* owned; for each layer, mapped address of its data file */
	int fd;
	struct buf out;
	uint64_t written;
};

/* ---- layout ---- */

static const struct {
	const char *prefix;
	uint8_t index;
} xattr_prefixes[] = {
	{ "user.", 1 }, { "system.posix_acl_access", 2 }, { "system.posix_acl_default", 3 }, { "trusted.", 4 }, { "security.", 6 },
};

/* EROFS stores a number for the well-known beginnings of a name. Returns the rest of the name, or NULL. */
static const char *xattr_split(const char *name, uint8_t *ret_index)
{
	for (size_t i = 0; i < ARRAY_SIZE(xattr_prefixes); i++)
		if (str_starts(name, xattr_prefixes[i].prefix)) {
			*ret_index = xattr_prefixes[i].index;
			return name + strlen(xattr_prefixes[i].prefix);
		}
	return NULL;
}

static uint32_t xattr_size(const struct tree_inode *i)
{
	uint32_t sum = 0;
	uint8_t index;

	for (size_t k = 0; k < i->n_xattrs; k++) {
		const char *rest = xattr_split(i->xattrs[k].name, &index);

		if (rest)
			sum += (4 + (uint32_t)strlen(rest) + i->xattrs[k].value_len + 3) / 4 * 4;
	}
	return sum ? sum + XATTR_HEADER : 0;
}

/* An entry of a directory. "." and ".." sort among the names by their bytes, as the look-up expects. */
struct dir_name {
	const char *name;
	size_t len;
	uint64_t nid;
	uint8_t type;
};

static int compare_names(const void *a, const void *b)
{
	const struct dir_name *x = a, *y = b;
	int r = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);

	return r ? r : (x->len > y->len) - (x->len < y->len);
}

/* The names of a directory in the order in which they are stored; the caller frees them. */
static struct dir_name *dir_names(const struct item *it, size_t *ret_n)
{
	const struct tree_node *up = it->node->parent ? it->node->parent : it->node;
	struct dir_name *names = xcalloc(it->n_kids + 2, sizeof(*names));

	names[0] = (struct dir_name){ ".", 1, it->inode->nid, types[ENTRY_DIR].dirent };
	names[1] = (struct dir_name){ "..", 2, up->inode->nid, types[ENTRY_DIR].dirent };
	for (size_t k = 0; k < it->n_kids; k++)
		names[k + 2] = (struct dir_name){ it->kids[k]->name, it->kids[k]->name_len, it->kids[k]->inode->nid,
						  types[it->kids[k]->inode->type].dirent };
	*ret_n = it->n_kids + 2;
	qsort(names, *ret_n, sizeof(*names), compare_names);
	return names;
}

/* Bytes that a directory's entries take. Entries never straddle blocks; a block is its dirents, then their names. */
static uint64_t dir_size(const struct item *it)
{
	uint64_t full = 0, used = 0;
	size_t n;
	AUTO_FREE struct dir_name *names = dir_names(it, &n);

	for (size_t k = 0; k < n; k++) {
		uint64_t need = sizeof(struct erofs_dirent) + names[k].len;

		if (used + need > EROFS_BLOCK) {
			full += EROFS_BLOCK;
			used = 0;
		}
		used += need;
	}
	return full + used;
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* Give the inode its place. Contents go right behind it when they fit into the same block. */
static int place(struct writer *w, struct item *it, struct err *err)
{
	struct tree_inode *i = it->inode;
	uint64_t head, at;

	it->xattr_bytes = xattr_size(i);
	if (it->xattr_bytes > 200 << 10)
		return err_set(err, E2BIG, "'%.*s' has too many bytes of extended attributes", (int)it->node->name_len, it->node->name);
	if (i->type == ENTRY_DIR)
		it->bytes = dir_size(it);
	else if (i->type == ENTRY_SYMLINK)
		it->bytes = strlen(i->link);
	else
		it->bytes = i->inline_data ? i->size : 0;
	head = sizeof(struct erofs_dinode) + it->xattr_bytes;
	at = round_up(w->end, EROFS_SLOT);
	/* Neither an inode nor inline contents may cross a block's end; the attributes between them may. */
	if (at % EROFS_BLOCK + sizeof(struct erofs_dinode) > EROFS_BLOCK)
		at = round_up(at, EROFS_BLOCK);
	it->is_inline = it->bytes && it->bytes <= EROFS_BLOCK / 2;
	if (it->is_inline && (at + head) % EROFS_BLOCK + it->bytes > EROFS_BLOCK)
		at = round_up(at, EROFS_BLOCK);
	if (it->is_inline && (at + head) % EROFS_BLOCK + it->bytes > EROFS_BLOCK)
		it->is_inline = false;
	it->offset = at;
	i->nid = at / EROFS_SLOT;
	w->end = at + head + (it->is_inline ? it->bytes : 0);
	return 0;
}

static struct item *item_add(struct writer *w, struct tree_node *node)
{
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 1024;
		w->items = xreallocarray(w->items, w->cap, sizeof(*w->items));
	}
	w->items[w->n] = (struct item){ .inode = node->inode, .node = node };
	node->inode->first_seen = node;
	if (node->inode->type == ENTRY_DIR)
		w->items[w->n].kids = tree_sorted_children(node, &w->items[w->n].n_kids);
	return &w->items[w->n++];
}

/* Breadth first: the children of a directory lie together, which is how they are asked for. */
static int lay_out(struct writer *w, struct err *err)
{
	int r = place(w, item_add(w, w->tree->root), err);

	for (size_t at = 0; r == 0 && at < w->n; at++)
		for (size_t k = 0; r == 0 && k < w->items[at].n_kids; k++)
			if (!w->items[at].kids[k]->inode->first_seen)
				r = place(w, item_add(w, w->items[at].kids[k]), err);
	w->blocks = round_up(w->end, EROFS_BLOCK) / EROFS_BLOCK;
	for (size_t at = 0; at < w->n; at++)
		if (w->items[at].bytes && !w->items[at].is_inline) {
			w->items[at].block = w->blocks;
			w->blocks += round_up(w->items[at].bytes, EROFS_BLOCK) / EROFS_BLOCK;
		}
	return r;
}

/* ---- output ---- */

static int flush(struct writer *w, struct err *err)
{
	int r = fd_write_all(w->fd, w->out.p, w->out.len);

	w->written += w->out.len;
	w->out.len = 0;
	return r < 0 ? err_sys(err, r, "write EROFS image") : 0;
}

static int put(struct writer *w, const void *data, size_t n, struct err *err)
{
	buf_add_n(&w->out, data, n);
	return w->out.len >= FLUSH_BYTES ? flush(w, err) : 0;
}

static int pad_to(struct writer *w, uint64_t offset, struct err *err)
{
	static const char zeros[EROFS_BLOCK];
	int r = 0;

	while (r == 0 && w->written + w->out.len < offset) {
		uint64_t n = offset - w->written - w->out.len;

		r = put(w, zeros, n < sizeof(zeros) ? (size_t)n : sizeof(zeros), err);
	}
	return r;
}

static int put_xattrs(struct writer *w, const struct tree_inode *i, struct err *err)
{
	static const char zeros[XATTR_HEADER];
	int r = put(w, zeros, XATTR_HEADER, err);

	for (size_t k = 0; r == 0 && k < i->n_xattrs; k++) {
		const struct entry_xattr *x = &i->xattrs[k];
		uint8_t index = 0;
		const char *rest = xattr_split(x->name, &index);
		uint8_t head[4];
		size_t n;

		if (!rest)
			continue;
		n = strlen(rest);
		head[0] = (uint8_t)n;
		head[1] = index;
		head[2] = (uint8_t)(x->value_len & 0xff);
		head[3] = (uint8_t)(x->value_len >> 8);
		buf_add_n(&w->out, (const char *)head, sizeof(head));
		buf_add_n(&w->out, rest, n);
		buf_add_n(&w->out, x->value, x->value_len);
		r = put(w, zeros, (4 - (n + x->value_len) % 4) % 4, err);
	}
	return r;
}

static uint32_t contents_block(const struct writer *w, const struct item *it)
{
	const struct tree_inode *i = it->inode;

	if (i->type == ENTRY_CHAR || i->type == ENTRY_BLOCK)
		return (i->rdev_minor & 0xff) | i->rdev_major << 8 | (i->rdev_minor & ~0xffU) << 12;
	if (it->bytes)
		return it->is_inline ? UINT32_MAX : (uint32_t)it->block;
	if (i->type == ENTRY_FILE && i->size)
		return w->layer_block[i->layer] + (uint32_t)(i->data_offset / EROFS_BLOCK);
	return UINT32_MAX;
}

static uint32_t links_of(const struct item *it)
{
	uint32_t n = 2;

	if (it->inode->type != ENTRY_DIR)
		return it->inode->nlink;
	for (size_t k = 0; k < it->n_kids; k++)
		n += it->kids[k]->inode->type == ENTRY_DIR;
	return n;
}

static int put_inode(struct writer *w, size_t at, struct err *err)
{
	const struct item *it = &w->items[at];
	const struct tree_inode *i = it->inode;
	struct erofs_dinode d = {
		.format = htole16((uint16_t)(EROFS_EXTENDED | (it->is_inline ? EROFS_FLAT_INLINE : EROFS_FLAT_PLAIN) << 1)),
		.xattr_icount = htole16((uint16_t)(it->xattr_bytes ? (it->xattr_bytes - XATTR_HEADER) / 4 + 1 : 0)),
		.mode = htole16((uint16_t)((i->type == ENTRY_SYMLINK ? 0777 : i->mode) | types[i->type].format)),
		.size = htole64(it->bytes ? it->bytes : i->size),
		.u = htole32(contents_block(w, it)),
		.ino = htole32((uint32_t)at + 1),
		.uid = htole32(i->uid),
		.gid = htole32(i->gid),
		.mtime = htole64((uint64_t)i->mtime_s),
		.mtime_nsec = htole32(i->mtime_ns),
		.nlink = htole32(links_of(it)),
	};
	int r = pad_to(w, it->offset, err);

	if (r == 0)
		r = put(w, &d, sizeof(d), err);
	return r == 0 && it->xattr_bytes ? put_xattrs(w, i, err) : r;
}

static int put_dir_block(struct writer *w, const struct dir_name *names, size_t n, struct err *err)
{
	size_t off = n * sizeof(struct erofs_dirent);
	int r = 0;

	for (size_t k = 0; k < n; k++) {
		struct erofs_dirent d = { htole64(names[k].nid), htole16((uint16_t)off), names[k].type, 0 };

		buf_add_n(&w->out, (const char *)&d, sizeof(d));
		off += names[k].len;
	}
	for (size_t k = 0; r == 0 && k < n; k++)
		r = put(w, names[k].name, names[k].len, err);
	return r;
}

static int put_dir(struct writer *w, const struct item *it, struct err *err)
{
	size_t n, from = 0, used = 0;
	AUTO_FREE struct dir_name *names = dir_names(it, &n);
	uint64_t start = w->written + w->out.len;
	int r = 0;

	for (size_t k = 0; r == 0 && k < n; k++) {
		size_t need = sizeof(struct erofs_dirent) + names[k].len;

		if (used + need > EROFS_BLOCK) {
			r = put_dir_block(w, names + from, k - from, err);
			start += EROFS_BLOCK;
			if (r == 0)
				r = pad_to(w, start, err);
			from = k;
			used = 0;
		}
		used += need;
	}
	return r == 0 ? put_dir_block(w, names + from, n - from, err) : r;
}

static int put_contents(struct writer *w, const struct item *it, struct err *err)
{
	const struct tree_inode *i = it->inode;

	if (i->type == ENTRY_DIR)
		return put_dir(w, it, err);
	if (i->type == ENTRY_SYMLINK)
		return put(w, i->link, strlen(i->link), err);
	return put(w, i->inline_data, (size_t)i->size, err);
}

static int put_all(struct writer *w, struct err *err)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < w->n; at++) {
		r = put_inode(w, at, err);
		if (r == 0 && w->items[at].is_inline)
			r = put_contents(w, &w->items[at], err);
	}
	for (size_t at = 0; r == 0 && at < w->n; at++) {
		if (!w->items[at].bytes || w->items[at].is_inline)
			continue;
		r = pad_to(w, w->items[at].block * EROFS_BLOCK, err);
		if (r == 0)
			r = put_contents(w, &w->items[at], err);
	}
	if (r == 0)
		r = pad_to(w, w->blocks * EROFS_BLOCK, err);
	return r == 0 ? flush(w, err) : r;
}

/* ---- superblock and device table ---- */

static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (0x82f63b78 & (0U - (crc & 1)));
	}
	return crc;
}

/* Which data files are referred to, and where the device table maps them. */
static int map_devices(struct writer *w, const struct erofs_device *devices, size_t n, struct erofs_devslot *slots,
		       size_t *ret_n, struct err *err)
{
	uint64_t next = w->blocks;
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		size_t same = 0;

		if (!devices[i].data_bytes)
			continue;
		while (same < used && strncmp(slots[same].tag, devices[i].tag, sizeof(slots[same].tag)) != 0)
			same++;
		if (same < used) {
			w->layer_block[i] = le32toh(slots[same].mapped_blkaddr);
			continue;
		}
		if (used == EROFS_MAX_DEVICES || next + devices[i].data_bytes / EROFS_BLOCK > UINT32_MAX - 1)
			return err_set(err, EFBIG, "the layers do not fit into one EROFS image");
		w->layer_block[i] = (uint32_t)next;
		memcpy(slots[used].tag, devices[i].tag, strnlen(devices[i].tag, sizeof(slots[used].tag)));
		slots[used].blocks = htole32((uint32_t)(devices[i].data_bytes / EROFS_BLOCK));
		slots[used].mapped_blkaddr = htole32((uint32_t)next);
		next += devices[i].data_bytes / EROFS_BLOCK;
		used++;
	}
	*ret_n = used;
	return 0;
}

static int put_superblock(const struct writer *w, const struct erofs_devslot *slots, size_t n, const uint8_t uuid[16], struct err *err)
{
	uint8_t block[EROFS_BLOCK];
	struct erofs_sb sb = {
		.magic = htole32(EROFS_MAGIC),
		.feature_compat = htole32(EROFS_COMPAT_SB_CHKSUM | EROFS_COMPAT_MTIME),
		.blkszbits = EROFS_BLOCK_BITS,
		.root_nid = htole16((uint16_t)w->tree->root->inode->nid),
		.inos = htole64(w->n),
		.blocks = htole32((uint32_t)w->blocks),
		.volume_name = "brig1",
		.feature_incompat = n ? htole32(EROFS_INCOMPAT_DEVICE_TABLE) : 0,
		.extra_devices = htole16((uint16_t)n),
		.devt_slotoff = n ? htole16((EROFS_SB_OFFSET + sizeof(sb)) / EROFS_DEVT_SLOT) : 0,
	};

	memcpy(sb.uuid, uuid, sizeof(sb.uuid));
	if (n && pwrite(w->fd, slots, n * sizeof(*slots), EROFS_SB_OFFSET + sizeof(sb)) != (ssize_t)(n * sizeof(*slots)))
		return err_sys(err, -errno, "write EROFS device table");
	/* The checksum covers the superblock's block from the superblock on. */
	if (pread(w->fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
		return err_sys(err, -EIO, "read EROFS image back");
	memcpy(block + EROFS_SB_OFFSET, &sb, sizeof(sb));
	sb.checksum = htole32(crc32c(UINT32_MAX, block + EROFS_SB_OFFSET, EROFS_BLOCK - EROFS_SB_OFFSET));
	if (pwrite(w->fd, &sb, sizeof(sb), EROFS_SB_OFFSET) != (ssize_t)sizeof(sb))
		return err_sys(err, -errno, "write EROFS superblock");
	return 0;
}

int erofs_write(int fd, struct tree *t, const struct erofs_device *devices, size_t n_devices, const uint8_t uuid[16], struct err *err)
{
	AUTO_FREE struct erofs_devslot *slots = xcalloc(EROFS_MAX_DEVICES, sizeof(*slots));
	/* Room for every layer's slot is kept: how many are needed is known only when all is laid out. */
	size_t room = n_devices < EROFS_MAX_DEVICES ? n_devices : EROFS_MAX_DEVICES, used = 0;
	struct writer w = {
		.tree = t, .fd = fd, .end = EROFS_SB_OFFSET + sizeof(struct erofs_sb) + room * EROFS_DEVT_SLOT,
	};
	int r;

	w.layer_block = xcalloc(n_devices + 1, sizeof(*w.layer_block));
	r = n_devices < t->n_layers ? err_set(err, EINVAL, "fewer data files than layers") : lay_out(&w, err);
	if (r == 0)
		r = map_devices(&w, devices, n_devices, slots, &used, err);
	if (r == 0)
		r = put_all(&w, err);
	if (r == 0)
		r = put_superblock(&w, slots, used, uuid, err);
	for (size_t i = 0; i < w.n; i++) {
		w.items[i].inode->first_seen = NULL;
		free(w.items[i].kids);
	}
	free(w.items);
	free(w.layer_block);
	buf_done(&w.out);
	return r;
}
