#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print a tree, one line a name: everything that two ways of unpacking an image must agree on."""
import hashlib
import os
import stat
import sys


def describe(path, links):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    out = ["%o" % st.st_mode, "%d:%d" % (st.st_uid, st.st_gid), "mtime=%d" % st.st_mtime_ns]
    if kind == stat.S_IFDIR and "--no-dir-times" in sys.argv:
        out.pop()
    if kind == stat.S_IFREG:
        with open(path, "rb") as f:
            out.append("size=%d sha256=%s" % (st.st_size, hashlib.sha256(f.read()).hexdigest()))
    if kind == stat.S_IFLNK:
        out.append("-> %r" % os.readlink(os.fsencode(path)))
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        out.append("dev=%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev)))
    if kind != stat.S_IFDIR and st.st_nlink > 1:
        out.append("same-as=%r" % links.setdefault(st.st_ino, path))
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        out.append("%s=%s" % (name, os.getxattr(path, name, follow_symlinks=False).hex()))
    return " ".join(out)


def main():
    os.chdir(sys.argv[1])
    links = {}
    todo = [b"."]
    while todo:
        path = todo.pop()
        print(ascii(path), describe(path, links))
        if stat.S_ISDIR(os.lstat(path).st_mode):
            todo += [path + b"/" + name for name in sorted(os.listdir(path), reverse=True)]


main()
