/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli/run_options.h"

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/record.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#define T struct run_options
/* clang-format off */
#define CLIENT_ROWS                                                                                                             \
	OPT_LIST(T, attach, "attach", 'a', "STREAM", "attach stdin, stdout or stderr (may be repeated)"),                        \
	OPT_FLAG(T, detach, "detach", 'd', "run in the background and print the container's ID"),                               \
	OPT_STRING(T, detach_keys, "detach-keys", 0, "KEYS", "keys that leave the container alone (ctrl-p,ctrl-q)"),            \
	OPT_FLAG(T, sig_proxy, "sig-proxy", 0, "pass signals on to the container (true)")
#define COMMON_ROWS                                                                                                             \
	OPT_LIST(T, add_host, "add-host", 0, "NAME:IP", "one more line in /etc/hosts (may be repeated)"),                       \
	OPT_LIST(T, annotation, "annotation", 0, "KEY=VALUE", "annotation of the OCI configuration (may be repeated)"),         \
	OPT_STRING(T, arch, "arch", 0, "ARCH", "architecture of the image, as in --platform"),                                 \
	OPT_STRING(T, authfile, "authfile", 0, "FILE", "credentials for a pull"),                                               \
	OPT_U32(T, blkio_weight, "blkio-weight", 0, "N", "share of block I/O, 10 to 1000"),                                     \
	OPT_LIST(T, blkio_weight_device, "blkio-weight-device", 0, "DEVICE:N", "the same for one device"),                      \
	OPT_LIST(T, cap_add, "cap-add", 0, "CAPABILITY", "one more capability, or all"),                                        \
	OPT_LIST(T, cap_drop, "cap-drop", 0, "CAPABILITY", "one capability less, or all"),                                      \
	OPT_LIST(T, cgroup_conf, "cgroup-conf", 0, "FILE=VALUE", "write a file of cgroup v2"),                                  \
	OPT_STRING(T, cgroup_parent, "cgroup-parent", 0, "PATH", "cgroup in which the container's own is made (/brig)"),        \
	OPT_STRING(T, cgroupns, "cgroupns", 0, "MODE", "cgroup namespace: private, host, container:NAME or ns:PATH (private)"), \
	OPT_STRING(T, cgroups, "cgroups", 0, "MODE", "enabled or disabled (enabled)"),                                          \
	OPT_STRING(T, cidfile, "cidfile", 0, "FILE", "write the container's ID to FILE"),                                       \
	OPT_STRING(T, conmon_pidfile, "conmon-pidfile", 0, "FILE", "write the monitor's process id to FILE"),                   \
	OPT_U64(T, cpu_period, "cpu-period", 0, "USEC", "period of the CPU quota"),                                             \
	OPT_I64(T, cpu_quota, "cpu-quota", 0, "USEC", "CPU time in a period"),                                                  \
	OPT_U64(T, cpu_rt_period, "cpu-rt-period", 0, "USEC", "period of the real-time quota"),                                 \
	OPT_I64(T, cpu_rt_runtime, "cpu-rt-runtime", 0, "USEC", "real-time CPU time in a period"),                              \
	OPT_U64(T, cpu_shares, "cpu-shares", 'c', "N", "share of CPU time when CPUs are busy (1024)"),                          \
	OPT_STRING(T, cpus, "cpus", 0, "N", "how many CPUs' time, such as 1.5"),                                                \
	OPT_STRING(T, cpuset_cpus, "cpuset-cpus", 0, "LIST", "CPUs to run on, such as 0-3,7"),                                  \
	OPT_STRING(T, cpuset_mems, "cpuset-mems", 0, "LIST", "memory nodes to use"),                                            \
	OPT_LIST(T, device, "device", 0, "HOST[:PLACE[:rwm]]", "a device of the host, or all of a directory"),                  \
	OPT_LIST(T, device_cgroup_rule, "device-cgroup-rule", 0, "RULE", "allow devices, such as 'c 10:229 rwm'"),              \
	OPT_LIST(T, device_read_bps, "device-read-bps", 0, "DEVICE:BYTES", "limit of reading in bytes a second"),               \
	OPT_LIST(T, device_read_iops, "device-read-iops", 0, "DEVICE:N", "limit of reading in operations a second"),            \
	OPT_LIST(T, device_write_bps, "device-write-bps", 0, "DEVICE:BYTES", "limit of writing in bytes a second"),             \
	OPT_LIST(T, device_write_iops, "device-write-iops", 0, "DEVICE:N", "limit of writing in operations a second"),          \
	OPT_STRING(T, domainname, "domainname", 0, "NAME", "NIS domain name"),                                                  \
	OPT_LIST(T, dns, "dns", 0, "IP", "name server (may be repeated)"),                                                      \
	OPT_LIST(T, dns_option, "dns-option", 0, "OPTION", "option of resolv.conf"),                                            \
	OPT_LIST(T, dns_option, "dns-opt", 0, "OPTION", NULL),                                                                  \
	OPT_LIST(T, dns_search, "dns-search", 0, "DOMAIN", "search domain of resolv.conf"),                                     \
	OPT_STRING(T, entrypoint, "entrypoint", 0, "PROGRAM", "in place of the image's entry point; \"\" for none"),            \
	OPT_LIST(T, env, "env", 'e', "NAME[=VALUE]", "environment variable (may be repeated)"),                                 \
	OPT_LIST(T, env_file, "env-file", 0, "FILE", "environment variables from a file"),                                      \
	OPT_FLAG(T, env_host, "env-host", 0, "the whole environment of the caller"),                                            \
	OPT_LIST(T, expose, "expose", 0, "PORT[/PROTOCOL]", "a port for --publish-all"),                                        \
	OPT_LIST(T, gidmap, "gidmap", 0, "INSIDE:OUTSIDE:N", "map of group ids in a user namespace"),                           \
	OPT_STRING(T, gpus, "gpus", 0, "WHICH", NULL),                                                                   \
	OPT_LIST(T, group_add, "group-add", 0, "GROUP", "one more group of the process, or keep-groups"),                       \
	OPT_STRING(T, health_cmd, "health-cmd", 0, "COMMAND", "command that tells whether the container is well"),              \
	OPT_STRING(T, health_interval, "health-interval", 0, "TIME", "time between two checks (30s)"),                          \
	OPT_STRING(T, health_on_failure, "health-on-failure", 0, "ACTION", "for an unhealthy container: none, kill, restart or stop (none)"), \
	OPT_STRING(T, health_retries, "health-retries", 0, "N", "failures in a row that mean unhealthy (3)"),                   \
	OPT_STRING(T, health_start_period, "health-start-period", 0, "TIME", "time in which failures do not count (0s)"),       \
	OPT_STRING(T, health_timeout, "health-timeout", 0, "TIME", "time after which a check has failed (30s)"),                \
	OPT_STRING(T, hostname, "hostname", 'h', "NAME", "host name (the short ID)"),                                           \
	OPT_FLAG(T, http_proxy, "http-proxy", 0, "pass the caller's http_proxy, https_proxy, ftp_proxy, no_proxy on"),          \
	OPT_STRING(T, image_volume, "image-volume", 0, "MODE", "volumes of the image: anonymous, tmpfs or ignore (anonymous)"), \
	OPT_FLAG(T, init, "init", 0, "run a small init as process 1"),                                                          \
	OPT_STRING(T, init_path, "init-path", 0, "FILE", "which init"),                                                         \
	OPT_FLAG(T, interactive, "interactive", 'i', "keep stdin open"),                                                        \
	OPT_STRING(T, ip, "ip", 0, "IP", "IPv4 address"),                                                                       \
	OPT_STRING(T, ip6, "ip6", 0, "IP", "IPv6 address"),                                                                     \
	OPT_STRING(T, ipc, "ipc", 0, "MODE", "IPC namespace: private, shareable, host, none, container:NAME or ns:PATH"),       \
	OPT_LIST(T, label, "label", 'l', "KEY[=VALUE]", "label of the container (may be repeated)"),                            \
	OPT_LIST(T, label_file, "label-file", 0, "FILE", "labels from a file"),                                                 \
	OPT_STRING(T, log_driver, "log-driver", 0, "NAME", "k8s-file, json-file (the same), passthrough or none (k8s-file)"),   \
	OPT_LIST(T, log_opt, "log-opt", 0, "KEY=VALUE", "max-size=SIZE, path=FILE, tag=TEXT"),                                  \
	OPT_STRING(T, mac_address, "mac-address", 0, "MAC", "hardware address"),                                                \
	OPT_SIZE(T, memory, "memory", 'm', "SIZE", "memory limit"),                                                             \
	OPT_SIZE(T, memory_reservation, "memory-reservation", 0, "SIZE", "memory that is protected when memory is short"),      \
	OPT_SIZE(T, memory_swap, "memory-swap", 0, "SIZE", "memory and swap together, -1 is unlimited (twice the memory)"),     \
	OPT_I64(T, memory_swappiness, "memory-swappiness", 0, "N", "tendency to swap, 0 to 100"),                               \
	OPT_LIST(T, mount, "mount", 0, "KEY=VALUE,...", "mount: type=bind|volume|tmpfs, source, destination, readonly ..."),    \
	OPT_STRING(T, name, "name", 0, "NAME", "name of the container"),                                                        \
	OPT_LIST(T, network, "network", 0, "MODE", "network: none, host, NAME, container:NAME, ns:PATH ..."),                   \
	OPT_LIST(T, network, "net", 0, "MODE", NULL),                                                                           \
	OPT_LIST(T, network_alias, "network-alias", 0, "NAME", "one more name on the network"),                                 \
	OPT_LIST(T, network_alias, "net-alias", 0, "NAME", NULL),                                                               \
	OPT_FLAG(T, no_healthcheck, "no-healthcheck", 0, "without the image's health check"),                                   \
	OPT_FLAG(T, no_hosts, "no-hosts", 0, "leave the image's /etc/hosts alone"),                                             \
	OPT_FLAG(T, oom_kill_disable, "oom-kill-disable", 0, "let processes wait when memory runs out (cgroup v1)"),            \
	OPT_I64(T, oom_score_adj, "oom-score-adj", 0, "N", "who is killed first, -1000 to 1000"),                               \
	OPT_STRING(T, os, "os", 0, "OS", "operating system of the image, as in --platform"),                                   \
	OPT_STRING(T, pid, "pid", 0, "MODE", "process namespace: private, host, container:NAME or ns:PATH"),                    \
	OPT_STRING(T, pidfile, "pidfile", 0, "FILE", "write the process id to FILE"),                                           \
	OPT_I64(T, pids_limit, "pids-limit", 0, "N", "how many processes, -1 or 0 is unlimited (2048)"),                        \
	OPT_STRING(T, platform, "platform", 0, "OS/ARCH", "platform of the image"),                                             \
	OPT_UINT(T, preserve_fds, "preserve-fds", 0, "N", "pass N more file descriptors, from 3 on"),                           \
	OPT_FLAG(T, privileged, "privileged", 0, "all capabilities and devices, nothing hidden or read-only"),                  \
	OPT_LIST(T, publish, "publish", 'p', "[IP:][HOST:]PORT", "make a port reachable from outside (may be repeated)"),       \
	OPT_FLAG(T, publish_all, "publish-all", 'P', "publish every exposed port on a free port"),                              \
	OPT_STRING(T, pull, "pull", 0, "POLICY", "missing, always, newer or never (missing)"),                                  \
	OPT_FLAG(T, quiet, "quiet", 'q', "show no progress of a pull"),                                                         \
	OPT_FLAG(T, read_only, "read-only", 0, "root file system read-only"),                                                   \
	OPT_FLAG(T, read_only_tmpfs, "read-only-tmpfs", 0, "with --read-only: tmpfs on /run, /tmp and /var/tmp (true)"),        \
	OPT_FLAG(T, replace, "replace", 0, "remove a container that has the name"),                                             \
	OPT_STRING(T, restart, "restart", 0, "POLICY", "no, on-failure[:N], always or unless-stopped (no)"),                    \
	OPT_FLAG(T, rm, "rm", 0, "remove the container when it exits"),                                                         \
	OPT_STRING(T, runtime, "runtime", 0, "NAME", "brig-oci, or brig-vm for the same as --vm"),                              \
	OPT_STRING(T, sdnotify, "sdnotify", 0, "MODE", "with --detach, tell systemd when it runs: conmon, or ignore (ignore)"),  \
	OPT_LIST(T, secret, "secret", 0, "NAME[,KEY=VALUE...]", "a secret as a file or variable: type=mount|env, target, uid, gid, mode"),\
	OPT_LIST(T, security_opt, "security-opt", 0, "OPTION", "seccomp=, apparmor=, label=, no-new-privileges, mask=, unmask="), \
	OPT_STRING(T, shm_size, "shm-size", 0, "SIZE", "size of /dev/shm (64m)"),                                               \
	OPT_STRING(T, stop_signal, "stop-signal", 0, "SIGNAL", "signal for stop (SIGTERM)"),                                    \
	OPT_UINT(T, stop_timeout, "stop-timeout", 0, "SECONDS", "how long stop waits before it kills (10)"),                    \
	OPT_STRING(T, subgidname, "subgidname", 0, "NAME", "group ids of the user namespace: the ranges of NAME in /etc/subgid"),\
	OPT_STRING(T, subuidname, "subuidname", 0, "NAME", "user ids of the user namespace: the ranges of NAME in /etc/subuid"),\
	OPT_STRING(T, systemd, "systemd", 0, "MODE", "set up for systemd: true (if it is systemd or init), always, false (true)"),\
	OPT_LIST(T, sysctl, "sysctl", 0, "KEY=VALUE", "kernel parameter of the namespaces"),                                    \
	OPT_UINT(T, timeout, "timeout", 0, "SECONDS", "kill the container after this time"),                                    \
	OPT_STRING(T, tls_verify, "tls-verify", 0, "BOOL", "check the registry's certificate (true)"),                          \
	OPT_LIST(T, tmpfs, "tmpfs", 0, "PLACE[:OPTIONS]", "tmpfs mount (may be repeated)"),                                     \
	OPT_FLAG(T, tty, "tty", 't', "give the process a terminal"),                                                            \
	OPT_STRING(T, tz, "tz", 0, "ZONE", "time zone, or local"),                                                              \
	OPT_LIST(T, uidmap, "uidmap", 0, "INSIDE:OUTSIDE:N", "map of user ids in a user namespace"),                            \
	OPT_LIST(T, ulimit, "ulimit", 0, "NAME=SOFT[:HARD]", "resource limit, or host"),                                        \
	OPT_STRING(T, umask, "umask", 0, "MODE", "umask of the process (0022)"),                                                \
	OPT_LIST(T, unsetenv, "unsetenv", 0, "NAME", "take a variable of the image away"),                                      \
	OPT_FLAG(T, unsetenv_all, "unsetenv-all", 0, "take all variables of the image away"),                                   \
	OPT_STRING(T, user, "user", 'u', "USER[:GROUP]", "user of the process"),                                                \
	OPT_STRING(T, userns, "userns", 0, "MODE", "user namespace: host, auto, keep-id, nomap, container:NAME or ns:PATH (host)"),             \
	OPT_STRING(T, uts, "uts", 0, "MODE", "host name's namespace: private, host, container:NAME or ns:PATH"),                \
	OPT_STRING(T, variant, "variant", 0, "VARIANT", "variant of the architecture, as in --platform"),                      \
	OPT_FLAG(T, vm, "vm", 0, "run in a virtual machine of its own"),                                                        \
	OPT_LIST(T, volume, "volume", 'v', "[SOURCE:]PLACE[:OPTIONS]", "volume or directory of the host (may be repeated)"),    \
	OPT_LIST(T, volumes_from, "volumes-from", 0, "CONTAINER", "the volumes of another container"),                          \
	OPT_STRING(T, workdir, "workdir", 'w', "DIR", "working directory"),                                                     \
	OPT_STRING(T, volume_driver, "volume-driver", 0, "NAME", NULL),                                                         \
	OPT_SIZE(T, kernel_memory, "kernel-memory", 0, "SIZE", NULL),                                                           \
	OPT_STRING(T, isolation, "isolation", 0, "NAME", NULL), OPT_STRING(T, pod, "pod", 0, "NAME", NULL),                     \
	OPT_LIST(T, link, "link", 0, "CONTAINER", NULL), OPT_LIST(T, storage_opt, "storage-opt", 0, "OPTION", NULL),            \
	OPT_FLAG(T, disable_content_trust, "disable-content-trust", 0, NULL)
