/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/net/network.h"

size_t strings_count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

void strings_add(char ***list, const char *s)
{
	size_t n = strings_count(*list);

	*list = xreallocarray(*list, n + 2, sizeof(**list));
	(*list)[n] = xstrdup(s);
	(*list)[n + 1] = NULL;
}

char **strings_copy(char *const *list)
{
	char **copy = NULL;

	for (size_t i = 0; list && list[i]; i++)
		strings_add(&copy, list[i]);
	return copy;
}

void strings_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

bool strings_have(char *const *list, const char *s)
{
	for (size_t i = 0; list && list[i]; i++)
		if (str_eq(list[i], s))
			return true;
	return false;
}

const char *strings_value(char *const *list, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; list && list[i]; i++)
		if (strncmp(list[i], key, n) == 0 && list[i][n] == '=')
			return list[i] + n + 1;
	return NULL;
}
