/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/net/link.h"

#include <arpa/inet.h>
#include <errno.h>

size_t ip_bytes(const struct ip_addr *a)
{
	return a->family == AF_INET6 ? 16 : 4;
}

int ip_parse(const char *text, struct ip_addr *ret)
{
	const char *slash = strchr(text, '/');
	AUTO_FREE char *host = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);
	struct ip_addr a = { .family = strchr(host, ':') ? AF_INET6 : AF_INET };
	uint32_t prefix;

	if (inet_pton(a.family, host, &a.u) != 1)
		return -EINVAL;
	prefix = (uint32_t)ip_bytes(&a) * 8;
	if (slash && (str_to_u32(slash + 1, &prefix) < 0 || prefix > ip_bytes(&a) * 8))
		return -EINVAL;
	a.prefix = prefix;
	*ret = a;
	return 0;
}

const char *ip_text(const struct ip_addr *a, char buf[IP_TEXT_LEN])
{
	if (!inet_ntop(a->family, &a->u, buf, IP_TEXT_LEN))
		buf[0] = '\0';
	return buf;
}

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && memcmp(a->u.bytes, b->u.bytes, ip_bytes(a)) == 0;
}

struct ip_addr ip_network(const struct ip_addr *a)
{
	struct ip_addr n = *a;

	for (size_t i = 0; i < ip_bytes(a); i++) {
		size_t bits = a->prefix > i * 8 ? a->prefix - i * 8 : 0;

		n.u.bytes[i] &= bits >= 8 ? 0xff : (uint8_t)(0xff << (8 - bits));
	}
	return n;
}

bool ip_in(const struct ip_addr *net, const struct ip_addr *a)
{
	struct ip_addr x = *a, n = ip_network(net);

	x.prefix = net->prefix;
	x = ip_network(&x);
	return ip_equal(&x, &n);
}

struct ip_addr ip_nth(const struct ip_addr *net, uint64_t n)
{
	struct ip_addr a = ip_network(net);

	for (size_t i = ip_bytes(&a); i-- > 0 && n;) {
		n += a.u.bytes[i];
		a.u.bytes[i] = (uint8_t)n;
		n >>= 8;
	}
	return a;
}

uint64_t ip_count(const struct ip_addr *net)
{
	size_t bits = ip_bytes(net) * 8 - net->prefix;

	return UINT64_C(1) << (bits > 32 ? 32 : bits);
}
