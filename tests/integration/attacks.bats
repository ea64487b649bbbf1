#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Attacks that peers had to learn about: an image, a bundle's author or a process inside tries to reach the host.
# Every test makes the attempt and looks at the host afterwards.
load helpers

test_setup() {
	HOST=$T/host
	mkdir "$HOST"
	echo secret >"$HOST/secret"
	chmod 755 "$HOST"
}

host_untouched() {
	[ "$(ls -A "$HOST")" = secret ]
	[ "$(cat "$HOST/secret")" = secret ]
}

# run_or_refuse: the container runs, or the runtime refuses with exit 1 and leaves nothing
run_or_refuse() {
	run ct_run
	echo "exit $status: $output"
}

@test "2019-16884: /proc as a symlink to a directory of the image" {
	mk_sh 'cat /proc/self/attr/current'
	rmdir "$R/proc" && mkdir "$R/fake" && ln -s fake "$R/proc"
	run_or_refuse
	[ "$status" = 1 ]
	[[ "$output" == *"/proc"* ]]
	[ -z "$(ls -A "$R/fake")" ]
	no_residue "$ID"
}

@test "2023-27561: /sys as a symlink" {
	mk_sh 'true'
	rmdir "$R/sys" && mkdir "$R/fake" && ln -s /fake "$R/sys"
	run_or_refuse
	[ "$status" = 1 ]
	no_residue "$ID"
}

@test "2026-41579: /dev as a symlink out of the root" {
	mk_sh 'ls -l /dev/null' '.mounts |= map(select(.destination | startswith("/dev") | not))'
	rmdir "$R/dev" && ln -s "$HOST" "$R/dev"
	run_or_refuse
	host_untouched
	no_residue "$ID"
}

@test "mount destination is a symlink out of the root: it is made inside" {
	mk_sh 'cat /data/f; true'
	mkdir "$T/src" && echo inside >"$T/src/f"
	ln -s "$HOST" "$R/data"
	edit '.mounts += [{destination: "/data", type: "bind", source: $s, options: ["bind"]}]' --arg s "$T/src"
	run_or_refuse
	host_untouched
	no_residue "$ID"
}

@test "2024-45310: a missing destination below a symlink makes nothing on the host" {
	mk_sh true
	mkdir "$T/src"
	ln -s "$HOST" "$R/link"
	ln -s "../../../../../../../../..$HOST" "$R/up"
	edit '.mounts += [{destination: "/link/a/b", type: "bind", source: $s, options: ["bind"]}, {destination: "/up/c", type: "tmpfs", source: "tmpfs"}]' --arg s "$T/src"
	run_or_refuse
	host_untouched
}

@test "process.cwd below a symlink makes nothing on the host" {
	mk_sh 'pwd' '.process.cwd = "/link/a/b"'
	ln -s "$HOST" "$R/link"
	run_or_refuse
	host_untouched
}

@test "devices below a symlink make nothing on the host" {
	mk_sh true '.linux.devices = [{path: "/link/dev1", type: "c", major: 1, minor: 3}]'
	ln -s "$HOST" "$R/link"
	run_or_refuse
	host_untouched
}

@test "a destination with .. stays inside" {
	mk_sh 'ls /' '.mounts += [{destination: "/../../../../tmp/../esc", type: "tmpfs", source: "tmpfs"}]'
	run_or_refuse
	[ ! -e /esc ]
	[ ! -e "$T/esc" ]
}

@test "2021-30465: symlink swaps while mounting" {
	local i race
	race=$(helper swaprace)
	mkdir "$T/src" "$T/shared"
	echo inside >"$T/src/f"
	mkdir "$T/shared/dir"
	ln -s "$HOST" "$T/shared/link"
	"$race" "$T/shared/dir" "$T/shared/link" 3>&- &
	background $!
	mk_sh 'true'
	edit '.mounts += [{destination: "/vol", type: "bind", source: $v, options: ["rbind"]},
		{destination: "/vol/dir/made", type: "bind", source: $s, options: ["bind"]}, {destination: "/vol/dir", type: "tmpfs", source: "tmpfs"}]' \
		--arg v "$T/shared" --arg s "$T/src"
	for i in $(seq 40); do
		ct_run >/dev/null 2>&1 || true
		host_untouched
		fails grep -F "$HOST" /proc/self/mountinfo
	done
}

