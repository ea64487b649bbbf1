/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/keeper_internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_GUEST_OUT	 (40u << 20)
#define BOOT_MS		 120000 /* a host that is itself a machine may take long */
#define BOOT_EMULATED_MS 180000
#define KILL_MS		 1000  /* after SIGKILL the guest has this long */
#define DRAIN_MS	 10000 /* after the exit: output that nobody takes, or that never ends */
#define QUIET_MS	 2000  /* ... and a stream that is held open without a byte */
#define SHUTDOWN_MS	 3000

int64_t keeper_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void keeper_expect_death(struct keeper *k)
{
	if (!k->kill_at)
		k->kill_at = keeper_now_ms() + KILL_MS;
}

/* ---- ways to the end ---- */

static void console_tail(const struct keeper *k, char *out, size_t n)
{
	const char *end = k->console + k->console_n, *p = end;
	size_t len;

	/* The last line that has something on it. */
	while (p > k->console && strchr("\r\n ", p[-1]))
		p--;
	end = p;
	while (p > k->console && p[-1] != '\n')
		p--;
	len = (size_t)(end - p) < n ? (size_t)(end - p) : n - 1;
	memcpy(out, p, len);
	out[len] = '\0';
}

/* Before the container was created the parent hears of it, later the log does. */
static void fail(struct keeper *k, const struct err *e)
{
	struct err err = *e;

	err_sanitize(&err);
	if (k->state < KEEPER_CREATED && k->sync_fd >= 0)
		sync_fail(k->sync_fd, &err);
	else
		log_error("vm-mode: container '%s': %s", k->config->container, err.msg);
	if (k->state < KEEPER_EXITED)
		k->code = 255;
	k->state = KEEPER_END;
}

static void machine_ended(struct keeper *k)
{
	struct err err = { 0 };
	char tail[160];

	if (k->state >= KEEPER_EXITED) {
		k->state = KEEPER_END;
		return;
	}
	console_tail(k, tail, sizeof(tail));
	(void)err_set(&err, EIO, "the guest ended before the container did%s%s%s%s", k->config->machine->end[0] ? ": " : "",
		      k->config->machine->end, tail[0] ? "; its console: " : "", tail);
	if (k->kill_at) { /* it was killed: this is the end that was asked for */
		k->code = 137;
		k->state = KEEPER_END;
		return;
	}
	fail(k, &err);
}

static void request(struct keeper *k, uint16_t type, uint32_t id, const void *p, size_t n)
{
	struct err err = { 0 };

	if (switch_request(k, type, id, p, n) < 0) {
		(void)err_set(&err, ENOBUFS, "the guest does not read what it is sent");
		fail(k, &err);
	}
}

static void shut_down(struct keeper *k)
{
	k->state = KEEPER_SHUTDOWN;
	k->end_at = keeper_now_ms() + SHUTDOWN_MS;
	request(k, PROTO_SHUTDOWN, 0, NULL, 0);
}

/* ---- the guest ---- */

static void answer_hello(struct keeper *k, const struct frame *f)
{
	AUTO_BUF struct buf b = { 0 };
	struct proto_hello theirs, ours = { .magic = PROTO_MAGIC, .version = PROTO_VERSION, .program = k->config->program };
	uint8_t seed[64];
	struct timespec now;
	struct err err = { 0 };

	if (proto_unpack_hello(f->data, f->len, k->config->program, &theirs, &err) < 0) {
		fail(k, &err);
		return;
	}
	log_debug("guest: kernel %s, %s, %u CPUs, %llu MiB, agent up %llu ms after its kernel", theirs.kernel, theirs.program, theirs.cpus,
		  (unsigned long long)(theirs.memory_bytes >> 20), (unsigned long long)(theirs.boot_ns / 1000000));
	(void)clock_gettime(CLOCK_REALTIME, &now);
	ours.time_sec = (uint64_t)now.tv_sec;
	ours.time_nsec = (uint32_t)now.tv_nsec;
	if (getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed)) {
		ours.seed = seed;
		ours.seed_n = sizeof(seed);
	}
	proto_pack_hello(&b, &ours);
	if (frame_send(&k->out, PROTO_HELLO, 0, 0, 0, b.p, b.len) < 0) {
		(void)err_set(&err, ENOBUFS, "cannot greet the guest");
		fail(k, &err);
		return;
	}
	if (k->config->net) {
		AUTO_BUF struct buf net = { 0 };

		proto_pack_text(&net, k->config->net);
		request(k, PROTO_NET, 0, net.p, net.len);
	}
	k->state = KEEPER_CREATE;
	k->end_at = 0;
	request(k, PROTO_CREATE, KEEPER_INIT_ID, k->config->create.p, k->config->create.len);
}

