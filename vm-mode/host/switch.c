/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/host/keeper_internal.h"

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CLIENTS    4096
#define MAX_CLIENT_OUT (20u << 20) /* the longest reply, and the credit of its streams */
#define QUEUE_ENOUGH   (512u << 10)

/* ---- requests ---- */

static uint32_t next_seq(struct keeper *k)
{
	if (++k->last_seq == 0)
		k->last_seq = 1;
	return k->last_seq;
}

static struct pending *add_pending(struct keeper *k, uint16_t type)
{
	struct pending *p;

	k->pending = xreallocarray(k->pending, k->n_pending + 1, sizeof(*k->pending));
	p = &k->pending[k->n_pending++];
	*p = (struct pending){ .seq = next_seq(k), .type = type };
	return p;
}

int switch_request(struct keeper *k, uint16_t type, uint32_t id, const void *p, size_t n)
{
	struct pending *q = add_pending(k, type);

	q->own = true;
	return frame_send(&k->out, type, 0, id, q->seq, p, n);
}

static bool take_pending(struct keeper *k, uint32_t seq, struct pending *ret)
{
	for (size_t i = 0; i < k->n_pending; i++) {
		if (k->pending[i].seq != seq)
			continue;
		*ret = k->pending[i];
		k->pending[i] = k->pending[--k->n_pending];
		return true;
	}
	return false;
}

/* ---- processes ---- */

static struct proc *find_proc(struct keeper *k, uint32_t id)
{
	for (size_t i = 0; i < k->n_procs; i++)
		if (k->procs[i].id == id)
			return &k->procs[i];
	return NULL;
}

static struct proc *find_client_proc(struct keeper *k, const struct client *c, uint32_t client_id)
{
	for (size_t i = 0; i < k->n_procs; i++)
		if (k->procs[i].client == c && k->procs[i].client_id == client_id)
			return &k->procs[i];
	return NULL;
}

static void remove_proc(struct keeper *k, uint32_t id)
{
	struct proc *p = find_proc(k, id);

	if (!p)
		return;
	free(p->container);
	*p = k->procs[--k->n_procs];
}

static uint32_t add_proc(struct keeper *k, struct client *c, uint32_t client_id, const char *container, bool is_init)
{
	do
		k->last_id++;
	while (k->last_id <= KEEPER_INIT_ID || find_proc(k, k->last_id));
	k->procs = xreallocarray(k->procs, k->n_procs + 1, sizeof(*k->procs));
	k->procs[k->n_procs++] = (struct proc){
		.id = k->last_id, .client = c, .client_id = client_id, .container = xstrdup(container), .is_init = is_init
	};
	return k->last_id;
}

/* The init of a container, or 0. */
static uint32_t init_of(struct keeper *k, const char *container)
{
	if (str_eq(container, k->config->container))
		return KEEPER_INIT_ID;
	for (size_t i = 0; i < k->n_procs; i++)
		if (k->procs[i].is_init && str_eq(k->procs[i].container, container))
			return k->procs[i].id;
	return 0;
}

/* ---- from a client ---- */

static int reply_error(struct client *c, const struct frame *f, int code, const char *text)
{
	struct err e = { 0 };

	(void)err_set(&e, code, "%s", text);
	return frame_send_error(&c->out, f->id, f->seq, &e);
}

/* The process that a request of a client means. 0 with *ret_id, or an error for the client. */
static int translate(struct keeper *k, struct client *c, const struct frame *f, uint32_t *ret_id)
{
	struct proto_kill m;
	struct err ignored;
	struct proc *p;

	*ret_id = 0;
	if (!f->id)
		return 0;
	p = find_client_proc(k, c, f->id);
	if (p) {
		*ret_id = p->id;
		return 0;
	}
	if (f->type != PROTO_KILL || f->id != KEEPER_INIT_ID)
		return -ESRCH;
	if (proto_unpack_kill(f->data, f->len, &m, &ignored) < 0)
		return -EPROTO;
	*ret_id = init_of(k, m.container);
	if (*ret_id == KEEPER_INIT_ID && m.signal == SIGKILL)
		keeper_expect_death(k);
	return *ret_id ? 0 : -ESRCH;
}

