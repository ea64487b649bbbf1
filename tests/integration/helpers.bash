# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What every integration test uses. A test makes a bundle, runs the runtime on it through rt, and the teardown here deletes
# what is left and fails the test when anything of its containers remains on the host.
#
#   RUNTIME=crun bats lifecycle.bats      another runtime, to check the tests themselves
#   BACKEND=vm                            brig-vm in place of brig-oci
#   MUST="root kvm"                       a skip for one of these reasons is a failure
#   TEST_CACHE=/tmp/cache                 where the root file system is kept that each bundle is a copy of

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BACKEND=${BACKEND:-namespaces}
BUILD=${BRIG_BUILD:-$TOP/build}
CACHE=${TEST_CACHE:-$BUILD/tests/cache}
if [ "$BACKEND" = vm ]; then RUNTIME=${RUNTIME:-$BUILD/bin/brig-vm}; else RUNTIME=${RUNTIME:-$BUILD/bin/brig-oci}; fi
RUNTIME=$(command -v "$RUNTIME" || echo "$RUNTIME")
# Where machines are emulated, saying so spares the notice that they are.
VM_FLAGS=()
[ "$BACKEND" != vm ] || [ -w /dev/kvm ] || VM_FLAGS=(--vm-accel emulate)
# Deadline in seconds of one runtime call and of wait_for.
PATIENCE=${PATIENCE:-10}

#### what a test may need

have_root() { [ "$(id -u)" = 0 ]; }
have_kvm() { [ -w /dev/kvm ]; }
have_cgroup-v1() { [ -d /sys/fs/cgroup/memory ]; }
have_cgroup-v2() { [ -e /sys/fs/cgroup/cgroup.controllers ]; }
have_strace() { command -v strace >/dev/null; }
have_cc() { command -v cc >/dev/null; }
have_python3() { command -v python3 >/dev/null; }
have_cap() { # NAME: in our own effective set
	capsh --has-p="$1" >/dev/null 2>&1
}

# need X [ARG] REASON: skip the test unless X is there; a failure when MUST names X.
need() {
	local what=$1 reason=${*: -1}
	"have_$what" "${@:2:$#-2}" && return 0
	case " ${MUST:-} " in *" $what "*) echo "needed and missing: $what ($reason)"; return 1 ;; esac
	skip "$reason"
}

# file_needs X REASON: the same for a whole file, in its setup_file (`file_needs ... || return 0`), where bats 1.8 cannot skip. The
# file's setup then calls file_ready.
file_needs() {
	"have_$1" && return 0
	export FILE_MISSES=$1 FILE_REASON=$2
	return 1
}
file_ready() { [ -z "${FILE_MISSES:-}" ] || need "$FILE_MISSES" "$FILE_REASON"; }

# not_in REASON RUNTIME...: another runtime that these tests can run with lacks the feature. Never skips brig's own programs.
not_in() {
	local reason=$1 r
	shift
	for r in "$@"; do
		[ "${RUNTIME##*/}" != "$r" ] || skip "$r: $reason"
	done
}

# CHECK || excused REASON RUNTIME...: a check that another runtime does not pass. A failure for brig's own programs.
excused() {
	not_in "$@"
	echo "and yet: $1"
	return 1
}

#### root file system, bundles, helper programs

# The busybox root file system, made once.
cached_rootfs() {
	local r=$CACHE/rootfs t
	if [ ! -e "$r/.complete" ]; then
		mkdir -p "$CACHE"
		t=$(mktemp -d "$CACHE/rootfs.XXXXXX")
		chmod 755 "$t"
		(cd "$t" && mkdir -p bin dev etc home lib proc root run sbin sys tmp usr/bin usr/sbin var/log &&
			chmod 1777 tmp && chmod 700 root &&
			cp "$(command -v busybox)" bin/busybox &&
			for a in $(bin/busybox --list); do [ "$a" = busybox ] || ln -s /bin/busybox "bin/$a"; done &&
			printf 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/usr/sbin:/bin/false\nuser:x:1000:1000::/home/user:/bin/sh\n' >etc/passwd &&
			printf 'root:x:0:\ndaemon:x:1:\nuser:x:1000:\nextra:x:2000:user\n' >etc/group &&
			mkdir -p home/user && chown 1000:1000 home/user &&
			echo 'brig test image' >etc/issue && touch .complete) >&2 || return 1
		mv -T "$t" "$r" 2>/dev/null || rm -rf "$t" # someone else was faster
	fi
	echo "$r"
}

