#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# linux.seccomp: filters, their actions and flags, and the agent's socket.
load helpers

# Numbers that tests/helpers/call makes, for this architecture.
nr() { printf '#include <sys/syscall.h>\nSYS_%s\n' "$1" | cc -E -P - | tail -n1; }

# A profile as engines have it: a default errno and a long list of what is allowed. $denied is left out of the list.
engine_profile() { # DENIED...
	local denied=" $* " name
	printf '#include <sys/syscall.h>\n' | cc -E -dM - | sed -n 's/^#define SYS_\([a-z0-9_]*\) .*/\1/p' | sort -u | while read -r name; do
		case $denied in *" $name "*) ;; *) echo "$name" ;; esac
	done | jq -R . | jq -s '{defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 1,
		architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
		syscalls: [{names: ., action: "SCMP_ACT_ALLOW"}]}'
}

# allow_but SYSCALLS-JSON: everything is allowed but these rules.
allow_but() { jq -n --argjson s "$1" '{defaultAction: "SCMP_ACT_ALLOW", syscalls: $s}'; }

# with_profile PROFILE PROGRAM...: a bundle of the profile with the program; call is in its /bin.
with_profile() {
	local profile=$1 args
	shift
	args=$(jq -n '$ARGS.positional' --args -- "$@")
	mk_bundle '.linux.seccomp = $p | .process.args = $a' --argjson p "$profile" --argjson a "$args"
	cp "$(helper call)" "$R/bin/call"
}

test_setup() {
	need cc "a C compiler is needed"
}

@test "seccomp: an engine's profile allows, denies, and says ENOSYS for what is newer" {
	with_profile "$(engine_profile swapoff reboot)" sh -c "call $(nr getppid); call $(nr swapoff); call $(nr reboot); call 10000"
	[ "$(ct_run | paste -sd ' ')" = "ok EPERM EPERM ENOSYS" ]
}

@test "seccomp: with and without no_new_privs, as root and as a user" {
	for nnp in true false; do
		for uid in 0 1000; do
			with_profile "$(engine_profile swapoff)" call "$(nr swapoff)"
			edit '.process.noNewPrivileges = $n | .process.user = {uid: $u, gid: $u} | .process.capabilities = {}' --argjson n $nnp --argjson u $uid
			[ "$(ct_run)" = EPERM ]
		done
	done
}

@test "seccomp: the filter is in force, and it is the only one" {
	with_profile "$(allow_but '[]')" cat /proc/self/status
	ct_run >"$T/status"
	grep -Eq '^Seccomp:[[:space:]]+2$' "$T/status"
	grep -Eq "^Seccomp_filters:[[:space:]]+$(($(sed -n 's/^Seccomp_filters:[[:space:]]*//p' /proc/self/status) + 1))$" "$T/status"
}

@test "seccomp: a default of allow leaves unknown numbers to the kernel" {
	with_profile "$(allow_but '[{"names": ["swapoff"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]')" \
		sh -c "call $(nr swapoff); call 10000"
	[ "$(ct_run | paste -sd ' ')" = "EIO ENOSYS" ]
}

@test "seccomp: arguments" {
	with_profile "$(allow_but '[{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5,
		"args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]')" sh -c "call $(nr getpriority) 0; call $(nr getpriority) 1"
	[ "$(ct_run | paste -sd ' ')" = "ok EIO" ]
}

@test "seccomp: two conditions on one argument mean either" {
	with_profile "$(allow_but '[{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "args": [
		{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]}]')" \
		sh -c "call $(nr getpriority) 0; call $(nr getpriority) 1; call $(nr getpriority) 2"
	[ "$(ct_run | paste -sd ' ')" = "ok EIO EIO" ]
}

@test "seccomp: kill ends the program with SIGSYS" {
	for action in SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS SCMP_ACT_KILL_THREAD; do
		with_profile "$(allow_but "[{\"names\": [\"swapoff\"], \"action\": \"$action\"}]")" call "$(nr swapoff)"
		run ct_run
		[ "$status" = $((128 + 31)) ]
	done
}

@test "seccomp: trap and log" {
	with_profile "$(allow_but '[{"names": ["swapoff"], "action": "SCMP_ACT_TRAP"}]')" call "$(nr swapoff)"
	run ct_run
	[ "$status" = $((128 + 31)) ]
	with_profile "$(allow_but '[{"names": ["getppid"], "action": "SCMP_ACT_LOG"}]')" call "$(nr getppid)"
	[ "$(ct_run)" = ok ]
}

@test "seccomp: flags" {
	for flags in '[]' '["SECCOMP_FILTER_FLAG_LOG"]' '["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]' \
		'["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]'; do
		with_profile "$(allow_but '[]' | jq --argjson f "$flags" '.flags = $f')" call "$(nr getppid)"
		[ "$(ct_run)" = ok ]
	done
	with_profile "$(allow_but '[]' | jq '.flags = ["SECCOMP_FILTER_FLAG_NONSENSE"]')" true
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *SECCOMP_FILTER_FLAG_NONSENSE* ]]
}

