/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-mode/protocol/message.h"

#include <endian.h>
#include <errno.h>
#include <linux/filter.h>
#include <string.h>

#define MAX_PROGRAM 256
#define MAX_SEED    64
#define MAX_PATH    4096
#define MAX_TEXT    (1u << 20)

static int end(const struct unpack *u, uint16_t type, struct err *err)
{
	return unpack_end(u) < 0 ? err_set(err, EPROTO, "malformed message '%s'", proto_type_name(type)) : 0;
}

void proto_pack_hello(struct buf *b, const struct proto_hello *m)
{
	pack_u32(b, m->magic);
	pack_u16(b, m->version);
	pack_u16(b, 0);
	pack_string(b, m->program);
	pack_u64(b, m->time_sec);
	pack_u32(b, m->time_nsec);
	pack_bytes(b, m->seed, m->seed_n);
	pack_string(b, m->kernel);
	pack_u64(b, m->boot_ns);
	pack_u64(b, m->memory_bytes);
	pack_u32(b, m->cpus);
}

int proto_unpack_hello(const void *p, size_t n, const char *our_program, struct proto_hello *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };
	struct proto_hello m = { .magic = unpack_u32(&u), .version = unpack_u16(&u), .reserved = unpack_u16(&u) };

	if (u.bad || m.magic != PROTO_MAGIC)
		return err_set(err, EPROTO, "the peer does not speak brig's protocol");
	m.program = unpack_string(&u, MAX_PROGRAM);
	/* Only this much is the same in all versions. */
	if (m.version != PROTO_VERSION) {
		(void)err_set(err, EPROTO, "protocol version %u of '%s' and version %u of '%s' do not fit together", m.version, m.program,
			      PROTO_VERSION, our_program);
		err_sanitize(err);
		return -EPROTO;
	}
	m.time_sec = unpack_u64(&u);
	m.time_nsec = unpack_u32(&u);
	m.seed = unpack_bytes(&u, MAX_SEED, &m.seed_n);
	m.kernel = unpack_string(&u, MAX_PROGRAM);
	m.boot_ns = unpack_u64(&u);
	m.memory_bytes = unpack_u64(&u);
	m.cpus = unpack_u32(&u);
	*ret = m;
	return end(&u, PROTO_HELLO, err);
}

static struct proto_window_size unpack_size(struct unpack *u)
{
	struct proto_window_size s;

	s.rows = unpack_u16(u);
	s.cols = unpack_u16(u);
	s.xpixel = unpack_u16(u);
	s.ypixel = unpack_u16(u);
	return s;
}

static void pack_size(struct buf *b, const struct proto_window_size *s)
{
	pack_u16(b, s->rows);
	pack_u16(b, s->cols);
	pack_u16(b, s->xpixel);
	pack_u16(b, s->ypixel);
}