@test "2024-21626: cwd in the host through /proc/self/fd" {
	local n
	for n in 3 4 5 6 7 8 9 10 11 12; do
		mk_sh 'cat ../../../../../../../etc/hostname ./secret; cat etc/shadow' ".process.cwd = \"/proc/self/fd/$n\""
		run bash -c "cd '$HOST'; exec 7<'$HOST' 8</ 9<'$HOST'; '$RUNTIME' --root '$ROOT' run --bundle '$B' '$ID' </dev/null 3>&-"
		[[ "$output" != *secret* ]]
		[[ "$output" != *root:* ]]
		[ "$status" != 0 ]
	done
	mk_bundle
	ct_up
	for n in 3 5 7 8 9; do
		run bash -c "cd '$HOST'; exec 7<'$HOST' 8</; '$RUNTIME' --root '$ROOT' exec --cwd /proc/self/fd/$n '$ID' cat secret etc/shadow </dev/null 3>&-"
		[ "$status" != 0 ]
		[[ "$output" != secret ]]
	done
}

@test "leaked fds: a process inside sees no fd of the host while it is started and exec'd" {
	# The program watches /proc for other processes' fds: those of exec while it enters.
	mk_sh 'i=0; while [ $i -lt 400 ]; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || ls -l $p/fd 2>/dev/null; done; i=$((i + 1)); done >/seen 2>/dev/null; sleep 600' \
		'.process.capabilities.effective += ["CAP_SYS_PTRACE"] | .process.capabilities.permitted = .process.capabilities.effective | .process.capabilities.bounding = .process.capabilities.effective'
	ct_up
	local i
	for i in $(seq 20); do rt exec "$ID" true || true; done
	! grep -E -- "-> ($T|/run|/sys/fs/cgroup|$HOST)" "$R/seen"
}

@test "2016-9962: a process inside cannot read the memory or fds of one that enters" {
	mk_sh 'while :; do for p in /proc/[0-9]*; do case $p in /proc/1) ;; *) head -c 1 $p/environ >/dev/null 2>&1; readlink $p/exe; esac; done; done >/seen 2>/dev/null'
	ct_up
	local i
	for i in $(seq 20); do rt exec "$ID" true; done
	! grep -F "${RUNTIME##*/}" "$R/seen" || excused "can be seen" runc crun
}

@test "2019-5736: the runtime's file cannot be written through /proc/self/exe" {
	cp "$RUNTIME" "$T/runtime"
	local sum n RUNTIME=$T/runtime
	sum=$(md5sum <"$T/runtime")
	mk_bundle '.process.args = ["/proc/self/exe"]'
	run ct_run
	[ "$(md5sum <"$T/runtime")" = "$sum" ]
	# shellcheck disable=SC2016
	mk_sh 'while :; do for p in /proc/[0-9]*; do case $p in /proc/1) ;; *) (echo owned >$p/exe) 2>/dev/null && echo "wrote $p" >>/won; esac; done; done'
	printf '#!/proc/self/exe\n' >"$R/bin/evil"
	chmod +x "$R/bin/evil"
	ct_up
	for n in 1 2 3 4 5 6 7 8 9 10; do
		run rt exec "$ID" /bin/evil
		run rt exec "$ID" /proc/self/exe
		run rt exec "$ID" /bin/true
	done
	[ "$(md5sum <"$T/runtime")" = "$sum" ]
	[ ! -e "$R/won" ]
}

@test "2025-31133: /dev/null replaced before paths are masked" {
	mk_sh 'head -c 3 /masked; cat /proc/kcore 2>/dev/null | head -c 4 | wc -c' '.linux.maskedPaths += ["/masked"]
		| .mounts |= map(select(.destination | startswith("/dev") | not))'
	echo visible >"$R/masked"
	ln -s /masked "$R/dev/null"
	run_or_refuse
	[[ "$output" != *vis* ]]
	host_untouched
	rm -f "$R/dev/null"
	echo fake >"$R/dev/null"
	run_or_refuse
	[[ "$output" != *vis* ]]
}

@test "masked and read-only paths through symlinks and .." {
	mk_sh 'cat /real 2>/dev/null; echo x >/ro/f 2>/dev/null || echo denied' '.linux.maskedPaths += ["/link"] | .linux.readonlyPaths += ["/ro"]'
	echo visible >"$R/real"
	ln -s /real "$R/link"
	mkdir "$R/ro"
	run_or_refuse
	[[ "$output" == *denied* ]]
	mk_sh 'cat /hostlink; true' '.linux.maskedPaths += ["/hostlink"] | .linux.readonlyPaths += ["/hostlink2"]'
	ln -s "$HOST/secret" "$R/hostlink"
	ln -s "$HOST" "$R/hostlink2"
	run_or_refuse
	host_untouched
}

