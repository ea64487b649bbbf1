#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The life of a container: create, start, state, kill, delete, run, exec, ps, list, pause, resume, events, update.
load helpers

@test "create: the program does not run before start" {
	mk_sh 'echo ran >/mark; sleep 600'
	ct_create
	[ "$(ct_status)" = created ]
	sleep 0.1
	[ ! -e "$R/mark" ]
	ct_start
	wait_for test -e "$R/mark"
	[ "$(ct_status)" = running ]
}

@test "state: has every field of the specification" {
	mk_bundle '.annotations = {"org.example.k": "v w"}'
	ct_create
	rt state "$ID" >"$T/state"
	jq -e --arg id "$ID" --arg b "$B" --argjson pid "$(ct_pid)" '.id == $id and .bundle == $b and .pid == $pid and .status == "created"
		and (.ociVersion | test("^1\\.")) and .annotations["org.example.k"] == "v w"' "$T/state"
	jq -e --arg r "$R" '.rootfs == $r and (.created | test("^20[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+)$"))' "$T/state"
}

@test "state: pid is 0 and status stopped after the end" {
	mk_sh 'exit 3'
	ct_up
	wait_for is_status stopped
	[ "$(rt state "$ID" | jq .pid)" = 0 ]
}

@test "state: of an unknown container says that it does not exist" {
	run rt state nobody
	[ "$status" = 1 ]
	[[ "$output" == *"does not exist"* ]]
}

@test "create: refuses an id that is in use" {
	mk_bundle
	ct_create
	run rt create --bundle "$B" "$ID" </dev/null
	[ "$status" = 1 ]
	[[ "$output" == *exist* ]]
	[[ "$output" == *"already exists"* ]]
	[ "$(ct_status)" = created ]
}

@test "create: of a missing bundle fails and leaves nothing" {
	run rt create --bundle "$T/none" "id$$"
	[ "$status" = 1 ]
	[ ! -e "$ROOT/id$$" ]
}

@test "start: fails with a clear error when already running" {
	mk_bundle
	ct_up
	run rt start "$ID"
	[ "$status" = 1 ]
	[[ "$output" == *running* ]]
	[ "$(ct_status)" = running ]
}

@test "start: of a stopped container fails" {
	mk_sh 'exit 0'
	ct_up
	wait_for is_status stopped
	run rt start "$ID"
	[ "$status" = 1 ]
}

@test "start: a missing program is reported and the container is stopped" {
	mk_bundle '.process.args = ["no-such-program"]'
	run ct_up
	[ "$status" != 0 ]
	[[ "$output" == *"not found"* || "$output" == *"o such file"* ]]
}

@test "start: one that fails leaves a stopped container, which delete and delete --force take" {
	local flag reason
	for reason in program startContainer poststart; do
		for flag in "" --force; do
			mk_bundle '.annotations = {"why": "x"}'
			case $reason in
			program) edit '.process.args = ["/bin/garbage"]' && printf '\001\002' >"$R/bin/garbage" && chmod 755 "$R/bin/garbage" ;;
			startContainer) edit '.hooks.startContainer = [{"path": "/bin/false"}]' ;;
			poststart) edit '.hooks.poststart = [{"path": "/bin/false"}]' ;;
			esac
			edit '.hooks.poststop = [{"path": "/bin/sh", "args": ["sh", "-c", "cat >>" + $f]}]' --arg f "$T/after"
			ct_create
			run rt start "$ID"
			[ "$status" = 1 ]
			[ ! -e "$T/after" ]
			rt state "$ID" | jq -e '.status == "stopped" and .pid == 0 and .annotations.why == "x"'
			run rt start "$ID"
			[ "$status" = 1 ]
			rt kill --all "$ID" KILL
			rt delete $flag "$ID"
			grep -q stopped "$T/after"
			rm "$T/after"
			no_residue "$ID"
		done
	done
}

