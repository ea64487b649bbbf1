#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031,SC2016
# SPDX-License-Identifier: Apache-2.0
# brig of a user without privileges, with subordinate ids.

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
	[ "$(id -u)" = 0 ] || return 0
	export U=brig-cli-$$ D
	D=$(mktemp -d /tmp/brig-cli-rootless.XXXXXX)
	useradd -M -s /bin/sh "$U"
	grep -q "^$U:" /etc/subuid || { echo "$U:700000:65536" >>/etc/subuid; echo "$U:700000:65536" >>/etc/subgid; }
	mkdir -p "$D"/{bin,data,run}
	cp "$BIN"/brig "$BIN"/brig-images "$D/bin/" # the checkout may be closed to other users
	make_store
	cp "$BATS_FILE_TMPDIR/rootfs.tar" "$D/"
	chown -R "$U" "$D"
	chmod 755 "$D"
	user import -q "$D/rootfs.tar" bb
}
teardown_file() {
	[ "$(id -u)" = 0 ] || return 0
	user rm -fa
	userdel "$U"
	sed -i "/^$U:/d" /etc/subuid /etc/subgid
	rm -rf "$D"
}
setup() { need_root; }

user() {
	(cd "$D" && setpriv --reuid "$U" --regid "$(id -g "$U")" --clear-groups env -i PATH="$PATH" HOME="$D" XDG_DATA_HOME="$D/data" \
		XDG_RUNTIME_DIR="$D/run" timeout -s KILL 30 "$D/bin/brig" "$@")
}

@test "rootless: run, users of the image, a writable root, nothing left" {
	[ "$(user run --rm --network none bb sh -c 'id -u; echo x >/f; cat /f' | tr '\n' ' ')" = "0 x " ]
	[ "$(user run --rm --network none -u www bb sh -c 'id -un; touch /tmp/y && stat -c %U /tmp/y' | tr '\n' ' ')" = "www www " ]
	run user run --rm --network none bb sh -c 'exit 3'
	[ "$status" -eq 3 ]
	[ -z "$(find "$D/data/brig/containers" -mindepth 1 -maxdepth 1 ! -name .names)" ]
}

@test "rootless: in the background, exec, stop, rm" {
	command -v conmon >/dev/null || skip "containers in the background need conmon"
	user run -d --name w --network none bb sleep 100
	[ "$(user exec w id -u)" = 0 ]
	user stop -t 0 w
	[ "$(user inspect -f '{{.State.Status}}' w)" = exited ]
	user rm w
	[ -z "$(find "$D/data/brig/containers" -mindepth 1 -maxdepth 1 ! -name .names)" ]
}
