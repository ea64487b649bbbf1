# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Engines by hand: each file starts its engine once in private mount, network and pid namespaces with a private /run, so that
# nothing meets an engine of the host, and all ends with the namespaces.
load ../helpers

# of one call of an engine, in seconds
export ENGINE_TIMEOUT=60
[ "$BACKEND" != vm ] || ENGINE_TIMEOUT=180 PATIENCE=$((PATIENCE > 60 ? PATIENCE : 60))

setup() { file_ready; }
teardown() { :; }

# engine_up: make the namespaces and the folder $E (state, images, sockets of the engine). Sets NSPID.
engine_up() {
	need root "root is needed"
	E=$(mktemp -d /tmp/brig-eng.XXXXXX)
	chmod 755 "$E"
	export E
	mkdir "$E/run" "$E/bin"
	# --kill-child: when this process goes, all go.
	unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private sh -c '
		mount --bind "$1/run" /run && mount -t tmpfs shm /dev/shm && ip link set lo up && echo up >"$1/up"
		exec sleep 3600' sh "$E" </dev/null >"$E/ns.log" 2>&1 3>&- &
	NSPARENT=$!
	wait_for test -e "$E/up"
	NSPID=$(pgrep -P "$NSPARENT" | head -n 1)
	export NSPID NSPARENT
	# Its calls are logged: a test can see that it was brig that ran.
	cat >"$E/bin/brig-test" <<-END
		#!/bin/sh
		echo "\$*" >>$E/calls
		exec $RUNTIME "\$@"
	END
	chmod +x "$E/bin/brig-test"
	RT=$E/bin/brig-test
	export RT
}

# ns COMMAND...: inside the engine's namespaces
ns() { nsenter -t "$NSPID" -m -n -p -- "$@" 3>&-; }
# ns_daemon LOG COMMAND...: in the background, inside
ns_daemon() {
	local log=$1
	shift
	nsenter -t "$NSPID" -m -n -p -- "$@" </dev/null >"$log" 2>&1 3>&- &
}

# The same suites run with BACKEND=vm; what differs there is in vm-mode/README.md.
in_vm() { [ "$BACKEND" = vm ]; }
# limit FILE VALUE: a limit of the host's cgroup. A machine needs more than the container was given, which is in force in the guest.
limit() {
	local is
	is=$(cat "$1")
	if in_vm; then [ "$is" -gt "$2" ]; else [ "$is" = "$2" ]; fi || { echo "$1 is $is, not $2"; return 1; }
}

# image_tar: the busybox root file system as a tar archive
image_tar() {
	local t=$CACHE/image.tar
	[ -e "$t" ] || { tar -C "$(cached_rootfs)" --exclude .complete -cf "$t.$$" . && mv "$t.$$" "$t"; }
	echo "$t"
}

# oci_image NAME FILE: an OCI archive of it, for engines that import those
oci_image() {
	python3 "$TOP/tests/integration/engines/oci-image.py" "$(image_tar)" "$1" "$2"
}

engine_down() {
	local rc=0 c
	[ -n "${NSPID:-}" ] || return 0
	kill -9 "$NSPID" 2>/dev/null || true
	wait "$NSPARENT" 2>/dev/null || true
	for c in ${ENGINE_CGROUPS:-}; do
		find /sys/fs/cgroup/*/"$c" -depth -type d -exec rmdir {} + 2>/dev/null || true
	done
	rm -rf --one-file-system "$E" 2>/dev/null || true
	return $rc
}

# no_leftovers: no process of this runtime is alive that should have ended, and no state of a container
called() { grep -qE -- "$1" "$E/calls"; }

# containerd_up [CONFIG-LINES]: a containerd of its own at $E/c.sock
containerd_up() {
	cat >"$E/containerd.toml" <<-END
		version = 2
		root = "$E/croot"
		state = "/run/containerd-state"
		[grpc]
		address = "$E/c.sock"
		[ttrpc]
		address = "$E/c.ttrpc"
		${1:-disabled_plugins = ["io.containerd.grpc.v1.cri"]}
	END
	[ -n "${1:-}" ] || sed -i '/^disabled_plugins/d; 1a disabled_plugins = ["io.containerd.grpc.v1.cri"]' "$E/containerd.toml"
	ns_daemon "$E/containerd.log" containerd -c "$E/containerd.toml"
	up() { ctr version >/dev/null 2>&1; }
	PATIENCE=$((PATIENCE > 20 ? PATIENCE : 20)) wait_for up || { tail -n 20 "$E/containerd.log" >&2; return 1; }
}
ctr() { ns timeout --foreground -k 5 "$ENGINE_TIMEOUT" ctr -a "$E/c.sock" "$@"; }
