/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/backend.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/version.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The guest keeps no state on disk, so it never looks for the backend of a stored container. */
const struct backend *backend_by_name(const char *name)
{
	(void)name;
	return NULL;
}

static void agent_init(struct agent *a, const char *share)
{
	*a = (struct agent){ .epoll_fd = -1, .share = share };
	snprintf(a->program, sizeof(a->program), "brig-guest %s (%s)", brig_version, brig_commit);
	a->port.fd = a->signals.fd = a->log.fd = -1;
	a->opts.manager = CGROUP_CGROUPFS;
}

/* fds 0, 1, 2 are there and lead nowhere: what lies on them is what a container's child could be given by mistake. */
static int settle_stdio(struct err *err)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0)
		return err_sys(err, -errno, "open '/dev/null'");
	for (int i = 0; i < 3; i++)
		if (dup2(fd, i) < 0)
			return err_sys(err, -errno, "dup2");
	if (fd > 2)
		fd_close(&fd);
	return 0;
}

/* Before and after the connection with the host. */
static void log_to_kernel(void)
{
	log_setup(open("/dev/kmsg", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT, log_get_level());
}

static void set_log_level(void)
{
	AUTO_FREE char *text = NULL;
	bool debug = fd_read_file(AT_FDCWD, "/proc/cmdline", 1 << 16, &text, NULL) == 0 && strstr(text, "brig.debug");

	log_setup(log_get_fd(), LOG_FORMAT_TEXT, debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING);
}

static int boot(struct agent *a, struct err *err)
{
	int fd, r;

	boot_mark(STAGE_INIT);
	r = boot_mounts(err);
	if (!r)
		r = settle_stdio(err);
	log_to_kernel();
	set_log_level();
	if (r < 0)
		return r;
	boot_mark(STAGE_MOUNTS);
	r = modules_load("boot", err);
	if (r < 0)
		return r;
	boot_mark(STAGE_MODULES);
	if (netdev_loopback_up(err) < 0)
		log_warn("%s", err->msg);
	fd = boot_open_port(err);
	if (fd < 0)
		return fd;
	boot_mark(STAGE_PORT);
	a->is_init = true;
	return agent_run(a, fd, err);
}

NORETURN static void main_init(void)
{
	struct err err = { 0 };
	struct agent a;

	agent_init(&a, "/run/share");
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (boot(&a, &err) < 0) {
		log_to_kernel();
		log_error("%s", err.msg);
	}
	boot_power_off();
}

/* For tests without a machine: serve a socket, with a directory in the share's place. */
static int main_test(int argc, char **argv)
{
	struct err err = { 0 };
	struct agent a;
	int fd = -1;

	if (argc != 5 || strcmp(argv[1], "--fd") != 0 || str_to_int(argv[2], &fd) < 0 || strcmp(argv[3], "--share") != 0) {
		(void)fprintf(stderr, "brig-guest is process 1 of brig's virtual machines.\nFor tests: brig-guest --fd N --share DIR\n");
		return 1;
	}
	agent_init(&a, argv[4]);
	a.share_mounted = true;
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (agent_run(&a, fd, &err) < 0) {
		(void)fprintf(stderr, "brig-guest: %s\n", err.msg);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (str_ends(argv[0], "/modprobe"))
		return argc > 1 && modules_probe(argv[argc - 1]) == 0 ? 0 : 1;
	if (getpid() == 1 && argc < 3)
		main_init();
	return main_test(argc, argv);
}
