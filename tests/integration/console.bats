#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Terminals: console-socket, pidfd-socket, a foreground terminal with its size, signals and exit code.
load helpers

# console [COLSxROWS]: an engine waiting for the console at $T/c; what comes out of it goes to $T/tty
console() {
	"$(helper recvfd)" "$T/c" console "$@" </dev/null >"$T/tty" 2>"$T/tty.err" 3>&- &
	background $!
	wait_for test -S "$T/c"
}

@test "console-socket: the terminal goes to the engine, and is the controlling one" {
	mk_sh 'tty; echo hi; stty size; ls -l /proc/self/fd/0; echo a >/dev/tty; sleep 600' '.process.terminal = true'
	console 91x31
	ct_create --console-socket "$T/c"
	wait_for grep -q got "$T/tty.err"
	ct_start
	wait_for grep -q '^a' "$T/tty"
	cat "$T/tty" "$T/tty.err"
	grep -q '^/dev/\(pts/0\|console\)' "$T/tty"
	grep -q '^31 91' "$T/tty"
	grep -Eq 'name: /dev/(pts|ptmx)' "$T/tty.err"
}

@test "console-socket: consoleSize is the size of the terminal" {
	mk_sh 'stty size; sleep 600' '.process.terminal = true | .process.consoleSize = {height: 27, width: 97}'
	console
	ct_create --console-socket "$T/c"
	ct_start
	wait_for grep -q '^27 97' "$T/tty"
}

@test "console-socket: /dev/console is the terminal" {
	mk_sh 'echo to-console >/dev/console; sleep 600' '.process.terminal = true'
	console
	ct_create --console-socket "$T/c"
	ct_start
	wait_for grep -q '^to-console' "$T/tty"
}

@test "console-socket: without a terminal in the config it is an error, and a terminal without it too" {
	not_in "takes it" crun
	mk_bundle
	console
	run ct_create --console-socket "$T/c"
	[ "$status" = 1 ]
	no_residue "$ID"
	edit '.process.terminal = true'
	run ct_create
	[ "$status" = 1 ]
	no_residue "$ID"
}

@test "console-socket: that nobody listens on fails the create and leaves nothing" {
	mk_bundle '.process.terminal = true'
	run ct_create --console-socket "$T/none"
	[ "$status" = 1 ]
	no_residue "$ID"
}

@test "exec --console-socket --tty: a terminal of its own" {
	mk_bundle
	ct_up
	console 80x24
	rt exec --tty --detach --console-socket "$T/c" --pid-file "$T/e.pid" "$ID" sh -c 'tty; echo exec-here; sleep 600' </dev/null >"$T/e" 2>&1
	wait_for grep -q '^exec-here' "$T/tty"
	grep -q '^/dev/pts/' "$T/tty"
}

@test "pidfd-socket: gets a pidfd of the init" {
	not_in "no such option" crun runc
	mk_bundle
	"$(helper recvfd)" "$T/p" pidfd >"$T/pid" 3>&- &
	background $!
	wait_for test -S "$T/p"
	ct_create --pidfd-socket "$T/p"
	wait_for test -s "$T/pid"
	[ "$(cat "$T/pid")" = "$(ct_pid)" ]
}

@test "exec --pidfd-socket: gets a pidfd of the process" {
	not_in "no such option" crun runc
	mk_bundle
	ct_up
	"$(helper recvfd)" "$T/p" pidfd >"$T/pid" 3>&- &
	background $!
	wait_for test -S "$T/p"
	rt exec --detach --pidfd-socket "$T/p" --pid-file "$T/e.pid" "$ID" sleep 600 </dev/null >"$T/e" 2>&1
	wait_for test -s "$T/pid"
	[ "$(cat "$T/pid")" = "$(cat "$T/e.pid")" ]
}

@test "run in a terminal: input, output, exit code, and the size follows" {
	mk_sh 'stty size; trap "echo resized \$(stty size)" WINCH; until read -r l; do :; done; echo "got $l"; sleep 0.2 & wait; exit 6' '.process.terminal = true'
	mkfifo "$T/in"
	onpty=$(helper onpty)
	"$onpty" 83x33 "$RUNTIME" --root "$ROOT" run --bundle "$B" "$ID" <"$T/in" >"$T/tty" 2>"$T/err" 3>&- &
	local pty=$!
	background $pty
	exec 8>"$T/in"
	wait_for grep -q '^33 83' "$T/tty"
	kill -USR1 $pty
	sized() { [ "$(rt exec "$ID" sh -c 'stty size </proc/1/fd/0')" = "51 101" ]; }
	wait_for sized
	echo line >&8
	wait_for grep -q '^got line' "$T/tty"
	grep -q '51 101' "$T/tty"
	exec 8>&-
	local rc=0
	wait $pty || rc=$?
	[ "$rc" = 6 ]
	no_residue "$ID"
}

@test "run in a terminal: control-C reaches the program" {
	mk_sh 'trap "echo interrupted; exit 4" INT; echo ready; while :; do sleep 0.05; done' '.process.terminal = true'
	mkfifo "$T/in"
	onpty=$(helper onpty)
	"$onpty" 80x24 "$RUNTIME" --root "$ROOT" run --bundle "$B" "$ID" <"$T/in" >"$T/tty" 2>"$T/err" 3>&- &
	local pty=$! rc=0
	background $pty
	exec 8>"$T/in"
	wait_for grep -q ready "$T/tty"
	printf '\003' >&8
	wait $pty || rc=$?
	exec 8>&-
	[ "$rc" = 4 ]
	grep -q interrupted "$T/tty"
}

@test "run in a terminal: 20 MB of output arrive whole" {
	mk_sh 'stty raw -echo; seq 1 3000000' '.process.terminal = true'
	[ "$("$(helper onpty)" 80x24 "$RUNTIME" --root "$ROOT" run --bundle "$B" "$ID" </dev/null 3>&- | md5sum)" = "$(seq 1 3000000 | md5sum)" ] ||
		not_in "the outer terminal makes line ends of its own" runc crun
}

@test "exec --tty in a terminal" {
	mk_bundle
	ct_up
	run "$(helper onpty)" 85x35 "$RUNTIME" --root "$ROOT" exec --tty "$ID" sh -c 'tty; stty size; exit 11' </dev/null 3>&-
	echo "$output"
	[ "$status" = 11 ]
	[[ "$output" == *"/dev/pts/"* && "$output" == *"35 85"* ]]
}
