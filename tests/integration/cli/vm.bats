#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# brig run --vm, as a person uses it: one machine, all verbs on it.

bats_require_minimum_version 1.5.0
load helpers

setup_file() { make_store; }
setup() {
	need_root
	[ -w /dev/kvm ] || command -v qemu-system-x86_64 >/dev/null || skip "needs qemu-system-x86_64"
	[ -e "$BIN/../guest/initramfs" ] || skip "needs make guest"
}
teardown() { remove_all; }

# Emulation asked for spares the notice; a machine takes its time to boot there.
brig() {
	local accel=()
	[ -w /dev/kvm ] || accel=(--vm-accel emulate)
	timeout 180 "$BIN/brig" --root "$BATS_FILE_TMPDIR/data" --runroot "$BATS_FILE_TMPDIR/run" "${accel[@]}" "$@"
}
field() { grep -Eq "^$2:[[:space:]]+$3\$" "/proc/$1/status"; }
logged() { brig logs v | grep -q "$1"; }
in_time() { local i; for i in $(seq 300); do "$@" && return 0; sleep 0.2; done; echo "never: $*"; return 1; }

@test "vm: run -d, logs, exec, cp, top, stats, update, pause, stop" {
	local pid
	mkdir "$BATS_TEST_TMPDIR/vol"
	echo word >"$BATS_TEST_TMPDIR/vol/f"
	brig run -d --name v --vm --network none -v "$BATS_TEST_TMPDIR/vol:/vol" --memory 64m --cpus 1 bb \
		sh -c 'trap "exit 5" TERM; cat /vol/f /proc/sys/kernel/random/boot_id; while :; do sleep 0.2; done'
	in_time logged word
	[ "$(brig logs v | tail -n 1)" != "$(cat /proc/sys/kernel/random/boot_id)" ] # another kernel
	# the wall is that of brig-vm
	pid=$(brig inspect -f '{{.State.Pid}}' v)
	field "$pid" NoNewPrivs 1
	field "$pid" Seccomp 2
	field "$pid" CapEff 0000000000000000

	[ "$(brig exec -u www -w /tmp -e A=b v sh -c 'id -un; pwd; echo $A' | paste -sd ,)" = www,/tmp,b ]
	[ "$(echo over | brig exec -i v cat)" = over ]
	run -9 brig exec v sh -c 'exit 9'
	echo new >"$BATS_TEST_TMPDIR/new"
	brig cp "$BATS_TEST_TMPDIR/new" v:/root/new
	[ "$(brig exec v cat /root/new)" = new ]
	brig exec v sh -c 'echo inside >/root/made'
	brig cp v:/root/made "$BATS_TEST_TMPDIR/made"
	[ "$(cat "$BATS_TEST_TMPDIR/made")" = inside ]
	brig top v | grep -q '^root .*sleep'
	[ "$(brig stats --no-stream --format '{{.MemUsage}}' v | sed 's,.*/ *,,')" = 64MiB ]
	brig update --memory 48m v
	[ "$(brig stats --no-stream --format '{{.MemUsage}}' v | sed 's,.*/ *,,')" = 48MiB ]
	run -125 brig update --memory 4g v
	[[ "$output" == *"the container's machine has"* ]]
	brig pause v
	run ! brig exec v true
	brig unpause v
	brig stop v
	[ "$(brig inspect -f '{{.State.ExitCode}}' v)" = 5 ]
	brig rm v
	nothing_left
}

@test "vm: run -it: a terminal with its size, and the exit code" {
	run -7 bash -c '(sleep 8; printf "stty size; exit 7\n"; sleep 2) | timeout 170 "$@"' - "$BIN/../helpers/onpty" 99x33 \
		"$BIN/brig" --root "$BATS_FILE_TMPDIR/data" --runroot "$BATS_FILE_TMPDIR/run" --vm-accel auto run --rm -it --vm --network none bb sh
	[[ "$output" == *"33 99"* ]]
	nothing_left
}
