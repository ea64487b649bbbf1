/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: what the kernel alone takes for a container like that of runc's default spec. The same clone, mounts, pivot,
 * cgroup directories and exec, with everything hard-wired and nothing checked.
 * floor ROOTFS [CGROUP-DIR...]: run /bin/true in ROOTFS; make, enter and remove a directory in each CGROUP-DIR.
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

static void child(const char *rootfs, char **dirs, int n)
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
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "umount");
	must(chdir("/"), "chdir");
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
	int status = 0;

	if (argc < 2)
		return 2;
	for (int i = 2; i < argc; i++) {
		snprintf(path, sizeof(path), "%s/brig-floor", argv[i]);
		must(mkdir(path, 0755), path);
	}
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	must(pid, "clone3");
	if (pid == 0)
		child(argv[1], argv + 2, argc - 2);
	waitpid((pid_t)pid, &status, 0);
	for (int i = 2; i < argc; i++) {
		snprintf(path, sizeof(path), "%s/brig-floor", argv[i]);
		must(rmdir(path), path);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
