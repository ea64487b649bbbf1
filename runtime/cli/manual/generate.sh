#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Write brig(1) to stdout: head.1, the options as the program's own help lists them, tail.1. Usage: generate.sh PATH/TO/brig
set -eu
program=$1
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

commands() {
	"$program" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'
}
escape() { sed -e 's/\\/\\\\/g' -e 's/-/\\-/g'; }
# Lines of "   --name, -n VALUE   text" below a heading that matches
options() {
	awk -v head="$1" 'function dash(s) { gsub(/-/, "\\-", s); return s }
		$0 == head { on = 1; next } /^$/ { on = 0 }
		on {
			line = $0; sub(/^ +/, "", line); cut = match(line, /  +/)
			spec = substr(line, 1, cut - 1); text = substr(line, cut + RLENGTH)
			n = split(spec, w, / /); sub(/,$/, "", w[1]); value = ""
			text = dash(text)
			printf ".TP\n\\fB%s\\fR", dash(w[1])
			for (i = 2; i <= n; i++) if (w[i] ~ /^-[A-Za-z]$/ && i == 2) printf ", \\fB\\%s\\fR", w[i]; else value = value (value ? " " : "") w[i]
			if (value) printf " \\fI%s\\fR", dash(value)
			printf "\n%s%s%s\n", toupper(substr(text, 1, 1)), substr(text, 2), text ~ /\.$/ ? "" : "."
		}'
}
sentence() { escape | awk '{ print toupper(substr($0, 1, 1)) substr($0, 2) "." }'; }
# Commands whose verbs are words of their own: "network ls"
groups='healthcheck network secret system volume'
is_group() { case " $groups " in *" $1 "*) ;; *) return 1 ;; esac; }
others= # commands of other programs: this one's answer --help by their own name

cat "$here/head.1"
printf '.SH GLOBAL OPTIONS\nThese stand before the command.\n'
"$program" --help | options 'Global options:'
echo '.SH COMMANDS'
for c in $(commands); do
	is_group "$c" && continue
	text=$("$program" "$c" --help 2>/dev/null || :)
	case $text in "brig $c: "*) ;; *) others="$others $c"; continue ;; esac
	printf '.SS %s\n\\fBbrig %s\\fR %s\n.PP\n' "$c" "$c" "$(echo "$text" | sed -n "s/^   brig $c //p" | head -n 1 | escape)"
	echo "$text" | sed -n "1s/^brig $c: //p" | sentence
	echo "$text" | options 'Options:'
done
for g in $groups; do
	for v in $("$program" "$g" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'); do
		text=$("$program" "$g" "$v" --help)
		printf '.SS %s %s\n\\fBbrig %s %s\\fR %s\n.PP\n' "$g" "$v" "$g" "$v" \
			"$(echo "$text" | sed -n "s/^   brig \\($g \\)*$v //p" | head -n 1 | escape)"
		echo "$text" | sed -n "1s/^brig \\($g \\)*$v: //p" | sentence
		echo "$text" | options 'Options:'
	done
done
cat <<'END'
.SH COMMANDS OF OTHER PROGRAMS
These are handed over to the programs that stand beside brig; \fBbrig\fR \fICOMMAND\fR \fB\-\-help\fR shows their options.
END
for c in $others; do
	case $c in help | container) continue ;; esac
	printf '.TP\n\\fB%s\\fR\n' "$c"
	"$program" --help | sed -n "s/^   $c  *//p" | sentence
done
cat "$here/tail.1"
