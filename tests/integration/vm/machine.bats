#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# brig-vm in an emulated machine, or under KVM where there is one: everything the command line promises, in few machines, because each takes seconds to boot.

bats_require_minimum_version 1.5.0
BACKEND=vm
PATIENCE=60
RT_TIMEOUT=180
load ../helpers

test_setup() {
	have_kvm || command -v qemu-system-x86_64 >/dev/null || skip "needs qemu-system-x86_64"
	[ -e "$BUILD/guest/initramfs" ] || skip "needs make guest"
}

# has_line PID NAME VALUE: of /proc/PID/status
has_line() { grep -Eq "^$2:[[:space:]]+$3\$" "/proc/$1/status" || { echo "process $1 ($(cat "/proc/$1/comm")): $(grep "^$2:" "/proc/$1/status"), not $3"; return 1; }; }
# confined PID: the machine's process and its helpers have nothing left to give up
confined() {
	local p n=0
	for p in "$1" $(pgrep -P "$1"); do
		has_line "$p" NoNewPrivs 1
		has_line "$p" Seccomp 2
		have_kvm || has_line "$p" CapBnd 0000000000000000 # its file server has its own process
		n=$((n + 1))
		[ "$(cat "/proc/$p/comm")" != virtiofsd ] || continue # acts as each of the guest's users
		has_line "$p" CapPrm 0000000000000000
		has_line "$p" CapEff 0000000000000000
		has_line "$p" Uid "65534[[:space:]]65534[[:space:]]65534[[:space:]]65534"
		has_line "$p" Gid "65534[[:space:]]65534[[:space:]]65534[[:space:]]65534"
	done
	if have_kvm; then [ $n = 1 ]; else [ $n = 3 ]; fi
}
out_has() { grep -q "$1" "$T/$ID.out"; }

@test "vm: run: streams, exit code, mounts, the guest's own kernel" {
	mkdir "$BATS_TEST_TMPDIR/data"
	echo from the host >"$BATS_TEST_TMPDIR/data/file"
	mk_sh 'cat; echo to stderr >&2; cat /data/file; echo back >/data/new; echo x >/ro/y; cat /one; cat /proc/sys/kernel/random/boot_id; id -u; cat /proc/1/cmdline | tr "\0" " "; exit 42' '
		.mounts += [ { destination: "/data", type: "bind", source: $d, options: ["bind", "rw"] },
			{ destination: "/ro", type: "bind", source: $d, options: ["bind", "ro"] },
			{ destination: "/one", type: "bind", source: ($d + "/file"), options: ["bind"] } ]
		| .process.user = { uid: 1000, gid: 1000 }' --arg d "$BATS_TEST_TMPDIR/data"
	chmod 777 "$BATS_TEST_TMPDIR/data"
	# on a host without taps, which only interfaces need
	run -42 unshare -m bash -c 'mount -t tmpfs none /dev/net && echo from stdin | "$@" 2>"$0"' "$T/err" timeout 180 "$RUNTIME" --root "$ROOT" "${VM_FLAGS[@]}" run --bundle "$B" "$ID"
	echo "$output"; cat "$T/err"
	[ "${lines[0]}" = "from stdin" ]
	[ "${lines[1]}" = "from the host" ]
	[ "${lines[2]}" = "from the host" ]
	[ "${lines[3]}" != "$(cat /proc/sys/kernel/random/boot_id)" ] # another boot of another kernel
	[ "${lines[4]}" = 1000 ]
	grep -q "to stderr" "$T/err"
	grep -q "Read-only file system" "$T/err"
	[ "$(cat "$BATS_TEST_TMPDIR/data/new")" = back ]
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/data/new")" = 1000 ]
	no_residue "$ID"
}

