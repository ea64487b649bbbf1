/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/images/command.h"

#include "images/registry.h"
#include "runtime/base/fd.h"
#include "runtime/cli/images/registry_options.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_MAX_BYTES = 64 << 10 };

struct options {
	struct registry_flags r;
	const char *user, *password;
	bool password_stdin, get_login, verbose;
};

#define T struct options
static const struct option_row rows[] = {
	OPT_FLAG(T, get_login, "get-login", 0, "print the user that is logged in, and do nothing"),
	OPT_STRING(T, password, "password", 'p', "PASSWORD", "password or token; others see it in the process list: better --password-stdin"),
	OPT_FLAG(T, password_stdin, "password-stdin", 0, "read the password from standard input"),
	OPT_STRING(T, user, "username", 'u', "USER", "user name"),
	OPT_FLAG(T, verbose, "verbose", 'v', "accepted and ignored"),
	REGISTRY_FLAG_ROWS(T),
	OPT_END,
};
#undef T

/* "https://host/v1/" and the like are the host; "host/namespace" stays. New string. */
static char *login_key(const char *text)
{
	const char *s = text ? text : REFERENCE_DEFAULT_HOST;
	size_t n;

	if (str_starts(s, "https://") || str_starts(s, "http://")) {
		s = strstr(s, "://") + 3;
		n = strcspn(s, "/");
	} else {
		n = strlen(s);
	}
	while (n && s[n - 1] == '/')
		n--;
	if (n == strlen("index.docker.io") && strncmp(s, "index.docker.io", n) == 0)
		return xstrdup(REFERENCE_DEFAULT_HOST);
	return xstrndup(s, n);
}

/* ---- asking ---- */

static void trim_line_end(char *s)
{
	size_t n = strlen(s);

	while (n && (s[n - 1] == '\n' || s[n - 1] == '\r'))
		s[--n] = '\0';
}

static int ask(const char *prompt, bool hide, char **ret, struct err *err)
{
	char line[4096] = "";
	struct termios old, quiet;
	bool hidden = hide && tcgetattr(STDIN_FILENO, &old) == 0;

	fputs(prompt, stderr);
	if (hidden) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	if (!fgets(line, sizeof(line), stdin))
		line[0] = '\0';
	if (hidden) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputs("\n", stderr);
	}
	trim_line_end(line);
	*ret = xstrdup(line);
	explicit_bzero(line, sizeof(line));
	return **ret ? 0 : err_set(err, EINVAL, "no %s was given", hide ? "password" : "user name");
}

static int read_stdin(char **ret, struct err *err)
{
	char *text = xcalloc(1, PASSWORD_MAX_BYTES + 1);
	ssize_t n = fd_read_all(STDIN_FILENO, text, PASSWORD_MAX_BYTES);

	*ret = text;
	if (n < 0)
		return err_sys(err, (int)n, "read the password from standard input");
	trim_line_end(text);
	return *text ? 0 : err_set(err, EINVAL, "standard input has no password");
}

static int fill(const struct options *o, struct credentials *c, struct err *err)
{
	int r = 0;

	if (o->password_stdin && o->password)
		return err_set(err, EINVAL, "--password and --password-stdin exclude each other");
	if (o->password_stdin && !o->user)
		return err_set(err, EINVAL, "--password-stdin needs --username");
	if (o->user)
		c->user = xstrdup(o->user);
	else
		r = ask("Username: ", false, &c->user, err);
	if (r < 0)
		return r;
	if (o->password_stdin)
		return read_stdin(&c->password, err);
	if (o->password) {
		c->password = xstrdup(o->password);
		return 0;
	}
	return ask("Password: ", true, &c->password, err);
}

/* ---- login ---- */

static int print_login(const struct options *o, const char *host, const char *path, struct err *err)
{
	AUTO_CREDENTIALS struct credentials c = { 0 };
	int r = auth_find(o->r.authfile, host, path, &c, err);

	if (r < 0)
		return r;
	if (!c.user)
		return err_set(err, ENOENT, "not logged into %s", host);
	printf("%s\n", c.user);
	return 0;
}

static int check(const struct registry_options *ro, const char *host, struct err *err)
{
	AUTO_REFERENCE struct reference ref = { .host = xstrdup(host), .path = xstrdup("") };
	AUTO_REGISTRY struct registry *registry = NULL;
	AUTO_CONN struct registry_conn *conn = NULL;
	int r = registry_open(&ref, false, false, ro, &registry, err);

	if (r == 0)
		r = registry_connect(registry, &conn, err);
	return r == 0 ? registry_check_login(conn, err) : r;
}

static int run_login(struct image_cli *cli, void *target, char **operands, struct err *err)
{
	const struct options *o = target;
	AUTO_FREE char *key = login_key(operands[0]);
	AUTO_FREE char *host = xstrndup(key, strcspn(key, "/"));
	AUTO_CREDENTIALS struct credentials given = { 0 }, c = { 0 };
	struct registry_options ro;
	int r;

	if (!*host)
		return err_set(err, EINVAL, "'%s' names no registry", operands[0]);
	if (o->get_login)
		return print_login(o, host, key[strlen(host)] ? key + strlen(host) + 1 : NULL, err);
	r = registry_flags_read(&o->r, &cli->settings, &given, &ro, err);
	if (r == 0)
		r = fill(o, &c, err);
	if (r < 0)
		return r;
	ro.creds = &c;
	r = check(&ro, host, err);
	if (r == -EACCES)
		return err_set(err, EACCES, "logging into \"%s\": invalid username/password", host);
	if (r < 0)
		return err_wrap(err, "logging into \"%s\"", host);
	r = auth_store(o->r.authfile, key, &c, err);
	if (r < 0)
		return r;
	printf("Login Succeeded!\n");
	return 0;
}

const struct image_command image_cmd_login = {
	.names = { "login" },
	.operands = "[REGISTRY]",
	.help = "log in to a registry",
	.options = rows,
	.target_size = sizeof(struct options),
	.defaults = &(const struct options){ .r.tls_verify = true },
	.max_operands = 1,
	.no_store = true,
	.run = run_login,
};

/* ---- logout ---- */

struct logout_options {
	bool all;
	const char *authfile;
};

#define T struct logout_options
static const struct option_row logout_rows[] = {
	OPT_FLAG(T, all, "all", 'a', "all registries"),
	OPT_STRING(T, authfile, "authfile", 0, "FILE", "credentials ($REGISTRY_AUTH_FILE, else what login wrote)"),
	OPT_END,
};
#undef T

static int run_logout(struct image_cli *cli UNUSED, void *target, char **operands, struct err *err)
{
	const struct logout_options *o = target;
	AUTO_FREE char *key = login_key(operands[0]);
	int r;

	if (o->all && operands[0])
		return err_set(err, EINVAL, "--all and a registry's name exclude each other");
	r = auth_remove(o->authfile, o->all ? NULL : key, err);
	if (r < 0)
		return r;
	if (o->all)
		printf("Removed login credentials for all registries\n");
	else
		printf("Removed login credentials for %s\n", key);
	return 0;
}

const struct image_command image_cmd_logout = {
	.names = { "logout" },
	.operands = "[REGISTRY]",
	.help = "forget the credentials of a registry",
	.options = logout_rows,
	.target_size = sizeof(struct logout_options),
	.max_operands = 1,
	.no_store = true,
	.run = run_logout,
};
