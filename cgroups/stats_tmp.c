#include "cgroups/cgroup.h"
#include <errno.h>
int __attribute__((weak)) cgroup_stats_json(struct cgroup *cg, struct json_writer *w, struct err *err) { (void)cg; (void)w; return err_set(err, ENOTSUP, "stats"); }
int __attribute__((weak)) cgroup_oom_fd(struct cgroup *cg, struct err *err) { (void)cg; return err_set(err, ENOTSUP, "oom"); }
int __attribute__((weak)) cgroup_oom_count(struct cgroup *cg, uint64_t *ret) { (void)cg; *ret = 0; return 0; }
