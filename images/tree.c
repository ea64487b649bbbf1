/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree.h"

#include <errno.h>

enum { MAX_LINKS = 40, MAX_DEPTH = 2048, FIRST_BUCKETS = 4096 };

static size_t hash_of(const struct tree_node *parent, const char *name, size_t n)
{
	uint64_t h = (uintptr_t)parent * 0x9e3779b97f4a7c15ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)name[i]) * 0x100000001b3ULL;
	return (size_t)(h ^ h >> 29);
}

static struct tree_inode *inode_new(struct tree *t, enum entry_type type)
{
	struct tree_inode *i = arena_alloc(&t->arena, sizeof(*i));

	i->type = type;
	i->nlink = 1;
	i->mode = type == ENTRY_DIR ? 0755 : 0644;
	return i;
}

void tree_init(struct tree *t)
{
	*t = (struct tree){ .n_buckets = FIRST_BUCKETS };
	t->buckets = xcalloc(t->n_buckets, sizeof(*t->buckets));
	t->root = arena_alloc(&t->arena, sizeof(*t->root));
	t->root->name = "";
	t->root->inode = inode_new(t, ENTRY_DIR);
}

void tree_done(struct tree *t)
{
	free(t->buckets);
	arena_done(&t->arena);
	*t = (struct tree){ 0 };
}

static struct tree_node *child_find(const struct tree *t, const struct tree_node *dir, const char *name, size_t n)
{
	struct tree_node *c = t->buckets[hash_of(dir, name, n) & (t->n_buckets - 1)];

	while (c && !(c->parent == dir && c->name_len == n && memcmp(c->name, name, n) == 0))
		c = c->hash_next;
	return c;
}

static void bucket_add(struct tree *t, struct tree_node *c)
{
	struct tree_node **b = &t->buckets[hash_of(c->parent, c->name, c->name_len) & (t->n_buckets - 1)];

	c->hash_next = *b;
	*b = c;
}

static void buckets_grow(struct tree *t)
{
	struct tree_node **old = t->buckets;
	size_t n = t->n_buckets;

	t->n_buckets *= 2;
	t->buckets = xcalloc(t->n_buckets, sizeof(*t->buckets));
	for (size_t i = 0; i < n; i++)
		for (struct tree_node *c = old[i], *next; c; c = next) {
			next = c->hash_next;
			bucket_add(t, c);
		}
	free(old);
}

/* The name is borrowed when it lives in the tables; callers copy others first. */
static struct tree_node *child_add(struct tree *t, struct tree_node *dir, const char *name, size_t n, struct tree_inode *inode)
{
	struct tree_node *c = arena_alloc(&t->arena, sizeof(*c));

	c->name = name;
	c->name_len = (uint32_t)n;
	c->parent = dir;
	c->layer = t->n_layers;
	c->inode = inode;
	c->next = dir->children;
	if (c->next)
		c->next->prev = c;
	dir->children = c;
	if (++t->n_nodes > t->n_buckets)
		buckets_grow(t);
	bucket_add(t, c);
	return c;
}

static void node_unlink(struct tree *t, struct tree_node *c)
{
	struct tree_node **b = &t->buckets[hash_of(c->parent, c->name, c->name_len) & (t->n_buckets - 1)];

	while (*b != c)
		b = &(*b)->hash_next;
	*b = c->hash_next;
	if (c->prev)
		c->prev->next = c->next;
	else
		c->parent->children = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->inode->nlink--;
	t->n_nodes--;
}

/* Remove a node with everything below it, without recursion: leaves first. */
static void node_remove(struct tree *t, struct tree_node *top)
{
	struct tree_node *n = top;

	for (;;) {
		struct tree_node *parent = n->parent;

		if (n->children) {
			n = n->children;
			continue;
		}
		node_unlink(t, n);
		if (n == top)
			return;
		n = parent;
	}
}

enum walk_flags { WALK_MAKE = 1, WALK_FOLLOW_LAST = 2 };

static struct tree_node *make_parent(struct tree *t, struct tree_node *dir, const char *name, size_t n)
{
	return child_add(t, dir, arena_strndup(&t->arena, name, n), n, inode_new(t, ENTRY_DIR));
}

/* Text of a symlink followed by the rest of the path that led to it. */
static int splice_link(struct tree *t, const char *link, const char *rest, const char **ret, struct err *err)
{
	if (strlen(link) + 1 + strlen(rest) > (size_t)2 * ENTRY_PATH_MAX)
		return err_set(err, ENAMETOOLONG, "path through a symlink is too long");
	*ret = *rest ? arena_printf(&t->arena, "%s/%s", link, rest) : link;
	return 0;
}

