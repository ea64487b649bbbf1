/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of verbs: "brig network ls". */
#include "runtime/cli/commands.h"

#include "runtime/base/mem.h"

/* Verbs that stand alone, too, and belong to a group as well. */
static const struct {
	const char *group, *verb, *name;
} shared[] = {
	{ "container", "prune", "container-prune" },
	{ "container", "ls", "ps" },
	{ "system", "events", "events" },
	{ "system", "info", "info" },
};

const struct cli_group cli_groups[] = {
	{ "container", "manage containers" },
	{ "healthcheck", "run a container's health check" },
	{ "network", "manage networks" },
	{ "secret", "manage secrets" },
	{ "system", "what brig stores as a whole" },
	{ "volume", "manage volumes" },
	{ NULL, NULL },
};

const struct cli_group *cli_group_find(const char *name)
{
	for (const struct cli_group *g = cli_groups; g->name; g++)
		if (str_eq(g->name, name))
			return g;
	return NULL;
}

static bool is_container_verb(const struct cli_group *g, const struct cli_command *c)
{
	return str_eq(g->name, "container") && c->container;
}

const struct cli_command *cli_group_command(const struct cli_group *g, const char *verb)
{
	static const char *const aliases[][2] = { { "list", "ls" }, { "remove", "rm" } };
	AUTO_FREE char *name = NULL;
	const struct cli_command *c;

	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		verb = str_eq(verb, aliases[i][0]) ? aliases[i][1] : verb;
	name = xasprintf("%s %s", g->name, verb);
	c = cli_command_find(name);
	if (c)
		return c;
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		if (str_eq(shared[i].group, g->name) && str_eq(shared[i].verb, verb))
			return cli_command_find(shared[i].name);
	c = cli_command_find(verb);
	return c && is_container_verb(g, c) ? c : NULL;
}

/* The commands that are called "GROUP VERB", then those of others. */
void cli_group_help(const struct cli_group *g, FILE *out)
{
	size_t n = strlen(g->name);

	fprintf(out, "brig %s: %s\n\nUsage:\n   brig %s COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n", g->name, g->help, g->name);
	for (const struct cli_command *const *c = cli_commands; *c; c++) {
		bool own = strncmp((*c)->name, g->name, n) == 0 && (*c)->name[n] == ' ';

		if (own && !(*c)->hidden)
			fprintf(out, "   %-11s %s\n", (*c)->name + n + 1, (*c)->help);
	}
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		if (str_eq(shared[i].group, g->name))
			fprintf(out, "   %-11s %s\n", shared[i].verb, cli_command_find(shared[i].name)->help);
	for (const struct cli_command *const *c = cli_commands; *c; c++)
		if (is_container_verb(g, *c) && !(*c)->hidden)
			fprintf(out, "   %-11s %s\n", (*c)->name, (*c)->help);
}