@test "2025-52565: /dev/console and /dev/pts replaced by the image" {
	mk_sh 'tty; echo hi' '.process.terminal = true | .mounts |= map(select(.destination | startswith("/dev") | not))'
	ln -s "$HOST/secret" "$R/dev/console"
	ln -s "$HOST" "$R/dev/pts"
	"$(helper recvfd)" "$T/c" console </dev/null >"$T/tty" 2>&1 3>&- &
	background $!
	wait_for test -S "$T/c"
	run ct_up --console-socket "$T/c"
	echo "$status $output"
	host_untouched
	! grep -F "$HOST" "/proc/self/mountinfo"
}

@test "2025-52881: sysctl and labels are not written to files of the image" {
	mk_sh 'cat /proc/sys/net/ipv4/ip_forward' '.linux.sysctl = {"net.ipv4.ip_forward": "1"} | .mounts |= map(select(.destination != "/proc"))'
	mkdir -p "$R/proc/sys/net/ipv4" "$R/proc/self"
	echo fake >"$R/proc/sys/net/ipv4/ip_forward"
	run_or_refuse
	[ "$(cat "$R/proc/sys/net/ipv4/ip_forward")" = fake ]
	mk_sh 'true' '.linux.sysctl = {"net.ipv4.../../../kernel/hostname": "x"}'
	run_or_refuse
	[ "$status" = 1 ]
	mk_sh 'true' '.linux.sysctl = {"kernel.panic": "77"}'
	run_or_refuse
	[ "$status" = 1 ]
	[ "$(cat /proc/sys/kernel/panic)" != 77 ]
}

@test "2022-29162: exec gives no inheritable and no ambient capabilities" {
	mk_bundle
	ct_up
	run rt exec --cap CAP_NET_RAW "$ID" grep -E 'CapInh|CapAmb' /proc/self/status
	echo "$output"
	[ "$status" = 0 ]
	[ "$(echo "$output" | grep -c 0000000000000000)" = 2 ]
}

@test "2026-30892: exec -u 1 is user 1" {
	mk_bundle
	ct_up
	[ "$(rt exec -u 1 "$ID" id -u)" = 1 ]
	local u
	for u in -1 4294967295 4294967296 1x x 0x1 ' 1' 1: :1 18446744073709551616; do
		run rt exec -u "$u" "$ID" id -u
		[ "$status" != 0 ] || [ "$output" != 0 ]
	done
}

@test "ids and cgroup paths with .. are refused, or stay below the hierarchy" {
	local p
	for p in "../../../../tmp/esc-$$" /../../brig-esc /a/../../../b ..; do
		mk_sh true '.linux.cgroupsPath = $p' --arg p "$p"
		run_or_refuse
		[ ! -e /sys/fs/brig-esc ]
		[ ! -e "/tmp/esc-$$" ]
	done
	mk_bundle
	ct_up
	run rt exec --cgroup ../.. "$ID" true
	[ "$status" != 0 ] || excused "no such option" crun
	run rt exec --cgroup memory:../../x "$ID" true
	[ "$status" != 0 ] || excused "no such option" crun
}

@test "hugetlb page size with a slash" {
	mk_sh true '.linux.resources.hugepageLimits = [{pageSize: "../../memory/x", limit: 1}]'
	run_or_refuse
	[ "$status" = 1 ] || excused "no hugetlb here" runc crun
	no_residue "$ID"
	mk_sh true '.linux.resources.unified = {"../memory.max": "1"}'
	run_or_refuse
	[ "$status" = 1 ]
}

@test "the root file system as a symlink to a directory of the host" {
	mk_sh 'ls -A /'
	mv "$R" "$B/real"
	ln -s / "$R"
	run_or_refuse
	[[ "$output" != *lost+found* ]] || [ "$status" = 1 ]
}

@test "no mount of the host is left inside, and none of the container's is seen outside" {
	mk_sh 'cat /proc/self/mountinfo; sleep 600' '.linux.rootfsPropagation = "rshared"'
	ct_up
	wait_for grep -q /proc "$T/$ID.out"
	fails grep -E ' /(var|home|boot|usr|opt|srv) ' "$T/$ID.out"
	! grep -F "$R" /proc/self/mountinfo
}

