#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031,SC2016
# SPDX-License-Identifier: Apache-2.0
# brig run in the foreground: what the container gets, and what comes back.

bats_require_minimum_version 1.5.0
load helpers

setup_file() { make_store; }
setup() { need_root; }
teardown() { remove_all; }

@test "run: output, error output and exit code are the container's" {
	run --separate-stderr once bb sh -c 'echo out; echo err >&2; exit 7'
	[ "$status" -eq 7 ]
	[ "$output" = out ]
	[ "$stderr" = err ]
	nothing_left
}

@test "run: 127 for a program that is not there, 126 for one that cannot run, 125 for an error of ours" {
	run -127 once bb nope
	[ "$status" -eq 127 ]
	[[ $output == 'Error: exec: "nope": executable file not found in $PATH' ]]
	run once bb /etc/passwd
	[ "$status" -eq 126 ]
	run once --no-such-flag bb true
	[ "$status" -eq 125 ]
	[[ $output == *"unknown flag: --no-such-flag"*"See 'brig run --help'"* ]]
	run once --pull never no-such-image true
	[ "$status" -eq 125 ]
	[[ $output == *"image not known"* ]]
	nothing_left
}

@test "run: 128 and the signal for a program that a signal ends" {
	run once --init bb sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
}

@test "run: the image's entry point, command, user, environment, folder" {
	run once full
	[ "$output" = 'entry sh -c echo cmd $0 $*' ]
	run once full a b
	[ "$output" = "entry a b" ]
	run once --entrypoint sh full -c 'id -u; pwd; echo $COLOR $HOME $PATH'
	[ "${lines[0]}" = 33 ]
	[ "${lines[1]}" = /var/www ]
	[ "${lines[2]}" = "blue /var/www /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ]
	run once --entrypoint '' bb
	[ "$status" -eq 125 ]
	[[ $output == *"no command"* ]]
}

@test "run: -e, --env-file and variables of the caller" {
	printf '# comment\nONE=1\nTWO=2\nGONE\n' >"$BATS_TEST_TMPDIR/env"
	export FROM_HERE=yes
	run once --env-file "$BATS_TEST_TMPDIR/env" -e TWO=zwei -e FROM_HERE -eSTUCK=on -e EMPTY= bb env
	[[ $output == *ONE=1* && $output == *TWO=zwei* && $output == *FROM_HERE=yes* && $output == *STUCK=on* && $output == *EMPTY=* ]]
	[[ $output != *GONE* && $output != *TWO=2* ]]
	[[ $output == *container=brig* && $output == *HOSTNAME=* ]]
}

@test "run: users by name and number, groups" {
	[ "$(once -u www bb id)" = "uid=33(www) gid=33(www) groups=44(extra)" ]
	[ "$(once -u 33:44 bb id)" = "uid=33(www) gid=44(extra)" ]
	[ "$(once -u 4711 bb id)" = "uid=4711 gid=0(root)" ]
	[ "$(once -u www --group-add 99 bb id -G)" = "33 44 99" ]
	run once -u nobody-here bb id
	[ "$status" -eq 125 ]
	[[ $output == *"unable to find user nobody-here"* ]]
	nothing_left
}

@test "run: a passwd file that is a symlink out of the image is not followed" {
	mkdir -p "$BATS_TEST_TMPDIR/r/bin" "$BATS_TEST_TMPDIR/r/etc"
	cp /bin/busybox "$BATS_TEST_TMPDIR/r/bin/id"
	ln -s ../../../../../../../../etc/passwd "$BATS_TEST_TMPDIR/r/etc/passwd"
	tar -C "$BATS_TEST_TMPDIR/r" -cf "$BATS_TEST_TMPDIR/r.tar" .
	brig import -q "$BATS_TEST_TMPDIR/r.tar" evil >/dev/null
	run once -u daemon evil /bin/id
	[ "$status" -eq 125 ]
}

@test "run: stdin only with -i" {
	[ "$(echo data | once -i bb cat)" = data ]
	[ -z "$(echo data | once bb cat)" ]
	head -c 3000000 /dev/zero | once -i bb wc -c | grep -qx 3000000
}

@test "run: a container never gets our terminal, with -t it has one of its own" {
	[ -x "$BIN/../helpers/onpty" ] || skip "helpers are not built"
	run "$BIN/../helpers/onpty" 80x24 "$BIN/brig" --root "$BATS_FILE_TMPDIR/data" --runroot "$BATS_FILE_TMPDIR/run" \
		run --rm --network none bb sh -c 'test -t 1 && echo terminal || echo pipe'
	[[ $output == *pipe* ]]
	run "$BIN/../helpers/onpty" 80x24 "$BIN/brig" --root "$BATS_FILE_TMPDIR/data" --runroot "$BATS_FILE_TMPDIR/run" \
		run --rm -it --network none bb sh -c 'test -t 1 && tty; echo TERM=$TERM; stty size'
	[[ $output == */dev/pts/0* || $output == */dev/console* ]]
	[[ $output == *TERM=xterm* && $output == *"24 80"* ]]
}

@test "run: capabilities" {
	caps() { once "$@" bb grep CapEff /proc/self/status | cut -f2; }
	[ "$(caps)" = 00000000a80425fb ]
	[ "$(caps --cap-drop all)" = 0000000000000000 ]
	[ "$(caps --cap-drop ALL --cap-add chown)" = 0000000000000001 ]
	[ "$(caps --cap-add NET_ADMIN --cap-drop CAP_CHOWN,KILL)" = 00000000a80435da ]
	[ "$(caps -u www)" = 0000000000000000 ]
	[ "$(caps -u www --cap-add net_bind_service)" = 0000000000000400 ]
	[ "$(caps --privileged)" = "$(grep CapBnd /proc/self/status | cut -f2)" ]
	run once --cap-add nonsense bb true
	[ "$status" -eq 125 ]
	[[ $output == *"--cap-add 'nonsense': unknown capability"* ]]
}

@test "run: seccomp filter by default, none with unconfined and --privileged, a profile of docker's form" {
	filter() { once "$@" bb grep '^Seccomp:' /proc/self/status | cut -f2; }
	[ "$(filter)" = 2 ]
	[ "$(filter --security-opt seccomp=unconfined)" = 0 ]
	[ "$(filter --privileged)" = 0 ]
	cat >"$BATS_TEST_TMPDIR/p.json" <<-'P'
		{"defaultAction": "SCMP_ACT_ALLOW",
		 "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
		 "syscalls": [
		  {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
		  {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_ADMIN"]}}]}
	P
	run once --security-opt "seccomp=$BATS_TEST_TMPDIR/p.json" bb sh -c 'mkdir /x || echo refused; rmdir /var/www && echo removed'
	[[ $output == *refused* && $output == *removed* ]]
	run once --security-opt seccomp=/nonexistent bb true
	[ "$status" -eq 125 ]
}

@test "run: read-only root, with places to write; tmpfs; no-new-privileges" {
	run once --read-only bb sh -c 'touch /x; touch /tmp/y && echo tmp; touch /run/z && echo run'
	[[ $output == *"Read-only file system"* && $output == *tmp* && $output == *run* ]]
	run once --read-only --read-only-tmpfs=false bb touch /tmp/y
	[ "$status" -eq 1 ]
	run once --tmpfs /scratch:size=1m bb sh -c 'df /scratch | tail -1'
	[[ $output == *1024* ]]
	[ "$(once --security-opt no-new-privileges bb grep NoNewPrivs /proc/self/status | cut -f2)" = 1 ]
	[ "$(once bb grep NoNewPrivs /proc/self/status | cut -f2)" = 0 ]
}

@test "run: /proc and /sys hide what is the host's" {
	run once bb sh -c 'wc -c </proc/keys; ls /sys/firmware | wc -l; echo 1 >/proc/sys/kernel/panic'
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = 0 ]
	[[ $output == *"Read-only file system"* ]]
	run once --security-opt unmask=/sys/firmware bb sh -c 'ls /sys/firmware | wc -l'
	[ "$output" -gt 0 ] || skip "this machine has an empty /sys/firmware"
}

@test "run: limits reach the cgroup" {
	run once -m 64m --pids-limit 33 --cpu-shares 512 --cpus 0.5 --memory-reservation 32m bb sh -c '
		cd /sys/fs/cgroup
		cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.shares cpu/cpu.cfs_quota_us 2>/dev/null ||
		cat memory.max pids.max cpu.max'
	[[ $output == *67108864* && $output == *33* && $output == *50000* ]]
	run once --cpus nonsense bb true
	[ "$status" -eq 125 ]
	[[ $output == *"--cpus 'nonsense'"* ]]
	run once -m 1k bb true
	[ "$status" -eq 125 ]
}

@test "run: ulimits, sysctl, shm size, host name, devices" {
	[ "$(once --ulimit nofile=100:200 bb sh -c 'ulimit -n; ulimit -Hn' | tr '\n' ' ')" = "100 200 " ]
	[ "$(once --sysctl net.ipv4.ip_forward=1 bb cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
	[[ $(once --shm-size 3m bb df /dev/shm | tail -1) == *3072* ]]
	[ "$(once -h box bb sh -c 'hostname; cat /etc/hostname' | tr '\n' ' ')" = "box box " ]
	run once --device /dev/loop-control:/dev/lc:r bb sh -c 'ls -l /dev/lc; head -c 0 /dev/lc && echo readable; : >/dev/lc'
	[[ $output == *readable* && $output == *"not permitted"* ]]
	run once --device /nonexistent bb true
	[ "$status" -eq 125 ]
	[[ $output == *"--device '/nonexistent'"* ]]
}

@test "run: volumes of the host, and an image's volume is seeded" {
	mkdir "$BATS_TEST_TMPDIR/v"
	once -v "$BATS_TEST_TMPDIR/v:/v" bb sh -c 'echo hello >/v/f'
	[ "$(cat "$BATS_TEST_TMPDIR/v/f")" = hello ]
	run once -v "$BATS_TEST_TMPDIR/v:/v:ro" bb touch /v/g
	[ "$status" -eq 1 ]
	[[ $output == *"Read-only"* ]]
	run once --entrypoint cat full /data/seed
	[ "$output" = seed ]
	[ "$(brig run --network none --rm --mount "type=bind,src=$BATS_TEST_TMPDIR/v,dst=/w,ro" bb cat /w/f)" = hello ]
	nothing_left
}

@test "run: --cidfile, --pidfile, --name, --replace, names are unique" {
	brig run -d --network none --name same --cidfile "$BATS_TEST_TMPDIR/cid" --pidfile "$BATS_TEST_TMPDIR/pid" bb sleep 100 >"$BATS_TEST_TMPDIR/id"
	cmp <(tr -d '\n' <"$BATS_TEST_TMPDIR/id") "$BATS_TEST_TMPDIR/cid"
	[ "$(cat "/proc/$(cat "$BATS_TEST_TMPDIR/pid")/comm")" = sleep ]
	run brig run --network none --name same bb true
	[ "$status" -eq 125 ]
	[[ $output == *'name "same" is already in use by '* ]]
	run brig run --network none --cidfile "$BATS_TEST_TMPDIR/cid" bb true
	[ "$status" -eq 125 ]
	brig run --rm --network none --name same --replace bb true
	nothing_left
}

@test "run: signals are passed on" {
	"$BIN/brig" --root "$BATS_FILE_TMPDIR/data" --runroot "$BATS_FILE_TMPDIR/run" run --rm --network none bb \
		sh -c 'trap "echo got it; exit 9" USR1; echo ready; while :; do sleep 0.1; done' >"$BATS_TEST_TMPDIR/out" &
	pid=$!
	eventually grep -q ready "$BATS_TEST_TMPDIR/out"
	kill -USR1 "$pid"
	rc=0
	wait "$pid" || rc=$?
	[ "$rc" -eq 9 ]
	grep -q "got it" "$BATS_TEST_TMPDIR/out"
}

@test "run: the namespaces of the host and of another container" {
	[ "$(once --uts host bb hostname)" = "$(hostname)" ]
	[ "$(once --pid host bb readlink /proc/self/ns/pid)" = "$(readlink /proc/self/ns/pid)" ]
	[ "$(once --ipc host bb readlink /proc/self/ns/ipc)" = "$(readlink /proc/self/ns/ipc)" ]
	brig run -d --network none --name other bb sleep 100
	[ "$(once --pid container:other bb cat /proc/1/comm)" = sleep ]
	[ "$(brig run --rm --network container:other bb readlink /proc/self/ns/net)" = "$(brig exec other readlink /proc/self/ns/net)" ]
	run once --pid container:nobody bb true
	[ "$status" -eq 125 ]
}

@test "run: --vm says what is missing, and leaves nothing" {
	brig info -f '{{.host.vm}}' | grep -qx false || skip "this build has vm-mode"
	run once --vm bb true
	[ "$status" -eq 125 ]
	[[ $output == *"vm-mode is not part of this build"* ]]
	nothing_left
}

@test "run: killed at any moment, nothing stays that rm cannot take away" {
	for after in 0.002 0.004 0.006 0.008 0.01 0.012 0.014 0.017 0.02 0.025 0.05 0.2; do
		timeout -s KILL "$after" "$BIN/brig" --root "$BATS_FILE_TMPDIR/data" --runroot "$BATS_FILE_TMPDIR/run" \
			run --network none bb sleep 30 || true
	done
	brig rm -fa >/dev/null
	nothing_left
	! pgrep -f "$BATS_FILE_TMPDIR/data" || { pgrep -af "$BATS_FILE_TMPDIR/data"; false; }
}

@test "start: what a killed start left is no obstacle for the next" {
	local id
	id=$(brig create --network none bb sh -c 'exit 3')
	mkdir "$BATS_FILE_TMPDIR/run/$id"
	echo '{}' >"$BATS_FILE_TMPDIR/run/$id/config.json"
	run brig start -a "$id"
	[ "$status" -eq 3 ]
	mkdir "$BATS_FILE_TMPDIR/run/$id"
	echo '{}' >"$BATS_FILE_TMPDIR/run/$id/config.json"
	brig rm -f "$id"
	nothing_left
}

@test "rm: --all takes away what somebody left who was killed over it, and not what another is making" {
	local data=$BATS_FILE_TMPDIR/data gone making
	gone=$(printf '%064d' 1) making=$(printf '%064d' 2)
	mkdir -p "$data/containers/.names" "$data/containers/$gone/upper" "$data/containers/$making" "$data/refs"
	ln -s "$gone" "$data/containers/.names/half"
	ln -s "$(printf '%064d' 3)" "$data/containers/.names/nobody"
	echo left >"$data/refs/$(printf '%064d' 3)"
	exec 9<"$data/containers/$making"
	flock 9
	brig rm -fa
	[ -d "$data/containers/$making" ]
	exec 9<&-
	brig container prune
	nothing_left
}

@test "run: places to mount on come from below the image, and leave nothing in the container's own layer" {
	local root=$BATS_TEST_TMPDIR/bare data=$BATS_FILE_TMPDIR/data upper
	mkdir -p "$root/bin"
	cp /bin/busybox "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	tar -C "$root" -cf "$BATS_TEST_TMPDIR/bare.tar" .
	brig import -q "$BATS_TEST_TMPDIR/bare.tar" bare >/dev/null
	mkdir -m 711 "$root/etc"
	chown 33:33 "$root/etc"
	echo image >"$root/etc/own"
	tar -C "$root" -cf "$BATS_TEST_TMPDIR/bare.tar" .
	brig import -q "$BATS_TEST_TMPDIR/bare.tar" own-etc >/dev/null
	rm -rf "$data/mount-points"
	# whatever the umask is, made once for all
	(umask 077 && brig run --name a --network none -u 1000 bare /bin/busybox cat /etc/hosts) | grep -q localhost
	upper=$data/containers/$(brig inspect -f '{{.Id}}' a)/upper
	[ -z "$(find "$upper" -mindepth 1)" ]
	[ -z "$(brig diff a)" ]
	[ -z "$(find "$data/containers" -name mount-points)" ]
	# what the image has is what is seen
	[ "$(once own-etc /bin/busybox stat -c '%a %u' /etc)" = "711 33" ]
	[ "$(once own-etc /bin/busybox cat /etc/own)" = image ]
	# the container's own files beside them
	brig run --name b --network none bare /bin/busybox sh -c '/bin/busybox touch /etc/new && ! /bin/busybox touch /etc/none/x'
	[[ $(brig diff b) == *"/etc/new"* ]]
	brig commit -q b changed >/dev/null
	once changed /bin/busybox ls /etc/new /etc/hosts /proc/self/stat
	[ ! -e "$data/mount-points/etc/new" ]
	# without them the places are made as always
	rm -rf "$data/mount-points"/*
	[ "$(once bare /bin/busybox wc -l /etc/hostname)" = "1 /etc/hostname" ]
	brig rm a b
	rm -rf "$data/mount-points"
	nothing_left
}

@test "run: the run path loads no library" {
	run ldd "$BIN/brig"
	[[ $output == *"statically linked"* || $output == *"not a dynamic executable"* ]]
}

@test "run: user namespaces: auto has ids of its own, files keep the image's on the disk, commit and exec see the same" {
	local first second
	brig run -d --name a --network none --userns auto -u www bb sh -c 'touch /tmp/mine; sleep 100'
	brig run -d --name b --network none --userns auto:size=1000 bb sleep 100
	first=$(brig exec a awk '{ print $2, $3 }' /proc/self/uid_map)
	second=$(brig exec b awk '{ print $2, $3 }' /proc/self/uid_map)
	[ "${first#* }" = 65536 ]
	[ "${second#* }" = 1000 ]
	[ "${first% *}" != "${second% *}" ]
	[ "$(brig exec a stat -c '%U %u' /tmp/mine /data)" = $'www 33\nwww 33' ]
	[ "$(stat -c %u "$BATS_FILE_TMPDIR/data/containers/$(brig inspect -f '{{.Id}}' a)/upper/tmp/mine")" = 33 ]
	[ "$(brig run --rm --network none --userns container:a bb awk '{ print $2 }' /proc/self/uid_map)" = "${first% *}" ]
	brig commit -q a done >/dev/null
	[ "$(once --entrypoint stat -u 0 done -c %u /tmp/mine)" = 33 ]
	brig restart -t 0 a
	[ "$(brig exec a awk '{ print $2, $3 }' /proc/self/uid_map)" = "$first" ]
	[ "$(once --uidmap 0:200000:100 -v vol:/data bb sh -c 'stat -c %u /data; echo x >/data/x')" = 33 ]
	[ "$(stat -c %u "$BATS_FILE_TMPDIR/data/volumes/vol/_data/x")" = 200000 ]
	run brig run --rm --userns keep-id bb true
	[ "$status" -eq 125 ]
	[[ "$output" = *"--userns keep-id"* ]]
	brig rm -f -t 0 a b
	brig volume rm vol
	brig rmi done
}

@test "run: a user namespace with a network owns it" {
	[ "$(brig run --rm --userns auto --cap-add NET_ADMIN bb sh -c 'ip link set lo down && ip link add d0 type dummy 2>&1; cat /sys/class/net/eth0/operstate' | tail -1)" = up ]
}

@test "run: --ipc container: shares /dev/shm" {
	brig run -d --name owner --network none bb sh -c 'echo shared >/dev/shm/x; sleep 100'
	eventually brig exec owner test -s /dev/shm/x
	[ "$(once --ipc container:owner bb sh -c 'cat /dev/shm/x; echo more >/dev/shm/y')" = shared ]
	[ "$(brig exec owner cat /dev/shm/y)" = more ]
	brig rm -f -t 0 owner
}

@test "exec: -dt has a terminal, which nobody needs to read" {
	brig run -d --name owner --network none bb sleep 100
	brig exec -dt owner sh -c 'tty >/tmp/tty; seq 20000; echo done >>/tmp/tty'
	eventually brig exec owner grep -q done /tmp/tty
	[ "$(brig exec owner head -1 /tmp/tty)" = /dev/pts/0 ]
	run -127 brig exec -dt owner nosuch
	brig rm -f -t 0 owner
}
