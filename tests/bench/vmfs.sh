#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vmfs.sh BUILD: files through brig's virtio-fs and through QEMU's microvm with virtiofsd, in guests of the same size on the same KVM,
# with the same kernel, initramfs and cache mode, in turns: tar of FILES (10000) small files, then a sequential read of MIB (1024) MiB.
# The guest measures by its own clock. ROUNDS (3); DIR (a temporary one): where the tree lies. Needs what vm.sh needs, and virtiofsd.
set -eu
build=$(realpath "$1")
rounds=${ROUNDS:-3} files=${FILES:-10000} mib=${MIB:-1024}
kernel=${KVM_HOST_CACHE:-$build/kvm-host}/kernel
virtiofsd=/usr/lib/qemu/virtiofsd
for t in busybox qemu-system-x86_64 $virtiofsd; do command -v "$t" >/dev/null || { echo "bench-vmfs: $t is missing" >&2; exit 1; }; done
[ -s "$kernel/vmlinux" ] || { echo "bench-vmfs: needs the kernel of the kvm-host bench" >&2; exit 1; }

work=$(mktemp -d "${DIR:-/tmp}/vmfs.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
mkdir -p "$work/share/small"
"$build/../tests/helpers/vm-initrd.sh" "$kernel" "$work/initrd"
head -c 2048 /dev/urandom >"$work/share/small/f"
(
	cd "$work/share/small"
	for d in $(seq $((files / 100))); do
		mkdir "$d"
		for f in $(seq 100); do cp f "$d/$f"; done
	done
)
head -c "${mib}M" /dev/zero >"$work/share/big"
cat >"$work/share/run.sh" <<'GUEST'
now() { read -r up _ </proc/uptime; echo "${up%.*}${up#*.}"; }
a=$(now)
tar -cf - -C /t/small . | cat >/dev/null
b=$(now)
dd if=/t/big of=/dev/null bs=1M 2>/dev/null
c=$(now)
echo "result $(((b - a) * 10)) $(((c - b) * 10))"
GUEST

cmdline='console=hvc0 quiet panic=-1 reboot=k random.trust_cpu=on cryptomgr.notests no_timer_check'

brig() {	# brig FS-OPTIONS
	timeout 900 "$build/tests/vmrun" --kernel "$kernel/vmlinux" --initrd "$work/initrd" --mem 512 --cpus 1 --fs "share=$work/share,$1" --cmdline "$cmdline" \
		</dev/null 2>&1
}

qemu() {	# qemu CACHE
	rm -f "$work/socket"
	$virtiofsd -f --socket-path="$work/socket" -o "source=$work/share,cache=$1,announce_submounts,xattr,posix_lock,flock,killpriv_v2,log_level=err" \
		-o posix_acl >"$work/virtiofsd" 2>&1 &
	local daemon=$! i
	for i in $(seq 100); do [ ! -S "$work/socket" ] || break; sleep 0.1; done
	timeout 900 qemu-system-x86_64 -M microvm,rtc=off,pit=off,pic=off,isa-serial=off,memory-backend=mem -accel kvm -cpu host -m 512 -smp 1 \
		-object memory-backend-memfd,id=mem,size=512M,share=on -nodefaults -display none -no-reboot -global virtio-mmio.force-legacy=false \
		-kernel "$kernel/vmlinux" -initrd "$work/initrd" -append "$cmdline" -chardev stdio,id=out,signal=off -device virtio-serial-device \
		-device virtconsole,chardev=out -chardev "socket,id=fs,path=$work/socket" \
		-device vhost-user-fs-device,chardev=fs,tag=share,queue-size=1024 </dev/null 2>&1
	kill "$daemon" 2>/dev/null || :
	wait "$daemon" || :
}

echo "$(date -u +%F), Linux $(uname -r), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg); $files files of 2 KiB, $mib MiB"
for cache in ${CACHES:-auto always}; do
	for i in $(seq "$rounds"); do
		for who in brig qemu; do
			how=$cache
			[ $who = qemu ] || how=cache=$cache
			$who "$how" >"$work/out" || :
			read -r tar read < <(sed -n 's/^result \([0-9]*\) \([0-9]*\).*/\1 \2/p' "$work/out") || { tail -20 "$work/out"; exit 1; }
			echo "$cache $who $i: tar $tar ms, read $read ms"
			echo "$tar" >>"$work/$cache.$who.tar"
			echo "$read" >>"$work/$cache.$who.read"
		done
	done
	for what in tar read; do
		median() { sort -n "$work/$cache.$1.$what" | sed -n "$(((rounds + 1) / 2))p"; }
		awk -v b="$(median brig)" -v q="$(median qemu)" -v what="cache=$cache, $what" 'BEGIN { printf "%s: brig %d ms, virtiofsd %d ms, ratio %.2f\n", what, b, q, q ? b / q : 0 }'
	done
done
