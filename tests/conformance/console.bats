#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helpers

# console [COLSxROWS]: an engine that waits for the terminal at $T/c; what comes out of it goes to $T/tty
console() {
	"$(helper recvfd)" "$T/c" console "$@" </dev/null >"$T/tty" 2>"$T/tty.err" 3>&- &
	background $!
	wait_for test -S "$T/c"
}

@test "console-socket: the terminal of create, its size, and one of exec" {
	mk_sh 'tty; stty size; echo to-console >/dev/console; echo to-tty >/dev/tty; sleep 600' '.process.terminal = true | .process.consoleSize = {height: 27, width: 97}'
	console
	ct_create --console-socket "$T/c"
	wait_for grep -q got "$T/tty.err"
	ct_start
	wait_for grep -q '^to-tty' "$T/tty"
	grep -Eq '^/dev/(pts/0|console)' "$T/tty"
	grep -q '^27 97' "$T/tty"
	grep -q '^to-console' "$T/tty"
	rm -f "$T/c"
	console 80x24
	rt exec --tty --detach --console-socket "$T/c" --pid-file "$T/e.pid" "$ID" sh -c 'tty; stty size; echo exec-here; sleep 600' </dev/null >"$T/e" 2>&1
	wait_for grep -q '^exec-here' "$T/tty"
	grep -q '^/dev/pts/' "$T/tty"
}

@test "console-socket: missing, without need, and with nobody behind it" {
	mk_bundle
	refuses terminal rt create --bundle "$B" --console-socket "$T/none" "$ID"
	edit '.process.terminal = true'
	refuses console rt create --bundle "$B" "$ID"
	refuses "$T/none" rt create --bundle "$B" --console-socket "$T/none" "$ID"
	no_residue "$ID"
}

@test "run in a terminal: input, output, exit code" {
	mk_sh 'stty size; read -r l; echo "got $l"; exit 6' '.process.terminal = true'
	run -6 "$(helper onpty)" 83x33 "$RUNTIME" --root "$ROOT" run --bundle "$B" "$ID" < <(sleep "$( [ "$BACKEND" = vm ] && echo 5 || echo 0.5)"; echo line; sleep "$( [ "$BACKEND" = vm ] && echo 5 || echo 1)") 3>&-
	[[ "$output" == *"33 83"* && "$output" == *"got line"* ]]
	no_residue "$ID"
}
