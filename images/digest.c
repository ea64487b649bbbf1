/* SPDX-License-Identifier: Apache-2.0 */
#include "images/digest.h"

#include <errno.h>

static const struct {
	const char *name;
	size_t size;
} algorithms[] = {
	[DIGEST_NONE] = { "", 0 },
	[DIGEST_SHA256] = { "sha256", 32 },
	[DIGEST_SHA512] = { "sha512", 64 },
};

size_t digest_size(enum digest_algorithm algorithm)
{
	return algorithms[algorithm].size;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* The grammar's algorithm part: [a-z0-9]+ joined by one of +._- */
static bool algorithm_is_grammatical(const char *s, size_t n)
{
	bool after_separator = true;

	for (size_t i = 0; i < n; i++) {
		bool word = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');

		if (!word && (after_separator || !strchr("+._-", s[i])))
			return false;
		after_separator = !word;
	}
	return n && !after_separator;
}

int digest_parse(const char *text, struct digest *ret, struct err *err)
{
	const char *colon = strchr(text, ':'), *hex;
	struct digest d = { 0 };
	size_t n;

	if (!colon || !algorithm_is_grammatical(text, (size_t)(colon - text)))
		return err_set(err, EINVAL, "digest '%.140s' is not of the form sha256:<hex>", text);
	n = (size_t)(colon - text);
	hex = colon + 1;
	for (size_t i = 1; i < ARRAY_SIZE(algorithms); i++)
		if (strlen(algorithms[i].name) == n && memcmp(algorithms[i].name, text, n) == 0)
			d.algorithm = (enum digest_algorithm)i;
	if (d.algorithm == DIGEST_NONE)
		return err_set(err, ENOTSUP, "digest '%.140s' uses an algorithm that is not supported", text);
	if (strlen(hex) != 2 * digest_size(d.algorithm))
		return err_set(err, EINVAL, "digest '%.140s' has the wrong length", text);
	for (size_t i = 0; i < digest_size(d.algorithm); i++) {
		int hi = hex_value(hex[2 * i]), lo = hex_value(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return err_set(err, EINVAL, "digest '%.140s' is not lower case hexadecimal", text);
		d.bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = d;
	return 0;
}

const char *digest_hex(const struct digest *d, char out[DIGEST_HEX_LEN])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = digest_size(d->algorithm);

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[d->bytes[i] >> 4];
		out[2 * i + 1] = digits[d->bytes[i] & 15];
	}
	out[2 * n] = '\0';
	return out;
}

const char *digest_text(const struct digest *d, char out[DIGEST_TEXT_LEN])
{
	char hex[DIGEST_HEX_LEN];

	(void)snprintf(out, DIGEST_TEXT_LEN, "%s:%s", algorithms[d->algorithm].name, digest_hex(d, hex));
	return out;
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
	return a->algorithm == b->algorithm && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool digest_is_set(const struct digest *d)
{
	return d->algorithm != DIGEST_NONE;
}
