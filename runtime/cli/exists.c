/* SPDX-License-Identifier: Apache-2.0 */
/* brig container exists, brig network exists, brig secret exists, brig volume exists: exit code 0 or 1, and no word. */
#include "runtime/base/mem.h"
#include "runtime/cli/record.h"
#include "runtime/cli/secret.h"
#include "runtime/cli/volume.h"
#include "runtime/net/network.h"

#include <errno.h>

static const struct option_row no_rows[] = { OPT_END };

static int answer(int r)
{
	return r == -ENOENT ? 1 : r;
}

static int run_container(struct cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_RECORD struct record *r = NULL;

	return answer(record_load(cli, operands[0], false, &r, err));
}

static int run_network(struct cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_NETWORK struct network n = { 0 };
	struct net_env env;
	int r;

	net_env_init(&env, cli->run_dir, cli->oci.rootless);
	r = network_mode(operands[0], &n) ? 0 : network_find(&env, operands[0], &n, err);
	net_env_done(&env);
	return answer(r);
}

static int run_secret(struct cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_SECRET struct secret s = { 0 };
	AUTO_FREE char *dir = NULL;
	int r = cli_secret_dir(cli, &dir, err);

	return r < 0 ? r : answer(secret_load(dir, operands[0], &s, err));
}

static int run_volume(struct cli *cli, void *target UNUSED, char **operands, struct err *err)
{
	AUTO_FREE char *dir = NULL;
	struct volume v = { 0 };
	int r = cli_volume_dir(cli, &dir, err);

	if (r < 0)
		return r;
	r = volume_load(dir, operands[0], &v, err);
	volume_done(&v);
	return answer(r);
}

#define EXISTS(what, upper)                                                     \
	const struct cli_command cli_##what##_exists = {                        \
		.name = #what " exists",                                        \
		.operands = (upper),                                            \
		.help = "tell by the exit code, 0 or 1, whether it is there",   \
		.options = no_rows,                                             \
		.target_size = 1,                                               \
		.min_operands = 1,                                              \
		.max_operands = 1,                                              \
		.run = run_##what,                                              \
	}
EXISTS(container, "CONTAINER");
EXISTS(network, "NETWORK");
EXISTS(secret, "SECRET");
EXISTS(volume, "VOLUME");
