#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# brig-guest without a machine: requests, streams, events and faults of the protocol.
bats_require_minimum_version 1.5.0
load helpers

setup_file() { need root "makes containers"; }

@test "guest: a container's life" {
	share a
	config a . sh -c 'echo out; echo err >&2; exit 7'
	guest <<-END
		create a 1 $T/a.json
		start a
		wait 1
		out 1
		err 1
		delete a
		delete a
	END
	[ "$status" -eq 0 ]
	follow 'create ok pid 1' 'start ok' 'exit 1 code 7 signal 0' 'out 1 out' 'err 1 err' 'delete ok' 'delete error 2 container "a" does not exist' 'ended 0'
}

@test "guest: signals end processes with their number, and reach the one that is meant" {
	share a
	config a . sh -c 'trap "echo got it; exit 9" USR1; echo ready; while :; do sleep 0.1; done'
	process p . sleep 100
	guest <<-END
		create a 1 $T/a.json
		start a
		expect 1 ready
		exec a 2 $T/p.json
		kill a 2 15
		wait 2
		exec a 3 $T/p.json
		kill a 3 9
		wait 3
		kill a 3 9
		kill a 1 10
		wait 1
		out 1
		kill a 1 9
		exec a 4 $T/p.json
		start a
	END
	[ "$status" -eq 0 ]
	has 'exit 2 code 143 signal 15'
	has 'exit 3 code 137 signal 9'
	has 'exit 1 code 9 signal 0'
	part 'got it'
	[ "$(grep -c '^kill error 3 container not running' <<<"$output")" = 2 ]
	has 'exec error 3 container not running'
	has 'start error 3 container not running'
}

@test "guest: faults have the texts of namespaces mode, and leave nothing" {
	share a
	config a '.process.args = ["nosuch"]'
	config b '.process.args = ["/etc"]'
	config c '.process.cwd = "/etc/passwd"'
	config d '.process.args = ["true"]'
	process p . /nosuch
	process q . sh -c 'exit 0'
	guest <<-END
		create a 1 $T/a.json
		create a 1 $T/b.json
		create a 1 $T/c.json
		create a 1 $T/d.json
		create a 2 $T/d.json
		create none 3 $T/d.json
		create b 1 $T/d.json
		exec a 1 $T/q.json
		exec a 2 $T/p.json
		exec a 2 $T/q.json
		wait 2
		start none
		start a
		wait 1
		create ../x 9 $T/d.json
		size 77 1 1
	END
	[ "$status" -eq 0 ]
	has 'create error 2 exec: "nosuch": executable file not found in $PATH'
	has 'create error 13 exec: "/etc": is a directory'
	has "create error 20 chdir to cwd '/etc/passwd': Not a directory"
	has 'create ok pid 1'
	has 'create error 17 container with id exists: a'
	part "create error 2 root.path '$S/c/none/rootfs'"
	has 'create error 17 process number 1 is in use'
	has 'exec error 17 process number 1 is in use'
	has 'exec error 2 exec: "/nosuch": stat /nosuch: no such file or directory'
	has 'exec ok pid 3'
	has 'exit 2 code 0 signal 0'
	has 'start error 2 container "none" does not exist'
	has 'exit 1 code 0 signal 0'
	part "create error 71 malformed message 'create'"
	has 'size error 3 no process with number 77'
}

@test "guest: a program that cannot be executed fails start, and the container is one that has stopped" {
	share a
	config a '.process.args = ["/tmp/x"]'
	printf '\001\002' >"$S/c/a/rootfs/tmp/x"
	chmod 755 "$S/c/a/rootfs/tmp/x"
	guest <<-END
		create a 1 $T/a.json
		start a
		wait 1
		delete a
	END
	follow 'create ok' 'start error 8 exec: "/tmp/x": exec format error' 'exit 1 code 1' 'delete ok'
}

