#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The systemd manager: scopes on the system's and a user's bus. Needs a machine with systemd as process 1 (the kvm-host bench).
load helpers

have_systemd() { [ -d /run/systemd/system ]; }
have_v2() { [ -e /sys/fs/cgroup/cgroup.controllers ]; }

test_setup() { need systemd "systemd is not process 1"; }
rt() { timeout -k 5 "${RT_TIMEOUT:-120}" "$RUNTIME" --root "$ROOT" --systemd-cgroup "$@" 3>&-; }

no_units_like() { [ -z "$(systemctl list-units --all --plain --no-legend "*$1*")" ]; }
no_dirs_like() { [ -z "$(find /sys/fs/cgroup -type d -name "*$1*" -print -quit)" ]; }
test_teardown() {
	local id
	for id in "${IDS[@]}"; do
		[ ! -e "$ROOT/$id" ] || rt delete --force "$id"
		wait_for no_units_like "$id" || { systemctl list-units --all "*$id*"; return 1; }
		wait_for no_dirs_like "$id" || return 1
	done
}

# scope FILTER: a bundle of a sleeping container in system.slice/brig-ID.scope; UNIT is the scope, SCOPE its cgroup2 directory
scope() {
	mk_sh "${2:-sleep 600}" ".linux.cgroupsPath = \"system.slice:brig:\" + \$id | ${1:-.}"
	UNIT=brig-$ID.scope
	SCOPE=/sys/fs/cgroup/system.slice/$UNIT
}
prop() { systemctl show --value -p "$1" "${2:-$UNIT}"; }

@test "systemd: a scope with every limit, as properties of the unit and in the kernel's files" {
	scope '.linux.resources = {memory: {limit: 67108864, swap: 100663296, reservation: 33554432}, pids: {limit: 77},
		cpu: {shares: 512, quota: 20000, period: 50000, cpus: "0"}}'
	ct_up
	[ "$(cut -d: -f3 "/proc/$(ct_pid)/cgroup" | sort -u)" = "/system.slice/$UNIT" ]
	[ "$(prop ActiveState)" = active ]
	[ "$(prop MemoryMax)" = 67108864 ]
	[ "$(prop MemorySwapMax)" = 33554432 ]
	[ "$(prop MemoryLow)" = 33554432 ]
	[ "$(prop TasksMax)" = 77 ]
	[ "$(prop CPUWeight)" = 59 ]
	[ "$(prop CPUQuotaPerSecUSec)" = 400ms ]
	[ "$(prop AllowedCPUs)" = 0 ]
	[ "$(prop Delegate)" = yes ]
	[ "$(prop Slice)" = system.slice ]
	[ "$(cat "$SCOPE"/memory.max "$SCOPE"/pids.max "$SCOPE"/cpu.weight "$SCOPE"/cpu.max "$SCOPE"/cpuset.cpus | tr '\n' ' ')" = "67108864 77 59 20000 50000 0 " ]
	rt delete --force "$ID"
	wait_for no_units_like "$ID"
}

