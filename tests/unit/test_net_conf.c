/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/drivers.h"
#include "tests/unit/tap.h"

#include <netinet/in.h>

static int parse(const char *text, struct network *ret, struct err *err)
{
	return network_parse("net.conflist", true, xstrdup(text), ret, err);
}

static void test_read(void)
{
	static const char text[] =
		"{\"cniVersion\":\"0.4.0\",\"name\":\"web\",\"brig\":{\"id\":\"abcd\",\"names\":true,\"labels\":{\"a\":\"b\"}},"
		"\"plugins\":[{\"type\":\"bridge\",\"bridge\":\"brig7\",\"mtu\":1400,\"ipam\":{\"type\":\"host-local\",\"ranges\":"
		"[[{\"subnet\":\"10.5.0.7/24\",\"gateway\":\"10.5.0.1\",\"rangeStart\":\"10.5.0.9\"}],[{\"subnet\":\"fd00::/64\"}]]}},"
		"{\"type\":\"portmap\"}]}";
	struct network n = { 0 };
	struct err err = { 0 };
	char ip[IP_TEXT_LEN];

	is_int(parse(text, &n, &err), 0, "network: a conflist of ours");
	is_str(n.name, "web", "network: name");
	is_str(n.id, "abcd", "network: id");
	is_str(n.interface, "brig7", "network: bridge");
	is_int(n.mtu, 1400, "network: mtu");
	ok(n.builtin && n.names, "network: is built in, and resolves names");
	is_int(n.n_subnets, 2, "network: two subnets");
	is_str(ip_text(&n.subnets[0].net, ip), "10.5.0.0", "network: subnet without host bits");
	is_str(ip_text(&n.subnets[0].gateway, ip), "10.5.0.1", "network: gateway");
	is_str(ip_text(&n.subnets[0].first, ip), "10.5.0.9", "network: range");
	is_str(n.labels ? n.labels[0] : NULL, "a=b", "network: label");

	free(n.text);
	n.text = network_conflist(&n);
	{
		struct network again = { 0 };

		is_int(network_parse("again", true, xstrdup(n.text), &again, &err), 0, "network: what is written can be read");
		is_str(again.interface, n.interface, "network: ... the same bridge");
		is_int(again.n_subnets, 2, "network: ... the same subnets");
		ok(ip_equal(&again.subnets[1].net, &n.subnets[1].net), "network: ... the second, too");
		is_str(again.labels ? again.labels[0] : NULL, "a=b", "network: ... the same label");
		network_done(&again);
	}
	network_done(&n);
}

static void test_bad(void)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "{", "premature EOF" },
		{ "[]", "without 'name'" },
		{ "{\"name\":\"x\"}", "without 'plugins'" },
		{ "{\"name\":\"x\",\"plugins\":[{}]}", "without 'type'" },
		{ "{\"name\":\"x\",\"plugins\":[{\"type\":\"bridge\",\"ipam\":{\"subnet\":\"ten\"}}]}", "'ten' is no address" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct network n = { 0 };
		struct err err = { 0 };

		ok(parse(rows[i].text, &n, &err) < 0, "network: refused: %s", rows[i].text);
		like(err.msg, rows[i].why, "network: ... with the reason");
	}
}

static void test_calls(void)
{
	static const char list[] = "{\"cniVersion\":\"0.4.0\",\"name\":\"n\",\"plugins\":[{\"type\":\"a\",\"x\":[1,{\"y\":null}]},"
				   "{\"type\":\"b\",\"capabilities\":{\"portMappings\":true,\"mac\":false}}]}";
	struct net_port port = { .host_port = 8080, .container_port = 80, .n = 2, .protocol = IPPROTO_UDP };
	struct cni_call c = { .conflist = list, .mac = "02:00:00:00:00:01", .ports = &port, .n_ports = 1 };
	struct cni_plugin *v = NULL;
	struct err err = { 0 };
	size_t n = 0;
	char *with;

	is_int(cni_plugins(&c, "n", &v, &n, &err), 0, "cni: plugins of a list");
	is_int(n, 2, "cni: two");
	is_str(n == 2 ? v[0].config : "", "{\"cniVersion\":\"0.4.0\",\"name\":\"n\",\"type\":\"a\",\"x\":[1,{\"y\":null}],\"runtimeConfig\":{}}",
	       "cni: the first is passed on as it is, and gets nothing that it does not ask for");
	is_str(n == 2 ? v[1].config : "",
	       "{\"cniVersion\":\"0.4.0\",\"name\":\"n\",\"type\":\"b\",\"runtimeConfig\":{\"portMappings\":["
	       "{\"hostPort\":8080,\"containerPort\":80,\"protocol\":\"udp\"},{\"hostPort\":8081,\"containerPort\":81,\"protocol\":\"udp\"}]}}",
	       "cni: the second gets its ports");
	with = cni_with_result("{\"a\":1}", "{\"b\":2}");
	is_str(with, "{\"a\":1,\"prevResult\":{\"b\":2}}", "cni: the result before goes in");
	free(with);
	cni_plugins_free(v, n);
}

static void if_free(struct netrec_if *i)
{
	free(i->pub.ifname);
}

static void test_results(void)
{
	struct netrec_if i = { .pub.ifname = xstrdup("eth0") }, old = { .pub.ifname = xstrdup("eth0") };
	struct err err = { 0 };
	char **dns = NULL;

	is_int(cni_read_result("{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"cni0\",\"mac\":\"aa:aa:aa:aa:aa:aa\"},"
			       "{\"name\":\"eth0\",\"mac\":\"02:11:22:33:44:55\",\"sandbox\":\"/run/x\"}],"
			       "\"ips\":[{\"address\":\"10.1.0.5/16\",\"gateway\":\"10.1.0.1\"},{\"address\":\"fd00::5/64\"}],"
			       "\"dns\":{\"nameservers\":[\"10.1.0.1\"]}}",
			       "n", &i, &dns, &err),
	       0, "cni: a result of 1.0");
	is_str(i.pub.v4.text, "10.1.0.5", "cni: address");
	is_int(i.pub.v4.prefix, 16, "cni: prefix");
	is_str(i.pub.v4.gateway, "10.1.0.1", "cni: gateway");
	is_str(i.pub.v6.text, "fd00::5", "cni: v6");
	is_str(i.pub.mac, "02:11:22:33:44:55", "cni: the container's MAC address, not the host's");
	is_str(dns ? dns[0] : NULL, "10.1.0.1", "cni: DNS server");
	is_int(cni_read_result("{\"cniVersion\":\"0.2.0\",\"ip4\":{\"ip\":\"10.2.0.5/24\",\"gateway\":\"10.2.0.1\"}}", "n", &old, &dns, &err), 0,
	       "cni: a result of 0.2");
	is_str(old.pub.v4.text, "10.2.0.5", "cni: ... its address");
	ok(cni_read_result("{\"ips\":[{\"address\":\"ten\"}]}", "n", &old, &dns, &err) < 0, "cni: a bad address is refused");
	strings_free(dns);
	if_free(&i);
	if_free(&old);
}

int main(void)
{
	test_read();
	test_bad();
	test_calls();
	test_results();
	return done();
}