/* Resolve path from the root; ".." stays inside. *ret is NULL when something is missing (and is not to be made). */
static int walk(struct tree *t, const char *path, enum walk_flags flags, struct tree_node **ret, struct err *err)
{
	struct tree_node *at = t->root, *next;
	unsigned links = 0, depth = 0;
	const char *s = path;

	*ret = NULL;
	for (;;) {
		size_t n;
		bool last;

		s += strspn(s, "/");
		if (!*s)
			break;
		n = strcspn(s, "/");
		last = !s[n + strspn(s + n, "/")];
		if (n == 1 && s[0] == '.') {
			s += n;
			continue;
		}
		if (n == 2 && s[0] == '.' && s[1] == '.') {
			at = at->parent ? at->parent : at;
			s += n;
			continue;
		}
		if (at->inode->type != ENTRY_DIR)
			return err_set(err, ENOTDIR, "'%.200s' leads through something that is not a directory", path);
		if (n > ENTRY_NAME_MAX || ++depth > MAX_DEPTH)
			return err_set(err, ENAMETOOLONG, "'%.200s' leads through a too long path", path);
		next = child_find(t, at, s, n);
		if (next && next->inode->type == ENTRY_SYMLINK && (!last || (flags & WALK_FOLLOW_LAST))) {
			int r;

			if (++links > MAX_LINKS)
				return err_set(err, ELOOP, "'%.200s' leads through too many symlinks", path);
			if (next->inode->link[0] == '/')
				at = t->root;
			r = splice_link(t, next->inode->link, s + n, &s, err);
			if (r < 0)
				return r;
			continue;
		}
		/* An upper layer's directory replaces a lower layer's file even when only implied. */
		if (next && (flags & WALK_MAKE) && next->inode->type != ENTRY_DIR && next->layer < t->n_layers) {
			node_remove(t, next);
			next = NULL;
		}
		if (!next && (flags & WALK_MAKE))
			next = make_parent(t, at, s, n);
		if (!next)
			return 0;
		at = next;
		s += n;
	}
	*ret = at;
	return 0;
}

/* The directory that holds path's last name; *ret_name is that name. */
static int walk_parent(struct tree *t, const char *path, enum walk_flags flags, struct tree_node **ret, const char **ret_name,
		       struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	char dir[ENTRY_PATH_MAX + 1];
	int r;

	if (n >= sizeof(dir))
		return err_set(err, ENAMETOOLONG, "'%.200s...' is too long a path", path);
	memcpy(dir, path, n);
	dir[n] = '\0';
	r = walk(t, dir, (enum walk_flags)(flags | WALK_FOLLOW_LAST), ret, err);
	*ret_name = slash ? slash + 1 : path;
	if (r == 0 && *ret && (*ret)->inode->type != ENTRY_DIR)
		return err_set(err, ENOTDIR, "'%.200s': its parent is not a directory", path);
	return r;
}

static int apply_whiteout(struct tree *t, const struct entry *e, struct err *err)
{
	struct tree_node *dir = NULL, *c;
	const char *name;
	int r;

	if (e->type == ENTRY_OPAQUE) {
		r = walk(t, e->path, 0, &dir, err);
		while (r == 0 && dir && dir->children)
			node_remove(t, dir->children);
	} else {
		r = walk_parent(t, e->path, 0, &dir, &name, err);
		c = r == 0 && dir ? child_find(t, dir, name, strlen(name)) : NULL;
		if (c)
			node_remove(t, c);
	}
	/* A whiteout of what is not there, or cannot be there, hides nothing. */
	return r == -ENOTDIR ? 0 : r;
}

static void set_attributes(struct tree *t, struct tree_inode *i, const struct entry *e)
{
	struct entry_xattr *x = NULL;

	if (e->n_xattrs) {
		x = arena_alloc(&t->arena, e->n_xattrs * sizeof(*x));
		memcpy(x, e->xattrs, e->n_xattrs * sizeof(*x));
	}
	i->mode = e->mode;
	i->uid = e->uid;
	i->gid = e->gid;
	i->mtime_s = e->mtime_s;
	i->mtime_ns = e->mtime_ns;
	i->xattrs = x;
	i->n_xattrs = e->n_xattrs;
	i->rdev_major = e->rdev_major;
	i->rdev_minor = e->rdev_minor;
	i->size = e->size;
	i->data_offset = e->data_offset;
	i->crc64 = e->crc64;
	i->inline_data = e->inline_data;
	i->extents = e->extents;
	i->n_extents = e->n_extents;
	i->link = e->link;
	i->layer = t->n_layers;
}

