#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the machine must give to the suites that run inside it.

variant() {
	grep -q -w "$1" /run/kvm-host/variant
}

@test "kvm-host: KVM runs a guest" {
	run build/kvm-host/bin/kvm-probe
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"KVM API version 12"* ]]
	[[ $output == *"guest wrote 'B' and halted"* ]]
}

@test "kvm-host: cgroup v2 with every controller enabled" {
	variant cgroup=v2 || skip "another cgroup layout was asked for"
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]
	for c in cpu cpuset io memory pids; do grep -w "$c" /sys/fs/cgroup/cgroup.subtree_control; done
	mkdir /sys/fs/cgroup/inside-$$
	echo 33554432 >/sys/fs/cgroup/inside-$$/memory.max
	rmdir /sys/fs/cgroup/inside-$$
}

@test "kvm-host: cgroup v1 controllers are mounted" {
	variant cgroup=v2 && skip "the layout is v2"
	for c in cpu memory pids devices freezer; do [ -e "/sys/fs/cgroup/$c/cgroup.procs" ]; done
}

@test "kvm-host: systemd answers on the system bus and on the user's" {
	variant init=systemd || skip "plain init was asked for"
	run systemctl is-active kvm-host-agent.service
	[ "$output" = active ]
	systemctl start user@4000.service
	run busctl --address=unix:path=/run/user/4000/bus status org.freedesktop.systemd1
	[ -S /run/user/4000/bus ]
}

@test "kvm-host: AppArmor is there" {
	[ "$(cat /sys/module/apparmor/parameters/enabled)" = Y ]
	[ -e /sys/kernel/security/apparmor/.load ]
}

@test "kvm-host: overlay mounts on the scratch disk and in /tmp" {
	for d in /scratch /tmp; do
		mkdir -p $d/o-$$/{l,u,w,m}
		mount -t overlay -o lowerdir=$d/o-$$/l,upperdir=$d/o-$$/u,workdir=$d/o-$$/w o $d/o-$$/m
		echo x >$d/o-$$/m/f
		umount $d/o-$$/m
		[ "$(cat $d/o-$$/u/f)" = x ]
		rm -rf $d/o-$$
	done
}

@test "kvm-host: the host's files cannot be written through the server either" {
	mkdir -p /tmp/host-$$
	mount -t virtiofs hostroot /tmp/host-$$
	mount -o remount,rw /tmp/host-$$
	run touch "/tmp/host-$$$PWD/written-from-inside"
	echo "$output"
	umount /tmp/host-$$
	[ "$status" -ne 0 ]
	[[ $output == *"Read-only file system"* ]]
}

@test "kvm-host: the host's /proc, /sys, /dev and /run are not there" {
	mkdir -p /tmp/host-$$
	mount -t virtiofs -o ro hostroot /tmp/host-$$
	for d in proc sys; do [ -z "$(ls /tmp/host-$$/$d)" ]; done
	[ ! -e /tmp/host-$$/dev/kvm ]
	[ ! -e /tmp/host-$$/proc/self ]
	umount /tmp/host-$$
}
