#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helpers

@test "exec: options" {
	mk_sh 'touch /mark; sleep 600' '.process.env += ["FROM=config"] | .hostname = "inside"'
	ct_up
	x() { run -0 rt exec "$@" </dev/null; }
	x "$ID" sh -c 'echo $(hostname) $(id -u) $(pwd) $FROM $0 $#' -t a
	[ "$output" = "inside 0 / config -t 1" ]
	x --user 1000:1000 --cwd /tmp --env A=b -e HOME=/h "$ID" sh -c 'echo $(id -u):$(id -g) $(pwd) $A $HOME'
	[ "$output" = "1000:1000 /tmp b /h" ]
	x -u 1 -g 5 --additional-gids 6 "$ID" sh -c 'echo $(id -u) $(id -G)'
	[ "$output" = "1 0 5 6" ]
	x --cap CAP_SYS_TIME --no-new-privs "$ID" sh -c 'grep -E "CapEff|CapInh|NoNewPrivs" /proc/self/status | tr -s "\t\n" "  "'
	[ "$output" = "CapInh: 0000000000000000 CapEff: 000000002a0004eb NoNewPrivs: 1 " ]
	jq -n '{args: ["sh", "-c", "echo $(id -u) $P $(pwd); exit 4"], user: {uid: 9, gid: 9}, cwd: "/tmp", env: ["P=file", "PATH=/bin"]}' >"$T/p.json"
	run -4 rt exec --process "$T/p.json" "$ID" </dev/null
	[ "$output" = "9 file /tmp" ]
	[ "$(seq 1 50000 | rt exec "$ID" cat | md5sum)" = "$(seq 1 50000 | md5sum)" ]
	rt exec "$ID" sh -c 'echo o; echo e >&2' >"$T/o" 2>"$T/e" </dev/null
	[ "$(cat "$T/o"):$(cat "$T/e")" = o:e ]
	run -42 rt exec "$ID" sh -c 'exit 42' </dev/null
	run -137 rt exec "$ID" sh -c 'kill -9 $$' </dev/null
	run -255 rt exec "$ID" nothing </dev/null
	[[ "$output" == *'executable file not found in $PATH'* ]]
	run -255 rt exec "$ID" /etc/issue </dev/null
	[[ "${output,,}" == *"permission denied"* ]]
	run -255 rt exec --user nobody "$ID" true </dev/null
	[[ "$output" == *nobody* ]]
	run -255 rt exec "$ID" </dev/null
	is_status running
}

@test "exec: detached with a pid file, signals, a terminal, a created container" {
	mk_bundle
	ct_create
	run -0 rt exec "$ID" echo in-created </dev/null
	[ "$output" = in-created ]
	ct_start
	rt exec --detach --pid-file "$T/e.pid" "$ID" sh -c 'trap "touch /got" USR1; touch /ready; while :; do sleep 0.05; done' </dev/null >"$T/log" 2>&1
	wait_for test -e "$R/ready"
	kill -0 "$(cat "$T/e.pid")"
	kill -USR1 "$(cat "$T/e.pid")"
	wait_for test -e "$R/got"
	kill -KILL "$(cat "$T/e.pid")"
	run -0 rt exec --tty "$ID" tty </dev/null
	[[ "$output" == /dev/pts/* ]]
	run -255 rt exec --tty --detach "$ID" tty </dev/null
	rt pause "$ID"
	run -255 rt exec "$ID" true </dev/null
	[[ "$output" == *paused* ]]
}
