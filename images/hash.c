/* SPDX-License-Identifier: Apache-2.0 */
#include "images/hash.h"

#include "runtime/base/mem.h"

#include <errno.h>
#include <openssl/evp.h>
#include <unistd.h>

struct hash {
	EVP_MD_CTX *ctx;
	enum digest_algorithm algorithm;
};

/* libcrypto fails here only when it is out of memory, or has no SHA-2 at all. */
static NORETURN void hash_broken(void)
{
	(void)!write(STDERR_FILENO, "libcrypto: cannot compute SHA-2\n", 32);
	_exit(125);
}

struct hash *hash_new(enum digest_algorithm algorithm)
{
	struct hash *h = xcalloc(1, sizeof(*h));

	h->algorithm = algorithm;
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, algorithm == DIGEST_SHA512 ? EVP_sha512() : EVP_sha256(), NULL) != 1)
		hash_broken();
	return h;
}

void hash_update(struct hash *h, const void *data, size_t n)
{
	if (EVP_DigestUpdate(h->ctx, data, n) != 1)
		hash_broken();
}

void hash_final(struct hash *h, struct digest *ret)
{
	struct digest d = { .algorithm = h->algorithm };

	if (EVP_DigestFinal_ex(h->ctx, d.bytes, NULL) != 1)
		hash_broken();
	*ret = d;
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void cleanup_hash(struct hash **h)
{
	hash_free(*h);
}

void hash_bytes(enum digest_algorithm algorithm, const void *data, size_t n, struct digest *ret)
{
	AUTO_HASH struct hash *h = hash_new(algorithm);

	hash_update(h, data, n);
	hash_final(h, ret);
}

int hash_check(const struct digest *want, const void *data, size_t n, const char *what, struct err *err)
{
	char a[DIGEST_TEXT_LEN], b[DIGEST_TEXT_LEN];
	struct digest got;

	hash_bytes(want->algorithm, data, n, &got);
	if (digest_eq(want, &got))
		return 0;
	return err_set(err, EBADMSG, "%s: digest is %s, expected %s", what, digest_text(&got, a), digest_text(want, b));
}

void chain_id(const struct digest *parent, const struct digest *diff_id, struct digest *ret)
{
	char a[DIGEST_TEXT_LEN], b[DIGEST_TEXT_LEN], text[2 * DIGEST_TEXT_LEN + 1];

	if (!parent) {
		*ret = *diff_id;
		return;
	}
	(void)snprintf(text, sizeof(text), "%s %s", digest_text(parent, a), digest_text(diff_id, b));
	hash_bytes(DIGEST_SHA256, text, strlen(text), ret);
}
