#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What only cgroup v2 has: its own files, delegation, nested containers. Runs in the kvm-host bench, and wherever v2 is mounted.
load helpers

test_setup() { need cgroup-v2 "cgroup v2 is not what this machine uses"; }
file() { cat "/sys/fs/cgroup/$CG/$1"; }
# A container whose root is uid 100000 outside, with a cgroup namespace and a writable view of its own cgroup.
owned='.linux.namespaces += [{type: "user"}, {type: "cgroup"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
	| .linux.gidMappings = .linux.uidMappings | .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["rw", "nosuid"]}]'
# The same for the real root.
rw='.linux.namespaces += [{type: "cgroup"}] | .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["rw", "nosuid"]}]'

@test "v2: unified is written last, and names what is wrong" {
	mk_sh 'sleep 600' '.linux.resources = {memory: {limit: 67108864}, unified: {"memory.max": "33554432", "memory.high": "25165824", "pids.max": "66"}}'
	ct_up
	[ "$(file memory.max) $(file memory.high) $(file pids.max)" = "33554432 25165824 66" ]
	mk_bundle '.linux.resources.unified = {"memory.nonsense": "1"}'
	run ct_create
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *memory.nonsense* ]]
}

@test "v2: memory.high is reported, and waiting for it takes no time of the CPU" {
	mk_sh 'until [ -e /go ]; do sleep 0.1; done; dd if=/dev/zero of=/dev/shm/x bs=1M count=40; sleep 600' \
		'.linux.resources.unified = {"memory.high": "8388608", "memory.swap.max": "0"}'
	ct_up
	"$RUNTIME" --root "$ROOT" events --interval 1h "$ID" </dev/null >"$T/events" 2>&1 3>&- &
	events=$!
	background $events
	watches() { ls -l "/proc/$events/fd" | grep -q 'memory\.events'; }
	wait_for watches
	sleep 1
	ticks() { awk '{ print $14 + $15 }' "/proc/$events/stat"; }
	a=$(ticks)
	sleep 3
	[ $(($(ticks) - a)) -lt 30 ] # of 300; a wake-up costs a tick or two in an emulated machine
	touch "$R/go"
	wait_for grep -q '"type":"memory.high"' "$T/events"
	jq -e 'select(.type == "memory.high") | .data.count > 0' "$T/events"
}

@test "v2: the container's root owns the files that the kernel delegates, and no others" {
	mk_sh 'cat /proc/self/cgroup; mkdir /sys/fs/cgroup/sub && echo made; echo 1 >/sys/fs/cgroup/pids.max 2>/dev/null || echo refused; sleep 600' "$owned"
	chown -R 100000:100000 "$R"
	ct_up
	[ "$(stat -c %u "/sys/fs/cgroup/$CG")" = 100000 ]
	for f in "/sys/fs/cgroup/$CG"/[a-z]*; do
		[ -f "$f" ] || continue
		uid=0
		if grep -qxF "${f##*/}" /sys/kernel/cgroup/delegate; then uid=100000; fi
		[ "$(stat -c %u "$f")" = "$uid" ] || { echo "$f is owned by $(stat -c %u "$f")"; false; }
	done
	wait_for grep -q refused "$T/$ID.out"
	[ "$(ct_out)" = "$(printf '0::/\nmade\nrefused')" ]
}

@test "v2: a cgroup that is mounted read-only stays with root" {
	mk_sh 'sleep 600' "$owned | .mounts[-1].options = [\"ro\"]"
	chown -R 100000:100000 "$R"
	ct_up
	[ "$(stat -c %u "/sys/fs/cgroup/$CG" "/sys/fs/cgroup/$CG/cgroup.procs" | sort -u)" = 0 ]
}

@test "v2: exec joins init's cgroup when the container made sub-cgroups with controllers" {
	mk_sh 'cd /sys/fs/cgroup && mkdir init && echo $$ >init/cgroup.procs && echo +pids >cgroup.subtree_control && echo ready; sleep 600' "$rw"
	ct_up
	wait_for grep -q ready "$T/$ID.out"
	run rt exec "$ID" cat /proc/self/cgroup </dev/null
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = 0::/init ]
	rt delete --force "$ID"
	no_residue "$ID"
}

@test "v2: a parent with processes in it cannot limit its children, and the error explains that" {
	mk_bundle '.linux.cgroupsPath = "/p-" + $id + "/" + $id | .linux.resources.memory.limit = 67108864'
	mkdir "/sys/fs/cgroup/p-$ID"
	sleep 600 3>&- &
	background $!
	echo $! >"/sys/fs/cgroup/p-$ID/cgroup.procs"
	run ct_create
	echo "$output"
	[ -z "$(cat "/sys/fs/cgroup/p-$ID/cgroup.subtree_control")" ] # not left as the root of threaded cgroups
	echo $! >/sys/fs/cgroup/cgroup.procs
	rmdir "/sys/fs/cgroup/p-$ID"
	[ "$status" = 1 ]
	[[ "$output" == *"processes live in that cgroup itself"* ]]
}

@test "v2: stats have pressure" {
	mk_sh 'sleep 600'
	ct_up
	rt events --stats "$ID" >"$T/stats"
	jq -e '.data | (.cpu.psi.some.total >= 0) and (.memory.psi.full.total >= 0) and (.blkio.psi.some.total >= 0)' "$T/stats"
}
