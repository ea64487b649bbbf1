# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# brig-guest driven by tests/helpers/guestctl.py: alone on a socket pair (guest), or in a machine (machine).
load ../helpers

# share ID...: the share with a root file system for each container, as the host lays it out.
share() {
	S=$T/share
	local id
	for id; do
		mkdir -p "$S/c/$id/binds"
		cp -al "$(cached_rootfs)" "$S/c/$id/rootfs"
	done
}

# config NAME FILTER [ARG...]: NAME.json in $T; the arguments are the program's.
config() {
	local name=$1 filter=$2
	shift 2
	jq "$filter"' | if ($ARGS.positional | length) > 0 then .process.args = $ARGS.positional else . end' --args -- "$@" \
		<"$TOP/tests/integration/base-config.json" >"$T/$name.json"
}

# process NAME FILTER ARG...: NAME.json, a process object.
process() {
	local name=$1 filter=$2
	shift 2
	jq ".process | $filter | .args = \$ARGS.positional" --args -- "$@" <"$TOP/tests/integration/base-config.json" >"$T/$name.json"
}

# guest <script: every line's answer is in $output.
guest() {
	run --separate-stderr timeout 60 python3 "$TOP/tests/helpers/guestctl.py" process "$BUILD/bin/brig-guest" "$S"
	# shellcheck disable=SC2154 # bats sets it
	printf '%s\n' "$output" "${stderr:-}"
}

machine() {
	local kernel=$BUILD/guest/vmlinux initramfs=$BUILD/guest/initramfs
	case ${TUNED:-} in # 2: with the other kernel's modules, which it leaves alone
	1) kernel=$kernel.tuned initramfs=$initramfs.tuned ;;
	2) kernel=$kernel.tuned ;;
	esac
	[ -s "$kernel" ] && [ -s "$initramfs" ] || { echo "no guest kernel (make guest)"; return 1; }
	run --separate-stderr timeout 120 env BOOT_SECONDS=90 python3 "$TOP/tests/helpers/guestctl.py" machine "$kernel" "$initramfs" "$S"
	printf '%s\n' "$output" "${stderr:-}"
}

# has LINE: exactly this line is in the output. part TEXT: this is somewhere in it.
has() { grep -qxF -- "$1" <<<"$output" || { echo "missing line: $1"; return 1; }; }
part() { grep -qF -- "$1" <<<"$output ${stderr:-}" || { echo "missing: $1"; return 1; }; }
# follow A B...: these parts come in this order.
follow() {
	local rest=$output one
	for one; do
		case $rest in *"$one"*) rest=${rest#*"$one"} ;; *) echo "out of order or missing: $one"; return 1 ;; esac
	done
}
