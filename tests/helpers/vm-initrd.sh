#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# vm-initrd.sh KERNEL-TREE OUT: an initramfs for vmrun: busybox and the virtio modules of the kernel tree, in dependency
# order. Its init mounts the share with the tag "share", runs run.sh from it with the console as output, powers off.
set -eu
tree=$1 out=$2
release=$(ls "$tree/lib/modules")
modules=$tree/lib/modules/$release
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/bin" "$dir/proc" "$dir/sys" "$dir/dev" "$dir/t" "$dir/mod"
cp "$(command -v busybox)" "$dir/bin/"

# A line of modules.dep is "module: what it needs", the deepest need last.
n=100
for m in virtio_mmio virtio_console virtio-rng virtiofs virtio_blk virtio_net virtio_balloon nd_pmem virtio_pmem; do
	line=$(grep "/$m\.ko:" "$modules/modules.dep")
	for f in $(echo "$line" | tr -d : | awk '{ for (i = NF; i > 0; i--) print $i }'); do
		ls "$dir"/mod/*-"$(basename "$f")" >/dev/null 2>&1 && continue
		cp "$modules/$f" "$dir/mod/$n-$(basename "$f")"
		n=$((n + 1))
	done
done
cat >"$dir/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for m in /mod/*; do insmod "$m"; done
exec >/dev/hvc0 2>&1 </dev/hvc0
echo "guest: up with $(nproc) CPUs"
mount -t virtiofs ${share_options:+-o $share_options} share /t && . /t/run.sh
poweroff -f
INIT
chmod +x "$dir/init"
(cd "$dir" && find . | busybox cpio -o -H newc 2>/dev/null) >"$out"
