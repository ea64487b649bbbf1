/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a series of FUSE requests against an empty directory: u16 length, then the request, and so on. */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vm-mode/virtio/fs_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	return f->level ? remove(path) : 0;
}

/* One request in buffers of its own, so that a byte too many is seen. */
static void send_one(struct fs_server *fs, const uint8_t *p, size_t len)
{
	struct vq_chain *chain = calloc(1, sizeof(*chain));
	uint8_t *out = malloc(len), *in = malloc(4096);

	if (chain && out && in) {
		memcpy(out, p, len);
		chain->n_out = chain->n_in = 1;
		chain->out_len = len;
		chain->in_len = 4096;
		chain->iov[0] = (struct iovec){ .iov_base = out, .iov_len = len };
		chain->iov[1] = (struct iovec){ .iov_base = in, .iov_len = 4096 };
		(void)fs_server_handle(fs, chain, 1);
	}
	free(chain);
	free(out);
	free(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct {
		struct fuse_in_header head;
		struct fuse_init_in init;
	} start = { .head = { .len = sizeof(start), .opcode = FUSE_INIT },
		    .init = { .major = 7, .minor = 36, .flags = 0xffffffff } };
	struct rlimit small = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 }; /* or FALLOCATE fills the disk */
	char dir[] = "/tmp/fuzz-fuse.XXXXXX";
	struct fs_config config = { .tag = "f", .root_fd = -1 };
	struct fs_server fs;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &small);
	if (!mkdtemp(dir))
		return 0;
	config.root_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (config.root_fd >= 0 && fs_server_init(&fs, &config, NULL) == 0 && fs_server_enter(&fs, NULL) == 0) {
		send_one(&fs, (const uint8_t *)&start, sizeof(start));
		for (size_t at = 0; at + 2 < n;) {
			size_t len = data[at] | (size_t)data[at + 1] << 8;

			at += 2;
			len = len < n - at ? len : n - at;
			if (len)
				send_one(&fs, data + at, len);
			at += len;
		}
		fs_server_done(&fs);
	}
	if (config.root_fd >= 0)
		(void)close(config.root_fd);
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	(void)rmdir(dir);
	return 0;
}
