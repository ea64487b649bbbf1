/* SPDX-License-Identifier: Apache-2.0 */
#include "images/registry_tls.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PEM_MAX_BYTES = 1 << 20 };

/* The n-th folder to look at: new string, NULL for one without a place; *end behind the last. */
static char *nth_folder(size_t i, const char *host, bool *end)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	switch (i) {
	case 0:
		if (xdg && *xdg == '/')
			return xasprintf("%s/containers/certs.d/%s", xdg, host);
		return home && *home == '/' ? xasprintf("%s/.config/containers/certs.d/%s", home, host) : NULL;
	case 1:
		return xasprintf("/etc/containers/certs.d/%s", host);
	case 2:
		return xasprintf("/etc/docker/certs.d/%s", host);
	default:
		*end = true;
		return NULL;
	}
}

static int add_ca(int dir_fd, const char *folder, const char *name, struct buf *pem, struct err *err)
{
	AUTO_FREE char *text = NULL;
	int r = fd_read_file(dir_fd, name, PEM_MAX_BYTES, &text, NULL);

	if (r < 0)
		return err_sys(err, r, "read '%s/%s'", folder, name);
	buf_add(pem, text);
	buf_add(pem, "\n");
	return 0;
}

static int add_client(int dir_fd, const char *folder, const char *name, char **ret_cert, char **ret_key, struct err *err)
{
	AUTO_FREE char *base = xstrndup(name, strlen(name) - strlen(".cert"));
	AUTO_FREE char *key = xasprintf("%s.key", base);

	if (faccessat(dir_fd, key, R_OK, 0) < 0)
		return err_sys(err, -errno, "read '%s/%s', the key of '%s'", folder, key, name);
	free(*ret_cert);
	free(*ret_key);
	*ret_cert = xasprintf("%s/%s", folder, name);
	*ret_key = xasprintf("%s/%s", folder, key);
	return 0;
}

static int read_folder(int dir_fd, const char *folder, char **ret_ca_pem, char **ret_cert, char **ret_key, struct err *err)
{
	AUTO_DIR DIR *dir = fdopendir(dup(dir_fd));
	AUTO_BUF struct buf pem = { 0 };
	struct dirent *d;
	int r = 0;

	if (!dir)
		return err_sys(err, -errno, "read '%s'", folder);
	while (r == 0 && (d = readdir(dir))) {
		if (str_ends(d->d_name, ".crt"))
			r = add_ca(dir_fd, folder, d->d_name, &pem, err);
		else if (str_ends(d->d_name, ".cert"))
			r = add_client(dir_fd, folder, d->d_name, ret_cert, ret_key, err);
	}
	if (r == 0 && pem.len)
		*ret_ca_pem = buf_take(&pem);
	return r;
}

int registry_tls_files(const char *host, const char *cert_dir, char **ret_ca_pem, char **ret_cert, char **ret_key, struct err *err)
{
	bool end = false;

	for (size_t i = 0; !end; i++) {
		AUTO_FREE char *folder = cert_dir ? xstrdup(cert_dir) : nth_folder(i, host, &end);
		AUTO_CLOSE int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

		if (fd >= 0)
			return read_folder(fd, folder, ret_ca_pem, ret_cert, ret_key, err);
		if (cert_dir)
			return err_sys(err, -errno, "open certificate directory '%s'", cert_dir);
	}
	return 0;
}
