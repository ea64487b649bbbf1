#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many containers at once, and no runtime process beside them. MANY: how many, for slow machines.

load helpers

@test "1,000 detached containers exist at once, with no runtime process alive, and all are deleted" {
	mk_bundle '.process.args = ["sleep", "1000"] | del(.linux.cgroupsPath)'
	local i n=${MANY:-1000}
	for i in $(seq "$n"); do
		"$RUNTIME" --root "$ROOT" run -d --bundle "$B" "$ID-$i" </dev/null >/dev/null 2>"$T/err" || { cat "$T/err"; false; }
	done
	[ "$("$RUNTIME" --root "$ROOT" list -q | wc -l)" = "$n" ]
	! pgrep -f "^$RUNTIME --root $ROOT" || false
	for i in $(seq "$n"); do
		"$RUNTIME" --root "$ROOT" delete --force "$ID-$i"
	done
	[ -z "$("$RUNTIME" --root "$ROOT" list -q)" ]
	[ -z "$(find /sys/fs/cgroup -maxdepth 3 -name "*$ID-*" -print -quit)" ]
}