@test "seccomp: unknown names of syscalls are skipped, with the annotation an error" {
	with_profile "$(allow_but '[{"names": ["no_such_syscall", "swapoff"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]')" call "$(nr swapoff)"
	[ "$(ct_run)" = EIO ]
	edit '.annotations = {"run.oci.seccomp_fail_unknown_syscall": "1"}'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *no_such_syscall* ]]
}

@test "seccomp: what means nothing is refused by name" {
	with_profile "$(allow_but '[]' | jq '.defaultErrnoRet = 5')" true
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *defaultErrnoRet* ]]
	with_profile "$(allow_but '[{"names": ["swapoff"], "action": "SCMP_ACT_FORGIVE"}]')" true
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *SCMP_ACT_FORGIVE* ]]
	with_profile "$(allow_but '[]' | jq '.architectures = ["SCMP_ARCH_ABACUS"]')" true
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *SCMP_ARCH_ABACUS* ]]
}

@test "seccomp: exec is below the same filter" {
	with_profile "$(engine_profile swapoff)" sleep 600
	ct_up
	[ "$(rt exec "$ID" call "$(nr swapoff)")" = EPERM ]
	[ "$(rt exec "$ID" call 10000)" = ENOSYS ]
}

@test "seccomp: the same profile from the cache gives the same filter" {
	for _ in 1 2 3; do
		with_profile "$(engine_profile swapoff)" sh -c "call $(nr swapoff); call 10000"
		[ "$(ct_run | paste -sd ' ')" = "EPERM ENOSYS" ]
	done
	with_profile "$(engine_profile reboot)" sh -c "call $(nr reboot); call 10000"
	[ "$(ct_run | paste -sd ' ')" = "EPERM ENOSYS" ]
}

# An agent that answers each notified syscall with EXDEV (18).
agent() {
	"$(helper seccomp_agent)" "$T/agent" "$T/agent.state" 18 3>&- &
	background $!
	wait_for test -S "$T/agent"
}

notify_profile() {
	allow_but '[{"names": ["swapoff"], "action": "SCMP_ACT_NOTIFY"}]' | jq --arg s "$T/agent" '.listenerPath = $s | .listenerMetadata = "some data"'
}

@test "seccomp: notify asks the agent, who got the process state" {
	agent
	with_profile "$(notify_profile)" call "$(nr swapoff)"
	edit '.annotations = {"org.example.k": "v"}'
	[ "$(ct_run)" = EXDEV ]
	jq -e --arg id "$ID" --arg b "$B" '.fds == ["seccompFd"] and .metadata == "some data" and .pid > 0 and (.ociVersion | test("^1\\."))
		and .state.id == $id and .state.bundle == $b and .state.pid == .pid and .state.annotations["org.example.k"] == "v"' "$T/agent.state"
}

@test "seccomp: notify with create and start, and no_new_privs off" {
	agent
	with_profile "$(notify_profile)" sh -c "call $(nr swapoff) >/answer"
	edit '.process.noNewPrivileges = false'
	ct_create
	ct_start
	wait_for is_status stopped
	[ "$(cat "$R/answer")" = EXDEV ]
}

@test "seccomp: exec below notify has an agent of its own connection" {
	agent
	with_profile "$(notify_profile)" sleep 600
	ct_up
	wait_for test -s "$T/agent.state"
	rm "$T/agent" "$T/agent.state"
	agent
	[ "$(rt exec "$ID" call "$(nr swapoff)")" = EXDEV ]
	jq -e --arg id "$ID" '.state.id == $id' "$T/agent.state"
}

@test "seccomp: notify without an agent fails and leaves nothing" {
	with_profile "$(notify_profile)" call "$(nr swapoff)"
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *listenerPath* ]]
	with_profile "$(notify_profile | jq 'del(.listenerPath, .listenerMetadata)')" call "$(nr swapoff)"
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *listenerPath* ]]
}
