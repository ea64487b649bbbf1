#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mounts[], the root file system, devices, masks.
load helpers

# mount_with OPTIONS-JSON SCRIPT: bind a folder of the host on /data with these options, run the script
mount_with() {
	mk_sh "$2"
	mkdir -p "$T/src/sub"
	echo f >"$T/src/f"
	cp "$R/bin/busybox" "$T/src/true"
	edit '.mounts += [{destination: "/data", type: "bind", source: $s, options: $o}]' --arg s "$T/src" --argjson o "$1"
	run ct_run
	echo "$output"
}
options_of() { echo "awk '\$5 == \"$1\" {print \$6, \$7, \$8}' /proc/self/mountinfo | tail -n 1"; }

@test "bind: read and write, and ro" {
	mount_with '["bind"]' 'cat /data/f; echo new >/data/g && echo wrote'
	[ "$status" = 0 ] && [ "${lines[0]}" = f ] && [ "${lines[1]}" = wrote ] && [ -e "$T/src/g" ]
	mount_with '["bind", "ro"]' 'touch /data/x || echo denied'
	[[ "$output" == *denied* ]]
}

@test "options: every flag is seen in mountinfo" {
	local o
	for o in nosuid nodev noexec noatime nodiratime relatime; do
		mount_with "[\"bind\", \"$o\"]" "$(options_of /data)"
		[[ ",${output%% *}," == *",$o,"* ]]
	done
	mount_with '["bind", "nosuid", "nodev", "noexec", "ro"]' "$(options_of /data)"
	[[ "$output" == *ro*nosuid*nodev*noexec* ]]
	mount_with '["bind", "strictatime"]' "$(options_of /data)"
	[[ "$output" != *relatime* && "$output" != *noatime* ]]
}

@test "options: nosymfollow, and clearing ones override" {
	not_in "not known" runc crun
	mount_with '["bind", "nosymfollow"]' "$(options_of /data)"
	[[ "$output" == *nosymfollow* ]]
	mount_with '["bind", "noexec", "nosuid", "exec", "suid", "ro", "rw"]' "$(options_of /data); touch /data/ok"
	[[ "$output" != *noexec* && "$output" != *nosuid* ]]
	[ "$status" = 0 ]
}

@test "options: noexec denies execution" {
	mount_with '["bind", "noexec"]' '/data/true true || echo denied'
	[[ "$output" == *denied* ]]
}

@test "options: recursive read-only" {
	not_in "not known" runc
	mkdir -p "$T/src/sub"
	mount -t tmpfs sub "$T/src/sub"
	mount_with '["rbind", "ro"]' 'touch /data/sub/x && echo wrote; touch /data/x || echo denied'
	local first=$output
	mount_with '["rbind", "rro"]' 'touch /data/sub/x || echo denied-below'
	umount "$T/src/sub"
	[[ "$first" == *wrote*denied* ]] || { [ "$BACKEND" = vm ] && [[ "$first" == *denied* ]]; } # the guest's kernel hands the flag down
	[[ "$output" == *denied-below* ]]
}

@test "options: rbind brings mounts below, bind does not" {
	mkdir -p "$T/src/sub"
	mount -t tmpfs sub "$T/src/sub"
	touch "$T/src/sub/inner"
	mount_with '["rbind"]' 'ls /data/sub'
	local first=$output
	mount_with '["bind"]' 'ls /data/sub'
	umount "$T/src/sub"
	[[ "$first" == *inner* ]]
	[[ "$output" != *inner* ]]
}

@test "options: propagation" {
	local p
	for p in shared slave private unbindable; do
		mount_with "[\"bind\", \"$p\"]" "$(options_of /data)"
		[ "$status" = 0 ]
		case $p in
		shared) [[ "$output" == *shared:* ]] ;;
		private) [[ "$output" != *shared:* && "$output" != *master:* ]] ;;
		unbindable) [[ "$output" == *unbindable* ]] ;;
		esac
	done
}

