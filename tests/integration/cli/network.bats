#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031,SC2016
# SPDX-License-Identifier: Apache-2.0
# Networks, published ports and names, in a network namespace of the test's own, which plays the host: nothing touches the machine's
# network. A second one is another machine.

bats_require_minimum_version 1.5.0
load helpers
load host

setup_file() { make_host; make_store; }
teardown_file() { remove_host; }
setup() {
	need_root
	command -v conmon >/dev/null || skip "containers in the background need conmon"
}
teardown() { remove_all; }

serve() { brig run -d "$@" sh -c 'echo hello >/tmp/index.html; httpd -f -p 80 -h /tmp'; }
# within a container: busybox' wget does not run when it is linked statically
fetch='fetch() { printf "GET / HTTP/1.0\r\n\r\n" | timeout 3 nc $1 $2 | tail -1; }'
get() { on_host curl -s -m 3 "$1"; }

@test "the default network: address, route, names, and a way out" {
	run brig run --rm -h box bb sh -c "$fetch"'; ip -4 -o addr show eth0; ip route; cat /etc/hosts; fetch 192.0.2.9 9000'
	[ "$status" -eq 0 ]
	[[ $output == *"inet 10."*"/16 "* && $output == *"default via 10."*" dev eth0"* ]]
	[[ $output == *"host.containers.internal"* && $output == *$'\tbox '* && $output == *"another machine"* ]]
}

@test "-p: from the host, by 127.0.0.1, from another machine, from the container itself" {
	serve --name web -p 8080:80 -p 127.0.0.1:8081:80 bb
	eventually get http://127.0.0.1:8080/
	[ "$(get http://127.0.0.1:8080/)" = hello ]
	[ "$(get http://192.0.2.1:8080/)" = hello ]
	[ "$(get http://127.0.0.1:8081/)" = hello ]
	[ "$(elsewhere curl -s -m 3 http://192.0.2.1:8080/)" = hello ]
	run ! elsewhere curl -s -m 1 http://192.0.2.1:8081/
	[ "$(brig exec web sh -c "$fetch; fetch 192.0.2.1 8080")" = hello ]
	[ "$(brig run --rm bb sh -c "$fetch; fetch 192.0.2.1 8080")" = hello ]
	[ "$(brig ps --format '{{.Ports}}')" = "0.0.0.0:8080->80/tcp, 127.0.0.1:8081->80/tcp" ]
	[ "$(brig port web | sort | tr '\n' ' ')" = "80/tcp -> 0.0.0.0:8080 80/tcp -> 127.0.0.1:8081 " ]
	[ "$(brig port web 80 | head -1)" = 0.0.0.0:8080 ]
	run brig port web 81
	[[ $status -eq 125 && $output == *"no public port '81'"* ]]
	brig rm -f web
	run ! get http://127.0.0.1:8080/
}

@test "-p: ranges, free ports, -P, udp" {
	brig run -d --name r -p 9000-9002:90-92 -p 7000-7005:70 -p 53/udp --expose 99 -P bb sleep 100
	run brig port r
	[[ $output == *"90/tcp -> 0.0.0.0:9000"*"92/tcp -> 0.0.0.0:9002"* && $output == *"70/tcp -> 0.0.0.0:7000"* ]]
	[[ $output =~ 53/udp\ -\>\ 0.0.0.0:[0-9]+ && $output =~ 99/tcp\ -\>\ 0.0.0.0:[0-9]+ ]]
}

@test "-p: a port that is taken is an error, and the other container keeps it" {
	serve --name web -p 8080:80 bb
	run brig run --rm -p 8080:80 bb true
	[[ $status -eq 125 && $output == *"8080"*"already allocated"* ]]
	run brig run --rm -p 9999:80 bb true # another program listens there
	[[ $status -eq 125 && $output == *"9999"*"in use"* ]]
	eventually get http://127.0.0.1:8080/
	run brig run --rm -p 8080 -p x:80 bb true
	[[ $status -eq 125 && $output == *"--publish x:80"* ]]
}

@test "a container does not reach what listens on the host's loopback" {
	[ "$(get http://127.0.0.1:9999/)" = "another machine" ]
	serve --name web -p 8080:80 --privileged bb
	run brig exec web sh -c "$fetch"'; ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.0/8 via $(ip route | sed -n "s/default via \([0-9.]*\).*/\1/p")
		echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet; echo tried; fetch 127.0.0.1 9999'
	[[ $output == *tried* && $output != *"another machine"* ]]
}

