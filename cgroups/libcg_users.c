/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: libcgroup without the user database
 *
 * libcgroup's rules daemon and its configuration files look users and groups up by name. brig calls neither, but they are in
 * the same object files of the archive. In a static program libc's look-ups would load NSS modules of exactly the libc
 * that it was linked with; so these stand in their place and know nobody. brig itself asks for no name this way
 * (runtime/base/user.h).
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>

struct passwd *getpwnam(const char *name)
{
	(void)name;
	return NULL;
}

struct passwd *getpwuid(uid_t uid)
{
	(void)uid;
	return NULL;
}

struct group *getgrnam(const char *name)
{
	(void)name;
	return NULL;
}

struct group *getgrgid(gid_t gid)
{
	(void)gid;
	return NULL;
}

int getpwnam_r(const char *restrict name, struct passwd *restrict pw, char *restrict buf, size_t n, struct passwd **restrict ret)
{
	(void)name, (void)pw, (void)buf, (void)n;
	*ret = NULL;
	return ENOENT;
}

int getgrnam_r(const char *restrict name, struct group *restrict gr, char *restrict buf, size_t n, struct group **restrict ret)
{
	(void)name, (void)gr, (void)buf, (void)n;
	*ret = NULL;
	return ENOENT;
}
