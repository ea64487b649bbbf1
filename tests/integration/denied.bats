#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Old kernels, and the seccomp and AppArmor profiles of a container around us: the newer system calls are missing or denied, and
# everything is as with them.
load helpers

# What the program sees of its container. The order of mounts may differ, and the times of devices.
LOOK='mount | sort; ls -ln /dev | sed "s/ [A-Z][a-z][a-z] .*:[0-9][0-9]//"; cat /data/f; touch /data/x || echo denied; touch /x || echo denied
	head -c 1 /proc/kcore | wc -c; cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj; cat /up/f; pwd; id'

look_bundle() {
	mkdir -p "$T/src/sub"
	echo content >"$T/src/f"
	mk_sh "$LOOK" '.process.cwd = "/made/here" | .process.oomScoreAdj = 77 | .linux.sysctl = {"net.ipv4.ip_forward": "1"} | .mounts +=
		[{destination: "/data", type: "bind", source: $s, options: ["rbind", "ro", "nodev"]}, {destination: "/up", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "ro"]},
		{destination: "/link/in", type: "tmpfs", source: "tmpfs"}, {destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"]}] |
		.linux.devices = [{path: "/dev/sub/d", type: "c", major: 1, minor: 3, fileMode: 384, uid: 5, gid: 6}]
		| .linux.maskedPaths += ["/masked"] | .linux.readonlyPaths += ["/up"]'" | $1" --arg s "$T/src"
	mkdir -p "$R/up" "$R/masked" "$R/made/here" "$R/made/in"
	echo up >"$R/up/f"
	ln -s made "$R/link"
}

# same_as_ever COMMAND...: the runtime below this command gives the same container
same_as_ever() {
	"$RUNTIME" --root "$ROOT" run --bundle "$B" "$ID" </dev/null >"$T/normal" 2>&1 3>&- || { cat "$T/normal"; return 1; }
	timeout 60 "$@" "$RUNTIME" --root "$ROOT" run --bundle "$B" "$ID" </dev/null >"$T/denied" 2>&1 3>&- || { cat "$T/denied"; return 1; }
	diff "$T/normal" "$T/denied"
}

@test "each of the newer mount calls missing, or denied" {
	local deny e
	deny=$(helper deny)
	look_bundle .
	for e in "ENOSYS open_tree" "EPERM open_tree fsopen" "EACCES fsopen" "EPERM fsmount" "EACCES move_mount" "ENOSYS mount_setattr" "EACCES fsconfig"; do
		echo "$e"
		# shellcheck disable=SC2086
		same_as_ever "$deny" $e --
	done
}

@test "none of the newer calls: with a user namespace, hooks, a read-only root, a shared root" {
	local deny f all="open_tree fsopen fsconfig fsmount move_mount mount_setattr openat2 clone3 close_range"
	deny=$(helper deny)
	for f in '.root.readonly = true' '.hooks.createContainer = [{path: "/bin/true"}]' '.linux.rootfsPropagation = "rshared"' \
		'.linux.rootfsPropagation = "private"' '.linux.namespaces += [{type: "cgroup"}]' \
		'del(.linux.devices) | .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 70000}] | .linux.gidMappings = .linux.uidMappings'; do
		echo "$f"
		look_bundle "$f"
		# shellcheck disable=SC2086
		same_as_ever "$deny" EPERM $all --
		# shellcheck disable=SC2086
		[[ "$f" == *user* ]] || same_as_ever "$deny" ENOSYS $all --
	done
}

@test "none of the newer calls: a read-only root keeps the flags of its mount" {
	local deny rc=0
	deny=$(helper deny)
	look_bundle '.root.readonly = true'
	mount --bind "$R" "$R"
	mount -o remount,bind,nosuid,nodev,noatime "$R"
	same_as_ever "$deny" ENOSYS mount_setattr -- || rc=1
	umount "$R"
	[ "$rc" = 0 ]
	grep -q ' on / .*ro,nosuid,nodev,noatime' "$T/denied"
}

@test "none of the newer calls: nothing of the host is below the root, create, exec, a terminal and delete" {
	local all="open_tree fsopen fsconfig fsmount move_mount mount_setattr openat2 clone3 close_range" deny
	deny=$(helper deny)
	mk_bundle '.process.oomScoreAdj = 5'
	# shellcheck disable=SC2086
	denied() { timeout 60 "$deny" ENOSYS $all -- "$RUNTIME" --root "$ROOT" "$@" 3>&-; }
	denied create --bundle "$B" "$ID" </dev/null >"$T/out" 2>&1
	denied exec "$ID" true
	denied start "$ID"
	[ "$(denied exec "$ID" sh -c 'cut -d" " -f5 /proc/1/mountinfo | grep -cx /; cat /etc/issue')" = $'1\nbrig test image' ]
	run denied exec --tty "$ID" sh -c 'tty; ls /proc/self/fd | wc -l' </dev/null
	[[ "$output" == /dev/pts/0* ]]
	denied delete --force "$ID"
	no_residue "$ID"
	mk_bundle '.process.terminal = true | .process.args = ["sh", "-c", "tty; test -c /dev/console && echo console"]'
	run denied run --bundle "$B" "$ID" </dev/null
	[[ "$output" == /dev/pts/0*console* ]]
}

@test "a sysctl that a path-based profile denies in the detached procfs is written in the host's" {
	need strace "strace is not installed"
	look_bundle .
	same_as_ever strace -f -qq -o "$T/trace" -P sys/net/ipv4/ip_forward -e trace=openat2 -e inject=openat2:error=EACCES:when=1 --
	grep -q INJECTED "$T/trace"
}
