/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny ERRNO CALL... -- COMMAND [ARGUMENT...]: run COMMAND where these system calls fail, as in an old kernel (ENOSYS) or below
 * somebody's seccomp or AppArmor profile (EPERM, EACCES). Needs root.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_CALLS 32

static const struct {
	const char *name;
	int value;
} errnos[] = { { "ENOSYS", ENOSYS }, { "EPERM", EPERM }, { "EACCES", EACCES } };

static const struct {
	const char *name;
	unsigned nr;
} calls[] = {
	{ "clone3", SYS_clone3 },	  { "close_range", SYS_close_range }, { "fsconfig", SYS_fsconfig },
	{ "fsmount", SYS_fsmount },	  { "fsopen", SYS_fsopen },	      { "mount_setattr", SYS_mount_setattr },
	{ "move_mount", SYS_move_mount }, { "open_tree", SYS_open_tree },     { "openat2", SYS_openat2 },
};

static int usage(const char *what)
{
	fprintf(stderr, "deny: '%s'; usage: deny ERRNO CALL... -- COMMAND [ARGUMENT...]\n", what);
	return 2;
}

int main(int argc, char **argv)
{
	struct sock_filter filter[2 * MAX_CALLS + 2] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)) };
	struct sock_fprog prog = { .len = 1, .filter = filter };
	int error = 0, i;

	for (size_t k = 0; argc > 1 && k < sizeof(errnos) / sizeof(*errnos); k++)
		if (strcmp(errnos[k].name, argv[1]) == 0)
			error = errnos[k].value;
	if (!error || argc > MAX_CALLS)
		return usage(argc > 1 ? argv[1] : "");
	for (i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		size_t k = 0;

		while (k < sizeof(calls) / sizeof(*calls) && strcmp(calls[k].name, argv[i]) != 0)
			k++;
		if (k == sizeof(calls) / sizeof(*calls))
			return usage(argv[i]);
		filter[prog.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[k].nr, 0, 1);
		filter[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
	}
	filter[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (i + 1 >= argc)
		return usage("no command");
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0) {
		perror("deny: seccomp");
		return 1;
	}
	execvp(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 127;
}
