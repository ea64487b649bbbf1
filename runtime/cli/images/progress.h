/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_IMAGES_PROGRESS_H
#define BRIG_RUNTIME_CLI_IMAGES_PROGRESS_H

#include "images/transfer.h"

/*
 * Progress of pull and push on stderr: on a terminal a line a blob, drawn again at most ten times a second; else plain lines, one when
 * a blob starts. Quiet: only what the user has to know (notes).
 */
struct progress {
	bool quiet, terminal, push;
	size_t lines; /* on the terminal, to be drawn over */
	int64_t started_ms, drawn_ms;
	enum transfer_state *seen; /* owned: what plain lines were printed of */
	size_t n_seen;
	uint64_t total; /* bytes moved in all */
	size_t n_blobs;
	pthread_mutex_t lock;
	struct transfer_observer observer;
};
void progress_init(struct progress *p, bool quiet, bool push);
void progress_done(struct progress *p);
#define AUTO_PROGRESS CLEANUP(progress_done)
/* The last line: "pulled NAME (212 MB, 2 layers, 1.1 s)". */
void progress_summary(struct progress *p, const char *name);

#endif
