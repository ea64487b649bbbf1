#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hooks of all six kinds: order, place, input, environment, time limit, failure.
load helpers

# hook KIND SCRIPT [EXTRA-JQ]: add a hook that runs SCRIPT with sh
hook() {
	edit ".hooks[\$k] += [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \$s]} + (${3:-{\}})]" --arg k "$1" --arg s "$2"
}

# The program of hooks that run inside the container: a shell that both sides have.
KINDS="prestart createRuntime createContainer startContainer poststart poststop"

@test "hooks: run in the order of the specification, with the state on standard input" {
	not_in "poststart comes early" runc
	mk_sh "echo 'program -' >>/log"
	local k
	touch "$R/log" && chmod 666 "$R/log"
	for k in $KINDS; do
		local log=$R/log
		[ "$k" != startContainer ] || log=/log
		hook "$k" "s=\$(cat); echo \"$k \$(echo \"\$s\" | sed 's/.*\"status\": *\"\\([a-z]*\\)\".*/\\1/;t;s/.*/none/' | tail -n 1)\" >>$log"
	done
	ct_create
	ct_start
	wait_for is_status stopped
	rt delete "$ID"
	cat "$R/log"
	[ "$(grep -v program "$R/log" | awk '{print $1}' | tr '\n' ' ')" = "$KINDS " ]
	[ "$(grep -n '^startContainer' "$R/log" | cut -d: -f1)" -lt "$(grep -n '^program' "$R/log" | cut -d: -f1)" ]
}

@test "hooks: the state names id, pid, bundle, annotations and the right status" {
	not_in "poststart sees created" runc
	mk_sh 'sleep 600' '.annotations = {"a.b": "c"}'
	local k
	for k in $KINDS; do
		local out=$R/$k.json
		[ "$k" != startContainer ] || out=/$k.json
		hook "$k" "cat >$out"
	done
	ct_create
	local pid
	pid=$(ct_pid)
	ct_start
	rt kill "$ID" KILL
	wait_for is_status stopped
	rt delete "$ID"
	for k in $KINDS; do
		echo "$k: $(jq -c . "$R/$k.json")"
		jq -e --arg id "$ID" --arg b "$B" '.id == $id and .bundle == $b and .annotations["a.b"] == "c" and (.ociVersion | length > 0)' "$R/$k.json"
	done
	for k in prestart createRuntime createContainer; do
		jq -e --argjson p "$pid" '(.pid == $p or .pid == 1) and (.status == "creating" or .status == "created")' "$R/$k.json"
	done
	jq -e '.status == "running"' "$R/poststart.json"
	jq -e '.status == "stopped"' "$R/poststop.json"
}

@test "hooks: host ones run in the runtime's namespaces, container ones in the container's" {
	mk_sh 'sleep 600' '.linux.namespaces += [{type: "cgroup"}]'
	hook createRuntime "readlink /proc/self/ns/mnt >$R/createRuntime"
	hook createContainer "readlink /proc/self/ns/mnt >$R/createContainer; readlink /proc/self/ns/net >>$R/createContainer"
	hook startContainer "readlink /proc/self/ns/mnt >/startContainer; cat /etc/issue >>/startContainer"
	hook poststart "readlink /proc/self/ns/mnt >$R/poststart"
	ct_up
	local host inside
	host=$(readlink /proc/self/ns/mnt)
	inside=$(readlink "/proc/$(ct_pid)/ns/mnt")
	[ "$(cat "$R/createRuntime")" = "$host" ]
	[ "$(head -n 1 "$R/createContainer")" = "$inside" ]
	[ "$(tail -n 1 "$R/createContainer")" = "$(readlink "/proc/$(ct_pid)/ns/net")" ]
	[ "$BACKEND" = vm ] || [ "$(head -n 1 "$R/startContainer")" = "$inside" ] # a number of the guest's kernel
	grep -q 'brig test image' "$R/startContainer"
	[ "$(cat "$R/poststart")" = "$host" ]
}

@test "hooks: the environment is what the hook lists and nothing else" {
	mk_bundle
	edit '.hooks.createRuntime = [{path: "/usr/bin/env", args: ["env"], env: ["A=1", "B=2"]}, {path: "/bin/sh", args: ["sh", "-c", $s], env: ["X=y"]}]' \
		--arg s "/usr/bin/env >$R/env"
	SECRET=1 ct_create
	grep -qx X=y "$R/env"
	fails grep -q SECRET "$R/env"
	fails grep -q '^PATH=/usr/sbin:/usr/bin:/sbin:/bin$' "$R/env"
	[ "$(grep -vc -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= "$R/env")" = 1 ]
}

@test "hooks: no fds but 0, 1 and 2" {
	mk_bundle
	hook createRuntime "ls -l /proc/self/fd >$R/fds"
	hook createContainer "ls -l /proc/self/fd >$R/fds2"
	ct_create
	cat "$R/fds" "$R/fds2"
	# 0 1 2, and the directory that ls reads
	[ "$(grep -c -- '->' "$R/fds")" -le 4 ]
	[ "$(grep -c -- '->' "$R/fds2")" -le 4 ] || excused "leaks into createContainer" runc
}

@test "hooks: one that fails stops the create, names itself, and leaves nothing" {
	local k
	for k in prestart createRuntime createContainer; do
		mk_bundle
		hook "$k" "echo oh no >&2; exit 3"
		run ct_create
		[ "$status" = 1 ]
		echo "$k: $output"
		[[ "$output" == *hook* && "$output" == *3* ]] || excused "other words" runc crun
		no_residue "$ID"
	done
}