/* clang-format on */
const struct option_row run_option_rows[] = { CLIENT_ROWS, COMMON_ROWS, OPT_END };
const struct option_row create_option_rows[] = { COMMON_ROWS, OPT_END };
#undef T

const struct run_options run_option_defaults = { .sig_proxy = true, .read_only_tmpfs = true, .stop_timeout = UINT32_MAX };

/* ---- words ---- */

static void add_word(struct arena *a, struct strlist *l, const struct option_row *row, const char *value)
{
	AUTO_FREE char *word = xasprintf("--%s=%s", row->name, value);

	strlist_add(a, l, word);
}

static void add_number(struct arena *a, struct strlist *l, const struct option_row *row, bool set, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", value);
	if (set)
		add_word(a, l, row, text);
}

void options_to_words(const struct option_row *rows, const void *target, const void *defaults, struct arena *a, struct strlist *ret)
{
	for (const struct option_row *row = rows; row->kind != OPTION_END; row++) {
		const void *at = (const char *)target + row->offset, *was = (const char *)defaults + row->offset;
		const struct option_list *l = at;

		if (!row->help) /* the row above has it */
			continue;
		switch (row->kind) {
		case OPTION_FLAG:
			if (*(const bool *)at != *(const bool *)was)
				add_word(a, ret, row, *(const bool *)at ? "true" : "false");
			break;
		case OPTION_STRING:
			if (*(const char *const *)at)
				add_word(a, ret, row, *(const char *const *)at);
			break;
		case OPTION_LIST:
			for (size_t i = 0; i < l->n; i++)
				add_word(a, ret, row, l->v[i]);
			break;
		case OPTION_UINT:
			add_number(a, ret, row, *(const unsigned *)at != *(const unsigned *)was, *(const unsigned *)at);
			break;
		case OPTION_I64:
		case OPTION_SIZE:
			add_number(a, ret, row, ((const struct opt_i64 *)at)->set, (long long)((const struct opt_i64 *)at)->v);
			break;
		case OPTION_U64:
			add_number(a, ret, row, ((const struct opt_u64 *)at)->set, (long long)((const struct opt_u64 *)at)->v);
			break;
		case OPTION_U32:
			add_number(a, ret, row, ((const struct opt_u32 *)at)->set, ((const struct opt_u32 *)at)->v);
			break;
		case OPTION_IGNORE:
		case OPTION_END:
			break;
		}
	}
}

