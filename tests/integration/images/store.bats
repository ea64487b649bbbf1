#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031
# SPDX-License-Identifier: Apache-2.0
# The image store through tests/helpers/imgtool.c: layers, chains, both sinks, attacks, crashes.

HERE=$BATS_TEST_DIRNAME
TOOL=${BRIG_BUILD:-$HERE/../../../build}/helpers/imgtool

setup() {
	[ "$(id -u)" = 0 ] || skip "mounts and owners need root"
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir m u
	export IMGTOOL_NOSYNC=1
}

teardown() {
	! mountpoint -q "$BATS_TEST_TMPDIR/m" || umount "$BATS_TEST_TMPDIR/m"
	! mountpoint -q "$BATS_TEST_TMPDIR/u" || umount "$BATS_TEST_TMPDIR/u"
}

img() { "$TOOL" S "$@"; }
layer() { python3 "$HERE/mktar.py" "$1" "$1.tar" "${2:-}"; }
list() { python3 "$HERE/treelist.py" "$@"; }
blobs_in_tmp() { find S/tmp -type f | wc -l; }

# NAME TEXT: the layer is refused when it comes in, with TEXT in the message; nothing of it stays.
refused() {
	layer "$1"
	run img import-layer "$1.tar"
	[ "$status" -eq 1 ]
	[[ $output == *"$2"* ]] || { echo "said: $output"; return 1; }
	[ "$(find S -type f ! -name lock | wc -l)" -eq 0 ]
}

# NAME TEXT: the layer comes in, no chain can be made of it.
refused_in_chain() {
	layer "$1"
	local id
	id=$(img import-layer "$1.tar")
	run img erofs "$id"
	[ "$status" -eq 1 ]
	[[ $output == *"$2"* ]] || { echo "said: $output"; return 1; }
	[ "$(find S/chains S/tmp -type f | wc -l)" -eq 0 ]
}

# NAME...: unpack and mount the chain of these layers; both trees must be the same. Leaves it mounted on m.
both_sinks() {
	local ids=() n chain
	for n in "$@"; do
		[ -e "$n.tar" ] || layer "$n"
		ids+=("$(img import-layer "$n.tar")")
	done
	chain=$(img erofs "${ids[@]}")
	img mount "$chain" m
	img unpack u "${ids[@]}"
	list m >m.list
	list u >u.list
	diff m.list u.list
	echo "$chain" >chain
}

# A layer's tar, made again from its log, is the very same.
made_again() { # TAR
	local id
	id=$(img import-layer "$1")
	img export-tar "$id" >again.tar
	cmp "$1" again.tar
}

@test "log: tars of all kinds are made again byte for byte" {
	local f
	mkdir in
	truncate -s 5M in/sparse
	echo x | dd of=in/sparse bs=1 seek=2000000 conv=notrunc status=none
	echo hello >in/f
	ln in/f in/g
	ln -s f in/l
	mkfifo in/p
	head -c 5000 /dev/urandom >in/r
	mkdir -p "in/$(printf 'd%.0s' {1..120})/$(printf 'e%.0s' {1..120})"
	for f in gnu oldgnu pax ustar; do
		# ustar leaves out the name that is too long for it, and says so
		tar --format=$f -cf $f.tar -C in . 2>/dev/null || [ $f = ustar ]
		made_again $f.tar
		tar -S --format=$f -cf $f-sparse.tar -C in . 2>/dev/null || [ $f = ustar ]
		[ ! -e $f-sparse.tar ] || made_again $f-sparse.tar
	done
	for f in 0.0 0.1 1.0; do
		tar -S --format=pax --sparse-version=$f -cf sparse-$f.tar -C in .
		made_again sparse-$f.tar
	done
	(cat gnu.tar; head -c 3000 /dev/zero; echo garbage) >trailing.tar
	made_again trailing.tar
	tar -cf - -C in f | head -c 1024 >no-end.tar
	made_again no-end.tar
	for f in everything lower upper; do
		layer $f
		made_again $f.tar
	done
}

