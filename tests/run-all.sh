#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-all.sh BUILD: unit tests, the suites that need root, and the part of them that is to run on other kernels' layouts, in the
# kvm-host bench; the last line sums them up.
build=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
rc=0
BRIG_OCI="$build/bin/brig-oci" tests/run-unit.sh "$build"/tests/test_* tests/unit/test_*.sh >"$log" 2>&1 || rc=1
cat "$log"
if [ "$(id -u)" -eq 0 ]; then
	tests/run-bats.sh "$build" tests/conformance tests/integration >"$log.2" 2>&1 || rc=1
	cat "$log.2"
	cat "$log.2" >>"$log"
	tests/kvm-host/check.sh "$build" check >"$log.2" 2>&1 || rc=1
	cat "$log.2"
	cat "$log.2" >>"$log"
	rm -f "$log.2"
else
	echo "not root: the integration tests were not run"
	rc=1
fi
sum() {
	sed -n "s/^\\(unit\\|root\\|kvm-host [^:]*\\): .*\\b\\([0-9][0-9]*\\) $1.*/\\2/p" "$log" | awk '{ n += $1 } END { print n + 0 }'
}
echo "$(sum passed) passed, $(sum failed) failed, $(sum skipped) skipped"
exit $rc
