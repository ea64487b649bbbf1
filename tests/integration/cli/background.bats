#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031,SC2016
# SPDX-License-Identifier: Apache-2.0
# Containers that go on without us, and the verbs for them.

bats_require_minimum_version 1.5.0
load helpers

setup_file() { make_store; }
setup() {
	need_root
	command -v conmon >/dev/null || skip "containers in the background need conmon"
}
teardown() { remove_all; }

back() { brig run -d --network none "$@"; }

@test "run -d prints the ID; short IDs, names and beginnings of IDs do" {
	id=$(back --name web bb sleep 100)
	[[ $id =~ ^[0-9a-f]{64}$ ]]
	[ "$(brig ps -q)" = "${id:0:12}" ]
	[ "$(brig ps -q --no-trunc)" = "$id" ]
	for what in web "$id" "${id:0:12}" "${id:0:4}"; do
		[ "$(brig inspect -f '{{.Name}}' "$what")" = web ]
	done
	run brig stop nobody
	[ "$status" -eq 125 ]
	[[ $output == *'no container with name or ID "nobody" found'* ]]
}

@test "run -d: 127 and 126, and nothing left with --rm" {
	run -127 brig run -d --rm --network none bb nope
	[[ $output == *'exec: "nope": executable file not found in $PATH'* ]]
	run brig run -d --rm --network none bb /etc/passwd
	[ "$status" -eq 126 ]
	eventually nothing_left
}

