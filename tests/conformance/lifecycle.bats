#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helpers

@test "a life: create, start, kill, delete, with the state after each step" {
	mk_sh 'trap "exit 5" TERM; echo up >/mark; while :; do sleep 0.05; done' '.annotations = {"org.example.k": "v w"}'
	ct_create
	[ ! -e "$R/mark" ]
	rt state "$ID" | jq -e --arg id "$ID" --arg b "$B" --arg r "$R" --argjson pid "$(ct_pid)" '.id == $id and .bundle == $b and
		.rootfs == $r and .pid == $pid and .status == "created" and (.ociVersion | test("^1\\.")) and
		.annotations["org.example.k"] == "v w" and .owner == "root" and (.created | test("^20[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+)$"))'
	kill -0 "$(ct_pid)"
	ct_start
	wait_for test -e "$R/mark"
	rt state "$ID" | jq -e --argjson pid "$(ct_pid)" '.status == "running" and .pid == $pid'
	rt kill "$ID"
	wait_for is_status stopped
	rt state "$ID" | jq -e '.pid == 0'
	rt delete "$ID"
	no_residue "$ID"
	refuses "does not exist" rt state "$ID"
}

@test "every status refuses what it has to" {
	mk_bundle
	ct_create
	refuses "already exists" rt create --bundle "$B" "$ID"
	refuses "created" rt resume "$ID"
	ct_start
	refuses "running" rt start "$ID"
	refuses "running" rt resume "$ID"
	refuses "not stopped" rt delete "$ID"
	rt pause "$ID"
	refuses "paused" rt start "$ID"
	refuses "paused" rt pause "$ID"
	refuses "not stopped" rt delete "$ID"
	run -255 rt exec "$ID" true
	rt resume "$ID"
	rt kill "$ID" KILL
	wait_for is_status stopped
	refuses "stopped" rt start "$ID"
	refuses "container not running" rt kill "$ID" 9
	rt kill --all "$ID" 9
	refuses "container not running" rt pause "$ID"
	refuses "container not running" rt resume "$ID"
	refuses "container not running" rt update --pids-limit 9 "$ID"
	refuses "not running" rt events --stats "$ID"
	run -255 rt exec "$ID" true
	[ "$(rt ps --format json "$ID" | jq length)" = 0 ]
	rt delete "$ID"
}

@test "nobody: every command says that the container does not exist" {
	local v
	for v in state start kill delete pause resume ps update "events --stats"; do
		# shellcheck disable=SC2086  # an option
		refuses "does not exist" rt $v nobody
	done
	run -255 rt exec nobody true
	rt delete --force nobody
}

@test "kill: names in any spelling, numbers, real-time signals" {
	mk_sh 'for s in USR1 USR2 36; do trap "echo $s >>/mark" $s; done; echo ready >>/mark; while :; do sleep 0.05; done'
	ct_up
	wait_for grep -q ready "$R/mark"
	rt kill "$ID" SIGUSR1
	wait_for grep -q USR1 "$R/mark"
	rt kill "$ID" usr2
	wait_for grep -q USR2 "$R/mark"
	rt kill "$ID" RTMIN+2
	wait_for grep -q 36 "$R/mark"
	true >"$R/mark"
	rt kill "$ID" 10
	wait_for grep -q USR1 "$R/mark"
	rt kill "$ID" 0
	refuses "signal" rt kill "$ID" NOSUCH
	refuses "signal" rt kill "$ID" 99
	is_status running
	rt kill "$ID" 9
	wait_for is_status stopped
}

@test "delete --force: of a running and of a created container, and of what its program left behind" {
	mk_sh 'trap "" TERM HUP INT; setsid sh -c "trap \"\" TERM; sleep 600" & echo >/mark; wait'
	ct_up
	wait_for test -e "$R/mark"
	rt delete --force "$ID"
	no_residue "$ID"
	ct_create
	rt delete --force "$ID"
	no_residue "$ID"
}

@test "create: a failure is told, and leaves nothing" {
	mk_bundle
	refuses "no such file" rt create --bundle "$T/none" "$ID"
	edit '.process.args = ["no-such-program"]'
	refuses "not found" rt run --bundle "$B" "$ID"
	no_residue "$ID"
	edit '.process.args = ["true"] | .process.rlimits[0].type = "RLIMIT_NONE"'
	refuses "process.rlimits[0].type" rt create --bundle "$B" "$ID"
	edit 'del(.process.rlimits) | .mounts += [{destination: "/mnt", type: "bind", source: "/no/such/place", options: ["bind"]}]'
	refuses "/no/such/place" rt create --bundle "$B" "$ID"
	edit 'del(.mounts[-1]) | .root.path = "nowhere"'
	refuses "nowhere" rt create --bundle "$B" "$ID"
	echo '{' >"$B/config.json"
	refuses "config.json" rt create --bundle "$B" "$ID"
	no_residue "$ID"
	refuses "invalid container id" rt create --bundle "$B" ../x
}

@test "start: one that fails leaves a stopped container" {
	mk_bundle '.hooks.startContainer = [{path: "/bin/false"}]'
	ct_create
	refuses "startContainer" rt start "$ID"
	is_status stopped
	rt delete "$ID"
	no_residue "$ID"
}

@test "run: output, input, exit code; detached; list" {
	mk_sh 'cat; echo err >&2; exit 7'
	rc=0
	echo data | rt run --bundle "$B" "$ID" >"$T/o" 2>"$T/e" || rc=$?
	[ "$rc:$(cat "$T/o"):$(cat "$T/e")" = 7:data:err ]
	no_residue "$ID"
	edit '.process.args[2] = "sh -c \"kill -KILL \\$\\$\"; exit $?"'
	run -137 rt run --bundle "$B" "$ID" </dev/null
	edit '.process.args = ["sleep", "600"]'
	ct_up
	[ "$(rt list -q)" = "$ID" ]
	rt list -f json | jq -e --arg id "$ID" --argjson pid "$(ct_pid)" 'length == 1 and .[0].id == $id and .[0].pid == $pid and .[0].status == "running"'
	rt list | grep -Eq "^$ID +$(ct_pid) +running +$B "
	run -0 rt list
	[[ "${lines[0]}" =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
}

@test "run --keep: the stopped container stays; signals go to the program" {
	mk_sh 'trap "exit 8" HUP; echo >/mark; while :; do sleep 0.05; done'
	rt run --keep --bundle "$B" "$ID" </dev/null &
	local pid=$! rc=0
	wait_for test -e "$R/mark"
	kill -HUP "$(pgrep -P $pid || echo $pid)"
	wait $pid || rc=$?
	[ "$rc" = 8 ]
	is_status stopped
	rt delete "$ID"
}
