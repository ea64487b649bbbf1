#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A compile_commands.json for clangd, from the tracked sources and the Makefile's flags.
printf '[\n'
sep=
for f in $(git ls-files '*.c'); do
	printf '%s{"directory": "%s", "file": "%s", "command": "%s -c %s"}' "$sep" "$PWD" "$f" "$(printf '%s' "$1" | sed 's/"/\\"/g')" "$f"
	sep=',
'
done
printf '\n]\n'
