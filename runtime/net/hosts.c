/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/hosts and /etc/resolv.conf of a container. */
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/net/drivers.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FILE_MAX (1u << 20)
#define MARK	 "# brig" /* ends the lines of other containers, which come and go */
#define SYSTEMD_RESOLV "/run/systemd/resolve/resolv.conf"

/* The container holds a mount of the file: it is written in place, never replaced. */
static int write_in_place(const char *path, const struct buf *text, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r = fd < 0 ? -errno : fd_write_all(fd, text->p ? text->p : "", text->len);

	if (r >= 0 && ftruncate(fd, (off_t)text->len) < 0)
		r = -errno;
	return r < 0 ? err_sys(err, r, "write '%s'", path) : 0;
}

static char *read_text(const char *path)
{
	char *text = NULL;

	return fd_read_file(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0 ? NULL : text;
}

static void add_standard(struct buf *b)
{
	buf_add(b, "127.0.0.1\tlocalhost\n"
		   "::1\tlocalhost ip6-localhost ip6-loopback\n"
		   "fe00::\tip6-localnet\n"
		   "ff00::\tip6-mcastprefix\n"
		   "ff02::1\tip6-allnodes\n"
		   "ff02::2\tip6-allrouters\n");
}

/* The host as the container sees it; "" when there is no way to it. What pasta and slirp4netns show as gateway is not the host. */
static const char *host_gateway(const struct netrec *r)
{
	for (size_t i = 0; i < r->n_ifs; i++)
		if (r->ifs[i].pub.v4.gateway[0] && (r->ifs[i].host_if || r->ifs[i].conflist))
			return r->ifs[i].pub.v4.gateway;
	return "";
}

static void add_host_flags(struct buf *b, const struct net_request *q, const char *gateway)
{
	for (size_t i = 0; q->add_host && q->add_host[i]; i++) {
		AUTO_FREE char *names = xstrdup(q->add_host[i]);
		char *ip = strchr(names, ':'); /* there is one: the flag's parser wrote it */

		if (!ip)
			continue;
		*ip++ = '\0';
		if (str_eq(ip, "host-gateway"))
			ip = *gateway ? (char *)(uintptr_t)gateway : (char *)(uintptr_t)"127.0.0.1";
		for (char *p = names; *p; p++)
			*p = *p == ';' ? ' ' : *p;
		buf_addf(b, "%s\t%s\n", ip, names);
	}
}

static void add_self(struct buf *b, const struct netrec *r)
{
	const char *also = r->name[0] && !str_eq(r->name, r->hostname) ? r->name : "";
	bool any = false;

	for (size_t i = 0; i < r->n_ifs; i++) {
		const struct net_interface *n = &r->ifs[i].pub;
		const char *ips[] = { n->v4.text, n->v6.text };

		for (size_t k = 0; k < ARRAY_SIZE(ips); k++) {
			if (!ips[k][0])
				continue;
			buf_addf(b, "%s\t%s%s%s\n", ips[k], r->hostname, *also ? " " : "", also);
			any = true;
		}
	}
	if (!any && r->hostname[0])
		buf_addf(b, "127.0.1.1\t%s%s%s\n", r->hostname, *also ? " " : "", also);
}

/* One line an address of `other` on a network that both are on and where names are known. */
static void add_other(struct buf *b, const struct netrec *r, const struct netrec *other)
{
	for (size_t i = 0; i < other->n_ifs; i++) {
		const struct netrec_if *o = &other->ifs[i];
		bool shared = false;

		for (size_t k = 0; k < r->n_ifs; k++)
			shared = shared || (r->ifs[k].names && str_eq(r->ifs[k].pub.network, o->pub.network));
		if (!shared || !o->names)
			continue;
		for (int v6 = 0; v6 < 2; v6++) {
			const char *ip = v6 ? o->pub.v6.text : o->pub.v4.text;

			if (!ip[0])
				continue;
			buf_addf(b, "%s\t%s %.12s", ip, other->name, other->id);
			if (other->hostname[0] && !str_starts(other->id, other->hostname) && !str_eq(other->hostname, other->name))
				buf_addf(b, " %s", other->hostname);
			for (size_t k = 0; k < o->pub.n_aliases; k++)
				buf_addf(b, " %s", o->pub.aliases[k]);
			buf_add(b, "\t" MARK "\n");
		}
	}
}

struct others {
	struct buf *b;
	const struct netrec *r;
};

static void note_other(void *ctx, struct netrec *other)
{
	struct others *o = ctx;

	if (!str_eq(other->id, o->r->id))
		add_other(o->b, o->r, other);
}

static bool on_named_network(const struct netrec *r)
{
	for (size_t i = 0; i < r->n_ifs; i++)
		if (r->ifs[i].names)
			return true;
	return false;
}

static void make_hosts(const struct net_env *env, const struct netrec *r, const struct net_request *q, struct buf *b)
{
	AUTO_FREE char *host = q->mode == NET_HOST ? read_text("/etc/hosts") : NULL;
	const char *gateway = host_gateway(r);
	struct others o = { .b = b, .r = r };

	if (host)
		buf_addf(b, "%s%s", host, str_ends(host, "\n") ? "" : "\n");
	else
		add_standard(b);
	add_host_flags(b, q, gateway);
	if (*gateway)
		buf_addf(b, "%s\thost.containers.internal host.docker.internal\n", gateway);
	add_self(b, r);
	if (on_named_network(r))
		netrec_each(env, note_other, &o);
}

/* Rewrite the marked lines of another container's file. */
static void update_hosts(const struct net_env *env, const struct netrec *r)
{
	AUTO_FREE char *path = xasprintf("%s/hosts", r->dir);
	AUTO_FREE char *text = read_text(path);
	AUTO_BUF struct buf b = { 0 };
	struct others o = { .b = &b, .r = r };
	struct err err;

	if (!text)
		return;
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!str_ends(line, "\t" MARK))
			buf_addf(&b, "%s\n", line);
	netrec_each(env, note_other, &o);
	if (write_in_place(path, &b, &err) < 0)
		log_warn("%s", err.msg);
}

