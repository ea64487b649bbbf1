#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helpers

@test "cli: help of every command, the version, features, spec" {
	local v
	for v in checkpoint create delete events exec features kill list pause ps restore resume run spec start state update; do
		rt "$v" --help >"$T/o" 2>"$T/e"
		[ -s "$T/o" ]
		[ ! -s "$T/e" ]
	done
	run -0 rt --version
	[[ "${lines[0]}" =~ ^brig-(oci|vm)\ version\ [0-9] && "${lines[1]}" == commit:* && "${lines[2]}" =~ ^spec:\ 1\. ]]
	rt features | jq -e '(.ociVersionMin | test("^1\\.")) and (.ociVersionMax | test("^1\\.")) and (.hooks | index("createRuntime")) and
		(.mountOptions | index("rro")) and (.linux.namespaces | index("user")) and (.linux.capabilities | index("CAP_CHOWN")) and
		.linux.seccomp.enabled and .linux.cgroup.v1 and .linux.cgroup.v2'
	mkdir "$T/s"
	rt spec --bundle "$T/s"
	jq -e '.process.args == ["sh"] and .root.path == "rootfs"' "$T/s/config.json"
	refuses "exists" rt spec --bundle "$T/s"
}

@test "cli: options as Go programs and people write them" {
	mk_bundle
	rt create -bundle="$B" -pid-file "$T/$ID.pid" "$ID" </dev/null >"$T/o" 2>&1
	rt start -- "$ID"
	rt kill "$ID" --all KILL
	wait_for is_status stopped
	rt delete "$ID" --force=true
	no_residue "$ID"
	refuses "flag provided but not defined: --bogus" rt state --bogus x
	refuses "flag needs an argument" rt restore --lsm-mount-context
	refuses "unknown command" rt frobnicate
	refuses '"state" requires exactly 1 argument' rt state
	refuses '"state" requires exactly 1 argument' rt state a b
	refuses '"kill" requires a minimum of 1 argument' rt kill
}

@test "cli: errors go to the log in JSON, as the last line, and to stderr" {
	run rt --log "$T/log" --log-format json --debug state nobody
	[ "$status" = 1 ]
	[[ "$output" == *"does not exist"* ]]
	tail -n 1 "$T/log" | jq -e '.level == "error" and (.msg | test("does not exist")) and (.time | test("^20"))'
	run rt --log-format json state nobody
	jq -e '.level == "error"' <<<"${lines[-1]}"
}

@test "differences.txt: every line is asked for by a test, and has a reason" {
	local backend name reason
	while read -r backend name reason; do
		case $backend in '' | '#'*) continue ;; esac
		[[ "$backend" =~ ^(namespaces|vm)$ && -n "$reason" ]]
		grep -q "differs $name" "$TOP"/tests/conformance/*.bats || { echo "nobody asks for $name"; return 1; }
	done <"$TOP/tests/conformance/differences.txt"
}
