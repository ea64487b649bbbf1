/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/link.h"
#include "runtime/net/netrec.h"
#include "tests/unit/tap.h"

#include <netinet/in.h>

static void test_publish(void)
{
	static const struct {
		const char *text, *shown; /* shown NULL: an error with the part `why` */
		const char *why;
	} rows[] = {
		{ "8080:80", "0.0.0.0:8080->80/tcp", NULL },
		{ "127.0.0.1:8080:80/udp", "127.0.0.1:8080->80/udp", NULL },
		{ "[::1]:53:5353/UDP", "[::1]:53->5353/udp", NULL },
		{ "9000-9002:90-92/sctp", "0.0.0.0:9000-9002->90-92/sctp", NULL },
		{ "80", "0.0.0.0:0->80/tcp", NULL },
		{ "127.0.0.1::80", "127.0.0.1:0->80/tcp", NULL },
		{ "0:80", "0.0.0.0:0->80/tcp", NULL },
		{ "65535:65535", "0.0.0.0:65535->65535/tcp", NULL },
		{ "9000-9001:90-92", NULL, "different lengths" },
		{ "80/icmp", NULL, "protocol" },
		{ "x:80", NULL, "host's port" },
		{ "80:", NULL, "container's port" },
		{ "", NULL, "container's port" },
		{ "80:0", NULL, "container's port" },
		{ "65536:80", NULL, "host's port" },
		{ "80:65536", NULL, "container's port" },
		{ "92-90:1-3", NULL, "host's port" },
		{ "300.1.1.1:80:80", NULL, "address" },
		{ "[::1:80:80", NULL, "address" },
		{ "-1:80", NULL, "host's port" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_request r = { 0 };
		struct err err = { 0 };
		int x = net_request_publish(&r, rows[i].text, &err);
		char *shown = net_ports_text(r.ports, r.n_ports);

		if (rows[i].shown) {
			is_str(x < 0 ? err.msg : shown, rows[i].shown, "net: -p '%s'", rows[i].text);
		} else {
			like(x < 0 ? err.msg : "", rows[i].why, "net: -p '%s' is refused", rows[i].text);
			is_int(r.n_ports, 0, "net: ... and leaves nothing");
		}
		free(shown);
		net_request_done(&r);
	}
}

static void test_range(void)
{
	struct net_request r = { 0 };
	struct err err = { 0 };

	is_int(net_request_publish(&r, "8000-8010:80", &err), 0, "net: -p of a range for one port");
	is_int(r.ports[0].host_port, 8000, "net: ... from");
	is_int(r.ports[0].host_last, 8010, "net: ... to");
	is_int(net_request_expose(&r, "90-92/udp", &err), 0, "net: --expose of a range");
	is_int(r.exposed[0].n, 3, "net: ... has its length");
	is_int(r.exposed[0].protocol, IPPROTO_UDP, "net: ... and protocol");
	ok(net_request_expose(&r, "90:91", &err) < 0, "net: --expose knows no host port");
	net_request_done(&r);
}

static void test_modes(void)
{
	static const struct {
		const char *text;
		int mode;
		const char *target;
	} rows[] = {
		{ "none", NET_NONE, NULL },	     { "host", NET_HOST, NULL },
		{ "default", NET_DEFAULT, NULL },    { "private", NET_DEFAULT, NULL },
		{ "container:web", NET_CONTAINER, "web" }, { "ns:/run/x", NET_NS_PATH, "/run/x" },
		{ "pasta:-t,80:80", NET_PASTA, "-t,80:80" }, { "slirp4netns", NET_SLIRP4NETNS, NULL },
		{ "bridge", NET_NETWORKS, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_request r = { 0 };
		struct err err = { 0 };

		is_int(net_request_network(&r, rows[i].text, &err), 0, "net: --network %s", rows[i].text);
		is_int(r.mode, rows[i].mode, "net: ... is its mode");
		is_str(r.target, rows[i].target, "net: ... and target");
		net_request_done(&r);
	}
}

static void test_attachments(void)
{
	struct net_request r = { 0 };
	struct err err = { 0 };

	is_int(net_request_ip(&r, "10.1.2.3", &err), 0, "net: --ip before --network");
	is_int(net_request_network(&r, "web:ip6=fd00::5,mac=02:00:00:00:00:01,alias=a,alias=b,interface_name=lan0", &err), 0,
	       "net: --network with options");
	is_int(net_request_network(&r, "db,cache", &err), 0, "net: --network with two names");
	is_int(net_request_network(&r, "name=old,ip=10.9.9.9", &err), 0, "net: --network name=");
	is_int(r.n_nets, 4, "net: four networks");
	is_str(r.nets[0].network, "web", "net: the first");
	is_str(r.nets[0].ip, "10.1.2.3", "net: --ip is the first one's");
	is_str(r.nets[0].ip6, "fd00::5", "net: ip6");
	is_str(r.nets[0].mac, "02:00:00:00:00:01", "net: mac");
	is_int(r.nets[0].n_aliases, 2, "net: aliases");
	is_str(r.nets[0].ifname, "lan0", "net: interface_name");
	is_str(r.nets[3].network, "old", "net: the last");
	is_str(r.nets[3].ip, "10.9.9.9", "net: ... its address");
	is_int(net_request_check(&r, &err), 0, "net: they go together");
	is_int(net_request_network(&r, "web", &err), 0, "net: the first again");
	ok(net_request_check(&r, &err) < 0, "net: ... is refused");
	like(err.msg, "given twice", "net: ... with the reason");
	ok(net_request_network(&r, "none", &err) < 0, "net: none besides others is refused");
	net_request_done(&r);
}

static void test_refused(void)
{
	static const struct {
		int (*fn)(struct net_request *r, const char *value, struct err *err);
		const char *text, *why;
	} rows[] = {
		{ net_request_network, "", "no name" },
		{ net_request_network, "container:", "nothing follows" },
		{ net_request_network, "web:color=red", "unknown option 'color'" },
		{ net_request_network, "web:alias=a b", "no host name" },
		{ net_request_ip, "10.0.0.300", "--ip 10.0.0.300" },
		{ net_request_ip, "10.0.0.1/8", "not an IPv4 address" },
		{ net_request_ip, "::1", "not an IPv4 address" },
		{ net_request_ip6, "10.0.0.1", "not an IPv6 address" },
		{ net_request_mac, "02:00:00:00:00", "not a MAC address" },
		{ net_request_mac, "03:00:00:00:00:01", "multicast" },
		{ net_request_dns, "dns.example", "not an IP address" },
		{ net_request_dns_search, "a b", "white space" },
		{ net_request_dns_option, "ndots:1\nnameserver 6.6.6.6", "white space" },
		{ net_request_add_host, "db", "not NAME:IP" },
		{ net_request_add_host, "db:nowhere", "not NAME:IP" },
		{ net_request_add_host, "d b:10.0.0.1", "no host name" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_request r = { 0 };
		struct err err = { 0 };

		ok(rows[i].fn(&r, rows[i].text, &err) < 0, "net: '%s' is refused", rows[i].text);
		like(err.msg, rows[i].why, "net: ... with the reason");
		net_request_done(&r);
	}
}

static void test_addresses(void)
{
	struct ip_addr a, b;
	char text[IP_TEXT_LEN];

	is_int(ip_parse("10.1.2.3/20", &a), 0, "ip: with a prefix");
	b = ip_network(&a);
	is_str(ip_text(&b, text), "10.1.0.0", "ip: its network");
	ok(ip_in(&a, &b), "ip: is in it");
	b = ip_nth(&a, 256 * 3 + 255);
	is_str(ip_text(&b, text), "10.1.3.255", "ip: the n-th carries over");
	is_int(ip_count(&a), 4096, "ip: how many");
	is_int(ip_parse("fd00::ffff/64", &a), 0, "ip: v6");
	b = ip_nth(&a, 65536);
	is_str(ip_text(&b, text), "fd00::1:0", "ip: v6 carries over");
	ok(ip_parse("10.1.2.3/33", &a) < 0 && ip_parse("10.1.2", &a) < 0 && ip_parse("", &a) < 0, "ip: bad ones are refused");
}

int main(void)
{
	test_publish();
	test_range();
	test_modes();
	test_attachments();
	test_refused();
	test_addresses();
	return done();
}
