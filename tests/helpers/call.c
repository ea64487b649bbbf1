/* SPDX-License-Identifier: Apache-2.0 */
/* call NUMBER [ARG...]: make one syscall and print "ok" or the name of its errno. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long a[6] = { 0 }, r;

	if (argc < 2)
		return 2;
	for (int i = 2; i < argc && i < 8; i++)
		a[i - 2] = strtol(argv[i], NULL, 0);
	r = syscall(strtol(argv[1], NULL, 0), a[0], a[1], a[2], a[3], a[4], a[5]);
	puts(r < 0 ? strerrorname_np(errno) : "ok");
	return 0;
}
