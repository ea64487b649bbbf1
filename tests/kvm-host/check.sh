#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check.sh BUILD check|all [OPTION OF kvm-host boot]...: test the bench itself, then boot a machine for each variant in the file
# suites (with the options added) and run there what the file lists: lines "check", or all of them. With SUITES (files or folders) in the environment
# only these run, in one machine with the given options. Whatever cannot run is a failure; the exit code is 0 when all passed.
build=$1 when=$2
shift 2
here=tests/kvm-host
KVM_HOST_NAME=check-$$
export KVM_HOST_NAME
rc=0 many='' timeout=3600
cache=/tmp/brig-test-cache # in the machine's memory: each bundle is a copy of it
log=$(mktemp)
trap '"$here/kvm-host" stop; rm -f "$log"' EXIT
trap 'exit 130' INT TERM

boot() {	# boot LABEL [OPTION]...
	label=$1
	shift
	"$here/kvm-host" boot --owner $$ --memory 3072 "$@" 2>"$log" &&
		"$here/kvm-host" run cp -a "$build/tests/cache" $cache </dev/null 2>"$log" && return 0
	cat "$log"
	echo "kvm-host $label: 0 passed, 1 failed, 0 skipped (no machine)"
	rc=1
	return 1
}

inside() {	# inside LABEL FILES [FILTER]
	# A slow machine: what a test waits for takes longer under emulation than its author expects.
	"$here/kvm-host" run --env "FILE_TIMEOUT=${FILE_TIMEOUT:-$timeout}" --env "PATIENCE=${PATIENCE:-60}" --env "FILTER=${3:-}" \
		--env "MUST=root apparmor" --env TEST_CACHE=$cache --env QUICK=1 ${many:+--env "MANY=$many"} tests/run-bats.sh "$build" "$2" </dev/null >"$log" 2>&1 || rc=1
	grep -q '^root: ' "$log" || { echo "root: 0 passed, 1 failed, 0 skipped (the command ended early)" >>"$log"; rc=1; }
	sed "s|^root: |kvm-host $1, $2: |" "$log"
}

# What the suites make once: here in a second, inside it is hundreds of processes, in each machine anew.
BRIG_BUILD=$(realpath "$build") bash -c 'BATS_TEST_DIRNAME=tests/integration; . tests/integration/helpers.bash && cached_rootfs' >"$log" ||
	{ cat "$log"; exit 1; }

if [ -n "${SUITES:-}" ]; then
	boot "$*" "$@" || exit 1
	for s in $SUITES; do inside "$*" "$s"; done
	exit $rc
fi

if [ "$when" = all ]; then
	tests/run-bats.sh "$build" "$here/bench.bats" >"$log" || rc=1
	sed 's/^root: /kvm-host bench: /' "$log"
fi
if [ "$when" = all ]; then wanted='(check|all)' many=200; else wanted=check many=20 timeout=1200; fi
for variant in v2 systemd v1 hybrid systemd-v1; do
	lines=$(grep -E "^${wanted}[[:space:]]+${variant}[[:space:]]" "$here/suites")
	[ -n "$lines" ] || continue
	case $variant in systemd) as='--init systemd' ;; systemd-v1) as='--init systemd --cgroup hybrid' ;; *) as="--cgroup $variant" ;; esac
	# shellcheck disable=SC2086  # two words
	boot "$variant" $as "$@" || continue
	while read -r _ _ files filter; do inside "$variant" "$files" "$filter"; done <<-EOT
		$lines
	EOT
	"$here/kvm-host" stop
done
exit $rc