@test "network create, ls, inspect, rm" {
	[ "$(brig network create --subnet 10.200.3.0/24 --gateway 10.200.3.254 --label tier=db db)" = db ]
	run brig network create db
	[[ $status -eq 125 && $output == *"already exists"* ]]
	run brig network ls
	[[ ${lines[0]} == "NETWORK ID"*"NAME"*"DRIVER"*"SCOPE" && $output == *" bridge "* && $output == *" db "* && $output == *" none "* ]]
	[ "$(brig network ls -q --filter label=tier=db)" = db ]
	[ "$(brig network inspect db | jq -r '.[0].IPAM.Config[0].Subnet')" = 10.200.3.0/24 ]
	[ "$(brig network inspect -f '{{.Driver}} {{(index .IPAM.Config 0).Gateway}}' db)" = "bridge 10.200.3.254" ]
	brig run -d --name pg --network db --ip 10.200.3.7 bb sleep 100
	[ "$(brig inspect -f '{{.NetworkSettings.Networks.db.IPAddress}}' pg)" = 10.200.3.7 ]
	[ "$(brig network inspect db | jq -r '.[0].Containers[].IPv4Address')" = 10.200.3.7/24 ]
	run brig network rm db
	[[ $status -eq 125 && $output == *"in use by pg"* ]]
	run brig run --rm --network db --ip 10.200.3.7 bb true
	[[ $status -eq 125 && $output == *"10.200.3.7"*"in use"* ]]
	run brig run --rm --network db --ip 10.9.9.9 bb true
	[[ $status -eq 125 && $output == *"not in 10.200.3.0/24"* ]]
	brig rm -f pg
	[ "$(brig network rm db)" = db ]
	run on_host ip -o link
	[[ $output != *brig1* ]]
	run brig network inspect db
	[[ $status -eq 125 && $output == *"'db' does not exist"* ]]
	run brig run --rm --network db bb true
	[[ $status -eq 125 && $output == *"'db' does not exist"* ]]
}

@test "names: containers of a network find one another while they run" {
	brig network create app
	brig run -d --name one --network app --network-alias uno bb sleep 100
	brig run -d --name two --network app bb sleep 100
	brig exec two ping -c1 -W2 one
	brig exec two ping -c1 -W2 uno
	eventually brig exec one ping -c1 -W2 two
	brig rm -f two
	run brig exec one cat /etc/hosts
	[[ $output != *two* ]]
	brig rm -f one
	brig network rm app
}

@test "an internal network has no way out; two networks are two interfaces" {
	brig network create --internal quiet
	[ -z "$(brig run --rm --network quiet bb sh -c "$fetch; fetch 192.0.2.9 9000 2>/dev/null")" ]
	run brig run --rm --network bridge --network quiet bb sh -c "$fetch; ip -o -4 addr; fetch 192.0.2.9 9000"
	[[ $status -eq 0 && $output == *eth0*eth1* && $output == *"another machine"* ]]
	brig network rm quiet
}

@test "IPv6: an address, a route, and a published port" {
	[ -e /proc/sys/net/ipv6 ] || skip "no IPv6 in this kernel"
	brig network create --ipv6 six
	serve --name web6 --network six -p '[::]:8086:80' bb
	run brig exec web6 ip -6 addr show eth0
	[[ $output == *"inet6 fd"*"/64 scope global"* ]]
	on_host ip addr add 2001:db8::1/64 dev up0 nodad
	eventually get 'http://[2001:db8::1]:8086/'
	brig rm -f web6
	brig network rm six
}

@test "--network container:, host, none, and --dns, --add-host" {
	serve --name web -p 8080:80 bb
	eventually get http://127.0.0.1:8080/
	[ "$(brig run --rm --network container:web bb sh -c "$fetch; fetch 127.0.0.1 80")" = hello ]
	[[ $(brig run --rm --network host bb ip -o link) == *up0* ]]
	[ "$(brig run --rm --network none bb sh -c 'ip -o link | wc -l')" = 1 ]
	run brig run --rm --dns 192.0.2.53 --dns-search example.org --dns-option ndots:2 --add-host db:10.1.1.1 bb cat /etc/resolv.conf /etc/hosts
	[[ $output == *"nameserver 192.0.2.53"* && $output == *"search example.org"* && $output == *"options ndots:2"* ]]
	[[ $output == *$'10.1.1.1\tdb'* ]]
	run brig run --rm --network container:nobody bb true
	[[ $status -eq 125 && $output == *nobody* ]]
}

