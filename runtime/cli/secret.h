/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_SECRET_H
#define BRIG_RUNTIME_CLI_SECRET_H

#include "runtime/base/err.h"
#include "runtime/base/json.h"
#include "runtime/oci/options.h"

/*
 * DOC: secrets
 *
 *   DATA/secrets/NAME/data          the bytes, 0600; at most SECRET_MAX
 *   DATA/secrets/NAME/secret.json   id, times, labels; written last: a secret exists when this file does
 *   DATA/secrets/lock               flock: exclusive while secrets come or go
 *   DATA/containers/ID/secrets/N    the container's own copy of its N-th --secret, made when it is created
 *
 * A container keeps what the secret was when it was created, whatever becomes of the secret. The copy lies in a directory that nobody
 * else can enter and is bound into the container, or given to its process as a variable; it is in no image and no `inspect`.
 */
#define SECRET_MAX 512000 /* bytes, as in docker and podman */

struct secret {
	char *id, *name, *created, *updated; /* id: 25 hexadecimal digits; times: RFC 3339 */
	char **labels;			     /* "key=value", NULL-terminated, or NULL */
};
void secret_done(struct secret *s);
#define AUTO_SECRET CLEANUP(secret_done)

/* dir: DATA/secrets. -EEXIST when there is one of that name, unless replace is set. */
int secret_create(const char *dir, const char *name, const char *data, size_t n, char *const *labels, bool replace, struct secret *ret,
		  struct err *err) MUST_CHECK;
/* By name, id, or an unambiguous beginning of the id. -ENOENT: no such secret. */
int secret_load(const char *dir, const char *what, struct secret *ret, struct err *err) MUST_CHECK;
int secret_read(const char *dir, const struct secret *s, char **ret, size_t *ret_n, struct err *err) MUST_CHECK;
int secret_remove(const char *dir, const struct secret *s, struct err *err) MUST_CHECK;
/* Sorted by name. */
void secret_all(const char *dir, struct secret **ret, size_t *ret_n);
void secret_all_done(struct secret *v, size_t n);

/* ---- --secret of a container ---- */

struct secret_use {
	char *name;
	bool env;      /* a variable, not a file */
	char *target;  /* absolute path, or the variable's name */
	uint32_t uid, gid; /* of the file, in the container */
	mode_t mode;
	char *value;   /* of a variable, once secrets_load_values() read it */
};
struct secret_uses {
	struct secret_use *v;
	size_t n;
};
void secret_uses_done(struct secret_uses *l);
#define AUTO_SECRETS CLEANUP(secret_uses_done)

/* NAME[,type=mount|env][,target=WHERE][,uid=N][,gid=N][,mode=OCTAL] */
int secret_uses_parse(const struct option_list *flags, struct secret_uses *ret, struct err *err) MUST_CHECK;
/* Copy them to the directory of a new container. */
int secrets_keep(const char *dir, const struct secret_uses *l, int container_fd, struct err *err) MUST_CHECK;
/* Before each start: the files get the owners that the container is to see. outer makes an id of the container one of this process'. */
int secrets_give(const char *container_dir, const struct secret_uses *l, uint32_t (*outer)(const void *arg, bool group, uint32_t id),
		 const void *arg, struct err *err) MUST_CHECK;
int secrets_load_values(const char *container_dir, struct secret_uses *l, struct err *err) MUST_CHECK;
/* Append the OCI mounts to the array that is open in w. */
void secrets_mounts_json(const char *container_dir, const struct secret_uses *l, struct json_writer *w);

#endif