/* Ids become names of directories. */
static const char *unpack_id(struct unpack *u, bool may_be_empty)
{
	const char *id = unpack_string(u, PROTO_MAX_ID);

	if ((!*id && !may_be_empty) || strchr(id, '/') || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		u->bad = true;
	return id;
}

void proto_pack_create(struct buf *b, const struct proto_create *m)
{
	pack_string(b, m->container);
	pack_string(b, m->bundle);
	pack_string(b, m->config);
	pack_bytes(b, m->seccomp, m->seccomp_n);
	pack_u32(b, m->seccomp_flags);
	pack_u32(b, m->flags);
	pack_u32(b, m->stdio);
	pack_size(b, &m->size);
	pack_bytes(b, m->ns, sizeof(m->ns));
	pack_string(b, m->sandbox);
}

static bool ns_valid(const struct proto_create *m)
{
	for (size_t i = 0; i < PROTO_NS_TYPES; i++)
		if (m->ns[i] > PROTO_NS_SANDBOX || (m->ns[i] == PROTO_NS_SANDBOX && !*m->sandbox))
			return false;
	return true;
}

int proto_unpack_create(const void *p, size_t n, struct proto_create *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };
	struct proto_create m = { .container = unpack_id(&u, false) };
	const uint8_t *ns;
	size_t ns_n;

	m.bundle = unpack_string(&u, MAX_PATH);
	m.config = unpack_string(&u, PROTO_MAX_MESSAGE);
	m.seccomp = unpack_bytes(&u, BPF_MAXINSNS * sizeof(struct sock_filter), &m.seccomp_n);
	m.seccomp_flags = unpack_u32(&u);
	m.flags = unpack_u32(&u);
	m.stdio = unpack_u32(&u);
	m.size = unpack_size(&u);
	ns = unpack_bytes(&u, PROTO_NS_TYPES, &ns_n);
	m.sandbox = unpack_id(&u, true);
	if (ns && ns_n == PROTO_NS_TYPES)
		memcpy(m.ns, ns, PROTO_NS_TYPES);
	else
		u.bad = true;
	if (!ns_valid(&m) || m.stdio > 7 || m.flags > 3 || m.seccomp_n % sizeof(struct sock_filter))
		u.bad = true;
	*ret = m;
	return end(&u, PROTO_CREATE, err);
}

void proto_pack_exec(struct buf *b, const struct proto_exec *m)
{
	pack_string(b, m->container);
	pack_string(b, m->process);
	pack_string(b, m->cgroup);
	pack_u32(b, m->stdio);
	pack_size(b, &m->size);
}

int proto_unpack_exec(const void *p, size_t n, struct proto_exec *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };
	struct proto_exec m = { .container = unpack_id(&u, false) };

	m.process = unpack_string(&u, PROTO_MAX_MESSAGE);
	m.cgroup = unpack_string(&u, MAX_PATH);
	m.stdio = unpack_u32(&u);
	m.size = unpack_size(&u);
	if (m.stdio > 7)
		u.bad = true;
	*ret = m;
	return end(&u, PROTO_EXEC, err);
}

void proto_pack_kill(struct buf *b, const struct proto_kill *m)
{
	pack_string(b, m->container);
	pack_u32(b, m->signal);
}

int proto_unpack_kill(const void *p, size_t n, struct proto_kill *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };
	struct proto_kill m = { .container = unpack_id(&u, false) };

	m.signal = unpack_u32(&u);
	if (m.signal > 64)
		u.bad = true;
	*ret = m;
	return end(&u, PROTO_KILL, err);
}

void proto_pack_resize(struct buf *b, const struct proto_window_size *m)
{
	pack_size(b, m);
}

int proto_unpack_resize(const void *p, size_t n, struct proto_window_size *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };

	*ret = unpack_size(&u);
	return end(&u, PROTO_RESIZE, err);
}

void proto_pack_update(struct buf *b, const struct proto_update *m)
{
	pack_string(b, m->container);
	pack_string(b, m->resources);
}

int proto_unpack_update(const void *p, size_t n, struct proto_update *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };
	struct proto_update m = { .container = unpack_id(&u, false) };

	m.resources = unpack_string(&u, MAX_TEXT);
	*ret = m;
	return end(&u, PROTO_UPDATE, err);
}

void proto_pack_text(struct buf *b, const char *text)
{
	pack_string(b, text);
}

int proto_unpack_text(uint16_t type, const void *p, size_t n, const char **ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };

	*ret = type == PROTO_NET ? unpack_string(&u, MAX_TEXT) : unpack_id(&u, false);
	return end(&u, type, err);
}

void proto_pack_time(struct buf *b, const struct proto_time *m)
{
	pack_u64(b, m->sec);
	pack_u32(b, m->nsec);
}

int proto_unpack_time(const void *p, size_t n, struct proto_time *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };

	ret->sec = unpack_u64(&u);
	ret->nsec = unpack_u32(&u);
	if (ret->sec > INT64_MAX || ret->nsec >= 1000000000)
		u.bad = true;
	return end(&u, PROTO_TIME, err);
}