@test "networks of others: CNI plugins, with their errors shown" {
	[ -x /usr/lib/cni/bridge ] || skip "the CNI plugins are not installed"
	command -v iptables >/dev/null || skip "the CNI plugins need iptables"
	on_host sh -c 'cat >/etc/cni/net.d/10-other.conflist' <<-'X'
		{"cniVersion":"0.4.0","name":"other","plugins":[
		 {"type":"bridge","bridge":"other0","isGateway":true,"ipMasq":true,
		  "ipam":{"type":"host-local","dataDir":"/run/cni","routes":[{"dst":"0.0.0.0/0"}],"ranges":[[{"subnet":"10.66.0.0/24"}]]}},
		 {"type":"portmap","capabilities":{"portMappings":true}}]}
	X
	on_host sh -c 'cat >/etc/cni/net.d/20-bad.conflist' <<-'X'
		{"cniVersion":"0.4.0","name":"bad","plugins":[{"type":"macvlan","master":"nodev",
		 "ipam":{"type":"host-local","dataDir":"/run/cni","ranges":[[{"subnet":"10.67.0.0/24"}]]}}]}
	X
	serve --name web --network other --ip 10.66.0.77 -p 8088:80 bb
	eventually get http://127.0.0.1:8088/
	[ "$(brig inspect -f '{{.NetworkSettings.Networks.other.IPAddress}}' web)" = 10.66.0.77 ]
	brig rm -f web
	[ -z "$(on_host find /run/cni/other -name '10.*')" ]
	run ! on_host grep nsfs /proc/mounts
	run brig run --rm --network bad bb true
	[[ $status -eq 125 && $output == *"network 'bad': plugin 'macvlan'"* ]]
	run brig network rm other
	[[ $status -eq 125 && $output == *"not made by brig"* ]]
}

@test "nothing is left: interfaces, rules, leases, records" {
	brig run -d --name a -p 8080:80 bb sleep 100
	pid=$(brig inspect -f '{{.State.Pid}}' a)
	kill -9 "$pid"
	none_runs() { [ -z "$(brig ps -q)" ]; }
	eventually none_runs
	brig run --rm -p 8080:80 bb true
	brig rm -fa
	[ -z "$(on_host ip -o link show type veth | grep -v up0)" ]
	[ -z "$(find "$BATS_FILE_TMPDIR/run/.cli/net/containers" "$BATS_FILE_TMPDIR/run/.cli/net/leases" -type f ! -name last)" ]
	command -v nft >/dev/null || return 0
	run on_host nft list table inet brig
	[[ $output != *8080* && $output == *brig0* ]]
}

@test "network connect and disconnect: at once, and for later starts" {
	brig network create late >/dev/null
	brig run -d --name c bb sleep 300
	brig network connect --alias other late c
	[ "$(brig exec c sh -c 'ls /sys/class/net | tr "\n" " "')" = "eth0 eth1 lo " ]
	[ "$(brig inspect -f '{{len .NetworkSettings.Networks}} {{.HostConfig.NetworkMode}}' c)" = "2 bridge,late" ]
	brig run --rm --network late bb ping -c 1 -W 10 other
	run brig network connect late c
	[[ $status -eq 125 && $output == *"already connected"* ]]
	brig network disconnect bridge c
	[ "$(brig exec c sh -c 'ls /sys/class/net | tr "\n" " "; ip route | grep -c "^default.*eth1"')" = "eth1 lo 1" ]
	brig restart -t 0 c
	[ "$(brig exec c sh -c 'ls /sys/class/net | tr "\n" " "')" = "eth0 lo " ]
	brig network disconnect late c
	[ "$(brig exec c sh -c 'ls /sys/class/net | tr "\n" " "')" = "lo " ]
	brig network connect bridge c
	brig exec c ip -4 addr show eth0 | grep -q inet
	run brig network disconnect late c
	[[ $status -eq 125 && $output == *"not connected"* ]]
	brig rm -f c
	brig network rm late
}
