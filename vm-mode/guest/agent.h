/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_GUEST_AGENT_H
#define BRIG_VM_MODE_GUEST_AGENT_H

#include "namespaces/launch.h"
#include "vm-mode/protocol/message.h"
#include "vm-mode/protocol/stream.h"

/*
 * DOC: brig-guest
 *
 * Process 1 of the guest: one thread, one event loop, nothing in it waits for a workload. The port's requests start containers as
 * the namespaces backend does (namespaces/launch.h); what the backend waits for comes here as events. Whoever breaks out of a
 * container in the guest finds the guest; the agent keeps clear of the workloads all the same: it is in none of their namespaces or
 * cgroups, not dumpable, and its children close its descriptors first.
 */
struct agent;
struct guest_container;

/* Something to wait for. Handlers may release any source: memory goes only after the loop's round (agent_defer_free). */
struct source {
	int fd; /* -1: not there */
	uint32_t armed; /* EPOLL* asked for; 0: not in the epoll set */
	void (*ready)(struct agent *a, struct source *s, uint32_t events);
	void *owner;
};

enum process_state {
	PROCESS_LAUNCHED, /* GO was sent: READY comes */
	PROCESS_AT_GATE,  /* created */
	PROCESS_STARTING, /* START was sent: end of file, or an error, comes */
	PROCESS_RUNNING,
	PROCESS_DEAD	  /* reaped; its output may still be on its way */
};

struct guest_process {
	struct guest_process *next;
	struct guest_container *container; /* NULL once that was deleted */
	uint32_t id;
	uint32_t seq; /* of the request that is answered when the state changes; 0: none */
	bool is_exec;
	enum process_state state;
	pid_t pid;
	int pidfd;
	uint32_t container_pid; /* in its own pid namespace */
	int status;		/* of waitpid, once dead */
	bool announced;		/* the host knows it: its end is an event */
	struct err start_error;
	struct source sync;
	int console_fd; /* the socket that brings the pty's master */
	struct proto_window_size size;
	int pty_fd; /* master, for the window's size, or -1 */
	struct source in;
	struct stream_rx rx;
	struct source out[2];
	struct stream_tx tx[2];
};

struct guest_container {
	struct guest_container *next;
	struct container *c; /* owned */
	struct guest_process *init; /* NULL before and after its life */
	uint32_t init_id;
	bool init_dead;
	struct seccomp_prog seccomp;
	struct source oom;
	uint64_t oom_count;
	uint32_t delete_seq; /* DELETE waits for the processes to go; 0: no */
};

struct agent {
	int epoll_fd;
	struct source port, signals, log;
	struct frame_reader in;
	struct frame_writer out;
	const char *share;   /* where the host's share is mounted */
	bool share_mounted, greeted, is_init;
	bool port_starved;   /* somebody did not read its source because too much waited */
	bool end;	     /* leave the loop */
	struct err failure;  /* why, when it is not by the host's wish */
	char program[64];    /* "brig-guest 0.1 (commit)" */
	struct runtime_opts opts;
	struct guest_container *containers;
	struct guest_process *processes;
	void *garbage;	     /* freed after the round */
};

/* agent.c */
/* Serve the port until the host says SHUTDOWN or goes away. 0 or -errno with err. */
int agent_run(struct agent *a, int port_fd, struct err *err) MUST_CHECK;
int source_watch(struct agent *a, struct source *s, uint32_t events) MUST_CHECK;
/* Stop watching and close. */
void source_close(struct agent *a, struct source *s);
/* free(p) after this round; p's first word is used as a link. */
void agent_defer_free(struct agent *a, void *p);
void agent_reply(struct agent *a, uint32_t id, uint32_t seq, const void *p, size_t n);
/* Send err to the host as the answer. */
void agent_reply_error(struct agent *a, uint32_t id, uint32_t seq, const struct err *e);
void agent_event(struct agent *a, uint16_t type, uint32_t id, const struct buf *payload);
/* The protocol was broken, or the queue is beyond its bound: no way on. */
void agent_fail(struct agent *a, const struct err *e);
/* In a new child: close everything of the agent, without touching its epoll set's state in the parent. */
void agent_close_in_child(struct agent *a);

/* requests.c */
/* Work off one message. -EPROTO with err ends the connection. */
int request_handle(struct agent *a, const struct frame *f, struct err *err) MUST_CHECK;

