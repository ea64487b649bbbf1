#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The systemd manager where controllers are on cgroup v1: systemd manages some hierarchies, brig the others. Needs a machine with
# systemd as process 1 and v1 or hybrid cgroups (the kvm-host bench).
load helpers

have_systemd_v1() { [ -d /run/systemd/system ] && [ -d /sys/fs/cgroup/memory ]; }

test_setup() { need systemd_v1 "no systemd with cgroup v1 here"; }
rt() { timeout -k 5 "${RT_TIMEOUT:-120}" "$RUNTIME" --root "$ROOT" --systemd-cgroup "$@" 3>&-; }

no_units_like() { [ -z "$(systemctl list-units --all --plain --no-legend "*$1*")" ]; }
no_dirs_like() { [ -z "$(find /sys/fs/cgroup -type d -name "*$1*" -print -quit)" ]; }
test_teardown() {
	local id
	for id in "${IDS[@]}"; do
		[ ! -e "$ROOT/$id" ] || rt delete --force "$id"
		wait_for no_units_like "$id" || { systemctl list-units --all "*$id*"; return 1; }
		wait_for no_dirs_like "$id" || { find /sys/fs/cgroup -type d -name "*$id*"; return 1; }
	done
}
files() { # CONTROLLER/FILE...: what the kernel has, on one line
	local f
	for f in "$@"; do cat "/sys/fs/cgroup/${f%/*}/system.slice/brig-$ID.scope/${f##*/}"; done | tr '\n' ' '
}

@test "systemd on v1: the scope is in every hierarchy, with limits, and outlives daemon-reload and update" {
	mk_sh 'cat /proc/self/cgroup /sys/fs/cgroup/pids/pids.max; sleep 600' '.linux.cgroupsPath = "system.slice:brig:" + $id
		| .linux.resources = {memory: {limit: 67108864}, pids: {limit: 77}, cpu: {shares: 512, quota: 20000, period: 50000, cpus: "0"}, devices: [{allow: false, access: "rwm"}]}
		| .linux.namespaces += [{type: "cgroup"}] | .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid"]}]'
	ct_up
	while IFS=: read -r _ name path; do
		[ "$path" = "/system.slice/brig-$ID.scope" ] || { [ -z "$name" ] && [ ! -d /sys/fs/cgroup/unified ]; } || { echo "$name is in $path"; false; }
	done <"/proc/$(ct_pid)/cgroup"
	all="cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares memory/memory.limit_in_bytes pids/pids.max cpuset/cpuset.cpus"
	# shellcheck disable=SC2086
	[ "$(files $all)" = "20000 50000 512 67108864 77 0 " ]
	[[ "$(files devices/devices.list)" != *"a *:* rwm"* ]]
	[ "$(systemctl show --value -p MemoryLimit "brig-$ID.scope")" = 67108864 ]
	wait_for grep -qx 77 "$T/$ID.out" # the container sees its own cgroups
	! grep -q "brig-$ID" "$T/$ID.out" || false
	systemctl daemon-reload
	# shellcheck disable=SC2086
	[ "$(files $all)" = "20000 50000 512 67108864 77 0 " ]
	rt update --pids-limit 55 --cpu-quota 30001 --memory 134217728 "$ID"
	# shellcheck disable=SC2086
	[ "$(files $all)" = "30001 50000 512 134217728 55 0 " ]
	rt exec --detach --pid-file "$T/exec.pid" "$ID" sleep 601 </dev/null >/dev/null 2>&1
	[ "$(cat "/proc/$(cat "$T/exec.pid")/cgroup")" = "$(cat "/proc/$(ct_pid)/cgroup")" ]
	rt pause "$ID"
	[ "$(ct_status)" = paused ]
	rt resume "$ID"
	rt delete --force "$ID"
	no_residue "$ID"
}

@test "systemd on v1: a limit that fails leaves no unit and no directory" {
	mk_bundle '.linux.cgroupsPath = "system.slice:brig:" + $id | .linux.resources.unified = {"memory.max": "1000000"}'
	run ct_create
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"unified"*"needs cgroup v2"* ]]
	no_dirs_like "$ID"
	no_residue "$ID"
}
