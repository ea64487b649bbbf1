#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD: brig-oci beside crun and runc (where installed) and the floor, in one run, in turns. Ratios count: absolute times are the
# machine's. Needs root, hyperfine, jq and busybox-static. RUNS (200) rounds each; MANY (1000) containers at once, 0 for none.
set -eu
build=$(realpath "$1")
runs=${RUNS:-200}
many=${MANY:-1000}
for t in hyperfine jq busybox; do command -v "$t" >/dev/null || { echo "bench: $t is missing" >&2; exit 1; }; done
[ "$(id -u)" -eq 0 ] || { echo "bench: needs root" >&2; exit 1; }
if [ "${BENCH_NS:-0}" != 1 ]; then
	# Peers refuse a hybrid layout: hide its cgroup2 mount from all of them alike.
	BENCH_NS=1 exec unshare -m sh "$0" "$@"
fi
umount /sys/fs/cgroup/unified 2>/dev/null || true
work=$(mktemp -d)
mount -t tmpfs -o mode=700 tmpfs "$work" # states lie on a tmpfs, as in /run
brig=$build/bin/brig-oci
id=bench$$
cleanup() {
	for i in "$work"/s/*; do "$brig" --root "$work/s" delete -f "${i##*/}" 2>/dev/null || :; done
	for rt in crun runc; do "$rt" --root "$work/$rt" delete -f "$id" 2>/dev/null || :; done
	umount -l "$work"
	rmdir "$work"
}
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
peers=
for rt in crun runc; do if command -v "$rt" >/dev/null; then peers="$peers $rt"; fi; done

cd "$work"
mkdir -p rootfs/bin rootfs/proc rootfs/dev rootfs/sys s
cp "$(command -v busybox)" rootfs/bin/true
cp "$(command -v busybox)" rootfs/bin/sleep
# runc's default configuration; ours is the same with a newer version, which old peers refuse.
if command -v runc >/dev/null; then runc spec; else "$brig" spec && sed -i 's/"ociVersion": "[^"]*"/"ociVersion": "1.0.2"/' config.json; fi
jq '.process.terminal = false | .process.args = ["/bin/true"] | del(.process.capabilities.ambient)' config.json >c && mv c config.json
dirs=$(awk '$3 == "cgroup" && $2 !~ /cpuset/ { print $2 }' /proc/self/mounts | tr '\n' ' ')
printf 'int main(void) { return 0; }\n' >empty.c
cc -O2 -static -o empty empty.c

must() { "$@" >/dev/null 2>&1 </dev/null || { echo "bench: fails: $*" >&2; exit 1; }; }
table() { # commands that succeed: by hyperfine, and by processor time
	# shellcheck disable=SC2086
	for c in "$@"; do must $c; done
	hyperfine -N -w 10 -r "$runs" --export-json h.json "$@" >/dev/null 2>&1
	jq -r '.results[] | "  \((.median * 1e5 | round) / 100) ms  (min \((.min * 1e5 | round) / 100))  \(.command | gsub("/[^ ]*/"; "") | .[0:60])"' h.json
	line=
	for c in "$@"; do line="${line:+$line -- }$c"; done
	echo "  median and first quartile; resident set:"
	# shellcheck disable=SC2086
	"$build/bench/pairs" "$runs" $line
}

echo "$(date -u +%F), Linux $(uname -r), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg); $("$brig" --version | head -n 1)"
for rt in $peers; do "$rt" --version | head -n 1; done

echo "run of /bin/true"
set -- "$build/bench/floor $work/rootfs $dirs" "$build/bench/floor -a $work/rootfs $dirs" "$brig --root $work/s run $id"
for rt in $peers; do set -- "$@" "$rt --root $work/$rt run $id"; done
table "$@"

echo "exec of true"
jq '.process.args = ["/bin/sleep", "1000"]' config.json >c && mv c config.json
must "$brig" --root "$work/s" run -d "$id"
set -- "$brig --root $work/s exec $id /bin/true"
for rt in $peers; do
	must "$rt" --root "$work/$rt" run -d "$id"
	set -- "$@" "$rt --root $work/$rt exec $id /bin/true"
done
table "$@"

echo "verbs that enter no container"
table "$work/empty" "$brig --version" "$brig --root $work/s state $id" "$brig --root $work/s kill $id 0" "$brig --root $work/s delete -f nothing"
cleanup_one() { must "$1" --root "$work/$2" delete -f "$id"; }
cleanup_one "$brig" s
for rt in $peers; do cleanup_one "$rt" "$rt"; done

echo "a memory limit of 512 KiB"
jq '.process.args = ["/bin/true"] | .linux.resources.memory.limit = 524288' config.json >c && mv c config.json
for rt in "$brig --root $work/s" $(for p in $peers; do echo "$p"; done); do
	# shellcheck disable=SC2086
	if $rt run "$id" >/dev/null 2>&1 </dev/null; then echo "  starts: ${rt%% *}"; else echo "  does not start: ${rt%% *}"; fi
done

if [ "$many" -gt 0 ]; then
	echo "$many detached containers at once"
	jq '.process.args = ["/bin/sleep", "1000"] | del(.linux.resources.memory)' config.json >c && mv c config.json
	start=$(date +%s%N)
	for i in $(seq "$many"); do must "$brig" --root "$work/s" run -d "$id-$i"; done
	echo "  started in $((($(date +%s%N) - start) / 1000000)) ms; running: $("$brig" --root "$work/s" list | grep -c running)"
	alive=0
	for p in /proc/[0-9]*; do
		# others may run theirs: only those with our state directory
		if [ "$(basename "$(readlink "$p/exe" 2>/dev/null)" 2>/dev/null)" = brig-oci ] && grep -q "$work" "$p/cmdline" 2>/dev/null; then alive=$((alive + 1)); fi
	done
	echo "  brig processes alive: $alive"
	start=$(date +%s%N)
	for i in $(seq "$many"); do must "$brig" --root "$work/s" delete -f "$id-$i"; done
	echo "  deleted in $((($(date +%s%N) - start) / 1000000)) ms"
fi
