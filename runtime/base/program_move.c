/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/program_move.h"

/* Set by the linker: the ELF header, which is the first byte of the first segment. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

/* By runtime/oci/hot.ld, where it is used: the functions of the usual commands. */
extern const char __hot_start[] __attribute__((weak, visibility("hidden"))), __hot_end[] __attribute__((weak, visibility("hidden")));

struct range {
	char *start;
	size_t n;
};

static struct range pages(uintptr_t from, uintptr_t to, bool to_down)
{
	const uintptr_t mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
	uintptr_t first = from & ~mask, last = (to_down ? to : to + mask) & ~mask;

	return (struct range){ (char *)first, last > first ? last - first : 0 };
}

static int protection(const ElfW(Phdr) *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) | (p->p_flags & PF_X ? PROT_EXEC : 0);
}

static off_t offset_of(const ElfW(Phdr) *p)
{
	return (off_t)(p->p_offset - (p->p_vaddr & ((ElfW(Addr))sysconf(_SC_PAGESIZE) - 1)));
}

/* The same bytes from the same page cache: code can run on while it is exchanged. What will be needed is mapped at once (Linux 5.14):
 * one page fault costs more than many entries in a table. */
static int map_again(const ElfW(Phdr) *p, struct range r, int fd)
{
	struct range hot = r;

	if (mmap(r.start, r.n, protection(p), MAP_PRIVATE | MAP_FIXED, fd, offset_of(p)) == MAP_FAILED)
		return -errno;
	if (p->p_flags & PF_X)
		hot = pages((uintptr_t)__hot_start, (uintptr_t)__hot_end, false);
	if (hot.n)
		(void)madvise(hot.start, hot.n, MADV_POPULATE_READ);
	return 0;
}

/* One 64-bit word a page; bit 61: still the file's. What cannot be found out counts as changed. */
#define PAGEMAP_MAX	   128
#define PAGEMAP_PRESENT	   (3ull << 62) /* or swapped out */
#define PAGEMAP_FILE	   (1ull << 61)

static size_t find_changed(struct range r, size_t page, bool changed[PAGEMAP_MAX])
{
	AUTO_CLOSE int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t words[PAGEMAP_MAX];
	const size_t n = r.n / page, bytes = n * sizeof(words[0]);
	size_t found = 0;
	bool known = fd >= 0 && pread(fd, words, bytes, (off_t)((uintptr_t)r.start / page * sizeof(words[0]))) == (ssize_t)bytes;

	for (size_t i = 0; i < n; i++) {
		changed[i] = !known || (words[i] & PAGEMAP_PRESENT && !(words[i] & PAGEMAP_FILE));
		found += changed[i];
	}
	return found;
}

/*
 * The variables: while the file's pages are in their place nothing may be called through a table of them, nor any variable be used,
 * memcpy() included. errno and the stack lie elsewhere. volatile: or the compiler makes a memcpy() of the loop.
 */
static int exchange(const ElfW(Phdr) *p, struct range r, int fd, size_t page, const bool changed[PAGEMAP_MAX], const uint64_t *saved)
{
	const int flags = MAP_PRIVATE | MAP_FIXED | MAP_POPULATE;

	if (mmap(r.start, r.n, PROT_READ | PROT_WRITE, flags, fd, offset_of(p)) == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < r.n / page; i++) {
		volatile uint64_t *to = (volatile uint64_t *)(void *)(r.start + i * page);

		for (size_t word = 0; changed[i] && word < page / sizeof(*to); word++)
			to[word] = *saved++;
	}
	return 0;
}

static int keep_in_place(const ElfW(Phdr) *p, struct range r, int fd)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	bool changed[PAGEMAP_MAX];
	AUTO_FREE char *saved = xmalloc(find_changed(r, page, changed) * page + 1);
	size_t n = 0;

	/* From here on no variable may change, those of malloc() included. */
	for (size_t i = 0; i < r.n / page; i++)
		if (changed[i])
			memcpy(saved + n++ * page, r.start + i * page, page);
	return exchange(p, r, fd, page, changed, (const uint64_t *)(const void *)saved);
}