# helper NAME: path of the program made of tests/helpers/NAME.c.
helper() {
	local bin=$BUILD/helpers/$1
	if [ ! -x "$bin" ] || [ "$TOP/tests/helpers/$1.c" -nt "$bin" ]; then make -s -C "$TOP" "${bin#"$TOP/"}" >&2 || return 1; fi
	echo "$bin"
}

# mk_bundle [JQ-FILTER [JQ-OPTION...]]: a new bundle with a root file system of its own. Sets B (bundle), R (root file system),
# ID and CG (the cgroup's name). The filter edits the base configuration.
mk_bundle() {
	local filter=${1:-.}
	shift || true
	IDN=$((IDN + 1))
	ID=t$$-$BATS_TEST_NUMBER-$IDN-$RANDOM
	CG=$ID
	IDS+=("$ID")
	B=$T/b$IDN
	R=$B/rootfs
	mkdir "$B"
	cp -a "$(cached_rootfs)" "$R"
	jq --arg id "$ID" "$@" ".process.env += [\"BRIG_TEST=\" + \$id] | .linux.cgroupsPath = \"/\" + \$id | $filter" \
		"$TOP/tests/integration/base-config.json" >"$B/config.json"
}

# edit JQ-FILTER [JQ-OPTION...]: change the configuration of the bundle B.
edit() {
	local f=$1
	shift
	jq "$@" "$f" "$B/config.json" >"$B/config.new" && mv "$B/config.new" "$B/config.json"
}

# mk_sh SCRIPT [JQ-FILTER [JQ-OPTION...]]: as mk_bundle, with sh -c SCRIPT as the program.
mk_sh() {
	local script=$1 filter=${2:-.}
	shift
	shift || true
	mk_bundle ".process.args = [\"sh\", \"-c\", \$script] | $filter" --arg script "$script" "$@"
}

#### the runtime

# fd 3 is bats' own, and a container that inherited it would hold up the end of the test run.
rt() { timeout -k 5 "${RT_TIMEOUT:-60}" "$RUNTIME" --root "$ROOT" "${VM_FLAGS[@]}" "$@" 3>&-; }

# What a detached container inherits must not be a pipe of bats.
ct_create() { rt create --bundle "$B" --pid-file "$T/$ID.pid" "$@" "$ID" </dev/null >"$T/$ID.out" 2>"$T/$ID.err" || { cat "$T/$ID.err" >&2; return 1; }; }
ct_start() { rt start "$ID"; }
ct_up() { rt run --detach --bundle "$B" --pid-file "$T/$ID.pid" "$@" "$ID" </dev/null >"$T/$ID.out" 2>"$T/$ID.err" || { cat "$T/$ID.err" >&2; return 1; }; }
# In the foreground, output to the caller.
ct_run() { rt run --bundle "$B" "$@" "$ID" </dev/null; }
ct_pid() { cat "$T/$ID.pid"; }
ct_status() { rt state "$ID" 2>/dev/null | jq -r .status; }
ct_out() { cat "$T/$ID.out"; }

is_status() { [ "$(ct_status)" = "$1" ]; }

# fails COMMAND...: bats overlooks a "! COMMAND" that is not the last one of a test.
fails() { if "$@"; then return 1; fi; }

