#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line: help, versions, usage errors, exit codes, log formats, the texts that engines look for.
bats_require_minimum_version 1.5.0
load helpers

VERBS="checkpoint create delete events exec features kill list pause ps restore resume run spec start state update"
ID_VERBS="checkpoint create delete events exec kill pause ps restore resume run start state update"

@test "cli: --help of every command exits 0 and writes to stdout only" {
	for v in $VERBS; do
		rt "$v" --help >"$T/out" 2>"$T/err"
		grep -q "^brig-[a-z]* $v: " "$T/out"
		grep -q -- '--help' "$T/out"
		[ ! -s "$T/err" ]
		rt "$v" -h | cmp - "$T/out"
		rt help "$v" | cmp - "$T/out"
	done
	rt --help >"$T/out"
	for v in $VERBS; do grep -q "^   $v " "$T/out"; done
	rt | cmp - "$T/out"
	rt help | cmp - "$T/out"
}

@test "cli: --version has the lines that engines parse" {
	"$RUNTIME" --version >"$T/out"
	sed -n 1p "$T/out" | grep -qE '^brig-(oci|vm) version [0-9]+\.[0-9]+'
	grep -qE '^commit: [0-9a-z]+' "$T/out"
	grep -qxF 'spec: 1.3.0' "$T/out"
	grep -qE '^libseccomp: [0-9]+\.[0-9]+\.[0-9]+$' "$T/out"
	"$RUNTIME" -v | cmp - "$T/out"
	"$RUNTIME" -version | cmp - "$T/out"
}

@test "cli: an unknown command is named" {
	run rt bogus
	[ "$status" = 1 ]
	[[ "$output" == *"unknown command 'bogus'"* ]]
	run rt help bogus
	[ "$status" = 1 ]
}

@test "cli: an unknown flag is named, everywhere" {
	for v in $VERBS; do
		run rt "$v" --bogus x
		[ "$status" = 1 ]
		[[ "$output" == *"flag provided but not defined: --bogus"* ]]
		run rt "$v" -bogus x
		[[ "$output" == *"flag provided but not defined: -bogus"* ]]
	done
	run rt --bogus state x
	[ "$status" = 1 ]
	[[ "$output" == *"flag provided but not defined: --bogus"* ]]
}

@test "cli: a missing id is an error that says so" {
	for v in $ID_VERBS; do
		run rt "$v"
		[ "$status" = 1 ]
		[[ "$output" == *"\" requires "*" argument(s)"* ]]
	done
}

@test "cli: one word too many is named" {
	for v in state start pause resume delete create run events update; do
		run rt "$v" one two
		[ "$status" = 1 ]
		[[ "$output" == *"'two'"* ]]
	done
}

@test "cli: an option without its value: the text that podman looks for" {
	run rt restore --lsm-mount-context
	[ "$status" = 1 ]
	[[ "$output" == *"flag needs an argument"* ]]
	run rt create id --bundle
	[ "$status" = 1 ]
	[[ "$output" == *"flag needs an argument: --bundle"* ]]
	run rt --root
	[ "$status" = 1 ]
}

@test "cli: values of global options are checked" {
	for bad in "--log-format xml" "--log-level loud" "--cgroup-manager lxc" "--rootless maybe" "--vm-accel fast" "--root /" \
		"--root //../" "--debug=7" "--systemd-cgroup --cgroup-manager cgroupfs"; do
		# shellcheck disable=SC2086  # several words
		run "$RUNTIME" $bad list
		[ "$status" = 1 ] || { echo "$bad: $status $output"; return 1; }
		[ -n "$output" ]
	done
}

@test "cli: ids that could leave the root are refused by every command" {
	for v in $ID_VERBS; do
		for id in .. . a/b '' "a b" "$(printf 'x%.0s' {1..1025})"; do
			if [ "$v" = exec ]; then run rt exec "$id" true; else run rt "$v" "$id"; fi
			[ "$status" != 0 ] || { echo "$v '$id' accepted"; return 1; }
			[[ "$output" != *"does not exist"* ]] || { echo "$v '$id': $output"; return 1; }
		done
	done
}

