#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helpers

@test "file systems: mounts of every kind, in their order" {
	mkdir -p "$T/dir/sub"
	echo file >"$T/file"
	echo below >"$T/dir/sub/f"
	chmod 777 "$T/dir"
	mk_sh 'm() { grep " $1 " /proc/mounts | tail -n 1 | cut -d" " -f4 | tr , "\n" | grep -x "$2"; }
		try() { "$@" 2>/dev/null && echo yes || echo no; }
		echo "ro=$(m /ro ro)$(try touch /ro/x)"; echo "rw=$(try touch /rw/made)"; echo "sub=$(cat /rw/sub/f)"
		echo "flags=$(m /ro nosuid):$(m /ro nodev):$(m /ro noexec)"; echo "file=$(cat /etc/one)$(try sh -c "echo x >/etc/one")"
		echo "rel=$(try test -d /rel/over/there)"; echo "tmp=$(stat -c %a:%u /t)"; echo "size=$(df -k /t | tail -n 1 | tr -s " " | cut -d" " -f2)"
		echo "up=$(cat /up/here):$(stat -c %a /up)"; echo "link=$(try test -f /target/inside/x)"; echo "over=$(ls /order)"; echo "bundle=$(try test -d /more)"' \
		'.mounts += [
		{destination: "/ro", type: "bind", source: $dir, options: ["rbind", "ro", "nosuid", "nodev", "noexec"]},
		{destination: "/rw", type: "none", source: $dir, options: ["rbind", "rw"]},
		{destination: "/etc/one", type: "bind", source: $file, options: ["bind", "ro"]},
		{destination: "rel/over/there", type: "tmpfs", source: "tmpfs"},
		{destination: "/t", type: "tmpfs", source: "tmpfs", options: ["mode=1750", "uid=7", "size=4m"]},
		{destination: "/up", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"]},
		{destination: "/link/inside", type: "bind", source: $file_dir, options: ["bind"]},
		{destination: "/order", type: "tmpfs", source: "tmpfs"},
		{destination: "/order/second", type: "tmpfs", source: "tmpfs"},
		{destination: "/more", type: "bind", source: "more", options: ["bind"]}]' \
		--arg dir "$T/dir" --arg file "$T/file" --arg file_dir "$T/linkdir"
	mkdir -p "$R/up" "$R/target" "$T/linkdir" "$B/more"
	touch "$T/linkdir/x"
	echo kept >"$R/up/here"
	chmod 710 "$R/up"
	ln -s target "$R/link"
	run -0 rt run --bundle "$B" "$ID" </dev/null
	is ro rono
	is rw yes
	[ -e "$T/dir/made" ]
	is sub below
	is flags nosuid:nodev:noexec
	is file fileno
	is rel yes
	is tmp 1750:7
	is size 4096
	is up kept:710
	is link yes
	is over second
	is bundle yes
	no_residue "$ID"
}

@test "file systems: devices, links, masks, read-only paths and root" {
	report 'try() { "$@" 2>/dev/null && echo yes || echo no; }
		for d in null zero full random urandom tty; do echo "$d=$(stat -c %F:%t:%T:%a /dev/$d)"; done
		for l in fd stdin stdout stderr ptmx; do echo "$l=$(readlink /dev/$l)"; done
		echo "own=$(stat -c %F:%t:%T:%a:%u:%g /dev/own/dev)"; echo "fifo=$(stat -c %F:%a /dev/fifo)"
		echo "masked=$(cat /etc/issue | wc -c):$(ls -A /home | wc -l)$(try touch /home/x)"; echo "rop=$(try touch /var/x):$(try test -d /var/log)"
		echo "root=$(try touch /x):$(try touch /dev/x)"; echo "proc=$(stat -f -c %T /proc)"; echo "usable=$(try sh -c "echo x >/dev/null"):$(head -c 4 /dev/zero | wc -c)"
		echo "sys=$(try touch /proc/sys/kernel/x)"; echo "pts=$(try test -c /dev/pts/ptmx)"; echo "shm=$(stat -c %a /dev/shm)"' \
		'.root.readonly = true | .linux.maskedPaths += ["/etc/issue", "/home", "/no/such"] | .linux.readonlyPaths += ["/var", "/no/such"] |
		.linux.devices = [{path: "/dev/own/dev", type: "c", major: 1, minor: 3, fileMode: 416, uid: 3, gid: 4}, {path: "/dev/fifo", type: "p", fileMode: 384}]'
	is null "character special file:1:3:666"
	is zero "character special file:1:5:666"
	is usable yes:4
	is full "character special file:1:7:666"
	is random "character special file:1:8:666"
	is urandom "character special file:1:9:666"
	is tty "character special file:5:0:666"
	is fd /proc/self/fd
	is stdin /proc/self/fd/0
	is stdout /proc/self/fd/1
	is stderr /proc/self/fd/2
	is ptmx pts/ptmx
	is own "character special file:1:3:640:3:4"
	is fifo "fifo:600"
	is masked 0:0no
	is rop no:yes
	is root no:yes
	is sys no
	is pts yes
	is shm 1777
}

@test "file systems: what is refused names the place" {
	mk_bundle '.mounts += [{destination: "/mnt", type: "nosuchfs", source: "x"}]'
	refuses nosuchfs rt run --bundle "$B" "$ID"
	edit '.mounts[-1] = {destination: "/mnt", type: "tmpfs", source: "x", options: ["nosuchoption=1"]}'
	refuses nosuchoption rt run --bundle "$B" "$ID"
	edit '.mounts[-1] = {destination: "/", type: "tmpfs", source: "x"}'
	refuses "'/'" rt run --bundle "$B" "$ID"
	edit 'del(.mounts[-1]) | .linux.rootfsPropagation = "sideways"'
	refuses sideways rt run --bundle "$B" "$ID"
	no_residue "$ID"
}
