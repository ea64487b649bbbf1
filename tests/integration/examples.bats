#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What people copy has to work.
load helpers
bats_require_minimum_version 1.5.0

EX=$TOP/examples

# bundle NAME: run a copy of that example
bundle() {
	[ -d "$T/bundles" ] || { cp -r "$EX/bundles" "$T/bundles" && "$T/bundles/make-rootfs.sh"; }
	ID=ex-$1-$$
	IDS+=("$ID")
	run -0 rt run --bundle "$T/bundles/$1" "$ID" </dev/null
	echo "$output"
	no_residue "$ID"
}

@test "bundles: each shows what its line in the README says" {
	bundle hello
	[[ "${lines[0]}" =~ ^hello\ from\ hello,\ process\ 1\ of\ [1-9]$ ]]
	bundle limits
	[ "$output" = "$(printf 'memory 67108864\npids 20')" ]
	bundle userns
	[[ "$output" == "uid=0(root) gid=0(root)"*"root here is user 100000 outside" ]]
	bundle hardened
	[[ "$output" == *'a hook of the host: "status":"creating"'* ]]
	[[ "$output" == *1000*"CapBnd:"*0000000000000000*made*"chmod is not allowed"*"Read-only file system"* ]]
	# no bundle is forgotten
	for d in "$EX"/bundles/*/; do grep -q "bundle $(basename "$d")$" "$BATS_TEST_FILENAME"; done
}

@test "bundles: hello as a user without privileges" {
	cp -r "$EX/bundles" "$T/bundles"
	"$T/bundles/make-rootfs.sh"
	mkdir "$T/run"
	chown 65534 "$T/run"
	chmod -R a+rX "$T/bundles"
	cp "$RUNTIME" "$T/rt"
	run -0 setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" XDG_RUNTIME_DIR="$T/run" "$T/rt" run --bundle "$T/bundles/hello" ex-user
	[[ "$output" == *"hello from hello, process 1 of"* ]]
}

@test "settings: well-formed, and they name installed programs" {
	jq -e '.runtimes.brig.path == "/usr/local/bin/brig-oci" and .runtimes["brig-vm"].path == "/usr/local/bin/brig-vm"' "$EX/docker/daemon.json"
	need python3 "python3 is not installed"
	/usr/bin/python3 - "$EX" <<-'END'
		import sys, tomllib
		for f in ("podman/containers.conf", "containerd/config.toml", "cri-o/10-brig.conf"):
		    with open(sys.argv[1] + "/" + f, "rb") as file:
		        text = str(tomllib.load(file))
		    assert "/usr/local/bin/brig-oci" in text and "/usr/local/bin/brig-vm" in text, f
	END
	grep -q '^handler: brig-vm$' "$EX/kubernetes/runtimeclass.yaml"
	grep -q 'runtimeClassName: brig ' "$EX/kubernetes/pod.yaml"
	if command -v containerd >/dev/null; then
		containerd -c "$EX/containerd/config.toml" config dump | grep -A 30 'runtimes.brig-vm' | grep -q 'BinaryName = "/usr/local/bin/brig-vm"'
	fi
	if command -v podman >/dev/null; then
		sed "s|/usr/local/bin/brig-oci|$RUNTIME|" "$EX/podman/containers.conf" >"$T/containers.conf"
		run -0 unshare --mount sh -c "mount -t tmpfs x /run && mkdir $T/g && CONTAINERS_CONF=$T/containers.conf timeout $((PATIENCE * 6)) podman --root $T/g --runroot /run/p --storage-driver vfs info --format '{{.Host.OCIRuntime.Path}} {{.Host.OCIRuntime.Version}}'" 3>&-
		[[ "$output" == *"$RUNTIME brig-oci version"* ]]
	fi
}