@test "vm: create, start, exec, ps, stats, pause, update, signals, delete" {
	mk_sh 'echo up; trap "echo got usr1" USR1; trap "exit 7" TERM; while :; do sleep 0.1; done' \
		'.linux.resources.memory.limit = 67108864 | .linux.resources.pids.limit = 20
		| .mounts += [{destination: "/vol", type: "bind", source: $d, options: ["bind"]}]' --arg d "$BATS_TEST_TMPDIR"
	echo word >"$BATS_TEST_TMPDIR/word"
	ct_create
	[ "$(ct_status)" = created ]
	[ ! -s "$T/$ID.out" ]
	ct_start
	[ "$(ct_status)" = running ]
	wait_for out_has up
	run ! rt start "$ID"
	confined "$(ct_pid)"
	# who joins the mount namespace, as podman cp does, finds the container's files
	[ "$(nsenter -t "$(ct_pid)" -m /bin/cat /etc/issue /vol/word | paste -sd ,)" = "brig test image,word" ]

	# exec
	[ "$(rt exec "$ID" echo hello)" = hello ]
	[ "$(echo over | rt exec "$ID" cat)" = over ]
	run -9 rt exec "$ID" sh -c 'exit 9'
	run -255 rt exec "$ID" no-such-program
	[[ "$output" == *'executable file not found in $PATH'* ]]
	run ! rt exec --preserve-fds 1 "$ID" true
	[[ "$output" == *"--preserve-fds"* ]]
	[ "$(rt exec --user 1000:1000 --env A=b --cwd /tmp "$ID" sh -c 'id -u; echo $A; pwd' | paste -sd ,)" = 1000,b,/tmp ]
	[ "$(rt exec "$ID" sh -c 'dd if=/dev/zero bs=1k count=2000 2>/dev/null' | wc -c)" = 2048000 ]
	[ "$(rt exec "$ID" cat /sys/fs/cgroup/memory.max 2>/dev/null || echo none)" = none ] # no cgroup mount asked for

	# a detached exec is a process of the host that stands for the guest's; its end is that one's
	rt exec --detach --pid-file "$T/exec.pid" "$ID" sleep 333 </dev/null >/dev/null 2>&1
	grep -q brig:exec "/proc/$(cat "$T/exec.pid")/comm"
	rt exec "$ID" ps | grep -q "sleep 333"
	[ "$(rt ps --format json "$ID" | jq length)" -ge 2 ]
	rt ps "$ID" | grep -q "sleep 333"
	kill -9 "$(cat "$T/exec.pid")"
	gone_333() { ! rt exec "$ID" ps | grep -q "sleep 333"; }
	wait_for gone_333
	rt exec --detach --pid-file "$T/exec.pid" "$ID" sleep 444 </dev/null >/dev/null 2>&1
	kill -TERM "$(cat "$T/exec.pid")"
	stub_gone() { [ ! -d "/proc/$(cat "$T/exec.pid")" ]; }
	wait_for stub_gone

	# figures of the container, and of its machine apart
	rt events --stats "$ID" >"$T/stats"
	[ "$(jq .data.memory.usage.limit "$T/stats")" = 67108864 ]
	[ "$(jq .data.pids.limit "$T/stats")" = 20 ]
	[ "$(jq .data.machine.host.memory.usage.limit "$T/stats")" -gt 67108864 ]

	rt pause "$ID"
	[ "$(ct_status)" = paused ]
	run ! rt exec "$ID" true
	rt resume "$ID"
	[ "$(ct_status)" = running ]
	[ "$(rt exec "$ID" echo awake)" = awake ]

	rt update --memory 96M --pids-limit 30 "$ID"
	rt events --stats "$ID" >"$T/stats"
	[ "$(jq .data.memory.usage.limit "$T/stats")" = 100663296 ]
	[ "$(jq .data.pids.limit "$T/stats")" = 30 ]

	run ! rt update --memory 2G "$ID"
	[[ "$output" == *"the container's machine has"* ]]

	# signals: by the verb, and by hand at the pid of state
	rt kill "$ID" USR1
	wait_for out_has "got usr1"
	: >"$T/$ID.out"
	rt kill --all "$ID" USR1 # those in the guest, not the machine
	wait_for out_has "got usr1"
	: >"$T/$ID.out"
	kill -USR1 "$(ct_pid)"
	wait_for out_has "got usr1"
	run ! rt delete "$ID"
	rt kill "$ID" TERM
	wait_for is_status stopped
	run ! rt kill "$ID" TERM
	[[ "$output" == *"container not running"* ]]
	rt delete "$ID"
	no_residue "$ID"
}

# host_limit: memory limit of the container's cgroup on the host; host_held: what it holds besides file cache
host_limit() { cat /sys/fs/cgroup/memory/"$CG"/memory.limit_in_bytes /sys/fs/cgroup/"$CG"/memory.max 2>/dev/null || true; }
host_held() { rt events --stats "$ID" | jq '.data.machine.host.memory | .usage.usage - .raw.inactive_file - .raw.active_file'; }
holds_less() { [ "$(host_held)" -lt "$1" ]; }

