# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A network namespace that plays the host, with mounts of its own for what brig and CNI keep in /etc and /run; and another one that is
# a second machine on its network, 192.0.2.9, with a web server on port 9000. `brig` runs on that host. On its loopback a server has
# port 9999.

make_host() {
	[ "$(id -u)" = 0 ] || return 0
	mkdir -p "$BATS_FILE_TMPDIR/www"
	echo "another machine" >"$BATS_FILE_TMPDIR/www/index.html"
	unshare -mn --propagation private sh -c 'mkdir -p /etc/brig /etc/cni/net.d && mount -t tmpfs none /etc/brig && mount -t tmpfs none /etc/cni &&
		mkdir /etc/cni/net.d && mount -t tmpfs none /run && ip link set lo up && exec sleep 600' </dev/null >/dev/null 2>&1 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/host.pid"
	unshare -n sleep 600 </dev/null >/dev/null 2>&1 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/elsewhere.pid"
	for _ in $(seq 50); do on_host ip -o link show lo 2>/dev/null | grep -q LOOPBACK,UP && break; sleep 0.1; done
	on_host ip link add up0 type veth peer name up1
	on_host ip link set up1 netns "$(cat "$BATS_FILE_TMPDIR/elsewhere.pid")"
	on_host sh -c 'ip addr add 192.0.2.1/24 dev up0 && ip link set up0 up'
	elsewhere sh -c 'ip addr add 192.0.2.9/24 dev up1 && ip link set up1 up && ip link set lo up'
	nsenter -t "$(cat "$BATS_FILE_TMPDIR/elsewhere.pid")" -n busybox httpd -f -p 9000 -h "$BATS_FILE_TMPDIR/www" </dev/null >/dev/null 2>&1 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/server.pids"
	nsenter -t "$(cat "$BATS_FILE_TMPDIR/host.pid")" -n busybox httpd -f -p 127.0.0.1:9999 -h "$BATS_FILE_TMPDIR/www" </dev/null >/dev/null 2>&1 3>&- &
	echo $! >>"$BATS_FILE_TMPDIR/server.pids"
}

remove_host() {
	[ "$(id -u)" = 0 ] || return 0
	# shellcheck disable=SC2046
	kill $(cat "$BATS_FILE_TMPDIR"/*.pid "$BATS_FILE_TMPDIR/server.pids") 2>/dev/null || true
}

on_host() { nsenter -t "$(cat "$BATS_FILE_TMPDIR/host.pid")" -m -n timeout 60 "$@"; }
elsewhere() { nsenter -t "$(cat "$BATS_FILE_TMPDIR/elsewhere.pid")" -n timeout 60 "$@"; }
brig() { on_host "$BIN/brig" --root "$BATS_FILE_TMPDIR/data" --runroot "$BATS_FILE_TMPDIR/run" "$@"; }
