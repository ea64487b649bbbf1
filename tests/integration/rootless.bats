#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers of an unprivileged user, with and without subordinate ids, and without a delegated cgroup.

load helpers

setup_file() {
	export U=brig-rl-$$
	useradd -M -s /bin/sh "$U" || return 1
	export D
	D=$(mktemp -d /tmp/brig-rootless.XXXXXX)
	chmod 711 "$D"
	cp "$RUNTIME" "$D/rt" # the checkout may be closed to other users
	cp -a "$(cached_rootfs)" "$D/rootfs"
	mkdir "$D/run"
	chown -R "$U" "$D/run" "$D/rootfs"
}

teardown_file() {
	userdel "$U" 2>/dev/null
	sed -i "/^$U:/d" /etc/subuid /etc/subgid
	rm -rf "$D"
}

# as the user, in a session of his own
as_user() {
	(cd "$D/bundle" && setpriv --reuid "$U" --regid "$(id -g "$U")" --clear-groups env -i PATH="$PATH" XDG_RUNTIME_DIR="$D/run" "$@")
}

bundle() { # JQ-FILTER [JQ-OPTION...], a root-style config
	local filter=$1
	shift
	rm -rf "$D/bundle"
	mkdir "$D/bundle"
	jq --arg r "$D/rootfs" "$@" ".root.path = \$r | $filter" "$TOP/tests/integration/base-config.json" >"$D/bundle/config.json"
	chmod 755 "$D/bundle"
	chmod 644 "$D/bundle/config.json"
}

@test "rootless: a root-style config runs in a user namespace that brig adds" {
	bundle '.process.terminal = false | .process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map"]'
	run as_user "$D/rt" run "rl-a-$$"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 0 ]
	[[ "${lines[1]}" =~ ^\ *0\ +$(id -u "$U")\ +1$ ]]
	# subordinate ids follow, where the system gave the user some
	if grep -q "^$U:" /etc/subuid; then [[ "${lines[2]}" =~ ^\ *1\ +$(sed -n "s/^$U:\([0-9]*\):.*/\1/p" /etc/subuid)\ +65536$ ]]; fi
	[ -z "$(ls "$D/run/brig")" ]
}

@test "rootless: spec --rootless makes a config that runs" {
	rm -rf "$D/bundle"
	mkdir "$D/bundle"
	chown "$U" "$D/bundle"
	as_user "$D/rt" spec --rootless
	sed -i -e 's/"terminal": true/"terminal": false/' -e 's|"sh"$|"id", "-u"|' -e "s|\"path\": \"rootfs\"|\"path\": \"$D/rootfs\"|" "$D/bundle/config.json"
	run as_user "$D/rt" run "rl-b-$$"
	[ "$status" = 0 ]
	[ "$output" = 0 ]
}

@test "rootless: create, start, exec, kill and delete, and nothing stays" {
	bundle '.process.terminal = false | .process.args = ["sleep", "100"]'
	as_user "$D/rt" create "rl-c-$$" </dev/null >/dev/null 2>&1
	[ "$(as_user "$D/rt" state "rl-c-$$" | jq -r .owner)" = "$U" ]
	as_user "$D/rt" start "rl-c-$$"
	run as_user "$D/rt" exec "rl-c-$$" id -u
	[ "$output" = 0 ]
	as_user "$D/rt" kill "rl-c-$$" KILL
	wait_for sh -c "as_user() { :; }; ! pgrep -u $U sleep"
	as_user "$D/rt" delete "rl-c-$$"
	[ -z "$(ls "$D/run/brig")" ]
}

@test "rootless: says which limits are not in force" {
	bundle '.process.terminal = false | .process.args = ["true"] | .linux.resources.memory.limit = 100000000'
	run as_user "$D/rt" --debug run "rl-d-$$"
	[ "$status" = 0 ]
	[[ "$output" == *"not in force"* ]]
}

@test "rootless: the state directory of another user is not used" {
	bundle '.process.terminal = false'
	run as_user "$D/rt" --root /run/brig-not-mine list
	[ "$status" = 0 ]
	run as_user "$D/rt" --root /root/x run "rl-e-$$"
	[ "$status" = 1 ]
}

# the whole life of one container, by a runtime whose command line is "$@"
life() {
	cat >"$D/bundle/life" <<-'END'
		set -e
		rt=$1 id=$2
		trap '$rt delete --force $id' EXIT
		$rt create --pid-file pid $id >out 2>&1
		$rt state $id | grep -q created
		$rt exec $id sh -c 'test $(id -u) = 0 && test $(hostname) = box && test -e /bin/busybox && test ! -e /work'
		$rt state $id | grep -q created
		$rt start $id
		$rt exec $id sh -c 'echo exec $(id -u) $(hostname)'
		$rt exec --tty $id tty
		$rt ps --format json $id >/dev/null
		$rt kill $id KILL
		for i in 1 2 3 4 5 6 7 8 9 10; do $rt state $id | grep -q stopped && break; sleep 0.2; done
		$rt delete $id
		trap - EXIT
		echo done
	END
	bundle_owner=$(id -u "$U")
	chown "$bundle_owner" "$D/bundle"
	run as_user "$@" sh life "$D/rt --root $D/run/life" "rl-life-$$"
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"exec 0 box"*"/dev/pts/0"*done* ]]
	[ -z "$(ls "$D/run/life")" ]
}