/* ---- files ---- */

int read_env_file(const char *path, struct arena *a, struct strlist *ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	int r = fd_read_file(AT_FDCWD, path, 4 << 20, &text, NULL);

	if (r < 0)
		return err_sys(err, r, "read '%s'", path);
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		size_t n = strlen(line);

		if (n && line[n - 1] == '\r')
			line[n - 1] = '\0';
		while (isspace((unsigned char)*line))
			line++;
		if (!*line || *line == '#')
			continue;
		if (*line == '=')
			return err_set(err, EINVAL, "'%s': line '%.100s' has no name", path, line);
		strlist_add(a, ret, line);
	}
	return 0;
}

/* Variables that have no value here and now are left out, as docker and podman do. */
static void add_variables(const struct strlist *from, struct arena *a, struct strlist *env)
{
	for (size_t i = 0; i < from->n; i++) {
		const char *word = from->v[i], *value;
		size_t n = strlen(word);

		if (strchr(word, '=')) {
			strlist_add(a, env, word);
		} else if (n && word[n - 1] == '*') { /* podman: every variable whose name begins so */
			for (char **e = environ; *e; e++) {
				if (strncmp(*e, word, n - 1) == 0)
					strlist_add(a, env, *e);
			}
		} else if ((value = getenv(word))) {
			AUTO_FREE char *full = xasprintf("%s=%s", word, value);

			strlist_add(a, env, full);
		}
	}
}

