#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Namespaces: new ones, those of the host, those of other containers by path; id maps, time offsets, network devices.
load helpers
bats_require_minimum_version 1.5.0

FILES='{"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt", "cgroup": "cgroup", "user": "user", "time": "time"}'
MAPS='.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'

# join TYPE... : a jq filter that takes these namespaces of the process $1
join() {
	local pid=$1 t f='.'
	shift
	for t in "$@"; do
		f="$f | .linux.namespaces |= (map(select(.type != \"$t\")) + [{type: \"$t\", path: \"/proc/$pid/ns/$(jq -r ".$t" <<<"$FILES")\"}])"
	done
	echo "$f"
}
ns_of() { readlink "/proc/$1/ns/$2"; }

# up_one [FILTER]: a container to join; sets P (its pid) and KEEP (its id)
up_one() {
	mk_bundle "$@"
	ct_up
	P=$(ct_pid)
	KEEP=$ID
}

@test "by path: network, ipc, uts, pid and cgroup of another container, alone and together" {
	up_one '.linux.namespaces += [{type: "cgroup"}] | .hostname = "first"'
	local t n
	for t in network ipc uts pid cgroup "network ipc uts pid cgroup"; do
		# shellcheck disable=SC2086  # words
		mk_sh 'hostname; sleep 600' "$(join "$P" $t) | if \$t | test(\"uts\") then del(.hostname) else . end" --arg t "$t"
		ct_up
		for n in $t; do
			[ "$(ns_of "$(ct_pid)" "$(jq -r ".$n" <<<"$FILES")")" = "$(ns_of "$P" "$(jq -r ".$n" <<<"$FILES")")" ]
		done
		[[ " $t " == *network* ]] || [ "$(ns_of "$(ct_pid)" net)" != "$(ns_of "$P" net)" ]
		[[ " $t " != *uts* ]] || { wait_for grep -q first "$T/$ID.out"; }
		# exec is in the same ones
		[ "$(rt exec "$ID" readlink /proc/self/ns/net)" = "$(ns_of "$(ct_pid)" net)" ]
		rt delete --force "$ID"
		no_residue "$ID"
		[ "$(rt state "$KEEP" | jq -r .status)" = running ]
	done
}

@test "by path: the pid namespace of another container: its processes are seen, and only the own ones are killed" {
	up_one
	mk_sh 'sleep 601 & sleep 602 & touch /mark; wait' "$(join "$P" pid)"
	ct_up
	wait_for test -e "$R/mark"
	[ "$(rt exec "$ID" ps | grep -c 'sleep 60[012]$')" = 3 ]
	[ "$(rt ps --format json "$ID" | jq length)" = 3 ]
	rt kill "$ID" KILL
	wait_for is_status stopped
	gone() { [ -z "$(ct_processes "$ID")" ]; }
	wait_for gone
	rt delete "$ID"
	[ "$(rt state "$KEEP" | jq -r .status)" = running ]
}

@test "by path: a user namespace, with and without the others that it owns" {
	up_one ".linux.namespaces += [{type: \"user\"}] | $MAPS"
	[ "$(awk '/Uid/ { print $2 }' "/proc/$P/status")" = 100000 ]
	chown -R 100000:100000 "$R"
	mk_sh 'id -u; sleep 600' "$(join "$P" user)"
	chown -R 100000:100000 "$R"
	ct_up
	[ "$(ns_of "$(ct_pid)" user)" = "$(ns_of "$P" user)" ]
	wait_for grep -q '^0$' "$T/$ID.out"
	[ "$(rt exec "$ID" id -u)" = 0 ]
	rt delete --force "$ID"
	mk_bundle "$(join "$P" user network ipc uts pid) | del(.hostname)"
	chown -R 100000:100000 "$R"
	ct_up
	[ "$(ns_of "$(ct_pid)" net)" = "$(ns_of "$P" net)" ]
	[ "$(ns_of "$(ct_pid)" pid)" = "$(ns_of "$P" pid)" ]
}

@test "by path: what cannot be joined is named, and leaves nothing" {
	up_one
	mk_bundle '.linux.namespaces |= map(if .type == "network" then .path = "/no/such/ns" else . end)'
	run -1 ct_create
	[[ "$output" == *network*"/no/such/ns"* ]]
	mk_bundle ".linux.namespaces |= map(if .type == \"network\" then .path = \"/proc/$P/ns/ipc\" else . end)"
	run -1 ct_create
	[[ "$output" == *network* ]]
	mk_bundle '.linux.namespaces |= map(if .type == "ipc" then .path = "/etc/passwd" else . end)'
	run -1 ct_create
	[[ "$output" == *"/etc/passwd"* ]]
	mk_bundle "$(join "$P" uts)"
	not_in "sets it in the namespace of another" runc crun
	ct_create # a host name in a namespace that is somebody's: set, as the specification says
	[ "$(nsenter -t "$P" -u hostname)" = box ]
}