@test "rootless: root of a user namespace (unshare -r), with namespaces of others around it and with its own" {
	bundle '.linux.resources = {}'
	life unshare --map-root-user
	bundle '.linux.resources = {}'
	life unshare --map-root-user --mount --pid --fork --mount-proc
}

@test "rootless: a user without subordinate ids" {
	sed -i.bak "/^$U:/d" /etc/subuid
	sed -i.bak "/^$U:/d" /etc/subgid
	bundle '.linux.resources = {}'
	life env
	bundle '.process.args = ["sh", "-c", "wc -l </proc/self/uid_map; id -G"]'
	run as_user "$D/rt" run "rl-n-$$"
	[ "$status" = 0 ]
	[ "${lines[0]}" = 1 ]
	bundle '.process.user.additionalGids = [7]'
	run as_user "$D/rt" run "rl-g-$$"
	[ "$status" = 1 ]
	[[ "$output" == *additionalGids* ]]
}

@test "rootless: limits of a container below a cgroup of the user are in force on v2" {
	need cgroup-v2 "cgroup v2 is not mounted"
	local h=/sys/fs/cgroup/$U rc
	mkdir "$h" "$h/here"
	chown -R "$U" "$h"
	bundle '.linux.cgroupsPath = ("/" + $u + "/own") | .linux.resources = {pids: {limit: 33}, memory: {limit: 67108864}} | .linux.namespaces += [{type: "cgroup"}] |
		.mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "rw"]}] |
		.process.args = ["sh", "-c", "cat /proc/self/cgroup /sys/fs/cgroup/pids.max /sys/fs/cgroup/memory.max; mkdir /sys/fs/cgroup/sub && echo made; echo 44 >/sys/fs/cgroup/pids.max || echo kept"]' \
		--arg u "$U"
	run bash -c 'echo $$ >/sys/fs/cgroup/'"$U"'/here/cgroup.procs; cd "$D/bundle" && setpriv --reuid "$U" --regid "$(id -g "$U")" \
		--clear-groups env -i PATH="$PATH" XDG_RUNTIME_DIR="$D/run" "$D/rt" run rl-v2'
	echo "$output"
	rc=$status
	[ ! -e "$h/own" ] || rc=98
	find "$h" -depth -type d -exec rmdir {} + || rc=99
	[ "$rc" = 0 ]
	[ "${lines[*]:0:4}" = "0::/ 33 67108864 made" ]
}

@test "rootless: 2023-25809: without a cgroup namespace, no cgroup but the container's own can be reached" {
	need cgroup-v1 "cgroup v1 is not mounted"
	local c h=/sys/fs/cgroup
	for c in pids memory systemd; do
		mkdir "$h/$c/$U"
		chown -R "$U" "$h/$c/$U"
	done
	bundle '.linux.cgroupsPath = ("/" + $u + "/own") | .linux.resources = {pids: {limit: 33}} |
		.mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "rw"]}] |
		.process.args = ["sh", "-c", "cat /sys/fs/cgroup/pids/pids.max; mkdir /sys/fs/cgroup/pids/evil; mkdir /sys/fs/cgroup/evil; find /sys/fs/cgroup -name \($u)\\*; echo 1 >/sys/fs/cgroup/../../../../sys/fs/cgroup/pids/../cgroup.procs; true"]' \
		--arg u "$U"
	# who runs the runtime has to be in the delegated cgroup to move into another of it
	run bash -c 'for c in pids memory systemd; do echo $$ >/sys/fs/cgroup/$c/'"$U"'/cgroup.procs; done; cd "$D/bundle" && setpriv --reuid "$U" --regid "$(id -g "$U")" \
		--clear-groups env -i PATH="$PATH" XDG_RUNTIME_DIR="$D/run" "$D/rt" run rl-cg'
	echo "$output"
	local rc=$status made
	made=$(find "$h"/pids "$h"/memory -maxdepth 2 -name evil)
	for c in pids memory systemd; do find "$h/$c/$U" -depth -type d -exec rmdir {} + || rc=99; done
	[ "$rc" = 0 ]
	[ "${lines[0]}" = 33 ]
	[ -z "$made" ]
	[[ "$output" != *"/sys/fs/cgroup/"*"$U"* ]]
}