static bool is_proxy(const char *variable)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", NULL };
	size_t n = strcspn(variable, "=");
	bool hit = false;

	for (const char *const *p = names; *p; p++)
		hit |= strlen(*p) == n && strncasecmp(*p, variable, n) == 0;
	return hit;
}

static int gather_env(const struct run_options *o, struct arena *a, struct strlist *env, struct err *err)
{
	struct strlist words = { 0 };
	int r = 0;

	for (char **e = environ; *e; e++) {
		if (o->env_host || (o->http_proxy && is_proxy(*e)))
			strlist_add(a, &words, *e);
	}
	for (size_t i = 0; i < o->env_file.n && r == 0; i++)
		r = read_env_file(o->env_file.v[i], a, &words, err);
	if (r < 0)
		return err_wrap(err, "--env-file");
	for (size_t i = 0; i < o->env.n; i++) {
		if (!*o->env.v[i] || o->env.v[i][0] == '=')
			return err_set(err, EINVAL, "--env '%s': the name of the variable is missing", o->env.v[i]);
		strlist_add(a, &words, o->env.v[i]);
	}
	add_variables(&words, a, env);
	return 0;
}

static int gather_labels(const struct run_options *o, struct arena *a, struct strlist *labels, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < o->label_file.n && r == 0; i++)
		r = read_env_file(o->label_file.v[i], a, labels, err);
	for (size_t i = 0; i < o->label.n; i++)
		strlist_add(a, labels, o->label.v[i]);
	return r < 0 ? err_wrap(err, "--label-file") : 0;
}

