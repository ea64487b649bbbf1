#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman and conmon drive the runtime.
load helpers
bats_require_minimum_version 1.5.0

have_podman() { command -v podman >/dev/null && command -v conmon >/dev/null; }

setup_file() {
	file_needs podman "podman is not installed" || return 0
	engine_up
	cat >"$E/containers.conf" <<-END
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime_supports_json = ["brig-test"]
		runtime_supports_nocgroups = ["brig-test"]
		runtime_supports_nocgroup = ["brig-test"]
		infra_image = "localhost/pause:1"
		[engine.runtimes]
		brig-test = ["$RT"]
		[network]
		network_backend = "netavark"
		network_config_dir = "$E/net"
		[containers]
		log_driver = "k8s-file"
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		init_path = "/usr/libexec/podman/catatonit"
	END
	cat >"$E/storage.conf" <<-END
		[storage]
		driver = "overlay"
		graphroot = "$E/graph"
		runroot = "$E/run/storage"
	END
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$E/policy.json"
	podman import "$(image_tar)" localhost/box:1 >/dev/null
	mkdir "$E/pause"
	cp /usr/libexec/podman/catatonit "$E/pause/catatonit"
	tar -C "$E/pause" -cf "$E/pause.tar" .
	podman import --change 'ENTRYPOINT ["/catatonit","-P"]' "$E/pause.tar" localhost/pause:1 >/dev/null
}

teardown_file() { ENGINE_CGROUPS="libpod_parent*" engine_down; }
teardown() {
	[ -z "${E:-}" ] || podman rm --force --all --time 0 >/dev/null 2>&1 || true
}

podman() {
	ns env CONTAINERS_CONF="$E/containers.conf" CONTAINERS_STORAGE_CONF="$E/storage.conf" timeout --foreground -k 5 "$ENGINE_TIMEOUT" podman --runtime brig-test "$@"
}
prun() { podman run --rm --network none localhost/box:1 "$@"; }
pod_run() { podman run --network none "$@"; }

@test "podman run: output, exit code, and it was this runtime" {
	run prun sh -c 'echo hello; exit 7'
	[ "$status" = 7 ]
	[ "${lines[0]}" = hello ]
	called '^.*create .*--bundle'
	called '^delete --force'
}

@test "podman run: exit codes 126 and 127 of programs that cannot run" {
	run -127 prun no-such-program
	echo "$output"
	[ "$status" = 127 ]
	run prun /etc/issue
	echo "$output"
	[ "$status" = 126 ]
}

@test "podman run -i: standard input" {
	[ "$(echo data | pod_run --rm -i localhost/box:1 cat)" = data ]
}

@test "podman run -t: a terminal" {
	run pod_run --rm -t localhost/box:1 sh -c 'tty; ls -l /dev/console'
	[ "$status" = 0 ]
	[[ "${lines[0]}" == /dev/pts/0* || "${lines[0]}" == /dev/console* ]]
}

@test "podman run -it: input through a terminal" {
	run "$(helper onpty)" 80x24 bash -c "$(declare -f ns podman); podman run --rm --network none -it localhost/box:1 sh -c 'read -r x; echo got-\$x; exit 5'" < <(sleep 1; echo abc; sleep 2)
	echo "$output"
	[ "$status" = 5 ]
	[[ "$output" == *got-abc* ]]
}

@test "podman run -d, logs, ps, inspect, stop, rm" {
	pod_run -d --name d1 localhost/box:1 sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
	up() { podman logs d1 | grep -q up; }
	wait_for up
	[ "$(podman inspect --format '{{.State.Status}}' d1)" = running ]
	podman ps | grep -q d1
	podman stop --time 5 d1 >/dev/null
	[ "$(podman inspect --format '{{.State.ExitCode}}' d1)" = 3 ]
	podman logs d1 | grep -q bye
	podman rm d1
}

@test "podman stop: kills what ignores TERM" {
	pod_run -d --name d2 localhost/box:1 sh -c 'trap "" TERM; while :; do sleep 0.1; done' >/dev/null
	podman stop --time 1 d2 >/dev/null 2>&1
	[ "$(podman inspect --format '{{.State.ExitCode}}' d2)" = 137 ]
}

@test "podman start and restart" {
	podman create --network none --name d3 localhost/box:1 sh -c 'echo run >>/n; sleep 600' >/dev/null
	podman start d3 >/dev/null
	podman restart --time 0 d3 >/dev/null
	twice() { [ "$(podman exec d3 wc -l /n | cut -d' ' -f1)" = 2 ]; }
	wait_for twice
}