@test "guest: standard input, its end, and streams that are not there" {
	share a
	config a . sh -c 'cat; echo after; readlink /proc/self/fd/2'
	process p . sh -c 'readlink /proc/self/fd/0'
	guest <<-END
		create a 1 $T/a.json 3
		start a
		stdin 1 one\ntwo\n
		exec a 2 $T/p.json 2
		out 2
		eof 1
		wait 1
		out 1
	END
	[ "$status" -eq 0 ]
	has 'out 2 /dev/null'
	has 'out 1 one'
	has 'two'
	follow 'two' 'after' '/dev/null'
}

@test "guest: a created container keeps no other's streams open, and its program gets no descriptor of the agent" {
	share a b
	config a . sleep 100
	config b . sh -c 'cat >/dev/null; ls /proc/self/fd'
	guest <<-END
		create b 2 $T/b.json
		start b
		create a 1 $T/a.json
		eof 2
		wait 2
		out 2
		delete a
	END
	[ "$status" -eq 0 ]
	follow 'exit 2 code 0' $'out 2 0\n1\n2\n3\ndelete ok'
}

@test "guest: a terminal: its size, what is typed, and the hang-up" {
	share a
	config a '.process.terminal = true' sh -c 'stty size; read x; stty size; echo "<$x>"; tty; readlink /dev/console; exit 4'
	process p '.terminal = true' sh -c 'tty; cat'
	guest <<-END
		create a 1 $T/a.json
		start a
		expect 1 24 80
		size 1 40 132
		exec a 2 $T/p.json
		expect 2 /dev/pts/1
		stdin 2 x
		stdin 2 \nlast
		eof 2
		expect 2 last
		stdin 1 hello\n
		wait 1
		out 1
	END
	[ "$status" -eq 0 ]
	follow 'exit 1 code 4' '40 132' '<hello>' '/dev/'
}

@test "guest: a stream that nobody reads stops its writer and nobody else" {
	share a
	config a . sh -c 'head -c 3000000 /dev/zero; echo done >&2'
	process p . sh -c 'head -c 5000000 /dev/zero'
	guest <<-END
		create a 1 $T/a.json
		noread 1
		start a
		exec a 2 $T/p.json
		bytes 2
		sleep 0.3
		sofar 1
		ping
		read 1
		bytes 1
		err 1
		wait 1
	END
	[ "$status" -eq 0 ]
	follow 'bytes 2 5000000' 'sofar 1 262144' 'ping ok' 'bytes 1 3000000' 'err 1 done' 'exit 1 code 0'
}

@test "guest: input that a process does not take holds up nobody; too much of it ends the connection" {
	share a
	config a . sleep 100
	process p . sh -c 'echo alive'
	guest <<-END
		create a 1 $T/a.json
		start a
		flood 1 262144
		exec a 2 $T/p.json
		out 2
		flood 1 327680
		closed
	END
	follow 'out 2 alive' 'closed'
	part 'more data than a stream'
}

@test "guest: a reader that goes away is SIGPIPE to the writer" {
	share a
	config a . sleep 100
	process p . yes
	guest <<-END
		create a 1 $T/a.json
		start a
		exec a 2 $T/p.json
		expect 2 y
		closeout 2
		wait 2
	END
	has 'exit 2 code 141 signal 13'
}

@test "guest: what a process leaves behind does not hold its exit" {
	share a
	config a . sleep 100
	process p . sh -c 'sleep 50 & echo here; exit 5'
	guest <<-END
		create a 1 $T/a.json
		start a
		exec a 2 $T/p.json
		wait 2
		expect 2 here
		delete a
		out 2
	END
	[ "$status" -eq 0 ]
	follow 'exit 2 code 5' 'seen here' 'delete ok' 'out 2 here'
}