static struct option_list as_option_list(const struct strlist *l)
{
	struct option_list out = { .n = l->n };

	if (l->n)
		memcpy(&out.v, &l->v, sizeof(out.v));
	return out;
}

int run_options_freeze(const struct run_options *o, struct arena *a, struct strlist *ret, struct err *err)
{
	struct strlist env = { 0 }, labels = { 0 };
	struct run_options x = *o;
	int r = gather_env(o, a, &env, err);

	if (r == 0)
		r = gather_labels(o, a, &labels, err);
	if (r < 0)
		return r;
	x.env = as_option_list(&env);
	x.label = as_option_list(&labels);
	x.env_file = x.label_file = (struct option_list){ 0 };
	x.env_host = x.http_proxy = false;
	options_to_words(run_option_rows, &x, &run_option_defaults, a, ret);
	return 0;
}

int run_options_thaw(const struct strlist *words, struct run_options *ret, struct err *err)
{
	static char *none[] = { NULL };
	struct option_result parsed = { 0 };
	int r;

	*ret = run_option_defaults;
	r = options_parse_posix(run_option_rows, true, words->n ? words->v : none, ret, &parsed, err);
	option_result_done(&parsed);
	if (r < 0)
		run_options_done(ret);
	return r;
}

void run_options_done(struct run_options *o)
{
	options_release(run_option_rows, o);
}

