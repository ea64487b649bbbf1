/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/image_find.h"

#include "images/lookup.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/net/network.h"

#include <errno.h>
#include <unistd.h>

void found_image_done(struct found_image *f)
{
	store_image_done(&f->image);
	if (f->config.architecture) /* was read */
		image_config_done(&f->config);
	free(f->name);
	*f = (struct found_image){ 0 };
}

static int look_up(struct cli *cli, const char *text, struct found_image *ret, struct err *err)
{
	char hex[DIGEST_HEX_LEN], *name = NULL;
	int r = lookup_image(&cli->store, text, &ret->image, &name, err);

	if (r < 0)
		return r;
	if (!name && ret->image.n_names)
		name = xstrdup(ret->image.names[0]);
	ret->name = name ? name : xasprintf("%.12s", digest_hex(&ret->image.config, hex));
	return 0;
}

/* brig-images says on stderr what went wrong, so that there is nothing to add. */
static int pull(struct cli *cli, const struct run_options *o, const char *policy, const char *text, struct err *err)
{
	const struct {
		const char *flag, *value;
	} choice[] = { { "--policy", policy }, { "--platform", o->platform }, { "--os", o->os }, { "--arch", o->arch },
		       { "--variant", o->variant }, { "--authfile", o->authfile } };
	AUTO_FREE char *program = NULL;
	char **argv;
	int r = cli_find_program("brig-images", &program, err);

	if (r < 0)
		return err_wrap(err, "image '%s' is not stored here, and cannot be pulled", text);
	argv = cli_argv(cli, "brig-images");
	strings_add(&argv, "pull");
	if (o->quiet)
		strings_add(&argv, "-q");
	for (size_t i = 0; i < ARRAY_SIZE(choice); i++) {
		if (choice[i].value) {
			strings_add(&argv, choice[i].flag);
			strings_add(&argv, choice[i].value);
		}
	}
	if (o->tls_verify)
		strings_add(&argv, str_eq(o->tls_verify, "false") ? "--tls-verify=false" : "--tls-verify=true");
	strings_add(&argv, text);
	r = cli_run_program(program, argv, err);
	strings_free(argv);
	return r > 0 ? err_set(err, EIO, "image '%s' could not be pulled", text) : r;
}

/* A stored image of another platform than was asked for is used, as podman and docker do. */
static void check_platform(const struct run_options *o, const struct found_image *f)
{
	AUTO_FREE char *copy = xstrdup(o->platform ? o->platform : "");
	char *rest = copy, *os = strsep(&rest, "/"), *arch = rest ? strsep(&rest, "/") : NULL;
	const char *want_os = *os ? os : o->os, *want_arch = arch ? arch : o->arch;

	if ((want_os && *f->config.os && !str_eq(want_os, f->config.os)) ||
	    (want_arch && *f->config.architecture && !str_eq(want_arch, f->config.architecture)))
		log_warn("image platform (%s/%s) does not match the expected platform (%s/%s)", f->config.os, f->config.architecture,
			 want_os ? want_os : "linux", want_arch ? want_arch : f->config.architecture);
}

int find_image(struct cli *cli, const struct run_options *o, const char *text, struct found_image *ret, struct err *err)
{
	const char *policy = o->pull ? o->pull : "missing";
	struct found_image f = { 0 };
	int r = cli_open_store(cli, err);

	if (r < 0)
		return r;
	if (str_eq(policy, "true") || str_eq(policy, "ifmissing"))
		policy = str_eq(policy, "true") ? "always" : "missing";
	if (str_eq(policy, "ifnewer"))
		policy = "newer";
	if (str_eq(policy, "false"))
		policy = "never";
	if (str_eq(policy, "always") || str_eq(policy, "newer"))
		r = pull(cli, o, policy, text, err);
	if (r == 0)
		r = look_up(cli, text, &f, err);
	if (r == -ENOENT && str_eq(policy, "missing")) {
		r = pull(cli, o, policy, text, err);
		if (r == 0)
			r = look_up(cli, text, &f, err);
	}
	if (r == 0)
		r = store_image_config(&cli->store, &f.image, &f.config, err);
	if (r < 0) {
		found_image_done(&f);
		return r;
	}
	check_platform(o, &f);
	*ret = f;
	return 0;
}