void proto_pack_pids(struct buf *b, const struct proto_pids *m)
{
	pack_u32(b, m->guest_pid);
	pack_u32(b, m->container_pid);
}

int proto_unpack_pids(const void *p, size_t n, struct proto_pids *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };

	ret->guest_pid = unpack_u32(&u);
	ret->container_pid = unpack_u32(&u);
	return end(&u, PROTO_REPLY, err);
}

void proto_pack_exit(struct buf *b, const struct proto_exit *m)
{
	pack_u32(b, m->code);
	pack_u32(b, m->signal);
	pack_u32(b, m->flags);
}

int proto_unpack_exit(const void *p, size_t n, struct proto_exit *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };

	ret->code = unpack_u32(&u);
	ret->signal = unpack_u32(&u);
	ret->flags = unpack_u32(&u);
	if (ret->code > 255 || ret->signal > 64)
		u.bad = true;
	return end(&u, PROTO_EXIT, err);
}

void proto_pack_oom(struct buf *b, const struct proto_oom *m)
{
	pack_string(b, m->container);
	pack_u64(b, m->count);
}

int proto_unpack_oom(const void *p, size_t n, struct proto_oom *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };
	struct proto_oom m = { .container = unpack_id(&u, false) };

	m.count = unpack_u64(&u);
	*ret = m;
	return end(&u, PROTO_OOM, err);
}

void proto_pack_balloon(struct buf *b, const struct proto_balloon *m)
{
	pack_string(b, m->container);
	pack_u64(b, m->bytes);
}

int proto_unpack_balloon(const void *p, size_t n, struct proto_balloon *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };
	struct proto_balloon m = { .container = unpack_id(&u, false) };

	m.bytes = unpack_u64(&u);
	*ret = m;
	return end(&u, PROTO_BALLOON, err);
}

void proto_pack_log(struct buf *b, const struct proto_log *m)
{
	size_t n = strnlen(m->text, PROTO_MAX_LOG);

	pack_u16(b, m->level);
	pack_u32(b, (uint32_t)n + 1);
	buf_add_n(b, m->text, n);
	buf_add_n(b, "", 1);
}

int proto_unpack_log(const void *p, size_t n, struct proto_log *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };

	ret->level = unpack_u16(&u);
	ret->text = unpack_string(&u, PROTO_MAX_LOG);
	if (ret->level > 3)
		u.bad = true;
	return end(&u, PROTO_LOG, err);
}

void proto_pack_window(struct buf *b, const struct proto_window *m)
{
	pack_u32(b, m->stream);
	pack_u32(b, m->bytes);
}

int proto_unpack_window(const void *p, size_t n, struct proto_window *ret, struct err *err)
{
	struct unpack u = { .p = p, .n = n };

	ret->stream = unpack_u32(&u);
	ret->bytes = unpack_u32(&u);
	if (ret->stream < PROTO_STDIN || ret->stream > PROTO_STDERR || ret->bytes > PROTO_WINDOW)
		u.bad = true;
	return end(&u, PROTO_WINDOW_UPDATE, err);
}

void proto_pack_error(struct buf *b, const struct err *e)
{
	struct err le = *e;

	_Static_assert(sizeof(le) == 512, "an error is 512 bytes on the wire");
	le.code = (int)htole32((uint32_t)le.code);
	buf_add_n(b, (const char *)&le, sizeof(le));
}

int proto_unpack_error(const void *p, size_t n, struct err *ret, struct err *err)
{
	if (n != sizeof(*ret))
		return err_set(err, EPROTO, "malformed message 'error'");
	memcpy(ret, p, sizeof(*ret));
	ret->code = (int)le32toh((uint32_t)ret->code);
	err_sanitize(ret);
	return 0;
}