@test "guest: bind mounts come from the share, read-only where they say so; tmpfs and proc from the guest" {
	share a
	config a '.mounts += [{destination: "/data", type: "bind", source: "/host/somewhere", options: ["rbind", "ro"]},
		{destination: "/tmp", type: "tmpfs", source: "tmpfs"},
		{destination: "/etc/file", type: "none", source: "/host/file", options: ["bind"]}]' \
		sh -c 'cat /data/in /etc/file; touch /data/x; echo more >>/etc/file; mount | grep -c " /tmp type tmpfs"'
	n=$(jq '.mounts | length' "$T/a.json")
	mkdir "$S/c/a/binds/$((n - 3))"
	echo shared >"$S/c/a/binds/$((n - 3))/in"
	echo single >"$S/c/a/binds/$((n - 1))"
	guest <<-END
		create a 1 $T/a.json
		start a
		wait 1
		out 1
		err 1
	END
	[ "$status" -eq 0 ]
	follow 'out 1 shared' 'single' '1' 'Read-only file system'
	grep -q more "$S/c/a/binds/$((n - 1))"
}

@test "guest: the compiled filter is loaded, for exec too" {
	share a
	config a . sh -c 'mkdir /tmp/x; sleep 100'
	process p . mkdir /tmp/y
	# ld nr; jeq mkdir (83): errno EPERM, else allow
	python3 -c 'import struct, sys
for i in ((0x20, 0, 0, 0), (0x15, 0, 1, 83), (6, 0, 0, 0x50001), (6, 0, 0, 0x7fff0000)): sys.stdout.buffer.write(struct.pack("<HBBI", *i))' >"$T/bpf"
	python3 -c 'import struct, sys
for i in ((0x20, 0, 0, 0), (0x15, 0, 1, 83), (6, 0, 0, 0x7fc00000), (6, 0, 0, 0x7fff0000)): sys.stdout.buffer.write(struct.pack("<HBBI", *i))' >"$T/notify"
	guest <<-END
		create a 1 $T/a.json 7 seccomp=$T/notify
		create a 1 $T/a.json 7 seccomp=$T/bpf
		start a
		exec a 2 $T/p.json
		wait 2
		err 2
	END
	[ "$status" -eq 0 ]
	has 'create error 95 linux.seccomp: SCMP_ACT_NOTIFY cannot be used in a virtual machine'
	has 'exit 2 code 1 signal 0'
	part "err 2 mkdir: can't create directory '/tmp/y': Operation not permitted"
}

@test "guest: pause, resume, update, ps, stats, kill of all" {
	share a
	config a '.linux.resources.pids = {limit: 50}' sh -c 'sleep 100 & sleep 100 & until [ "$(ps | grep -c "sleep 100$")" = 2 ]; do sleep 0.1; done; echo ready; wait; echo ended'
	guest <<-END
		create a 1 $T/a.json
		start a
		expect 1 ready
		pause a
		resume a
		update a {"memory": {"limit": 104857600}, "cpu": {"cpus": "0-500"}}
		update a {"memory": {"limit": "x"}}
		ps a
		stats a
		kill a 0 9
		wait 1
		delete a
	END
	[ "$status" -eq 0 ]
	follow 'pause ok' 'resume ok' 'update ok' 'update error 22 resources.json:1:' 'ps [' 'stats {' 'kill ok' 'exit 1 code 137 signal 9' 'delete ok'
	ps=$(sed -n 's/^ps //p' <<<"$output")
	[ "$(jq length <<<"$ps")" = 3 ]
	[ "$(jq -c '[.[] | select(.command == "sleep 100") | .ppid]' <<<"$ps")" = '[1,1]' ]
	[ "$(jq -c '.[] | select(.pid == 1) | .ppid' <<<"$ps")" = 0 ]
	stats=$(sed -n 's/^stats //p' <<<"$output")
	[ "$(jq .cgroup.memory.usage.limit <<<"$stats")" = 104857600 ]
	[ "$(jq .cgroup.pids.limit <<<"$stats")" = 50 ]
	[ "$(jq '.guest.memTotal > .guest.memFree and .guest.memFree > 0' <<<"$stats")" = true ]
}