@test "vm: update: memory down and up again, the host gets it back; what the guest refuses changes nothing on the host" {
	mk_sh 'dd if=/dev/zero of=/dev/shm/fill bs=1M count=200 2>/dev/null; echo full; while [ ! -e /dev/shm/go ]; do sleep 0.2; done; rm /dev/shm/fill; echo empty; sleep 1000' \
		'.linux.resources.memory.limit = 402653184 | (.mounts[] | select(.destination == "/dev/shm") | .options) += ["size=300m"]'
	ct_up
	wait_for out_has full
	local limit held
	limit=$(host_limit)
	held=$(host_held)
	[ "$held" -gt 209715200 ]
	run ! rt update --cpuset-cpus 77 "$ID" # no such CPU, on the host or in the guest
	run ! rt update --memory 1G --pids-limit 50 "$ID"
	[ "$(host_limit)" = "$limit" ]
	[ "$(rt events --stats "$ID" | jq .data.pids.limit)" != 50 ]
	rt exec "$ID" touch /dev/shm/go
	wait_for out_has empty
	rt update --memory 64M "$ID"
	[ "$(rt events --stats "$ID" | jq .data.memory.usage.limit)" = 67108864 ]
	wait_for holds_less $((held - 150000000))
	[ "$(host_limit)" -lt "$limit" ]
	# and up: the container can use it
	rt update --memory 384M "$ID"
	[ "$(host_limit)" -ge "$limit" ]
	rt exec "$ID" dd if=/dev/zero of=/dev/shm/fill bs=1M count=200 2>/dev/null
	[ "$(rt exec "$ID" stat -c %s /dev/shm/fill)" = 209715200 ]
}

@test "vm: errors in the guest reach create and start with the words of namespaces mode" {
	mk_bundle '.process.args = ["/no/such/program"]'
	if ct_create 2>"$T/err"; then run ! rt start "$ID"; echo "$output" >>"$T/err"; rt delete --force "$ID"; fi
	grep -q 'no such file or directory' "$T/err" || { cat "$T/err"; false; }
	no_residue "$ID"
}

@test "vm: SIGKILL ends it at once, and a killed machine takes its helpers along" {
	mk_sh 'trap "" TERM; echo up; while :; do sleep 1; done'
	ct_up
	wait_for out_has up
	rt kill "$ID" KILL
	PATIENCE=5 wait_for is_status stopped
	rt delete "$ID"
	no_residue "$ID"
	mk_bundle
	ct_create
	kill -9 "$(ct_pid)"
	PATIENCE=5 wait_for is_status stopped
	rt delete "$ID"
	no_residue "$ID"
}

@test "vm: a terminal, its size and its end" {
	mk_sh 'stty size; tty; read -r line; echo "line: $line"; stty size; exit 5' '.process.terminal = true | .process.consoleSize = {height: 33, width: 99}'
	run -5 bash -c '(sleep 6; printf "typed\n") | timeout 170 "$@"' - "$(helper onpty)" 99x33 "$RUNTIME" --root "$ROOT" "${VM_FLAGS[@]}" run --bundle "$B" "$ID"
	echo "$output"
	[[ "$output" == *"/dev/pts/0"* ]]
	[[ "$output" == *"line: typed"* ]]
	no_residue "$ID"
}

@test "vm: create with a console socket lets go of its output" {
	mk_sh 'tty; sleep 100' '.process.terminal = true'
	"$(helper recvfd)" "$T/c" console </dev/null >"$T/tty" 2>"$T/tty.err" 3>&- &
	background $!
	wait_for test -S "$T/c"
	# an engine's pipe: the command substitution ends when nobody holds it any more
	run timeout 120 "$RUNTIME" --root "$ROOT" "${VM_FLAGS[@]}" create --bundle "$B" --console-socket "$T/c" "$ID" 3>&-
	[ "$status" = 0 ]
	rt start "$ID"
	wait_for grep -q /dev/pts/0 "$T/tty"
	rt exec --detach --tty --console-socket "$T/none" "$ID" true && false
	rt delete --force "$ID"
}

