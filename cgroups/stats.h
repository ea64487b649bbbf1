/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_CGROUPS_STATS_H
#define BRIG_CGROUPS_STATS_H

#include "cgroups/internal.h"

/* The two sources of the one format, runc's `events --stats`. Files that a kernel lacks give zeros or no member. */
void stats_v1(struct cgroup *cg, struct json_writer *w);
void stats_v2(struct cgroup *cg, struct json_writer *w);

/* "KEY VALUE" lines of a text: the number of key, or fallback. */
uint64_t stats_flat(const char *text, const char *key, uint64_t fallback);
/* A file with one number in the directory of a controller; 0 when it cannot be read; UINT64_MAX for "max". */
uint64_t stats_number(struct cgroup *cg, enum cg_ctl ctl, const char *file);
/* The whole file ("" when it cannot be read); new string. */
char *stats_text(struct cgroup *cg, enum cg_ctl ctl, const char *file);
/* { "limit", "usage", "max", "failcnt" } */
void stats_amount(struct json_writer *w, const char *key, uint64_t limit, uint64_t usage, uint64_t max, uint64_t failcnt);
/* "0-3,8" as an array of numbers. */
void stats_list(struct json_writer *w, const char *key, const char *list);
/* "8:0 Read 123" lines as an array of objects. */
void stats_io_v1(struct json_writer *w, const char *key, const char *text);
/* "8:0 rbytes=1 wbytes=2 ..." lines; read_key and write_key of them, as ops Read and Write. */
void stats_io_v2(struct json_writer *w, const char *key, const char *text, const char *read_key, const char *write_key);
/* A pressure file as { "some": {...}, "full": {...} }; no member when text is empty. */
void stats_psi(struct json_writer *w, const char *text);
void stats_pids(struct cgroup *cg, struct json_writer *w);
void stats_hugetlb(struct cgroup *cg, struct json_writer *w);
void stats_rdma(struct cgroup *cg, struct json_writer *w);

#endif