/* ---- what does not go together ---- */

static int check_word(const char *flag, const char *value, const char *const *allowed, struct err *err)
{
	AUTO_BUF struct buf names = { 0 };

	for (const char *const *w = allowed; value && *w; w++) {
		/* a word that ends with ':' takes something behind it */
		if (str_ends(*w, ":") ? str_starts(value, *w) && value[strlen(*w)] : str_eq(value, *w))
			return 0;
		if (**w)
			buf_addf(&names, "%s%s", names.len ? ", " : "", *w);
	}
	return value ? err_set(err, EINVAL, "invalid argument \"%s\" for \"--%s\" flag: must be one of %s", value, flag, names.p) : 0;
}

static int check_words(const struct run_options *o, struct err *err)
{
	static const char *const pull[] = { "missing", "always", "newer", "never", "ifnewer", "ifmissing", "true", "false", NULL };
	static const char *const restart[] = { "no", "on-failure", "on-failure:", "always", "unless-stopped", "", NULL };
	static const char *const log[] = { "k8s-file", "json-file", "json", "none", "passthrough", "journald", NULL };
	static const char *const ns[] = { "private", "host", "container:", "ns:", "", NULL };
	static const char *const ipc[] = { "private", "host", "container:", "ns:", "shareable", "none", "", NULL };
	static const char *const userns[] = { "host",  "private", "auto", "auto:", "keep-id", "keep-id:", "nomap",
					      "ns:", "container:", "", NULL };
	static const char *const volume[] = { "anonymous", "bind", "tmpfs", "ignore", NULL };
	static const char *const cgroups[] = { "enabled", "disabled", "no-conmon", NULL };
	static const char *const systemd[] = { "true", "false", "always", NULL };
	static const char *const drivers[] = { "local", "", NULL }, *const isolations[] = { "default", "", NULL };
	static const char *const sdnotify[] = { "conmon", "ignore", "container", NULL };
	static const char *const on_failure[] = { "none", "kill", "restart", "stop", "", NULL };
	static const char *const runtimes[] = { "brig-oci", "brig-vm", "namespaces", "vm", NULL };
	const struct {
		const char *flag, *value;
		const char *const *allowed;
	} checks[] = {
		{ "pull", o->pull, pull },	   { "restart", o->restart, restart }, { "log-driver", o->log_driver, log },
		{ "pid", o->pid, ns },		   { "uts", o->uts, ns },	       { "cgroupns", o->cgroupns, ns },
		{ "ipc", o->ipc, ipc },		   { "userns", o->userns, userns },    { "image-volume", o->image_volume, volume },
		{ "cgroups", o->cgroups, cgroups }, { "runtime", o->runtime, runtimes },
		{ "systemd", o->systemd, systemd }, { "volume-driver", o->volume_driver, drivers }, { "isolation", o->isolation, isolations },
		{ "sdnotify", o->sdnotify, sdnotify }, { "health-on-failure", o->health_on_failure, on_failure },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(checks) && r == 0; i++)
		r = check_word(checks[i].flag, checks[i].value, checks[i].allowed, err);
	return r;
}