@test "cli: every command on an unknown container says that it does not exist" {
	for v in state start pause resume delete events ps update checkpoint; do
		run rt "$v" nobody
		[ "$status" = 1 ] || { echo "$v: $status"; return 1; }
		[[ "$output" == *"does not exist"* ]] || { echo "$v: $output"; return 1; }
	done
	run rt kill nobody KILL
	[ "$status" = 1 ]
	[[ "$output" == *"does not exist"* ]]
	run rt exec nobody true
	[ "$status" = 255 ]
	[[ "$output" == *"does not exist"* ]]
	run rt delete --force nobody
	[ "$status" = 0 ]
	[ -z "$output" ]
}

@test "cli: --log gets the error as a line of JSON, stderr gets the text" {
	run rt --log "$T/log" --log-format json state nobody
	[ "$status" = 1 ]
	[[ "$output" == *"does not exist"* ]]
	[ "$(wc -l <"$T/log")" = 1 ]
	jq -e '.level == "error" and (.msg | test("does not exist")) and (.time | fromdate? // test("^20"))' "$T/log"
	run rt --log="$T/log" --log-format=json state nobody
	[ "$(wc -l <"$T/log")" = 2 ]
}

@test "cli: --log in text, and by file:" {
	run rt --log "file:$T/log" state nobody
	[ "$status" = 1 ]
	grep -q 'level=error' "$T/log"
	grep -q 'does not exist' "$T/log"
}

@test "cli: JSON goes to stderr when there is no --log" {
	rt --log-format json state nobody 2>"$T/err" && return 1
	jq -e '.level == "error"' "$T/err"
}

@test "cli: a log that cannot be opened is an error" {
	run rt --log "$T/no/such/dir/log" state nobody
	[ "$status" = 1 ]
	[[ "$output" == *"$T/no/such/dir/log"* ]]
	run rt --log "journald:x" --root "$T/r" list
	[ "$status" = 0 ] || [[ "$output" == *journald* ]]
}

@test "cli: options of a command that is refused are logged too" {
	run rt --log "$T/log" --log-format json state --bogus x
	[ "$status" = 1 ]
	jq -e '.msg | test("not defined: --bogus")' "$T/log"
}

@test "cli: options before, behind and around the id mean the same" {
	mk_sh 'exit 5'
	run -5 rt run --bundle "$B" "$ID"
	run -5 rt run "$ID" --bundle "$B"
	run -5 rt run "$ID" -bundle="$B" --keep=false
	run -5 rt run -b "$B" -- "$ID"
	run -5 rt run -b="$B" -no-subreaper "$ID"
}

@test "cli: a relative --root is one" {
	mk_sh 'exit 0'
	cd "$T"
	"$RUNTIME" --root rel run --bundle "$B" "$ID" </dev/null 3>&-
	[ -d "$T/rel" ]
	[ -z "$(ls -A "$T/rel")" ]
}

@test "cli: --cgroup-manager disabled runs without a cgroup" {
	mk_sh 'exit 4'
	run -4 rt --cgroup-manager disabled run --bundle "$B" "$ID"
}

@test "cli: old callers' --criu is accepted" {
	run rt --criu /usr/sbin/criu list
	[ "$status" = 0 ]
}

@test "list: table, json and ids" {
	run rt list
	[ "$status" = 0 ]
	[[ "${lines[0]}" == ID*PID*STATUS*BUNDLE*CREATED*OWNER ]]
	[ "$(rt list --format json)" = null ]
	[ -z "$(rt list -q)" ]
	mk_bundle
	ct_create
	rt list >"$T/table"
	grep -qE "^$ID +$(ct_pid) +created +$B +20[^ ]+ +root" "$T/table"
	[ "$(rt list -q)" = "$ID" ]
	rt list -f json | jq -e --arg id "$ID" 'length == 1 and .[0].id == $id and .[0].status == "created" and .[0].owner == "root"'
	run rt list --format yaml
	[ "$status" = 1 ]
}

@test "list: one broken container does not hide the others" {
	mk_bundle
	ct_create
	mkdir "$ROOT/broken"
	echo '{' >"$ROOT/broken/state.json"
	rt list >"$T/out" 2>"$T/err"
	grep -q "^$ID " "$T/out"
	grep -q broken "$T/err"
	rm -r "$ROOT/broken"
}