@test "podman exec: exit code, user, environment, directory, terminal, detached" {
	pod_run -d --name e1 localhost/box:1 sleep 600 >/dev/null
	run podman exec e1 sh -c 'exit 9'
	[ "$status" = 9 ]
	run podman exec --user 1000:1000 --workdir /tmp --env X=y e1 sh -c 'echo $(id -u)-$(id -g)-$(pwd)-$X'
	[ "$output" = 1000-1000-/tmp-y ]
	run podman exec -t e1 tty
	[[ "$output" == /dev/pts/* ]]
	[ "$(echo in | podman exec -i e1 cat)" = in ]
	podman exec -d e1 touch /detached
	made() { podman exec e1 test -e /detached; }
	wait_for made
	run -127 podman exec e1 no-such-program
	[ "$status" = 127 ]
	run podman exec e1 /etc/issue
	[ "$status" = 126 ]
}

@test "podman kill: any signal" {
	pod_run -d --name k1 localhost/box:1 sh -c 'trap "echo usr1" USR1; echo ready; while :; do sleep 0.1; done' >/dev/null
	ready() { podman logs k1 | grep -q ready; }
	wait_for ready
	podman kill --signal USR1 k1 >/dev/null
	usr1() { podman logs k1 | grep -q usr1; }
	wait_for usr1
	podman kill k1 >/dev/null
	[ "$(podman wait k1)" = 137 ]
}

@test "podman pause and unpause" {
	pod_run -d --name p1 localhost/box:1 sleep 600 >/dev/null
	podman pause p1
	[ "$(podman inspect --format '{{.State.Status}}' p1)" = paused ]
	podman unpause p1
	[ "$(podman inspect --format '{{.State.Status}}' p1)" = running ]
	podman exec p1 true
}

@test "podman top and stats" {
	pod_run -d --name s1 --memory 64m localhost/box:1 sleep 600 >/dev/null
	if in_vm; then podman top s1 -ef | grep -q 'sleep 600'; else podman top s1 pid comm | grep -q sleep; fi
	run podman stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' s1
	echo "$output"
	[ "$status" = 0 ] || [[ "$output" == *cgroup* ]] # podman 4.3 cannot read a hybrid hierarchy
}

@test "podman cp: in and out" {
	pod_run -d --name c1 localhost/box:1 sleep 600 >/dev/null
	echo in >"$E/file"
	podman cp "$E/file" c1:/tmp/file
	[ "$(podman exec c1 cat /tmp/file)" = in ]
	podman cp c1:/etc/issue "$E/issue"
	grep -q 'brig test image' "$E/issue"
}

@test "podman healthcheck" {
	pod_run -d --name h1 --health-cmd 'test -e /healthy' --health-interval disable localhost/box:1 sleep 600 >/dev/null
	run podman healthcheck run h1
	[ "$status" = 1 ]
	podman exec h1 touch /healthy
	podman healthcheck run h1
}

@test "podman run --memory --cpus --pids-limit: the limits are in force" {
	need cgroup-v1 "reads cgroup v1 files"
	pod_run -d --name l1 --memory 64m --cpus 0.5 --pids-limit 50 localhost/box:1 sleep 600 >/dev/null
	local pid cg
	pid=$(podman inspect --format '{{.State.Pid}}' l1)
	pid=$(ns sh -c "awk '/^NSpid/ {print \$2}' /proc/$pid/status")
	cg=$(ns sed -n 's/^[0-9]*:memory://p' "/proc/$pid/cgroup")
	limit "/sys/fs/cgroup/memory$cg/memory.limit_in_bytes" 67108864
	limit "/sys/fs/cgroup/pids$cg/pids.max" 50
	[ "$(cat "/sys/fs/cgroup/cpu$cg/cpu.cfs_quota_us")" = 50000 ]
	[ "$(cat "/sys/fs/cgroup/cpu$cg/cpu.cfs_period_us")" = 100000 ]
}

@test "podman run --memory: a program that needs more is killed" {
	run pod_run --memory 16m --memory-swap 16m --rm localhost/box:1 sh -c 'dd if=/dev/zero of=/dev/null bs=100M count=1'
	[ "$status" = 137 ]
}

@test "podman run -v, --tmpfs, --read-only" {
	mkdir -p "$E/vol"
	echo v >"$E/vol/f"
	run pod_run --rm -v "$E/vol:/data:ro" localhost/box:1 sh -c 'cat /data/f; touch /data/x'
	[ "$status" != 0 ]
	[ "${lines[0]}" = v ]
	run pod_run --rm --tmpfs /scratch:size=1m localhost/box:1 sh -c 'grep -c " /scratch tmpfs" /proc/mounts; touch /scratch/a'
	[ "$status" = 0 ]
	run pod_run --rm --read-only localhost/box:1 sh -c 'touch /x || touch /tmp/x && echo tmp-ok'
	[ "$status" = 0 ]
	[[ "$output" == *tmp-ok* ]]
}

@test "podman run --user, --cap-drop, --cap-add, --hostname, --env, --workdir" {
	[ "$(pod_run --rm --user 1000:1000 localhost/box:1 sh -c 'echo $(id -u):$(id -g)')" = 1000:1000 ]
	run pod_run --rm --cap-drop ALL localhost/box:1 grep CapEff /proc/self/status
	[[ "$output" == *0000000000000000 ]]
	run pod_run --rm --cap-drop ALL --cap-add NET_RAW localhost/box:1 grep CapEff /proc/self/status
	[[ "$output" == *0000000000002000 ]]
	[ "$(pod_run --rm --hostname hosty localhost/box:1 hostname)" = hosty ]
	[ "$(pod_run --rm --env A=b --workdir /var localhost/box:1 sh -c 'echo $A $PWD')" = "b /var" ]
}

@test "podman run --security-opt seccomp: default profile, own profile, none" {
	run pod_run --rm localhost/box:1 grep Seccomp: /proc/self/status
	[[ "$output" == *2 ]]
	run pod_run --rm --security-opt seccomp=unconfined localhost/box:1 grep Seccomp: /proc/self/status
	[[ "$output" == *0 ]]
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}' >"$E/prof.json"
	run pod_run --rm --security-opt "seccomp=$E/prof.json" localhost/box:1 mkdir /x
	[ "$status" != 0 ]
	[[ "$output" == *"not permitted"* ]]
}

@test "podman run --init, --privileged, --device, --sysctl, --shm-size, --ulimit" {
	run pod_run --rm --init localhost/box:1 cat /proc/1/comm
	[[ "$output" == catatonit* || "$output" == *init* ]]
	run pod_run --rm --device /dev/fuse localhost/box:1 ls /dev/fuse
	[ "$status" = 0 ]
	[ "$(pod_run --rm --sysctl net.ipv4.ip_forward=1 localhost/box:1 cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
	run pod_run --rm --shm-size 5m localhost/box:1 df -k /dev/shm
	[[ "$output" == *5120* ]]
	[ "$(pod_run --rm --ulimit nofile=100:200 --ulimit nproc=1000:1000 localhost/box:1 sh -c 'ulimit -n')" = 100 ]
	run pod_run --rm --privileged localhost/box:1 sh -c 'mount -t tmpfs x /mnt 2>/dev/null || mkdir /m && mount -t tmpfs x /m && echo ok'
	[[ "$output" == *ok* ]]
}

@test "podman run --uidmap: a user namespace" {
	run pod_run --rm --uidmap 0:100000:5000 --gidmap 0:100000:5000 localhost/box:1 sh -c 'cat /proc/self/uid_map; id -u; touch /x && stat -c %u /x'
	echo "$output"
	[ "$status" = 0 ]
	[[ "${lines[0]}" == *"0"*"100000"*"5000" ]] || { in_vm && [[ "${lines[0]}" == *"0 "*"0 "*"5000" ]]; } # the host's ids are outside
	[ "${lines[1]}" = 0 ] && [ "${lines[2]}" = 0 ]
}

@test "podman run --userns and namespaces of other containers" {
	pod_run -d --name n1 localhost/box:1 sleep 600 >/dev/null
	run podman run --rm --network container:n1 --pid container:n1 --ipc container:n1 localhost/box:1 sh -c 'ps | grep -c "sleep 600"'
	echo "$output"
	[ "${lines[0]}" -ge 1 ]
	[ "$(podman run --rm --network container:n1 localhost/box:1 readlink /proc/self/ns/net)" = "$(podman exec n1 readlink /proc/self/ns/net)" ]
	in_vm && return # the host's namespaces are those of another kernel
	run pod_run --rm --pid host --uts host --ipc host localhost/box:1 hostname
	[ "$output" = "$(ns hostname)" ]
}

@test "podman run: a bridge network" {
	run podman run --rm localhost/box:1 ip addr show eth0
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"inet 10."* ]]
}

@test "podman pods: two containers share a network" {
	podman pod create --network none --name pod1 >/dev/null
	podman run -d --pod pod1 --name a1 localhost/box:1 sh -c 'echo served | nc -l -p 8080' >/dev/null
	run podman run --rm --pod pod1 localhost/box:1 sh -c 'for i in $(seq 50); do nc 127.0.0.1 8080 && exit; sleep 0.1; done'
	echo "$output"
	[[ "$output" == *served* ]]
	podman pod stop --time 0 pod1
	podman pod rm --force pod1
}

@test "podman run --cgroups=disabled" {
	run pod_run --rm --cgroups=disabled localhost/box:1 echo ok
	echo "$output"
	[ "$status" = 0 ]
}

@test "podman run --preserve-fds" {
	run bash -c "$(declare -f ns podman); exec 3<<<three; nsenter -t $NSPID -m -n -p -- env CONTAINERS_CONF=$E/containers.conf CONTAINERS_STORAGE_CONF=$E/storage.conf podman --runtime brig-test run --rm --network none --preserve-fds 1 localhost/box:1 sh -c 'cat <&3'"
	echo "$output"
	if in_vm; then [[ "$output" == *"--preserve-fds: vm-mode cannot pass file descriptors"* ]]; else [ "$output" = three ]; fi
}

@test "podman update: by the runtime" {
	pod_run -d --name u1 --memory 64m localhost/box:1 sleep 600 >/dev/null
	podman update --memory 32m u1
	called 'update --resources'
}

@test "podman rm --all leaves no state and no process" {
	podman rm --force --all --time 0 >/dev/null
	no_state() { [ -z "$(ns find /run/brig -mindepth 1 -maxdepth 1 ! -name .seccomp 2>/dev/null)" ]; }
	wait_for no_state
	run ns sh -c 'ps ax -o args | grep "sleep 600" | grep -vc grep'
	[ "$output" = 0 ]
}
