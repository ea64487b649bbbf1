#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman of an unprivileged user drives the runtime, in the user namespace that podman makes.
load helpers
bats_require_minimum_version 1.5.0

have_rootless_podman() { command -v podman >/dev/null && command -v newuidmap >/dev/null && command -v slirp4netns >/dev/null; }

setup_file() {
	file_needs rootless_podman "podman, uidmap or slirp4netns is not installed" || return 0
	engine_up
	export U=brig-pr-$$ H=$E/home
	useradd --home-dir "$H" --shell /bin/sh "$U"
	grep -q "^$U:" /etc/subuid || { echo "$U:500000:65536" >>/etc/subuid && echo "$U:500000:65536" >>/etc/subgid; }
	export UNO
	UNO=$(id -u "$U")
	mkdir -p "$H/xdg" "$H/.config/containers" "$E/bin"
	cp "$RUNTIME" "$E/bin/brig-real" # the checkout may be closed to other users
	cat >"$E/bin/brig-test" <<-END
		#!/bin/sh
		echo "\$*" >>$H/calls
		exec $E/bin/brig-real "\$@"
	END
	cat >"$H/.config/containers/containers.conf" <<-END
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime_supports_json = ["brig-test"]
		[engine.runtimes]
		brig-test = ["$RT"]
		[network]
		network_backend = "netavark"
		[containers]
		log_driver = "k8s-file"
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
	END
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$H/.config/containers/policy.json"
	cp "$(image_tar)" "$H/image.tar"
	chmod 711 "$E"
	chmod 755 "$E/bin" "$E"/bin/*
	chmod 700 "$H/xdg"
	chown -R "$U:" "$H"
	# what a user may use on a desktop
	ns sh -c 'mkdir -p /run/lock; mount -t tmpfs -o mode=755 dev /mnt; for d in null zero full random urandom tty; do touch /mnt/$d; mount --bind /dev/$d /mnt/$d; done
		mkdir /mnt/net /mnt/pts /mnt/shm /mnt/mqueue; mknod /mnt/net/tun c 10 200; mknod /mnt/fuse c 10 229; chmod 666 /mnt/net/tun /mnt/fuse
		mount --rbind /dev/pts /mnt/pts; mount -t tmpfs -o mode=1777 shm /mnt/shm; ln -s pts/ptmx /mnt/ptmx; ln -s /proc/self/fd /mnt/fd
		ln -s /proc/self/fd/0 /mnt/stdin; ln -s /proc/self/fd/1 /mnt/stdout; ln -s /proc/self/fd/2 /mnt/stderr; mount --move /mnt /dev'
	podman import "$H/image.tar" localhost/box:1 >/dev/null
}
teardown_file() {
	engine_down
	[ -z "${U:-}" ] || userdel "$U" 2>/dev/null || true
	[ -z "${U:-}" ] || sed -i "/^$U:/d" /etc/subuid /etc/subgid
}
setup() { file_ready; }
teardown() { [ -z "${E:-}" ] || podman rm --force --all --time 0 >/dev/null 2>&1 || true; }

podman() {
	ns setpriv --reuid "$U" --regid "$(id -g "$U")" --clear-groups env -i --chdir="$H" HOME="$H" USER="$U" PATH="$PATH" TERM=xterm \
		XDG_RUNTIME_DIR="$H/xdg" timeout --foreground -k 5 60 podman --runtime "$RT" "$@"
}

@test "rootless podman run: output, exit code, ids, input, a missing program" {
	run podman run --rm --network none localhost/box:1 sh -c 'echo hello $(id -u); tr -s " " </proc/self/uid_map; exit 7'
	echo "$output"
	[ "$status" = 7 ]
	[ "${lines[0]}" = "hello 0" ]
	[ "${lines[1]}" = " 0 $UNO 1" ]
	[[ "${lines[2]}" =~ ^\ 1\ [0-9]+\ 65536$ ]]
	grep -q 'create .*--bundle' "$H/calls"
	[ "$(echo data | podman run --rm -i --network none localhost/box:1 cat)" = data ]
	run -127 podman run --rm --network none localhost/box:1 no-such-program
	run podman run --rm --network none localhost/box:1 /etc/issue
	[ "$status" = 126 ]
}

@test "rootless podman: a network by slirp4netns, volumes, users, a terminal, read-only" {
	mkdir -p "$H/vol"
	chown "$U:" "$H/vol"
	run podman run --rm --network slirp4netns -v "$H/vol:/vol" --tmpfs /t --read-only --user 5 --env A=b localhost/box:1 \
		sh -c 'ip -o addr show tap0 | grep -c 10.0.2; id -u; echo $A; touch /t/x && echo tmpfs; touch /x 2>/dev/null || echo read-only'
	echo "$output"
	[ "$output" = "$(printf '1\n5\nb\ntmpfs\nread-only')" ]
	podman run --rm --network none -v "$H/vol:/vol" localhost/box:1 touch /vol/made
	[ "$(stat -c %u "$H/vol/made")" = "$UNO" ]
	run podman run --rm -t --network none localhost/box:1 tty
	[[ "$output" == /dev/pts/0* || "$output" == /dev/console* ]]
}

@test "rootless podman: -d, logs, exec, restart, stop, rm, --userns=keep-id" {
	podman run -d --name d1 --network none localhost/box:1 sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
	up() { podman logs d1 | grep -q up; }
	wait_for up
	run podman exec --user 1000 d1 sh -c 'echo $(id -u); exit 9'
	[ "$status:$output" = 9:1000 ]
	run podman exec -t d1 tty
	[[ "$output" == /dev/pts/* ]]
	podman restart --time 5 d1 >/dev/null
	podman stop --time 5 d1 >/dev/null
	[ "$(podman inspect --format '{{.State.ExitCode}}' d1)" = 3 ]
	podman rm d1 >/dev/null
	run podman run --rm --network none --userns keep-id localhost/box:1 id -u
	[ "$output" = "$UNO" ]
	[ -d "$H/xdg/brig" ] # its state, of which nothing is left
	[ -z "$(ls "$H/xdg/brig")" ]
}
