#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The bench seen from the host: commands, streams, isolation, and that nothing of it remains.

bats_require_minimum_version 1.5.0

setup_file() {
	export KVM_HOST_NAME="bench-$$"
	K=$(cd "$BATS_TEST_DIRNAME" && pwd)/kvm-host
	export K
	"$K" boot --owner "$$" --disk none --memory 1024
}

teardown_file() {
	"$K" stop
}

@test "kvm-host: exit codes come back, signals as 128 + n" {
	run "$K" run true
	[ "$status" -eq 0 ]
	run "$K" run sh -c 'exit 42'
	[ "$status" -eq 42 ]
	run "$K" run sh -c 'kill -9 $$'
	[ "$status" -eq 137 ]
	run -127 "$K" run no-such-program
	[[ $output == *no-such-program* ]]
}

@test "kvm-host: standard output and error stay apart, and in order" {
	"$K" run sh -c 'echo one; echo two >&2; echo three' >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = "$(printf 'one\nthree')" ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = two ]
}

@test "kvm-host: megabytes pass through standard input and output unharmed" {
	head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	"$K" run cat <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
}

@test "kvm-host: arguments, environment and directory arrive as given" {
	run "$K" run --env 'A=b c' --cwd /usr sh -c 'printf "%s|" "$@" "$A" "$PWD"' x 'one two' '' '*'
	[ "$output" = 'one two||*|b c|/usr|' ]
	run -127 "$K" run --cwd /no/such/place true
}

@test "kvm-host: commands run at the same time" {
	start=$(date +%s)
	for i in 1 2 3 4 5; do "$K" run sh -c "sleep 5; exit $i" </dev/null 3>&- & done
	sum=0
	for p in $(jobs -p); do
		rc=0
		wait "$p" || rc=$?
		sum=$((sum + rc))
	done
	[ "$sum" -eq 15 ]
	[ $(($(date +%s) - start)) -lt 20 ]
}

@test "kvm-host: a command ends when its client is killed" {
	"$K" run sleep 3456 </dev/null >/dev/null 2>&1 3>&- &
	sleep 2
	run "$K" run sh -c 'grep -l -z -x 3456 /proc/[0-9]*/cmdline 2>/dev/null | wc -l'
	[ "$output" -ge 1 ]
	pkill -9 -P $! kvm-host-client
	sleep 2
	run "$K" run sh -c 'grep -l -z -x 3456 /proc/[0-9]*/cmdline 2>/dev/null | wc -l'
	[ "$output" -le 1 ]	# grep's own shell has the number in its command line, not as an argument
}

@test "kvm-host: a terminal is one" {
	run script -qec "$K run --tty sh -c 'tty; exit 5'" /dev/null </dev/null
	[ "$status" -eq 5 ]
	[[ $output == */dev/pts/* ]]
}

@test "kvm-host: what is written inside does not reach the host" {
	run "$K" run sh -c "echo x >'$BATS_TEST_DIRNAME/written-inside' && rm '$BATS_TEST_DIRNAME/kvm-host' && touch /etc/brig-bench"
	[ "$status" -eq 0 ]
	[ ! -e "$BATS_TEST_DIRNAME/written-inside" ]
	[ -e "$BATS_TEST_DIRNAME/kvm-host" ]
	[ ! -e /etc/brig-bench ]
}

@test "kvm-host: files that the host changes after boot are seen inside" {
	d=${K%/tests/*}/build/changes-$$
	mkdir -p "$d"
	echo old-1 >"$d/replaced"
	echo old-2 >"$d/rewritten"
	run "$K" run cat "$d/replaced" "$d/rewritten"
	[ "$output" = "$(printf 'old-1\nold-2')" ]
	echo new-1 >"$d/new"
	mv "$d/new" "$d/replaced"
	echo longer-2 >"$d/rewritten"
	sleep 2
	run "$K" run cat "$d/replaced" "$d/rewritten"
	rm -r "$d"
	[ "$output" = "$(printf 'new-1\nlonger-2')" ]
}

@test "kvm-host: the machine ends with its owner, killed with SIGKILL" {
	bash -c "'$K' boot --name $KVM_HOST_NAME-owner --disk none --memory 512 && sleep 1000; :" </dev/null >/dev/null 2>&1 3>&- &
	owner=$!
	for _ in $(seq 200); do
		"$K" status --name "$KVM_HOST_NAME-owner" >/dev/null && break
		sleep 0.2
	done
	"$K" status --name "$KVM_HOST_NAME-owner"
	supervisor=$(cat "${K%/tests/*}/build/kvm-host/run/$KVM_HOST_NAME-owner/pid")
	children=$(cat "/proc/$supervisor/task/$supervisor/children")
	[ -n "$children" ]
	kill -9 "$owner"
	sleep 2
	for p in $supervisor $children; do [ ! -e "/proc/$p" ] || grep -q '^State:.Z' "/proc/$p/status"; done
}

@test "kvm-host: QEMU ends with its supervisor, killed with SIGKILL" {
	name=$KVM_HOST_NAME-sup
	"$K" boot --name "$name" --disk none --memory 512 --owner "$$"
	supervisor=$(cat "${K%/tests/*}/build/kvm-host/run/$name/pid")
	children=$(cat "/proc/$supervisor/task/$supervisor/children")
	kill -9 "$supervisor"
	sleep 2
	for p in $children; do [ ! -e "/proc/$p" ] || grep -q '^State:.Z' "/proc/$p/status"; done
	run "$K" status --name "$name"
	[ "$status" -eq 1 ]
}

@test "kvm-host: says what is wrong with an option" {
	run "$K" boot --name "$KVM_HOST_NAME-bad" --init upstart
	[ "$status" -eq 125 ]
	[[ $output == *"--init upstart"* ]]
	run "$K" run --frobnicate true
	[ "$status" -eq 125 ]
	[[ $output == *"--frobnicate"* ]]
}

# KVM that is there by name only: /dev/kvm is /dev/null, and a module says that it can nest.
with_false_kvm() {
	unshare -m --propagation private sh -c 'd=$1 && shift && mkdir "$d/up" "$d/work" && mount -t overlay -o "lowerdir=/dev,upperdir=$d/up,workdir=$d/work" dev /dev &&
		mknod /dev/kvm c 1 3 && mount -t tmpfs none /sys/module && mkdir -p /sys/module/kvm_amd/parameters && echo 1 >/sys/module/kvm_amd/parameters/nested &&
		exec "$@"' sh "$@"
}

@test "kvm-host: --accel kvm says what it needs; auto emulates where the host's KVM does not work" {
	if [ ! -e /dev/kvm ]; then
		run "$K" boot --name "$KVM_HOST_NAME-kvm" --accel kvm
		echo "$output"
		[ "$status" -eq 125 ]
		[[ $output == *"--accel kvm"*"/dev/kvm"*"nested=1"* ]]
	fi
	d=$(mktemp -d /dev/shm/false-kvm.XXXXXX)
	run with_false_kvm "$d" "$K" boot --name "$KVM_HOST_NAME-kvm" --accel kvm --disk none --memory 512 --owner "$$"
	echo "$output"
	rc=$status said=$output
	rm -rf "$d"/*
	[ "$rc" -eq 125 ]
	[[ $said == *"did not come up"* ]]
	run with_false_kvm "$d" "$K" run --name "$KVM_HOST_NAME-kvm" --disk none --memory 512 echo up
	echo "$output"
	rm -rf "$d"
	[ "$status" -eq 0 ]
	[[ $output == *"so it is emulated"*up ]]
}