/* EXEC and CREATE make a process that belongs to this client. */
static int new_process(struct keeper *k, struct client *c, const struct frame *f, uint32_t *ret_id)
{
	bool is_init = f->type == PROTO_CREATE;
	struct proto_create create;
	struct proto_exec exec;
	struct err ignored;
	int r = is_init ? proto_unpack_create(f->data, f->len, &create, &ignored) : proto_unpack_exec(f->data, f->len, &exec, &ignored);

	if (r < 0 || find_client_proc(k, c, f->id) || (!is_init && f->id == KEEPER_INIT_ID))
		return -EPROTO;
	if (is_init && init_of(k, create.container))
		return -EEXIST;
	*ret_id = add_proc(k, c, f->id, is_init ? create.container : exec.container, is_init);
	return 0;
}

static int forward_request(struct keeper *k, struct client *c, const struct frame *f)
{
	bool makes = f->type == PROTO_EXEC || f->type == PROTO_CREATE;
	const char *container = "";
	struct err ignored;
	struct pending *p;
	uint32_t id = 0;
	int r;

	if (k->state < KEEPER_CREATED || k->state >= KEEPER_EXITED)
		return reply_error(c, f, ESRCH, "container not running");
	r = makes ? new_process(k, c, f, &id) : translate(k, c, f, &id);
	if (r == -ESRCH)
		return reply_error(c, f, ESRCH, "no such process");
	if (r < 0)
		return r;
	if (f->type == PROTO_START && proto_unpack_text(f->type, f->data, f->len, &container, &ignored) < 0)
		return -EPROTO;
	p = add_pending(k, f->type);
	p->client = c;
	p->client_seq = f->seq;
	p->id = makes ? id : 0;
	p->is_start = f->type == PROTO_START && str_eq(container, k->config->container);
	return frame_send(&k->out, f->type, 0, id, p->seq, f->data, f->len);
}

/* Streams and credit of a process that this client made; what comes too late for it is dropped. */
static int forward_stream(struct keeper *k, struct client *c, const struct frame *f)
{
	struct proc *p = find_client_proc(k, c, f->id);

	return p ? frame_send(&k->out, f->type, f->flags, p->id, 0, f->data, f->len) : 0;
}

/* The size of a machine that runs one container follows that container's limit; in a pod it is everybody's. */
static int on_balloon(struct keeper *k, struct client *c, const struct frame *f)
{
	struct proto_balloon m;
	struct err ignored;
	bool alone = true;

	if (proto_unpack_balloon(f->data, f->len, &m, &ignored) < 0)
		return -EPROTO;
	for (size_t i = 0; i < k->n_procs; i++)
		alone &= !k->procs[i].is_init;
	if (alone && str_eq(m.container, k->config->container))
		machine_balloon(k->config->machine, m.bytes ? m.bytes : UINT64_MAX);
	return frame_send(&c->out, PROTO_REPLY, 0, 0, f->seq, NULL, 0);
}

static int client_frame(struct keeper *k, struct client *c, const struct frame *f)
{
	struct proto_hello hello;
	struct err ignored;

	if (f->type == PROTO_HELLO)
		return proto_unpack_hello(f->data, f->len, k->config->program, &hello, &ignored);
	if (f->type == PROTO_STDIN || f->type == PROTO_WINDOW_UPDATE)
		return forward_stream(k, c, f);
	if (f->type == PROTO_SHUTDOWN)
		return reply_error(c, f, EPERM, "not for clients");
	if (f->type == PROTO_BALLOON)
		return on_balloon(k, c, f);
	return forward_request(k, c, f);
}

void switch_client_input(struct keeper *k, struct client *c)
{
	ssize_t n = frame_reader_fill(&c->in, c->fd);
	struct frame f;
	struct err err;
	int r = 0;

	if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR && n != -ENOBUFS)) {
		c->dead = true;
		return;
	}
	while (r == 0 && (r = frame_next(&c->in, &f, &err)) > 0)
		r = client_frame(k, c, &f);
	if (r < 0) {
		log_debug("a client of the machine broke the rules: %s", strerror(-r));
		c->dead = true;
	}
}

/* ---- from the guest ---- */

static void to_client(struct client *c, const struct frame *f, uint32_t id, uint32_t seq)
{
	if (c && !c->dead && frame_send(&c->out, f->type, f->flags, id, seq, f->data, f->len) < 0)
		c->dead = true; /* it does not read */
}

