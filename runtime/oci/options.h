/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BRIG_RUNTIME_OCI_OPTIONS_H
#define BRIG_RUNTIME_OCI_OPTIONS_H

#include "runtime/base/err.h"
#include "runtime/spec.h"

/*
 * DOC: options of the command line
 *
 * One row an option, in a const table; the row says where in the command's own struct the value goes. The macros check
 * at compile time that the member has the type that the kind writes.
 *
 * Accepted forms, because engines are written in Go and send all of them: --name VALUE, --name=VALUE, -name VALUE,
 * -name=VALUE, -n VALUE, -n=VALUE, flags as --flag and --flag=false, several one-letter flags in one word (-td), and "--".
 * Options may stand before and behind the operands, but for commands whose later words belong to another program.
 */
enum option_kind {
	OPTION_END,    /* last row */
	OPTION_FLAG,   /* bool */
	OPTION_STRING, /* const char *, into argv */
	OPTION_LIST,   /* struct option_list; may be given several times */
	OPTION_UINT,   /* unsigned */
	OPTION_I64,    /* struct opt_i64 */
	OPTION_U64,    /* struct opt_u64 */
	OPTION_U32,    /* struct opt_u32 */
	OPTION_SIZE,   /* struct opt_i64: bytes, k m g t with powers of 1024; -1 is unlimited */
	OPTION_IGNORE, /* takes a value, which is dropped: an old caller may send it */
};

struct option_list {
	const char **v; /* owned; the strings lie in argv */
	size_t n;
};

struct option_row {
	const char *name;
	char letter; /* 0: none */
	enum option_kind kind;
	size_t offset;
	const char *value; /* the value's name in help; NULL for a flag */
	const char *help;  /* NULL: another spelling of a row above, which help does not show */
};

/* Offset of a member that must have the given type. */
#define OPTION_AT(type, member, want) \
	(offsetof(type, member) + 0 * sizeof(char[__builtin_types_compatible_p(typeof(((type *)0)->member), want) ? 1 : -1]))

#define OPT_FLAG(t, m, long_name, short_name, text) \
	{ .name = (long_name), .letter = (short_name), .kind = OPTION_FLAG, .offset = OPTION_AT(t, m, bool), .help = (text) }
#define OPT_VALUE_(t, m, want, k, long_name, short_name, what, text)                     \
	{ .name = (long_name), .letter = (short_name), .kind = (k),                      \
	  .offset = OPTION_AT(t, m, want), .value = (what), .help = (text) }
#define OPT_STRING(t, m, l, s, w, h) OPT_VALUE_(t, m, const char *, OPTION_STRING, l, s, w, h)
#define OPT_LIST(t, m, l, s, w, h)   OPT_VALUE_(t, m, struct option_list, OPTION_LIST, l, s, w, h)
#define OPT_UINT(t, m, l, s, w, h)   OPT_VALUE_(t, m, unsigned, OPTION_UINT, l, s, w, h)
#define OPT_I64(t, m, l, s, w, h)    OPT_VALUE_(t, m, struct opt_i64, OPTION_I64, l, s, w, h)
#define OPT_U64(t, m, l, s, w, h)    OPT_VALUE_(t, m, struct opt_u64, OPTION_U64, l, s, w, h)
#define OPT_U32(t, m, l, s, w, h)    OPT_VALUE_(t, m, struct opt_u32, OPTION_U32, l, s, w, h)
#define OPT_SIZE(t, m, l, s, w, h)   OPT_VALUE_(t, m, struct opt_i64, OPTION_SIZE, l, s, w, h)
#define OPT_IGNORE(l, w, h)	     { .name = (l), .kind = OPTION_IGNORE, .value = (w), .help = (h) }
#define OPT_END			     { .kind = OPTION_END }

enum option_order {
	OPTION_ORDER_ANY,	  /* options and operands mixed */
	OPTION_ORDER_STOP_AT_1ST, /* the first operand ends the options; it and the rest are operands (global options) */
	OPTION_ORDER_STOP_AFTER_1ST, /* the same, but one "--" after the first operand is dropped (exec, ps) */
};

struct option_result {
	char **operands; /* owned, NULL-terminated; the strings lie in argv */
	int n_operands;
	bool help; /* --help or -h was given; parsing ended there */
};

/*
 * Parse argv (NULL-terminated, without the program's or command's name) into target by rows. target holds the defaults.
 * Errors: "flag provided but not defined: --x", "flag needs an argument: --x", "invalid value \"v\" for flag --x: why".
 * On error nothing in result is owned; lists in target are the caller's to free in every case.
 */
int options_parse(const struct option_row *rows, enum option_order order, char **argv, void *target, struct option_result *ret,
		  struct err *err) MUST_CHECK;
/*
 * The same for people's commands, whose users know docker and podman: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, -n=VALUE,
 * and letters in one word, the last of which may take a value (-itp 80:80). One dash never begins a long name.
 * Errors: "unknown flag: --x", "unknown shorthand flag: 'x' in -xyz", "flag needs an argument: --x",
 * "invalid argument "v" for "--x" flag: must be ...".
 */
int options_parse_posix(const struct option_row *rows, bool stop_at_operand, char **argv, void *target, struct option_result *ret,
			struct err *err) MUST_CHECK;
void option_result_done(struct option_result *r);
/* Free the lists that options_parse() made in target. */
void options_release(const struct option_row *rows, void *target);

/* Write the rows as help text: "  --name, -n VALUE   help". */
void options_help(const struct option_row *rows, FILE *out);

/* "512", "64k", "1.5g", "2MiB", "-1": bytes. -EINVAL, -ERANGE. */
int option_size(const char *text, int64_t *ret) MUST_CHECK;
/* A duration as Go writes it: "5s", "1m30s", "250ms", "1.5h". Nanoseconds. -EINVAL, -ERANGE. */
int option_duration(const char *text, uint64_t *ret_ns) MUST_CHECK;
/* Go's spellings of a bool: 1 t T true True TRUE 0 f F false ... -EINVAL. */
int option_bool(const char *text, bool *ret) MUST_CHECK;

#endif
