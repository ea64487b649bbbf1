#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# brig's command table (seen through --help), its man page and the shells' completions say the same. TAP.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
program=$(dirname "${BRIG_OCI:-$top/build/bin/brig-oci}")/brig
n=0 failed=0

ok() { # RESULT TITLE
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - cli docs: $2"
	else
		failed=1
		echo "not ok $n - cli docs: $2 (make cli-docs writes them anew)"
	fi
}

made=$("$top/runtime/cli/manual/generate.sh" "$program")
[ "$(printf '%s\n' "$made" | grep -c '^\.SS ')" -gt 15 ]
ok $? "the man page has many commands"
[ "$made" = "$(cat "$top/runtime/cli/brig.1")" ]
ok $? "the man page is that of the command table"
[ -z "$(printf '%s\n' "$made" | awk '/^\.TP/ && before == ".PP" { print NR } { before = $0 }')" ]
ok $? "the man page says of every command what it does"
for pair in bash:brig.bash zsh:_brig fish:brig.fish; do
	made=$("$top/runtime/cli/completions/generate.sh" "$program" "${pair%%:*}")
	[ "$made" = "$(cat "$top/runtime/cli/completions/${pair#*:}")" ]
	ok $? "the completion for ${pair%%:*} is that of the command table"
done
echo "1..$n"
exit $failed
