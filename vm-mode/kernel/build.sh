#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build the guest's tuned kernel from the distribution's source package: build.sh DIRECTORY [JOBS]
# DIRECTORY/vmlinux is the result. Nothing is installed: the package is only downloaded and unpacked.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
dir=${1:?usage: build.sh DIRECTORY [JOBS]} jobs=${2:-$(nproc)}
mkdir -p "$dir"
cd "$dir"
die() { echo "guest-kernel: $*" >&2; exit 1; }

key=$(sha256sum <"$here/fragment.config")
if [ -f vmlinux ] && [ "$(cat key 2>/dev/null)" = "$key" ]; then exit 0; fi
for tool in flex bison bc xz; do
	command -v "$tool" >/dev/null || die "$tool is missing (make guest-kernel-deps)"
done
if ! ls linux-source-*/Makefile >/dev/null 2>&1; then
	ls linux-source-*.deb >/dev/null 2>&1 || {
		pkg=$(apt-cache depends linux-source 2>/dev/null | sed -n 's/^ *Depends: \(linux-source-[^ ]*\)$/\1/p' | head -n 1)
		[ -n "$pkg" ] || die "apt knows no linux-source (apt-get update?)"
		apt-get -q download "$pkg" >/dev/null || die "cannot download $pkg"
	}
	mkdir -p package
	dpkg-deb -x linux-source-*.deb package
	tar -xJf package/usr/src/linux-source-*.tar.xz
	rm -rf package
fi
cd linux-source-*/
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=brig KBUILD_BUILD_HOST=brig
make -s KCONFIG_ALLCONFIG="$here/fragment.config" allnoconfig
# A line that dependencies have dropped would be missed only by the container that needs it.
missing=$(grep '^CONFIG_' "$here/fragment.config" | grep -vxF -f .config || true)
[ -z "$missing" ] || die "not in force: $missing"
make -s -j"$jobs" vmlinux
strip -s -o ../vmlinux.tmp vmlinux
cd ..
mv vmlinux.tmp vmlinux
echo "$key" >key
