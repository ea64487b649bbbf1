#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# demo.sh BIN [minbase]: make an image from this machine's own packages and run it in both modes, as a newcomer would.
# The default is an image of busybox-static; "minbase" makes a Debian one with debootstrap.
# Everything lies in a temporary directory: images, containers and state of this machine's brig are not touched.
set -eu
bin=$(realpath "$1")
kind=${2:-busybox}
work=$(mktemp -d)
id=brig-demo-$$
image=localhost/demo:latest
brig() { "$bin/brig" --root "$work/store" --runroot "$work/run" "$@"; }
cleanup() {
	"$bin/brig-oci" delete --force "$id" 2>/dev/null || true
	brig rm --force --all >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT
say() { printf '\n== %s\n' "$*"; }

say "a root file system ($kind)"
mkdir -p "$work/rootfs"
if [ "$kind" = minbase ]; then
	debootstrap --variant=minbase bookworm "$work/rootfs" >/dev/null
else
	for d in bin dev etc proc sys tmp root; do mkdir -p "$work/rootfs/$d"; done
	cp /bin/busybox "$work/rootfs/bin/busybox"
	for a in $("$work/rootfs/bin/busybox" --list); do
		[ -e "$work/rootfs/bin/$a" ] || ln -s busybox "$work/rootfs/bin/$a"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$work/rootfs/etc/passwd"
fi
cat >"$work/rootfs/show.sh" <<'SHOW'
echo "kernel   $(uname -r)"
echo "pid      $$"
echo "user     $(id)"
echo "host     $(hostname)"
echo "cgroup   $(tail -n 1 /proc/self/cgroup)"
echo "mounts   $(awk '{ printf "%s ", $5 }' /proc/self/mountinfo)"
SHOW
du -sh "$work/rootfs"

say "for engines: brig-oci spec, run"
(cd "$work" && "$bin/brig-oci" spec)
sed -i -e 's/"terminal": true/"terminal": false/' -e 's|^\( *\)"sh"$|\1"sh", "/show.sh"|' "$work/config.json"
"$bin/brig-oci" run --bundle "$work" "$id"

say "the same in steps: create, state, start, exec, kill, delete"
sed -i -e 's|"sh", "/show.sh"|"sleep", "1000"|' "$work/config.json"
"$bin/brig-oci" create --bundle "$work" "$id" </dev/null >/dev/null 2>&1
"$bin/brig-oci" state "$id" | grep '"status"'
"$bin/brig-oci" start "$id"
"$bin/brig-oci" exec "$id" ps
"$bin/brig-oci" kill "$id" KILL
while "$bin/brig-oci" state "$id" | grep -q '"status": "running"'; do sleep 0.1; done
"$bin/brig-oci" delete "$id"

say "for people: brig import, images, run (namespaces mode)"
tar -C "$work/rootfs" -cf - . | brig import --quiet - "$image" >/dev/null
brig images
brig run --rm --network none "$image" sh /show.sh

say "vm-mode: the same image in a virtual machine of its own"
brig run --rm --network none --vm "$image" sh /show.sh

say "done: nothing of it is left"
"$bin/brig-oci" list -q
brig ps --all --quiet
