/* SPDX-License-Identifier: Apache-2.0 */
#include "images/entry.h"
#include "images/layer_tar.h"

#include <errno.h>

/* Take the last component off the path of n bytes; returns the new length. */
static size_t without_last(const char *path, size_t n)
{
	while (n && path[n - 1] != '/')
		n--;
	return n ? n - 1 : 0;
}

int layer_clean_path(const char *name, char *out, struct err *err)
{
	const char *s = name;
	size_t n = 0;

	while (*s) {
		size_t len = strcspn(s, "/");

		if (len == 0 || (len == 1 && s[0] == '.')) {
			;
		} else if (len == 2 && s[0] == '.' && s[1] == '.') {
			if (!n)
				return err_set(err, EINVAL, "path '%.200s' leaves the root", name);
			n = without_last(out, n);
		} else if (len > ENTRY_NAME_MAX) {
			return err_set(err, EINVAL, "path '%.200s...' has a name longer than %d bytes", name, ENTRY_NAME_MAX);
		} else if (n + 1 + len > ENTRY_PATH_MAX) {
			return err_set(err, EINVAL, "path '%.200s...' is longer than %d bytes", name, ENTRY_PATH_MAX);
		} else {
			if (n)
				out[n++] = '/';
			memcpy(out + n, s, len);
			n += len;
		}
		s += len;
		if (*s)
			s++;
	}
	out[n] = '\0';
	return 0;
}
