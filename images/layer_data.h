/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_LAYER_DATA_H
#define BRIG_IMAGES_LAYER_DATA_H

#include "runtime/base/err.h"

#include <pthread.h>

/* Buffered writing to one file at ascending offsets; gaps read as zeros and, when long, are left as holes. Two buffers: while one is
 * filled, a thread writes the other. */
struct data_writer {
	int fd;		  /* borrowed */
	uint8_t *memory;  /* owned; both buffers */
	uint8_t *buf;	  /* the one that is being filled */
	uint64_t buf_pos; /* file offset of buf[0] */
	size_t buf_len;
	uint64_t synced; /* write-back was started up to here */
	bool direct;	 /* may go past the page cache */
	bool is_direct;	 /* O_DIRECT is set on fd */

	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	const uint8_t *job; /* a full buffer for file offset job_pos; NULL: the thread has nothing to do */
	uint64_t job_pos;
	bool end;
	int result; /* of the thread's writing so far */
};

/* direct: who waits for the disk at the end anyhow does not need the page cache for the bulk of a large layer. Only its first
 * part stays in memory, which is all of most layers, so what is run right after a pull is read from there. */
void data_writer_init(struct data_writer *w, int fd, bool direct);
/* offset is not below the end of what was written before. -errno. */
int data_writer_put(struct data_writer *w, uint64_t offset, const void *data, size_t n) MUST_CHECK;
/* Write what is buffered and make the file size bytes long. */
int data_writer_finish(struct data_writer *w, uint64_t size) MUST_CHECK;
void data_writer_done(struct data_writer *w);

#endif