@test "guest: containers of a pod share what the host says, and nothing else" {
	share pod a b
	config pod . sleep 100
	config a '.hostname = "other"' sh -c 'hostname; ls -l /proc/self/ns/ipc /proc/self/ns/net /proc/self/ns/uts; ps | wc -l'
	process p . ls -l /proc/self/ns/ipc /proc/self/ns/net /proc/self/ns/uts
	guest <<-END
		create pod 1 $T/pod.json
		start pod
		create a 2 $T/a.json 7 ns=0,0,2,0,2,0,0,0 sandbox=pod
		start a
		wait 2
		out 2
		exec pod 3 $T/p.json
		out 3
		create b 4 $T/a.json 7 ns=0,0,2,0,2,2,0,0 sandbox=nopod
		delete pod
		create b 4 $T/a.json 7 ns=0,0,2,0,2,2,0,0 sandbox=pod
		delete a
	END
	[ "$status" -eq 0 ]
	has 'out 2 other'
	local ns
	for ns in ipc net; do [ "$(grep -o "$ns:\[[0-9]*\]" <<<"$output" | sort -u | wc -l)" = 1 ]; done
	[ "$(grep -o 'uts:\[[0-9]*\]' <<<"$output" | sort -u | wc -l)" = 2 ]
	has "create error 2 sandbox 'nopod' of container 'b' is not running"
	has "create error 2 sandbox 'pod' of container 'b' is not running"
}

@test "guest: a user namespace, and exec in it" {
	share a
	config a '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] |
		.linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]' sh -c 'id -u; cat /proc/self/uid_map; sleep 100'
	process p '.user = {uid: 7, gid: 8}' sh -c 'id -u; id -g; cat /proc/self/gid_map'
	guest <<-END
		create a 1 $T/a.json
		start a
		expect 1 65536
		exec a 2 $T/p.json
		wait 2
		out 2
		delete a
		out 1
	END
	[ "$status" -eq 0 ]
	follow 'seen 65536' 'out 2 7' '8' '0          0      65536' 'delete ok' 'out 1 0'
}

@test "guest: delete ends what runs, with its left-overs, and the id can be used again" {
	share a
	config a . sh -c '(trap "" TERM; sleep 100) & echo up; sleep 100'
	guest <<-END
		create a 1 $T/a.json
		start a
		expect 1 up
		delete a
		create a 1 $T/a.json
		delete a
		create a 5 $T/a.json
		start a
		pause a
		delete a
	END
	[ "$status" -eq 0 ]
	[ "$(grep -c '^delete ok$' <<<"$output")" = 3 ]
	run ! pgrep -f 'sleep 100$' --ns $$
}

@test "guest: another version or another protocol is refused in words" {
	share a
	PROTO_VERSION=9 guest <<<closed
	has closed
	part "protocol version 9 of 'guestctl' and version 1 of 'brig-guest"
	NOHELLO=1 guest <<-END
		raw 00000000010000000000000000000000
		closed
	END
	has closed
	NOHELLO=1 guest <<-END
		raw 000000001e0000000000000001000000
		closed
	END
	has closed
	part "message 'ping' came before hello"
}

@test "guest: end of the host is the end of all containers" {
	share a
	config a . sleep 1234
	guest <<-END
		create a 1 $T/a.json
		start a
	END
	[ "$status" -eq 0 ]
	has 'ended 0'
	run ! pgrep -f 'sleep 1234$'
}

@test "guest: startContainer hooks run in the container; the host's kinds are not the guest's work" {
	share a
	config a '.hooks = {startContainer: [{path: "/bin/sh", args: ["sh", "-c", "cat >/tmp/state"]}], prestart: [{path: "/nosuch"}],
		createContainer: [{path: "/nosuch"}], poststart: [{path: "/nosuch"}]}' cat /tmp/state
	guest <<-END
		create a 1 $T/a.json
		start a
		wait 1
		out 1
	END
	[ "$status" -eq 0 ]
	state=$(sed -n 's/^out 1 //p' <<<"$output")
	[ "$(jq -r '.id + " " + .status + " " + .bundle' <<<"$state")" = 'a created /bundle' ]
}
