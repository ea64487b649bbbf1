# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The contract tests: one suite, run against either backend.
#
#   BACKEND=namespaces|vm   which one (namespaces)
#   BRIG_OCI=PROGRAM        the program to test (brig-oci or brig-vm of the build folder)
#   PATIENCE=SECONDS        how long to wait for a thing to happen (10; 60 for vm, which may have to emulate)
bats_require_minimum_version 1.5.0
BACKEND=${BACKEND:-namespaces}
[ -z "${BRIG_OCI:-}" ] || RUNTIME=$BRIG_OCI
[ "$BACKEND" != vm ] || PATIENCE=${PATIENCE:-60}
load ../integration/helpers

# differs NAME: is this backend allowed to differ there? The reasons are in the file.
differs() { grep -Eq "^$BACKEND[[:space:]]+$1[[:space:]]" "$TOP/tests/conformance/differences.txt"; }

# report SCRIPT [JQ-FILTER]: run the script in a container of its own in the foreground; its output is $output, and its lines
# NAME=VALUE are read with got NAME.
report() {
	mk_sh "$@"
	run -0 rt run --bundle "$B" "$ID" </dev/null
	no_residue "$ID"
}
got() { sed -n "s/^$1=//p" <<<"$output"; }
# is NAME VALUE: the container reported it
is() {
	[ "$(got "$1")" = "$2" ] || { echo "$1 is '$(got "$1")', not '$2'"; echo "$output"; return 1; }
}

# refuses WORDS COMMAND...: exit 1, and an error with these words
refuses() {
	local words=$1
	shift
	run "$@"
	[ "$status" = 1 ] && [[ "${output,,}" == *"${words,,}"* ]] && return 0
	echo "exit $status: $* should be refused with '$words': $output"
	return 1
}
