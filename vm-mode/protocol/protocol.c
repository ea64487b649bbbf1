/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/protocol/protocol.h"

#define BOTH (PROTO_TO_GUEST | PROTO_TO_HOST)

/* A container id and its length. */
#define ID_MIN (4 + 2)
#define ID_MAX (4 + PROTO_MAX_ID + 1)

static const struct proto_type_info types[] = {
	/* type			name		who may get it	id	seq	min	max */
	{ PROTO_HELLO,		"hello",	BOTH,		false,	false,	12,	4096 },
	{ PROTO_REPLY,		"reply",	PROTO_TO_HOST,	false,	true,	0,	PROTO_MAX_MESSAGE },
	{ PROTO_ERROR,		"error",	PROTO_TO_HOST,	false,	true,	512,	512 },
	{ PROTO_CREATE,		"create",	PROTO_TO_GUEST, true,	true,	32,	PROTO_MAX_MESSAGE },
	{ PROTO_START,		"start",	PROTO_TO_GUEST, false,	true,	ID_MIN, ID_MAX },
	{ PROTO_EXEC,		"exec",		PROTO_TO_GUEST, true,	true,	24,	PROTO_MAX_MESSAGE },
	{ PROTO_KILL,		"kill",		PROTO_TO_GUEST, false,	true,	ID_MIN + 4, ID_MAX + 4 },
	{ PROTO_RESIZE,		"resize",	PROTO_TO_GUEST, true,	true,	8,	8 },
	{ PROTO_PAUSE,		"pause",	PROTO_TO_GUEST, false,	true,	ID_MIN, ID_MAX },
	{ PROTO_RESUME,		"resume",	PROTO_TO_GUEST, false,	true,	ID_MIN, ID_MAX },
	{ PROTO_UPDATE,		"update",	PROTO_TO_GUEST, false,	true,	ID_MIN + 6, 1u << 20 },
	{ PROTO_STATS,		"stats",	PROTO_TO_GUEST, false,	true,	ID_MIN, ID_MAX },
	{ PROTO_PS,		"ps",		PROTO_TO_GUEST, false,	true,	ID_MIN, ID_MAX },
	{ PROTO_DELETE,		"delete",	PROTO_TO_GUEST, false,	true,	ID_MIN, ID_MAX },
	{ PROTO_NET,		"net",		PROTO_TO_GUEST, false,	true,	6,	1u << 20 },
	{ PROTO_TIME,		"time",		PROTO_TO_GUEST, false,	true,	12,	12 },
	{ PROTO_SHUTDOWN,	"shutdown",	PROTO_TO_GUEST, false,	true,	0,	0 },
	{ PROTO_PING,		"ping",		PROTO_TO_GUEST, false,	true,	0,	0 },
	{ PROTO_BALLOON,	"balloon",	PROTO_TO_GUEST, false,	true,	ID_MIN + 8, ID_MAX + 8 },
	{ PROTO_EXIT,		"exit",		PROTO_TO_HOST,	true,	false,	12,	12 },
	{ PROTO_OOM,		"oom",		PROTO_TO_HOST,	false,	false,	ID_MIN + 8, ID_MAX + 8 },
	{ PROTO_LOG,		"log",		PROTO_TO_HOST,	false,	false,	6,	4096 },
	{ PROTO_STDIN,		"stdin",	PROTO_TO_GUEST, true,	false,	0,	PROTO_MAX_PAYLOAD },
	{ PROTO_STDOUT,		"stdout",	PROTO_TO_HOST,	true,	false,	0,	PROTO_MAX_PAYLOAD },
	{ PROTO_STDERR,		"stderr",	PROTO_TO_HOST,	true,	false,	0,	PROTO_MAX_PAYLOAD },
	{ PROTO_WINDOW_UPDATE,	"window",	BOTH,		true,	false,	8,	8 },
};

const struct proto_type_info *proto_type_info(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			return &types[i];
	return NULL;
}

const char *proto_type_name(uint16_t type)
{
	const struct proto_type_info *info = proto_type_info(type);

	return info ? info->name : "unknown";
}

int proto_stream_index(uint16_t type)
{
	return type >= PROTO_STDIN && type <= PROTO_STDERR ? type - PROTO_STDIN : -1;
}
