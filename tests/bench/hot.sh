#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# hot.sh BUILD: write runtime/oci/hot.ld anew (make hot). Runs the usual commands of brig-oci and `brig run` one instruction at a time; takes
# a minute. Needs root, python3 and busybox-static.
set -eu
build=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
work=$(mktemp -d)
id=hot$$
trap '"$build/bin/brig-oci" --root "$work/s" delete -f "$id" 2>/dev/null || :; rm -rf "$work"' EXIT
mkdir -p "$work/rootfs/bin" "$work/rootfs/proc" "$work/rootfs/dev" "$work/rootfs/sys"
cp "$(command -v busybox)" "$work/rootfs/bin/true"
cp "$(command -v busybox)" "$work/rootfs/bin/sleep"
cd "$work"
step() { "$build/bench/touched" "$work/seen" "$build/bin/brig-oci" --root "$work/s" "$@" </dev/null >/dev/null; }
plain() { "$build/bin/brig-oci" --root "$work/s" "$@" </dev/null >/dev/null; }
config() { rm -f config.json && "$build/bin/brig-oci" spec && sed -i -e 's/"terminal": true/"terminal": false/' -e "s|\"sh\"\$|$1|" config.json; }

config '"/bin/true"'
step run "$id"
config '"/bin/sleep", "1000"'
step create --pid-file "$work/pid" "$id"
step start "$id"
step state "$id"
step exec "$id" /bin/true
step kill "$id" KILL
while plain state "$id" && "$build/bin/brig-oci" --root "$work/s" state "$id" | grep -q '"running"'; do
	sleep 0.1
done
step delete "$id"

brig() { "$@" --root "$work/data" --runroot "$work/run" run --rm --network none hot true </dev/null >/dev/null; }
tar -C rootfs -cf image.tar .
"$build/bin/brig" --root "$work/data" import image.tar hot >/dev/null
brig "$build/bin/brig" # the first one compiles the seccomp filter
brig "$build/bench/touched" "$work/seen.brig" "$build/bin/brig"
python3 "$here/hot.py" "$build/bench/brig-oci.map" "$work/seen" "$build/bench/brig.map" "$work/seen.brig" >"$work/hot.ld"
cp "$work/hot.ld" "$here/../../runtime/oci/hot.ld"
