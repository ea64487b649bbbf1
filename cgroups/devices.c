/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RWM (DEVICE_R | DEVICE_W | DEVICE_M)

/*
 * What every container may use, after whatever its configuration says: to make any node, the nodes of /dev, and tun: programs that
 * make its node themselves (VPNs) rely on the runtimes' old list.
 */
static const struct spec_device_rule defaults[] = {
	{ true, 'c', -1, -1, DEVICE_M },
	{ true, 'b', -1, -1, DEVICE_M },
	{ true, 'c', 1, 3, RWM },    /* null */
	{ true, 'c', 1, 5, RWM },    /* zero */
	{ true, 'c', 1, 7, RWM },    /* full */
	{ true, 'c', 1, 8, RWM },    /* random */
	{ true, 'c', 1, 9, RWM },    /* urandom */
	{ true, 'c', 5, 0, RWM },    /* tty */
	{ true, 'c', 5, 1, RWM },    /* console */
	{ true, 'c', 5, 2, RWM },    /* ptmx */
	{ true, 'c', 136, -1, RWM }, /* pts */
	{ true, 'c', 10, 200, RWM }, /* net/tun */
};

static bool covers_all(const struct spec_device_rule *d)
{
	return d->type == 'a';
}

/* "a" with an access or a number of its own. The kernel's v1 list would ignore both, and open everything. */
static bool is_partial(const struct spec_device_rule *d)
{
	return covers_all(d) && ((d->access & RWM) != RWM || d->major >= 0 || d->minor >= 0);
}

