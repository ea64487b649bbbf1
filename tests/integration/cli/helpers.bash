# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A store of our own with one small image: busybox-static, a user table, an entry point or two.

BIN=${BRIG_BUILD:-$BATS_TEST_DIRNAME/../../../build}/bin

need_root() { [ "$(id -u)" = 0 ] || skip "containers of these tests need root"; }

# For setup_file
make_store() {
	local root=$BATS_FILE_TMPDIR/rootfs a
	[ "$(id -u)" = 0 ] || return 0
	mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,root,var/www,data}
	cp /bin/busybox "$root/bin/busybox"
	for a in $(busybox --list); do [ -e "$root/bin/$a" ] || ln -s busybox "$root/bin/$a"; done
	printf 'root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/var/www:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\nwww:x:33:\nextra:x:44:www\n' >"$root/etc/group"
	echo seed >"$root/data/seed"
	chown 33:33 "$root/data"
	chmod 1777 "$root/tmp"
	tar -C "$root" -cf "$BATS_FILE_TMPDIR/rootfs.tar" .
	brig import -q "$BATS_FILE_TMPDIR/rootfs.tar" bb >/dev/null
	brig import -q --change 'CMD ["sh", "-c", "echo cmd $0 $*"]' --change 'ENTRYPOINT ["/bin/echo", "entry"]' \
		--change 'ENV COLOR=blue' --change 'USER www' --change 'WORKDIR /var/www' --change 'LABEL shape=round' \
		--change 'STOPSIGNAL SIGUSR1' --change 'VOLUME /data' "$BATS_FILE_TMPDIR/rootfs.tar" full >/dev/null
}

brig() { timeout 60 "$BIN/brig" --root "$BATS_FILE_TMPDIR/data" --runroot "$BATS_FILE_TMPDIR/run" "$@"; }
# The usual way here: no network, removed afterwards
once() { brig run --rm --network none "$@"; }

remove_all() {
	[ "$(id -u)" = 0 ] || return 0
	brig rm -fa >/dev/null
}

# Nothing is left of any container: no directory, state, mount, reference or process
nothing_left() {
	local left
	left=$(find "$BATS_FILE_TMPDIR/data/containers" -mindepth 1 -maxdepth 1 ! -name .names
		find "$BATS_FILE_TMPDIR/data/containers/.names" "$BATS_FILE_TMPDIR/data/refs" -mindepth 1 2>/dev/null
		find "$BATS_FILE_TMPDIR/run" "$BATS_FILE_TMPDIR/run/.cli/containers" -mindepth 1 -maxdepth 1 ! -name .cli 2>/dev/null
		grep "$BATS_FILE_TMPDIR" /proc/mounts) || true
	[ -z "$left" ] || { echo "left behind: $left"; return 1; }
}

# COMMAND...: try it for at most five seconds
eventually() {
	local i
	for i in $(seq 50); do
		"$@" && return 0
		sleep 0.1
	done
	echo "never: $*"
	return 1
}
