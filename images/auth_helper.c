/* SPDX-License-Identifier: Apache-2.0 */
#include "images/auth_helper.h"

#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/sys.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

extern char **environ;

enum { ANSWER_MAX_BYTES = 64 << 10 };

static int start(const char *program, const char *verb, int in_fd, int out_fd, pid_t *ret, struct err *err)
{
	posix_spawn_file_actions_t actions;
	char *words[3] = { 0 };
	int r;

	words[0] = xstrdup(program);
	words[1] = xstrdup(verb);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in_fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	r = posix_spawnp(ret, program, &actions, NULL, words, environ); /* positive, and not in errno */
	posix_spawn_file_actions_destroy(&actions);
	free(words[0]);
	free(words[1]);
	return r != 0 ? err_sys(err, -r, "run credential helper '%s'", program) : 0;
}

static int read_answer(int fd, struct buf *ret)
{
	char chunk[4096];
	ssize_t n;

	while ((n = fd_read_all(fd, chunk, sizeof(chunk))) > 0) {
		if (ret->len < ANSWER_MAX_BYTES)
			buf_add_n(ret, chunk, (size_t)n);
	}
	explicit_bzero(chunk, sizeof(chunk));
	return n < 0 ? (int)n : 0;
}

/* Run the helper; *ret_code is its exit code. */
static int talk(const char *name, const char *verb, const char *input, struct buf *answer, int *ret_code, struct err *err)
{
	AUTO_FREE char *program = xasprintf("docker-credential-%s", name);
	int in[2] = { -1, -1 }, out[2] = { -1, -1 };
	pid_t pid;
	int r;

	for (const char *s = name; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '-' && *s != '_' && *s != '.')
			return err_set(err, EINVAL, "bad name of a credential helper: '%.100s'", name);
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
		r = err_sys(err, -errno, "make pipes for '%s'", program);
	} else {
		r = start(program, verb, in[0], out[1], &pid, err);
		fd_close(&in[0]);
		fd_close(&out[1]);
		if (r == 0) {
			/* Shorter than a pipe's buffer; a helper that does not read it says so by its exit code. */
			(void)!fd_write_all(in[1], input, strlen(input));
			fd_close(&in[1]);
			r = read_answer(out[0], answer);
			*ret_code = sys_wait_pid(pid);
			if (r < 0)
				err_sys(err, r, "read from '%s'", program);
		}
	}
	for (int i = 0; i < 2; i++) {
		fd_close(&in[i]);
		fd_close(&out[i]);
	}
	return r;
}

static int refused(const char *name, const char *verb, struct buf *answer, struct err *err)
{
	size_t n = answer->len;

	while (n && isspace((unsigned char)answer->p[n - 1]))
		n--;
	return err_set(err, EACCES, "credential helper '%s' %s: %.*s", name, verb, (int)n, answer->p ? answer->p : "");
}

static int read_credentials(const char *name, const struct buf *answer, struct credentials *ret, struct err *err)
{
	struct arena arena = { 0 };
	struct json *root;
	const struct json *user, *secret;
	int r = json_parse(&arena, name, answer->p, answer->len, &root, err);

	if (r == 0) {
		user = json_get(root, "Username");
		secret = json_get(root, "Secret");
		if (!user || user->type != JSON_STRING || !secret || secret->type != JSON_STRING)
			r = err_set(err, EINVAL, "credential helper '%s': no Username and Secret in its answer", name);
		else if (str_eq(user->u.string, "<token>"))
			ret->identity_token = xstrdup(secret->u.string);
		else
			*ret = (struct credentials){ .user = xstrdup(user->u.string), .password = xstrdup(secret->u.string) };
	}
	arena_done(&arena);
	return r;
}

int auth_helper_get(const char *name, const char *server, struct credentials *ret, struct err *err)
{
	AUTO_BUF struct buf answer = { 0 };
	int code = 0, r = talk(name, "get", server, &answer, &code, err);

	if (r < 0)
		return r;
	/* The protocol's way of saying that there are none. */
	if (code != 0)
		return answer.p && strstr(answer.p, "credentials not found") ? 0 : refused(name, "get", &answer, err);
	r = read_credentials(name, &answer, ret, err);
	explicit_bzero(answer.p, answer.len);
	return r;
}

int auth_helper_store(const char *name, const char *server, const struct credentials *c, struct err *err)
{
	AUTO_BUF struct buf answer = { 0 }, input = { 0 };
	struct json_writer w = { .out = &input };
	int code = 0, r;

	json_begin_object(&w);
	json_kv_string(&w, "ServerURL", server);
	json_kv_string(&w, "Username", c->identity_token ? "<token>" : c->user);
	json_kv_string(&w, "Secret", c->identity_token ? c->identity_token : c->password);
	json_end_object(&w);
	r = talk(name, "store", input.p, &answer, &code, err);
	explicit_bzero(input.p, input.len);
	return r == 0 && code != 0 ? refused(name, "store", &answer, err) : r;
}

int auth_helper_erase(const char *name, const char *server, struct err *err)
{
	AUTO_BUF struct buf answer = { 0 };
	int code = 0, r = talk(name, "erase", server, &answer, &code, err);

	return r == 0 && code != 0 ? refused(name, "erase", &answer, err) : r;
}
