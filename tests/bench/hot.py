#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hot.py MAP SEEN [MAP SEEN]...: write runtime/oci/hot.ld from linker's maps and the addresses that `touched` saw."""
import bisect
import re
import sys

# The init child's first steps come first of all, in this order: until it has moved (program_move.h) it maps them for nothing.
FIRST = """sys_clone3 clone_child spawn_child launch_spawn child_main init_main phase_program program_move map_all_again keep_in_place exchange
map_again find_changed fd_close cleanup_close log_debug log_msg set_exe pages""".split()
FIRST_LIBC = """syscall mmap64 mremap sysconf getpagesize pread64 open64 close errno-loc mprotect prctl munmap
memmove-avx512-unaligned-erms memmove-evex-unaligned-erms memmove-avx-unaligned-erms memset-evex-unaligned-erms
memset-avx512-unaligned-erms sigaction libc_sigaction sigprocmask pthread_sigmask sigempty signal""".split()
HEAD = """/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that the usual commands go through lie side by side: a page fault maps 16 pages, and so there are fewer of them.
 * Written by tests/bench/hot.sh. What is missing here, or here and gone, only costs a little time.
 */
SECTIONS
{
	.text.hot :
	{
		__hot_start = .; /* runtime/base/program_move.c */
		/* the init child until it has moved (runtime/base/program_move.h) */"""
TAIL = """		__hot_end = .;
	}
}
INSERT BEFORE .text;"""


def sections(path):
    lines = open(path).read().split("\n")
    for here, below in zip(lines, lines[1:] + [""]):
        m = re.match(r"^ (\.text\S*)\s*(.*)$", here)
        place = m and re.match(r"^(0x\w+)\s+(0x\w+)\s+(\S.*)$", m.group(2) or below.strip())
        if place and int(place.group(2), 16):
            yield int(place.group(1), 16), int(place.group(2), 16), m.group(1), place.group(3)


def touched(map_path, seen_path, own, archives):
    found = sorted(s for s in sections(map_path) if s[0])
    starts = [s[0] for s in found]
    for line in set(open(seen_path)):
        piece = int(line, 16)
        at = bisect.bisect(starts, piece + 15) - 1
        if at < 0 or found[at][0] + found[at][1] <= piece:
            continue
        name, file = found[at][2:]
        member = re.search(r"/(lib[^/]*\.a)\((.*)\)$", file)
        if member:
            archives.add("%s:%s" % member.groups())
        elif "/obj/" in file and re.match(r"\.text\.(?!unlikely)", name):
            own.add(name)


def main():
    own, archives = set(), set()
    for map_path, seen_path in zip(sys.argv[1::2], sys.argv[2::2]):
        touched(map_path, seen_path, own, archives)
    print(HEAD)
    print("\t\t*(" + "\n\t\t  ".join(".text." + f for f in FIRST) + ")")
    print("\n".join("\t\t*libc.a:%s.o(.text .text.*)" % f for f in FIRST_LIBC))
    print("\t\t/* the rest */\n\t\t*(" + "\n\t\t  ".join(sorted(own)) + ")")
    print("\n".join("\t\t*%s(.text .text.*)" % a for a in sorted(archives)))
    print(TAIL)


main()
