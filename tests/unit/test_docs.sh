#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The command table (seen through --help), the man page and the shells' completions say the same. TAP.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
program=${BRIG_OCI:-$top/build/bin/brig-oci}
man=$top/runtime/oci/brig-oci.1
n=0 failed=0

ok() { # RESULT TITLE
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - docs: $2"
	else
		failed=1
		echo "not ok $n - docs: $2"
	fi
}

commands() {
	"$program" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'
}
options() {
	"$program" ${1:+"$1"} --help | awk '/^(Global options|Options):/ { on = 1; next } /^$/ { on = 0 } on { sub(/,$/, "", $1); print $1 }'
}
# The part of the man page between the heading of a command and the next heading, without its escapes
section() {
	awk -v head="$1" '/^\.S[HS]/ { on = ($0 == head) } on' "$man" | sed 's/\\-/-/g; s/\\f[BIR]//g'
}
same() { # OPTIONS-OF-HELP OPTIONS-OF-MAN
	[ "$(printf '%s\n' "$1" | sort)" = "$(printf '%s\n' "$2" | sort)" ]
}
documented() {
	section "$1" | awk '/^\.TP/ { getline; sub(/,$/, "", $1); if ($1 ~ /^--/) print $1 }'
}

same "$(options '')" "$(documented '.SH GLOBAL OPTIONS')"
ok $? "the man page has the global options, and no others"
count=0
for c in $(commands); do
	count=$((count + 1))
	[ "$c" = help ] && continue
	same "$(options "$c")" "$(documented ".SS $c")"
	ok $? "the man page has the options of $c, and no others"
done
[ "$count" -gt 15 ]
ok $? "there are commands ($count)"
same "$(commands)" "$(sed -n 's/^\.SS //p' "$man")"
ok $? "the man page has the commands, and no others"

for pair in bash:brig-oci.bash zsh:_brig-oci fish:brig-oci.fish; do
	made=$("$top/runtime/oci/completions/generate.sh" "$program" "${pair%%:*}")
	[ "$made" = "$(cat "$top/runtime/oci/completions/${pair#*:}")" ]
	ok $? "the completion for ${pair%%:*} is that of the command table"
done
echo "1..$n"
exit $failed