/* container.c */
struct guest_container *container_find(struct agent *a, const char *id);
int guest_create(struct agent *a, const struct proto_create *m, uint32_t id, uint32_t seq, struct err *err) MUST_CHECK;
int guest_start(struct agent *a, struct guest_container *g, uint32_t seq, struct err *err) MUST_CHECK;
int guest_exec(struct agent *a, struct guest_container *g, const struct proto_exec *m, uint32_t id, uint32_t seq, struct err *err) MUST_CHECK;
int guest_kill(struct agent *a, struct guest_container *g, uint32_t id, int sig, struct err *err) MUST_CHECK;
void guest_delete(struct agent *a, struct guest_container *g, uint32_t seq);
/* Called whenever a process of g went: a deletion may be complete now. */
void guest_check_deleted(struct agent *a, struct guest_container *g);
/* Kill and forget everything, at the end. */
void guest_destroy_all(struct agent *a);

/* adapt.c: from the host's view of a configuration to the guest's. */
int adapt_spec(struct agent *a, struct container *c, const struct proto_create *m, struct err *err) MUST_CHECK;
/* Of a process: what names things of the host. */
void adapt_process(struct spec_process *p);
void adapt_resources(struct spec_resources *r);

/* process.c */
struct guest_process *process_find(struct agent *a, uint32_t id);
/* Pipes or a socket for a pty, by enum proto_stdio; child_fds get what the child puts on 0, 1, 2 (-1: /dev/null). */
int process_open_stdio(struct guest_process *p, uint32_t stdio, bool terminal, int child_fds[3], struct err *err) MUST_CHECK;
struct guest_process *process_new(struct agent *a, struct guest_container *g, uint32_t id, const struct proto_window_size *size);
/* Take it into the loop once it was spawned. */
int process_watch(struct agent *a, struct guest_process *p, struct err *err) MUST_CHECK;
void process_free(struct agent *a, struct guest_process *p);
/* SIGCHLD: reap everything that is dead. */
void process_reap(struct agent *a);
/* What the child says. */
void process_sync_ready(struct agent *a, struct source *s, uint32_t events);
void process_resize(struct guest_process *p, const struct proto_window_size *size);

/* stdio.c */
void stdio_watch(struct agent *a, struct guest_process *p);
int stdio_input(struct agent *a, struct guest_process *p, const void *data, size_t n, bool eof, struct err *err) MUST_CHECK;
int stdio_window(struct agent *a, struct guest_process *p, const struct proto_window *w, bool closed, struct err *err) MUST_CHECK;
/* Read again those who found the queue full. */
void stdio_unstarve(struct agent *a);
/* Send what is in the pipes now, as far as credit goes. */
void stdio_drain(struct agent *a, struct guest_process *p);
bool stdio_finished(const struct guest_process *p);
void stdio_close(struct agent *a, struct guest_process *p);

/* report.c */
int report_stats(struct guest_container *g, struct buf *out, struct err *err) MUST_CHECK;
int report_ps(struct guest_container *g, struct buf *out, struct err *err) MUST_CHECK;
uint32_t report_container_pid(pid_t pid);

/* net.c */
int net_configure(const char *json, struct err *err) MUST_CHECK;

/* boot.c */
/* Stage marks for the machine's boot timeline: a byte on port 0xe9, where the kernel lets us. */
enum boot_stage { STAGE_INIT = 'I', STAGE_MOUNTS = 'M', STAGE_MODULES = 'K', STAGE_PORT = 'P', STAGE_HELLO = 'H', STAGE_CREATE = 'C',
		  STAGE_READY = 'R', STAGE_START = 'S', STAGE_EXEC = 'X' };
void boot_mark(enum boot_stage stage);
int boot_mounts(struct err *err) MUST_CHECK;
int boot_open_port(struct err *err) MUST_CHECK;
int boot_mount_share(struct agent *a, struct err *err) MUST_CHECK;
void boot_take_hello(const struct proto_hello *m);
NORETURN void boot_power_off(void);

/* log.c */
int log_to_host(struct agent *a, struct err *err) MUST_CHECK;

/* modules.c */
/* Load the modules of a group ("boot", "net", ...) as /modules/list orders them; those that the kernel has are skipped. */
int modules_load(const char *group, struct err *err) MUST_CHECK;
bool modules_are_there(void);
/* As the kernel's /sbin/modprobe: load what bears this name or alias. */
int modules_probe(const char *name);

#endif
