/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_CLI_TEMPLATE_H
#define BRIG_RUNTIME_CLI_TEMPLATE_H

#include "runtime/base/json.h"

/*
 * DOC: --format templates
 *
 * The part of Go's text/template that people use with docker and podman, on JSON values:
 *   {{.A.B}} {{.}} {{$}} {{$x := .A}} {{json .A}} {{.A | json}} {{(index .A 0).B}} {{- trims -}} {{/- comments -/}}
 *   {{if .A}} {{else if .B}} {{else}} {{end}}   {{range .A}} {{range $k, $v := .A}} {{else}} {{end}}   {{with .A}} {{end}}
 *   json len index slice join split upper lower title truncate pad print printf println and or not eq ne lt le gt ge
 * {{.Label "key"}} is a value of the member Labels. A member is found by its exact name, else in any case (Id, ID); none at all is an
 * error, as it is for Go's structs, but <no value> in what is a map there (Labels, Ports ...).
 * Outside of {{}}, \t, \n and \\ are what they are in C, because shells pass them on unread.
 */
struct template; /* opaque */

int template_parse(const char *text, struct template **ret, struct err *err) MUST_CHECK;
/* Append what the template makes of value (borrowed) to out. */
int template_run(const struct template *t, const struct json *value, struct buf *out, struct err *err) MUST_CHECK;
void template_free(struct template *t); /* accepts NULL */
void cleanup_template(struct template **t);
#define AUTO_TEMPLATE CLEANUP(cleanup_template)

/* Write a value as Go's %v does: strings bare, lists as [a b], objects as map[k:v]. */
void template_print(const struct json *value, struct buf *out);
/* A parsed value as JSON text again. */
void template_json(const struct json *value, bool pretty, struct buf *out);

#endif
