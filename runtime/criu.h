/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CRIU_H
#define BRIG_RUNTIME_CRIU_H

#include "runtime/container.h"

/*
 * DOC: checkpoint and restore
 *
 * Both drive the criu program: one run, its options on its command line, its log in the work directory. When it fails,
 * the error has criu's own last error lines; when it is missing, the error says so.
 */
struct checkpoint_opts {
	const char *image_path;	   /* where images go; NULL: "checkpoint" below the current directory */
	const char *work_path;	   /* criu's log and statistics; NULL: image_path */
	const char *parent_path;   /* checkpoint: earlier dump, relative to image_path */
	const char *manage_cgroups_mode; /* soft, full, strict, ignore; NULL: soft */
	const char *page_server;   /* ADDRESS:PORT */
	const char *network_lock;  /* iptables, nftables, skip */
	const char *lsm_profile;   /* restore: "apparmor:NAME" or "selinux:LABEL" */
	const char *lsm_mount_context;
	const char *status_fd;	   /* number of an fd that gets a NUL byte when criu is ready */
	const char *const *empty_ns; /* namespaces whose content is not dumped; "network" is the one that criu has */
	size_t n_empty_ns;
	bool leave_running, pre_dump, tcp_established, tcp_skip_in_flight, tcp_close, ext_unix_sk, shell_job, file_locks, link_remap,
		auto_dedup, lazy_pages;
};

/* Shared default of backend.checkpoint: dump the processes of c, which run or are paused. */
int criu_checkpoint(struct container *c, const struct checkpoint_opts *o, struct err *err) MUST_CHECK;

/* restore: make a container (o->id, o->bundle) from images. Waits for it unless o->detach; returns the exit code. */
int container_restore(const struct runtime_opts *opts, const struct create_opts *o, const struct checkpoint_opts *ck,
		      struct err *err) MUST_CHECK;

/* Options that are the same at dump and at restore, as an argv for criu; new, NULL-terminated. action: "dump",
 * "pre-dump" or "restore". Pure: a unit test reads it. */
struct strlist criu_command(const struct checkpoint_opts *o, const char *action, const char *image_path, const char *work_path);
void criu_command_done(struct strlist *l);

/* Names of options' values are checked before anything is done. */
int criu_check_opts(const struct checkpoint_opts *o, struct err *err) MUST_CHECK;

#endif
