#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# demo.sh BIN [minbase]: make an image from this machine's own packages and run it, as a newcomer would.
# The default is a root file system of busybox-static; "minbase" makes a Debian one with debootstrap.
set -eu
bin=$(realpath "$1")
kind=${2:-busybox}
work=$(mktemp -d)
id=brig-demo-$$
cleanup() {
	"$bin/brig-oci" delete --force "$id" 2>/dev/null || true
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
du -sh "$work/rootfs"

say "a bundle: brig-oci spec writes config.json"
(cd "$work" && "$bin/brig-oci" spec)
cat >"$work/show.sh" <<'SHOW'
echo "pid      $$"
echo "user     $(id)"
echo "host     $(hostname)"
echo "cgroup"; sed 's/^/         /' /proc/self/cgroup
echo "mounts"; awk '{ print "         " $5 }' /proc/self/mountinfo
SHOW
cp "$work/show.sh" "$work/rootfs/show.sh"
sed -i -e 's/"terminal": true/"terminal": false/' -e 's|^\( *\)"sh"$|\1"sh", "/show.sh"|' "$work/config.json"

say "namespaces mode: brig-oci run"
"$bin/brig-oci" run --bundle "$work" "$id"

say "the same in steps: create, state, start, exec, kill, delete"
sed -i -e 's|"sh", "/show.sh"|"sleep", "1000"|' "$work/config.json"
"$bin/brig-oci" create --bundle "$work" "$id" </dev/null >/dev/null 2>&1
"$bin/brig-oci" state "$id" | grep '"status"'
"$bin/brig-oci" start "$id"
"$bin/brig-oci" exec "$id" ps
"$bin/brig-oci" kill "$id" KILL
sleep 0.2
"$bin/brig-oci" delete "$id"

say "done: nothing of it is left"
"$bin/brig-oci" list -q