static int hardlink_target(struct tree *t, const struct entry *e, struct tree_inode **ret, struct err *err)
{
	struct tree_node *dir = NULL, *c = NULL;
	const char *name;
	int r = walk_parent(t, e->link, 0, &dir, &name, err);

	if (r < 0)
		return err_wrap(err, "hardlink '%.150s'", e->path);
	if (dir)
		c = child_find(t, dir, name, strlen(name));
	if (!c)
		return err_set(err, EINVAL, "hardlink '%.150s' to '%.150s', which does not exist", e->path, e->link);
	if (c->inode->type == ENTRY_DIR)
		return err_set(err, EINVAL, "hardlink '%.150s' to the directory '%.150s'", e->path, e->link);
	*ret = c->inode;
	return 0;
}

static int apply_entry(struct tree *t, const struct entry *e, struct err *err)
{
	struct tree_node *dir = NULL, *old;
	struct tree_inode *inode = NULL;
	const char *name;
	int r;

	if (!*e->path) {
		if (e->type != ENTRY_DIR)
			return err_set(err, EINVAL, "the root is not a directory");
		set_attributes(t, t->root->inode, e);
		return 0;
	}
	r = walk_parent(t, e->path, WALK_MAKE, &dir, &name, err);
	if (r < 0)
		return r;
	/* The layer stream writes clean paths; a damaged table need not have them. */
	if (!*name || str_eq(name, ".") || str_eq(name, "..") || strlen(name) > ENTRY_NAME_MAX)
		return err_set(err, EBADMSG, "entry table: bad path");
	old = child_find(t, dir, name, strlen(name));
	if (old && old->inode->type == ENTRY_DIR && e->type == ENTRY_DIR) {
		old->layer = t->n_layers;
		set_attributes(t, old->inode, e);
		return 0;
	}
	if (e->type == ENTRY_HARDLINK) {
		r = hardlink_target(t, e, &inode, err);
		if (r < 0)
			return r;
		if (old && old->inode == inode)
			return 0;
		inode->nlink++;
	} else {
		inode = inode_new(t, e->type);
		set_attributes(t, inode, e);
	}
	if (old)
		node_remove(t, old);
	(void)child_add(t, dir, name, strlen(name), inode);
	return 0;
}

static int apply_pass(struct tree *t, const void *table, size_t n, bool whiteouts, struct err *err)
{
	struct entry *e = xmalloc(sizeof(*e));
	struct entry_reader reader;
	int r = entry_reader_init(&reader, table, n, false, err);

	while (r == 0 && (r = entry_next(&reader, e, err)) == 1) {
		bool is_whiteout = e->type == ENTRY_WHITEOUT || e->type == ENTRY_OPAQUE;

		r = 0;
		if (is_whiteout != whiteouts)
			continue;
		r = whiteouts ? apply_whiteout(t, e, err) : apply_entry(t, e, err);
		if (r == 0)
			continue;
		break;
	}
	free(e);
	return r;
}

int tree_add_layer(struct tree *t, const void *table, size_t n, struct err *err)
{
	int r = apply_pass(t, table, n, true, err);

	if (r == 0)
		r = apply_pass(t, table, n, false, err);
	t->n_layers++;
	return r < 0 ? err_wrap(err, "layer %u", t->n_layers) : 0;
}

static int compare_nodes(const void *a, const void *b)
{
	const struct tree_node *x = *(struct tree_node *const *)a, *y = *(struct tree_node *const *)b;
	size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int r = memcmp(x->name, y->name, n);

	return r ? r : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

struct tree_node **tree_sorted_children(const struct tree_node *dir, size_t *ret_n)
{
	struct tree_node **list;
	size_t n = 0;

	for (const struct tree_node *c = dir->children; c; c = c->next)
		n++;
	list = xcalloc(n + 1, sizeof(struct tree_node *));
	n = 0;
	for (struct tree_node *c = dir->children; c; c = c->next)
		list[n++] = c;
	if (n)
		qsort(list, n, sizeof(struct tree_node *), compare_nodes);
	*ret_n = n;
	return list;
}

char *tree_path(const struct tree_node *n)
{
	size_t len = 0;
	char *path;

	for (const struct tree_node *p = n; p->parent; p = p->parent)
		len += p->name_len + 1;
	path = xcalloc(1, len + 1);
	if (len)
		len--;
	for (const struct tree_node *p = n; p->parent; p = p->parent) {
		len -= p->name_len;
		memcpy(path + len, p->name, p->name_len);
		if (len)
			path[--len] = '/';
	}
	return path;
}
