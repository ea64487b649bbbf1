#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # the scripts are for the guest
# brig's own VMM with the stock distribution kernel, inside the bench. Build outside first: make vmm

vmrun=build/tests/vmrun
kernel=build/kvm-host/kernel

setup_file() {
	[ -x $vmrun ] || skip "make vmm was not run"
	$vmrun --probe || skip "no KVM that runs a stock kernel"
	tests/helpers/vm-initrd.sh $kernel "$BATS_FILE_TMPDIR/initrd"
}

setup() {
	share=$BATS_TEST_TMPDIR/share
	mkdir "$share"
}

# guest SCRIPT [vmrun options]: run SCRIPT in a guest
guest() {
	echo "$1" >"$share/run.sh"
	shift
	run timeout 120 $vmrun --kernel $kernel/vmlinux --initrd "$BATS_FILE_TMPDIR/initrd" --fs "share=$share" \
		--cmdline "console=hvc0 quiet panic=-1" "$@" </dev/null
	echo "$output"
}

@test "vmm: a stock kernel boots and powers off" {
	guest 'grep MemTotal /proc/meminfo'
	[ "$status" -eq 0 ]
	[[ $output == *"guest: up with 1 CPUs"* ]]
	[[ $output == *"vmrun: power-off"* ]]
}

@test "vmm: two CPUs, and memory above 4 GiB" {
	guest 'awk "/MemTotal/ { print \"mib\", int(\$2 / 1024) }" /proc/meminfo' --cpus 2 --mem 4500
	[ "$status" -eq 0 ]
	[[ $output == *"guest: up with 2 CPUs"* ]]
	[[ $output =~ mib\ 4[2-4][0-9][0-9] ]]
}

@test "vmm: a reboot of the guest is a reset" {
	guest 'reboot -f'
	[ "$status" -eq 2 ]
	[[ $output == *"vmrun: reset"* ]]
}

@test "virtio-fs: files, owners, links, devices and mounts of the host" {
	mkdir "$share/sub"
	mount -t tmpfs none "$share/sub"
	echo inside >"$share/sub/inner"
	guest 'cd /t; echo x >a; chown 12:34 a; chmod 640 a; ln a b; ln -s a c; mkfifo p; mknod n c 1 3
		mkdir d; chmod 2777 d; stat -c "%n %a %u %g %h" a b; readlink c; cat sub/inner
		[ "$(stat -c %d sub)" != "$(stat -c %d .)" ] && echo another device'
	umount "$share/sub"
	[ "$status" -eq 0 ]
	[[ $output == *"b 640 12 34 2"* ]]
	[[ $output == *inside*"another device"* ]]
	[ "$(stat -c '%a %u %g' "$share/a")" = "640 12 34" ]
	[ -p "$share/p" ] && [ -c "$share/n" ] && [ -L "$share/c" ]
}

@test "virtio-blk: reads, writes, and refuses writes to a read-only disk" {
	echo first-sector >"$BATS_TEST_TMPDIR/rw"
	truncate -s 1M "$BATS_TEST_TMPDIR/rw"
	cp "$BATS_TEST_TMPDIR/rw" "$BATS_TEST_TMPDIR/ro"
	guest 'head -c 12 /dev/vda; echo; echo from-guest | dd of=/dev/vda bs=512 seek=8 conv=fsync 2>/dev/null
		cat /sys/block/vdb/ro; echo no | dd of=/dev/vdb conv=fsync 2>&1 | tail -1; true' \
		--blk "$BATS_TEST_TMPDIR/rw" --blk-ro "$BATS_TEST_TMPDIR/ro"
	[ "$status" -eq 0 ]
	[[ $output == *first-sector* ]]
	[ "$(dd if="$BATS_TEST_TMPDIR/rw" bs=512 skip=8 count=1 2>/dev/null | head -c 10)" = from-guest ]
	[ "$(head -c 12 "$BATS_TEST_TMPDIR/ro")" = first-sector ]
}

@test "virtio-pmem: can be read; a write ends the guest and changes nothing" {
	echo pmem-content >"$BATS_TEST_TMPDIR/p"
	truncate -s 4M "$BATS_TEST_TMPDIR/p"
	guest 'head -c 12 /dev/pmem0; echo; dd if=/dev/zero of=/dev/pmem0 bs=4k count=1 conv=fsync; echo alive' \
		--pmem "$BATS_TEST_TMPDIR/p"
	[ "$status" -eq 4 ]
	[[ $output == *pmem-content* ]]
	[[ $output == *"guest-error the guest wrote to read-only memory"* ]]
	[ "$(head -c 12 "$BATS_TEST_TMPDIR/p")" = pmem-content ]
}

@test "vmm: a missing kernel, a file that is no kernel, and too much memory are clear errors" {
	run $vmrun --kernel /nonexistent
	[ "$status" -eq 1 ] && [[ $output == *"open '/nonexistent': No such file or directory"* ]]
	run $vmrun --kernel /bin/sh
	echo "$output"
	[ "$status" -eq 1 ] && [[ $output == *"kernel: "* ]]
}
