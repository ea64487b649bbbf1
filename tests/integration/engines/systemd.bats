#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman, containerd and docker ask for systemd cgroups. Needs a machine with systemd as process 1, which they then share:
# the kvm-host bench. Their files are on its scratch disk.
load helpers

have_systemd() { [ -d /run/systemd/system ]; }

setup_file() {
	file_needs systemd "systemd is not process 1" || return 0
	E=$(mktemp -d /scratch/brig-eng.XXXXXX) || return 1
	export E RT=$E/bin/brig-test
	chmod 755 "$E"
	mkdir "$E/bin"
	printf '#!/bin/sh\necho "$*" >>%s/calls\nexec %s "$@"\n' "$E" "$RUNTIME" >"$RT"
	chmod +x "$RT"
	oci_image docker.io/library/box:1 "$E/box.tar"
}
teardown_file() {
	if [ -n "${E:-}" ]; then
		grep -o " $E/[^ ]*" /proc/self/mountinfo | tac | xargs -r umount -l
		rm -rf --one-file-system "$E"
	fi
}
# No namespaces of their own here.
ns() { "$@" 3>&-; }
# shellcheck disable=SC2317
ns_daemon() {
	local log=$1
	shift
	"$@" </dev/null >"$log" 2>&1 3>&- &
	background $!
}
setup() {
	BACKGROUND=() PATIENCE=240
	file_ready
}
teardown() {
	local p
	for p in "${BACKGROUND[@]}"; do kill "$p" 2>/dev/null && wait "$p" || true; done
}
# scope_of PATTERN: the unit whose name matches, loaded now
scope_of() { systemctl list-units --plain --no-legend --type scope "$1" | cut -d' ' -f1; }
no_scope() { [ -z "$(scope_of "$1")" ]; }
limits_of() { systemctl show --value -p MemoryMax -p TasksMax "$1" | tr '\n' ' '; }

@test "podman --cgroup-manager systemd: the container is a scope with its limits" {
	cat >"$E/containers.conf" <<-END
		[engine]
		events_logger = "file"
		[engine.runtimes]
		brig-test = ["$RT"]
		[network]
		network_backend = "netavark"
		network_config_dir = "$E/net"
		[containers]
		log_driver = "k8s-file"
	END
	printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/graph"\nrunroot = "/run/brig-test-storage"\n' "$E" >"$E/storage.conf"
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$E/policy.json"
	podman() {
		CONTAINERS_CONF="$E/containers.conf" CONTAINERS_STORAGE_CONF="$E/storage.conf" timeout --foreground -k 5 200 \
			podman --runtime brig-test --cgroup-manager systemd "$@" 3>&-
	}
	podman import "$(image_tar)" localhost/box:1 >/dev/null
	run podman run --rm --network none localhost/box:1 sh -c 'echo hello; exit 7'
	echo "$output"
	[ "$status" = 7 ]
	[ "${lines[0]}" = hello ]
	id=$(podman run -d --network none --memory 64m --pids-limit 77 localhost/box:1 sleep 600)
	unit=$(scope_of "libpod-$id.scope")
	[ -n "$unit" ]
	[[ "$(limits_of "$unit")" == *67108864* && "$(limits_of "$unit")" == *77* ]]
	[ "$(podman exec "$id" cat /proc/self/cgroup /sys/fs/cgroup/pids.max | tr '\n' ' ')" = "0::/ 77 " ] # its own cgroup, not the machine's
	[ "$(podman stats --no-stream --format '{{.PIDs}}' "$id")" -ge 1 ]
	podman rm -f -t 0 "$id"
	wait_for no_scope "libpod-$id.scope"
	grep -q -- '--systemd-cgroup.*create' "$E/calls"
}

have_tester() { id tester >/dev/null 2>&1 && command -v newuidmap >/dev/null; }