@test "ps: json, table, options of ps" {
	mk_sh 'sleep 600 & sleep 600; :'
	ct_up
	wait_for sh -c "[ \$('$RUNTIME' --root '$ROOT' ps -f json '$ID' | jq length) = 3 ]"
	rt ps --format json "$ID" | jq -e --argjson p "$(ct_pid)" 'index($p) != null'
	rt ps "$ID" >"$T/out"
	[ "$(grep -c 'sleep 600' "$T/out")" -ge 2 ]
	[ "$(wc -l <"$T/out")" = 4 ]
	rt ps "$ID" -o pid,comm >"$T/out"
	[ "$(wc -l <"$T/out")" = 4 ]
	run rt ps "$ID" -o comm
	[ "$status" = 1 ]
	[[ "$output" == *PID* ]]
}

@test "kill: signals by name in any spelling and by number" {
	mk_sh 'for s in USR1 USR2 HUP; do trap "echo $s >>/got" $s; done; echo up >>/got; while :; do sleep 0.05; done'
	ct_up
	wait_for grep -q up "$R/got"
	rt kill "$ID" SIGUSR1
	wait_for grep -q USR1 "$R/got"
	rt kill "$ID" usr2
	wait_for grep -q USR2 "$R/got"
	rt kill "$ID" 1
	wait_for grep -q HUP "$R/got"
	rt kill "$ID" 0
	for bad in SIGNOPE 65 -1 ''; do
		run rt kill -- "$ID" "$bad"
		[ "$status" = 1 ]
		[[ "$output" == *"unknown signal"* ]]
	done
	rt kill "$ID" SIGKILL
	wait_for is_status stopped
	run rt kill "$ID" 9
	[ "$status" = 1 ]
	[[ "$output" == *"container not running"* ]]
}

@test "kill and delete: --regex takes all that match" {
	mk_bundle
	ct_up
	local first=$ID
	mk_bundle
	ct_up
	rt kill --regex "^($first|$ID)\$" KILL
	wait_for is_status stopped
	rt delete -f -r "^($first|$ID)\$"
	[ -z "$(rt list -q)" ]
	run rt delete --regex '('
	[ "$status" = 1 ]
	[[ "$output" == *"regular expression"* ]]
}

@test "spec: what it writes runs, and is not overwritten" {
	mk_bundle
	rm "$B/config.json"
	(cd "$B" && rt spec)
	jq -e '.process.args == ["sh"] and .process.terminal and .root.readonly and (.linux.namespaces | length) == 6' "$B/config.json"
	run rt spec --bundle "$B"
	[ "$status" = 1 ]
	[[ "$output" == *"File config.json exists. Remove it first"* ]]
	edit '.process.terminal = false | .process.args = ["sh", "-c", "exit 6"]'
	run -6 rt run --bundle "$B" "$ID"
	rm "$B/config.json"
	rt spec --rootless -b "$B"
	jq -e '[.linux.namespaces[].type] | index("user") != null and index("network") == null' "$B/config.json"
	jq -e '.linux.uidMappings[0] == {containerID: 0, hostID: 0, size: 1} and (.linux | has("resources") | not)' "$B/config.json"
	run rt spec --bundle "$T/none"
	[ "$status" = 1 ]
}

@test "features: a document with the required fields" {
	rt features >"$T/f"
	jq -e '.ociVersionMin == "1.0.0" and .ociVersionMax == "1.3.0" and (.hooks | length) == 6' "$T/f"
	jq -e '.linux.namespaces | index("time") != null and index("user") != null' "$T/f"
	jq -e '.linux.mountExtensions.idmap.enabled and .linux.seccomp.enabled and .linux.cgroup.v2 and .linux.netDevices.enabled' "$T/f"
	jq -e '(.mountOptions | index("rro")) and (.linux.capabilities | length) == 41' "$T/f"
}

@test "exec: a user without a group keeps the configured group, and is not root" {
	mk_bundle '.process.user = {uid: 0, gid: 2000}'
	ct_up
	[ "$(rt exec --user 1 "$ID" id -u)" = 1 ]
	[ "$(rt exec --user 1 "$ID" id -g)" = 2000 ]
	[ "$(rt exec -u 1:3 "$ID" id -g)" = 3 ]
	[ "$(rt exec -u 0:0 -g 7 --additional-gids 9 "$ID" id -G)" = "0 7 9" ]
	for bad in x 1: :1 -1 1:x 4294967295 1:2:3 ''; do
		run rt exec --user="$bad" "$ID" true
		[ "$status" = 255 ] || { echo "'$bad': $status"; return 1; }
	done
}