@test "run: one that fails leaves nothing, detached or not" {
	mk_bundle '.process.args = ["/bin/garbage"]'
	printf '\001\002' >"$R/bin/garbage"
	chmod 755 "$R/bin/garbage"
	run ct_up
	[ "$status" = 1 ]
	no_residue "$ID"
	run ct_run
	[ "$status" = 1 ]
	no_residue "$ID"
}

@test "start: after the config file changed, the config of create is used" {
	mk_sh 'echo one >/mark; sleep 600'
	ct_create
	edit '.process.args = ["sh", "-c", "echo two >/mark; sleep 600"]'
	ct_start
	wait_for test -s "$R/mark"
	[ "$(cat "$R/mark")" = one ]
}

@test "kill: default is TERM, and names with and without SIG and numbers are taken" {
	mk_sh 'for s in HUP USR1 USR2 TERM; do trap "echo $s >>/mark" $s; done; echo ready >>/mark; while :; do sleep 0.05; done'
	ct_up
	wait_for grep -q ready "$R/mark"
	rt kill "$ID" && wait_for grep -q TERM "$R/mark"
	rt kill "$ID" HUP && wait_for grep -q HUP "$R/mark"
	rt kill "$ID" SIGUSR1 && wait_for grep -q USR1 "$R/mark"
	rt kill "$ID" 12 && wait_for grep -q USR2 "$R/mark"
	rt kill "$ID" 0
	run rt kill "$ID" NOSUCH
	[ "$status" = 1 ]
	rt kill "$ID" KILL
	wait_for is_status stopped
}

@test "kill: of a created container ends it" {
	mk_bundle
	ct_create
	rt kill "$ID" KILL
	wait_for is_status stopped
	rt delete "$ID"
	no_residue "$ID"
}

@test "kill: of a stopped container says container not running" {
	mk_sh 'exit 0'
	ct_up
	wait_for is_status stopped
	run rt kill "$ID" 9
	[ "$status" = 1 ]
	shopt -s nocasematch
	[[ "$output" == *"container not running"* || "$output" == *"no such process"* || "$output" == *"process already finished"* ]]
	rt kill --all "$ID" 9
}

@test "kill --all: ends every process of a container without a pid namespace" {
	mk_sh 'sleep 601 & sleep 602 & wait' '.linux.namespaces |= map(select(.type != "pid"))'
	ct_up
	wait_for test "$(ct_processes "$ID" | wc -l)" -ge 1
	rt kill --all "$ID" KILL
	wait_for is_status stopped
	gone() { [ -z "$(ct_processes "$ID")" ]; }
	wait_for gone
}

@test "delete: of a running container is refused" {
	mk_bundle
	ct_up
	run rt delete "$ID"
	[ "$status" = 1 ]
	[ "$(ct_status)" = running ]
}

@test "delete: of a stopped container leaves nothing" {
	mk_sh 'exit 0'
	ct_up
	wait_for is_status stopped
	rt delete "$ID"
	no_residue "$ID"
	run rt delete "$ID"
	[ "$status" = 1 ]
	[[ "$output" == *"does not exist"* ]]
}

@test "delete --force: of running, paused, created and absent containers" {
	mk_bundle
	ct_up
	rt delete --force "$ID"
	no_residue "$ID"
	rt delete --force "$ID"
	ct_create
	rt delete --force "$ID"
	no_residue "$ID"
	ct_up
	rt pause "$ID"
	rt delete --force "$ID"
	no_residue "$ID"
}

@test "delete --force: ends processes that ignore signals and left the first process's session" {
	mk_sh 'trap "" TERM INT HUP; setsid sh -c "trap \"\" TERM; sleep 600" & sleep 600 & wait'
	ct_up
	rt delete --force "$ID"
	no_residue "$ID"
}

@test "run: foreground gives output and exit code, and deletes the container" {
	mk_sh 'echo out; echo err >&2; exit 42'
	run ct_run
	[ "$status" = 42 ]
	[[ "$output" == *out* && "$output" == *err* ]]
	no_residue "$ID"
}

