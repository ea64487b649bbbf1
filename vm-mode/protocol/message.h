/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_VM_MODE_PROTOCOL_MESSAGE_H
#define BRIG_VM_MODE_PROTOCOL_MESSAGE_H

#include "runtime/base/err.h"
#include "vm-mode/protocol/pack.h"
#include "vm-mode/protocol/protocol.h"

/*
 * DOC: messages
 *
 * A struct for each message that has a payload, with a function that packs it (appends to a buf) and one that unpacks it.
 * Unpacked strings and bytes point into the message and live as long as it. Unpack: 0 or -EPROTO with err, which names the
 * message. Requests without a struct here have the payload { string container } (proto_unpack_container) or none.
 */
struct proto_hello {
	uint32_t magic;
	uint16_t version;
	uint16_t reserved;
	const char *program;	   /* "brig 0.1.0 (abc1234)": for messages */
	/* from the host */
	uint64_t time_sec;	   /* wall clock; 0: leave it */
	uint32_t time_nsec;
	const uint8_t *seed;	   /* up to 64 bytes of entropy */
	size_t seed_n;
	/* from the guest */
	const char *kernel;	   /* release */
	uint64_t boot_ns;	   /* since the kernel's start */
	uint64_t memory_bytes;	   /* MemTotal */
	uint32_t cpus;
};
void proto_pack_hello(struct buf *b, const struct proto_hello *m);
/* An error on another magic, and on another version: then it names both versions and both programs. our_program: as above. */
int proto_unpack_hello(const void *p, size_t n, const char *our_program, struct proto_hello *ret, struct err *err) MUST_CHECK;

struct proto_window_size {
	uint16_t rows, cols, xpixel, ypixel;
};

/* What of a process's standard streams is carried; the others are /dev/null. With a terminal: STDIN and STDOUT. */
enum proto_stdio { PROTO_HAS_STDIN = 1, PROTO_HAS_STDOUT = 2, PROTO_HAS_STDERR = 4 };

/* What becomes of each namespace type of the spec (order of enum spec_ns). */
enum proto_ns {
	PROTO_NS_SPEC,	 /* as linux.namespaces says: made when it is listed; a path in it counts as PROTO_NS_GUEST */
	PROTO_NS_GUEST,	 /* the guest's own */
	PROTO_NS_SANDBOX /* that of the container named in sandbox */
};
#define PROTO_NS_TYPES 8

enum proto_create_flags { PROTO_CREATE_NO_PIVOT = 1, PROTO_CREATE_NO_KEYRING = 2 };

struct proto_create {
	const char *container;	/* id */
	const char *bundle;	/* the host's path, for the state that hooks get; nothing is opened there */
	const char *config;	/* whole text of config.json */
	const uint8_t *seccomp; /* compiled: array of struct sock_filter, or none */
	size_t seccomp_n;	/* bytes */
	uint32_t seccomp_flags; /* SECCOMP_FILTER_FLAG_* */
	uint32_t flags;		/* enum proto_create_flags */
	uint32_t stdio;		/* enum proto_stdio */
	struct proto_window_size size;
	uint8_t ns[PROTO_NS_TYPES]; /* enum proto_ns */
	const char *sandbox;	/* id, "" when none */
};
void proto_pack_create(struct buf *b, const struct proto_create *m);
int proto_unpack_create(const void *p, size_t n, struct proto_create *ret, struct err *err) MUST_CHECK;

struct proto_exec {
	const char *container;
	const char *process; /* JSON: an OCI process object */
	const char *cgroup;  /* a cgroup below the container's, or "" */
	uint32_t stdio;
	struct proto_window_size size;
};
void proto_pack_exec(struct buf *b, const struct proto_exec *m);
int proto_unpack_exec(const void *p, size_t n, struct proto_exec *ret, struct err *err) MUST_CHECK;

