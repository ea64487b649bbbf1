#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The distribution's cloud kernel, downloaded and unpacked, never installed: fetch.sh DIRECTORY
# DIRECTORY/{vmlinux,release,lib/modules/} are the result; nothing is done when they are there.
set -eu
dir=${1:?usage: fetch.sh DIRECTORY}
die() { echo "kernel: $*" >&2; exit 1; }
[ -s "$dir/release" ] && exit 0

download() { # into $tmp
	pkg=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-6[^ ]*\)$/\1/p' | head -n 1)
	[ -n "$pkg" ] || { echo "apt knows no linux-image-cloud-amd64"; return 1; }
	(cd "$tmp" && apt-get -q download "$pkg" 2>&1 >/dev/null | tail -n 1)
	ls "$tmp"/*.deb >/dev/null 2>&1
}

# try OFFSET COMMAND...: the payload that starts there, when it is an ELF file
try() {
	at=$1
	shift
	tail -c +$((at + 1)) "$image" | "$@" >"$new/vmlinux" 2>/dev/null || true # what follows the payload is not part of it
	[ "$(head -c 4 "$new/vmlinux" | tr -d '\177')" = ELF ]
}

# A bzImage carries the ELF kernel compressed; booted as it is, nothing has to be unpacked at each start.
extract() {
	image=$(ls "$new"/boot/vmlinuz-*)
	for how in 'lz4:\x02\x21\x4c\x18:lz4 -dc' 'xz:\xfd7zXZ\x00:xz -dc' 'zstd:\x28\xb5\x2f\xfd:zstd -dcq' 'gzip:\x1f\x8b\x08:gzip -dc'; do
		magic=$(printf '%s' "$how" | cut -d: -f2)
		command=${how##*:}
		command -v "${command%% *}" >/dev/null || continue
		# shellcheck disable=SC2013 # numbers
		for at in $(LC_ALL=C grep -abPo "$magic" "$image" | cut -d: -f1); do
			# shellcheck disable=SC2086 # a command and its arguments
			try "$at" $command && return 0
		done
	done
	die "no ELF kernel found in $image (lz4, xz, zstd and gzip are tried where installed)"
}

mkdir -p "$dir"
tmp=$(mktemp -d "$dir/fetch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
new=$tmp/new
# Package lists that are old name versions that the archive no longer has.
why=$(download) || { apt-get -q update >/dev/null 2>&1 || true; why=$(download); } || die "cannot download the kernel package: $why"
dpkg-deb -x "$tmp"/*.deb "$new" || die "cannot unpack the kernel package"
extract
rm -rf "${dir:?}/lib" "${dir:?}/boot" "${dir:?}/vmlinux"
mv "$new/lib" "$new/boot" "$new/vmlinux" "$dir/"
ls "$dir/lib/modules" >"$dir/release"
