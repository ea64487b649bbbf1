/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_RECORD_H
#define BRIG_RUNTIME_CLI_RECORD_H

#include "runtime/cli/commands.h"
#include "runtime/cli/tree_copy.h"
#include "runtime/spec.h"

/*
 * DOC: the record of a container
 *
 * DATA/containers/ID/record.json says what the container is: its image, and the options of `run` or `create` as they were
 * given, which every start reads again to make the configuration for the OCI layer. What it does now is never stored: it is
 * seen in the OCI layer's state. Of the past it keeps when it last started and ended, and how.
 *
 * Records are written atomically. Whoever changes one, or starts or removes a container, holds the lock of its directory.
 */
struct found_image;

#define RECORD_ID_LEN	 64
#define RECORD_SHORT_LEN 12

struct record {
	struct arena arena; /* holds all strings */
	struct cli *cli;    /* borrowed */
	int dir_fd;	    /* owned: DATA/containers/ID */
	char *dir;	    /* its path */
	char *run_dir;	    /* RUN/.cli/containers/ID; exists while the container has something there */
	char *id, *name;
	char *image;	      /* as ps shows it */
	char *image_id;	      /* 64 hexadecimal digits */
	char *manifest;	      /* digest text: which stored image */
	char *created;	      /* RFC 3339, as all times */
	struct strlist flags; /* "--name=value", files among them already read */
	struct strlist command; /* what stood behind the image */
	struct strlist args;  /* what runs: entry point and command */
	struct kvlist labels; /* of the image and the flags */
	char *mounts;	      /* volume_list_json(), or NULL */
	char *started, *finished; /* NULL: never */
	char *error;		  /* why the last start failed, or NULL */
	int64_t exit_code;	  /* of the last run; valid with finished */
	int64_t restarts;	  /* by the restart policy, since the last start by hand */
	bool oom_killed;
	bool stopped;		  /* a person stopped it: the restart policy lets it be */
	bool detached;		  /* a monitor (conmon) keeps it */
	bool auto_remove, tty;	  /* --rm, -t; also among the flags, but listings need not parse those */
	char *restart_policy;	  /* or NULL */
	char *stop_signal;	  /* name or number */
	int64_t stop_timeout;	  /* seconds */
	char *network;		  /* the --network values, "," between them, or NULL */
	struct found_image *found; /* owned: its image as `create` read it, for a start by the same process; or NULL */
};

enum record_state {
	RECORD_CREATED,	  /* never started */
	RECORD_STARTING,  /* has an init that waits */
	RECORD_RUNNING,
	RECORD_PAUSED,
	RECORD_EXITED,
};
const char *record_state_name(enum record_state s);

/* A new record with a new id; nothing is on disk yet. */
struct record *record_new(struct cli *cli) __attribute__((returns_nonnull));
/* The record of an id, with nothing read. */
struct record *record_at(struct cli *cli, const char *id) __attribute__((returns_nonnull));
bool record_is_id(const char *s);
void record_free(struct record *r);
void cleanup_record(struct record **r);
#define AUTO_RECORD CLEANUP(cleanup_record)

/* Make the directory, locked, claim the name (r->name; NULL: a free one of two words is chosen) and write the record. On error
 * nothing stays. -EEXIST names the container that has the name. */
int record_create(struct record *r, struct err *err) MUST_CHECK;
int record_save(struct record *r, struct err *err) MUST_CHECK;
/* The container goes by name, or by the beginning of its id. lock: for a change; waits for others.
 * -ENOENT: no container with name or ID "X" found: no such container. */
int record_load(struct cli *cli, const char *what, bool lock, struct record **ret, struct err *err) MUST_CHECK;
/* Take or drop the lock; after a wait the record is read again. */
int record_lock(struct record *r, struct err *err) MUST_CHECK;
void record_unlock(struct record *r);
/* Names change under the lock of the record. */
int record_rename(struct record *r, const char *name, struct err *err) MUST_CHECK;
/* Take everything of it from the disk: both directories, the name, the reference to the image. */
int record_remove(struct record *r, struct err *err) MUST_CHECK;
/* Take away what others left who were killed while they made or removed a container: directories without a record, and names and
 * references of no container. Those in the making stay. */
int record_sweep(struct cli *cli, struct err *err) MUST_CHECK;

/* All of them, newest first; damaged ones are reported and left out. The caller frees each and the array. */
int record_list(struct cli *cli, struct record ***ret, size_t *ret_n, struct err *err) MUST_CHECK;
void record_list_free(struct record **list, size_t n);

/* Its state now. ret_c, if not NULL: the OCI layer's view for who goes on with it (the caller frees it), or NULL. */
enum record_state record_state(struct record *r, struct container **ret_c);
/* When it came into that state, seconds since 1970; 0: not known. */
int64_t record_since(const struct record *r, enum record_state s);

/* Its networks as people see them: what --network said, or the default's name. */
const char *record_network(const struct record *r);

/* Names: [a-zA-Z0-9][a-zA-Z0-9_.-]* */
int record_check_name(const char *name, struct err *err) MUST_CHECK;
/* "brave_turing": two words, chosen by seed. */
void record_random_name(uint32_t seed, char *out, size_t size);

/* Make the bundle's directory (and those above it). */
int record_make_run_dir(struct record *r, struct err *err) MUST_CHECK;

/* A strlist that grows in an arena. */
void strlist_add(struct arena *a, struct strlist *l, const char *s);
void kvlist_set(struct arena *a, struct kvlist *l, const char *key, const char *value);
const char *kvlist_get(const struct kvlist *l, const char *key);

#endif