# shellcheck disable=SC2016 # expanded by the inner shell
@test "systemd: devices are refused by the unit and by the filter, and daemon-reload loses nothing" {
	scope '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 77}, devices: [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 11, access: "r"}]}
		| .mounts += [{destination: "/nodes", type: "tmpfs", source: "tmpfs", options: ["mode=755"]}]
		| .process.capabilities = (["bounding", "effective", "permitted"] | map({key: ., value: ["CAP_MKNOD", "CAP_DAC_OVERRIDE"]}) | from_entries)'
	ct_up
	[ "$(prop DevicePolicy)" = strict ]
	[[ "$(prop DeviceAllow)" == *"1:11 r"* ]]
	look() { rt exec "$ID" sh -c 'cd /nodes; rm -f blocked ok; mknod blocked c 1 2; mknod ok c 1 3; cat blocked 2>&1; cat ok && echo read' </dev/null; }
	run look
	echo "$output"
	[[ "$output" == *"blocked': Operation not permitted"*read* ]]
	systemctl daemon-reload
	run look
	echo "$output"
	[[ "$output" == *"blocked': Operation not permitted"*read* ]]
	[ "$(cat "$SCOPE/memory.max" "$SCOPE/pids.max" | tr '\n' ' ')" = "67108864 77 " ]
	# another list, of the unit and of the filter; one that the manager does not hear of is taken back
	echo '{"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 2, "access": "r"}]}' >"$T/r.json"
	run unshare -m sh -c 'mount -t tmpfs none /run/dbus; mount -t tmpfs none /run/systemd && mkdir /run/systemd/system; exec "$@"' sh \
		"$RUNTIME" --root "$ROOT" update --resources "$T/r.json" "$ID"
	[ "$status" = 1 ]
	run look
	[[ "$output" == *"blocked': Operation not permitted"*read* ]]
	rt update --resources "$T/r.json" "$ID"
	[[ "$(prop DeviceAllow)" == *"1:2 r"* && "$(prop DeviceAllow)" != *"1:11 r"* ]]
	systemctl daemon-reload
	run look
	echo "$output"
	[[ "$output" == *read* && "$output" != *"Operation not permitted"* ]]
}

@test "systemd: update changes the unit and the files, and a refused one changes neither" {
	scope '.linux.resources = {memory: {limit: 67108864, swap: 67108864}, pids: {limit: 77}}'
	ct_up
	echo '{"memory": {"limit": 134217728, "swap": 134217728}, "pids": {"limit": 55}, "cpu": {"quota": 30000, "period": 100000}}' | rt update --resources - "$ID"
	[ "$(prop MemoryMax) $(prop TasksMax) $(prop CPUQuotaPerSecUSec)" = "134217728 55 300ms" ]
	[ "$(cat "$SCOPE/memory.max" "$SCOPE/pids.max" "$SCOPE/cpu.max" | tr '\n' ' ')" = "134217728 55 30000 100000 " ]
	echo '{"memory": {"limit": 33554432}, "cpu": {"cpus": "4000"}}' >"$T/r.json"
	run rt update --resources "$T/r.json" "$ID"
	echo "$output"
	[ "$status" = 1 ]
	[ "$(prop MemoryMax)" = 134217728 ]
	[ "$(cat "$SCOPE/memory.max")" = 134217728 ]
	systemctl daemon-reload
	[ "$(cat "$SCOPE/memory.max" "$SCOPE/pids.max" | tr '\n' ' ')" = "134217728 55 " ]
	# one half of the quota, which no whole number of systemd's steps is
	echo '{"cpu": {"period": 50000}}' | rt update --resources - "$ID"
	echo '{"cpu": {"quota": 20001}}' | rt update --resources - "$ID"
	[ "$(prop CPUQuotaPerSecUSec) $(prop CPUQuotaPeriodUSec)" = "410ms 50ms" ]
	[ "$(cat "$SCOPE/cpu.max")" = "20001 50000" ]
}

# shellcheck disable=SC2016 # expanded by the inner shell
@test "systemd: an update that the manager does not hear of is taken back" {
	scope '.linux.resources = {memory: {limit: 67108864}}'
	ct_up
	run unshare -m sh -c 'mount -t tmpfs none /run/dbus; mount -t tmpfs none /run/systemd && mkdir /run/systemd/system; exec "$@"' sh \
		"$RUNTIME" --root "$ROOT" update --memory 33554432 --pids-limit 55 "$ID"
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"connect to systemd: "* ]]
	[ "$(cat "$SCOPE/memory.max")" = 67108864 ]
	[ "$(cat "$SCOPE/pids.max")" != 55 ]
}