@test "run: exit code is 128 and the signal when the program was killed" {
	# shellcheck disable=SC2016
	mk_sh 'trap - TERM; sh -c "kill -TERM \$\$"; exit $?'
	run ct_run
	[ "$status" = 143 ]
	mk_bundle '.linux.namespaces |= map(select(.type != "pid")) | .process.args = ["sh", "-c", "kill -KILL $$"]'
	run ct_run
	[ "$status" = 137 ]
}

@test "run --keep: the stopped container stays" {
	not_in "option is not there" crun
	mk_sh 'exit 5'
	run ct_run --keep
	[ "$status" = 5 ]
	[ "$(ct_status)" = stopped ]
}

@test "run: passes standard input" {
	mk_sh 'cat'
	echo hello | rt run --bundle "$B" "$ID" >"$T/got"
	[ "$(cat "$T/got")" = hello ]
}

@test "run: signals in the foreground are passed on" {
	mk_sh 'trap "echo got; exit 7" USR1; echo ready; while :; do sleep 0.02; done'
	"$RUNTIME" --root "$ROOT" run --bundle "$B" "$ID" </dev/null >"$T/fg" 2>&1 3>&- &
	local pid=$!
	wait_for grep -q ready "$T/fg"
	kill -USR1 $pid
	local rc=0
	wait $pid || rc=$?
	[ "$rc" = 7 ]
	grep -q got "$T/fg"
}

@test "run: 1 GiB through a pipe in and out arrives intact" {
	[ -n "${QUICK:-}" ] && local mib=64 || local mib=1024
	mk_sh 'cat'
	local want
	want=$(head -c "${mib}M" /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null | md5sum)
	got=$(head -c "${mib}M" /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null | rt run --bundle "$B" "$ID" | md5sum)
	[ "$want" = "$got" ]
}

@test "exec: runs in the container's namespaces, cgroup and root, and gives the exit code" {
	mk_bundle
	ct_up
	run rt exec "$ID" sh -c 'hostname; cat /etc/issue; for p in self 1; do readlink /proc/$p/ns/pid; done | uniq | wc -l; exit 9'
	[ "$status" = 9 ]
	[ "${lines[0]}" = box ]
	[ "${lines[1]}" = "brig test image" ]
	[ "${lines[2]}" = 1 ]
	rt exec "$ID" cat /proc/self/cgroup >"$T/exec-cg"
	rt exec "$ID" cat /proc/1/cgroup >"$T/init-cg"
	cmp "$T/exec-cg" "$T/init-cg"
}

@test "exec: --user, --cwd, --env and --additional-gids" {
	not_in "no --additional-gids" crun
	mk_bundle
	ct_up
	run rt exec --user 1000:1000 --cwd /tmp --env A=1 --env "B=2 3" --additional-gids 2000 "$ID" sh -c 'id -u; id -g; id -G; pwd; echo "$A-$B"'
	[ "$status" = 0 ]
	[ "${lines[0]}" = 1000 ] && [ "${lines[1]}" = 1000 ]
	[[ " ${lines[2]} " == *" 2000 "* ]]
	[ "${lines[3]}" = /tmp ]
	[ "${lines[4]}" = "1-2 3" ]
}

@test "exec --process: takes a process file, detached with a pid file" {
	mk_bundle
	ct_up
	jq -n --arg id "$ID" '{args: ["sh", "-c", "echo here >/mark; sleep 600"], cwd: "/tmp", user: {uid: 0, gid: 0}, env: ["PATH=/bin", "BRIG_TEST=" + $id]}' >"$T/p.json"
	rt exec --process "$T/p.json" --detach --pid-file "$T/exec.pid" "$ID" </dev/null >/dev/null 2>&1
	wait_for test -e "$R/mark"
	# of a machine: the process of the host that stands for the guest's
	[ "$BACKEND" = vm ] || [ "$(readlink "/proc/$(cat "$T/exec.pid")/ns/pid")" = "$(readlink "/proc/$(ct_pid)/ns/pid")" ]
	kill -9 "$(cat "$T/exec.pid")"
	[ "$(ct_status)" = running ]
}

