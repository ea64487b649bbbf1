#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# brig-guest as process 1 of an emulated machine, with the distribution's kernel and a share by virtio-fs.
bats_require_minimum_version 1.5.0
load helpers

setup_file() { need root "virtiofsd needs root"; }

@test "machine: containers in a guest: limits, out of memory, devices, terminal, power-off" {
	share a b
	config a '.linux.resources.memory = {limit: 33554432} | .linux.namespaces += [{type: "cgroup"}] |
		.mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"]}]' \
		sh -c 'cat /sys/fs/cgroup/memory.max; ls /dev/vda /dev/vport0p1 /dev/kmsg 2>&1 | grep -c "No such"; date +%Y; echo go; read x; tail /dev/zero; sleep 300'
	config b '.process.terminal = true' sh -c 'stty size; read x; stty size; exit 3'
	process p . sh -c 'echo score $(cat /proc/self/oom_score_adj); ls /proc | grep -c "^[0-9]"; mknod /tmp/n b 1 0; cat /tmp/n'
	STAGES=$T/stages machine <<-END
		create a 1 $T/a.json
		start a
		expect 1 go
		exec a 2 $T/p.json
		wait 2
		out 2
		err 2
		update a {"memory": {"limit": 67108864}}
		stats a
		ps a
		pause a
		stdin 1 x\n
		resume a
		event oom
		create b 3 $T/b.json 3
		size 3 33 77
		start b
		expect 3 33 77
		size 3 11 22
		stdin 3 x\n
		wait 3
		out 3
		time 1000000000
		exec a 4 $T/p.json
		kill a 0 9
		wait 1
		delete a
		delete b
	END
	[ "$status" -eq 0 ]
	follow 'create ok pid 1' 'start ok' 'seen go' 'exec ok' 'update ok' 'stats {' 'pause ok' 'resume ok' 'event oom a' 'seen 33 77' 'exit 3 code 3' '11 22' \
		'time ok' 'exit 1 code 137 signal 9' 'delete ok' 'delete ok' 'ended 0'
	part "can't open '/tmp/n': Operation not permitted"
	part 'score 0'
	stats=$(sed -n 's/^stats //p' <<<"$output")
	[ "$(jq .cgroup.memory.usage.limit <<<"$stats")" = 67108864 ]
	# the timeline: init, mounts, modules, port, hello, then create, ready, start, exec
	[[ $(cat "$T/stages") == IMKPHCRSX* ]]
}

@test "machine: the interface that the engine made: name, MTU, addresses, routes, neighbours" {
	share a
	config a '.linux.namespaces |= map(select(.type != "network")) | .linux.namespaces += [{type: "network"}]' \
		sh -c 'ip addr show dev eth0; ip route; ip -6 route; cat /proc/net/arp; ls /sys/class/net'
	NET=1 machine <<-END
		net {"interfaces": [{"mac": "52:54:00:12:34:56", "name": "eth0", "mtu": 1400, "addresses": ["10.9.8.7/24", "fd00:9::7/64"]}], "routes": [{"dst": "default", "gateway": "10.9.8.1", "dev": "eth0"}, {"dst": "10.77.0.0/16", "gateway": "10.9.8.2", "metric": 5}, {"dst": "default", "gateway": "fd00:9::1"}], "neighbours": [{"ip": "10.9.8.1", "mac": "02:00:00:00:00:01", "dev": "eth0"}]}
		net {"interfaces": [{"mac": "52:54:00:12:34:99", "name": "eth1"}]}
		net {"routes": [{"dst": "nonsense"}]}
		net [
		create a 1 $T/a.json 7
		start a
		wait 1
		out 1
		err 1
	END
	[ "$status" -eq 0 ]
	has 'net ok'
	part 'no device has the address 52:54:00:12:34:99'
	part "'nonsense' is not an address"
	part 'mtu 1400'
	part 'inet 10.9.8.7/24 brd 10.9.8.255'
	part 'inet6 fd00:9::7/64'
	part 'default via 10.9.8.1 dev eth0'
	part '10.77.0.0/16 via 10.9.8.2 dev eth0  metric 5'
	part 'default via fd00:9::1 dev eth0'
	part '02:00:00:00:00:01'
}

@test "machine: modules come when somebody asks for them" {
	share a
	config a '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])' \
		sh -c 'mkdir /tmp/u /tmp/l /tmp/w /tmp/m; mount -t tmpfs t /tmp/u; mkdir /tmp/u/u /tmp/u/w; mount -t overlay -o lowerdir=/tmp/l,upperdir=/tmp/u/u,workdir=/tmp/u/w o /tmp/m && echo overlaid'
	machine <<-END
		create a 1 $T/a.json
		start a
		wait 1
		out 1
		err 1
	END
	[ "$status" -eq 0 ]
	has 'out 1 overlaid'
}

@test "machine: the tuned kernel, with its own initramfs and with the distribution's" {
	[ -s "$BUILD/guest/vmlinux.tuned" ] || skip "needs make guest-kernel"
	share a
	config a '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"]) | .linux.resources.memory = {limit: 33554432}' \
		sh -c 'mkdir /tmp/u /tmp/l /tmp/m; mount -t tmpfs t /tmp/u; mkdir /tmp/u/u /tmp/u/w; mount -t overlay -o lowerdir=/tmp/l,upperdir=/tmp/u/u,workdir=/tmp/u/w o /tmp/m && echo overlaid'
	local script
	script=$(cat <<-END
		net {"interfaces": [{"mac": "52:54:00:12:34:56", "name": "eth0", "addresses": ["10.9.8.7/24"]}]}
		create a 1 $T/a.json
		start a
		wait 1
		out 1
		stats a
	END
	)
	for TUNED in 1 2; do
		NET=1 TUNED=$TUNED machine <<<"$script"
		[ "$status" -eq 0 ]
		follow 'net ok' 'create ok' 'exit 1 code 0' 'out 1 overlaid' '"limit":33554432' 'ended 0'
	done
}
