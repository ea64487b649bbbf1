#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run TAP programs, show only what is not ok, and sum up. Exit 1 when a test failed or a program ended early.
pass=0 fail=0 skip=0
for t in "$@"; do
	out=$("$t" 2>&1)
	rc=$?
	p=$(printf '%s\n' "$out" | grep -c '^ok [0-9]* - ')
	s=$(printf '%s\n' "$out" | grep -c '^ok [0-9]* # skip')
	f=$(printf '%s\n' "$out" | grep -c '^not ok ')
	plan=$(printf '%s\n' "$out" | sed -n 's/^1\.\.\([0-9]*\)$/\1/p')
	if [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
	if [ "${plan:-none}" != "$((p + s + f))" ] && [ "$f" -eq 0 ]; then f=1; fi
	if [ "$f" -ne 0 ]; then
		printf '# %s (exit %s, plan %s)\n' "$t" "$rc" "${plan:-none}"
		printf '%s\n' "$out" | grep -v '^ok ' | head -n 40
	fi
	pass=$((pass + p)) fail=$((fail + f)) skip=$((skip + s))
done
printf 'unit: %d passed, %d failed, %d skipped\n' "$pass" "$fail" "$skip"
[ "$fail" -eq 0 ]