@test "exec: of a missing program says so with the words engines look for" {
	mk_bundle
	ct_up
	run rt exec "$ID" no-such-program
	[ "$status" != 0 ]
	[[ "$output" == *"executable file"*"not found in"* ]]
	run rt exec "$ID" /no/such
	[ "$status" != 0 ]
	shopt -s nocasematch
	[[ "$output" == *"no such file or directory"* ]]
	run rt exec "$ID" /etc/issue
	[ "$status" != 0 ]
	[[ "$output" == *"permission denied"* ]]
}

@test "exec: in a stopped or created container" {
	mk_sh 'exit 0'
	ct_up
	wait_for is_status stopped
	run rt exec "$ID" true
	[ "$status" != 0 ]
}

@test "exec: in a paused container is refused" {
	not_in "waits instead" crun
	mk_bundle
	ct_up
	rt pause "$ID"
	run timeout "$PATIENCE" "$RUNTIME" --root "$ROOT" exec "$ID" true
	[ "$status" != 0 ] && [ "$status" != 124 ]
	rt resume "$ID"
	rt exec "$ID" true
}

@test "exec: 1 byte at a time and large output arrive whole" {
	mk_bundle
	ct_up
	[ "$(rt exec "$ID" sh -c 'seq 1 200000' | md5sum)" = "$(seq 1 200000 | md5sum)" ]
	[ "$(seq 1 200000 | rt exec "$ID" cat | md5sum)" = "$(seq 1 200000 | md5sum)" ]
}

@test "exec: 20 at once" {
	mk_bundle
	ct_up
	local i
	for i in $(seq 20); do rt exec "$ID" sh -c "echo $i; exit $i" </dev/null >"$T/e$i" 2>&1 & eval "p$i=$!"; done
	for i in $(seq 20); do
		local rc=0 v=p$i
		wait "${!v}" || rc=$?
		[ "$rc" = "$i" ]
		[ "$(cat "$T/e$i")" = "$i" ]
	done
}

@test "ps: table and json list the container's processes" {
	mk_sh 'sleep 603 & wait'
	ct_up
	two() { [ "$(rt ps --format json "$ID" | jq length)" = 2 ]; }
	if [ "$BACKEND" = vm ]; then # json: the processes on the host, for engines; the table: those in the guest
		in_table() { rt ps "$ID" | grep -q 'sleep 603'; }
		wait_for in_table
		rt ps --format json "$ID" | jq -e --argjson p "$(ct_pid)" 'index($p) != null'
		return
	fi
	wait_for two
	rt ps --format json "$ID" | jq -e --argjson p "$(ct_pid)" 'index($p) != null'
	run rt ps "$ID"
	[ "$status" = 0 ]
	[[ "$output" == *PID* && "$output" == *"$(ct_pid)"* ]]
}

@test "list: table, json and quiet" {
	mk_bundle
	ct_up
	local first=$ID
	mk_bundle
	ct_create
	[ "$(rt list --quiet | sort)" = "$(printf '%s\n' "$first" "$ID" | sort)" ]
	rt list --format json | jq -e --arg a "$first" --arg b "$ID" 'map({(.id): .status}) | add | .[$a] == "running" and .[$b] == "created"'
	run rt list
	[[ "${lines[0]}" == *ID* && "${lines[0]}" == *STATUS* && "${lines[0]}" == *BUNDLE* ]]
	[ "${#lines[@]}" = 3 ]
}

@test "list: with no containers" {
	[ "$(rt list --format json)" = null ] || [ "$(rt list --format json | jq -c .)" = "[]" ] || excused "prints nothing" crun
	run rt list -q
	[ "$status" = 0 ]
	[ -z "$output" ]
}

@test "pause and resume: processes stand still, and go on" {
	mk_sh 'while :; do echo x >>/mark; sleep 0.02; done'
	ct_up
	wait_for test -s "$R/mark"
	rt pause "$ID"
	[ "$(ct_status)" = paused ]
	local n m
	n=$(stat -c %s "$R/mark")
	sleep 0.2
	m=$(stat -c %s "$R/mark")
	[ "$n" = "$m" ]
	rt resume "$ID"
	[ "$(ct_status)" = running ]
	grown() { [ "$(stat -c %s "$R/mark")" -gt "$m" ]; }
	wait_for grown
	run rt resume "$ID"
	[ "$status" = 1 ] || excused "accepts it" crun
}