static bool guest_answer(struct keeper *k, const struct frame *f, struct pending *ret_own)
{
	struct pending p;

	if (!take_pending(k, f->seq, &p)) {
		log_warn("guest: an answer to no request");
		return true;
	}
	if (p.own) {
		*ret_own = p;
		return false;
	}
	if (p.is_start && f->type == PROTO_REPLY) {
		k->state = KEEPER_RUNNING;
		k->committed = true;
		fd_close(&k->gate_fd);
	}
	to_client(p.client, f, p.id ? 0 : f->id, p.client_seq);
	if (p.id && f->type == PROTO_ERROR)
		remove_proc(k, p.id);
	return true;
}

bool switch_guest_frame(struct keeper *k, const struct frame *f, struct pending *ret_own)
{
	struct proc *p;

	*ret_own = (struct pending){ 0 };
	if (f->type == PROTO_REPLY || f->type == PROTO_ERROR)
		return guest_answer(k, f, ret_own);
	if (f->type == PROTO_OOM) {
		for (size_t i = 0; i < k->n_clients; i++)
			to_client(k->clients[i], f, 0, 0);
		return true;
	}
	if (f->type == PROTO_LOG || f->type == PROTO_HELLO || f->id == KEEPER_INIT_ID)
		return false;
	p = find_proc(k, f->id);
	if (!p)
		return true;
	p->exited |= f->type == PROTO_EXIT;
	/* The output that an exited process left comes after its EXIT: the process is forgotten with its client. */
	to_client(p->client, f, p->client_id, 0);
	return true;
}

/* ---- clients ---- */

void switch_accept(struct keeper *k, int listen_fd)
{
	AUTO_CLOSE int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	AUTO_BUF struct buf hello = { 0 };
	struct client *c;

	if (fd < 0 || k->n_clients >= MAX_CLIENTS)
		return;
	c = xcalloc(1, sizeof(*c));
	if (frame_reader_init(&c->in, PROTO_TO_GUEST) < 0) {
		free(c);
		return;
	}
	frame_writer_init(&c->out, MAX_CLIENT_OUT);
	proto_pack_hello(&hello, &(struct proto_hello){ .magic = PROTO_MAGIC, .version = PROTO_VERSION, .program = k->config->program });
	if (frame_send(&c->out, PROTO_HELLO, 0, 0, 0, hello.p, hello.len) < 0)
		c->dead = true;
	c->fd = TAKE_FD(fd);
	k->clients = xreallocarray(k->clients, k->n_clients + 1, sizeof(*k->clients));
	k->clients[k->n_clients++] = c;
}

static void kill_proc(struct keeper *k, const struct proc *p)
{
	AUTO_BUF struct buf b = { 0 };

	proto_pack_kill(&b, &(struct proto_kill){ .container = p->container, .signal = SIGKILL });
	if (switch_request(k, PROTO_KILL, p->id, b.p, b.len) < 0)
		log_warn("cannot end a process in the guest: too much waits");
}

/* Of a pod: it kills what is left of it. */
static void delete_container(struct keeper *k, const struct proc *p)
{
	AUTO_BUF struct buf b = { 0 };

	proto_pack_text(&b, p->container);
	if (switch_request(k, PROTO_DELETE, 0, b.p, b.len) < 0)
		log_warn("cannot delete a container in the guest: too much waits");
}

static void forget_client(struct keeper *k, struct client *c)
{
	for (size_t i = 0; i < k->n_pending; i++)
		if (k->pending[i].client == c)
			k->pending[i].client = NULL;
	for (size_t i = k->n_procs; i-- > 0;)
		if (k->procs[i].client == c) {
			if (k->procs[i].is_init)
				delete_container(k, &k->procs[i]);
			else if (!k->procs[i].exited)
				kill_proc(k, &k->procs[i]);
			remove_proc(k, k->procs[i].id);
		}
	fd_close(&c->fd);
	frame_reader_done(&c->in);
	frame_writer_done(&c->out);
	free(c);
}

void switch_flush(struct keeper *k)
{
	for (size_t i = k->n_clients; i-- > 0;) {
		struct client *c = k->clients[i];

		if (!c->dead && frame_writer_flush(&c->out, c->fd) < 0)
			c->dead = true;
		if (!c->dead)
			continue;
		k->clients[i] = k->clients[--k->n_clients];
		forget_client(k, c);
	}
}

void switch_done(struct keeper *k)
{
	while (k->n_clients)
		forget_client(k, k->clients[--k->n_clients]);
	while (k->n_procs)
		free(k->procs[--k->n_procs].container);
	free(k->clients);
	free(k->procs);
	free(k->pending);
}