static bool same_node(const struct spec_device_rule *a, const struct spec_device_rule *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static void append(struct device_list *l, const struct spec_device_rule *d)
{
	/* "all" makes what came before it void: the list starts anew with it. */
	if (covers_all(d))
		l->n = 0;
	/* Two rules for one node add up, as v1's kernel lists do, unless one of the other sort came between them. */
	for (size_t i = l->n; i-- > 0 && l->v[i].allow == d->allow;) {
		if (same_node(&l->v[i], d)) {
			l->v[i].access |= d->access;
			return;
		}
	}
	l->v[l->n++] = *d;
}

void device_list_build(struct device_list *ret, const struct spec_device_rule *rules, size_t n)
{
	static const struct spec_device_rule deny_all = { false, 'a', -1, -1, RWM };

	*ret = (struct device_list){ .v = xcalloc(2 * n + ARRAY_SIZE(defaults) + 1, sizeof(*ret->v)) };
	append(ret, &deny_all);
	for (size_t i = 0; i < n; i++) {
		struct spec_device_rule half = rules[i];

		if (!is_partial(&half)) {
			append(ret, &half);
			continue;
		}
		half.type = 'c';
		append(ret, &half);
		half.type = 'b';
		append(ret, &half);
	}
	if (ret->n == 1 && ret->v[0].allow) /* everything is allowed: nothing to add */
		return;
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		append(ret, &defaults[i]);
}

void device_list_done(struct device_list *l)
{
	free(l->v);
	*l = (struct device_list){ 0 };
}

static void number(char out[24], int64_t v)
{
	if (v < 0)
		(void)snprintf(out, 24, "*");
	else
		(void)snprintf(out, 24, "%lld", (long long)v);
}

static int write_rule(int allow_fd, int deny_fd, const struct spec_device_rule *d)
{
	char major[24], minor[24], text[80];
	int n, fd = d->allow ? allow_fd : deny_fd;

	number(major, d->major);
	number(minor, d->minor);
	if (covers_all(d))
		n = snprintf(text, sizeof(text), "a");
	else
		n = snprintf(text, sizeof(text), "%c %s:%s %s%s%s", d->type, major, minor, d->access & DEVICE_R ? "r" : "",
			     d->access & DEVICE_W ? "w" : "", d->access & DEVICE_M ? "m" : "");
	return write(fd, text, (size_t)n) < 0 ? -errno : 0;
}

struct v1_files {
	int allow, deny; /* owned */
};

static void v1_files_done(struct v1_files *f)
{
	fd_close(&f->allow);
	fd_close(&f->deny);
}

static int v1_files_open(struct v1_files *f, int dir_fd, struct err *err)
{
	f->allow = openat(dir_fd, "devices.allow", O_WRONLY | O_CLOEXEC);
	f->deny = openat(dir_fd, "devices.deny", O_WRONLY | O_CLOEXEC);
	if (f->allow < 0 || f->deny < 0)
		return err_sys(err, -errno, "linux.resources.devices: open 'devices.allow' and 'devices.deny'");
	return 0;
}

static int write_one(const struct v1_files *f, const struct spec_device_rule *d, struct err *err)
{
	int r = write_rule(f->allow, f->deny, d);

	if (r < 0)
		return err_sys(err, r, "linux.resources.devices: %s '%c' %lld:%lld", d->allow ? "allow" : "deny", d->type,
			       (long long)d->major, (long long)d->minor);
	return 0;
}

static int set_v1(int dir_fd, const struct device_list *l, struct err *err)
{
	CLEANUP(v1_files_done) struct v1_files f = { -1, -1 };
	int r = v1_files_open(&f, dir_fd, err);

	for (size_t i = 0; i < l->n && r == 0; i++)
		r = write_one(&f, &l->v[i], err);
	return r;
}

/* ---- another list for a live cgroup ---- */

static uint8_t access_in(const struct device_list *l, const struct spec_device_rule *d)
{
	for (size_t i = 0; i < l->n; i++)
		if (same_node(&l->v[i], d))
			return l->v[i].access;
	return 0;
}

static bool allows_all(const struct device_list *l)
{
	return l->n && covers_all(&l->v[0]) && l->v[0].allow;
}

void device_list_exceptions(struct device_list *ret, const struct device_list *l)
{
	*ret = (struct device_list){ .v = xcalloc(l->n + 1, sizeof(*ret->v)) };
	for (size_t i = 0; i < l->n; i++) {
		const struct spec_device_rule *d = &l->v[i];
		size_t k = 0;

		while (k < ret->n && !same_node(&ret->v[k], d))
			k++;
		if (covers_all(d) || (k == ret->n && !d->allow))
			continue;
		if (k == ret->n) {
			ret->v[ret->n++] = *d;
			continue;
		}
		ret->v[k].access = d->allow ? ret->v[k].access | d->access : ret->v[k].access & (uint8_t)~d->access;
	}
}

void device_list_parse(struct device_list *ret, const char *text)
{
	size_t lines = 2;

	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	*ret = (struct device_list){ .v = xcalloc(lines, sizeof(*ret->v)) };
	ret->v[ret->n++] = (struct spec_device_rule){ false, 'a', -1, -1, RWM };
	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		struct spec_device_rule d = { .allow = true, .major = -1, .minor = -1 };
		char major[16], minor[16], access[4];

		if (sscanf(p, "%c %15[0-9*]:%15[0-9*] %3[rwm]", &d.type, major, minor, access) != 4)
			continue;
		ignore(str_to_i64(major, &d.major)); /* "*" is none, and stays -1 */
		ignore(str_to_i64(minor, &d.minor));
		d.access = (strchr(access, 'r') ? DEVICE_R : 0) | (strchr(access, 'w') ? DEVICE_W : 0) |
			   (strchr(access, 'm') ? DEVICE_M : 0);
		if (covers_all(&d))
			ret->n = 0;
		ret->v[ret->n++] = d;
	}
}

/* First what is new, then away with what is no longer wanted: what both lists allow is never refused. */
static int change_v1(int dir_fd, const struct device_list *from, const struct device_list *to, struct err *err)
{
	CLEANUP(v1_files_done) struct v1_files f = { -1, -1 };
	CLEANUP(device_list_done) struct device_list want = { 0 };
	int r;

	if (allows_all(from) || allows_all(to)) /* the kernel does not tell the exceptions of such a list */
		return set_v1(dir_fd, to, err);
	device_list_exceptions(&want, to);
	r = v1_files_open(&f, dir_fd, err);
	for (size_t i = 0; i < want.n && r == 0; i++)
		if (want.v[i].access & ~access_in(from, &want.v[i]))
			r = write_one(&f, &want.v[i], err);
	for (size_t i = 0; i < from->n && r == 0; i++) {
		struct spec_device_rule d = from->v[i];

		d.allow = false;
		d.access &= (uint8_t)~access_in(&want, &d);
		if (!covers_all(&d) && d.access)
			r = write_one(&f, &d, err);
	}
	return r;
}