static void own_answer(struct keeper *k, const struct pending *p, const struct frame *f)
{
	struct err theirs = { 0 }, err = { 0 };

	if (f->type == PROTO_ERROR && proto_unpack_error(f->data, f->len, &theirs, &err) < 0) {
		fail(k, &err);
		return;
	}
	if (p->type == PROTO_SHUTDOWN) {
		k->state = KEEPER_END;
	} else if (p->type == PROTO_CREATE || p->type == PROTO_NET) {
		if (f->type == PROTO_ERROR) {
			fail(k, &theirs);
		} else if (p->type == PROTO_CREATE) {
			k->state = KEEPER_CREATED;
			if (sync_send(k->sync_fd, SYNC_READY, NULL, 0, -1) < 0)
				k->state = KEEPER_END;
		}
	}
}

static void init_exited(struct keeper *k, const struct frame *f)
{
	struct proto_exit m;
	struct err err = { 0 };

	if (proto_unpack_exit(f->data, f->len, &m, &err) < 0) {
		fail(k, &err);
		return;
	}
	k->code = (int)(m.code & 255);
	k->state = KEEPER_EXITED;
	k->end_at = keeper_now_ms() + QUIET_MS;
}

static void guest_event(struct keeper *k, const struct frame *f)
{
	struct proto_log m;
	struct err err = { 0 };

	if (f->type == PROTO_HELLO) {
		if (k->state == KEEPER_BOOT)
			answer_hello(k, f);
	} else if (f->type == PROTO_LOG) {
		if (proto_unpack_log(f->data, f->len, &m, &err) == 0 && m.level <= LOG_LEVEL_DEBUG && m.level <= (unsigned)log_get_level()) {
			(void)err_set(&err, EIO, "%s", m.text);
			err_sanitize(&err);
			log_msg((enum log_level)m.level, "guest: %s", err.msg);
		}
	} else if (f->type == PROTO_EXIT) {
		init_exited(k, f);
	} else {
		k->last_output += f->len;
		if (stdio_frame(&k->stdio, &k->out, f, &err) < 0)
			fail(k, &err);
	}
}

static void guest_input(struct keeper *k)
{
	ssize_t n = frame_reader_fill(&k->in, k->config->machine->agent_fd);
	struct err err = { 0 };
	struct pending own;
	struct frame f;
	int r;

	if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR && n != -ENOBUFS)) {
		/* The port's other end is QEMU or a monitor thread: the machine's own event tells more. */
		machine_event(k->config->machine);
		if (k->config->machine->ended) {
			machine_ended(k);
			return;
		}
		(void)err_sys(&err, n ? (int)n : -EPIPE, "the connection to the guest");
		fail(k, &err);
		return;
	}
	while ((r = frame_next(&k->in, &f, &err)) > 0 && k->state != KEEPER_END) {
		if (switch_guest_frame(k, &f, &own))
			continue;
		if (own.own)
			own_answer(k, &own, &f);
		else
			guest_event(k, &f);
	}
	if (r < 0) {
		(void)err_wrap(&err, "guest");
		fail(k, &err);
	}
}

/* ---- the other ends ---- */

static void parent_input(struct keeper *k)
{
	struct err err;
	int r = sync_recv(k->sync_fd, 1u << 0 | 1u << SYNC_READY, NULL, NULL, NULL, &err);

	if (r == SYNC_READY) {
		k->committed = true;
	} else if (!k->committed) {
		log_debug("the runtime went away before the container was created");
		k->state = KEEPER_END;
	}
	if (r <= 0 || k->committed)
		fd_close(&k->sync_fd);
}

static void send_kill(struct keeper *k, uint32_t signal)
{
	AUTO_BUF struct buf b = { 0 };

	proto_pack_kill(&b, &(struct proto_kill){ .container = k->config->container, .signal = signal });
	request(k, PROTO_KILL, KEEPER_INIT_ID, b.p, b.len);
}