/* The frame's id names the process; 0: every process of the container. */
struct proto_kill {
	const char *container;
	uint32_t signal; /* 1..64; 0: only look whether it is there */
};
void proto_pack_kill(struct buf *b, const struct proto_kill *m);
int proto_unpack_kill(const void *p, size_t n, struct proto_kill *ret, struct err *err) MUST_CHECK;

void proto_pack_resize(struct buf *b, const struct proto_window_size *m);
int proto_unpack_resize(const void *p, size_t n, struct proto_window_size *ret, struct err *err) MUST_CHECK;

/* UPDATE, and with container "" NET: a JSON text. */
struct proto_update {
	const char *container;
	const char *resources; /* JSON: a linux.resources object */
};
void proto_pack_update(struct buf *b, const struct proto_update *m);
int proto_unpack_update(const void *p, size_t n, struct proto_update *ret, struct err *err) MUST_CHECK;

/* START, PAUSE, RESUME, STATS, PS, DELETE: the container's id. NET: the JSON text (max 1 MiB). */
void proto_pack_text(struct buf *b, const char *text);
int proto_unpack_text(uint16_t type, const void *p, size_t n, const char **ret, struct err *err) MUST_CHECK;

struct proto_time {
	uint64_t sec;
	uint32_t nsec;
};
void proto_pack_time(struct buf *b, const struct proto_time *m);
int proto_unpack_time(const void *p, size_t n, struct proto_time *ret, struct err *err) MUST_CHECK;

/* Replies to CREATE and EXEC: the process's pid, as the guest and as the container's pid namespace number it. */
struct proto_pids {
	uint32_t guest_pid, container_pid;
};
void proto_pack_pids(struct buf *b, const struct proto_pids *m);
int proto_unpack_pids(const void *p, size_t n, struct proto_pids *ret, struct err *err) MUST_CHECK;

struct proto_exit {
	uint32_t code;	 /* 0..255; 128 + signal when it was killed */
	uint32_t signal; /* 0: it exited */
	uint32_t flags;	 /* reserved */
};
void proto_pack_exit(struct buf *b, const struct proto_exit *m);
int proto_unpack_exit(const void *p, size_t n, struct proto_exit *ret, struct err *err) MUST_CHECK;

struct proto_oom {
	const char *container;
	uint64_t count; /* processes killed so far */
};
void proto_pack_oom(struct buf *b, const struct proto_oom *m);
int proto_unpack_oom(const void *p, size_t n, struct proto_oom *ret, struct err *err) MUST_CHECK;

/* Commands to the machine's process: what the container's machine should keep of its memory; 0: all. */
struct proto_balloon {
	const char *container;
	uint64_t bytes;
};
void proto_pack_balloon(struct buf *b, const struct proto_balloon *m);
int proto_unpack_balloon(const void *p, size_t n, struct proto_balloon *ret, struct err *err) MUST_CHECK;

#define PROTO_MAX_LOG 1024
struct proto_log {
	uint16_t level; /* enum log_level */
	const char *text; /* cut at PROTO_MAX_LOG bytes by the sender */
};
void proto_pack_log(struct buf *b, const struct proto_log *m);
int proto_unpack_log(const void *p, size_t n, struct proto_log *ret, struct err *err) MUST_CHECK;

/* Credit: the receiver of a stream took bytes away. With PROTO_EOF in the frame's flags it takes nothing any more. */
struct proto_window {
	uint32_t stream; /* PROTO_STDIN, PROTO_STDOUT, PROTO_STDERR */
	uint32_t bytes;
};
void proto_pack_window(struct buf *b, const struct proto_window *m);
int proto_unpack_window(const void *p, size_t n, struct proto_window *ret, struct err *err) MUST_CHECK;

/* PROTO_ERROR: struct err as it is, the code little-endian. The receiver gets it sanitised. */
void proto_pack_error(struct buf *b, const struct err *e);
int proto_unpack_error(const void *p, size_t n, struct err *ret, struct err *err) MUST_CHECK;

#endif
