#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031
# SPDX-License-Identifier: Apache-2.0
# pull from registries that stall, cut, lie, loop and redirect (badregistry.py).

load registries.bash

BRIG_IMAGES=$BUILD/bin/brig-images

setup_file() {
	export BRIG_IMAGES_CONF=$BATS_FILE_TMPDIR/brig.conf
	printf '[images]\nsync = false\nretry-delay-ms = 20\nretries = 3\nstall-seconds = 2\n' >"$BRIG_IMAGES_CONF"
	cd "$BATS_FILE_TMPDIR" || return 1
	make_image lay v1
	background python3 "$HERE/badregistry.py" lay "$PWD/requests" "$PWD/ports"
	wait_file ports
}

teardown_file() { stop_all; }

setup() {
	[ "$(id -u)" = 0 ] || skip "owners need root"
	cd "$BATS_TEST_TMPDIR" || return 1
	export BRIG_IMAGES_CONF=$BATS_FILE_TMPDIR/brig.conf REGISTRY_AUTH_FILE=$BATS_TEST_TMPDIR/auth.json
	read -r PORT STORAGE <"$BATS_FILE_TMPDIR/ports"
	BAD=127.0.0.1:$PORT
	: >"$BATS_FILE_TMPDIR/requests"
}

brig() { timeout 60 "$BRIG_IMAGES" --root S "$@"; }
says() { [[ $output == *"$1"* ]] || { echo "said: $output"; return 1; }; }
requests() { grep -c "$1" "$BATS_FILE_TMPDIR/requests" || true; }

# MODE: the pull succeeds all the same, and the store is sound.
survives() {
	run brig pull "$BAD/$1/x:1"
	[ "$status" -eq 0 ] || { echo "said: $output"; return 1; }
	brig image fsck
}
# MODE TEXT: the pull fails with TEXT; no image shows, nothing half-made is left.
fails() {
	run brig pull "$BAD/$1/x:1"
	[ "$status" -eq 125 ] || { echo "status $status: $output"; return 1; }
	says "$2"
	[ -z "$(brig images -q)" ]
	[ "$(find S/tmp -type f | wc -l)" -eq 0 ]
	brig image fsck
}

@test "a good one, to begin with" { survives ok; }
@test "a blob that stalls goes on elsewhere" { survives stall; says "trying again"; }
@test "a blob that is cut again and again is completed by ranges" {
	survives cut
	[ "$(requests 'range=bytes=[1-9]')" -gt 0 ]
}
@test "a blob that never ends is given up" { fails cut-always "of"; }
@test "a registry without ranges starts over" { survives no-range; }
@test "a wrong range is refused" { fails wrong-range "wrong range"; }
@test "a blob shorter than its descriptor is refused" { fails short "blob"; }
@test "a blob longer than its descriptor is refused" { fails long "more than"; }
@test "a blob with another digest is refused" { fails digest-lie "digest"; }
@test "a missing blob is named" { fails blob-missing "not found"; }
@test "a blob that is busy once comes the second time" { survives blob503; }
@test "a descriptor that says too few bytes is refused" { fails size-too-small "more than"; }
@test "a descriptor that says too many bytes is refused" { fails size-too-big "sha256:"; }
@test "a config with another diffID is refused" { fails wrong-diffid "diffID"; }
@test "401 for ever is not answered for ever" {
	fails loop401 "unauthorized"
	[ "$(requests '/v2/loop401/')" -le 3 ]
}
@test "an unknown kind of authentication is named" { fails strange-auth "Negotiate"; }
@test "403 says why, without control characters" {
	fails denied "denied: not for you?[31m"
}
@test "404 says what is missing" { fails missing "manifest unknown"; }
@test "429 with Retry-After is waited for" { survives busy429; says "in 1.0 s"; }
@test "429 for ever is given up" {
	fails always429 "too many requests"
	[ "$(requests '/v2/always429/')" -eq 4 ]
}
@test "503 comes back" { survives busy503; }
@test "500 with a page of HTML is given up" { fails html "answers 500"; }
@test "schema 1 is refused by its name" { fails schema1 "schema 1"; }
@test "an unknown layer type is refused by its name" { fails unknown-layer "application/vnd.example.layer+x"; }
@test "an artifact is no image" { fails artifact "not a container image"; }
@test "an endless manifest is refused" { fails endless "longer than"; }
@test "a manifest with another digest than the header says is refused" { fails digest-header-lie "the registry says"; }
@test "a manifest with another digest than was asked for is refused" {
	d=$(jq -r '.manifests[0].digest' "$BATS_FILE_TMPDIR/lay/index.json")
	run brig pull "$BAD/manifest-lie/x@$d"
	[ "$status" -eq 125 ]
	says "has the digest"
}
@test "a manifest that calls itself otherwise than its header is refused" { fails content-type-lie "do not fit its media type"; }
@test "a warning of the registry is shown" { survives warning; says "this image is deprecated"; }
@test "an index is resolved: unknown and foreign platforms are passed over" { survives index; }
@test "an index with a wrong size is refused" { fails index-size "bytes"; }
@test "an index without this platform is refused by the platform's name" { fails index-foreign "no image for the platform linux/amd64"; }
@test "redirect: another host gets no credentials" {
	survives redirect
	[ "$(requests "^$STORAGE GET /storage/.* auth=no")" -eq 3 ]
	[ "$(requests "^$STORAGE .* auth=yes")" -eq 0 ]
	[ "$(requests "^$PORT GET /v2/redirect/x/blobs/.* auth=yes")" -gt 0 ]
}
@test "redirect: a loop ends" { fails redirect-loop "redirects"; }
@test "redirect: only http and https" { fails redirect-file "bad address"; }
@test "a mirror that fails is passed over" {
	cat >reg.conf <<-EOT
		[[registry]]
		prefix = "up.example"
		location = "$BAD/ok"
		[[registry.mirror]]
		location = "$BAD/digest-lie"
	EOT
	CONTAINERS_REGISTRIES_CONF=$PWD/reg.conf run brig pull up.example/x:1
	[ "$status" -eq 0 ]
	says "Warning"
	brig images --format '{{.Repository}}' | grep -qx up.example/x
	brig image fsck
}
