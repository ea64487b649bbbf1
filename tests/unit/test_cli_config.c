/* SPDX-License-Identifier: Apache-2.0 */
/* From an image and flags to config.json: parts of the text, and that the OCI layer reads the whole. */
#include "runtime/base/mem.h"
#include "runtime/cli/config.h"
#include "runtime/cli/record.h"
#include "runtime/spec.h"
#include "tests/unit/tap.h"

static const char image_text[] =
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"COLOR=blue\",\"PATH=/bin\"],\"Entrypoint\":[\"/e\"],"
	"\"Cmd\":[\"c1\",\"c2\"],\"WorkingDir\":\"/w\",\"Labels\":{\"shape\":\"round\",\"run.oci.evil\":\"1\"},\"StopSignal\":\"SIGUSR1\","
	"\"ExposedPorts\":{\"80/tcp\":{}}},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";

struct built {
	struct spec spec;
	struct json *tree;
	struct arena arena;
	struct err err;
	int r;
};

static void built_done(struct built *b)
{
	spec_done(&b->spec);
	arena_done(&b->arena);
}

/* flags and, behind "img", the command */
static struct built build(char **argv)
{
	struct run_options o = run_option_defaults;
	struct option_result res = { 0 };
	struct image_config image;
	struct image_user user = { .uid = 0, .home = (char[]){ "/root" } };
	struct volume_list volumes = { 0 };
	struct strlist command = { 0 }, args = { 0 };
	struct built b = { 0 };
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	struct config_input in = { .o = &o, .image = &image, .user = &user, .args = &args, .id = "0123", .hostname = "box", .bundle = "/none",
				   .volume_dir = "/v", .volumes = &volumes, .caps_available = ~0ull >> 23, .swap_limit = true };

	if (image_config_parse("image", image_text, sizeof(image_text) - 1, &image, &b.err) < 0)
		exit(1);
	b.r = options_parse_posix(run_option_rows, true, argv, &o, &res, &b.err);
	if (b.r == 0 && o.user)
		user.uid = 33;
	for (int i = 1; b.r == 0 && i < res.n_operands; i++)
		strlist_add(&b.arena, &command, res.operands[i]);
	if (b.r == 0)
		b.r = config_args(&o, &image, &command, &b.arena, &args, &b.err);
	if (b.r == 0)
		b.r = config_write(&in, &w, &b.err);
	if (b.r == 0)
		b.r = spec_parse(&b.spec, "config.json", text.p, text.len, true, &b.err);
	if (b.r == 0)
		b.r = json_parse(&b.arena, "config.json", text.p, text.len, &b.tree, &b.err);
	option_result_done(&res);
	run_options_done(&o);
	image_config_done(&image);
	return b;
}
#define BUILD(...) build((char *[]){ __VA_ARGS__, NULL })
#define W(s) ((char[]){ s })

static const char *joined(struct arena *a, const struct strlist *l)
{
	AUTO_BUF struct buf b = { 0 };

	for (size_t i = 0; i < l->n; i++)
		buf_addf(&b, "%s%s", i ? " " : "", l->v[i]);
	return arena_strdup(a, b.p ? b.p : "");
}

static void args_are(struct built b, const char *want, const char *title)
{
	is_str(b.r < 0 ? b.err.msg : joined(&b.arena, &b.spec.process.args), want, "%s", title);
	built_done(&b);
}

static void error_is(struct built b, const char *part, const char *title)
{
	ok(b.r < 0, "%s: refused", title);
	like(b.err.msg, part, "%s: %s", title, part);
	built_done(&b);
}

static void test_args(void)
{
	args_are(BUILD(W("img")), "/e c1 c2", "config: entry point and command of the image");
	args_are(BUILD(W("img"), W("x")), "/e x", "config: another command");
	args_are(BUILD(W("--entrypoint=sh"), W("img")), "sh", "config: another entry point drops the image's command");
	args_are(BUILD(W("--entrypoint=[\"a\",\"b\"]"), W("img"), W("c")), "a b c", "config: an entry point as a list");
	args_are(BUILD(W("--entrypoint="), W("img"), W("x")), "x", "config: no entry point");
	error_is(BUILD(W("--entrypoint="), W("img")), "no command", "config: nothing to run");
}

