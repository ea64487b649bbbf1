/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include "images/archive.h"
#include "images/pull.h"
#include "runtime/cli/images/progress.h"
#include "runtime/cli/images/registry_options.h"

#include <errno.h>

struct options {
	struct registry_flags r;
	bool all_tags, quiet;
	const char *platform, *arch, *os, *variant, *policy;
};

#define T struct options
static const struct option_row rows[] = {
	OPT_FLAG(T, all_tags, "all-tags", 'a', "all tags of the repository"),
	OPT_STRING(T, arch, "arch", 0, "ARCH", "which image of an index (the host's)"),
	OPT_STRING(T, os, "os", 0, "OS", "the same"),
	OPT_STRING(T, platform, "platform", 0, "OS[/ARCH[/VARIANT]]", "the same"),
	OPT_STRING(T, policy, "policy", 0, "POLICY", "always, missing, newer or never (always)"),
	OPT_STRING(T, policy, "pull", 0, "POLICY", "the same as --policy"),
	OPT_FLAG(T, quiet, "quiet", 'q', "print no progress"),
	OPT_STRING(T, variant, "variant", 0, "VARIANT", "which image of an index"),
	REGISTRY_FLAG_ROWS(T),
	OPT_IGNORE("disable-content-trust", "BOOL", "accepted and ignored"),
	OPT_END,
};
#undef T

/* --platform, or what --os, --arch and --variant say; new string or NULL. */
static char *platform_of(const struct options *o)
{
	if (o->platform)
		return xstrdup(o->platform);
	if (!o->arch && !o->os && !o->variant)
		return NULL;
	return xasprintf("%s/%s%s%s", o->os ? o->os : "linux", o->arch ? o->arch : manifest_host_architecture(), o->variant ? "/" : "",
			 o->variant ? o->variant : "");
}

static void print_id(const struct store_image *i)
{
	char hex[DIGEST_HEX_LEN];

	printf("%s\n", digest_hex(&i->config, hex));
}

static void loaded(void *ctx, const struct store_image *image, const char *const *names, size_t n)
{
	image_event(ctx, "pull", image, n ? names[0] : NULL);
	print_id(image);
}

static char *local_name(void *ctx UNUSED, const char *raw, bool docker)
{
	AUTO_REFERENCE struct reference ref = { 0 }, full = { 0 };

	if (reference_parse(raw, &ref, NULL) < 0)
		return NULL;
	reference_qualify(&ref, docker ? REFERENCE_DEFAULT_HOST : REFERENCE_LOCAL_HOST, &full);
	return reference_text(&full);
}

static int pull_one(struct image_cli *cli, const struct pull_options *po, struct progress *progress, const char *text, struct err *err)
{
	AUTO_IMAGE struct store_image image = { 0 };
	AUTO_FREE char *name = NULL;
	int r = pull_image(&cli->store, text, po, &image, &name, err);

	if (r < 0)
		return r;
	image_event(cli, "pull", &image, name ? name : text);
	progress_summary(progress, name ? name : text);
	print_id(&image);
	return 0;
}

static int pull_all_tags(struct image_cli *cli, const struct pull_options *po, struct progress *progress, const char *text, struct err *err)
{
	AUTO_REFERENCE struct reference ref = { 0 }, full = { 0 };
	AUTO_REGISTRY struct registry *registry = NULL;
	AUTO_CONN struct registry_conn *conn = NULL;
	char **tags = NULL;
	size_t n = 0;
	int r = reference_parse(text, &ref, err);

	if (r == 0 && (ref.tag || digest_is_set(&ref.digest)))
		r = err_set(err, EINVAL, "--all-tags and a tag or digest exclude each other");
	if (r < 0)
		return r;
	reference_qualify(&ref, REFERENCE_DEFAULT_HOST, &full);
	r = registry_open(&full, false, false, &po->registry, &registry, err);
	if (r == 0)
		r = registry_connect(registry, &conn, err);
	if (r == 0)
		r = registry_list_tags(conn, &tags, &n, err);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *name = xasprintf("%s/%s:%s", full.host, full.path, tags[i]);

		if (r == 0)
			r = pull_one(cli, po, progress, name, err);
		free(tags[i]);
	}
	free(tags);
	return r;
}

/* oci:, oci-archive:, docker-archive: and dir: are loaded. */
static int pull_location(struct image_cli *cli, const struct options *o, const struct pull_options *po, struct progress *progress,
			 const char *text, struct err *err)
{
	struct archive_load_options lo = { .platform = po->platform, .name = local_name, .loaded = loaded, .ctx = cli };
	AUTO_LOCATION struct location at = { 0 };
	int r = location_parse(text, &at, err);

	if (r < 0)
		return r;
	lo.ref = at.name;
	switch (at.transport) {
	case TRANSPORT_NONE:
	case TRANSPORT_REGISTRY:
		return o->all_tags ? pull_all_tags(cli, po, progress, at.path, err) : pull_one(cli, po, progress, at.path, err);
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
	case TRANSPORT_DOCKER_ARCHIVE:
	case TRANSPORT_DIR:
		break;
	}
	return archive_load(&cli->store, at.path, &lo, err);
}

static int run(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	const struct options *o = target;
	AUTO_FREE char *platform = platform_of(o);
	AUTO_CREDENTIALS struct credentials creds = { 0 };
	AUTO_PROGRESS struct progress progress;
	struct pull_options po = { .policy = PULL_ALWAYS, .platform = platform, .parallel = cli->settings.parallel_layers };
	int r = 0;

	progress_init(&progress, o->quiet, false);
	po.observer = &progress.observer;
	if (o->policy && pull_policy_parse(o->policy, &po.policy) < 0)
		r = err_set(err, EINVAL, "invalid value \"%s\" for flag --policy: must be always, missing, newer or never", o->policy);
	if (r == 0)
		r = registry_flags_read(&o->r, &cli->settings, &creds, &po.registry, err);
	for (char **name = operands; r == 0 && *name; name++) {
		r = pull_location(cli, o, &po, &progress, *name, err);
		(void)fflush(stdout);
	}
	return r;
}

const struct image_command image_cmd_pull = {
	.names = { "pull" },
	.image_names = { "pull" },
	.operands = "IMAGE...",
	.help = "fetch images from a registry",
	.options = rows,
	.target_size = sizeof(struct options),
	.defaults = &(const struct options){ .r.tls_verify = true },
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
};
