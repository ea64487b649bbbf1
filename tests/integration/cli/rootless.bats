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

# FRONT: a program in front of all, which has our privileges
user() {
	(cd "$D" && "${FRONT[@]}" setpriv --reuid "$U" --regid "$(id -g "$U")" --clear-groups env -i PATH="$PATH" HOME="$D" XDG_DATA_HOME="$D/data" \
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

@test "rootless: user namespaces of every kind" {
	local first
	first=$(awk -F: -v u="$U" '$1 == u { print $2; exit }' /etc/subuid)
	[ "$(user run --rm --network none --userns keep-id bb sh -c 'id -u; stat -c %u /bin' | tr '\n' ' ')" = "$(id -u "$U") 0 " ]
	[ "$(user run --rm --network none --userns keep-id:uid=33,gid=33 bb sh -c 'id -un; touch /tmp/f; stat -c %U /tmp/f' | tr '\n' ' ')" = "www www " ]
	[ "$(user run --rm --network none --userns nomap bb sh -c 'id -u; stat -c %U /data; awk "{ print \$2 }" /proc/self/uid_map; head -c 1 /etc/hosts >/dev/null && echo files' | tr '\n' ' ')" = "0 www $first files " ]
	[ "$(user run --rm --network none --userns auto:size=100 bb sh -c 'awk "{ print \$3 }" /proc/self/uid_map; touch /f && stat -c %u /f' | tr '\n' ' ')" = "100 0 " ]
	[ "$(user run --rm --network none --uidmap 0:1:50 bb awk '{ print $2 }' /proc/self/uid_map)" = "$first" ]
	user run -d --name k --network none --userns keep-id bb sleep 100
	[ "$(user run --rm --network none --userns container:k bb cat /proc/self/uid_map)" = "$(user exec k cat /proc/self/uid_map)" ]
	user rm -f -t 0 k
	run user run --rm --uidmap 0:1:70000 bb true
	[ "$status" -eq 125 ]
	[[ "$output" = *"--uidmap '0:1:70000'"*subuid* ]]
}

@test "rootless: volumes have the container's owners, and are removed" {
	[ "$(user run --rm --network none -v v:/data bb sh -c 'stat -c %U /data; cat /data/seed; touch /data/new' | tr '\n' ' ')" = "www seed " ]
	[ "$(user run --rm --network none -v v:/data --userns nomap -u www bb sh -c 'ls /data' | tr '\n' ' ')" = "new seed " ]
	mkdir "$D/mine"
	chown "$U:" "$D/mine"
	[ "$(user run --rm --network none --userns keep-id -v "$D/mine:/mine:U" bb stat -c %u /mine)" = "$(id -u "$U")" ]
	user volume rm v
	user run --rm --network none -v /data bb true
	[ -z "$(user volume ls -q)" ]
}

@test "rootless: secrets have the owner that is asked for, and go with the container" {
	echo s3cret | user secret create pw -
	[ "$(user run --rm --network none --secret pw,uid=33,mode=0400 -u www bb sh -c 'cat /run/secrets/pw; stat -c "%u %a" /run/secrets/pw' | tr '\n' ' ')" = "s3cret 33 400 " ]
	user secret rm pw
	[ -z "$(user ps -aq)" ]
}

@test "rootless: an image that goes takes its unpacked trees along" {
	user import -q "$D/rootfs.tar" gone -c 'LABEL a=b' >/dev/null
	user run --rm --network none gone true
	before=$(find "$D/data/brig/trees" -mindepth 1 -maxdepth 1 | wc -l)
	mkdir "$D/data/brig/trees/.$(printf '%064d' 7)" # of an unpacking that was killed
	chown "$U" "$D/data/brig/trees"/.0*
	user rmi gone >/dev/null
	user run --rm --network none bb true
	[ "$(find "$D/data/brig/trees" -mindepth 1 -maxdepth 1 | wc -l)" = "$before" ] # the same layers
	user tag bb keep
	user rmi bb >/dev/null
	user run --rm --network none keep true
	user tag keep bb
	user rmi keep >/dev/null
	printf 'x' >"$D/only" && tar -C "$D" -cf "$D/only.tar" only bin/brig
	user import -q "$D/only.tar" small >/dev/null
	user run --rm --network none --entrypoint /bin/brig small --version
	[ "$(find "$D/data/brig/trees" -mindepth 1 -maxdepth 1 | wc -l)" = $((before + 1)) ]
	user rmi small >/dev/null
	[ "$(find "$D/data/brig/trees" -mindepth 1 -maxdepth 1 | wc -l)" = "$before" ]
}

@test "rootless: a network by pasta or slirp4netns, with published ports; a helper ends with its container" {
	local how port=18873 FRONT=()
	if ! setpriv --reuid "$U" --clear-groups sh -c ': <>/dev/net/tun' 2>/dev/null; then
		{ [ -e "$D/tun" ] || mknod "$D/tun" c 10 200; } && chmod 666 "$D/tun" &&
			setpriv --reuid "$U" --clear-groups sh -c ": <>$D/tun" 2>/dev/null || skip "/dev/net/tun is closed to users"
		FRONT=(unshare -m --propagation private sh -c "mount --bind '$D/tun' /dev/net/tun && exec \"\$@\"" sh)
	fi
	for how in pasta slirp4netns; do
		command -v $how >/dev/null || skip "needs $how"
		user run -d --name w --network $how -p $port:80 bb sh -c 'echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp'
		eventually sh -c "wget -qO- http://127.0.0.1:$port/index.html | grep -q hello"
		[[ "$(user port w)" = *":$port" ]]
		user rm -f -t 0 w
		eventually sh -c "! pgrep -u $U -f $how"
		user run --rm --network $how bb true # in the foreground, which has signals of its own
		eventually sh -c "! pgrep -u $U -f $how"
	done
	[[ "$(user run --rm bb ip -4 addr)" = *"scope global"* ]]
}