@test "tmpfs: size, mode, uid and data options" {
	mk_sh "stat -c '%a %u' /t; df -k /t | tail -n 1" '.mounts += [{destination: "/t", type: "tmpfs", source: "tmpfs", options: ["size=1024k", "mode=1710", "uid=5"]}]'
	run ct_run
	echo "$output"
	[ "${lines[0]}" = "1710 5" ]
	[[ "${lines[1]}" == *1024* ]]
}

@test "tmpfs: tmpcopyup brings what was there" {
	mk_sh 'cat /etc/issue; touch /etc/new; stat -c %u /home/user' '.mounts += [{destination: "/etc", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"]},
		{destination: "/home", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"]}]'
	run ct_run
	echo "$output"
	[ "${lines[0]}" = "brig test image" ] && [ "${lines[1]}" = 1000 ]
	[ ! -e "$R/etc/new" ]
}

@test "tmpfs: a read-only one takes the mounts and devices that lie in it first" {
	mk_sh 'cat </dev/null && test -c /dev/fuse2 && test -d /dev/pts && echo file >/t/in/a && cat /t/in/a; touch /dev/x; touch /t/y; touch /u/z; cat /u/issue' '
		(.mounts[] | select(.destination == "/dev") | .options) |= . + ["ro"] | .linux.devices = [{path: "/dev/fuse2", type: "c", major: 10, minor: 229}] |
		.mounts += [{destination: "/t", type: "tmpfs", source: "tmpfs", options: ["ro", "size=1m"]}, {destination: "/t/in", type: "tmpfs", source: "tmpfs"},
		{destination: "/u", type: "tmpfs", source: "tmpfs", options: ["ro", "tmpcopyup"]}]'
	mkdir "$R/u"
	cp "$R/etc/issue" "$R/u/"
	run ct_run
	echo "$output"
	[ "${lines[0]}" = file ]
	[[ "${lines[1]}" == *"/dev/x: Read-only"* && "${lines[2]}" == *"/t/y: Read-only"* && "${lines[3]}" == *"/u/z: Read-only"* ]]
	[ "${lines[4]}" = "brig test image" ]
}

@test "bind: words that engines leave among the options (copy, nocopy) change nothing" {
	mk_sh 'cat /m/f; touch /m/x; grep -c " /m .*ro,nosuid" /proc/self/mountinfo' '
		.mounts += [{destination: "/m", type: "bind", source: $s, options: ["rbind", "nocopy", "ro", "nosuid", "copy", "mode=700"]}]' --arg s "$T/m"
	mkdir -m 755 "$T/m"
	echo one >"$T/m/f"
	run ct_run
	echo "$output"
	[ "${lines[0]}" = one ] && [[ "${lines[1]}" == *Read-only* ]] && [ "${lines[2]}" = 1 ]
	[ "$(stat -c %a "$T/m")" = 755 ]
}

@test "bind: a file on a directory, and the reverse, are errors that say so" {
	mk_bundle '.mounts += [{destination: "/etc", type: "bind", source: "/etc/passwd", options: ["bind"]}]'
	run ct_run
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"mount on '/etc': "*"not a directory"* ]] # docker explains what has these words
	edit '.mounts[-1] |= (.destination = "/etc/issue" | .source = "/etc")'
	run ct_run
	echo "$output"
	[ "$status" = 1 ]
	[[ "$output" == *"'/etc/issue': Not a directory"* ]]
	no_residue "$ID"
}

@test "bind: a file on a file, and on one that is missing" {
	mk_sh 'cat /etc/issue /new/dir/file'
	echo one >"$T/one"
	edit '.mounts += [{destination: "/etc/issue", type: "bind", source: $s, options: ["bind"]}, {destination: "/new/dir/file", type: "bind", source: $s, options: ["bind", "ro"]}]' --arg s "$T/one"
	run ct_run
	[ "$output" = "$(printf 'one\none')" ]
}

@test "bind: a missing source is an error that names it" {
	mk_bundle '.mounts += [{destination: "/data", type: "bind", source: "/no/such/source", options: ["bind"]}]'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == */no/such/source* ]]
	no_residue "$ID"
}

