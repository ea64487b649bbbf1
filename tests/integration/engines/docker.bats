#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker drives the runtime: a daemon with --add-runtime.
load helpers
bats_require_minimum_version 1.5.0

have_docker() { command -v dockerd >/dev/null && command -v docker >/dev/null; }

setup_file() {
	file_needs docker "docker is not installed" || return 0
	engine_up
	ns sh -c 'mkdir -p /run/lock; echo 1 >/proc/sys/net/ipv4/ip_forward' || true
	ns_daemon "$E/dockerd.log" dockerd --data-root "$E/data" --exec-root /run/docker-exec -H "unix://$E/d.sock" --pidfile "$E/d.pid" \
		--add-runtime "brig=$RT" --default-runtime brig
	up() { docker version >/dev/null 2>&1; }
	PATIENCE=30 wait_for up || { tail -n 30 "$E/dockerd.log" >&2; return 1; }
	docker import "$(image_tar)" box:1 >/dev/null
}
teardown_file() { ENGINE_CGROUPS=docker engine_down; }
teardown() {
	local c
	[ -n "${E:-}" ] || return 0
	c=$(docker ps -aq)
	# shellcheck disable=SC2086
	[ -z "$c" ] || docker rm -f $c >/dev/null
}
docker() { ns timeout --foreground -k 5 "$ENGINE_TIMEOUT" docker -H "unix://$E/d.sock" "$@"; }

@test "docker info: knows the runtime" {
	docker info --format '{{json .Runtimes}}' | grep -q brig
}

@test "docker run: output, exit code, input" {
	run docker run --rm box:1 sh -c 'echo hello; exit 7'
	echo "$output"
	[ "$status" = 7 ]
	[ "$output" = hello ]
	[ "$(echo data | docker run --rm -i box:1 cat)" = data ]
	called 'create .*--bundle'
}

@test "docker run: 127 and 126" {
	run -127 docker run --rm box:1 no-such-program
	echo "$output"
	run docker run --rm box:1 /etc/issue
	echo "$output"
	[ "$status" = 126 ]
}

@test "docker run -t, -d, logs, exec, top, stats, pause, kill, stop" {
	run docker run --rm -t box:1 tty
	[[ "$output" == /dev/pts/0* || "$output" == /dev/console* ]]
	docker run -d --name d1 --memory 64m box:1 sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done'
	logged() { docker logs d1 | grep -q up; }
	wait_for logged
	run docker exec -u 1000 -w /tmp -e X=y d1 sh -c 'echo $(id -u) $PWD $X; exit 9'
	[ "$status" = 9 ]
	[ "$output" = "1000 /tmp y" ]
	run docker exec -t d1 tty
	[[ "$output" == /dev/pts/* ]]
	run docker exec d1 no-such-program
	echo "$output"
	[[ "$output" == *"not found"* ]]
	[ "$status" = 127 ] || [ "$status" = 126 ] # by the version of docker
	if in_vm; then docker top d1 | grep -q qemu; else docker top d1 | grep -q sleep; fi
	if in_vm; then docker stats --no-stream d1 | grep -q d1; else docker stats --no-stream d1 | grep -q 64MiB; fi
	docker pause d1
	[ "$(docker inspect -f '{{.State.Status}}' d1)" = paused ]
	docker unpause d1
	docker stop -t 5 d1
	[ "$(docker inspect -f '{{.State.ExitCode}}' d1)" = 3 ]
	docker start d1
	docker kill d1
	[ "$(docker inspect -f '{{.State.ExitCode}}' d1)" = 137 ]
}

@test "docker update: limits change" {
	need cgroup-v1 "reads cgroup v1 files"
	local id
	id=$(docker run -d --memory 64m --pids-limit 50 --cpus 0.5 box:1 sleep 600)
	limit "/sys/fs/cgroup/memory/docker/$id/memory.limit_in_bytes" 67108864
	limit "/sys/fs/cgroup/pids/docker/$id/pids.max" 50
	docker update --memory 32m --memory-swap 64m "$id"
	limit "/sys/fs/cgroup/memory/docker/$id/memory.limit_in_bytes" 33554432
	! in_vm || [ "$(docker exec "$id" cat /sys/fs/cgroup/memory.max)" = 33554432 ]
}

@test "docker run: user, capabilities, read-only, tmpfs, volume, init, sysctl, privileged, network" {
	[ "$(docker run --rm --user 1000:1000 box:1 sh -c 'echo $(id -u):$(id -g)')" = 1000:1000 ]
	run docker run --rm --cap-drop ALL box:1 grep CapEff /proc/self/status
	[[ "$output" == *0000000000000000 ]]
	run docker run --rm --read-only --tmpfs /s box:1 sh -c 'touch /s/a && ! touch /x'
	[ "$status" = 0 ]
	mkdir -p "$E/vol"
	echo v >"$E/vol/f"
	[ "$(docker run --rm -v "$E/vol:/d:ro" box:1 cat /d/f)" = v ]
	[[ "$(docker run --rm --init box:1 cat /proc/1/comm)" == *init* ]]
	[ "$(docker run --rm --sysctl net.ipv4.ip_forward=0 box:1 cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
	docker run --rm --privileged box:1 sh -c 'mkdir /m; mount -t tmpfs x /m'
	docker run --rm box:1 ip addr show eth0 | grep -q inet
}

@test "docker: nothing is left of the containers" {
	[ -z "$(find /sys/fs/cgroup/*/docker -mindepth 1 -type d 2>/dev/null)" ]
	[ -z "$(ns find /run/docker-exec/runtime-brig /var/run/docker/runtime-runc/moby -mindepth 2 ! -path '*@*' 2>/dev/null)" ]
}
