/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RWM (DEVICE_R | DEVICE_W | DEVICE_M)

/* What every container may use, after whatever its configuration says: to make any node, and the nodes of /dev. */
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

static int set_v1(int dir_fd, const struct device_list *l, struct err *err)
{
	AUTO_CLOSE int allow_fd = openat(dir_fd, "devices.allow", O_WRONLY | O_CLOEXEC);
	AUTO_CLOSE int deny_fd = openat(dir_fd, "devices.deny", O_WRONLY | O_CLOEXEC);

	if (allow_fd < 0 || deny_fd < 0)
		return err_sys(err, -errno, "linux.resources.devices: open 'devices.allow' and 'devices.deny'");
	for (size_t i = 0; i < l->n; i++) {
		const struct spec_device_rule *d = &l->v[i];
		int r = write_rule(allow_fd, deny_fd, d);

		if (r < 0)
			return err_sys(err, r, "linux.resources.devices: %s '%c' %lld:%lld", d->allow ? "allow" : "deny", d->type,
				       (long long)d->major, (long long)d->minor);
	}
	return 0;
}

/* Only for a new container. Later its rules stay as they are: update has no device list, and a rewrite of the v1 list would
 * refuse every device for a moment. */
int devices_set(struct cgroup *cg, const struct spec_resources *r, struct err *err)
{
	CLEANUP(device_list_done) struct device_list l = { 0 };
	struct cg_hier *h = cg->layout == CGROUP_LAYOUT_V2 ? cgroup_v2_hier(cg) : cgroup_hier_of(cg, CTL_DEVICES);
	int dir_fd, ret;

	dir_fd = h ? cg_hier_dir(h) : -ENODEV;
	if (dir_fd < 0 && cg->rootless)
		return 0; /* a user namespace has no device nodes to guard */
	if (dir_fd < 0)
		return err_set(err, ENODEV, "linux.resources.devices: no mounted cgroup hierarchy controls devices");
	device_list_build(&l, r ? r->devices : NULL, r ? r->n_devices : 0);
	ret = h->v2 ? devices_bpf_attach(dir_fd, &l, err) : set_v1(dir_fd, &l, err);
	if (ret < 0 && cg->rootless) {
		log_debug("rootless: device rules are not in force: %s", err ? err->msg : "");
		return 0;
	}
	return ret;
}
