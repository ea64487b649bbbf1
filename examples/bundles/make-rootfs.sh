#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make-rootfs.sh: the root file system that the bundles here share, of this machine's busybox-static.
set -eu
cd "$(dirname "$0")"
busybox=$(command -v busybox)
for d in bin dev etc proc sys tmp root run; do mkdir -p "rootfs/$d"; done
cp "$busybox" rootfs/bin/busybox
for a in $("$busybox" --list); do [ -e "rootfs/bin/$a" ] || ln -s busybox "rootfs/bin/$a"; done
printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n' >rootfs/etc/passwd
printf 'root:x:0:\nuser:x:1000:\n' >rootfs/etc/group
