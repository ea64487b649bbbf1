/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_NET_HELPER_H
#define BRIG_RUNTIME_NET_HELPER_H

#include "runtime/base/str.h"

/* Run a program that execvp finds, with /dev/null as standard input and its output thrown away, or standard error appended to
 * ret_stderr (at most 4 KiB). Returns its exit status (127: not found), or -errno. */
int helper_run(const char *const argv[], struct buf *ret_stderr) MUST_CHECK;

/* Run path with env (NULL-terminated "K=V"; NULL: ours) and input on standard input, and read its standard output (at most
 * max bytes) and standard error. extra_fd >= 0 is inherited as itself. Returns its exit status, or -errno; -ETIMEDOUT kills it. */
struct helper_io {
	const char *const *argv;
	const char *const *env;
	const char *input;
	size_t input_len, max;
	int extra_fd;
	int timeout_ms;
	struct buf out, err; /* owned by the caller */
};
int helper_talk(const char *path, struct helper_io *io) MUST_CHECK;

/* Leave a program running on its own: a new session, /dev/null for input and output, its parent not waiting. */
int helper_spawn(const char *const argv[]) MUST_CHECK;

/* What a program said, for a message: line ends become "; ". "no message" when it is empty. Changes it. */
const char *helper_words(char *said);

#endif