/* Fields 26 to 51 of /proc/self/stat: the addresses that the kernel wants to hear again. */
static int read_addresses(struct prctl_mm_map *map)
{
	AUTO_FREE char *text = NULL;
	uint64_t field[52] = { 0 };
	char *p;
	int r = fd_read_file(AT_FDCWD, "/proc/self/stat", 1 << 16, &text, NULL);

	if (r < 0)
		return r;
	p = strrchr(text, ')'); /* a name can hold anything */
	if (!p || p[1] != ' ' || !p[2])
		return -EPROTO;
	p += 3;
	for (size_t i = 4; i < ARRAY_SIZE(field); i++)
		field[i] = strtoull(p, &p, 10); /* the negative ones are not ours */
	*map = (struct prctl_mm_map){
		.start_code = field[26],
		.end_code = field[27],
		.start_stack = field[28],
		.start_data = field[45],
		.end_data = field[46],
		.start_brk = field[47],
		.arg_start = field[48],
		.arg_end = field[49],
		.env_start = field[50],
		.env_end = field[51],
	};
	return 0;
}

static int set_exe(struct program_move *m)
{
	m->map.exe_fd = (uint32_t)m->fd;
	m->map.brk = (uintptr_t)sbrk(0); /* it grew since the addresses were read, and an old one would give memory out twice */
	return prctl(PR_SET_MM, PR_SET_MM_MAP, &m->map, sizeof(m->map), 0) < 0 ? -errno : 0;
}

/* A program with more variables than this moves by an exec (those with a sanitizer in them). */
static bool variables_fit(void)
{
	const ElfW(Phdr) *const headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	const size_t most = (PAGEMAP_MAX - 1) * (size_t)sysconf(_SC_PAGESIZE); /* both ends lie within pages */

	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
		if (headers[i].p_type == PT_LOAD && headers[i].p_flags & PF_W && headers[i].p_filesz > most)
			return false;
	return true;
}

static int map_all_again(int fd)
{
	const ElfW(Phdr) *const headers = (const ElfW(Phdr) *)getauxval(AT_PHDR), *p, *relro = NULL;
	const unsigned long n = getauxval(AT_PHNUM);
	uintptr_t bias = 0;
	struct range where;
	int r = 0;

	for (p = headers; p < headers + n; p++)
		if (p->p_type == PT_LOAD && p->p_offset == 0)
			bias = (uintptr_t)__ehdr_start - p->p_vaddr;
	for (p = headers; r == 0 && p < headers + n; p++) {
		where = pages(bias + p->p_vaddr, bias + p->p_vaddr + p->p_filesz, false);
		if (p->p_type == PT_GNU_RELRO)
			relro = p;
		if (p->p_type == PT_LOAD && where.n)
			r = p->p_flags & PF_W ? keep_in_place(p, where, fd) : map_again(p, where, fd);
	}
	if (r < 0 || !relro)
		return r;
	where = pages(bias + relro->p_vaddr, bias + relro->p_vaddr + relro->p_memsz, true);
	return mprotect(where.start, where.n, PROT_READ) < 0 ? -errno : 0;
}

int program_move_prepare(struct program_move *m, int path_fd)
{
	char path[FD_PROC_PATH_LEN];
	int r;

	*m = PROGRAM_MOVE_NONE;
	if (!variables_fit())
		return -E2BIG;
	m->fd = open(fd_proc_path(path_fd, path), O_RDONLY | O_CLOEXEC);
	r = m->fd < 0 ? -errno : read_addresses(&m->map);
	/* Asked for now, because EBUSY says that only the mappings are in the way, and changes nothing. */
	if (r == 0)
		r = set_exe(m);
	if (r == -EBUSY)
		return 0;
	fd_close(&m->fd);
	return r < 0 ? r : -EINVAL;
}

int program_move(struct program_move *m)
{
	int r = map_all_again(m->fd);

	return r < 0 ? r : set_exe(m);
}