@test "absent: the namespaces of the host, and exec and kill work in them" {
	mk_sh 'sleep 601 & sleep 602 & touch /mark; wait' '.linux.namespaces |= map(select(.type == "mount")) | del(.hostname)'
	ct_up
	wait_for test -e "$R/mark"
	local n
	for n in pid net ipc uts; do [ "$(ns_of "$(ct_pid)" $n)" = "$(ns_of self $n)" ]; done
	[ "$(rt exec "$ID" readlink /proc/self/ns/pid)" = "$(ns_of self pid)" ]
	rt kill "$ID" KILL
	wait_for is_status stopped
	gone() { [ -z "$(ct_processes "$ID")" ]; }
	wait_for gone
	rt delete "$ID"
	no_residue "$ID"
}

@test "user: maps, ids of files and mounts, groups, limits, exec" {
	mk_sh 'id -u; cat /proc/self/uid_map | tr -s " "; touch /tmp/made; echo x >/dev/null && echo null; mount | grep -c " /sys "; ls -ln /dev/null | tr -s " " | cut -d" " -f3,4; sleep 600' \
		".linux.namespaces += [{type: \"user\"}] | $MAPS | .process.user.additionalGids = [7] | .process.oomScoreAdj = 100"
	chown -R 100000:100000 "$R"
	ct_up
	made() { [ "$(wc -l <"$T/$ID.out")" = 5 ]; }
	wait_for made
	[ "$(paste -sd : "$T/$ID.out")" = "0: 0 100000 65536:null:1:65534 65534" ] || { cat "$T/$ID.out"; false; }
	[ "$(stat -c %u "$R/tmp/made")" = 100000 ]
	[ "$(awk '/^Groups/ { print $2 }' "/proc/$(ct_pid)/status")" = 100007 ]
	[ "$(rt exec --user 5:6 "$ID" id -u)" = 5 ]
	[ "$(cat "/proc/$(ct_pid)/oom_score_adj")" = 100 ]
	# a new network namespace belongs to the new user namespace
	rt exec "$ID" sh -c 'grep -q CapEff /proc/self/status'
}

@test "time: offsets are those of the config, in exec too; offsets without a namespace are refused" {
	mk_sh 'cat /proc/self/timens_offsets | tr -s " "; cut -d. -f1 /proc/uptime; sleep 600' \
		'.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 7, nanosecs: 9}, boottime: {secs: 500000}}'
	ct_up
	three() { [ "$(wc -l <"$T/$ID.out")" = 3 ]; }
	wait_for three
	[[ "$(sed -n 1p "$T/$ID.out")" =~ ^monotonic\ 7\ 9$ ]]
	[[ "$(sed -n 2p "$T/$ID.out")" =~ ^boottime\ 500000\ 0$ ]]
	[ "$(sed -n 3p "$T/$ID.out")" -ge 500000 ]
	[ "$(rt exec "$ID" cut -d. -f1 /proc/uptime)" -ge 500000 ]
	[ "$(ns_of "$(ct_pid)" time)" != "$(ns_of self time)" ]
	P=$(ct_pid)
	mk_sh 'cut -d. -f1 /proc/uptime' "$(join "$P" time)"
	run -0 ct_run
	[ "$output" -ge 500000 ]
	mk_bundle '.linux.timeOffsets = {boottime: {secs: 1}}'
	run -1 ct_create
	[[ "$output" == *timeOffsets* ]]
}

@test "netDevices: devices of the host move in, under their new name, with their addresses" {
	not_in "no such field" runc crun
	mk_sh 'for d in eth7 d1; do ip -o addr show $d; cat /sys/class/net/$d/flags; done; echo end; sleep 600' \
		'.linux.netDevices = {"bt-d0": {name: "eth7"}, "d1": {}}'
	cat >"$T/go" <<-END
		ip link add bt-d0 type veth peer name d1 && ip addr add 10.9.8.7/24 dev bt-d0 || exit 77
		$RUNTIME --root "$ROOT" run --detach --bundle "$B" --pid-file "$T/$ID.pid" "$ID" </dev/null >"$T/$ID.out" 2>&1 || exit 1
		ip link show bt-d0 && exit 2
		exit 0
	END
	run unshare --net sh "$T/go" 3>&-
	[ "$status" != 77 ] || skip "the kernel has no veth devices"
	echo "$output"
	cat "$T/$ID.out"
	[ "$status" = 0 ]
	wait_for grep -q '^end' "$T/$ID.out"
	grep -q 'eth7.*10.9.8.7/24' "$T/$ID.out"
	[ "$(grep -c '^0x.*[13579bdf]$' "$T/$ID.out")" = 2 ] # up
	mk_bundle '.linux.netDevices = {"none-such": {}}'
	run -1 ct_create
	[[ "$output" == *none-such* ]]
	no_residue "$ID"
}
