/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/criu.h"
#include "tests/unit/tap.h"

static char *command(const struct checkpoint_opts *o, const char *action)
{
	CLEANUP(criu_command_done) struct strlist l = criu_command(o, action, "/img", "/work");
	struct buf b = { 0 };

	for (size_t i = 0; i < l.n; i++)
		buf_addf(&b, "%s%s", i ? " " : "", l.v[i]);
	return buf_take(&b);
}

static void commands(void)
{
	static const char *const empty[] = { "network" };
	struct checkpoint_opts plain = { 0 };
	struct checkpoint_opts all = {
		.parent_path = "../pre", .manage_cgroups_mode = "strict", .page_server = "[::1]:1234", .network_lock = "nftables",
		.lsm_profile = "apparmor:x", .lsm_mount_context = "c", .status_fd = "1", .empty_ns = empty, .n_empty_ns = 1,
		.leave_running = true, .tcp_established = true, .tcp_skip_in_flight = true, .tcp_close = true, .ext_unix_sk = true,
		.shell_job = true, .file_locks = true, .link_remap = true, .auto_dedup = true, .lazy_pages = true,
	};
	struct checkpoint_opts pre = { .pre_dump = true, .leave_running = true };
	AUTO_FREE char *dump = command(&plain, "dump");
	AUTO_FREE char *restore = command(&plain, "restore");
	AUTO_FREE char *full_dump = command(&all, "dump");
	AUTO_FREE char *full_restore = command(&all, "restore");
	AUTO_FREE char *pre_dump = command(&pre, "pre-dump");

	is_str(dump, "criu dump --images-dir /img --work-dir /work --log-file dump.log -v4 --manage-cgroups=ignore",
	       "criu: the plain dump");
	is_str(restore, "criu restore --images-dir /img --work-dir /work --log-file restore.log -v4 --manage-cgroups=ignore",
	       "criu: the plain restore");
	is_str(full_dump,
	       "criu dump --images-dir /img --work-dir /work --log-file dump.log -v4 --manage-cgroups=strict --tcp-established "
	       "--tcp-close --skip-in-flight --ext-unix-sk --shell-job --file-locks --link-remap --auto-dedup --lazy-pages --leave-running "
	       "--prev-images-dir ../pre --network-lock nftables --status-fd 1 --empty-ns=net --page-server --address [::1] --port 1234 "
	       "--track-mem",
	       "criu: a dump with every option");
	is_str(full_restore,
	       "criu restore --images-dir /img --work-dir /work --log-file restore.log -v4 --manage-cgroups=strict --tcp-established "
	       "--tcp-close --ext-unix-sk --shell-job --file-locks --link-remap --auto-dedup --lazy-pages --network-lock nftables "
	       "--status-fd 1 --lsm-profile apparmor:x --lsm-mount-context c --empty-ns=net",
	       "criu: a restore has what belongs to a restore");
	is_str(pre_dump,
	       "criu pre-dump --images-dir /img --work-dir /work --log-file dump.log -v4 --manage-cgroups=ignore --track-mem",
	       "criu: a pre-dump tracks memory");
}

static void checks(void)
{
	static const char *const net[] = { "network" }, *const mnt[] = { "mount" };
	static const struct {
		struct checkpoint_opts o;
		const char *text; /* NULL: good */
	} cases[] = {
		{ { 0 }, NULL },
		{ { .manage_cgroups_mode = "soft" }, NULL },
		{ { .manage_cgroups_mode = "SOFT" }, "--manage-cgroups-mode: must be one of soft, full, strict, ignore" },
		{ { .page_server = "10.0.0.1:27" }, NULL },
		{ { .page_server = "10.0.0.1" }, "--page-server" },
		{ { .page_server = ":27" }, "--page-server" },
		{ { .page_server = "h:0" }, "--page-server" },
		{ { .page_server = "h:65536" }, "--page-server" },
		{ { .empty_ns = net, .n_empty_ns = 1 }, NULL },
		{ { .empty_ns = mnt, .n_empty_ns = 1 }, "--empty-ns" },
		{ { .status_fd = "2" }, NULL },
		{ { .status_fd = "999" }, "--status-fd" },
		{ { .status_fd = "x" }, "--status-fd" },
		{ { .parent_path = "../p" }, NULL },
		{ { .parent_path = "/p" }, "--parent-path" },
		{ { .lsm_profile = "selinux:l" }, NULL },
		{ { .lsm_profile = "smack:l" }, "--lsm-profile" },
		{ { .network_lock = "skip" }, NULL },
		{ { .network_lock = "none" }, "--network-lock" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		int r = criu_check_opts(&cases[i].o, &err);

		if (cases[i].text)
			like(r < 0 ? err.msg : "(accepted)", cases[i].text, "criu: options %zu are refused", i);
		else
			is_int(r, 0, "criu: options %zu are taken", i);
	}
}

int main(void)
{
	commands();
	checks();
	return done();
}
