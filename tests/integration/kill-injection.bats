#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the runtime at many places of create, start, exec, run and delete: what is there afterwards can always be deleted
# with delete --force, and nothing stays. strace ends the runtime (and in a second round whichever process of it) at its
# Nth system call of a kind.
load helpers

# The calls with an effect that can be left behind: processes, cgroups, state, sockets, mounts, messages.
CALLS="clone3 mkdir mkdirat openat openat2 renameat linkat unlinkat rmdir bind listen sendmsg recvmsg write fsync flock
	pidfd_send_signal mount_setattr move_mount open_tree pivot_root execve connect setsid close_range"

test_setup() {
	need strace "strace is not installed"
	STEP=6
}

# inject CALL N COMMAND...: run the runtime, killed on entry of the Nth CALL; 137 when that place was reached
inject() {
	local call=$1 n=$2
	shift 2
	timeout -k 2 20 strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
		"$RUNTIME" --root "$ROOT" "$@" </dev/null >"$T/out" 2>"$T/err" 3>&-
}

# every_place PREPARE COMMAND...: for each call, N = 1, 2, 4, 7, ... until the command got through
every_place() {
	local prepare=$1 call n step rc hits=0
	shift
	for call in $CALLS; do
		strace -qq -e trace="$call" true 2>/dev/null || continue # not a call of this machine
		n=1 step=1
		while [ $n -lt 200 ]; do
			"$prepare"
			rc=0
			inject "$call" "$n" "$@" || rc=$?
			hits=$((hits + (rc == 137)))
			rt delete --force "$ID" >"$T/del" 2>&1 || { echo "$call $n: delete --force: $(cat "$T/del")"; return 1; }
			if ! no_residue_quiet "$ID" && ! PATIENCE=3 wait_for no_residue_quiet "$ID" >/dev/null; then
				echo "after KILL at $call number $n:"
				no_residue "$ID"
				return 1
			fi
			[ "$rc" = 137 ] || break
			n=$((n + step))
			step=${KILL_STEP:-$((step + STEP))} # KILL_STEP=1: at every single one
		done
	done
	echo "$hits places" >&2
	[ "$hits" -ge 6 ]
}

nothing() { :; }
created() { ct_create; }
running() { ct_up; }
stopped() { ct_up; rt kill "$ID" KILL; wait_for is_status stopped >/dev/null; }

@test "kill -9 of create" {
	mk_bundle
	every_place nothing create --bundle "$B" --pid-file "$T/p" "$ID"
}

@test "kill -9 of create with hooks and a user namespace" {
	mk_bundle '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings | .hooks.createRuntime = [{path: "/bin/true"}] | .hooks.createContainer = [{path: "/bin/true"}]'
	chown 100000:100000 "$R"
	STEP=12 every_place nothing create --bundle "$B" "$ID"
}

@test "kill -9 of start" {
	mk_bundle
	every_place created start "$ID"
}

@test "kill -9 of run --detach" {
	mk_bundle
	STEP=12 every_place nothing run --detach --bundle "$B" "$ID"
}

@test "kill -9 of exec: its process does not outlive delete" {
	mk_bundle
	CALLS="clone3 openat openat2 sendmsg recvmsg write connect close_range"
	STEP=15 every_place running exec --detach "$ID" sleep 600
}

@test "kill -9 of delete" {
	mk_bundle
	STEP=4 every_place stopped delete "$ID"
}

@test "kill -9 of delete --force" {
	mk_bundle
	STEP=4 every_place running delete --force "$ID"
}

@test "kill -9 of the init at any place of create: an error, and nothing stays" {
	mk_bundle
	local call n hits=0
	for call in openat2 move_mount mount_setattr pivot_root setsid sendmsg capset; do
		for n in 1 2 4 8; do
			# A create that got through leaves a traced init, for which strace waits.
			timeout -k 1 2 strace -f -qq -o "$T/trace" -e trace="$call" -e inject="$call:signal=KILL:when=$n" \
				"$RUNTIME" --root "$ROOT" create --bundle "$B" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- || true
			rt delete --force "$ID"
			no_residue_quiet "$ID" || PATIENCE=3 wait_for no_residue_quiet "$ID" || { echo "$call $n"; no_residue "$ID"; }
			grep -q 'killed by SIGKILL' "$T/trace" || break
			hits=$((hits + 1))
		done
	done
	[ "$hits" -ge 7 ]
}