@test "a relative source is below the bundle, a relative destination below the root" {
	mk_sh 'cat /rel/f' '.mounts += [{destination: "rel", type: "bind", source: "src", options: ["bind"]}]'
	mkdir "$B/src" && echo rel >"$B/src/f"
	run ct_run
	echo "$output"
	[ "${lines[-1]}" = rel ] || excused "no relative destinations" runc crun
}

@test "mounts over mounts keep their order" {
	mk_sh 'ls /a/b; cat /a/b/c/f' '.mounts += [{destination: "/a", type: "tmpfs", source: "t"}, {destination: "/a/b", type: "tmpfs", source: "t"}, {destination: "/a/b/c", type: "bind", source: $s, options: ["bind"]}]' --arg s "$T/src"
	mkdir "$T/src" && echo deep >"$T/src/f"
	run ct_run
	[ "${lines[1]}" = deep ]
}

@test "a bind of /dev/null and of a socket" {
	mk_sh 'test -c /n && test -S /s && echo both'
	python3 -c "import socket,sys; socket.socket(socket.AF_UNIX).bind('$T/sock')"
	edit '.mounts += [{destination: "/n", type: "bind", source: "/dev/null", options: ["bind"]}, {destination: "/s", type: "bind", source: $s, options: ["bind"]}]' --arg s "$T/sock"
	run ct_run
	[ "$output" = both ]
}

# Not on T: where that is a tmpfs, the kernel has idmapped mounts from 6.3 on only.
@test "idmapped bind mount" {
	not_in "not known" runc crun
	local src
	mk_sh 'stat -c "%u %g" /data/f; touch /data/new'
	if mountpoint -q /scratch; then src=$(mktemp -d /scratch/idmap.XXXXXX); else mkdir "$T/src" && src=$T/src; fi
	chmod 755 "$src" && touch "$src/f" && chown 1000:1000 "$src/f"
	edit '.mounts += [{destination: "/data", type: "bind", source: $s, options: ["bind", "idmap"],
		uidMappings: [{containerID: 0, hostID: 5000, size: 65536}], gidMappings: [{containerID: 0, hostID: 5000, size: 65536}]}]' --arg s "$src"
	run ct_run
	echo "$output"
	[ "${lines[0]}" = "6000 6000" ]
}

@test "a cgroup mount shows the container's own cgroups" {
	[ "$BACKEND" != vm ] || skip "the guest has cgroups of its own"
	mk_sh 'cd /sys/fs/cgroup; ls; cat memory/memory.limit_in_bytes memory.max 2>/dev/null; mkdir memory/x || mkdir x || echo ro' \
		'.mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid", "noexec", "nodev"]}] | .linux.resources.memory.limit = 33554432
		| .linux.namespaces += [{type: "cgroup"}]'
	run ct_run
	echo "$output"
	[[ "$output" == *memory* && "$output" == *33554432* && "$output" == *ro* ]]
}

@test "root: read-only" {
	mk_sh 'touch /x || echo denied; touch /dev/shm/ok && echo ok' '.root.readonly = true'
	run ct_run
	[[ "$output" == *denied* && "$output" == *ok* ]]
	[ ! -e "$R/x" ]
}

@test "root: an absolute path" {
	mk_sh 'cat /etc/issue' '.root.path = $p' --arg p "$T/elsewhere"
	mv "$R" "$T/elsewhere"
	run ct_run
	[ "$output" = "brig test image" ]
}

@test "--no-pivot" {
	mk_sh 'cat /etc/issue; ls /work 2>/dev/null; true'
	run ct_run --no-pivot
	echo "$output"
	[ "$output" = "brig test image" ]
}

@test "devices: default nodes and links, own ones with mode and owner" {
	mk_sh 'for d in null zero full random urandom tty; do test -c /dev/$d || echo missing $d; done; for l in fd stdin ptmx; do readlink /dev/$l; done; stat -c "%t:%T %a %u" /dev/own /dev/blk; test -p /dev/pipe && echo pipe' \
		'.linux.devices = [{path: "/dev/own", type: "c", major: 1, minor: 5, fileMode: 432, uid: 7}, {path: "/dev/blk", type: "b", major: 7, minor: 99, fileMode: 384}, {path: "/dev/pipe", type: "p", fileMode: 384}]'
	run ct_run
	echo "$output"
	[[ "$output" != *missing* ]]
	[[ "$output" == *"/proc/self/fd"* && "$output" == *"pts/ptmx"* ]]
	[[ "$output" == *"1:5 660 7"* && "$output" == *"7:63 600 0"* && "$output" == *pipe* ]]
}

