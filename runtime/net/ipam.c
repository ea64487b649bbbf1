/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/ipam.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/net/netrec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LAST "last" /* file with the number of the last lease: addresses are reused as late as can be, as neighbours remember them */
#define SWEEP_AGE_S 60

static int claim(int dir_fd, const struct ip_addr *a, const char *id)
{
	char name[IP_TEXT_LEN];
	AUTO_CLOSE int fd = openat(dir_fd, ip_text(a, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, id, strlen(id));
	if (r < 0)
		(void)unlinkat(dir_fd, name, 0);
	return r;
}

static int claim_wanted(int dir_fd, const struct network_subnet *s, const char *network, const struct ip_addr *a, const char *id,
			struct err *err)
{
	char text[IP_TEXT_LEN], net[IP_TEXT_LEN];
	int r;

	(void)ip_text(a, text);
	if (!ip_in(&s->net, a) || ip_equal(a, &s->net))
		return err_set(err, EINVAL, "address %s is not in %s/%u of the network '%s'", text, ip_text(&s->net, net), s->net.prefix,
			       network);
	if (ip_equal(a, &s->gateway))
		return err_set(err, EADDRINUSE, "address %s is the gateway of the network '%s'", text, network);
	r = claim(dir_fd, a, id);
	if (r == -EEXIST)
		return err_set(err, EADDRINUSE, "address %s of the network '%s' is in use by another container", text, network);
	return r < 0 ? err_sys(err, r, "lease the address %s", text) : 0;
}

/* a - b of two addresses of one network, up to 32 bits. */
static uint64_t distance(const struct ip_addr *a, const struct ip_addr *b)
{
	size_t n = ip_bytes(a);
	int64_t d = 0;

	for (size_t i = n - 4; i < n; i++)
		d = d * 256 + a->u.bytes[i] - b->u.bytes[i];
	return d < 0 ? 0 : (uint64_t)d;
}

static uint64_t read_last(int dir_fd)
{
	AUTO_FREE char *text = NULL;
	uint64_t last = 0;

	if (fd_read_file(dir_fd, LAST, 32, &text, NULL) < 0 || str_to_u64(text, &last) < 0)
		return 0;
	return last;
}

static void write_last(int dir_fd, uint64_t n)
{
	AUTO_FREE char *text = xasprintf("%llu", (unsigned long long)n);

	/* Only a hint: a torn or lost one costs an early reuse. */
	(void)!fd_write_file_atomic(dir_fd, LAST, text, strlen(text), 0600, false);
}

static int claim_any(int dir_fd, const struct network_subnet *s, const char *id, struct ip_addr *ret)
{
	uint64_t count = ip_count(&s->net), low = 1, high = count - (s->net.family == AF_INET ? 2 : 1), n = read_last(dir_fd);

	if (s->first.family)
		low = distance(&s->first, &s->net);
	if (s->last.family && distance(&s->last, &s->net) < high)
		high = distance(&s->last, &s->net);
	low = low ? low : 1;
	for (uint64_t tries = low; tries <= high; tries++) {
		struct ip_addr a;
		int r;

		n = n < low || n >= high ? low : n + 1;
		a = ip_nth(&s->net, n);
		if (ip_equal(&a, &s->gateway))
			continue;
		r = claim(dir_fd, &a, id);
		if (r == -EEXIST)
			continue;
		if (r == 0) {
			*ret = a;
			write_last(dir_fd, n);
		}
		return r;
	}
	return -EADDRNOTAVAIL;
}

/* A container has a record before it has leases, and gives them back before it loses it. So a lease whose owner has no record is
 * left from a process that was killed; a fresh one may be between its making and its writing. */
static void sweep(const struct net_env *env, const char *path)
{
	AUTO_DIR DIR *d = opendir(path);
	time_t old = time(NULL) - SWEEP_AGE_S;

	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		AUTO_FREE char *owner = NULL;
		AUTO_FREE char *record = NULL;
		struct stat st;

		if (e->d_name[0] == '.' || str_eq(e->d_name, LAST) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    st.st_mtime > old || fd_read_file(dirfd(d), e->d_name, 256, &owner, NULL) < 0)
			continue;
		record = xasprintf("%s/containers/%s", env->run_dir, owner);
		if (!*owner || access(record, F_OK) < 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
}

static int open_leases(const char *path)
{
	int fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && netrec_mkdir(path) == 0)
		fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	return fd;
}

int ipam_lease(const struct net_env *env, const char *network, const struct network_subnet *s, const struct ip_addr *wanted, const char *id,
	       struct ip_addr *ret, struct err *err)
{
	AUTO_FREE char *path = xasprintf("%s/leases/%s", env->run_dir, network);
	AUTO_CLOSE int dir_fd = open_leases(path);
	struct ip_addr a = { 0 };
	int r;

	if (dir_fd < 0)
		return err_sys(err, -errno, "open '%s'", path);
	if (wanted) {
		a = *wanted;
		r = claim_wanted(dir_fd, s, network, wanted, id, err);
	} else {
		r = claim_any(dir_fd, s, id, &a);
		if (r == -EADDRNOTAVAIL) {
			sweep(env, path);
			r = claim_any(dir_fd, s, id, &a);
		}
		if (r == -EADDRNOTAVAIL)
			return err_set(err, EADDRNOTAVAIL, "network '%s': every address is in use", network);
		if (r < 0)
			return err_sys(err, r, "lease an address of the network '%s'", network);
	}
	a.prefix = s->net.prefix;
	*ret = a;
	return r;
}

void ipam_release(const struct net_env *env, const char *network, const char *address, const char *id)
{
	AUTO_FREE char *path = xasprintf("%s/leases/%s/%s", env->run_dir, network, address);
	AUTO_FREE char *owner = NULL;

	if (fd_read_file(AT_FDCWD, path, 256, &owner, NULL) == 0 && str_eq(owner, id))
		(void)unlink(path);
}