@test "events --stats: memory, cpu and pids" {
	not_in "no events" crun
	mk_bundle '.linux.resources.memory.limit = 33554432'
	ct_up
	rt events --stats "$ID" >"$T/ev"
	jq -e --arg id "$ID" '.type == "stats" and .id == $id and .data.memory.usage.limit == 33554432 and .data.memory.usage.usage > 0
		and .data.cpu.usage.total > 0 and .data.pids.current == 1' "$T/ev"
}

@test "events: reports out of memory" {
	not_in "no events" crun
	mk_sh 'while [ ! -e /go ]; do sleep 0.02; done; (dd if=/dev/zero of=/dev/null bs=200M count=1); sleep 600' \
		'.linux.resources.memory = {limit: 33554432, swap: 33554432}'
	ct_up
	rt events --interval 100ms "$ID" </dev/null >"$T/ev" 2>&1 &
	background $!
	wait_for grep -q stats "$T/ev"
	touch "$R/go"
	wait_for grep -q '"oom"' "$T/ev"
}

@test "update: changes limits from options, file and standard input" {
	mk_bundle '.linux.resources.memory.limit = 67108864'
	ct_up
	rt update --memory 33554432 "$ID"
	[ "$(cg_cat memory memory.limit_in_bytes memory.max)" = 33554432 ]
	echo '{"memory": {"limit": 50331648}, "pids": {"limit": 77}}' | rt update --resources - "$ID"
	[ "$(cg_cat memory memory.limit_in_bytes memory.max)" = 50331648 ]
	[ "$(cg_cat pids pids.max pids.max)" = 77 ]
	echo '{"cpu": {"shares": 512}}' >"$T/res.json"
	rt update "--resources=$T/res.json" "$ID"
	[[ " 512 59 " == *" $(cg_cat cpu cpu.shares cpu.weight) "* ]]
	[ "$(cg_cat memory memory.limit_in_bytes memory.max)" = 50331648 ]
	rt update --pids-limit 55 --cpu-share 300 "$ID"
	[ "$(cg_cat pids pids.max pids.max)" = 55 ]
}

@test "pid-file: written whole, with the init's pid, and no temporary file stays" {
	mk_bundle
	mkdir "$T/pids"
	rt create --bundle "$B" --pid-file "$T/pids/p" "$ID" </dev/null >/dev/null 2>&1
	[ "$(cat "$T/pids/p")" = "$(rt state "$ID" | jq .pid)" ]
	[ "$(ls -A "$T/pids")" = p ]
}

@test "pid-file: that cannot be written fails the create, and leaves nothing" {
	mk_bundle
	run rt create --bundle "$B" --pid-file "$T/none/p" "$ID" </dev/null
	[ "$status" = 1 ]
	no_residue "$ID"
}

# fds_in FILE: the fds that ls saw, without the one it opened itself
fds_in() { grep -x '[0-9]*' "$1" | sort -n | head -n -1 | tr '\n' ' '; }

@test "preserve-fds: exactly the named ones stay open" {
	mk_sh 'ls /proc/self/fd; cat <&4'
	echo four >"$T/four"
	"$RUNTIME" --root "$ROOT" run --bundle "$B" --preserve-fds 2 "$ID" 3</dev/null 4<"$T/four" 5</etc/passwd 6</etc/passwd </dev/null >"$T/got"
	[ "$(fds_in "$T/got")" = "0 1 2 3 4 " ]
	grep -q four "$T/got"
}

