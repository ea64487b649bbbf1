/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_NOTIFY_H
#define BRIG_RUNTIME_CLI_NOTIFY_H

#include "runtime/cli/record.h"
#include "runtime/cli/run_options.h"

/* --sdnotify conmon: tell the service manager whose NOTIFY_SOCKET we have that the container runs, and that its monitor is the main
 * process (sd_notify(3)). Without a socket, or in another mode, nothing happens; what fails is a warning. */
void notify_manager(const struct record *r, const struct run_options *o);

#endif