@test "hooks: a failed startContainer stops the container before the program" {
	mk_sh 'echo ran >/mark; sleep 600'
	hook startContainer "exit 3"
	ct_create
	run ct_start
	[ ! -e "$R/mark" ]
	[ "$status" = 1 ] || excused "start succeeds" runc
	[[ "$output" == *startContainer*3* ]] || excused "other words" runc crun
	ended() { case "$(ct_status)" in stopped | '') ;; *) return 1 ;; esac }
	wait_for ended
}

@test "hooks: a failed poststart ends the container" {
	not_in "only warns, or runs it at create" crun runc
	mk_bundle
	hook poststart "exit 3"
	ct_create
	run ct_start
	[ "$status" = 1 ]
	gone() { [ "$(ct_status)" != running ]; }
	wait_for gone
}

@test "hooks: a failed poststop is a warning, and later ones run" {
	not_in "the list ends" runc
	mk_sh 'exit 0'
	hook poststop "exit 3"
	hook poststop "echo >$R/second"
	ct_up
	wait_for is_status stopped
	rt delete "$ID"
	[ -e "$R/second" ]
	no_residue "$ID"
}

@test "hooks: poststop runs for a container of a brig that did not note in the state whether there is one" {
	not_in "brig's own state" runc crun
	mk_sh 'exit 0'
	hook poststop "echo >$R/ran"
	ct_up
	wait_for is_status stopped
	jq -e .poststop "$ROOT/$ID/state.json"
	jq -c 'del(.poststop)' "$ROOT/$ID/state.json" >"$R/state.json"
	cat "$R/state.json" >"$ROOT/$ID/state.json"
	rt delete "$ID"
	[ -e "$R/ran" ]
	no_residue "$ID"
}

@test "hooks: a time limit kills the hook and its children" {
	not_in "waits for the children" runc
	mk_bundle
	hook createRuntime "sleep 611 & sleep 612" '{timeout: 1}'
	local start=$SECONDS
	run ct_create
	[ "$status" = 1 ]
	[ $((SECONDS - start)) -lt 8 ]
	no_residue "$ID"
	! pgrep -f 'sleep 61[12]$' || excused "children stay" runc crun
}

@test "hooks: a missing program fails, and createRuntime can be several" {
	mk_bundle
	hook createRuntime "echo 1 >>$R/log"
	hook createRuntime "echo 2 >>$R/log"
	edit '.hooks.createRuntime += [{path: "/no/such/hook"}]'
	run ct_create
	[ "$status" = 1 ]
	[[ "$output" == */no/such/hook* ]]
	[ "$(tr -d '\n' <"$R/log")" = 12 ]
	no_residue "$ID"
}

@test "hooks: a network can be attached by createRuntime" {
	mk_sh 'cat /proc/net/dev; sleep 600'
	edit '.hooks.createRuntime += [{path: "/bin/sh", args: ["sh", "-c", "pid=$(sed \"s/.*\\\"pid\\\": *\\([0-9]*\\).*/\\1/\" | tail -n 1); exec nsenter -t $pid -n sh -c \"ip link add hooked type veth peer name hooked2; ip link set hooked up\""], env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]'
	ct_up
	wait_for grep -q hooked "$T/$ID.out"
}

@test "hooks: annotations of 700 KiB are no limit" {
	not_in "has a limit" runc crun
	mk_sh 'exit 0' '.annotations = {big: ("x" * 700000)}'
	local k
	for k in prestart createContainer startContainer poststart poststop; do hook $k "wc -c >>$R/$k"; done
	edit '.hooks.startContainer[0] = {path: "/bin/sh", args: ["sh", "-c", "wc -c >>/startContainer"], env: ["PATH=/bin"]}'
	ct_up
	wait_for is_status stopped
	rt delete "$ID"
	for k in prestart createContainer startContainer poststart poststop; do [ "$(cat "$R/$k")" -gt 700000 ]; done
}

@test "before the pivot, hooks find the container's mounts at root.path, and what they mount there is in the container" {
	[ "$BACKEND" != vm ] || skip "mounts are made in the guest, after these hooks"
	mkdir "$T/src"
	echo mounted >"$T/src/f"
	cat >"$T/hook" <<-'END'
		#!/bin/sh
		state=$(cat)
		root=$2/rootfs pid=$(echo "$state" | sed 's/.*"pid": *\([0-9]*\).*/\1/')
		enter=
		[ "$1" = createContainer ] || enter="nsenter --mount --target $pid"
		$enter sh -c 'test -e $1/proc/1/status && cat $1/data/f && mount --bind $2/src $1/by/$3' sh "$root" "${0%/hook}" "$1" >>"$0.log" 2>&1
	END
	chmod +x "$T/hook"
	mk_sh 'cat /by/createRuntime/f /by/createContainer/f; cut -d" " -f5 /proc/self/mountinfo | grep -cx /' \
		'.mounts += [{destination: "/data", type: "bind", source: ($t + "/src"), options: ["bind"]}] |
		.hooks = (["createRuntime", "createContainer"] | map({key: ., value: [{path: ($t + "/hook"), args: ["hook", ., $b], env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]}) | from_entries)' \
		--arg t "$T" --arg b "$T/b$((IDN + 1))"
	mkdir -p "$R/by/createRuntime" "$R/by/createContainer"
	run ct_run
	echo "$output"
	cat "$T/hook.log"
	[ "$status" = 0 ]
	[ "$output" = $'mounted\nmounted\n1' ]
	[ "$(cat "$T/hook.log")" = $'mounted\nmounted' ]
	[ -z "$(ls "$R/by/createRuntime")" ]
}
