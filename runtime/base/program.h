/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_BASE_PROGRAM_H
#define BRIG_RUNTIME_BASE_PROGRAM_H

#include "runtime/base/attr.h"

/*
 * DOC: where the program lies
 *
 * What belongs to brig is found from the program's own place: helpers beside it (build tree) or in ../libexec/brig
 * (installed). A program that protected itself (runtime/self.h) runs from a nameless file; the first run leaves its
 * path to the second in an environment variable, which holds the pid too, so that nobody else's children believe it.
 */
#define PROGRAM_MARK "_BRIG_SELF_PROTECTED"

/* The path of the running program's file; NULL when the kernel does not say. New string. */
char *program_path(void);

/* For self_protect(): leave the mark for the run that follows (-errno); and is this that run already? */
int program_leave_mark(void) MUST_CHECK;
bool program_is_second_run(void);

/* The helper program NAME: new string, or NULL when it is in neither place. */
char *program_find_helper(const char *name);

#endif