static void test_process(void)
{
	struct built b = BUILD(W("-t"), W("-e"), W("COLOR=red"), W("-e"), W("NEW=1"), W("--ulimit"), W("nofile=10:20"), W("--oom-score-adj=5"), W("img"));
	const struct spec_process *p = &b.spec.process;

	is_str(joined(&b.arena, &p->env), "PATH=/bin TERM=xterm container=brig COLOR=red NEW=1 HOSTNAME=box HOME=/root",
	       "config: environment of brig, the image, the flags");
	is_str(p->cwd, "/w", "config: the image's folder");
	ok(p->terminal && p->caps.bounding == 0xa80425fb && p->caps.effective == 0xa80425fb && !p->caps.ambient, "config: docker's capabilities");
	ok(p->n_rlimits == 1 && p->rlimits[0].soft == 10 && p->rlimits[0].hard == 20 && p->oom_score_adj.v == 5, "config: limits");
	is_str(b.spec.hostname, "box", "config: host name");
	is_str(spec_annotation(&b.spec, "shape"), "round", "config: labels become annotations");
	is_str(spec_annotation(&b.spec, "org.opencontainers.image.exposedPorts"), "80/tcp", "config: the image's ports");
	ok(!spec_annotation(&b.spec, "run.oci.evil"), "config: but none that orders the runtime about");
	built_done(&b);
	b = BUILD(W("-u"), W("www"), W("--cap-add=net_admin"), W("--security-opt=no-new-privileges"), W("img"));
	ok(b.spec.process.caps.ambient == 1ull << 12 && b.spec.process.caps.effective == 1ull << 12 && b.spec.process.no_new_privileges,
	   "config: a user has what was added by name");
	built_done(&b);
	error_is(BUILD(W("--ulimit=nofile=20:10"), W("img")), "soft limit is above", "config: --ulimit");
	error_is(BUILD(W("--ulimit=files=20"), W("img")), "unknown limit 'files'", "config: --ulimit");
	error_is(BUILD(W("--cap-drop=x"), W("img")), "--cap-drop 'x': unknown capability", "config: --cap-drop");
	error_is(BUILD(W("--umask=9"), W("img")), "--umask '9'", "config: --umask");
}

static void test_linux(void)
{
	struct built b = BUILD(W("-m64m"), W("--cpus=1.5"), W("--pids-limit=7"), W("--sysctl=net.core.somaxconn=9"), W("--pid=host"), W("img"));
	const struct spec_resources *r = &b.spec.resources;

	ok(r->mem_limit.v == 64 << 20 && r->mem_swap.v == 128 << 20 && r->cpu_quota.v == 150000 && r->cpu_period.v == 100000 && r->pids_limit.v == 7,
	   "config: limits of the cgroup");
	ok(!b.spec.ns[NS_PID].present && b.spec.ns[NS_IPC].present && b.spec.ns[NS_NET].present && b.spec.ns[NS_MNT].present &&
		   b.spec.ns[NS_CGROUP].present && !b.spec.ns[NS_USER].present,
	   "config: namespaces");
	is_str(b.spec.cgroups_path, "/brig/0123", "config: place of the cgroup");
	ok(b.spec.masked_paths.n == 12 && b.spec.readonly_paths.n == 5 && b.spec.seccomp.set, "config: hidden paths and a filter");
	ok(r->n_devices == 1 && !r->devices[0].allow, "config: no devices but the usual ones");
	built_done(&b);
	b = BUILD(W("--privileged"), W("img"));
	ok(b.spec.masked_paths.n == 0 && b.spec.readonly_paths.n == 0 && !b.spec.seccomp.set && b.spec.resources.devices[0].allow &&
		   b.spec.process.caps.effective == ~0ull >> 23,
	   "config: --privileged");
	built_done(&b);
	b = BUILD(W("--device=/dev/null:/dev/other:r"), W("--security-opt=unmask=/proc/kcore:/proc/bus"), W("--security-opt=mask=/x"), W("img"));
	ok(b.spec.n_devices == 1 && b.spec.devices[0].major == 1 && b.spec.devices[0].minor == 3 && b.spec.resources.n_devices == 2 &&
		   b.spec.resources.devices[1].access == DEVICE_R,
	   "config: a device, read-only");
	ok(b.spec.masked_paths.n == 12 && b.spec.readonly_paths.n == 4, "config: mask and unmask");
	built_done(&b);
	error_is(BUILD(W("--memory-swap=1g"), W("img")), "--memory-swap", "config: swap without memory");
	error_is(BUILD(W("--cpus=two"), W("img")), "--cpus 'two'", "config: --cpus");
	error_is(BUILD(W("--device=/etc/passwd"), W("img")), "not a device", "config: --device");
	error_is(BUILD(W("--device-cgroup-rule=x"), W("img")), "must look like", "config: --device-cgroup-rule");
	error_is(BUILD(W("--sysctl=x"), W("img")), "must be KEY=VALUE", "config: --sysctl");
	error_is(BUILD(W("--security-opt=seccomp=/nonexistent"), W("img")), "--security-opt seccomp=/nonexistent", "config: seccomp profile");
}

int main(void)
{
	test_args();
	test_process();
	test_linux();
	return done();
}
