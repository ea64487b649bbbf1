/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/process_internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/path.h"
#include "runtime/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWD_MAX_BYTES (1u << 20)

/* The image owns /etc/passwd: it may be a fifo, a device, endless, or a link out of procfs. */
static int read_passwd(char **ret)
{
	AUTO_CLOSE int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *text = NULL;
	struct stat st;
	ssize_t n;

	if (root_fd < 0)
		return -errno;
	fd = path_open_in_root(root_fd, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > PASSWD_MAX_BYTES)
		return -EFBIG;
	text = xmalloc((size_t)st.st_size + 1);
	n = fd_read_all(fd, text, (size_t)st.st_size);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

/* name:password:uid:gid:gecos:home:shell; the fields of one line, cut in place. Returns how many. */
static size_t split_fields(char *line, char *f[7])
{
	size_t n = 0;

	while (n < 7) {
		f[n++] = line;
		line = strchr(line, ':');
		if (!line)
			break;
		*line++ = '\0';
	}
	return n;
}

static char *find_home(struct arena *arena, char *text, uint32_t uid)
{
	for (char *line = text, *next; line; line = next) {
		char *f[7];
		uint32_t id;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (split_fields(line, f) < 6 || str_to_u32(f[2], &id) < 0 || id != uid)
			continue;
		if (f[5][0] == '/')
			return arena_strdup(arena, f[5]);
	}
	return NULL;
}

static char *home_of(struct arena *arena, uint32_t uid)
{
	AUTO_FREE char *text = NULL;
	char *home = NULL;

	/* No passwd at all is common, and no reason to fail. */
	if (read_passwd(&text) == 0)
		home = find_home(arena, text, uid);
	return arena_printf(arena, "HOME=%s", home ? home : "/");
}

static size_t name_len(const char *entry)
{
	return strcspn(entry, "=");
}

static bool same_name(const char *a, const char *b)
{
	size_t n = name_len(a);

	return n == name_len(b) && !memcmp(a, b, n);
}

/* The last of several with one name wins, and keeps the place of the first. Lists are short: quadratic is fine. */
static void env_put(char **env, size_t *n, char *entry)
{
	for (size_t i = 0; i < *n; i++) {
		if (same_name(env[i], entry)) {
			env[i] = entry;
			return;
		}
	}
	env[(*n)++] = entry;
	env[*n] = NULL;
}

int process_env(struct process_ctx *ctx, struct err *err)
{
	const struct strlist *in = &ctx->spec->env;
	char **env = arena_alloc(&ctx->arena, (in->n + 4) * sizeof(*env));
	bool home = false;
	size_t n = 0;

	for (size_t i = 0; i < in->n; i++) {
		if (name_len(in->v[i]) == 0 || !strchr(in->v[i], '='))
			return err_set(err, EINVAL, "process.env[%zu]: '%s' is not NAME=VALUE", i, in->v[i]);
		env_put(env, &n, in->v[i]);
	}
	for (size_t i = 0; i < n; i++)
		home = home || (str_starts(env[i], "HOME=") && env[i][5]);
	if (!home)
		env_put(env, &n, home_of(&ctx->arena, ctx->spec->user.uid));
	if (ctx->listen_fds > 0) {
		env_put(env, &n, arena_printf(&ctx->arena, "LISTEN_FDS=%d", ctx->listen_fds));
		env_put(env, &n, arena_printf(&ctx->arena, "LISTEN_PID=%d", (int)getpid()));
	}
	ctx->env = env;
	return 0;
}