@test "preserve-fds: numbers below the last may be closed, and stay so" {
	mk_sh 'ls /proc/self/fd; cat <&6'
	echo six >"$T/six"
	"$RUNTIME" --root "$ROOT" run --bundle "$B" --preserve-fds 4 "$ID" 3>&- 4</dev/null 5>&- 6<"$T/six" </dev/null >"$T/got"
	cat "$T/got"
	grep -q six "$T/got"
	# ls itself opens the lowest free number
	[ "$(grep -x '[0-9]*' "$T/got" | paste -sd ' ')" = "0 1 2 3 4 6" ]
	mk_sh 'sleep 600'
	ct_up
	rt exec --preserve-fds 4 "$ID" sh -c 'ls /proc/self/fd; cat <&6' 3>&- 4</dev/null 5>&- 6<"$T/six" </dev/null >"$T/got"
	cat "$T/got"
	[ "$(paste -sd ' ' "$T/got")" = "0 1 2 3 4 6 six" ]
}

@test "preserve-fds: a missing one is an error, and leaves nothing" {
	not_in "ignores it" crun
	mk_bundle
	run rt run --bundle "$B" --preserve-fds 60 "$ID" </dev/null
	[ "$status" = 1 ]
	# number 3 may be a file of the runtime's own by then
	run rt run --bundle "$B" --preserve-fds 1 "$ID" </dev/null
	[ "$status" = 1 ]
	[[ "$output" == *"descriptor 3 is not open"* ]]
	no_residue "$ID"
}

@test "LISTEN_FDS: sockets of socket activation are passed on, with LISTEN_PID 1" {
	# shellcheck disable=SC2016
	mk_sh 'ls /proc/self/fd; cat <&4; echo "fds=$LISTEN_FDS pid=$LISTEN_PID"'
	echo four >"$T/four"
	(
		LISTEN_PID=$BASHPID LISTEN_FDS=2 exec "$RUNTIME" --root "$ROOT" run --bundle "$B" "$ID" \
			3</dev/null 4<"$T/four" 5</etc/passwd 6</etc/passwd </dev/null >"$T/got"
	)
	[ "$(fds_in "$T/got")" = "0 1 2 3 4 " ]
	grep -qx four "$T/got"
	grep -qx 'fds=2 pid=1' "$T/got"
}

@test "fds of the caller do not reach the container" {
	mk_sh 'ls /proc/self/fd'
	run bash -c "exec 7</etc/passwd 8</ 9<'$T'; '$RUNTIME' --root '$ROOT' run --bundle '$B' '$ID' </dev/null 3>&-"
	[ "$status" = 0 ]
	[ "$(echo "$output" | wc -l)" = 4 ]
}

@test "two containers at once do not see each other" {
	mk_bundle
	ct_up
	local one=$ID
	mk_bundle
	ct_up
	[ "$(rt exec "$ID" ps | grep -c 'sleep 600')" = 1 ]
	rt delete --force "$ID"
	rt exec "$one" true
}

@test "10 creates and starts at once" {
	local i ids=() bundles=()
	for i in $(seq 10); do mk_bundle; ids+=("$ID"); bundles+=("$B"); done
	for i in $(seq 0 9); do
		rt run --detach --bundle "${bundles[i]}" "${ids[i]}" </dev/null >"$T/o$i" 2>&1 &
	done
	wait
	for i in "${ids[@]}"; do [ "$(rt state "$i" | jq -r .status)" = running ]; done
	for i in "${ids[@]}"; do rt delete --force "$i" & done
	wait
	for i in "${ids[@]}"; do no_residue "$i"; done
}

@test "the same id created twice at once: one wins, the other is refused" {
	not_in "both can fail" runc
	mk_bundle
	local a=0 b=0
	rt create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1 &
	local p1=$!
	rt create --bundle "$B" "$ID" </dev/null >/dev/null 2>&1 &
	local p2=$!
	wait $p1 || a=$?
	wait $p2 || b=$?
	[ $((a == 0)) != $((b == 0)) ]
	[ "$(ct_status)" = created ]
}

@test "a state directory made by another user is not trusted, and ids with a slash are refused" {
	local id
	for id in ../x a/b . .. '' "$(printf 'a%.0s' $(seq 1100))" 'a b' 'é'; do
		run rt state "$id"
		[ "$status" = 1 ]
		run rt create --bundle "$T" "$id"
		[ "$status" = 1 ]
	done
	[ ! -e "$T/x" ]
}
