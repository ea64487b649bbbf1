/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/commands.h"
#include "runtime/cli/launch.h"
#include "runtime/cli/template.h"

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/program.h"
#include "runtime/version.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

struct info_options {
	const char *format;
};
#define T struct info_options
static const struct option_row rows[] = {
	OPT_STRING(T, format, "format", 'f', "FORMAT", "json, or a Go template"),
	OPT_END,
};
#undef T

/* A JSON text as --format wants it; NULL: indented JSON, or plain text when given. */
static int print(const char *format, const struct buf *json, const char *plain, struct err *err)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	AUTO_BUF struct buf out = { 0 };
	AUTO_TEMPLATE struct template *t = NULL;
	struct json *tree;
	int r = json_parse(&a, "info", json->p, json->len, &tree, err);

	if (r < 0)
		return r;
	if (!format && plain)
		return cli_print(plain, err);
	if (!format || str_eq(format, "json")) {
		template_json(tree, true, &out);
	} else {
		r = template_parse(format, &t, err);
		if (r == 0)
			r = template_run(t, tree, &out, err);
	}
	buf_add(&out, "\n");
	return r < 0 ? r : cli_print(out.p, err);
}

static const char *cgroup_version(void)
{
	return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "v2" : "v1";
}

static const char *go_arch(const char *machine)
{
	return str_eq(machine, "x86_64") ? "amd64" : str_eq(machine, "aarch64") ? "arm64" : machine;
}

static const char *manager_name(const struct cli *cli)
{
	static const char *const managers[] = { [CGROUP_CGROUPFS] = "cgroupfs", [CGROUP_SYSTEMD] = "systemd", [CGROUP_DISABLED] = "disabled" };

	return managers[cli->oci.manager];
}

static void write_host(struct cli *cli, struct json_writer *w)
{
	struct utsname u = { 0 };
	struct sysinfo s = { 0 };

	(void)uname(&u);
	(void)sysinfo(&s);
	json_key(w, "host");
	json_begin_object(w);
	json_kv_string(w, "arch", go_arch(u.machine));
	json_kv_string(w, "os", "linux");
	json_kv_string(w, "kernel", u.release);
	json_kv_string(w, "hostname", u.nodename);
	json_kv_i64(w, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	json_kv_u64(w, "memTotal", (uint64_t)s.totalram * s.mem_unit);
	json_kv_u64(w, "memFree", (uint64_t)s.freeram * s.mem_unit);
	json_kv_string(w, "cgroupManager", manager_name(cli));
	json_kv_string(w, "cgroupVersion", cgroup_version());
	json_kv_string(w, "cgroupsVersion", cgroup_version());
	json_kv_string(w, "networkBackend", "brig");
	json_kv_bool(w, "rootless", cli->oci.rootless);
	json_key(w, "security");
	json_begin_object(w);
	json_kv_bool(w, "rootless", cli->oci.rootless);
	json_kv_bool(w, "seccompEnabled", true);
	json_kv_bool(w, "apparmorEnabled", access("/sys/module/apparmor", F_OK) == 0);
	json_kv_bool(w, "selinuxEnabled", access("/sys/fs/selinux/enforce", F_OK) == 0);
	json_end_object(w);
	json_key(w, "ociRuntime");
	json_begin_object(w);
	json_kv_string(w, "name", "brig-oci");
	json_kv_string(w, "version", brig_version);
	json_end_object(w);
	json_kv_bool(w, "conmon", monitor_available());
	json_kv_bool(w, "vm", backend_by_name("vm") != NULL);
	json_kv_bool(w, "kvm", access("/dev/kvm", R_OK | W_OK) == 0);
	json_end_object(w);
}

struct counts {
	size_t images, containers, running, paused;
};

static int count(struct cli *cli, struct counts *ret, struct err *err)
{
	struct store_image *images = NULL;
	struct record **list = NULL;
	size_t n = 0;
	int r = record_list(cli, &list, &n, err);

	if (r == 0)
		r = store_list(&cli->store, &images, &ret->images, err);
	for (size_t i = 0; i < n; i++) {
		enum record_state s = record_state(list[i], NULL);

		ret->running += s == RECORD_RUNNING;
		ret->paused += s == RECORD_PAUSED;
	}
	ret->containers = n;
	store_list_done(images, ret->images);
	record_list_free(list, n);
	return r;
}

static void write_store(struct cli *cli, const struct counts *c, struct json_writer *w)
{
	json_key(w, "store");
	json_begin_object(w);
	json_kv_string(w, "graphDriverName", "erofs");
	json_kv_string(w, "graphRoot", cli->store.root);
	json_kv_string(w, "runRoot", cli->oci.root);
	json_kv_u64(w, "images", c->images);
	json_key(w, "imageStore");
	json_begin_object(w);
	json_kv_u64(w, "number", c->images);
	json_end_object(w);
	for (int twice = 0; twice < 2; twice++) {
		json_key(w, twice ? "containerStore" : "containers");
		json_begin_object(w);
		json_kv_u64(w, "number", c->containers);
		json_kv_u64(w, "running", c->running);
		json_kv_u64(w, "paused", c->paused);
		json_kv_u64(w, "stopped", c->containers - c->running - c->paused);
		json_end_object(w);
	}
	json_end_object(w);
}

/* PRETTY_NAME of os-release(5) */
static void write_os(struct json_writer *w)
{
	AUTO_FREE char *text = NULL;
	char *at = NULL;

	if (fd_read_file(AT_FDCWD, "/etc/os-release", 65536, &text, NULL) == 0)
		at = strstr(text, "PRETTY_NAME=");
	if (at) {
		at += strlen("PRETTY_NAME=");
		at += strspn(at, "\"");
		at[strcspn(at, "\"\n")] = '\0';
	}
	json_kv_string(w, "OperatingSystem", at ? at : "Linux");
}

/* docker's names, which lie at the top. */
static void write_docker(struct cli *cli, const struct counts *c, struct json_writer *w)
{
	static const char *const runtimes[] = { "brig-oci", "brig-vm" };
	struct utsname u = { 0 };
	struct sysinfo s = { 0 };

	(void)uname(&u);
	(void)sysinfo(&s);
	json_kv_string(w, "ServerVersion", brig_version);
	json_kv_u64(w, "Containers", c->containers);
	json_kv_u64(w, "ContainersRunning", c->running);
	json_kv_u64(w, "ContainersPaused", c->paused);
	json_kv_u64(w, "ContainersStopped", c->containers - c->running - c->paused);
	json_kv_u64(w, "Images", c->images);
	json_kv_string(w, "Driver", "erofs");
	json_kv_string(w, "DockerRootDir", cli->store.root);
	json_kv_string(w, "CgroupDriver", manager_name(cli));
	json_kv_string(w, "CgroupVersion", cgroup_version() + 1);
	json_kv_string(w, "KernelVersion", u.release);
	json_kv_string(w, "OSType", "linux");
	json_kv_string(w, "Architecture", u.machine);
	json_kv_string(w, "Name", u.nodename);
	json_kv_i64(w, "NCPU", sysconf(_SC_NPROCESSORS_ONLN));
	json_kv_u64(w, "MemTotal", (uint64_t)s.totalram * s.mem_unit);
	json_kv_string(w, "DefaultRuntime", "brig-oci");
	write_os(w);
	json_key(w, "Runtimes");
	json_begin_object(w);
	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
		json_key(w, runtimes[i]);
		json_begin_object(w);
		json_kv_string(w, "path", runtimes[i]);
		json_end_object(w);
	}
	json_end_object(w);
	json_key(w, "SecurityOptions");
	json_begin_array(w);
	json_string(w, "name=seccomp,profile=builtin");
	if (cli->oci.rootless)
		json_string(w, "name=rootless");
	json_end_array(w);
}

