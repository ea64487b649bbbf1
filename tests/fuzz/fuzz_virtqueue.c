/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a guest's memory with a queue somewhere in it: nothing outside of that memory may be touched. */
#include <string.h>

#include "vm-mode/virtio/queue.h"

#define RAM 0x10000U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct setup {
	uint16_t size, event_idx;
	uint32_t desc, avail, used;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vq_chain *chain = malloc(sizeof(*chain));
	uint8_t *ram = calloc(1, RAM), header[80];
	struct guest_mem mem = { .n = 1, .region = { { .gpa = 0, .size = RAM, .hva = ram, .kind = MEM_RAM } } };
	struct setup s = { 0 };
	struct vq q;

	if (chain && ram && n > sizeof(s)) {
		memcpy(&s, data, sizeof(s));
		memcpy(ram, data + sizeof(s), n - sizeof(s) < RAM ? n - sizeof(s) : RAM);
		vq_init(&q, &mem, 256);
		q.size = s.size;
		q.desc_gpa = s.desc;
		q.avail_gpa = s.avail;
		q.used_gpa = s.used;
		if (vq_enable(&q, s.event_idx & 1) == 0) {
			for (unsigned i = 0; i < 300 && vq_pop(&q, chain) > 0; i++) {
				(void)vq_chain_read(chain, i, header, sizeof(header));
				(void)vq_chain_write(chain, i, header, sizeof(header));
				vq_push(&q, chain->head, (uint32_t)chain->in_len);
				(void)vq_needs_interrupt(&q);
			}
		}
	}
	free(chain);
	free(ram);
	return 0;
}
