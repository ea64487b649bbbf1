#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD: brig-oci beside crun and runc (where installed) and the floor, in one run, interleaved by hyperfine. Ratios count:
# absolute times are the machine's. Needs root, hyperfine, jq and busybox-static.
set -eu
build=$(realpath "$1")
runs=${RUNS:-200}
for t in hyperfine jq; do command -v "$t" >/dev/null || { echo "bench: $t is missing" >&2; exit 1; }; done
[ "$(id -u)" -eq 0 ] || { echo "bench: needs root" >&2; exit 1; }
if [ "${BENCH_NS:-0}" != 1 ]; then
	# Peers refuse a hybrid layout: hide its cgroup2 mount from all of them alike.
	BENCH_NS=1 exec unshare -m sh "$0" "$@"
fi
umount /sys/fs/cgroup/unified 2>/dev/null || true
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/rootfs/bin" "$work/rootfs/proc" "$work/rootfs/dev" "$work/rootfs/sys"
cp "$(command -v busybox)" "$work/rootfs/bin/true"
(cd "$work" && "$build/bin/brig-oci" spec && sed -i -e 's/"terminal": true/"terminal": false/' -e 's|"sh"$|"/bin/true"|' config.json)
dirs=$(find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d ! -name cpuset 2>/dev/null | tr '\n' ' ')
[ -e /sys/fs/cgroup/cgroup.procs ] && dirs=
printf 'int main(void) { return 0; }\n' >"$work/empty.c"
cc -O2 -static -o "$work/empty" "$work/empty.c"
cd "$work"

table() { # commands...
	hyperfine -N -i -w 10 -r "$runs" --export-json h.json "$@" >/dev/null 2>&1
	jq -r '.results[] | "  \((.median * 1e5 | round) / 100) ms  (min \((.min * 1e5 | round) / 100))  \(.command | gsub("/[^ ]*/"; "") | .[0:60])"' h.json
}
peer() { command -v "$1" >/dev/null; }

echo "run of /bin/true"
set -- "$build/bench/floor $work/rootfs $dirs" "$build/bin/brig-oci --root $work/s run b"
if peer crun; then set -- "$@" "crun --root $work/c run c"; fi
if peer runc; then set -- "$@" "runc --root $work/r run r"; fi
table "$@"

echo "exec of true"
sed -i 's|"/bin/true"|"/bin/sleep", "1000"|' config.json
cp "$(command -v busybox)" "$work/rootfs/bin/sleep"
"$build/bin/brig-oci" --root "$work/s" run -d b >/dev/null 2>&1 </dev/null
set -- "$build/bin/brig-oci --root $work/s exec b /bin/true"
if peer crun && crun --root "$work/c" run -d c >/dev/null 2>&1 </dev/null; then set -- "$@" "crun --root $work/c exec c /bin/true"; fi
if peer runc && runc --root "$work/r" run -d r >/dev/null 2>&1 </dev/null; then set -- "$@" "runc --root $work/r exec r /bin/true"; fi
table "$@"

echo "verbs that enter no container"
table "$work/empty" "$build/bin/brig-oci --version" "$build/bin/brig-oci --root $work/s state b" "$build/bin/brig-oci --root $work/s kill b 0" \
	"$build/bin/brig-oci --root $work/s delete nothing"
"$build/bin/brig-oci" --root "$work/s" delete -f b
if peer crun; then crun --root "$work/c" delete -f c 2>/dev/null || true; fi
if peer runc; then runc --root "$work/r" delete -f r 2>/dev/null || true; fi

echo "peak resident memory of run"
sed -i 's|"/bin/sleep", "1000"|"/bin/true"|' config.json
if [ -x /usr/bin/time ]; then
	for rt in "$build/bin/brig-oci" crun runc; do
		if peer "$rt"; then /usr/bin/time -f "  %M KiB  $(basename "$rt")" "$rt" --root "$work/m" run m </dev/null 2>&1 | tail -n 1; fi
	done
else
	echo "  (needs the package time)"
fi
