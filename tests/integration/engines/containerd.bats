#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# containerd's ctr drives the runtime through containerd-shim-runc-v2.
load helpers
bats_require_minimum_version 1.5.0

have_containerd() { command -v containerd >/dev/null && command -v ctr >/dev/null; }

setup_file() {
	file_needs containerd "containerd is not installed" || return 0
	engine_up
	containerd_up
	oci_image docker.io/library/box:1 "$E/box.tar"
	ctr image import "$E/box.tar" >/dev/null
}
teardown_file() { ENGINE_CGROUPS=default engine_down; }
teardown() {
	local c
	[ -n "${E:-}" ] || return 0
	for c in $(ctr task ls -q); do ctr task kill --signal KILL "$c" >/dev/null 2>&1 || true; ctr task rm --force "$c" >/dev/null 2>&1 || true; done
	for c in $(ctr container ls -q); do ctr container rm "$c" >/dev/null 2>&1 || true; done
}

crun() { ctr run --runtime io.containerd.runc.v2 --runc-binary "$RT" "$@"; }
BOX=docker.io/library/box:1

@test "ctr run: output and exit code" {
	run crun --rm "$BOX" c1 sh -c 'echo hello; exit 6'
	echo "$output"
	[ "$status" = 6 ]
	[[ "$output" == *hello* ]]
	called '--log-format json.*create.*--pid-file'
}

@test "ctr run: a missing program is reported" {
	run crun --rm "$BOX" c2 no-such-program
	echo "$output"
	[ "$status" != 0 ]
	[[ "$output" == *"no-such-program"*"not found"* ]]
}

@test "ctr run -t: a terminal" {
	run "$(helper onpty)" 80x24 nsenter -t "$NSPID" -m -n -p -- ctr -a "$E/c.sock" run --runtime io.containerd.runc.v2 --runc-binary "$RT" --rm -t "$BOX" c3 sh -c 'tty; stty size; exit 4' </dev/null
	echo "$output"
	[ "$status" = 4 ]
	[[ "$output" == *"/dev/pts/0"* || "$output" == *"/dev/console"* ]]
}

@test "ctr run -d, exec, ps, metrics, kill, rm" {
	crun -d "$BOX" c4 sleep 600
	ctr task ls | grep -q 'c4.*RUNNING'
	run ctr task exec --exec-id e1 c4 sh -c 'echo in; exit 8'
	[ "$status" = 8 ]
	[[ "$output" == *in* ]]
	run ctr task exec --user 1000:1000 --cwd /tmp --exec-id e2 c4 sh -c 'echo $(id -u) $PWD'
	echo "$output"
	[ "$output" = "1000 /tmp" ]
	ctr task ps c4
	run ctr task metrics c4
	echo "$output"
	[[ "$output" == *memory* ]]
	ctr task kill --signal KILL c4
	gone() { ! ctr task ls | grep -q 'c4.*RUNNING'; }
	wait_for gone
	ctr task rm c4 || true
	ctr container rm c4
}

@test "ctr pause and resume" {
	crun -d "$BOX" c5 sleep 600
	ctr task pause c5
	ctr task ls | grep -q 'c5.*PAUSED'
	ctr task resume c5
	ctr task ls | grep -q 'c5.*RUNNING'
}

@test "ctr run: memory limit, read-only root, mounts, environment, seccomp, no-new-privs" {
	echo m >"$E/m"
	run crun --rm --memory-limit 33554432 --read-only --mount "type=bind,src=$E/m,dst=/m,options=rbind:ro" --env A=b --seccomp \
		"$BOX" c6 sh -c 'cat /m; echo $A; pwd; grep Seccomp: /proc/self/status; touch /x'
	echo "$output"
	[ "$status" != 0 ]
	[ "${lines[0]}" = m ] && [ "${lines[1]}" = b ] && [ "${lines[2]}" = / ]
	grep -Eq '^Seccomp:.*2$' <<<"$output" # stderr may come before it
}

@test "ctr run --net-host, --privileged, --uidmap" {
	in_vm || [ "$(crun --rm --net-host "$BOX" c7 readlink /proc/self/ns/net)" = "$(ns readlink /proc/self/ns/net)" ]
	run crun --rm --privileged "$BOX" c8 grep CapEff /proc/self/status
	echo "$output"
	[ "$status" = 0 ]
}

@test "ctr tasks update is passed to the runtime" {
	need cgroup-v1 "reads cgroup v1 files"
	crun -d --memory-limit 67108864 "$BOX" c9 sleep 600
	limit /sys/fs/cgroup/memory/default/c9/memory.limit_in_bytes 67108864
}

@test "ctr: 10 at once" {
	local i pids=() n=10
	! in_vm || n=3 # emulated machines are slow
	for i in $(seq $n); do crun --rm "$BOX" "p$i" sh -c "exit $i" >"$E/o$i" 2>&1 & pids+=($!); done
	for i in $(seq $n); do
		local rc=0
		wait "${pids[i - 1]}" || rc=$?
		cat "$E/o$i"
		[ "$rc" = "$i" ]
	done
}

@test "containerd: nothing is left of the containers" {
	[ -z "$(ns find /run/containerd/runc -mindepth 2 2>/dev/null)" ]
	[ -z "$(find /sys/fs/cgroup/*/default -mindepth 1 -type d 2>/dev/null)" ]
}