@test "systemd: unified values outlive what systemd writes; the container's root owns a cgroup that it may write" {
	scope '.linux.resources = {unified: {"memory.high": "48M", "cpu.max": "20000 100000"}}
		| .linux.namespaces += [{type: "user"}, {type: "cgroup"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings | .mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["rw", "nosuid"]}]' \
		'cat /proc/self/cgroup; mkdir /sys/fs/cgroup/sub && echo made; sleep 600'
	chown -R 100000:100000 "$R"
	ct_up
	[ "$(prop MemoryHigh)" = 50331648 ]
	systemctl set-property --runtime "$UNIT" TasksMax=66 MemoryMax=64M CPUWeight=50
	systemctl daemon-reload
	[ "$(cat "$SCOPE/memory.high" "$SCOPE/cpu.max" "$SCOPE/pids.max" | tr '\n' ' ')" = "50331648 20000 100000 66 " ]
	[ "$(stat -c %u "$SCOPE" "$SCOPE/cgroup.procs" "$SCOPE/memory.max" | tr '\n' ' ')" = "100000 100000 0 " ]
	wait_for grep -q made "$T/$ID.out"
	[ "$(ct_out)" = "$(printf '0::/\nmade')" ]
}

@test "systemd: annotations set properties of the unit" {
	scope '.annotations = {"org.systemd.property.TimeoutStopUSec": "uint64 123456789", "org.systemd.property.CollectMode": "'"'inactive'"'",
		"org.systemd.property.MemoryHigh": "uint64 50331648", "org.systemd.property.After": "['"'dbus.service'"']"}'
	ct_up
	[ "$(prop TimeoutStopUSec)" = "2min 3.456789s" ]
	[ "$(prop CollectMode)" = inactive ]
	[ "$(prop MemoryHigh)" = 50331648 ]
	[[ "$(prop After)" == *dbus.service* ]]
}

@test "systemd: a slice inside slices is made" {
	mk_sh 'sleep 600' '.linux.cgroupsPath = "brigtest-inner.slice:brig:" + $id'
	ct_up
	[ "$(cut -d: -f3 "/proc/$(ct_pid)/cgroup" | sort -u)" = "/brigtest.slice/brigtest-inner.slice/brig-$ID.scope" ]
}

@test "systemd: exec, pause, resume, kill, ps and stats work on a scope" {
	scope
	ct_up
	rt exec --detach --pid-file "$T/exec.pid" "$ID" sleep 601 </dev/null >/dev/null 2>&1
	[ "$(cat "/proc/$(cat "$T/exec.pid")/cgroup")" = "$(cat "/proc/$(ct_pid)/cgroup")" ]
	rt pause "$ID"
	[ "$(ct_status)" = paused ]
	rt resume "$ID"
	[ "$(ct_status)" = running ]
	[ "$(rt ps --format json "$ID" | jq length)" = 2 ]
	[ "$(rt events --stats "$ID" | jq .data.pids.current)" -ge 2 ]
	rt kill --all "$ID" KILL
	wait_for is_status stopped
	rt delete "$ID"
}

@test "systemd: a container that ends by itself leaves no unit" {
	scope . 'exit 7'
	run ct_run
	[ "$status" = 7 ]
	wait_for no_units_like "$ID"
}

@test "systemd: a path that is not SLICE:PREFIX:NAME is refused with the format" {
	mk_bundle '.linux.cgroupsPath = "/foo/bar"'
	run ct_create
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *'slice:prefix:name'* ]]
	no_residue "$ID"
	mk_bundle '.linux.cgroupsPath = "no-such--thing.slice:brig:x"'
	run ct_create
	[ "$status" = 1 ]
	[[ "$output" == *"'no-such--thing.slice' is not the name of a slice"* ]]
}

# shellcheck disable=SC2016 # expanded by the inner shell
@test "systemd: without systemd or without its bus the error says so and what to do" {
	scope
	run unshare -m sh -c 'mount -t tmpfs none /run/systemd; exec "$@"' sh "$RUNTIME" --root "$ROOT" --systemd-cgroup run --bundle "$B" "$ID" </dev/null
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"not started by systemd"*"use --cgroup-manager cgroupfs"* ]]
	no_residue "$ID"
	run unshare -m sh -c 'mount -t tmpfs none /run/dbus; mount -t tmpfs none /run/systemd && mkdir /run/systemd/system; exec "$@"' sh \
		"$RUNTIME" --root "$ROOT" --systemd-cgroup run --bundle "$B" "$ID" </dev/null
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"connect to systemd: "*"start dbus, or use --cgroup-manager cgroupfs"* ]]
	no_residue "$ID"
}