static void on_signal(struct keeper *k, uint32_t sig)
{
	if (sig == SIGCHLD) {
		/* The machine's own children are waited for by it: look without taking. Hooks' children are nobody's. */
		machine_event(k->config->machine);
		return;
	}
	if (k->state < KEEPER_CREATED) {
		if (sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT)
			k->state = KEEPER_END;
		return;
	}
	if (k->state > KEEPER_RUNNING)
		return;
	if (sig == SIGWINCH && k->config->tty_fd >= 0) {
		AUTO_BUF struct buf b = { 0 };
		struct proto_window_size size = stdio_window_size(k->config->tty_fd);

		proto_pack_resize(&b, &size);
		request(k, PROTO_RESIZE, KEEPER_INIT_ID, b.p, b.len);
		return;
	}
	send_kill(k, sig);
}

static void read_signals(struct keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		on_signal(k, info.ssi_signo);
}

/* The kernel's words come byte by byte; the log wants lines. */
static void log_console_lines(struct keeper *k, size_t fresh)
{
	const char *p = k->console + k->console_n - fresh;

	for (const char *end; (end = memchr(p, '\n', (size_t)(k->console + k->console_n - p))); p = end + 1) {
		const char *start = end;

		while (start > k->console && start[-1] != '\n')
			start--;
		if (end > start + 1)
			log_debug("guest console: %.*s", (int)(end - start - 1), start);
	}
}

static void read_console(struct keeper *k)
{
	char data[1024];
	ssize_t n = read(k->config->machine->log_fd, data, sizeof(data));
	size_t keep;

	if (n <= 0)
		return;
	keep = k->console_n + (size_t)n > sizeof(k->console) ? sizeof(k->console) - (size_t)n : k->console_n;
	memmove(k->console, k->console + k->console_n - keep, keep);
	memcpy(k->console + keep, data, (size_t)n);
	k->console_n = keep + (size_t)n;
	if (log_get_level() >= LOG_LEVEL_DEBUG)
		log_console_lines(k, (size_t)n);
}

/* Whoever looks whether the gate is there learns that by being let in; there is nothing to say. */
static void close_visitor(int gate_fd)
{
	AUTO_CLOSE int fd = accept4(gate_fd, NULL, NULL, SOCK_CLOEXEC);

	(void)fd;
}

/* ---- the loop ---- */

enum { ON_GUEST, ON_MACHINE, ON_CONSOLE, ON_PARENT, ON_CONTROL, ON_GATE, ON_SIGNAL, ON_STDIO, ON_CLIENTS = ON_STDIO + STDIO_POLLS };

static void set_poll(const struct keeper *k, struct pollfd *p)
{
	const struct machine *m = k->config->machine;
	bool busy = frame_writer_waiting(&k->out) > (1u << 20); /* the guest is slow: take nothing more for it */

	p[ON_GUEST] = (struct pollfd){ .fd = m->agent_fd,
				       .events = (short)(POLLIN | (frame_writer_waiting(&k->out) ? POLLOUT : 0)) };
	p[ON_MACHINE] = (struct pollfd){ .fd = m->event_fd, .events = POLLIN };
	p[ON_CONSOLE] = (struct pollfd){ .fd = m->log_fd, .events = POLLIN };
	p[ON_PARENT] = (struct pollfd){ .fd = k->sync_fd, .events = POLLIN };
	p[ON_CONTROL] = (struct pollfd){ .fd = k->config->control_fd, .events = POLLIN };
	p[ON_GATE] = (struct pollfd){ .fd = k->gate_fd, .events = POLLIN };
	p[ON_SIGNAL] = (struct pollfd){ .fd = k->signal_fd, .events = POLLIN };
	stdio_poll(&k->stdio, &k->out, p + ON_STDIO);
	if (k->state != KEEPER_RUNNING)
		p[ON_STDIO].fd = -1; /* what is typed before the start, or after the end, is not ours */
	for (size_t i = 0; i < k->n_clients; i++)
		p[ON_CLIENTS + i] = (struct pollfd){
			.fd = k->clients[i]->fd,
			.events = (short)((busy ? 0 : POLLIN) | (frame_writer_waiting(&k->clients[i]->out) ? POLLOUT : 0)),
		};
}

