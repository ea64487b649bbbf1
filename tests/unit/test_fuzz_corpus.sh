#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every file of the fuzz targets' corpora, through the targets. TAP.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
program=${BRIG_OCI:-$top/build/bin/brig-oci}
bin=$(dirname -- "$program")/../tests
n=0 failed=0
for dir in "$top"/tests/fuzz/corpus/*/; do
	name=$(basename "$dir")
	n=$((n + 1))
	if "$bin/replay_$name" "$dir"* >/dev/null; then
		echo "ok $n - fuzz corpus: $name"
	else
		failed=1
		echo "not ok $n - fuzz corpus: $name"
	fi
done
echo "1..$n"
exit "$failed"
