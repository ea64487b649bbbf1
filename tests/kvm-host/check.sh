#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check.sh BUILD [OPTION OF kvm-host boot]...: test the bench itself, then boot one machine and run the suites listed in the
# file suites (or in $SUITES) inside it. The machine is stopped at the end; the exit code is 0 when everything passed.
build=$1
shift
here=tests/kvm-host
KVM_HOST_NAME=check-$$
export KVM_HOST_NAME
rc=0
log=$(mktemp)
trap '"$here/kvm-host" stop; rm -f "$log"' EXIT
trap 'exit 130' INT TERM
if [ -z "${SUITES:-}" ]; then
	SUITES=$(grep -v '^#' "$here/suites" | tr '\n' ' ')
	tests/run-bats.sh "$build" "$here/bench.bats" >"$log" || rc=1
	sed 's/^root: /bench: /' "$log"
fi
"$here/kvm-host" boot --owner $$ "$@" || exit 1
for s in $SUITES; do
	echo "# inside: $s"
	# A slow machine: what a test waits for takes longer under emulation than its author expects.
	"$here/kvm-host" run --env "BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-600}" tests/run-bats.sh "$build" "$s" </dev/null >"$log" 2>&1 || rc=1
	cat "$log"
done
exit $rc