static void dispatch(struct keeper *k, const struct pollfd *p, size_t n_clients)
{
	struct err err = { 0 };

	if (p[ON_CONSOLE].revents)
		read_console(k);
	if (p[ON_GUEST].revents & (POLLIN | POLLHUP | POLLERR))
		guest_input(k);
	if (p[ON_MACHINE].revents)
		machine_event(k->config->machine);
	if (p[ON_PARENT].revents)
		parent_input(k);
	if (p[ON_GATE].revents)
		close_visitor(k->gate_fd);
	if (p[ON_SIGNAL].revents)
		read_signals(k);
	if (stdio_work(&k->stdio, &k->out, p + ON_STDIO, &err) < 0)
		fail(k, &err);
	for (size_t i = 0; i < n_clients; i++)
		if (p[ON_CLIENTS + i].revents & (POLLIN | POLLHUP | POLLERR))
			switch_client_input(k, k->clients[i]);
	if (p[ON_CONTROL].revents)
		switch_accept(k, k->config->control_fd);
	switch_flush(k);
	if (k->config->machine->agent_fd >= 0 && frame_writer_flush(&k->out, k->config->machine->agent_fd) < 0)
		machine_event(k->config->machine);
	if (k->config->machine->ended && k->state != KEEPER_END)
		machine_ended(k);
}

/* What has become due. Returns how long to wait at most; -1: for ever. */
static int64_t timers(struct keeper *k)
{
	int64_t now = keeper_now_ms(), next = -1;
	struct err err = { 0 };

	if (k->state == KEEPER_EXITED && stdio_drained(&k->stdio))
		shut_down(k);
	if (k->kill_at && now >= k->kill_at && k->state < KEEPER_EXITED) {
		k->code = 137;
		k->state = KEEPER_END;
	}
	if (k->end_at && now >= k->end_at) {
		if (k->state == KEEPER_BOOT) {
			(void)err_set(&err, ETIMEDOUT, "the guest did not start in time");
			fail(k, &err);
		} else if (k->state == KEEPER_EXITED && stdio_waiting(&k->stdio) && now < k->end_at + DRAIN_MS) {
			next = 200; /* a slow reader */
		} else if (k->state == KEEPER_EXITED) {
			shut_down(k);
		} else if (k->state == KEEPER_SHUTDOWN) {
			k->state = KEEPER_END;
		}
	}
	if (k->kill_at && k->state < KEEPER_EXITED)
		next = k->kill_at - now;
	if (k->end_at && k->end_at > now && (next < 0 || k->end_at - now < next))
		next = k->end_at - now;
	return next;
}

static int take_signals(struct keeper *k)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(&all, faults[i]);
	if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
		return -errno;
	k->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->signal_fd < 0 ? -errno : 0;
}

static void loop(struct keeper *k)
{
	AUTO_FREE struct pollfd *p = NULL;

	while (k->state != KEEPER_END) {
		int64_t wait = timers(k);
		size_t n = k->n_clients;

		if (k->state == KEEPER_END)
			break;
		p = xreallocarray(p, ON_CLIENTS + n, sizeof(*p));
		set_poll(k, p);
		if (poll(p, ON_CLIENTS + n, (int)wait) < 0) {
			if (errno != EINTR)
				break;
			continue;
		}
		dispatch(k, p, n);
	}
}

int keeper_main(struct keeper_config *c)
{
	struct keeper k = { .config = c, .signal_fd = -1, .sync_fd = c->sync_fd, .gate_fd = c->gate_fd, .code = 255 };
	struct err err = { 0 };

	if (take_signals(&k) < 0 || frame_reader_init(&k.in, PROTO_TO_HOST) < 0) {
		(void)err_set(&err, ENOMEM, "set up the machine's loop");
		fail(&k, &err);
	}
	frame_writer_init(&k.out, MAX_GUEST_OUT);
	stdio_init(&k.stdio, KEEPER_INIT_ID, c->tty_fd);
	k.last_id = KEEPER_INIT_ID;
	k.end_at = keeper_now_ms() + (c->emulated ? BOOT_EMULATED_MS : BOOT_MS);
	loop(&k);
	switch_done(&k);
	stdio_done(&k.stdio);
	frame_reader_done(&k.in);
	frame_writer_done(&k.out);
	fd_close(&k.signal_fd);
	return k.code;
}
