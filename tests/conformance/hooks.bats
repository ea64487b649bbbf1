#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helpers

@test "hooks: all six kinds in their order, with the right state, and an environment of their own" {
	mk_sh 'echo program >>/log; sleep 600'
	local k
	touch "$R/log"
	for k in prestart createRuntime createContainer poststart poststop; do
		edit '.hooks[$k] = [{path: "/bin/sh", args: ["sh", "-c", "s=$(cat); echo $0 $(echo \"$s\" | jq -r \"[.id,.status,.bundle,(.pid>0)]|join(\\\" \\\")\") $A$RT_SECRET >>$1", $k, $log],
			env: ["A=a-" + $k, "PATH=/usr/bin:/bin"], timeout: 20}]' --arg k $k --arg log "$R/log"
	done
	edit '.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "s=$(cat); case $s in *created*) echo startContainer inside >>/log ;; esac"], env: ["PATH=/bin"]}]'
	# in the container's mount namespace jq is still the host's: the pivot comes later
	RT_SECRET=leak ct_create
	RT_SECRET=leak ct_start
	wait_for grep -q poststart "$R/log"
	rt delete --force "$ID"
	cat "$R/log"
	[ "$(cut -d' ' -f1 "$R/log" | grep -v program | paste -sd ' ')" = "prestart createRuntime createContainer startContainer poststart poststop" ]
	for k in prestart createRuntime createContainer; do grep -qx "$k $ID creating $B true a-$k" "$R/log"; done
	grep -qx "poststart $ID running $B true a-poststart" "$R/log"
	grep -Eqx "poststop $ID stopped $B (true|false) a-poststop" "$R/log"
	no_residue "$ID"
}

@test "hooks: one that fails or hangs ends it, and is named" {
	local k
	for k in prestart createRuntime createContainer; do
		mk_bundle '.hooks[$k] = [{path: "/bin/sh", args: ["sh", "-c", "echo because >&2; exit 3"]}]' --arg k $k
		refuses "$k" ct_create
		[[ "$output" == *because* ]]
		no_residue "$ID"
	done
	mk_bundle '.hooks.createRuntime = [{path: "/bin/sleep", args: ["sleep", "100"], timeout: 1}]'
	refuses "timeout" ct_create
	mk_bundle '.hooks.createRuntime = [{path: "/no/such/hook"}]'
	refuses "/no/such/hook" ct_create
	no_residue "$ID"
}

@test "hooks: a failed poststart stops the container, a failed poststop is a warning" {
	mk_bundle '.hooks.poststart = [{path: "/bin/false"}] | .hooks.poststop = [{path: "/bin/false"}, {path: "/bin/touch", args: ["touch", $f]}]' --arg f "$T/after"
	ct_create
	refuses poststart rt start "$ID"
	is_status stopped
	rt delete "$ID"
	[ -e "$T/after" ]
}
