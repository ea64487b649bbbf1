/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_SYSTEM_H
#define BRIG_RUNTIME_CLI_SYSTEM_H

#include <stdint.h>

/* Bytes that all images together take, layers once, below the data directory. */
uint64_t system_image_bytes(int data_fd);

#endif