struct telling {
	const struct net_env *env;
	const struct netrec *r;
};

static void tell(void *ctx, struct netrec *other)
{
	const struct telling *t = ctx;
	bool shared = false;

	for (size_t i = 0; i < other->n_ifs; i++)
		for (size_t k = 0; k < t->r->n_ifs; k++)
			shared = shared || (other->ifs[i].names && str_eq(other->ifs[i].pub.network, t->r->ifs[k].pub.network));
	if (shared && !str_eq(other->id, t->r->id))
		update_hosts(t->env, other);
}

void files_tell_others(const struct net_env *env, const struct netrec *r)
{
	struct telling t = { .env = env, .r = r };
	struct err err;
	AUTO_CLOSE int lock = -1;

	if (!on_named_network(r))
		return;
	lock = netrec_lock(env, &err);
	if (lock < 0)
		log_warn("%s", err.msg);
	else
		netrec_each(env, tell, &t);
}

/* A resolver on the host's loopback cannot be reached from another network namespace. */
static bool on_loopback(const char *server)
{
	return str_starts(server, "127.") || str_eq(server, "::1");
}

struct resolv {
	char **servers, *search, *options; /* owned */
	bool local;
};

static void parse_resolv(const char *path, bool keep_local, struct resolv *ret)
{
	AUTO_FREE char *text = read_text(path);

	for (char *save = NULL, *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		char word[512];
		int at = 0;

		if (sscanf(line, " nameserver %500s", word) == 1) {
			ret->local = ret->local || on_loopback(word);
			if (keep_local || !on_loopback(word))
				strings_add(&ret->servers, word);
		} else if (sscanf(line, " search %n%500s", &at, word) == 1 || sscanf(line, " domain %n%500s", &at, word) == 1) {
			free(ret->search);
			ret->search = xstrdup(line + at);
		} else if (sscanf(line, " options %n%500s", &at, word) == 1) {
			free(ret->options);
			ret->options = xstrdup(line + at);
		}
	}
}

static void resolv_done(struct resolv *r)
{
	strings_free(r->servers);
	free(r->search);
	free(r->options);
	*r = (struct resolv){ 0 };
}

static void host_resolv(bool same_ns, struct resolv *ret)
{
	parse_resolv("/etc/resolv.conf", same_ns, ret);
	if (!ret->servers && ret->local && access(SYSTEMD_RESOLV, R_OK) == 0) {
		resolv_done(ret);
		parse_resolv(SYSTEMD_RESOLV, same_ns, ret);
	}
}

static void join_words(struct buf *b, const char *key, char *const *words)
{
	buf_add(b, key);
	for (size_t i = 0; words[i]; i++)
		buf_addf(b, " %s", words[i]);
	buf_add(b, "\n");
}

static void make_resolv(const struct netrec *r, const struct net_request *q, struct buf *b)
{
	bool same_ns = q->mode == NET_HOST || q->mode == NET_NS_PATH;
	struct resolv host = { 0 };
	char *const *servers;

	host_resolv(same_ns, &host);
	servers = q->dns ? q->dns : r->dns ? r->dns : host.servers;
	if (q->dns_search) {
		if (!str_eq(q->dns_search[0], "."))
			join_words(b, "search", q->dns_search);
	} else if (host.search) {
		buf_addf(b, "search %s\n", host.search);
	}
	for (size_t i = 0; servers && servers[i]; i++)
		buf_addf(b, "nameserver %s\n", servers[i]);
	/* As docker: with nothing usable and a way out, public resolvers. */
	if (!servers && r->n_ifs)
		buf_add(b, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
	if (q->dns_option)
		join_words(b, "options", q->dns_option);
	else if (host.options)
		buf_addf(b, "options %s\n", host.options);
	resolv_done(&host);
}

int files_write(const struct net_env *env, const struct netrec *r, const struct net_request *q, struct err *err)
{
	AUTO_FREE char *hosts_path = xasprintf("%s/hosts", r->dir);
	AUTO_FREE char *resolv_path = xasprintf("%s/resolv.conf", r->dir);
	AUTO_BUF struct buf hosts = { 0 };
	AUTO_BUF struct buf resolv = { 0 };
	int result = 0;

	if (!q->no_hosts) {
		make_hosts(env, r, q, &hosts);
		result = write_in_place(hosts_path, &hosts, err);
	}
	if (result < 0 || (q->dns && str_eq(q->dns[0], "none")))
		return result;
	make_resolv(r, q, &resolv);
	return write_in_place(resolv_path, &resolv, err);
}
