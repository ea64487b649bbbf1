#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Checkpoint and restore with criu, where this kernel and this criu get along.
bats_require_minimum_version 1.5.0
load helpers

have_criu() { criu check >/dev/null 2>&1; }

test_setup() { need criu "criu is missing or does not work on this kernel (criu check)"; }

# A program that counts: what it counted tells whether it went on or began anew.
mk_counter() {
	local filter=${1:-.}
	shift || true
	mk_sh 'i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.1; done' \
		"del(.linux.namespaces[] | select(.type == \"network\")) | .root.readonly = false | $filter" "$@"
}
count() { cat "$R/count"; }
counted_to() { [ "$(count)" -ge "$1" ] 2>/dev/null; }
dump() { rt checkpoint --image-path "$T/img" --work-path "$T/work" "$@" "$ID"; }
restore() { rt restore --detach --bundle "$B" --image-path "$T/img" --work-path "$T/work" --pid-file "$T/$ID.pid" "$ID" </dev/null >"$T/r.out" 2>"$T/r.err" || { cat "$T/r.err"; return 1; }; }

@test "checkpoint: the container has stopped, and restore lets it go on where it was" {
	mk_counter
	ct_up
	wait_for counted_to 5
	dump
	wait_for is_status stopped
	rt delete "$ID"
	at=$(count)
	[ "$at" -ge 5 ]
	: >"$R/count"
	restore
	[ "$(ct_status)" = running ]
	wait_for counted_to $((at + 3))
	[ "$(count)" -lt $((at + 100)) ]
	[ "$(rt exec "$ID" echo in)" = in ]
	[ "$(rt state "$ID" | jq .pid)" = "$(ct_pid)" ]
	rt kill "$ID" KILL
	wait_for is_status stopped
	rt delete "$ID"
	no_residue "$ID"
}

@test "checkpoint: --leave-running and --pre-dump leave it running" {
	mk_counter
	ct_up
	wait_for counted_to 2
	rt checkpoint --pre-dump --image-path "$T/pre" --work-path "$T/work" "$ID"
	[ "$(ct_status)" = running ]
	dump --parent-path ../pre --leave-running
	[ "$(ct_status)" = running ]
	at=$(count)
	wait_for counted_to $((at + 2))
}

@test "restore: in the foreground it waits, and gives the exit code" {
	mk_sh 'while [ ! -e /go ]; do sleep 0.05; done; exit 7' 'del(.linux.namespaces[] | select(.type == "network")) | .root.readonly = false'
	ct_up
	dump
	wait_for is_status stopped
	rt delete "$ID"
	touch "$R/go"
	# 0, 1 and 2 have to be of the kind that they were: files
	run -7 eval 'rt restore --bundle "$B" --image-path "$T/img" --work-path "$T/work" "$ID" </dev/null >"$T/r.out" 2>"$T/r.err"'
	cat "$T/r.err"
	no_residue "$ID"
}

@test "restore: bind mounts are those of the bundle, memory file systems have what they had" {
	mkdir "$T/data"
	mk_counter '.mounts += [{destination: "/data", type: "bind", source: $data, options: ["rbind", "rw"]},
		{destination: "/mem", type: "tmpfs", source: "tmpfs"}]' --arg data "$T/data"
	ct_up
	rt exec "$ID" sh -c 'echo kept >/mem/file'
	dump
	wait_for is_status stopped
	rt delete "$ID"
	echo new >"$T/data/file"
	restore
	[ "$(rt exec "$ID" cat /data/file)" = new ]
	[ "$(rt exec "$ID" cat /mem/file)" = kept ]
	[ -z "$(rt exec "$ID" cat /proc/kcore)" ]
}

@test "restore: a failure leaves nothing" {
	mk_counter
	ct_up
	dump
	wait_for is_status stopped
	rt delete "$ID"
	rm "$T"/img/core-*.img
	run rt restore --bundle "$B" --image-path "$T/img" --work-path "$T/work" "$ID" </dev/null
	[ "$status" = 1 ]
	[[ "$output" == *"criu restore failed"*Error* ]]
	no_residue "$ID"
}