/* What docker or podman have and brig has not, with what to do instead. */
static int check_absent(const struct run_options *o, struct err *err)
{
	if (o->kernel_memory.set && o->kernel_memory.v > 0)
		return err_set(err, ENOTSUP, "--kernel-memory: kernels have no such limit any more; --memory counts the kernel's memory, too");
	if (o->pod && *o->pod)
		return err_set(err, ENOTSUP, "--pod: brig has no pods; --network, --ipc and --pid container:NAME share namespaces");
	if (o->sdnotify && str_eq(o->sdnotify, "container"))
		return err_set(err, ENOTSUP, "--sdnotify container: brig passes no NOTIFY_SOCKET on; --sdnotify conmon tells when it runs");
	if (o->link.n)
		return err_set(err, ENOTSUP, "--link: give both containers the same --network: they find each other by name there");
	if (o->storage_opt.n)
		return err_set(err, ENOTSUP, "--storage-opt '%s': brig's store has no options for one container", o->storage_opt.v[0]);
	return 0;
}

bool run_options_vm(const struct run_options *o)
{
	return o->vm || (o->runtime && (str_eq(o->runtime, "brig-vm") || str_eq(o->runtime, "vm")));
}

/* A machine has a kernel of its own: what root may do in there says nothing of the host. */
static int check_vm(const struct run_options *o, struct err *err)
{
	const char *mode = o->userns;
	bool ids = (mode && *mode && !str_eq(mode, "host") && !str_eq(mode, "private")) || o->uidmap.n || o->gidmap.n || o->subuidname || o->subgidname;

	if (run_options_vm(o) && ids)
		return err_set(err, ENOTSUP, "--userns, --uidmap and --gidmap do not go with --vm: the machine isolates its users without");
	return 0;
}

