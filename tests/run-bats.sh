#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-bats.sh BUILD SUITE...: run bats files or folders against BUILD/bin, print what is not ok, end with a summary line.
# A test that fails is run once more, alone: tests start engines and machines, and a busy host makes them late. Whoever fails twice
# has failed; who passes then is named, so that it is not overlooked. With FILTER in the environment only the tests whose name
# matches this regular expression. FILE_TIMEOUT: seconds for one file (none). Not BATS_TEST_TIMEOUT: a test that ends before bats 1.8 has set
# up its watch leaves a sleep behind that holds the output open for all of that time.
build=$(realpath "$1")
shift
export BRIG_BUILD="$build"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
pass=0 fail=0 skip=0 again=0
files=()
for s in "$@"; do
	[ -e "$s" ] && while IFS= read -r f; do files+=("$f"); done < <(find "$s" -name '*.bats' | sort)
done
if [ ${#files[@]} -eq 0 ]; then
	echo "root: no suites found"
	exit 1
fi

run_bats() {	# run_bats ARG...
	if [ -n "${FILE_TIMEOUT:-}" ]; then timeout -k 30 "$FILE_TIMEOUT" bats --tap "$@"; else bats --tap "$@"; fi
}

failures() { sed -n 's/^not ok [0-9]* //p' "$1"; }
report() { grep -E -A 25 '^not ok ' "$1" | grep -v '^ok '; }

# retry FILE OUT: the failed tests of FILE alone; what fails again stays in OUT.again
retry() {
	local names
	names=$(failures "$2" | sed -e 's/[][\\.*^$+?(){}|]/\\&/g' | paste -sd '|')
	run_bats -f "^($names)\$" "$1" >"$2.again" 2>&1
	echo "failed at first: ${1#tests/}"
	report "$2"
}

# planned OUT: did every test of the plan run?
planned() { [ "$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$1" | head -n 1)" = "$(grep -cE '^(not )?ok [0-9]* ' "$1")" ]; }

run_file() {
	local out=$dir/out p f s
	run_bats ${FILTER:+--filter "$FILTER"} "$1" >"$out" 2>&1
	planned "$out" || { # a daemon that setup_file starts, perhaps
		echo "not all tests ran, so once more: $1"
		tail -n 20 "$out"
		run_bats ${FILTER:+--filter "$FILTER"} "$1" >"$out" 2>&1
	}
	p=$(grep -c '^ok [0-9]* ' "$out")
	s=$(grep -c '^ok [0-9]* .*# skip' "$out")
	f=$(grep -c '^not ok ' "$out")
	grep '^ok [0-9]* .*# skip' "$out" | sed 's/^ok [0-9]* /skipped: /'
	if ! planned "$out"; then
		echo "$1: bats planned other tests than it ran"
		tail -n 20 "$out"
		f=$((f + 1))
	elif [ "$f" -gt 0 ]; then
		retry "$1" "$out"
		p=$((p + $(grep -c '^ok [0-9]* ' "$out.again")))
		again=$((again + $(grep -c '^ok [0-9]* ' "$out.again")))
		sed -n 's/^ok [0-9]* /passed when run again: /p' "$out.again"
		f=$((f - $(grep -c '^ok [0-9]* ' "$out.again")))
		report "$out.again"
	fi
	pass=$((pass + p - s)) fail=$((fail + f)) skip=$((skip + s))
}

for f in "${files[@]}"; do
	start=$SECONDS
	run_file "$f"
	[ -z "${V:-}" ] || [ "$V" = 0 ] || echo "$f: $((SECONDS - start)) s"
done
[ "$again" -eq 0 ] || echo "$again test(s) passed only when run again"
echo "root: $pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ]