static int read_v1(int dir_fd, struct device_list *ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	int r = fd_read_file(dir_fd, "devices.list", 1 << 20, &text, NULL);

	if (r < 0)
		return err_sys(err, r, "linux.resources.devices: read 'devices.list'");
	device_list_parse(ret, text);
	return 0;
}

/* ---- the two users ---- */

/* fd of the directory whose devices are controlled. 1: there is none, which is how it is for an unprivileged user. */
static int devices_dir(struct cgroup *cg, int *ret, bool *ret_v2, struct err *err)
{
	struct cg_hier *h = cg->layout == CGROUP_LAYOUT_V2 ? cgroup_v2_hier(cg) : cgroup_hier_of(cg, CTL_DEVICES);

	*ret = h ? cg_hier_dir(h) : -ENODEV;
	*ret_v2 = h && h->v2;
	if (*ret >= 0)
		return 0;
	if (cg->rootless)
		return 1; /* a user namespace has no device nodes to guard */
	return err_set(err, ENODEV, "linux.resources.devices: no mounted cgroup hierarchy controls devices");
}

/* An unprivileged user may not load filters, nor have more devices than his own cgroup. */
static int forgive(struct cgroup *cg, int r, struct err *err)
{
	if (r >= 0 || !cg->rootless)
		return r;
	log_debug("rootless: device rules are not in force: %s", err ? err->msg : "");
	return 0;
}

int devices_set(struct cgroup *cg, const struct spec_resources *r, struct err *err)
{
	CLEANUP(device_list_done) struct device_list l = { 0 };
	bool v2;
	int dir_fd, ret = devices_dir(cg, &dir_fd, &v2, err);

	if (ret != 0)
		return ret < 0 ? ret : 0;
	device_list_build(&l, r ? r->devices : NULL, r ? r->n_devices : 0);
	ret = v2 ? devices_bpf_attach(dir_fd, &l, NULL, err) : set_v1(dir_fd, &l, err);
	return forgive(cg, ret, err);
}

int devices_update(struct cgroup *cg, const struct spec_resources *r, struct devices_change *c, struct err *err)
{
	int dir_fd, ret = r->n_devices ? devices_dir(cg, &dir_fd, &c->v2, err) : 1;

	if (ret != 0)
		return ret < 0 ? ret : 0;
	c->dir_fd = dir_fd;
	device_list_build(&c->now, r->devices, r->n_devices);
	ret = c->v2 ? devices_bpf_attach(dir_fd, &c->now, &c->bpf, err) : read_v1(dir_fd, &c->old, err);
	if (ret == 0 && !c->v2)
		ret = change_v1(dir_fd, &c->old, &c->now, err);
	return forgive(cg, ret, err);
}

int devices_update_again(const struct devices_change *c, struct err *err)
{
	CLEANUP(device_list_done) struct device_list have = { 0 };
	int r;

	if (c->dir_fd < 0 || c->v2)
		return 0;
	r = read_v1(c->dir_fd, &have, err);
	return r < 0 ? r : change_v1(c->dir_fd, &have, &c->now, err);
}

int devices_update_undo(const struct devices_change *c)
{
	CLEANUP(device_list_done) struct device_list have = { 0 };
	int r;

	if (c->dir_fd < 0)
		return 0;
	if (c->v2)
		return devices_bpf_undo(c->dir_fd, &c->bpf);
	r = c->old.n ? read_v1(c->dir_fd, &have, NULL) : 0;
	return r < 0 || !c->old.n ? r : change_v1(c->dir_fd, &have, &c->old, NULL);
}

void devices_change_done(struct devices_change *c)
{
	device_list_done(&c->old);
	device_list_done(&c->now);
	fd_close(&c->bpf.old_fd);
	fd_close(&c->bpf.new_fd);
}
