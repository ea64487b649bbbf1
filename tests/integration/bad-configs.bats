# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Every case of tests/unit/bad-configs.json through create: exit status 1, the place in the message, and nothing left behind.

bats_require_minimum_version 1.5.0
load helpers

@test "create: refuses every bad configuration, names the place, leaves nothing" {
	need root "creates containers"
	not_in "other words in its messages" crun runc
	local cases=$TOP/tests/unit/bad-configs.json n=0 bad=0 place words config rc
	ID=bad$$
	mkdir -p "$T/bundle/rootfs"
	# three lines a case: where, what, and the whole configuration
	while IFS= read -r place && IFS= read -r words && IFS= read -r config; do
		n=$((n + 1))
		printf '%s\n' "$config" >"$T/bundle/config.json"
		rc=0
		"$RUNTIME" --root "$ROOT" create --bundle "$T/bundle" "$ID" >"$T/out" 2>&1 </dev/null || rc=$?
		if [ "$rc" != 1 ] || ! grep -qF -e ": $place" "$T/out" || ! grep -qF -e "$words" "$T/out"; then
			bad=$((bad + 1))
			echo "case $n: wanted '$place' and '$words', got exit $rc: $(head -c 400 "$T/out")"
		fi
	done < <(jq -c -r '.base as $b | .cases[] | .place, (.words | split("\n")[0]), ($b * .patch)' "$cases")
	echo "$n cases, $bad wrong"
	[ "$n" -gt 400 ]
	[ "$bad" = 0 ]
	no_residue "$ID"
	[ -z "$(ls "$ROOT" 2>/dev/null)" ]
}

@test "create: refuses what is no configuration at all, and leaves nothing" {
	need root "creates containers"
	local b=$T/bundle
	ID=bad$$
	mkdir -p "$b/rootfs"
	refused() {
		run -1 "$RUNTIME" --root "$ROOT" create --bundle "$b" "$ID"
		[ -n "$output" ]
		no_residue "$ID"
		[ ! -e "$ROOT/$ID" ]
	}
	refused # no file
	: >"$b/config.json" && refused
	head -c 100000 /dev/urandom >"$b/config.json" && refused
	cp "$(command -v busybox)" "$b/config.json" && refused
	head -c 17000000 /dev/zero | tr '\0' ' ' >"$b/config.json" && refused
	printf '%0100000d' 0 | tr 0 '[' >"$b/config.json" && refused
	rm "$b/config.json" && mkdir "$b/config.json" && refused
}
