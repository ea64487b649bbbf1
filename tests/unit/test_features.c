/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/oci/commands.h"
#include "tests/unit/tap.h"

/* The document that `features` prints, as a tree. */
static struct json *read_features(struct arena *arena)
{
	AUTO_FREE char *text = xcalloc(1, 65536);
	struct err err = { 0 };
	struct json *root = NULL;
	const struct runtime_opts opts = { .backend = &namespaces_backend };
	int fds[2], saved = dup(STDOUT_FILENO);
	ssize_t n;

	if (saved < 0 || pipe(fds) < 0)
		exit(1);
	fflush(stdout);
	dup2(fds[1], STDOUT_FILENO);
	close(fds[1]);
	if (cmd_features.run(&opts, NULL, NULL, &err) != 0)
		exit(1);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	n = fd_read_all(fds[0], text, 65535);
	close(fds[0]);
	if (n < 0 || json_parse(arena, "features", text, (size_t)n, &root, &err) < 0)
		return NULL;
	return root;
}

static const struct json *find(const struct json *root, const char *a, const char *b)
{
	const struct json *n = json_get(root, a);

	return n && b ? json_get(n, b) : n;
}

/* Every name has to be taken by the reader of config.json, in the place that it stands for. */
static int reads_back(const char *before, const char *name, const char *after)
{
	static const char head[] = "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"},\"process\":{\"args\":[\"x\"],\"cwd\":\"/\",\"user\":"
				   "{\"uid\":0,\"gid\":0}%s},";
	AUTO_BUF struct buf text = { 0 };
	struct spec spec = { 0 };
	struct err err = { 0 };
	bool in_process = before[0] == ',';
	int r;

	buf_addf(&text, "%.*s", (int)(strstr(head, "%s") - head), head);
	if (in_process)
		buf_addf(&text, "%s%s%s", before, name, after);
	buf_add(&text, "},");
	if (in_process)
		buf_add(&text, "\"linux\":{}}");
	else
		buf_addf(&text, "%s%s%s}", before, name, after);
	r = spec_parse(&spec, "config.json", text.p, text.len, true, &err);
	if (r < 0)
		printf("# %s: %s\n", name, err.msg);
	else
		spec_done(&spec);
	return r;
}

/* Names that need other company than the rest of their list. */
static const struct {
	const char *name, *before, *after;
} special[] = {
	{ "user", "\"linux\":{\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}],\"gidMappings\":[{\"containerID\":0,"
		  "\"hostID\":0,\"size\":1}],\"namespaces\":[{\"type\":\"", "\"}]}" },
	{ "MPOL_DEFAULT", "\"linux\":{\"memoryPolicy\":{\"mode\":\"", "\"}}" },
	{ "MPOL_LOCAL", "\"linux\":{\"memoryPolicy\":{\"mode\":\"", "\"}}" },
};

static void check_list(const struct json *list, const char *what, const char *before, const char *after)
{
	bool good = list && list->type == JSON_ARRAY && list->u.kids.n > 0;

	for (const struct json *n = good ? list->u.kids.first : NULL; n; n = n->next) {
		const char *b = before, *a = after;

		for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
			if (strcmp(special[i].name, n->u.string) == 0) {
				b = special[i].before;
				a = special[i].after;
			}
		}
		good = reads_back(b, n->u.string, a) == 0 && good;
	}
	ok(good, "features: every name in %s is one that config.json may have", what);
}

static void mount_options(const struct json *list)
{
	bool good = list && list->u.kids.n > 40;

	for (const struct json *n = good ? list->u.kids.first : NULL; n; n = n->next) {
		CLEANUP(arena_done) struct arena arena = { 0 };
		char *options[2] = { arena_strdup(&arena, n->u.string), NULL };
		struct spec_mount m = { .destination = options[0], .options = { .v = options, .n = 1 } };

		spec_mount_split_options(&arena, &m);
		if (m.data) {
			printf("# %s\n", m.data);
			good = false;
		}
	}
	ok(good, "features: every mount option is known, and none is file system data");
}

int main(void)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	const struct json *root = read_features(&arena), *lin = root ? json_get(root, "linux") : NULL;

	if (!ok(root && lin, "features: the document is JSON"))
		return done();
	mount_options(find(root, "mountOptions", NULL));
	check_list(find(root, "hooks", NULL), "hooks", "\"hooks\":{\"", "\":[{\"path\":\"/x\"}]}");
	check_list(find(lin, "namespaces", NULL), "namespaces", "\"linux\":{\"namespaces\":[{\"type\":\"", "\"}]}");
	check_list(find(lin, "capabilities", NULL), "capabilities", ",\"capabilities\":{\"bounding\":[\"", "\"]}");
	check_list(find(lin, "seccomp", "actions"), "seccomp.actions",
		   "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/s\",\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":\"",
		   "\"}]}}");
	check_list(find(lin, "seccomp", "operators"), "seccomp.operators",
		   "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\","
		   "\"args\":[{\"index\":0,\"value\":1,\"op\":\"",
		   "\"}]}]}}");
	check_list(find(lin, "seccomp", "archs"), "seccomp.archs",
		   "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"", "\"]}}");
	check_list(find(lin, "seccomp", "knownFlags"), "seccomp.knownFlags",
		   "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"", "\"]}}");
	check_list(find(lin, "memoryPolicy", "modes"), "memoryPolicy.modes", "\"linux\":{\"memoryPolicy\":{\"nodes\":\"0\",\"mode\":\"", "\"}}");
	check_list(find(lin, "memoryPolicy", "flags"), "memoryPolicy.flags",
		   "\"linux\":{\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":[\"", "\"]}}");
	return done();
}
