/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

/*
 * DOC: a configuration in the guest
 *
 * config.json comes as the engine wrote it. Paths of the host become paths of the share; namespaces of the host have no meaning
 * here; numbers of the host's CPUs, memory nodes and block devices are in force on the host and dropped here.
 */
static bool profile_is_loaded(const char *profile)
{
	AUTO_FREE char *text = NULL;
	size_t n = strlen(profile);

	if (fd_read_file(AT_FDCWD, "/sys/kernel/security/apparmor/profiles", 1 << 20, &text, NULL) < 0)
		return false;
	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, profile, n) == 0 && strncmp(line + n, " (", 2) == 0)
			return true;
	return false;
}

/* Security labels name profiles and policies that are loaded on the host. */
static void adapt_labels(struct spec_process *p)
{
	if (p->apparmor_profile && *p->apparmor_profile && !profile_is_loaded(p->apparmor_profile)) {
		log_debug("apparmor profile '%s' is not loaded in the guest", p->apparmor_profile);
		p->apparmor_profile = NULL;
	}
	if (p->selinux_label && access("/sys/fs/selinux/enforce", F_OK) < 0)
		p->selinux_label = NULL;
}

void adapt_process(struct spec_process *p)
{
	adapt_labels(p);
	p->exec_affinity_initial = p->exec_affinity_final = NULL;
}

void adapt_resources(struct spec_resources *r)
{
	size_t n = 0;

	r->cpus = r->mems = NULL;
	r->blkio_weight.set = r->blkio_leaf_weight.set = r->net_class_id.set = false;
	r->n_blkio_weight_devices = r->n_net_prios = r->n_rdma = r->n_hugepages = 0;
	r->blkio_read_bps.n = r->blkio_write_bps.n = r->blkio_read_iops.n = r->blkio_write_iops.n = 0;
	r->cpu_rt_period.set = r->cpu_rt_runtime.set = false;
	r->mem_kernel.set = r->mem_kernel_tcp.set = r->mem_swappiness.set = r->mem_disable_oom_killer.set = false;
	for (size_t i = 0; i < r->unified.n; i++)
		if (!str_starts(r->unified.v[i].key, "io.") && !str_starts(r->unified.v[i].key, "cpuset.") &&
		    !str_starts(r->unified.v[i].key, "hugetlb.") && !str_starts(r->unified.v[i].key, "rdma."))
			r->unified.v[n++] = r->unified.v[i];
	r->unified.n = n;
}

static void adapt_mounts(struct agent *a, struct spec *s, const char *id)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		struct spec_mount *m = &s->mounts[i];

		if (!(m->flags & MS_BIND) || m->flags & MS_REMOUNT)
			continue;
		m->source = arena_printf(&s->arena, "%s/c/%s/binds/%zu", a->share, id, i);
		m->copy_symlink = m->src_nofollow = false; /* the host has followed what is to be followed */
		m->idmap = m->idmap_recursive = false;	   /* and mapped what is to be mapped */
		m->uid_maps.n = m->gid_maps.n = 0;
	}
	s->mount_label = NULL;
}

/*
 * The host's side of the share is in the container's user namespace: it says 0 for files of the container's root, whatever their owner
 * on the host is. So ids inside are ids of the guest, too.
 */
static void adapt_id_maps(struct spec_id_maps *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		maps->v[i].host_id = maps->v[i].container_id;
}

static int adapt_namespaces(struct agent *a, struct spec *s, const struct proto_create *m, struct err *err)
{
	const struct guest_container *sandbox = *m->sandbox ? container_find(a, m->sandbox) : NULL;

	_Static_assert(NS_TYPES == PROTO_NS_TYPES, "one byte for each type");
	if (*m->sandbox && (!sandbox || sandbox->init_dead))
		return err_set(err, ENOENT, "sandbox '%s' of container '%s' is not running", m->sandbox, m->container);
	for (int t = 0; t < NS_TYPES; t++) {
		struct spec_namespace *ns = &s->ns[t];
		enum proto_ns how = ns->path && m->ns[t] == PROTO_NS_SPEC ? PROTO_NS_GUEST : (enum proto_ns)m->ns[t];

		if (how == PROTO_NS_SPEC)
			continue;
		ns->path = NULL;
		if (how == PROTO_NS_SANDBOX && sandbox) { /* the message's reader has seen to it that one is named */
			ns->present = true;
			ns->path = arena_printf(&s->arena, "/proc/%d/ns/%s", (int)sandbox->c->pid, ns_proc_names[t]);
		} else if (t == NS_USER || t == NS_PID || t == NS_MNT || t == NS_TIME) {
			/* A user namespace cannot be joined from within; a mount namespace of its own is a must. */
			ns->present = t == NS_MNT;
		} else if (ns->present) {
			ns->path = arena_printf(&s->arena, "/proc/self/ns/%s", ns_proc_names[t]);
		}
	}
	return 0;
}

int adapt_spec(struct agent *a, struct container *c, const struct proto_create *m, struct err *err)
{
	struct spec *s = c->spec;

	s->root_path = arena_printf(&s->arena, "%s/c/%s/rootfs", a->share, m->container);
	c->rootfs = s->root_path;
	adapt_mounts(a, s, m->container);
	for (int k = 0; k < HOOK_KINDS; k++)
		if (k != HOOK_START_CONTAINER)
			s->hooks[k].n = 0;
	s->n_net_devices = 0;
	s->intel_rdt.set = false;
	s->memory_policy.set = false;
	s->seccomp.set = false; /* the filter comes compiled */
	s->cgroups_path = NULL;
	adapt_id_maps(&s->uid_maps);
	adapt_id_maps(&s->gid_maps);
	adapt_resources(&s->resources);
	adapt_process(&s->process);
	return adapt_namespaces(a, s, m, err);
}