@test "log: damage of a layer shows when its tar is made again" {
	head -c 50000 /dev/urandom >data
	tar -cf t.tar data
	id=$(img import-layer t.tar)
	chmod u+w S/layers/*.data
	printf x | dd of="$(echo S/layers/*.data)" bs=1 seek=1000 conv=notrunc status=none
	run img export-tar "$id"
	[ "$status" -eq 1 ]
}

@test "attack: .. is refused" { refused dotdot "leaves the root"; }
@test "attack: .. behind a directory is refused" { refused dotdot_inside "leaves the root"; }
@test "attack: an absolute path with .. is refused" { refused absolute_dotdot "leaves the root"; }
@test "attack: a root that is a symlink is refused" { refused symlink_root "root is not a directory"; }
@test "attack: a hardlink with .. is refused" { refused hardlink_dotdot "leaves the root"; }
@test "attack: a hardlink to a file of the host is refused" { refused_in_chain hardlink_absolute "does not exist"; }
@test "attack: a hardlink to nothing is refused" { refused_in_chain hardlink_missing "does not exist"; }
@test "attack: a hardlink to the host through a symlink is refused" { refused_in_chain hardlink_through_symlink "does not exist"; }
@test "attack: a hardlink to a directory is refused" { refused_in_chain hardlink_directory "directory"; }
@test "attack: a loop of symlinks as parent is refused" { refused_in_chain symlink_loop "too many symlinks"; }
@test "attack: a file as parent is refused" { refused_in_chain parent_is_file "not a directory"; }
@test "attack: a whiteout of nothing is refused" { refused whiteout_empty "names nothing"; }
@test "attack: a whiteout of .. is refused" { refused whiteout_dotdot "names nothing"; }
@test "attack: a file below a whiteout is refused" { refused whiteout_below "below a whiteout"; }
@test "attack: overlayfs' whiteout device is refused" { refused whiteout_device "0:0"; }
@test "attack: trusted.overlay attributes are refused" { refused overlay_trusted "overlayfs"; }
@test "attack: user.overlay attributes are refused" { refused overlay_user "overlayfs"; }
@test "attack: a name of 256 bytes is refused" { refused name_too_long "longer than 255"; }
@test "attack: a path of 6000 bytes is refused" { refused path_too_long "longer than 4095"; }
@test "attack: an owner beyond 32 bits is refused" { refused owner_too_big "owner"; }

@test "attack: an absolute path stays inside" {
	both_sinks absolute
	[ "$(cat m/etc/passwd)" = inside ]
}

@test "attack: a symlink out of the root as parent stays inside" {
	both_sinks symlink_parent
	[ "$(cat m/tmp/escape)" = x ]
	[ ! -e /tmp/escape ]
}

@test "attack: a symlink with .. as parent stays inside" {
	both_sinks symlink_parent_dotdot
	[ "$(cat m/tmp/escape)" = x ]
	[ ! -e /tmp/escape ]
}

@test "attack: a decompression bomb ends at the limit" {
	layer bomb
	mv bomb.tar bomb.gz
	IMGTOOL_MAX_TAR=50000000 run img import-layer bomb.gz
	[ "$status" -eq 1 ]
	[[ $output == *"more than 50000000 bytes"* || $output == *"larger than 50000000 bytes"* ]]
	[ "$(blobs_in_tmp)" -eq 0 ]
}

@test "attack: digest, size and diffID must be what was announced" {
	layer lower
	d=sha256:$(sha256sum lower.tar | cut -c1-64)
	n=$(stat -c %s lower.tar)
	bad=sha256:$(printf '%064d' 7)
	run img import-layer lower.tar "$bad"
	[ "$status" -eq 1 ]
	[[ $output == *"layer's digest is $d, expected $bad"* ]]
	run img import-layer lower.tar "$d" "$bad"
	[ "$status" -eq 1 ]
	[[ $output == *"diffID is $d, expected $bad"* ]]
	run img import-layer lower.tar "$d" "$d" $((n - 1))
	[ "$status" -eq 1 ]
	[[ $output == *"longer than"* ]]
	run img import-layer lower.tar "$d" "$d" $((n + 1))
	[ "$status" -eq 1 ]
	[[ $output == *"descriptor says"* ]]
	run img import-layer lower.tar "sha256:ABC"
	[ "$status" -eq 1 ]
	[ "$(find S -type f ! -name lock | wc -l)" -eq 0 ]
	img import-layer lower.tar "$d" "$d" "$n"
}

@test "layer: damaged and cut streams are refused" {
	layer everything
	gzip -k everything.tar
	zstd -q everything.tar
	xz -0k everything.tar
	bzip2 -k everything.tar
	for f in everything.tar.gz everything.tar.zst everything.tar.xz everything.tar.bz2; do
		head -c -20 $f >"cut"
		run img import-layer cut
		[ "$status" -eq 1 ]
		[[ $output == *"cut short"* ]]
	done
	head -c 100000 everything.tar >"cut"
	run img import-layer cut
	[ "$status" -eq 1 ]
	{ cat everything.tar.gz; echo garbage; } >trailing
	run img import-layer trailing
	[ "$status" -eq 1 ]
	[[ $output == *"garbage after the end"* ]]
	[ "$(find S -type f ! -name lock | wc -l)" -eq 0 ]
}

@test "layer: gzip, many members, zstd, several frames, xz, bzip2 and plain give one diffID" {
	layer everything
	want=sha256:$(sha256sum everything.tar | cut -c1-64)
	gzip -k everything.tar
	zstd -q everything.tar
	split -b 100000 everything.tar part.
	for p in part.*; do
		gzip -c "$p" >>members.gz
		zstd -qc "$p" >>frames.zst
		xz -0c "$p" >>streams.xz
		bzip2 -c "$p" >>streams.bz2
	done
	for f in everything.tar everything.tar.gz everything.tar.zst members.gz frames.zst streams.xz streams.bz2; do
		[ "$(img import-layer $f)" = "$want" ]
		rm S/layers/*
	done
	[ "$(img import-layer - <members.gz)" = "$want" ]
}

@test "sinks: every kind of entry is the same mounted, through loop devices, flat and unpacked" {
	both_sinks everything
	list m | grep -a "'./cap'" | grep -q security.capability=
	list m | grep -a "'./acl'" | grep -q system.posix_acl_access=
	[ "$(stat -c '%u:%g' m/big-ids)" = 4000000000:3000000000 ]
	[ "$(stat -c %y m/ns)" = "$(date -d @1500000000.123456789 '+%F %T.%N %z')" ]
	[ "$(stat -c %h m/h1)" = 3 ]
	[ "$(find m/many -type f | wc -l)" = 706 ]
	chain=$(cat chain)
	umount m
	img mount-loop "$chain" m
	list m | diff - u.list
	umount m
	img files "$chain" | awk '{print $3}' | xargs cat >flat
	mount -t erofs -o loop,ro flat m
	list m | diff - u.list
	umount m
	# shellcheck disable=SC2046
	fsck.erofs $(img files "$chain" | awk 'NR > 1 {print "--device=" $3}') --extract flat
}

@test "sinks: GNU and pax tars of the same files make the same tree" {
	layer lower gnu
	both_sinks lower
	mv m.list gnu.list
	umount m
	rm -r u && mkdir u
	rm lower.tar
	both_sinks lower
	diff gnu.list m.list
}

@test "sinks: a sparse file keeps its contents and its holes" {
	truncate -s 50M sparse
	printf begin | dd of=sparse conv=notrunc status=none
	printf middle | dd of=sparse bs=1 seek=20000000 conv=notrunc status=none
	tar --sparse --format=posix -cf lower.tar sparse
	both_sinks lower
	cmp sparse m/sparse
	cmp sparse u/sparse
	[ "$(du -k u/sparse | cut -f1)" -lt 1000 ]
	[ "$(du -k S/layers/*.data | cut -f1)" -lt 1000 ]
}

@test "chain: whiteouts, opaque directories, implied parents, links and type changes" {
	both_sinks lower upper
	[ ! -e m/gone ]
	[ ! -e m/o/hidden ]
	[ ! -e m/o/sub ]
	[ -e m/o/new ]
	[ "$(stat -c '%a %u' m/a)" = "711 5" ]
	[ "$(stat -c '%a %u' m/o)" = "750 7" ]
	[ "$(readlink m/lib)" = usr/lib ]
	[ "$(cat m/usr/lib/added)" = l ]
	[ "$(stat -c %i m/link)" = "$(stat -c %i m/a/one)" ]
	[ -d m/f2d ]
	[ -f m/d2f ]
	[ -e m/keep2 ]
}

@test "chain: the tree is what umoci unpacks" {
	command -v umoci >/dev/null || skip "no umoci"
	layer everything
	umoci init --layout lay
	umoci new --image lay:x
	umoci unpack --image lay:x b
	tar -C b/rootfs --xattrs --xattrs-include='*' -xf everything.tar
	umoci repack --image lay:x b
	rm -rf b
	umoci unpack --image lay:x b
	rm -r b/rootfs/many
	mkdir b/rootfs/many b/rootfs/sticky/in
	echo new >b/rootfs/many/new
	rm b/rootfs/4096 b/rootfs/h2
	umoci repack --image lay:x b
	img load lay
	img mount "$(img resolve x | cut -d' ' -f3)" m
	img unpack-image x u
	umoci unpack --image lay:x c
	list m >m.list
	list u >u.list
	list c/rootfs >c.list
	diff m.list u.list
	diff m.list c.list
}

@test "rootfs: an overlay above the image takes changes, and the image stays" {
	layer lower
	img import lower.tar one:1
	mount -t tmpfs none u
	mkdir u/upper u/work
	img mount-rw one:1 u/upper u/work m
	echo changed >m/keep
	rm -r m/o
	mkdir m/o
	echo x >m/o/x
	[ "$(ls m/o)" = x ]
	umount m
	[ "$(cat u/upper/keep)" = changed ]
	img fsck check
	img mount "$(img resolve one:1 | cut -d' ' -f3)" m
	[ "$(cat m/keep)" = keep ]
	umount u
}

@test "archive: digests survive save and load, and docker's form loads from a pipe" {
	command -v skopeo >/dev/null || skip "no skopeo"
	export IMGTOOL_KEEP=1
	layer lower
	gzip lower.tar
	first=$(img import lower.tar.gz example.com/one:1 sh)
	img save-tar example.com/one:1 out.tar example.com/one:1
	[ "$("$TOOL" S2 load out.tar)" = "$first" ]
	mkdir dir
	img save-dir example.com/one:1 dir example.com/one:1
	[ "$("$TOOL" S3 load dir)" = "$first" ]
	skopeo copy -q oci:dir:example.com/one:1 docker-archive:docker.tar:example.com/two:2
	gzip docker.tar
	run bash -c "'$TOOL' S4 load - <docker.tar.gz"
	[ "$status" -eq 0 ]
	[[ $output == *example.com/two:2 ]]
	[ "$(echo "$output" | cut -d' ' -f2-3)" = "$(echo "$first" | cut -d' ' -f2-3)" ]
	[ "$(blobs_in_tmp)" -eq 0 ]
}

@test "store: names, ids and prefixes; removal, gc and references" {
	layer lower
	img import lower.tar one:1 sh
	id=$(img resolve one:1 | cut -d' ' -f2)
	img resolve "$id"
	img resolve "$(echo "$id" | cut -c8-19)"
	run img resolve nothing
	[ "$status" -eq 1 ]
	[[ $output == *"no such image 'nothing'"* ]]
	img tag one:1 "$(printf 'x%.0s' $(seq 300)):long"
	img resolve "$(printf 'x%.0s' $(seq 300)):long"
	img ref c1 one:1
	run img rm one:1
	[ "$status" -eq 1 ]
	[[ $output == *"used by a container"* ]]
	[ "$(img gc unused)" = "0 images, 0 files" ]
	img unref c1
	[ "$(img gc dangling)" = "0 images, 0 files" ]
	[ "$(img gc unused)" = "1 images, 6 files" ]
	[ "$(find S -type f ! -name lock | wc -l)" -eq 0 ]
}

@test "fsck: finds each kind of damage, and repairs what it can" {
	layer lower
	img import lower.tar one:1
	img fsck check
	data=$(echo S/layers/*.data)
	chain=$(echo S/chains/*)
	chmod 600 "$data" "$chain"
	printf X | dd of="$chain" bs=1 seek=2000 conv=notrunc status=none
	run img fsck check
	[ "$status" -eq 1 ]
	[[ $output == *"was damaged"* ]]
	run img fsck repair
	[ "$status" -eq 0 ]
	[[ $output == *"built again"* ]]
	img fsck check
	printf X | dd of="$data" bs=1 seek=100 conv=notrunc status=none
	run img fsck check
	[ "$status" -eq 1 ]
	[[ $output == *"contents of 'a/one' are damaged"* ]]
	run img fsck repair
	[ "$status" -eq 1 ]
	img import lower.tar one:1
	img fsck check
}

@test "crash: kill -9 at any point of an import leaves nothing half-made" {
	head -c 20000000 /dev/urandom >blob
	tar -cf lower.tar blob
	unset IMGTOOL_NOSYNC
	for ms in 1 2 5 10 15 20 30 40 60 80 100 150; do
		"$TOOL" S import lower.tar one:1 >/dev/null &
		pid=$!
		sleep "0.$(printf %03d $ms)"
		kill -9 $pid 2>/dev/null || true
		wait $pid || true
		img fsck check
		if img resolve one:1 2>/dev/null; then
			img mount "$(img resolve one:1 | cut -d' ' -f3)" m
			cmp blob m/blob
			umount m
			img rm one:1
		fi
		img gc unused
		[ "$(find S -type f ! -name lock | wc -l)" -eq 0 ]
	done
}

@test "concurrency: two imports of one layer and a gc do not disturb each other" {
	head -c 5000000 /dev/urandom >blob
	tar -cf lower.tar blob
	for _ in 1 2 3 4 5; do
		"$TOOL" S import lower.tar one:1 >/dev/null & a=$!
		"$TOOL" S import lower.tar two:2 >/dev/null & b=$!
		"$TOOL" S gc garbage >/dev/null & c=$!
		wait $a
		wait $b
		wait $c
		img fsck check
		img mount "$(img resolve two:2 | cut -d' ' -f3)" m
		cmp blob m/blob
		umount m
		[ "$(blobs_in_tmp)" -eq 0 ]
		img rm one:1
		img gc unused
	done
}
