/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_IMAGES_PAGES_H
#define BRIG_IMAGES_PAGES_H

#include <stddef.h>

/* Memory for large buffers, in huge pages where the kernel gives some: then the first touch of 2 MiB is one page fault, not 512.
 * At a multiple of 2 MiB where that can be; its contents are undefined. The caller frees it with free(). Ends the program when there is none, as xmalloc(). */
void *pages_alloc(size_t bytes) __attribute__((returns_nonnull));

#endif