@test "exec: options change the configured process" {
	mk_bundle '.process.env += ["KEEP=1", "SET=old"] | .process.noNewPrivileges = false'
	ct_up
	[ "$(rt exec -e SET=new --env MORE=x "$ID" sh -c 'echo $KEEP $SET $MORE')" = "1 new x" ]
	[ "$(rt exec --cwd /usr "$ID" pwd)" = /usr ]
	rt exec --no-new-privs "$ID" grep -q 'NoNewPrivs:.*1' /proc/self/status
	rt exec --cap CAP_SYS_ADMIN "$ID" grep Cap /proc/self/status >"$T/caps"
	# bit 21 in the effective set, and never in the inheritable one
	[ $((0x$(awk '/CapEff/ { print $2 }' "$T/caps") >> 21 & 1)) = 1 ]
	[ $((0x$(awk '/CapInh/ { print $2 }' "$T/caps") >> 21 & 1)) = 0 ]
	run -0 rt exec --cap CAP_NONE "$ID" true # runtime-spec: a capability that cannot be granted is a warning
	[[ "$output" == *CAP_NONE* ]]
	run rt exec --env NOVALUE "$ID" true
	[ "$status" = 255 ]
	run rt exec --cwd rel "$ID" true
	[ "$status" = 255 ]
}

@test "exec: words behind the id belong to the program" {
	mk_bundle
	ct_up
	[ "$(rt exec "$ID" echo --tty -d --help)" = "--tty -d --help" ]
	[ "$(rt exec "$ID" -- echo x)" = x ]
	run rt exec "$ID"
	[ "$status" = 255 ]
	[[ "$output" == *"\" requires "*" argument(s)"* ]]
}

@test "exec: exit codes, and the texts from which engines make 126 and 127" {
	mk_bundle
	ct_up
	run -9 rt exec "$ID" sh -c 'exit 9'
	run -137 rt exec "$ID" sh -c 'kill -9 $$'
	run rt exec "$ID" nosuchprogram
	[ "$status" = 255 ]
	[[ "$output" == *"executable file not found in"* ]]
	run rt exec "$ID" /no/such/program
	[ "$status" = 255 ]
	[[ "$output" == *"no such file or directory"* ]]
	run rt exec "$ID" /etc/passwd
	[ "$status" = 255 ]
	[[ "$output" == *"permission denied"* ]]
}