# wait_for COMMAND...: until it succeeds, PATIENCE seconds at most.
wait_for() {
	local end=$((SECONDS + PATIENCE))
	until "$@"; do
		if ((SECONDS > end)); then
			echo "gave up waiting for: $*"
			return 1
		fi
		sleep 0.02
	done
}

# cg_file CONTROLLER V1-FILE V2-FILE: the path of the container's file on this layout; cg_cat: what is in it
cg_file() { if have_cgroup-v2; then echo "/sys/fs/cgroup/$CG/$3"; else echo "/sys/fs/cgroup/$1/$CG/$2"; fi; }
cg_cat() { cat "$(cg_file "$@")"; }

# The name that teardown and no_residue look for in cgroup file systems: every hierarchy, all depths that runtimes use.
cgroup_dirs() {
	local d
	for d in /sys/fs/cgroup/*/"$1" /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/*/"$1"; do
		# The kernel's file has size 0; a file of a runtime that took a plain directory for a cgroup has not.
		if [ -e "$d/cgroup.procs" ] && [ ! -s "$d/cgroup.procs" ]; then echo "$d"; fi
	done
}
no_cgroup() { [ -z "$(cgroup_dirs "$1")" ]; }

ct_processes() { # the host pids with this id in their command line or environment
	printf '%s' "$1" >"$T/.pattern" # not in grep's own command line
	grep -lsaF -f "$T/.pattern" /proc/[0-9]*/cmdline /proc/[0-9]*/environ | sed 's|/proc/\([0-9]*\)/.*|\1|' | sort -un
}

# no_residue ID: nothing of the container is left: state, cgroups, mounts, processes.
no_residue() {
	local id=$1 bad=0 p
	if [ -e "$ROOT/$id" ]; then echo "residue: state directory $ROOT/$id: $(ls -A "$ROOT/$id")"; bad=1; fi
	if ! no_cgroup "$id"; then echo "residue: cgroups $(cgroup_dirs "$id" | tr '\n' ' ')"; bad=1; fi
	if grep -F "$T/" /proc/self/mountinfo; then echo "residue: mounts above"; bad=1; fi
	p=$(ct_processes "$id")
	if [ -n "$p" ]; then
		echo "residue: processes"
		ps -o pid,ppid,stat,args -p "$(echo "$p" | paste -sd ,)" || true
		bad=1
	fi
	return $bad
}
no_residue_quiet() { no_residue "$1" >/dev/null 2>&1; }

#### set-up and clean-up

setup() {
	need root "root is needed"
	T=$(mktemp -d /tmp/brig-it.XXXXXX)
	chmod 755 "$T"
	ROOT=$T/root
	IDN=0
	IDS=()
	BACKGROUND=()
	if declare -F test_setup >/dev/null; then test_setup; fi
}

# background PID: ended by teardown
background() { BACKGROUND+=("$1"); }

# Programs that print the output of a failed command print it for the reader of a failed test.
teardown() {
	local id rc=0 p
	[ -n "${T:-}" ] || return 0
	if declare -F test_teardown >/dev/null; then test_teardown || rc=1; fi
	for p in "${BACKGROUND[@]}"; do kill "$p" 2>/dev/null || true; done
	for id in "${IDS[@]}"; do
		[ ! -e "$ROOT/$id" ] || rt delete --force "$id" || { echo "delete --force $id: exit $?"; rc=1; }
	done
	for id in "${IDS[@]}"; do
		if ! no_residue_quiet "$id" && ! PATIENCE=2 wait_for no_residue_quiet "$id" >/dev/null; then
			no_residue "$id" || rc=1
			for p in $(ct_processes "$id"); do kill -9 "$p" 2>/dev/null || true; done
			cgroup_dirs "$id" | while read -r p; do find "$p" -depth -type d -exec rmdir {} + 2>/dev/null; done || true
			grep -oF "$T/[^ ]*" /proc/self/mountinfo | tac | xargs -r umount -l || true
		fi
	done
	rm -rf --one-file-system "$T"
	return $rc
}
