/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that need no privilege over the host's: a process that turns packets into sockets. */
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/sys.h"
#include "runtime/net/drivers.h"
#include "runtime/net/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READY_MS 10000
#define SLIRP_ADDRESS "10.0.2.100"
#define SLIRP_GATEWAY "10.0.2.2"
#define SLIRP_DNS     "10.0.2.3"
#define PASTA_DNS     "169.254.1.1" /* pasta sends what is meant for it to the host's resolver, which may be on its loopback */

static bool in_path(const char *name)
{
	const char *path = getenv("PATH");
	AUTO_FREE char *copy = xstrdup(path ? path : "/usr/local/bin:/usr/bin:/bin");

	for (char *save = NULL, *d = strtok_r(copy, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
		AUTO_FREE char *file = xasprintf("%s/%s", d, name);

		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static void note_helper(struct netrec *r, pid_t pid)
{
	r->helper_pid = sys_pid_start_time(pid, &r->helper_start) < 0 ? 0 : pid;
}

/* What the helper made of the namespace, for inspect and the hosts file. */
static void read_back(const struct net_place *p, struct netrec_if *i)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		struct net_address *at = families[f] == AF_INET ? &i->pub.v4 : &i->pub.v6;
		struct ip_addr a, gateway;
		char name[16] = "", text[IP_TEXT_LEN];

		if (!link_find_address(p->route_fd, families[f], &a, name, i->pub.mac))
			continue;
		snprintf(at->text, sizeof(at->text), "%s", ip_text(&a, text));
		at->prefix = a.prefix;
		if (link_find_gateway(p->route_fd, families[f], &gateway))
			snprintf(at->gateway, sizeof(at->gateway), "%s", ip_text(&gateway, text));
		free(i->pub.ifname);
		i->pub.ifname = xstrdup(name);
	}
}

/* -t, -u: [ADDRESS/]FIRST-LAST:FIRST-LAST */
static void add_pasta_ports(char ***argv, const struct netrec *r, uint16_t protocol, const char *flag)
{
	bool any = false;

	for (size_t i = 0; i < r->n_ports; i++) {
		const struct net_port *port = &r->ports[i];
		AUTO_FREE char *spec = NULL;
		const char *ip = port->host_ip ? port->host_ip : "";

		if (port->protocol != protocol)
			continue;
		spec = port->n == 1 ? xasprintf("%s%s%u:%u", ip, *ip ? "/" : "", port->host_port, port->container_port) :
				      xasprintf("%s%s%u-%u:%u-%u", ip, *ip ? "/" : "", port->host_port, port->host_port + port->n - 1,
						port->container_port, port->container_port + port->n - 1);
		strings_add(argv, flag);
		strings_add(argv, spec);
		any = true;
	}
	if (!any) {
		strings_add(argv, flag);
		strings_add(argv, "none");
	}
}

static bool host_dns_is_local(void)
{
	AUTO_FREE char *text = NULL;

	return fd_read_file(AT_FDCWD, "/etc/resolv.conf", 1 << 20, &text, NULL) == 0 &&
	       (strstr(text, "nameserver 127.") || strstr(text, "nameserver ::1"));
}

static int read_pid(const char *path, pid_t *ret)
{
	AUTO_FREE char *text = NULL;
	char *end;
	int pid;

	if (fd_read_file(AT_FDCWD, path, 64, &text, NULL) < 0)
		return -ENOENT;
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	if (str_to_int(text, &pid) < 0)
		return -EINVAL;
	*ret = pid;
	return 0;
}

/* RUN_DIR/ns/SHORT_ID.SUFFIX, the directory made. The path of a socket has to be short. */
static char *helper_file(const struct net_place *p, const char *suffix)
{
	AUTO_FREE char *dir = xasprintf("%s/ns", p->env->run_dir);

	(void)!netrec_mkdir(dir); /* the helper tells */
	return xasprintf("%s/%.12s.%s", dir, p->id, suffix);
}

/*
 * A helper starts outside, enters the user namespace, and then opens the network namespace: from there it may look at processes of the
 * same user namespace only. So one waits in both, as long as the helper starts.
 */
struct holder {
	pid_t pid; /* 0: none, the user namespace is ours */
	char *userns, *netns; /* owned paths; userns NULL: nothing to enter */
};

static void holder_done(struct holder *h)
{
	if (h->pid > 0) {
		(void)kill(h->pid, SIGKILL);
		(void)!sys_wait_pid(h->pid);
	}
	free(h->userns);
	free(h->netns);
}

_Noreturn static void hold(const struct net_place *p, int ready_fd)
{
	char ok = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (setns(p->userns_fd, CLONE_NEWUSER) < 0 || setns(p->ns_fd, CLONE_NEWNET) < 0 || write(ready_fd, &ok, 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

static int holder_start(const struct net_place *p, struct holder *ret, struct err *err)
{
	AUTO_CLOSE int ready = -1;
	int fds[2];
	char ok;

	if (p->userns_fd < 0) {
		ret->netns = xstrdup(p->ns_path);
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe");
	ready = fds[0];
	ret->pid = fork();
	if (ret->pid == 0)
		hold(p, fds[1]);
	close(fds[1]);
	if (ret->pid < 0)
		return err_sys(err, -errno, "fork");
	ret->userns = xasprintf("/proc/%d/ns/user", (int)ret->pid);
	ret->netns = xasprintf("/proc/%d/ns/net", (int)ret->pid);
	return read(ready, &ok, 1) == 1 ? 0 : err_set(err, EPERM, "enter the container's user and network namespaces");
}

static int start_pasta(const struct net_place *p, const struct holder *h, const char *options, struct netrec *r, struct err *err)
{
	static const char *const fixed[] = { "pasta", "--config-net", "--quiet", "--no-map-gw", "--no-netns-quit", "-T", "none", "-U", "none" };
	AUTO_FREE char *pid_file = helper_file(p, "pid");
	AUTO_FREE char *copy = xstrdup(options ? options : "");
	AUTO_BUF struct buf said = { 0 };
	char **argv = NULL;
	pid_t pid = 0;
	int status;

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		strings_add(&argv, fixed[i]);
	add_pasta_ports(&argv, r, IPPROTO_TCP, "-t");
	add_pasta_ports(&argv, r, IPPROTO_UDP, "-u");
	if (host_dns_is_local()) {
		strings_add(&argv, "--dns-forward");
		strings_add(&argv, PASTA_DNS);
		strings_add(&r->dns, PASTA_DNS);
	}
	for (char *save = NULL, *o = strtok_r(copy, ",", &save); o; o = strtok_r(NULL, ",", &save))
		strings_add(&argv, o);
	strings_add(&argv, "--pid");
	strings_add(&argv, pid_file);
	if (h->userns) {
		strings_add(&argv, "--userns");
		strings_add(&argv, h->userns);
	}
	strings_add(&argv, "--netns");
	strings_add(&argv, h->netns);
	/* It goes to the background when the namespace is ready. */
	status = helper_run((const char *const *)argv, &said);
	strings_free(argv);
	(void)!read_pid(pid_file, &pid);
	(void)unlink(pid_file);
	if (status != 0) {
		(void)err_set(err, EIO, "pasta ended with status %d: %s", status, helper_words(said.p));
		err_sanitize(err);
		return -EIO;
	}
	note_helper(r, pid);
	return 0;
}

/* slirp4netns stays in the foreground: it is left as a process of its own once it says that it is ready. */
static pid_t spawn_slirp(const struct holder *h, const char *socket, int ready_fd, int error_fd)
{
	AUTO_FREE char *ready = xasprintf("%d", ready_fd);
	AUTO_FREE char *option = xasprintf("--userns-path=%s", h->userns ? h->userns : "");
	const char *const argv[] = { "slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--enable-ipv6", "--ready-fd", ready,
				     "--api-socket", socket, "--netns-type=path", h->userns ? option : "--mtu=65520", h->netns, "tap0", NULL };
	pid_t pid = fork();
	sigset_t none;
	int null;

	if (pid != 0)
		return pid;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)setsid();
	/* a foreground run has blocked what it passes on: this one is to end by SIGTERM */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(error_fd, 2) < 0 || fcntl(ready_fd, F_SETFD, 0) < 0)
		_exit(126);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* Say one thing over the API socket; an answer with "error" is one. */
static int slirp_forward(const char *socket, const struct net_port *port, uint16_t k, struct err *err)
{
	AUTO_CLOSE int fd = fd_unix_connect(AT_FDCWD, socket);
	AUTO_FREE char *ask = xasprintf(
		"{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"%s\",\"host_addr\":\"%s\",\"host_port\":%u,"
		"\"guest_addr\":\"" SLIRP_ADDRESS "\",\"guest_port\":%u}}",
		port->protocol == IPPROTO_UDP ? "udp" : "tcp", port->host_ip ? port->host_ip : "0.0.0.0", port->host_port + k,
		port->container_port + k);
	char answer[1024];
	ssize_t n;
	int r = fd < 0 ? fd : fd_write_all(fd, ask, strlen(ask));

	if (r < 0)
		return err_sys(err, r, "ask slirp4netns for port %u", port->host_port + k);
	(void)shutdown(fd, SHUT_WR);
	n = fd_read_all(fd, answer, sizeof(answer) - 1);
	answer[n > 0 ? n : 0] = '\0';
	if (n <= 0 || strstr(answer, "\"error\"")) {
		(void)err_set(err, EADDRINUSE, "publish port %u: slirp4netns: %s", port->host_port + k, answer);
		err_sanitize(err);
		return -EADDRINUSE;
	}
	return 0;
}

static int slirp_ports(const char *socket, const struct netrec *r, struct err *err)
{
	for (size_t i = 0; i < r->n_ports; i++)
		for (uint16_t k = 0; k < r->ports[i].n; k++)
			if (slirp_forward(socket, &r->ports[i], k, err) < 0)
				return -err->code;
	return 0;
}

static int await_ready(int ready_fd, int error_fd, struct err *err)
{
	struct pollfd p = { .fd = ready_fd, .events = POLLIN };
	char c, said[512];
	ssize_t n;

	if (poll(&p, 1, READY_MS) > 0 && read(ready_fd, &c, 1) == 1)
		return 0;
	n = read(error_fd, said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	(void)err_set(err, EIO, "slirp4netns did not start: %s", helper_words(said));
	err_sanitize(err);
	return -EIO;
}

static int start_slirp(const struct net_place *p, const struct holder *h, struct netrec *r, struct err *err)
{
	AUTO_FREE char *socket = helper_file(p, "slirp");
	AUTO_CLOSE int ready = -1;
	AUTO_CLOSE int ready_child = -1;
	AUTO_CLOSE int error = -1;
	AUTO_CLOSE int error_child = -1;
	int fds[2], result;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe");
	ready = fds[0];
	ready_child = fds[1];
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, -errno, "pipe");
	error = fds[0];
	error_child = fds[1];
	pid = spawn_slirp(h, socket, ready_child, error_child);
	if (pid < 0)
		return err_sys(err, -errno, "fork");
	note_helper(r, pid);
	fd_close(&ready_child);
	fd_close(&error_child);
	result = await_ready(ready, error, err);
	if (result == 0)
		result = slirp_ports(socket, r, err);
	(void)unlink(socket);
	if (result == 0)
		strings_add(&r->dns, SLIRP_DNS);
	return result;
}

int rootless_wire(const struct net_place *p, const struct net_request *q, struct netrec *r, struct err *err)
{
	bool pasta = in_path("pasta"), slirp = in_path("slirp4netns");
	CLEANUP(holder_done) struct holder h = { 0 };
	int result;

	if (q->mode == NET_PASTA && !p->env->rootless)
		return err_set(err, EINVAL, "--network pasta is for rootless use; as root the default network serves the same purpose");
	if (q->mode == NET_DEFAULT && !pasta && !slirp)
		return err_set(err, ENOENT, "rootless networks need pasta (package passt) or slirp4netns (package slirp4netns), and neither is "
					    "in PATH; --network none and --network host work without");
	if ((q->mode == NET_PASTA && !pasta) || (q->mode == NET_SLIRP4NETNS && !slirp))
		return err_set(err, ENOENT, "'%s' is not in PATH: install the package %s", q->mode == NET_PASTA ? "pasta" : "slirp4netns",
			       q->mode == NET_PASTA ? "passt" : "slirp4netns");
	pasta = q->mode == NET_PASTA || (q->mode == NET_DEFAULT && pasta);
	r->ifs = xcalloc(1, sizeof(*r->ifs));
	r->n_ifs = 1;
	r->ifs[0].pub.network = xstrdup(pasta ? "pasta" : "slirp4netns");
	r->ifs[0].pub.ifname = xstrdup("");
	result = holder_start(p, &h, err);
	if (result == 0)
		result = pasta ? start_pasta(p, &h, q->target, r, err) : start_slirp(p, &h, r, err);
	if (result == 0)
		read_back(p, &r->ifs[0]);
	if (result == 0 && !pasta && !r->ifs[0].pub.v4.gateway[0])
		snprintf(r->ifs[0].pub.v4.gateway, sizeof(r->ifs[0].pub.v4.gateway), SLIRP_GATEWAY);
	return result;
}

void rootless_undo(const struct netrec *r)
{
	AUTO_CLOSE int pidfd = r->helper_pid > 0 ? sys_pidfd_open(r->helper_pid, 0) : -1;
	uint64_t start;

	/* The pidfd first, then the check: after it the number cannot be another process's. */
	if (pidfd < 0 || sys_pid_start_time(r->helper_pid, &start) < 0 || start != r->helper_start)
		return;
	if (sys_pidfd_send_signal(pidfd, SIGTERM) < 0)
		log_debug("end the network helper %d: it is gone", r->helper_pid);
}
