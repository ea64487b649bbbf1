#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mktar.py NAME OUT: write the test layer NAME. Every attack is a function named for it."""
import io
import sys
import tarfile
import zlib

REG, DIR, SYM, LNK, CHR = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE)


def e(name, kind=REG, data=b"", **attrs):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(data), 1234567890
    for key, value in attrs.items():
        setattr(info, key, value)
    return info, data


def pax(**headers):
    return {key.replace("__", "."): value for key, value in headers.items()}


def dotdot(): return [e("../escape", data=b"x")]
def dotdot_inside(): return [e("a/../../escape", data=b"x")]
def absolute_dotdot(): return [e("/../../etc/escape", data=b"x")]
def absolute(): return [e("/etc/passwd", data=b"inside")]
def symlink_parent(): return [e("d", SYM, linkname="/tmp"), e("d/escape", data=b"x")]
def symlink_parent_dotdot(): return [e("d", SYM, linkname="../../../../../../tmp"), e("d/escape", data=b"x")]
def symlink_loop(): return [e("a", SYM, linkname="b"), e("b", SYM, linkname="a"), e("a/x", data=b"x")]
def symlink_root(): return [e("./", SYM, linkname="/etc"), e("passwd", data=b"x")]
def hardlink_dotdot(): return [e("h", LNK, linkname="../../etc/passwd")]
def hardlink_absolute(): return [e("h", LNK, linkname="/etc/passwd")]
def hardlink_missing(): return [e("h", LNK, linkname="nothing")]
def hardlink_through_symlink(): return [e("d", SYM, linkname="/etc"), e("h", LNK, linkname="d/passwd")]
def hardlink_directory(): return [e("d", DIR, mode=0o755), e("h", LNK, linkname="d")]
def whiteout_empty(): return [e(".wh.")]
def whiteout_dotdot(): return [e("a/.wh...")]
def whiteout_below(): return [e(".wh.x/file", data=b"x")]
def whiteout_device(): return [e("gone", CHR, devmajor=0, devminor=0)]
def overlay_trusted(): return [e("f", pax_headers=pax(SCHILY__xattr__trusted__overlay__redirect="/etc"))]
def overlay_user(): return [e("f", pax_headers=pax(SCHILY__xattr__user__overlay__opaque="y"))]
def name_too_long(): return [e("n" * 256, data=b"x")]
def path_too_long(): return [e("/".join(["d" * 200] * 30), data=b"x")]
def owner_too_big(): return [e("f", pax_headers=pax(uid=str(1 << 33)))]
def parent_is_file(): return [e("f", data=b"x"), e("f/x", data=b"x")]


def lower():
    return [e("./", DIR, mode=0o755), e("keep", data=b"keep"), e("gone", data=b"gone"), e("o", DIR, mode=0o750, uid=7),
            e("o/hidden", data=b"h"), e("o/sub", DIR, mode=0o755), e("o/sub/x", data=b"x"), e("a", DIR, mode=0o711, uid=5),
            e("a/one", data=b"1" * 5000), e("lib", SYM, linkname="usr/lib"), e("usr", DIR, mode=0o755),
            e("usr/lib", DIR, mode=0o755), e("f2d", data=b"file"), e("d2f", DIR, mode=0o755), e("d2f/x", data=b"x")]


def upper():
    return [e("a/two", data=b"2" * 3000), e("o/new", data=b"n"), e("o/.wh..wh..opq"), e(".wh.gone"), e("lib/added", data=b"l"),
            e("link", LNK, linkname="a/one"), e("f2d", DIR, mode=0o700), e("f2d/in", data=b"i"), e("d2f", data=b"now a file"),
            e(".wh.keep2"), e("keep2", data=b"same layer")]


def everything():
    long = "long/" + "/".join("part%02d-%s" % (i, "x" * 40) for i in range(20))
    acl = ("02000000" "01000600ffffffff" "02000400e8030000" "04000400ffffffff" "10000400ffffffff" "20000000ffffffff")
    return [e("./", DIR, mode=0o755, mtime=1),
            e("suid", data=b"s" * 2000, mode=0o6755), e("sticky", DIR, mode=0o1777),
            e("ns", data=b"n", pax_headers=pax(mtime="1500000000.123456789")),
            e("old", data=b"o", pax_headers=pax(mtime="-1000.5")),
            e("big-ids", data=b"b", uid=4000000000, gid=3000000000),
            e("xattr", data=b"x", pax_headers=pax(SCHILY__xattr__user__one="1", SCHILY__xattr__trusted__two="2")),
            e("cap", data=b"c" * 1025, mode=0o755, pax_headers={"SCHILY.xattr.security.capability":
              b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00".decode()}),
            e("acl", data=b"a", mode=0o640, pax_headers={"SCHILY.xattr.system.posix_acl_access":
              bytes.fromhex(acl).decode("utf-8", "surrogateescape")}),
            e("null", CHR, devmajor=1, devminor=3, mode=0o666), e("disk", tarfile.BLKTYPE, devmajor=259, devminor=70000, mode=0o660),
            e("fifo", tarfile.FIFOTYPE, mode=0o600), e("sym", SYM, linkname="a/b/c"), e("dangling", SYM, linkname="/no/where"),
            e("long-target", SYM, linkname="t" * 3000), e(long, data=b"deep"), e("n" * 255, data=b"name"),
            e("cafe\u0301", data=b"decomposed"), e("caf\u00e9", data=b"composed"), e("bytes\udcff\udc80", data=b"not utf-8"),
            e("h1", data=b"h" * 9000), e("h2", LNK, linkname="h1"), e("h\u00fc", LNK, linkname="./h1"), e("empty"),
            e("1024", data=b"i" * 1024), e("4096", data=b"p" * 4096), e("4097", data=b"q" * 4097)] + \
           [e("many/%04d-%s" % (i, "y" * (i % 90)), data=b"%d" % i) for i in range(700)] + \
           [e("many/" + name, data=b"order") for name in ("!", "-", ".a", "..b", "...", " ")]


def bomb(out):
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    info = tarfile.TarInfo("zeros")
    info.size = 200 << 20
    with open(out, "wb") as f:
        f.write(z.compress(info.tobuf()))
        for _ in range(200):
            f.write(z.compress(bytes(1 << 20)))
        f.write(z.compress(bytes(1024)) + z.flush())


def main():
    name, out = sys.argv[1:3]
    if name == "bomb":
        bomb(out)
        return
    kind = {"gnu": tarfile.GNU_FORMAT, "ustar": tarfile.USTAR_FORMAT}.get((sys.argv[3:] or [""])[0], tarfile.PAX_FORMAT)
    with tarfile.open(out, "w", format=kind, encoding="utf-8", errors="surrogateescape") as tar:
        for info, data in globals()[name]():
            tar.addfile(info, io.BytesIO(data))


main()