# A network namespace $NS; its interface is made by net_interface, when the test wants it.
net_namespace() {
	NS=n$RANDOM
	ip netns add $NS 2>/dev/null || skip "cannot make network namespaces"
	IN_NS="(.linux.namespaces[] | select(.type == \"network\")).path = \"/run/netns/$NS\"
		| .process.capabilities.bounding += [\"CAP_NET_RAW\"] | .process.capabilities.effective += [\"CAP_NET_RAW\"]
		| .process.capabilities.permitted += [\"CAP_NET_RAW\"]"
}
net_interface() {
	ip link add "v$NS" type veth peer name eth0 netns "$NS"
	ip addr add 10.99.7.1/24 dev "v$NS"
	ip link set "v$NS" up
	ip -n "$NS" addr add 10.99.7.2/24 dev eth0
	ip -n "$NS" link set eth0 mtu 1400 up
	ip -n "$NS" route add default via 10.99.7.1
}
test_teardown() { [ -z "${NS:-}" ] || ip netns del "$NS" || true; }
LOOK='ip -o -4 addr show eth0; ip link show eth0; ip route; ping -c 1 -W 5 10.99.7.1 && echo reached'
sees_network() {
	echo "$1"
	[[ "$1" == *"10.99.7.2/24"* && "$1" == *"mtu 1400"* && "$1" == *"default via 10.99.7.1"* && "$1" == *reached* ]]
}

@test "vm: an interface that is made between create and start; a second container in the namespace; a second machine after the first" {
	net_namespace
	mk_sh "$LOOK; readlink /proc/self/ns/net; sleep 600" "$IN_NS"
	ct_create
	net_interface
	[ "$(rt exec "$ID" ls /sys/class/net)" = lo ] # the device that waits is nobody's business
	ct_start
	wait_for out_has net:
	sees_network "$(ct_out)"
	[[ "$(ct_out)" == *"$(ip netns exec "$NS" cat /sys/class/net/eth0/address)"* ]]
	local first=$ID net
	net=$(grep net: "$T/$ID.out")
	# podman run --network container:NAME, without a word about pods
	mk_sh "readlink /proc/self/ns/net; $LOOK" "$IN_NS"
	run -0 ct_run
	[ "${lines[0]}" = "$net" ]
	sees_network "$output"
	no_residue "$ID"
	rt delete --force "$first"
	no_residue "$first"
	# the traffic is not sent to a tap that is gone
	mk_sh "$LOOK" "$IN_NS"
	run -0 ct_run
	sees_network "$output"
}

@test "vm: hooks: the host's kinds on the host, createContainer in the machine's namespaces, startContainer in the guest" {
	# as docker's does it: an interface for the new network namespace of state.pid
	cat >"$T/hook" <<-END
		#!/bin/sh
		pid=\$(jq .pid) && echo createRuntime >>$T/log && ip link add h$$ type veth peer name eth0 netns \$pid &&
			nsenter -t \$pid -n sh -c 'ip addr add 10.99.8.2/24 dev eth0; ip link set eth0 up'
	END
	chmod +x "$T/hook"
	mk_sh 'cat /hook; ip -o -4 addr show eth0' '.hooks = {
		createRuntime: [ { path: ($t + "/hook"), env: ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"] } ],
		createContainer: [ { path: "/bin/sh", args: ["sh", "-c", "echo createContainer >>\($t)/log"] } ],
		startContainer: [ { path: "/bin/sh", args: ["sh", "-c", "echo startContainer $(cat /proc/sys/kernel/random/boot_id) >/hook"] } ],
		poststart: [ { path: "/bin/sh", args: ["sh", "-c", "echo poststart >>\($t)/log"] } ],
		poststop: [ { path: "/bin/sh", args: ["sh", "-c", "echo poststop >>\($t)/log"] } ] }' --arg t "$T"
	run ct_run
	echo "$output"
	[[ "$output" == *"startContainer "* ]]
	[[ "$output" != *"$(cat /proc/sys/kernel/random/boot_id)"* ]]
	[[ "$output" == *"10.99.8.2/24"* ]]
	[ "$(paste -sd , "$T/log")" = createRuntime,createContainer,poststart,poststop ]
}

@test "vm: the containers of a pod share the sandbox's machine" {
	mk_bundle '.annotations = { "io.kubernetes.cri.container-type": "sandbox" } | .hostname = "pod"'
	ct_up
	local sandbox=$ID pid
	pid=$(ct_pid)
	mk_sh 'cat; cat /proc/sys/kernel/hostname; cat /data/word; exit 4' 'del(.hostname) | .mounts += [ { destination: "/data", type: "bind", source: $d, options: ["bind"] } ]
		| .annotations = { "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": $s }
		| (.linux.namespaces[] | select(.type == "network")).path = "/proc/\($p)/ns/net"
		| (.linux.namespaces[] | select(.type == "ipc")).path = "/proc/\($p)/ns/ipc"
		| (.linux.namespaces[] | select(.type == "uts")).path = "/proc/\($p)/ns/uts"' --arg s "$sandbox" --arg p "$pid" --arg d "$BATS_TEST_TMPDIR"
	echo word >"$BATS_TEST_TMPDIR/word"
	echo input | rt create --bundle "$B" --pid-file "$T/$ID.pid" "$ID" >"$T/$ID.out" 2>&1
	[ "$(ct_status)" = created ]
	rt start "$ID"
	wait_for is_status stopped
	[ "$(paste -sd , "$T/$ID.out")" = input,pod,word ]
	rt delete "$ID"
	run -4 rt run --bundle "$B" "$ID" </dev/null
	[ "$(rt state "$sandbox" | jq -r .status)" = running ]
	rt exec "$sandbox" true
	rt delete --force "$sandbox"
}

@test "vm: settings that only the administrator may change are refused" {
	mk_bundle '.annotations = { "org.brig.vm.vcpus": "4" }'
	run ! rt create --bundle "$B" "$ID"
	[[ "$output" == *"org.brig.vm.vcpus: not allowed"* ]]
	no_residue "$ID"
	mk_bundle
	run ! rt create --preserve-fds 1 --bundle "$B" "$ID" 3>&-
	[[ "$output" == *"--preserve-fds"* ]]
	no_residue "$ID"
	rt create --dry-run --bundle "$B" "$ID" | grep -Eq "^machine: (emulated|kvm), 1 vCPUs, 512 MiB"
	# one notice, unless emulation was asked for; the hook ends it before the machine starts
	edit '.hooks.createRuntime = [{path: "/bin/false"}]'
	have_kvm && return
	run ! timeout 60 "$RUNTIME" --root "$ROOT" create --bundle "$B" "$ID"
	[ "$(grep -c "the machine is emulated" <<<"$output")" = 1 ]
	run ! rt create --bundle "$B" "$ID"
	[[ "$output" != *emulated* ]]
}

# as_user MODE COMMAND...: as somebody who may use /dev/kvm, or not; whatever the mode of the host's is
as_user() {
	# shellcheck disable=SC2016 # the inner shell's
	unshare -m bash -c 'mode=$1; shift
		if [ -e /dev/kvm ] || [ "$mode" = 600 ]; then
			mount -t tmpfs kvm /mnt && mknod -m "$mode" /mnt/kvm c 10 232 || exit 99
			if [ -e /dev/kvm ]; then mount --bind /mnt/kvm /dev/kvm; else mount -t tmpfs dev /dev && mknod -m "$mode" /dev/kvm c 10 232; fi || exit 99
		fi
		exec setpriv --reuid 12345 --regid 12345 --clear-groups timeout 180 "$@"' - "$@"
}

@test "vm: who may not use /dev/kvm is told what to do" {
	mk_sh true 'del(.linux.cgroupsPath, .linux.resources)'
	install -d -o 12345 -g 12345 "$T/own"
	run ! as_user 600 "$RUNTIME" --root "$T/own" --vm-accel kvm create --bundle "$B" "$ID"
	echo "$output"
	[[ "$output" == *"user 12345 may not open '/dev/kvm'"*"usermod -aG kvm"* ]]
	have_kvm && return
	[ ! -e /dev/kvm ] || return 0
	run ! rt --vm-accel kvm create --bundle "$B" "$ID"
	[[ "$output" == *"there is no '/dev/kvm'"* ]]
}

@test "vm: rootless: root inside is the user outside" {
	mk_sh 'id -u; touch /x; ls /sys/class/net; exit 3' 'del(.linux.cgroupsPath, .linux.resources)'
	chown -R 12345:12345 "$R"
	install -d -o 12345 -g 12345 "$T/own"
	run -3 as_user 666 "$RUNTIME" --root "$T/own" "${VM_FLAGS[@]}" run --bundle "$B" "$ID" </dev/null
	[ "$output" = "0
lo" ]
	[ "$(stat -c %u "$R/x")" = 12345 ]
	[ -z "$(ls "$T/own")" ]
}
