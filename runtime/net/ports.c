/* SPDX-License-Identifier: Apache-2.0 */
/* Ports and lists as JSON, and ports as text. */
#include "runtime/net/netrec.h"

#include <errno.h>
#include <netinet/in.h>

static const struct name_value protocols[] = {
	{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP }, { NULL, 0 },
};

const char *json_text(const struct json *object, const char *key)
{
	const struct json *n = object && object->type == JSON_OBJECT ? json_get(object, key) : NULL;

	return n && n->type == JSON_STRING ? n->u.string : NULL;
}

void strings_json(char *const *list, struct json_writer *w)
{
	json_begin_array(w);
	for (size_t i = 0; list && list[i]; i++)
		json_string(w, list[i]);
	json_end_array(w);
}

char **strings_load(const struct json *array)
{
	char **list = NULL;

	for (const struct json *k = array && array->type == JSON_ARRAY ? array->u.kids.first : NULL; k; k = k->next)
		if (k->type == JSON_STRING)
			strings_add(&list, k->u.string);
	return list;
}

void ports_free(struct net_port *ports, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(ports[i].host_ip);
	free(ports);
}

void ports_add(struct net_port **ports, size_t *n, const struct net_port *p)
{
	*ports = xreallocarray(*ports, *n + 1, sizeof(**ports));
	(*ports)[*n] = *p;
	(*ports)[*n].host_ip = p->host_ip ? xstrdup(p->host_ip) : NULL;
	(*n)++;
}

void ports_json(const struct net_port *ports, size_t n, struct json_writer *w)
{
	json_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		json_begin_object(w);
		if (ports[i].host_ip)
			json_kv_string(w, "hostIP", ports[i].host_ip);
		json_kv_u64(w, "hostPort", ports[i].host_port);
		if (ports[i].host_last)
			json_kv_u64(w, "hostLast", ports[i].host_last);
		json_kv_u64(w, "containerPort", ports[i].container_port);
		json_kv_u64(w, "range", ports[i].n);
		json_kv_string(w, "protocol", name_of(protocols, ports[i].protocol));
		json_end_object(w);
	}
	json_end_array(w);
}

static int load_u16(const struct json *object, const char *key, const char *name, uint16_t *ret, struct err *err)
{
	const struct json *n = json_get(object, key);
	uint64_t v;

	if (!n)
		return json_err(err, name, object, EINVAL, "'%s' is missing", key);
	if (json_to_u64(n, name, UINT16_MAX, &v, err) < 0)
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

static int load_port(const struct json *k, const char *name, struct net_port *p, struct err *err)
{
	const char *protocol = json_text(k, "protocol");
	const struct name_value *row = protocol ? name_find(protocols, protocol) : NULL;

	if (k->type != JSON_OBJECT || !row)
		return json_err(err, name, k, EINVAL, "not a port mapping");
	p->protocol = (uint16_t)row->value;
	p->host_ip = (char *)(uintptr_t)json_text(k, "hostIP"); /* ports_add copies it */
	if (json_get(k, "hostLast") && load_u16(k, "hostLast", name, &p->host_last, err) < 0)
		return -EINVAL;
	if (load_u16(k, "hostPort", name, &p->host_port, err) < 0 || load_u16(k, "containerPort", name, &p->container_port, err) < 0 ||
	    load_u16(k, "range", name, &p->n, err) < 0)
		return -EINVAL;
	return 0;
}

int ports_load(const struct json *array, const char *name, struct net_port **ret, size_t *ret_n, struct err *err)
{
	for (const struct json *k = array && array->type == JSON_ARRAY ? array->u.kids.first : NULL; k; k = k->next) {
		struct net_port p = { 0 };

		if (load_port(k, name, &p, err) < 0)
			return -EINVAL;
		ports_add(ret, ret_n, &p);
	}
	return 0;
}

char *net_ports_text(const struct net_port *ports, size_t n)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct net_port *p = &ports[i];
		const char *ip = p->host_ip ? p->host_ip : "0.0.0.0", *proto = name_of(protocols, p->protocol);
		bool v6 = strchr(ip, ':');

		buf_addf(&b, "%s%s%s%s:", b.len ? ", " : "", v6 ? "[" : "", ip, v6 ? "]" : "");
		if (p->n == 1)
			buf_addf(&b, "%u->%u/%s", p->host_port, p->container_port, proto);
		else
			buf_addf(&b, "%u-%u->%u-%u/%s", p->host_port, p->host_port + p->n - 1, p->container_port,
				 p->container_port + p->n - 1, proto);
	}
	return buf_take(&b);
}

void net_ports_json(const struct net_port *ports, size_t n, struct json_writer *w)
{
	json_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		json_begin_object(w);
		json_kv_string(w, "host_ip", ports[i].host_ip ? ports[i].host_ip : "");
		json_kv_u64(w, "container_port", ports[i].container_port);
		json_kv_u64(w, "host_port", ports[i].host_port);
		json_kv_u64(w, "range", ports[i].n);
		json_kv_string(w, "protocol", name_of(protocols, ports[i].protocol));
		json_end_object(w);
	}
	json_end_array(w);
}
