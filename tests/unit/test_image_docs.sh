#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The man page of the image commands has the commands and options of the program, and no others. TAP.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
program=$(dirname "${BRIG_OCI:-$top/build/bin/brig-oci}")/brig-images
man=$top/images/brig-image.1
n=0 failed=0

ok() { # RESULT TITLE
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - image docs: $2"
	else
		failed=1
		echo "not ok $n - image docs: $2"
	fi
}

commands() {
	{ "$program" image --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'; printf 'login\nlogout\n'; } | sort
}
options() { # WORDS
	"$program" "$@" --help | awk '/^(Global options|Options):/ { on = 1; next } /^$/ { on = 0 } on { sub(/,$/, "", $1); print $1 }' | sort
}
documented() { # HEADING
	awk -v head="$1" '/^\.S[HS]/ { on = ($0 == head) } on' "$man" | sed 's/\\-/-/g; s/\\f[BIR]//g' |
		awk '/^\.TP/ { getline; sub(/,$/, "", $1); if ($1 ~ /^--/) print $1 }' | sort
}

[ "$(options image)" = "$(documented '.SH GLOBAL OPTIONS')" ]
ok $? "the global options"
[ "$(commands)" = "$(sed -n 's/^\.SS //p' "$man")" ]
ok $? "the commands"
for c in $(commands); do
	case $c in
	login | logout) [ "$(options "$c" | grep -v -e '^--help$')" = "$(documented ".SS $c" | grep -v -e '^--help$')" ] ;;
	*) [ "$(options image "$c" | grep -v -e '^--help$')" = "$(documented ".SS $c" | grep -v -e '^--help$')" ] ;;
	esac
	ok $? "the options of $c"
done
echo "1..$n"
exit $failed
