/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/user.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <fcntl.h>

#define MAX_PASSWD (4u << 20)

char *user_name_of(uint32_t uid)
{
	AUTO_FREE char *text = NULL;
	char *rest, *line;

	if (uid == 0)
		return xstrdup("root");
	if (fd_read_file(AT_FDCWD, "/etc/passwd", MAX_PASSWD, &text, NULL) < 0)
		return xstrdup("");
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		char *name = strsep(&line, ":"), *number;
		uint32_t id;

		(void)strsep(&line, ":");
		number = line ? strsep(&line, ":") : NULL;
		if (number && str_to_u32(number, &id) == 0 && id == uid)
			return xstrdup(name);
	}
	return xstrdup("");
}