@test "podman of a user, with the user's systemd: the container is a scope of his, with limits in force" {
	need tester "no user 'tester' (the bench has one)"
	uid=$(id -u tester) H=$E/home
	systemctl start "user@$uid.service"
	mkdir -p "$H/.config/containers"
	printf '[engine]\nevents_logger = "file"\n[engine.runtimes]\nbrig-test = ["%s"]\n[network]\nnetwork_backend = "netavark"\n[containers]\nlog_driver = "k8s-file"\n' \
		"$RUNTIME" >"$H/.config/containers/containers.conf"
	printf '[storage]\ndriver = "overlay"\n' >"$H/.config/containers/storage.conf"
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$H/.config/containers/policy.json"
	cp "$(image_tar)" "$H/image.tar"
	chown -R tester:tester "$H"
	c=/sys/fs/cgroup/user.slice/user-$uid.slice/user@$uid.service/app.slice/brig-podman.scope
	mkdir -p "$c"
	chown -R tester:tester "$c"
	podman() {
		(
			echo "$BASHPID" >"$c/cgroup.procs"
			cd "$H" && exec setpriv --reuid tester --regid tester --init-groups env -i PATH="$PATH" HOME="$H" USER=tester XDG_RUNTIME_DIR="/run/user/$uid" \
				DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" timeout --foreground -k 5 200 podman --runtime brig-test --cgroup-manager systemd "$@" 3>&-
		)
	}
	podman import "$H/image.tar" localhost/box:1 >/dev/null
	run podman run --rm --network none localhost/box:1 sh -c 'echo hello; exit 7'
	echo "$output"
	[ "$status" = 7 ]
	[ "$output" = hello ]
	id=$(podman run -d --network none --memory 64m --pids-limit 77 localhost/box:1 sleep 600)
	dir=/sys/fs/cgroup$(cut -d: -f3 "/proc/$(podman inspect --format '{{.State.Pid}}' "$id")/cgroup")
	echo "$dir"
	[[ "$dir" == */user@$uid.service/user.slice/libpod-$id.scope* ]]
	[ "$(cat "$dir/memory.max" "$dir/pids.max" | tr '\n' ' ')" = "67108864 77 " ]
	[ "$(podman exec "$id" cat /proc/self/cgroup /sys/fs/cgroup/pids.max | tr '\n' ' ')" = "0::/ 77 " ] # its own cgroup, not the machine's
	podman pause "$id" && podman unpause "$id"
	podman rm -f -t 0 "$id"
	[ ! -e "$dir" ]
	podman system reset --force || true # his storage belongs to ids of his own
}

@test "containerd with SystemdCgroup: the container is a scope with its limits" {
	containerd_up
	ctr() { timeout --foreground -k 5 200 ctr -a "$E/c.sock" "$@" 3>&-; }
	ctr image import "$E/box.tar" >/dev/null
	ctr run -d --runtime io.containerd.runc.v2 --runc-binary "$RT" --runc-systemd-cgroup --cgroup "system.slice:brigtest:c1" --memory-limit 67108864 \
		docker.io/library/box:1 c1 sleep 600
	[ "$(scope_of brigtest-c1.scope)" = brigtest-c1.scope ]
	[[ "$(limits_of brigtest-c1.scope)" == *67108864* ]]
	[ "$(ctr task exec --exec-id e1 c1 echo inside)" = inside ]
	ctr task kill --signal KILL c1
	wait_for no_scope brigtest-c1.scope
	ctr task rm c1
	ctr container rm c1
}

@test "docker with native.cgroupdriver=systemd: the container is a scope with its limits" {
	ns_daemon "$E/dockerd.log" dockerd --data-root "$E/data" --exec-root /run/docker-exec -H "unix://$E/d.sock" --pidfile "$E/d.pid" \
		--exec-opt native.cgroupdriver=systemd --add-runtime "brig=$RT" --default-runtime brig --bridge none --iptables=false
	docker() { timeout --foreground -k 5 200 docker -H "unix://$E/d.sock" "$@" 3>&-; }
	up() { docker version >/dev/null 2>&1; }
	wait_for up || { tail -n 30 "$E/dockerd.log"; false; }
	docker import "$(image_tar)" box:1 >/dev/null
	run docker run --rm --network none box:1 sh -c 'echo hello; exit 7'
	echo "$output"
	[ "$status" = 7 ]
	[ "$output" = hello ]
	id=$(docker run -d --network none --memory 64m --pids-limit 77 box:1 sleep 600)
	[ "$(scope_of "docker-$id.scope")" = "docker-$id.scope" ]
	[[ "$(limits_of "docker-$id.scope")" == *67108864* && "$(limits_of "docker-$id.scope")" == *77* ]]
	docker update --memory 96m --memory-swap 96m "$id" >/dev/null
	[[ "$(limits_of "docker-$id.scope")" == *100663296* ]]
	docker rm -f "$id" >/dev/null
	wait_for no_scope "docker-$id.scope"
}
