/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_SELECT_H
#define BRIG_RUNTIME_CLI_SELECT_H

#include "runtime/cli/record.h"

/*
 * Which containers a verb works on: those that are named, or all, the newest, or those that match filters.
 * Filters, as docker and podman have them: id name (a regular expression) label label! ancestor status exited network volume health
 * publish expose before since until restart-policy is-task=false. The same key twice: either; different keys: both.
 */
struct selection {
	bool all, latest;
	struct option_list filter;
	struct option_list cidfile; /* files with the ID of a container each, beside names */
	/* set by the verb: */
	bool running;	     /* --all means those that have a process */
	bool ignore_missing; /* a name without a container is no error */
};

/* Call fn for each. It returns negative with err, 0, or 1 to have the name printed as the user gave it (else the ID). An error of one is
 * printed and does not stop the rest. Returns the exit code, or negative with err when there is nothing to choose from. */
int for_each_selected(struct cli *cli, const struct selection *s, char **operands, int (*fn)(struct record *r, void *arg, struct err *err),
		      void *arg, struct err *err) MUST_CHECK;

/* The ID of the newest container, new string, for --latest. */
int newest_container(struct cli *cli, char **ret, struct err *err) MUST_CHECK;
/* The container of that name, or (latest) the newest one, which goes without a name (NULL). */
int load_one(struct cli *cli, const char *name, bool latest, struct record **ret, struct err *err) MUST_CHECK;
/* The ID that --cidfile wrote into the file at path, new string. */
int cidfile_read(const char *path, char **ret, struct err *err) MUST_CHECK;

/* Check the keys and values once, before they are used. */
int filters_check(const struct option_list *filters, struct err *err) MUST_CHECK;
/* The filter "until": is the time when (RFC 3339) before value, a duration back from now or a time? */
bool created_before(const char *when, const char *value);
bool filters_match(const struct option_list *filters, struct record *r, enum record_state s, struct record *const *all, size_t n);

#endif
