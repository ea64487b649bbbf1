/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/guest/agent.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STAGE_PORT_NUMBER 0xe9
#define PORT_STEPS	  10000 /* of 1 ms: emulated machines are slow */

/* The right to the port is given back at once: children would inherit it. */
void boot_mark(enum boot_stage stage)
{
	if (getpid() != 1 || ioperm(STAGE_PORT_NUMBER, 1, 1) < 0)
		return;
	outb((unsigned char)stage, STAGE_PORT_NUMBER);
	(void)ioperm(STAGE_PORT_NUMBER, 1, 0);
}

struct guest_mount {
	const char *type, *on, *data;
	unsigned long flags;
	bool optional;
};

/* Containers cannot pivot out of the kernel's first root, which has no parent: a tmpfs over it is the guest's root. */
static const struct guest_mount mounts[] = {
	{ "tmpfs", "/root", "mode=755,size=16m", MS_NOSUID | MS_NODEV, false },
	{ "proc", "/root/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, false },
	{ "sysfs", "/root/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, false },
	{ "devtmpfs", "/root/dev", "mode=755", MS_NOSUID, false },
	{ "tmpfs", "/root/run", "mode=755", MS_NOSUID | MS_NODEV, false },
	{ "cgroup2", "/root/sys/fs/cgroup", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, false },
	{ "securityfs", "/root/sys/kernel/security", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, true },
};

/* Kernel threads share our root, so the kernel's /sbin/modprobe is looked for in the new one: it is this program (modules.c). */
static int keep_modules(struct err *err)
{
	if (access("/modules", F_OK) < 0)
		return 0;
	(void)mkdir("/root/modules", 0755); /* the binds tell */
	(void)mkdir("/root/sbin", 0755);
	(void)mknod("/root/init", S_IFREG | 0755, 0);
	if (mount("/modules", "/root/modules", NULL, MS_BIND, NULL) < 0 || mount("/init", "/root/init", NULL, MS_BIND, NULL) < 0 ||
	    symlink("../init", "/root/sbin/modprobe") < 0)
		return err_sys(err, -errno, "keep the modules");
	return 0;
}

static int switch_root(struct err *err)
{
	int r = keep_modules(err);

	if (r < 0)
		return r;
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_sys(err, -errno, "make the guest's root");
	return 0;
}

/* What a fresh kernel has too low for servers, or open without need. Each is a wish: kernels differ. */
static void tune(void)
{
	const struct rlimit files = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };

	(void)!fd_write_file(AT_FDCWD, "/proc/sys/fs/nr_open", "1048576");
	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)!fd_write_file(AT_FDCWD, "/proc/sys/kernel/pid_max", "4194304");
	(void)!fd_write_file(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
	(void)!fd_write_file(AT_FDCWD, "/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	if (!modules_are_there())
		(void)!fd_write_file(AT_FDCWD, "/proc/sys/kernel/modules_disabled", "1");
}

int boot_mounts(struct err *err)
{
	int r;

	umask(0);
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		const struct guest_mount *m = &mounts[i];

		(void)mkdir(m->on, 0755); /* mount tells */
		if (mount(m->type, m->on, m->type, m->flags, m->data) < 0 && !m->optional)
			return err_sys(err, -errno, "mount %s on '%s'", m->type, m->on);
	}
	r = switch_root(err);
	if (r == 0)
		tune();
	return r;
}

static int find_port(char *ret, size_t n)
{
	AUTO_DIR DIR *dir = opendir("/sys/class/virtio-ports");
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		AUTO_FREE char *path = xasprintf("/sys/class/virtio-ports/%s/name", e->d_name), *name = NULL;

		if (e->d_name[0] == '.' || fd_read_file(AT_FDCWD, path, 256, &name, NULL) < 0)
			continue;
		name[strcspn(name, "\n")] = '\0';
		if (strcmp(name, PROTO_PORT) == 0) {
			snprintf(ret, n, "/dev/%s", e->d_name);
			return 0;
		}
	}
	return -ENOENT;
}

int boot_open_port(struct err *err)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	char path[300];
	int fd = -ENOENT;

	for (int i = 0; i < PORT_STEPS && fd < 0; i++) {
		if (i)
			(void)nanosleep(&pause, NULL);
		if (find_port(path, sizeof(path)) < 0)
			continue;
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	return fd < 0 ? err_sys(err, fd, "open the port '%s'", PROTO_PORT) : fd;
}

int boot_mount_share(struct agent *a, struct err *err)
{
	if (a->share_mounted)
		return 0;
	(void)mkdir(a->share, 0700); /* mount tells */
	if (mount(PROTO_SHARE, a->share, "virtiofs", 0, NULL) < 0)
		return err_sys(err, -errno, "mount the share '%s'", PROTO_SHARE);
	a->share_mounted = true;
	return 0;
}

static void add_entropy(const uint8_t *seed, size_t n)
{
	AUTO_FREE struct rand_pool_info *pool = xcalloc(1, sizeof(*pool) + n);
	AUTO_CLOSE int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	pool->entropy_count = (int)n * 8;
	pool->buf_size = (int)n;
	memcpy(pool->buf, seed, n);
	(void)ioctl(fd, RNDADDENTROPY, pool);
	(void)ioctl(fd, RNDRESEEDCRNG);
}

void boot_take_hello(const struct proto_hello *m)
{
	const struct timespec now = { .tv_sec = (time_t)m->time_sec, .tv_nsec = (long)m->time_nsec };

	if (m->time_sec && clock_settime(CLOCK_REALTIME, &now) < 0)
		log_warn("the host's time is not a time");
	if (m->seed_n)
		add_entropy(m->seed, m->seed_n);
}

void boot_power_off(void)
{
	sync();
	(void)reboot(RB_POWER_OFF);
	(void)reboot(RB_AUTOBOOT); /* a machine that cannot be switched off can be reset */
	for (;;)
		pause();
}