static int check_security(const struct run_options *o, struct err *err)
{
	static const char *const keys[] = { "seccomp", "no-new-privileges", "label", "apparmor", "mask", "unmask", "systempaths", "proc-opts", NULL };

	for (size_t i = 0; i < o->security_opt.n; i++) {
		const char *s = o->security_opt.v[i];
		size_t n = strcspn(s, "=:");
		bool known = false;

		for (const char *const *k = keys; *k; k++)
			known |= strlen(*k) == n && strncmp(*k, s, n) == 0;
		if (!known)
			return err_set(err, EINVAL, "--security-opt '%s': must be seccomp=, no-new-privileges, label=, apparmor=, mask=, unmask=, "
						    "systempaths= or proc-opts=", s);
	}
	return 0;
}

int run_options_check(const struct run_options *o, struct err *err)
{
	int64_t size;
	int r = check_words(o, err);

	if (r == 0)
		r = check_absent(o, err);
	if (r == 0)
		r = check_vm(o, err);
	if (r == 0)
		r = check_security(o, err);

	if (r == 0 && o->name)
		r = record_check_name(o->name, err);
	if (r < 0)
		return r;
	if (o->gpus)
		return err_set(err, ENOTSUP, "--gpus: brig does not set up GPUs; give the container their device nodes with --device, and the "
					     "driver's files with --volume");
	if (o->rm && o->restart && *o->restart && !str_eq(o->restart, "no"))
		return err_set(err, EINVAL, "--rm and --restart %s contradict each other", o->restart);
	if (o->workdir && o->workdir[0] != '/')
		return err_set(err, EINVAL, "--workdir '%s': must be an absolute path", o->workdir);
	if (o->stop_signal && str_to_signal(o->stop_signal) <= 0)
		return err_set(err, EINVAL, "--stop-signal '%s': not a signal", o->stop_signal);
	if (o->shm_size && option_size(o->shm_size, &size) < 0)
		return err_set(err, EINVAL, "--shm-size '%s': must be a size such as 64m", o->shm_size);
	if (o->hostname && strlen(o->hostname) > 64)
		return err_set(err, EINVAL, "--hostname '%s': longer than 64 bytes", o->hostname);
	if (o->replace && !o->name)
		return err_set(err, EINVAL, "--replace needs --name");
	if (o->uts && str_eq(o->uts, "host") && o->hostname)
		return err_set(err, EINVAL, "--hostname cannot be set in the host's uts namespace (--uts host)");
	if (o->cidfile && access(o->cidfile, F_OK) == 0)
		return err_set(err, EEXIST, "--cidfile '%s' exists already. Make sure that no other container uses it, or remove it", o->cidfile);
	return 0;
}
