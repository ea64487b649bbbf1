#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helpers

@test "limits, update, statistics and ps of one container" {
	mk_sh 'sleep 601 & sleep 602 & touch /mark; wait' '.linux.resources += {memory: {limit: 134217728}, pids: {limit: 50}, cpu: {shares: 512}}'
	ct_up
	wait_for test -e "$R/mark"
	rt events --stats "$ID" >"$T/stats"
	jq -e --arg id "$ID" '.type == "stats" and .id == $id and .data.cpu.usage.total > 0 and .data.memory.usage.usage > 0 and
		.data.memory.usage.limit == 134217728 and .data.pids.current >= 1' "$T/stats"
	rt update --memory 67108864 --pids-limit 40 "$ID"
	[ "$(rt events --stats "$ID" | jq .data.memory.usage.limit)" = 67108864 ]
	echo '{"memory": {"limit": 100663296}, "cpu": {"quota": 50000, "period": 100000}}' | rt update --resources - "$ID"
	[ "$(rt events --stats "$ID" | jq .data.memory.usage.limit)" = 100663296 ]
	[ "$(rt events --stats "$ID" | jq .data.pids.limit)" = 40 ]
	refuses "memory" rt update --memory lots "$ID"
	refuses "pids.limit" rt update --resources <(echo '{"pids": {"limit": "x"}}') "$ID"
	rt ps --format json "$ID" | jq -e 'type == "array" and length >= 1'
	differs pids-of-host || rt ps --format json "$ID" | jq -e --argjson p "$(ct_pid)" 'length == 3 and (map(. == $p) | any)'
	[ "$(rt ps "$ID" | grep -c ' sleep 60[12]$')" = 2 ]
	rt ps "$ID" | head -n 1 | grep -q 'PID.*CMD'
	[ "$(rt ps "$ID" -o pid,args | grep -c ' sleep 60[12]$')" = 2 ]
}

@test "pause and resume: the program stands still, and goes on; a paused one can be killed and deleted" {
	mk_sh 'i=0; while :; do i=$((i + 1)); echo $i >/n; sleep 0.02; done'
	ct_up
	wait_for test -s "$R/n"
	rt pause "$ID"
	is_status paused
	local n
	n=$(cat "$R/n")
	sleep 0.3
	[ "$(cat "$R/n")" = "$n" ]
	rt resume "$ID"
	is_status running
	moved() { [ -s "$R/n" ] && [ "$(cat "$R/n")" != "$n" ]; }
	wait_for moved
	rt pause "$ID"
	rt delete --force "$ID"
	no_residue "$ID"
}

@test "a program that takes more memory than the limit is killed, and the event is told" {
	mk_sh 'sleep 0.5; tail /dev/zero; echo "tail=$?"; sleep 600' '.linux.resources += {memory: {limit: 33554432, swap: 33554432}}'
	ct_create
	rt events --interval 10m "$ID" >"$T/events" 2>&1 &
	background $!
	ct_start
	wait_for grep -q '"type":"oom"' "$T/events"
}