@test "maskedPaths and readonlyPaths" {
	mk_sh 'cat /m/f; ls /m; cat /file | wc -c; touch /r/x || echo denied' '.linux.maskedPaths += ["/m", "/file", "/missing"] | .linux.readonlyPaths += ["/r", "/missing2"]'
	mkdir "$R/m" "$R/r"
	echo x >"$R/m/f"
	echo x >"$R/file"
	run ct_run
	echo "$output"
	[ "${lines[-2]}" = 0 ] || [[ "$output" == *$'\n0\n'* ]]
	[[ "$output" == *denied* ]]
}

@test "rootfsPropagation" {
	local p
	for p in private slave shared rprivate rslave unbindable; do
		mk_sh "$(options_of /)" ".linux.rootfsPropagation = \"$p\""
		run ct_run
		echo "$p: $output"
		[ "$status" = 0 ]
		case $p in
		shared) [[ "$output" == *shared:* ]] || excused "is not" runc crun ;;
		unbindable) [[ "$output" == *unbindable* ]] || excused "is not" runc crun ;;
		*private) [[ "$output" != *shared:* ]] ;;
		esac
	done
}

@test "no mounts at all: the program runs without /proc" {
	mk_sh 'ls /proc | wc -l' '.mounts = [] | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
	run ct_run
	echo "$output"
	[ "$status" = 0 ] && [ "$output" = 0 ]
}

@test "mountLabel: a warning where SELinux is not enabled; a context option is one word with its commas" {
	not_in "no warning" runc crun
	[ ! -d /sys/fs/selinux/booleans ] || skip "SELinux is enabled here"
	mk_sh 'echo ran' '.linux.mountLabel = "system_u:object_r:x_t:s0:c1,c2"'
	run ct_run
	[ "$status" = 0 ]
	[[ "$output" == *mountLabel*SELinux*ran* ]] || [ "$BACKEND" = vm ] # the guest's kernel knows no labels, ever
	mk_bundle '.mounts += [{destination: "/mnt", type: "tmpfs", source: "tmpfs", options: ["size=1m", "context=\"system_u:object_r:x_t:s0:c1,c2\""]}]'
	run ct_run
	[ "$status" = 1 ]
	[[ "$output" == *'option '"'"'context="system_u:object_r:x_t:s0:c1,c2"'"'"* ]]
}

@test "rootfsPropagation: on a host whose own mounts are shared, as systemd makes them" {
	local p
	for p in rshared shared rslave rprivate; do
		mk_sh "sed -n 's/^[0-9]* [0-9]* [^ ]* [^ ]* [/] //p' /proc/self/mountinfo" ".linux.rootfsPropagation = \"$p\""
		run unshare --mount --propagation shared sh -c '"$1" --root "$2" run --bundle "$3" "$4" 3>&-' sh "$RUNTIME" "$ROOT" "$B" "$ID" </dev/null
		echo "$p: $output"
		[ "$status" = 0 ]
		case $p in
		*shared) [[ "$output" == *shared:* ]] ;;
		*slave) [[ "$output" == *master:* ]] || [ "$BACKEND" = vm ] ;; # the guest's kernel has no mount above it
		*) [[ "$output" != *:*" - "* ]] ;;
		esac
	done
}

@test "sysfs in a user namespace whose network is the host's: the host's tree is shown" {
	mk_sh 'ls -d /sys/kernel; ls /proc/1/ns >/dev/null && echo ran' '.linux.namespaces |= map(select(.type != "network")) + [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$R"
	run ct_run
	echo "$output"
	[[ "$status" = 0 && "$output" == */sys/kernel*ran* ]]
}