@test "exec: --tty gives a terminal, also without one outside" {
	mk_bundle
	ct_up
	run rt exec -t "$ID" tty
	[ "$status" = 0 ]
	[[ "$output" == /dev/pts/* || "$output" == /dev/console* ]]
	run rt exec --tty=false "$ID" tty
	[ "$status" = 1 ]
}

@test "run: 64 MiB through stdin and stdout arrive whole" {
	mk_sh 'cat'
	head -c 64M /dev/urandom >"$T/data"
	rt run --bundle "$B" "$ID" <"$T/data" | cmp - "$T/data"
}

@test "run: output of a terminal arrives whole" {
	mk_sh 'stty -opost; i=0; while [ $i -lt 20000 ]; do echo "line $i of the text that has to arrive"; i=$((i+1)); done' '.process.terminal = true'
	rt run --bundle "$B" "$ID" </dev/null >"$T/out"
	awk '$0 != "line " NR-1 " of the text that has to arrive" { exit 1 } END { if (NR != 20000) exit 1 }' "$T/out"
}

@test "run, exec: the process leads a session of its own, and cannot type into the caller's terminal" {
	mk_sh 'cut -d" " -f1,6,7 /proc/self/stat; sleep 600'
	# pid, session and controlling terminal; the caller has one (script makes it)
	script -qec "$RUNTIME --root $ROOT run --bundle $B $ID" /dev/null >"$T/tty" 2>&1 </dev/null 3>&- &
	background $!
	wait_for grep -q ' 1 0' "$T/tty"
	script -qec "$RUNTIME --root $ROOT exec $ID sh -c 'cut -d\" \" -f1,6,7 /proc/\$\$/stat'" /dev/null >"$T/tty2" 2>&1 </dev/null 3>&-
	read -r pid session terminal <"$T/tty2"
	[ "$pid" = "$session" ]
	[ "${terminal%$'\r'}" = 0 ]
}

@test "update: sizes with units, and bad ones" {
	mk_bundle
	ct_up
	rt update --memory 64M "$ID"
	[ "$(cg_cat memory memory.limit_in_bytes memory.max)" = 67108864 ]
	echo '{"memory": {"limit": 33554432}}' | rt update --resources - "$ID"
	[ "$(cg_cat memory memory.limit_in_bytes memory.max)" = 33554432 ]
	for bad in 1x -5 '' 99999999999999999999; do
		run rt update --memory="$bad" "$ID"
		[ "$status" = 1 ]
		[[ "$output" == *"--memory"* ]]
	done
	echo '{' >"$T/bad.json"
	run rt update -r "$T/bad.json" "$ID"
	[ "$status" = 1 ]
	[[ "$output" == *"$T/bad.json"* ]]
	run rt update -r "$T/none.json" "$ID"
	[ "$status" = 1 ]
}

@test "events: statistics, the interval and the end" {
	mk_bundle
	ct_up
	rt events --stats "$ID" | jq -e --arg id "$ID" '.type == "stats" and .id == $id and .data.pids.current >= 1'
	for bad in 0 0s x -1s 5; do
		run rt events --interval="$bad" "$ID"
		[ "$status" = 1 ]
		[[ "$output" == *"--interval"* ]]
	done
	rt events --interval 100ms "$ID" >"$T/events" &
	background $!
	wait_for sh -c "[ \$(wc -l <'$T/events') -ge 2 ]"
	rt kill "$ID" KILL
	wait $!
	jq -es 'all(.type == "stats")' "$T/events"
	wait_for is_status stopped
	run rt events "$ID"
	[ "$status" = 1 ]
	[[ "$output" == *"not running"* ]]
}

@test "checkpoint: what is wrong is named, and nothing is left" {
	mk_bundle
	ct_up
	run env PATH=/nowhere "$RUNTIME" --root "$ROOT" checkpoint --image-path "$T/img" "$ID"
	[ "$status" = 1 ]
	[[ "$output" == *"criu is not installed"* ]]
	for bad in --manage-cgroups-mode=odd --network-lock=odd --empty-ns=odd --page-server=nowhere --status-fd=77 --parent-path=/abs; do
		run rt checkpoint "$bad" "$ID"
		[ "$status" = 1 ]
		[[ "$output" == *"${bad%%=*}"* ]] || { echo "$output"; return 1; }
	done
	[ "$(ct_status)" = running ]
}

@test "restore: without images says what is missing, and leaves nothing" {
	mk_bundle
	run rt restore --bundle "$B" --image-path "$T/none" "$ID"
	[ "$status" = 1 ]
	[[ "$output" == *"$T/none"* ]]
	no_residue "$ID"
}

@test "cli: a program with closed standard descriptors does not write into its own files" {
	mk_bundle
	ct_create
	rt state "$ID" <&- >&- 2>&- || true
	jq -e . "$ROOT/$ID/state.json"
}

@test "cli: the program cannot be written by a container that it makes (CVE-2019-5736)" {
	mk_bundle '.root.readonly = false'
	cp "$RUNTIME" "$T/copy-of-brig"
	cat >"$R/attack" <<-'EOF'
		#!/bin/sh
		# Keep the program file of an exec into this container open, and write to it once it no longer runs.
		touch /ready
		while :; do
			for p in /proc/[0-9]*; do
				case $(readlink "$p/exe") in
				'' | *busybox*) continue ;;
				*) exec 9<"$p/exe" && touch /caught || continue ;;
				esac
				while [ -e "$p" ]; do sleep 0.02; done
				sleep 0.1
				(echo broken >/proc/self/fd/9) && touch /written
				touch /tried
				exit
			done
		done
	EOF
	chmod +x "$R/attack"
	edit '.process.args = ["/attack"]'
	sum=$(sha256sum <"$T/copy-of-brig")
	for lib in $(ldd "$T/copy-of-brig" | grep -o '/[^ ]*'); do cp -L --parents "$lib" "$R"; done
	RUNTIME=$T/copy-of-brig ct_up
	wait_for test -e "$R/ready"
	# "run /proc/self/exe" makes the runtime's own file a program of the container; it waits for its stdin here
	mkfifo "$T/fifo"
	sleep 600 >"$T/fifo" &
	background $!
	RUNTIME=$T/copy-of-brig rt exec "$ID" /proc/self/exe update --resources - x <"$T/fifo" &
	background $!
	wait_for test -e "$R/caught"
	kill %1
	wait_for test -e "$R/tried"
	[ ! -e "$R/written" ]
	[ "$(sha256sum <"$T/copy-of-brig")" = "$sum" ]
}
