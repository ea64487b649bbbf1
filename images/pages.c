/* SPDX-License-Identifier: Apache-2.0 */
#include "images/pages.h"

#include "runtime/base/mem.h"

#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

void *pages_alloc(size_t bytes)
{
	size_t n = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	void *p;

	if (posix_memalign(&p, HUGE_PAGE, n) != 0)
		return xmalloc(n);
	(void)madvise(p, n, MADV_HUGEPAGE); /* a hint */
	return p;
}
