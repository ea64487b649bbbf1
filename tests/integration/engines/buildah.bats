#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# buildah run and build drive the runtime.
load helpers

have_buildah() { command -v buildah >/dev/null; }

setup_file() {
	file_needs buildah "buildah is not installed" || return 0
	engine_up
	cat >"$E/storage.conf" <<-END
		[storage]
		driver = "overlay"
		graphroot = "$E/graph"
		runroot = "$E/run/storage"
	END
	printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n[engine]\ncgroup_manager = "cgroupfs"\n' >"$E/containers.conf"
	mkdir "$E/ctx"
	cp "$(image_tar)" "$E/ctx/image.tar"
	printf 'FROM scratch\nADD image.tar /\n' >"$E/ctx/Dockerfile"
	buildah bud --network none -t box:1 "$E/ctx" >/dev/null
}
teardown_file() { ENGINE_CGROUPS=buildah engine_down; }

buildah() {
	ns env CONTAINERS_CONF="$E/containers.conf" CONTAINERS_STORAGE_CONF="$E/storage.conf" BUILDAH_RUNTIME="$RT" BUILDAH_ISOLATION=oci \
		timeout -k 5 60 buildah "$@"
}

@test "buildah run: output and exit code" {
	local c
	c=$(buildah from box:1)
	run buildah run --network none "$c" -- sh -c 'echo hi; exit 5'
	echo "$output"
	[ "$status" = 5 ]
	[[ "$output" == *hi* ]]
	called 'create .*--bundle'
	called 'delete'
}

@test "buildah run: user and changes stay in the image" {
	local c
	c=$(buildah from box:1)
	[ "$(buildah run --network none --user 1000:1000 "$c" -- id -u)" = 1000 ]
	buildah run --network none "$c" -- sh -c 'echo x >/made'
	[ "$(buildah run --network none "$c" -- cat /made)" = x ]
}

@test "buildah bud: RUN lines" {
	printf 'FROM box:1\nRUN echo built >/built\nRUN cat /built\n' >"$E/ctx/Dockerfile.2"
	run buildah bud --network none --isolation oci --runtime "$RT" -f "$E/ctx/Dockerfile.2" "$E/ctx"
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *built* ]]
}