# as_tester COMMAND...: as the bench's user, in a cgroup of his own systemd
as_tester() {
	local uid c
	uid=$(id -u tester)
	systemctl start "user@$uid.service"
	c=/sys/fs/cgroup/user.slice/user-$uid.slice/user@$uid.service/app.slice/brig-test.scope
	mkdir -p "$c"
	chown -R "$uid:$uid" "$c"
	(
		echo "$BASHPID" >"$c/cgroup.procs"
		cd "$T/u" && exec setpriv --reuid "$uid" --regid "$uid" --init-groups env -i PATH="$PATH" HOME=/home/tester XDG_RUNTIME_DIR="/run/user/$uid" \
			DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" "$@" 3>&-
	)
}
have_tester() { id tester >/dev/null 2>&1; }

@test "systemd: a user's container gets a scope of the user's systemd, with limits in force" {
	need tester "no user 'tester' (the bench has one)"
	mk_sh 'sleep 600' '.linux.cgroupsPath = "user.slice:brig:" + $id | .linux.resources = {memory: {limit: 67108864, swap: 67108864}, pids: {limit: 77}, cpu: {quota: 20000}}
		| del(.linux.resources.devices)'
	mkdir "$T/u"
	cp -a "$B" "$T/u/b"
	chown -R tester:tester "$T/u"
	as_tester "$RUNTIME" --systemd-cgroup run --detach --bundle "$T/u/b" --pid-file "$T/u/pid" "$ID" </dev/null >"$T/u/out" 2>&1 || { cat "$T/u/out"; false; }
	dir=/sys/fs/cgroup$(cut -d: -f3 "/proc/$(cat "$T/u/pid")/cgroup")
	echo "$dir"
	[[ "$dir" == */user@*.service/user.slice/brig-$ID.scope* ]]
	[ "$(cat "$dir/memory.max" "$dir/pids.max" "$dir/cpu.max" | tr '\n' ' ')" = "67108864 77 20000 100000 " ]
	echo '{"pids": {"limit": 55}}' | as_tester "$RUNTIME" --systemd-cgroup update --resources - "$ID"
	[ "$(cat "$dir/pids.max")" = 55 ]
	as_tester "$RUNTIME" --systemd-cgroup delete --force "$ID"
	wait_for no_dirs_like "$ID"
}

@test "systemd: a user without a bus is told what to do" {
	need tester "no user 'tester' (the bench has one)"
	scope
	mkdir "$T/u"
	cp -a "$B" "$T/u/b"
	chown -R tester:tester "$T/u"
	run as_tester env XDG_RUNTIME_DIR="$T/u" DBUS_SESSION_BUS_ADDRESS= "$RUNTIME" --systemd-cgroup run --bundle "$T/u/b" "$ID"
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"loginctl enable-linger"* ]]
}

@test "systemd: containers in parallel leave no unit and no directory" {
	local n=${MANY:-50} i
	mk_bundle '.process.args = ["true"]'
	for i in $(seq "$n"); do
		mkdir "$T/p$i"
		jq --arg p "system.slice:brig:$ID-$i" '.linux.cgroupsPath = $p | .root.path = $r' --arg r "$R" "$B/config.json" >"$T/p$i/config.json"
	done
	# shellcheck disable=SC2016
	seq "$n" | env RUNTIME="$RUNTIME" ROOT="$ROOT" T="$T" ID="$ID" xargs -P 8 -I{} sh -c '"$RUNTIME" --root "$ROOT" --systemd-cgroup run --bundle "$T/p{}" "$ID-{}" </dev/null >/dev/null 2>>"$T/errors" || echo {} >>"$T/failed"' 3>&-
	[ ! -e "$T/failed" ] || { sort "$T/errors" | uniq -c | sort -rn | head -5; wc -l <"$T/failed"; false; }
	wait_for no_units_like "$ID"
	no_dirs_like "$ID"
}
