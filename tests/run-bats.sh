#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-bats.sh BUILD SUITE...: run bats files or folders against BUILD/bin, print what is not ok, end with a summary line.
# With FILTER in the environment only the tests whose name matches this regular expression.
build=$(realpath "$1")
shift
export BRIG_BUILD="$build"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
files=
for s in "$@"; do
	[ -e "$s" ] || continue
	files="$files $(find "$s" -name '*.bats' | sort | tr '\n' ' ')"
done
if [ -z "$(echo "$files" | tr -d ' ')" ]; then
	echo "root: no suites found"
	exit 1
fi
# shellcheck disable=SC2086  # a list of words
bats --tap ${FILTER:+--filter "$FILTER"} $files >"$out" 2>&1
grep -E -A 25 '^not ok ' "$out" | grep -v '^ok '
pass=$(grep -c '^ok [0-9]* ' "$out")
skip=$(grep -c '^ok [0-9]* .*# skip' "$out")
fail=$(grep -c '^not ok ' "$out")
plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$out" | head -n 1)
grep '^ok [0-9]* .*# skip' "$out" | sed 's/^ok [0-9]* /skipped: /'
[ "${plan:-0}" = "$((pass + fail))" ] || { echo "bats planned ${plan:-0} tests and ran $((pass + fail))"; tail -n 20 "$out"; fail=$((fail + 1)); }
echo "root: $((pass - skip)) passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ]
