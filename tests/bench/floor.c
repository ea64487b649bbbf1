/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: what the kernel alone takes for a container like that of runc's default spec. The same clone, mounts, pivot,
 * cgroup directories and exec, with everything hard-wired and nothing checked.
 * floor [-a] ROOTFS [CGROUP-DIR...]: run /bin/true in ROOTFS; make, enter and remove a directory in each CGROUP-DIR.
 * -a: all mounts of that spec. Without it those that carry a file system of their own: no masked and read-only paths, no cgroup mount.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(long r, const char *what)
{
	if (r < 0) {
		perror(what);
		_exit(1);
	}
}

static void bind(const char *from, const char *to, unsigned long flags)
{
	if (mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0)
		must(mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | flags, NULL), to);
}

/* What is missing on this machine is left out, as runtimes do. */
static void all_mounts(char **dirs, int n)
{
	static const char *const readonly[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger" };
	static const char *const files[] = { "proc/kcore", "proc/keys", "proc/latency_stats", "proc/timer_list", "proc/sched_debug" };
	static const char *const directories[] = { "proc/acpi", "proc/asound", "sys/firmware", "proc/scsi" };
	static const char *const links[][2] = {
		{ "/proc/self/fd", "dev/fd" }, { "/proc/self/fd/0", "dev/stdin" }, { "/proc/self/fd/1", "dev/stdout" },
		{ "/proc/self/fd/2", "dev/stderr" }, { "pts/ptmx", "dev/ptmx" },
	};
	char from[512], to[512];

	must(mount("cgroup", "sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"), "cgroup");
	for (int i = 0; i < n; i++) {
		snprintf(from, sizeof(from), "%s/brig-floor", dirs[i]);
		snprintf(to, sizeof(to), "sys/fs/cgroup/%s", strrchr(dirs[i], '/') + 1);
		(void)!mkdir(to, 0755);
		bind(from, to, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		must(symlink(links[i][0], links[i][1]), links[i][1]);
	for (size_t i = 0; i < sizeof(readonly) / sizeof(readonly[0]); i++)
		bind(readonly[i], readonly[i], MS_RDONLY);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)mount("dev/null", files[i], NULL, MS_BIND, NULL);
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		(void)mount("tmpfs", directories[i], "tmpfs", MS_RDONLY, "size=0k");
}

static void child(const char *rootfs, char **dirs, int n, int all)
{
	static const struct { const char *path; int minor; } nodes[] = {
		{ "dev/null", 3 }, { "dev/zero", 5 }, { "dev/full", 7 }, { "dev/random", 8 }, { "dev/urandom", 9 },
	};
	char path[512];
	char sh[] = "/bin/true";
	char *argv[] = { sh, NULL };
	char *env[] = { NULL };

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/brig-floor/tasks", dirs[i]);
		int fd = open(path, O_WRONLY);
		must(write(fd, "0", 1), path);
		close(fd);
	}
	must(unshare(CLONE_NEWCGROUP), "unshare");
	must(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL), "slave");
	must(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), "bind");
	must(chdir(rootfs), "chdir");
	umask(0);
	must(mount("proc", "proc", "proc", 0, NULL), "proc");
	must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k"), "dev");
	(void)!mkdir("dev/pts", 0755);
	must(mount("devpts", "dev/pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666,mode=0620,gid=5"), "devpts");
	(void)!mkdir("dev/shm", 0755);
	must(mount("shm", "dev/shm", "tmpfs", MS_NOSUID, "mode=1777,size=65536k"), "shm");
	(void)!mkdir("dev/mqueue", 0755);
	must(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID, NULL), "mqueue");
	must(mount("sysfs", "sys", "sysfs", MS_RDONLY, NULL), "sysfs");
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		must(mknod(nodes[i].path, S_IFCHR | 0666, makedev(1, (unsigned)nodes[i].minor)), "mknod");
	if (all)
		all_mounts(dirs, n);
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "umount");
	must(chdir("/"), "chdir");
	if (all)
		must(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "read-only root");
	execve(argv[0], argv, env);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET,
		.exit_signal = SIGCHLD,
	};
	char path[512];
	int status = 0, all = argc > 1 && strcmp(argv[1], "-a") == 0;

	argv += all;
	argc -= all;
	if (argc < 2)
		return 2;
	for (int i = 2; i < argc; i++) {
		snprintf(path, sizeof(path), "%s/brig-floor", argv[i]);
		must(mkdir(path, 0755), path);
	}
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	must(pid, "clone3");
	if (pid == 0)
		child(argv[1], argv + 2, argc - 2, all);
	waitpid((pid_t)pid, &status, 0);
	for (int i = 2; i < argc; i++) {
		snprintf(path, sizeof(path), "%s/brig-floor", argv[i]);
		must(rmdir(path), path);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
