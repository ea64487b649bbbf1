#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vm.sh BUILD: vm-mode under KVM beside QEMU's microvm on the same KVM, with the same kernel, initramfs and command line, in one run, in
# turns. Ratios count. Needs root, a KVM that runs stock kernels (the kvm-host bench has one), `make guest`, jq, busybox-static and
# qemu-system-x86. ROUNDS (5) each; VMS ("1 10 20") machines at once. The start is also measured with the tuned kernel where it was built;
# brig-vm itself takes that one then.
set -eu
build=$(realpath "$1")
rounds=${ROUNDS:-5}
vm=$build/bin/brig-vm
cmdline='console=hvc0 quiet panic=-1 reboot=k random.trust_cpu=on cryptomgr.notests no_timer_check'
for t in jq busybox qemu-system-x86_64; do command -v "$t" >/dev/null || { echo "bench-vm: $t is missing" >&2; exit 1; }; done
[ -s "$build/guest/initramfs" ] || { echo "bench-vm: needs make guest" >&2; exit 1; }
accel=$("$vm" features | jq -r '.annotations["brig.vm.accel"]')
[ "$accel" = kvm ] || { echo "bench-vm: no KVM that runs a stock kernel ($accel); try it in the kvm-host bench" >&2; exit 1; }

work=$(mktemp -d)
mount -t tmpfs tmpfs "$work"
cleanup() {
	local c
	for c in "$work"/s/*; do [ ! -d "$c" ] || "$vm" --root "$work/s" delete -f "${c##*/}" || :; done
	umount -l "$work"
	rmdir "$work"
}
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
cd "$work"
mkdir -p rootfs/bin rootfs/proc rootfs/dev rootfs/sys s
for a in true sleep; do cp "$(command -v busybox)" "rootfs/bin/$a"; done
"$vm" spec
jq '.process.terminal = false | .process.args = ["/bin/true"] | .root.path = $root | .linux.resources.memory = {limit: 134217728}' --arg root "$work/rootfs" config.json >c && mv c config.json

# total FIELD PID OUTSIDE: kB of a field of smaps. OUTSIDE=1: without the guest's memory, which is the largest mapping and what touches it.
total() {
	awk -v field="$1:" -v outside="$3" '
		/^[0-9a-f]+-[0-9a-f]+ / { split($1, range, "-"); n++; from[n] = range[1]; to[n] = range[2] }
		$1 == "Size:" { size[n] = $2 + 0 }
		$1 == field { kb[n] = $2 }
		END {
			big = 1
			for (i = 2; i <= n; i++) if (size[i] > size[big]) big = i
			for (lo = big; lo > 1 && to[lo - 1] == from[lo]; lo--);
			for (hi = big; hi < n && from[hi + 1] == to[hi]; hi++);
			for (i = 1; i <= n; i++) if (!outside || i < lo || i > hi) sum += kb[i]
			print sum + 0
		}' "/proc/$2/smaps"
}

echo "$(date -u +%F), Linux $(uname -r), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg); $("$vm" --version | head -n 1)"
qemu-system-x86_64 --version | head -n 1
echo "from the start of the monitor to the first instruction of the guest's process 1:"
for tuned in '' .tuned; do
	kernel=$build/guest/vmlinux$tuned
	initrd=$build/guest/initramfs$tuned
	[ -s "$kernel" ] || continue
	echo "${kernel##*/}:"
	"$build/bench/first" "$rounds" \
		"$build/tests/vmrun --kernel $kernel --initrd $initrd --mem 128 --cpus 1 --stages --cmdline '$cmdline' 2>&1 >/dev/null </dev/null" \
		"qemu-system-x86_64 -M microvm,rtc=off,pit=off,pic=off,isa-serial=off -accel kvm -cpu host -m 128 -smp 1 -nodefaults -display none \
			-no-reboot -kernel $kernel -initrd $initrd -append '$cmdline' -chardev stdio,id=d -device isa-debugcon,iobase=0xe9,chardev=d </dev/null"
done

echo "run of true in a machine of its own, and exec of true in one that is up:"
jq '.process.args = ["/bin/sleep", "1000"]' config.json >c && mkdir up && mv c up/config.json
"$vm" --root "$work/s" run -d -b up up </dev/null >/dev/null 2>&1
"$build/bench/pairs" "$rounds" "$vm" --root "$work/s" run bench -- "$vm" --root "$work/s" exec up /bin/true

pid=$("$vm" --root "$work/s" state up | jq .pid)
echo "resident memory of a machine's process besides the guest's: $(total Rss "$pid" 1) kB; with it: $(total Rss "$pid" 0) kB"
"$vm" --root "$work/s" delete -f up
started=0
for n in ${VMS-1 10 20}; do
	while [ "$started" -lt "$n" ]; do
		started=$((started + 1))
		"$vm" --root "$work/s" run -d -b up "vm$started" </dev/null >/dev/null 2>&1
	done
	sum=0
	for i in $(seq "$n"); do
		pid=$("$vm" --root "$work/s" state "vm$i" | jq .pid)
		sum=$((sum + $(total Pss "$pid" 0)))
	done
	echo "proportional set size of each of $n idle machines: $((sum / n)) kB"
done