@test "ps: table, states, filters, format" {
	back --name runs --label color=red bb sleep 100
	brig create --name made --network none bb true
	brig run --name ended --network none bb sh -c 'exit 3' || true
	run brig ps
	[[ ${lines[0]} == "CONTAINER ID  IMAGE"*"COMMAND"*"CREATED"*"STATUS"*"PORTS"*"NAMES" ]]
	[[ ${#lines[@]} -eq 2 && ${lines[1]} == *"sleep 100"*"Up "*"runs" ]]
	run brig ps -a --format '{{.Names}}|{{.Status}}|{{.State}}'
	[[ $output == *"made|Created|created"* && $output == *"ended|Exited (3) "*" ago|exited"* && $output == *"runs|Up "*"|running"* ]]
	[ "$(brig ps -a -f status=exited --format '{{.Names}}')" = ended ]
	[ "$(brig ps -a -f exited=3 --format '{{.Names}}')" = ended ]
	[ "$(brig ps -a -f label=color=red --format '{{.Names}}')" = runs ]
	[ "$(brig ps -a -f name=mad -f name=end --format '{{.Names}}' | sort | tr '\n' ' ')" = "ended made " ]
	[ "$(brig ps -l --format '{{.Names}}')" = ended ]
	[ "$(brig ps -n 2 -q | wc -l)" = 2 ]
	[ "$(brig ps -a --format json | jq -r 'length')" = 3 ]
	run brig ps -f nonsense=1
	[ "$status" -eq 125 ]
}

@test "logs: both streams, tail, since, timestamps, follow" {
	mkdir "$BATS_TEST_TMPDIR/go"
	back --name l -v "$BATS_TEST_TMPDIR/go:/go" bb sh -c 'for i in 1 2 3; do echo out $i; echo err $i >&2; done
		until [ -e /go/on ]; do sleep 0.1; done; echo last'
	all_written() { [ "$(brig logs l 2>&1 | wc -l)" = 6 ]; }
	eventually all_written
	run --separate-stderr brig logs l
	[ "${lines[0]}" = "out 1" ]
	[[ $stderr == *"err 3"* ]]
	[[ $(brig logs --tail 1 l 2>&1) == *" 3" ]]
	run brig logs -t --tail 1 l
	[[ $output =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T.*\ 3$ ]]
	brig logs -f l >"$BATS_TEST_TMPDIR/followed" 2>/dev/null &
	follower=$!
	three_seen() { [ "$(wc -l <"$BATS_TEST_TMPDIR/followed")" = 3 ]; }
	eventually three_seen
	touch "$BATS_TEST_TMPDIR/go/on"
	wait "$follower"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/followed")" = last ]
	[ -z "$(brig logs --since 2090-01-01T00:00:00Z l 2>&1)" ]
	brig run --name f --network none bb sh -c 'printf no-newline; echo err >&2' >/dev/null 2>&1
	[ "$(brig logs f 2>/dev/null)" = no-newline ]
}

@test "exec: output, exit code, user, environment, folder, stdin, background" {
	back --name e -e FROM=run bb sleep 100
	[ "$(brig exec e echo hello)" = hello ]
	run brig exec e sh -c 'exit 42'
	[ "$status" -eq 42 ]
	run -127 brig exec e nope
	[ "$(brig exec -u www -w /tmp -e A=b e sh -c 'id -u; pwd; echo $A $FROM $HOME' | tr '\n' ' ')" = "33 /tmp b run /var/www " ]
	[ "$(echo in | brig exec -i e cat)" = in ]
	[ "$(brig exec --privileged e grep CapEff /proc/self/status | cut -f2)" = "$(grep CapBnd /proc/self/status | cut -f2)" ]
	brig exec -d e sh -c 'echo done >/tmp/flag'
	eventually brig exec e test -s /tmp/flag
	brig create --name stopped --network none bb true
	run brig exec stopped true
	[ "$status" -eq 125 ]
	[[ $output == *"container state improper"* ]]
}

@test "stop: the image's signal, then SIGKILL; wait and kill" {
	ready() { [ "$(brig logs "$1")" = ready ]; }
	back --name s --stop-signal USR2 bb sh -c 'trap "exit 5" USR2; echo ready; while :; do sleep 0.1; done'
	eventually ready s
	brig wait s >"$BATS_TEST_TMPDIR/wait" &
	[ "$(brig stop s)" = s ]
	wait
	[ "$(cat "$BATS_TEST_TMPDIR/wait")" = 5 ]
	[ "$(brig inspect -f '{{.State.ExitCode}} {{.State.Status}}' s)" = "5 exited" ]
	back --name k bb sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
	eventually ready k
	brig stop -t 0 k
	[ "$(brig wait k)" = 137 ]
	[ "$(brig inspect -f '{{.HostConfig.NetworkMode}} {{.Config.StopSignal}}' s)" = "none USR2" ]
	brig start k
	[ "$(brig kill -s KILL k)" = k ]
	[ "$(brig wait k)" = 137 ]
	run brig kill k
	[ "$status" -eq 125 ]
}

@test "create, start -a, restart, rm" {
	id=$(brig create --name c --network none bb sh -c 'echo run $(cat /n 2>/dev/null || echo 0); echo 1 >/n; exit 4')
	[[ $id =~ ^[0-9a-f]{64}$ ]]
	run brig start -a c
	[ "$status" -eq 4 ]
	[ "$output" = "run 0" ]
	run brig start -a c
	[ "$output" = "run 1" ]
	back --name r bb sleep 100
	pid=$(brig inspect -f '{{.State.Pid}}' r)
	[ "$(brig restart -t 0 r)" = r ]
	[ "$(brig inspect -f '{{.State.Pid}}' r)" != "$pid" ]
	run brig rm r
	[ "$status" -eq 125 ]
	[[ $output == *"stop it first, or use --force"* ]]
	[ "$(brig rm -f r)" = r ]
	brig rm c
	run brig rm c
	[ "$status" -eq 125 ]
	brig rm -f c
	nothing_left
}

@test "--rm in the background removes the container, and wait still learns the exit code" {
	mkdir "$BATS_TEST_TMPDIR/go"
	back --rm --name gone -v "$BATS_TEST_TMPDIR/go:/go" bb sh -c 'until [ -e /go/on ]; do sleep 0.1; done; exit 6'
	"$BIN/brig" --root "$BATS_FILE_TMPDIR/data" --runroot "$BATS_FILE_TMPDIR/run" wait gone >"$BATS_TEST_TMPDIR/code" &
	waiter=$!
	waits() { find "/proc/$waiter/fd" -lname '*pidfd*' | grep -q .; }
	eventually waits
	touch "$BATS_TEST_TMPDIR/go/on"
	wait "$waiter"
	[ "$(cat "$BATS_TEST_TMPDIR/code")" = 6 ]
	eventually nothing_left
}

@test "rm: many files in deep directories" {
	brig run --name many --network none bb sh -c 'mkdir -p /d/1/2/3/4/5/6/7/8/9 /d/empty && ln -s / /d/1/2/root &&
		for i in $(seq 400); do : >/d/a-file-with-a-rather-long-name-$i && : >/d/1/2/3/f$i; done'
	[ "$(find "$BATS_FILE_TMPDIR/data/containers" -type f | wc -l)" -gt 800 ]
	brig rm many
	nothing_left
	[ -e /bin/sh ]
}

@test "--rm: exit codes are kept for a while, and looked through once a minute" {
	local exits=$BATS_FILE_TMPDIR/run/.cli/exits
	mkdir -p "$exits"
	touch -d '-10 minutes' "$exits/old" "$exits/.swept"
	touch -d '-4 minutes' "$exits/young"
	brig run --rm --network none bb true
	[ ! -e "$exits/old" ]
	[ -e "$exits/young" ]
	touch -d '-10 minutes' "$exits/later"
	brig run --rm --network none bb true
	[ -e "$exits/later" ] # a look at each of many files is dear
	touch -d '+1 day' "$exits/.swept" # a clock that was put back
	brig run --rm --network none bb true
	[ ! -e "$exits/later" ]
	nothing_left
}

@test "--restart: on-failure a number of times, always until it is stopped" {
	back --name f --restart on-failure:2 bb sh -c 'echo try; exit 1'
	tries() { [ "$(brig logs f | wc -l)" = "$1" ]; }
	eventually tries 3
	sleep 1
	tries 3
	[ "$(brig inspect -f '{{.RestartCount}}' f)" = 2 ]
	back --name a --restart always bb sh -c 'echo try; sleep 0.1'
	twice() { [ "$(brig logs a | wc -l)" -ge 2 ]; }
	eventually twice
	brig stop -t 0 a
	n=$(brig logs a | wc -l)
	sleep 1
	[ "$(brig logs a | wc -l)" = "$n" ]
}

@test "pause and unpause" {
	back --name p bb sleep 100
	[ "$(brig pause p)" = p ]
	[ "$(brig ps --format '{{.State}}')" = paused ]
	run brig exec p true
	[ "$status" -eq 125 ]
	[ "$(brig unpause p)" = p ]
	brig exec p true
	brig pause p
	brig rm -f p
	nothing_left
}

@test "attach: output and input; the detach keys leave it running" {
	[ -x "$BIN/../helpers/onpty" ] || skip "helpers are not built"
	brig run -di --name at --network none bb sh -c 'read x; echo got $x; exit 8' >/dev/null
	run bash -c "echo word | '$BIN/brig' --root '$BATS_FILE_TMPDIR/data' --runroot '$BATS_FILE_TMPDIR/run' attach at"
	[ "$status" -eq 8 ]
	[[ $output == *"got word"* ]]
	# What it writes is seen once brig relays, with the terminal in raw mode.
	: >"$BATS_TEST_TMPDIR/screen"
	relayed() { grep -q ready "$BATS_TEST_TMPDIR/screen"; }
	{ eventually relayed; printf '\020\021'; } | timeout 30 "$BIN/../helpers/onpty" 80x24 "$BIN/brig" --root "$BATS_FILE_TMPDIR/data" \
		--runroot "$BATS_FILE_TMPDIR/run" run -it --name left --network none bb sh -c 'echo ready; sleep 100' >"$BATS_TEST_TMPDIR/screen"
	[ "$(brig ps --format '{{.Names}} {{.State}}')" = "left running" ]
}

@test "inspect: what scripts ask for" {
	back --name i -l a=b -v vol:/v bb sleep 100
	[ "$(brig inspect -f '{{.State.Running}} {{index .Config.Labels "a"}} {{(index .Mounts 0).Destination}}' i)" = "true b /v" ]
	[ "$(brig inspect i | jq -r '.[0].Config.Cmd | join(" ")')" = "sleep 100" ]
	[ "$(cat "/proc/$(brig inspect -f '{{.State.Pid}}' i)/comm")" = sleep ]
	run --separate-stderr brig inspect nothing
	[ "$status" -eq 125 ]
	[ "$output" = "[]" ]
	[ "$(brig inspect --type image -f '{{.Os}}' bb)" = linux ]
}

@test "container prune takes what does not run" {
	back --name stays bb sleep 100
	brig run --name goes --network none bb true
	[[ $(brig container prune -f) =~ ^[0-9a-f]{64}$ ]]
	[ "$(brig ps -a --format '{{.Names}}')" = stays ]
}

@test "a monitor that is killed: the container is seen, stopped and removed" {
	back --name m bb sleep 100
	kill -9 "$(cat "$BATS_FILE_TMPDIR/run/.cli/containers/"*/conmon.pid)"
	[ "$(brig ps --format '{{.Names}}')" = m ]
	brig stop -t 0 m
	[ "$(brig inspect -f '{{.State.Status}}' m)" = exited ]
	brig rm m
	nothing_left
}