static void write_version(struct json_writer *w)
{
	json_key(w, "version");
	json_begin_object(w);
	json_kv_string(w, "Version", brig_version);
	json_kv_string(w, "Commit", brig_commit);
	json_kv_string(w, "OCISpec", BRIG_SPEC_VERSION);
	json_end_object(w);
}

static int run(struct cli *cli, void *target, char **operands UNUSED, struct err *err)
{
	const struct info_options *o = target;
	AUTO_BUF struct buf text = { 0 };
	struct json_writer w = { .out = &text };
	struct counts counts = { 0 };
	int r = count(cli, &counts, err);

	if (r < 0)
		return r;
	json_begin_object(&w);
	write_host(cli, &w);
	write_store(cli, &counts, &w);
	write_version(&w);
	write_docker(cli, &counts, &w);
	json_end_object(&w);
	return print(o->format, &text, NULL, err);
}

const struct cli_command cli_info = {
	.name = "info",
	.operands = "[OPTIONS]",
	.help = "show what brig finds on this machine",
	.options = rows,
	.target_size = sizeof(struct info_options),
	.max_operands = 0,
	.run = run,
};

static int run_version(struct cli *cli UNUSED, void *target, char **operands UNUSED, struct err *err)
{
	const struct info_options *o = target;
	AUTO_BUF struct buf text = { 0 };
	AUTO_FREE char *plain = xasprintf("Version:      %s\nCommit:       %s\nOCI spec:     %s\n", brig_version, brig_commit,
					  BRIG_SPEC_VERSION);
	struct json_writer w = { .out = &text };

	/* there is no daemon: what serves is the client itself */
	json_begin_object(&w);
	for (int server = 0; server < 2; server++) {
		json_key(&w, server ? "Server" : "Client");
		json_begin_object(&w);
		json_kv_string(&w, "Version", brig_version);
		json_kv_string(&w, "GitCommit", brig_commit);
		json_kv_string(&w, "OCISpec", BRIG_SPEC_VERSION);
		json_kv_string(&w, "Os", "linux");
		json_end_object(&w);
	}
	json_end_object(&w);
	return print(o->format, &text, plain, err);
}

const struct cli_command cli_version = {
	.name = "version",
	.operands = "[OPTIONS]",
	.help = "show the version",
	.options = rows,
	.target_size = sizeof(struct info_options),
	.max_operands = 0,
	.run = run_version,
};
