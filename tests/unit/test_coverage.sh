#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# COVERAGE.md and the features document are what the tables say. TAP.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
program=${BRIG_OCI:-$top/build/bin/brig-oci}
coverage=$(dirname -- "$program")/../tests/coverage
features=$("$program" features)
n=0 failed=0

ok() { # TITLE COMMAND...
	title=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $title"
	else
		failed=1
		echo "not ok $n - $title"
	fi
}
# shellcheck disable=SC2317 # called through ok
current() {
	"$coverage" | cmp -s - "$top/COVERAGE.md"
}
# shellcheck disable=SC2317
has() { # JQ-FILTER
	printf '%s\n' "$features" | jq -e "$1" >/dev/null
}
# shellcheck disable=SC2317
row() { # FIELD
	grep -qF "| \`$1\` |" "$top/COVERAGE.md"
}

ok "coverage: the committed page is current (make coverage)" current
for f in ociVersion process.rlimits[].type linux.seccomp.syscalls[].args[].op linux.resources.rdma.NAME.hcaHandles vm.hwConfig.vcpus; do
	ok "coverage: $f has its row" row "$f"
done
if command -v jq >/dev/null; then
	ok "features: versions" has '.ociVersionMin == "1.0.0" and (.ociVersionMax | test("^1\\.[0-9]+\\.[0-9]+$"))'
	ok "features: hooks" has '.hooks == ["prestart","createRuntime","createContainer","startContainer","poststart","poststop"]'
	ok "features: mount options" has '[.mountOptions | index("rro", "tmpcopyup", "nosymfollow", "ridmap", "lazytime")] | all'
	ok "features: no file system's option" has '[.mountOptions | index("acl", "size", "mode")] | any | not'
	ok "features: namespaces" has '.linux.namespaces | sort == ["cgroup","ipc","mount","network","pid","time","user","uts"]'
	ok "features: capabilities" has '.linux.capabilities | length == 41 and index("CAP_BPF")'
	ok "features: cgroups" has '.linux.cgroup == {v1: true, v2: true, systemd: true, systemdUser: true, rdma: true}'
	ok "features: seccomp" has '.linux.seccomp | .enabled and (.actions | length) == 9 and (.operators | length) == 7
		and (.archs | index("SCMP_ARCH_RISCV64")) and (.supportedFlags - .knownFlags == [])'
	ok "features: security modules" has '.linux.apparmor.enabled and .linux.selinux.enabled'
	ok "features: resctrl" has '.linux.intelRdt == {enabled: true, schemata: true, monitoring: true}'
	ok "features: memory policy" has '.linux.memoryPolicy | (.modes | length) == 7 and (.flags | length) == 3'
	ok "features: id-mapped mounts and net devices" has '.linux.mountExtensions.idmap.enabled and .linux.netDevices.enabled'
	ok "features: annotations are strings" has '.annotations | length > 2 and all(type == "string")'
	ok "features: unsafe annotations" has '.potentiallyUnsafeConfigAnnotations | index("org.systemd.property.")'
	ok "features: nothing that the specification does not have" has 'keys - ["annotations","hooks","linux","mountOptions",
		"ociVersionMax","ociVersionMin","potentiallyUnsafeConfigAnnotations"] == []'
else
	n=$((n + 1))
	echo "ok $n # skip features: jq is not installed"
fi
echo "1..$n"
exit "$failed"