@test "writes to cgroup files and host devices are denied" {
	mk_sh 'mknod /dev/sda0 b 254 0; head -c 1 /dev/sda0 && echo did-read; head -c 1 /dev/mem && echo did-read; echo 1 >/proc/sys/kernel/panic && echo did-write; echo b >/proc/sysrq-trigger && echo did-write; true'
	run ct_run
	echo "$output"
	[[ "$output" != *did-* ]]
}

@test "setuid programs give nothing with noNewPrivileges" {
	mk_bundle '.process.user = {uid: 1000, gid: 1000} | .process.args = ["/bin/suid", "-u"]'
	cp "$R/bin/busybox" "$R/bin/suid"
	mv "$R/bin/suid" "$R/bin/id2" && rm -f "$R/bin/id" && mv "$R/bin/id2" "$R/bin/id"
	chmod 4755 "$R/bin/id"
	edit '.process.args = ["/bin/id", "-u"]'
	run ct_run
	[ "$output" = 1000 ]
}

@test "the runtime in a chroot: exec lands in the container, and nothing of the host's tree is left below it" {
	local jail=$T/jail
	mkdir -p "$jail"/{proc,sys,run,bundle}
	cp "$RUNTIME" "$jail/runtime"
	mk_sh 'sleep 1000'
	for kind in dir mountpoint; do
		timeout 60 unshare -m sh -c '
			set -e
			jail=$1
			for d in /bin /sbin /lib /lib64 /usr /etc /dev; do
				if [ -L "$d" ]; then cp -P "$d" "$jail$d"; else mkdir -p "$jail$d"; mount --rbind "$d" "$jail$d"; fi
			done
			mount --rbind /proc "$jail/proc"; mount --rbind /sys "$jail/sys"; mount --bind "$2" "$jail/bundle"; mount -t tmpfs t "$jail/run"
			[ "$4" = dir ] || mount --rbind "$jail" "$jail"
			rt() { chroot "$jail" /runtime "$@"; }
			rt run -d -b /bundle "$3" </dev/null >"$jail.log" 2>&1 || { cat "$jail.log"; exit 1; }
			rt exec "$3" sh -c "cat /etc/issue; cut -d\" \" -f5 /proc/1/mountinfo | grep -cx /"
			rt delete --force "$3"
		' sh "$jail" "$B" "$ID" $kind >"$T/out" 2>&1 || { cat "$T/out"; false; }
		[ "$(cat "$T/out")" = $'brig test image\n1' ] || { cat "$T/out"; false; }
	done
}

@test "nested: a container in a container with masked /proc, its cgroup, exec and sysctl; the inner one cannot unmask" {
	not_in "is not one static file" runc crun
	mk_bundle '.linux.sysctl = {"kernel.msgmax": "4321"} | .hostname = "inner" | .process.args = ["sh", "-c", "hostname; cat /proc/sys/kernel/msgmax; sleep 600"]'
	local inner=$B caps
	caps=$(capsh --print | sed -n 's/^Bounding set =//p' | tr a-z, 'A-Z\n' | jq -R . | jq -sc .)
	mk_sh '/rt create --bundle /inner in >/out 2>&1 && /rt exec in id -u && /rt start in && sleep 0.3 && cat /out && /rt events --stats in | head -c 15 && echo &&
		/rt delete --force in && ls /run/brig && cat /proc/keys | wc -c; unshare -r -p -f -m mount -t proc proc /mnt; echo "unmask $?"' \
		'.mounts += [{destination: "/rt", type: "bind", source: $rt, options: ["bind", "ro"]}, {destination: "/inner", type: "bind", source: $inner, options: ["rbind", "rw"]},
		{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "rw"]}] | .linux.namespaces += [{type: "cgroup"}] |
		.process.capabilities = {bounding: $c, effective: $c, permitted: $c} | del(.process.noNewPrivileges)' --arg rt "$RUNTIME" --arg inner "$inner" --argjson c "$caps"
	run ct_run
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[0]}:${lines[1]}:${lines[2]}" = 0:inner:4321 ]
	[ "${lines[3]}" = '{"type":"stats"' ]
	[ "${lines[4]}" = 0 ] # the mask over /proc/keys is still there
	[[ "${lines[-1]}" == "unmask "[1-9]* ]]
}
