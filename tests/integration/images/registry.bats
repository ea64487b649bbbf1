#!/usr/bin/env bats
# shellcheck shell=bash disable=SC2030,SC2031
# SPDX-License-Identifier: Apache-2.0
# pull, push and login against Debian's docker-registry: plain, TLS, htpasswd, token server.

load registries.bash

BRIG_IMAGES=$BUILD/bin/brig-images

setup_file() {
	command -v docker-registry >/dev/null || skip "no docker-registry"
	export HOME=$BATS_FILE_TMPDIR/home BRIG_IMAGES_CONF=$BATS_FILE_TMPDIR/brig.conf
	mkdir -p "$HOME"
	unset REGISTRY_AUTH_FILE XDG_RUNTIME_DIR XDG_CONFIG_HOME DOCKER_CONFIG CONTAINERS_REGISTRIES_CONF
	printf '[images]\nsync = false\nretry-delay-ms = 50\n' >"$BRIG_IMAGES_CONF"
	cd "$BATS_FILE_TMPDIR" || return 1
	make_certificates
	make_image lay v1
	htpasswd -Bbc htpasswd alice s3cret 2>/dev/null
	start_registry plain
	start_registry other
	start_registry tls "  tls: {certificate: $PWD/srv.crt, key: $PWD/srv.key}
auth: {htpasswd: {realm: test, path: $PWD/htpasswd}}"
	start_registry basic "auth: {htpasswd: {realm: test, path: $PWD/htpasswd}}"
	background python3 "$HERE/tokenserver.py" srv.crt srv.key "$PWD/token.log" "$PWD/token.server"
	wait_file token.server
	start_registry token "auth: {token: {realm: \"http://127.0.0.1:$(cat token.server)/token\", service: test-registry, issuer: test-issuer, rootcertbundle: $PWD/ca.crt}}"
	skopeo copy -q --dest-tls-verify=false oci:lay:v1 "docker://127.0.0.1:$(port_of plain)/test/small:v1"
}

teardown_file() { stop_all; }

setup() {
	[ "$(id -u)" = 0 ] || skip "owners need root"
	cd "$BATS_TEST_TMPDIR" || return 1
	export HOME=$BATS_FILE_TMPDIR/home BRIG_IMAGES_CONF=$BATS_FILE_TMPDIR/brig.conf REGISTRY_AUTH_FILE=$BATS_TEST_TMPDIR/auth.json
	PLAIN=127.0.0.1:$(port_of plain)
	OTHER=127.0.0.1:$(port_of other)
	TLS=localhost:$(port_of tls)
	BASIC=127.0.0.1:$(port_of basic)
	TOKEN=127.0.0.1:$(port_of token)
	FILES=$BATS_FILE_TMPDIR
}

brig() { timeout 60 "$BRIG_IMAGES" --root S "$@"; }
keep_blobs() {
	printf '[images]\nsync = false\nkeep-blobs = true\n' >keep.conf
	export BRIG_IMAGES_CONF=$PWD/keep.conf
}
image_id() { skopeo inspect --raw "oci:$FILES/lay:v1" | jq -r '.config.digest' | cut -d: -f2; }
manifest_digest() { skopeo inspect "oci:$FILES/lay:v1" --format '{{.Digest}}'; }
remote_digest() { skopeo inspect --tls-verify=false "docker://$1" --format '{{.Digest}}'; }
says() { [[ $output == *"$1"* ]] || { echo "said: $output"; return 1; }; }

@test "pull prints the image's id and nothing else on stdout" {
	brig pull "$PLAIN/test/small:v1" >out 2>err
	[ "$(cat out)" = "$(image_id)" ]
	grep -q "^Trying to pull $PLAIN/test/small:v1\.\.\.$" err
	[ "$(grep -c '^Copying blob sha256:' err)" -eq 3 ]
}

@test "pull --quiet prints no progress" {
	brig pull -q "$PLAIN/test/small:v1" >out 2>err
	[ "$(cat out)" = "$(image_id)" ]
	[ ! -s err ]
}

@test "pull draws a line a layer on a terminal, and a summary" {
	command -v script >/dev/null || skip "no script"
	TERM=xterm script -qec "$BRIG_IMAGES --root S pull $PLAIN/test/small:v1" log </dev/null >out
	grep -q "pulled $PLAIN/test/small:v1 (" log
	grep -q $'\033\[[0-9]*A' log
}

@test "pulled layers are skipped the second time, and under another name" {
	brig pull -q "$PLAIN/test/small:v1"
	brig push -q "$PLAIN/test/small:v1" "$PLAIN/again/x:2"
	brig pull "$PLAIN/again/x:2" 2>err
	[ "$(grep -c 'skipped: already exists' err)" -eq 3 ]
}

@test "a pulled tree is what umoci unpacks, byte for byte" {
	brig pull -q "$PLAIN/test/small:v1"
	brig image unpack "$PLAIN/test/small:v1" u
	umoci unpack --image "$FILES/lay:v1" b >/dev/null 2>&1
	python3 "$HERE/treelist.py" u --no-dir-times >u.list
	python3 "$HERE/treelist.py" b/rootfs --no-dir-times >b.list
	diff u.list b.list
}

@test "pull by digest, and a tag with a digest" {
	d=$(manifest_digest)
	brig pull -q "$PLAIN/test/small@$d"
	brig image exists "$PLAIN/test/small@$d"
	brig images --format '{{.Repository}} {{.Tag}} {{.Digest}}' | grep -qx "$PLAIN/test/small <none> $d"
	brig pull -q "$PLAIN/test/small:nosuchtag@$d"
	run brig pull "$PLAIN/test/small@sha256:$(printf '%064d' 7)"
	[ "$status" -eq 125 ]
	says "not found in $PLAIN/test/small"
}

@test "a missing tag, a missing repository and a dead host are told apart" {
	run brig pull "$PLAIN/test/small:nope"
	[ "$status" -eq 125 ]
	says "Error: pull '$PLAIN/test/small:nope': $PLAIN/test/small:nope: not found"
	run brig pull --retry 0 "127.0.0.1:1/x"
	[ "$status" -eq 125 ]
	says "connect to 127.0.0.1 port 1"
	[ "$(find S -type f ! -name lock | wc -l)" -eq 0 ]
}

@test "policies: missing, always, never, newer" {
	run brig pull --policy never "$PLAIN/test/small:v1"
	[ "$status" -eq 125 ]
	says "image not known"
	brig pull --policy missing "$PLAIN/test/small:v1" 2>err
	grep -q Trying err
	brig pull --policy missing "$PLAIN/test/small:v1" 2>err
	! grep -q Trying err
	brig pull --policy newer "$PLAIN/test/small:v1" 2>err
	! grep -q Trying err
	brig pull --policy never "$PLAIN/test/small:v1" | grep -qx "$(image_id)"
	run brig pull --policy sometimes x
	[ "$status" -eq 125 ]
}

@test "newer fetches what the tag was moved to" {
	brig pull -q "$PLAIN/test/small:v1"
	brig push -q "$PLAIN/test/small:v1" "$PLAIN/moving/x:1"
	brig pull -q "$PLAIN/moving/x:1"
	umoci init --layout l2
	umoci new --image l2:v2
	umoci raw add-layer --image l2:v2 "$FILES/lower.tar"
	skopeo copy -q --dest-tls-verify=false oci:l2:v2 "docker://$PLAIN/moving/x:1"
	brig pull --policy newer "$PLAIN/moving/x:1" 2>err
	grep -q Trying err
	[ "$(brig images -q --filter dangling=true | wc -l)" -eq 0 ]
}

@test "short names follow registries.conf: aliases, search registries, mirrors, locations, blocks" {
	cat >reg.conf <<-EOT
		unqualified-search-registries = ["$OTHER", "$PLAIN"]
		[aliases]
		"nick" = "$PLAIN/test/small"
		[[registry]]
		prefix = "example.com/ns"
		location = "$PLAIN/test"
		[[registry]]
		prefix = "mirrored.example"
		location = "nowhere.invalid"
		[[registry.mirror]]
		location = "$OTHER/nothing"
		[[registry.mirror]]
		location = "$PLAIN"
		[[registry]]
		prefix = "evil.example"
		blocked = true
	EOT
	export CONTAINERS_REGISTRIES_CONF=$PWD/reg.conf
	brig pull -q nick:v1
	brig image exists nick:v1
	brig images --format '{{.Repository}}' | grep -qx "$PLAIN/test/small"
	brig pull test/small:v1 2>err
	grep -q "Trying to pull $OTHER/test/small:v1" err
	grep -q "Trying to pull $PLAIN/test/small:v1" err
	brig pull -q example.com/ns/small:v1
	brig images --format '{{.Repository}}' | grep -qx example.com/ns/small
	brig pull -q mirrored.example/test/small:v1
	run brig pull evil.example/x
	[ "$status" -eq 125 ]
	says "blocked"
}

@test "push keeps the digest when the registry has the layers, mounts them, or blobs were kept" {
	brig pull -q "$PLAIN/test/small:v1"
	brig push "$PLAIN/test/small:v1" "$PLAIN/mounted/y:1" 2>err
	grep -q "mounted from another repository" err
	[ "$(remote_digest "$PLAIN/mounted/y:1")" = "$(manifest_digest)" ]
	rm -rf S
	keep_blobs
	brig pull -q "$PLAIN/test/small:v1"
	brig push -q --digestfile d "$PLAIN/test/small:v1" "$OTHER/kept/y:1"
	[ "$(cat d)" = "$(manifest_digest)" ]
	[ "$(remote_digest "$OTHER/kept/y:1")" = "$(manifest_digest)" ]
}

@test "push without kept blobs keeps the image's id, and says that the digest differs" {
	brig pull -q "$PLAIN/test/small:v1"
	brig push "$PLAIN/test/small:v1" "$OTHER/made/y:1" 2>err
	grep -q "another digest" err
	[ "$(skopeo inspect --raw --tls-verify=false "docker://$OTHER/made/y:1" | jq -r .config.digest)" = "sha256:$(image_id)" ]
	"$BRIG_IMAGES" --root S2 pull -q "$OTHER/made/y:1" | grep -qx "$(image_id)"
	brig image unpack "$PLAIN/test/small:v1" u
	"$BRIG_IMAGES" --root S2 image unpack "$OTHER/made/y:1" b
	diff <(python3 "$HERE/treelist.py" u) <(python3 "$HERE/treelist.py" b)
}

@test "push in chunks" {
	keep_blobs
	printf 'upload-chunk-bytes = 1000\n' >>keep.conf
	brig pull -q "$PLAIN/test/small:v1"
	brig push -q "$PLAIN/test/small:v1" "$OTHER/chunks/y:1"
	[ "$(remote_digest "$OTHER/chunks/y:1")" = "$(manifest_digest)" ]
}

@test "push of an image by its id needs a destination" {
	id=$(brig pull -q "$PLAIN/test/small:v1")
	run brig push "$id"
	[ "$status" -eq 125 ]
	says "say where"
	brig push -q "$id" "$OTHER/byid/y:1"
}

@test "pull and push of all tags" {
	brig pull -q "$PLAIN/test/small:v1"
	brig tag "$PLAIN/test/small:v1" "$OTHER/many/t:1" "$OTHER/many/t:2"
	brig push -q -a "$OTHER/many/t"
	brig rmi -a >/dev/null
	brig pull -q -a "$OTHER/many/t"
	[ "$(brig images --format '{{.Tag}}' | sort | tr '\n' ' ')" = "1 2 " ]
}

@test "TLS: an unknown authority is refused, --cert-dir and certs.d are used, --tls-verify=false accepts" {
	run brig login -u alice -p s3cret "$TLS"
	[ "$status" -eq 125 ]
	says "certificate"
	mkdir certs
	cp "$FILES/ca.crt" certs/
	brig login --cert-dir certs -u alice -p s3cret "$TLS" | grep -qx "Login Succeeded!"
	brig pull -q "$PLAIN/test/small:v1"
	brig push -q --cert-dir certs "$PLAIN/test/small:v1" "$TLS/t/x:1"
	brig pull -q --tls-verify=false "$TLS/t/x:1"
	mkdir -p "$HOME/.config/containers/certs.d/$TLS"
	cp "$FILES/ca.crt" "$HOME/.config/containers/certs.d/$TLS/"
	brig pull -q "$TLS/t/x:1"
	rm -rf "$HOME/.config/containers/certs.d"
}

@test "Basic: login, logout, --creds, --password-stdin, wrong passwords" {
	run brig pull "$BASIC/x"
	[ "$status" -eq 125 ]
	says "brig login $BASIC"
	run brig login -u alice -p wrong "$BASIC"
	[ "$status" -eq 125 ]
	says "invalid username/password"
	[ ! -e auth.json ]
	echo s3cret | brig login -u alice --password-stdin "$BASIC"
	[ "$(stat -c %a auth.json)" = 600 ]
	[ "$(brig login --get-login "$BASIC")" = alice ]
	brig pull -q "$PLAIN/test/small:v1"
	brig push -q "$PLAIN/test/small:v1" "$BASIC/b/x:1"
	skopeo inspect --tls-verify=false --authfile auth.json "docker://$BASIC/b/x:1" >/dev/null
	brig logout "$BASIC" | grep -q "Removed login credentials for $BASIC"
	run brig logout "$BASIC"
	[ "$status" -eq 125 ]
	run brig pull "$BASIC/b/x:1"
	[ "$status" -eq 125 ]
	brig pull -q --creds alice:s3cret "$BASIC/b/x:1"
}

@test "what podman's login wrote is used" {
	podman login --tls-verify=false --authfile auth.json -u alice -p s3cret "$BASIC" >/dev/null
	brig pull -q "$PLAIN/test/small:v1"
	brig push -q "$PLAIN/test/small:v1" "$BASIC/podman/x:1"
}

@test "a credential helper is asked, and stores" {
	mkdir bin
	cat >bin/docker-credential-test <<-'EOT'
		#!/bin/sh
		read -r server || [ -n "$server" ]
		echo "$1 $server" >>"$HELPER_LOG"
		[ "$1" != get ] || printf '{"ServerURL":"x","Username":"alice","Secret":"s3cret"}\n'
	EOT
	chmod +x bin/docker-credential-test
	export PATH=$PWD/bin:$PATH HELPER_LOG=$PWD/helper.log
	printf '{"credHelpers":{"%s":"test"}}' "$BASIC" >auth.json
	brig pull -q "$PLAIN/test/small:v1"
	brig push -q "$PLAIN/test/small:v1" "$BASIC/helped/x:1"
	grep -qx "get $BASIC" helper.log
	brig login -u alice -p s3cret "$BASIC"
	grep -q "^store .*alice" helper.log
	! grep -q s3cret auth.json
	brig logout "$BASIC"
	grep -qx "erase $BASIC" helper.log
	printf '{"credHelpers":{"%s":"../evil"}}' "$BASIC" >auth.json
	run brig pull "$BASIC/helped/x:1"
	[ "$status" -eq 125 ]
	says "bad name of a credential helper"
}

@test "token: anonymous pull, push with a login, a refresh token" {
	brig pull -q "$PLAIN/test/small:v1"
	run brig push "$PLAIN/test/small:v1" "$TOKEN/public/x:1"
	[ "$status" -eq 125 ]
	brig push -q --creds alice:s3cret "$PLAIN/test/small:v1" "$TOKEN/public/x:1"
	brig push -q --creds alice:s3cret "$PLAIN/test/small:v1" "$TOKEN/private/x:1"
	"$BRIG_IMAGES" --root S2 pull -q "$TOKEN/public/x:1"
	run "$BRIG_IMAGES" --root S2 pull "$TOKEN/private/x:1"
	[ "$status" -eq 125 ]
	printf '{"auths":{"%s/private":{"identitytoken":"refresh-me"}}}' "$TOKEN" >auth.json
	"$BRIG_IMAGES" --root S2 pull -q "$TOKEN/private/x:1"
	grep -q '^POST alice .*repository:private/x:pull' "$FILES/token.log"
	run brig login -u alice -p wrong "$TOKEN"
	[ "$status" -eq 125 ]
	brig login -u alice -p s3cret "$TOKEN"
	rm -rf S2
	"$BRIG_IMAGES" --root S2 pull -q "$TOKEN/private/x:1"
}

@test "images of skopeo, buildah, podman and docker formats keep their ids and digests" {
	printf 'FROM scratch\nADD data /data\nCMD ["/x"]\n' >Containerfile
	echo hello >data
	unset REGISTRY_AUTH_FILE
	buildah --root "$PWD/bs" --runroot "$PWD/br" --storage-driver vfs bud -q --isolation chroot -t built . >/dev/null
	buildah --root "$PWD/bs" --runroot "$PWD/br" --storage-driver vfs push -q --tls-verify=false built "docker://$PLAIN/built/oci:1"
	buildah --root "$PWD/bs" --runroot "$PWD/br" --storage-driver vfs push -q --tls-verify=false --format v2s2 built "docker://$PLAIN/built/docker:1"
	# skopeo compresses only what is not compressed yet
	"$BRIG_IMAGES" --root S3 pull -q "$PLAIN/test/small:v1"
	"$BRIG_IMAGES" --root S3 save -o plain.tar "$PLAIN/test/small:v1"
	skopeo copy -q --dest-tls-verify=false --dest-compress-format zstd --format oci docker-archive:plain.tar "docker://$PLAIN/built/zstd:1"
	keep_blobs
	for kind in oci docker zstd; do
		skopeo inspect --raw --tls-verify=false "docker://$PLAIN/built/$kind:1" >"$kind.json"
		brig pull -q "$PLAIN/built/$kind:1" >id
		[ "sha256:$(cat id)" = "$(jq -r .config.digest "$kind.json")" ]
		brig push -q "$PLAIN/built/$kind:1" "$OTHER/built/$kind:1"
		[ "$(remote_digest "$OTHER/built/$kind:1")" = "$(remote_digest "$PLAIN/built/$kind:1")" ]
		brig image unpack "$PLAIN/built/$kind:1" "u-$kind"
	done
	[ "$(cat u-oci/data) $(cat u-docker/data)" = "hello hello" ]
	jq -e '.mediaType == "application/vnd.docker.distribution.manifest.v2+json"' docker.json
	jq -e '.layers[0].mediaType | endswith("zstd")' zstd.json
}

@test "an index is resolved by the platform" {
	skopeo copy -q --dest-tls-verify=false "oci:$FILES/lay:v1" "docker://$PLAIN/multi/x:amd64"
	d=$(manifest_digest)
	n=$(skopeo inspect --raw "oci:$FILES/lay:v1" | wc -c)
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%d,"platform":{"os":"linux","architecture":"amd64"}}]}' "$d" "$n" >index.json
	curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary @index.json "http://$PLAIN/v2/multi/x/manifests/1"
	brig pull -q --platform linux/amd64 "$PLAIN/multi/x:1"
	brig images --digests --format '{{.Digest}}' | grep -qx "sha256:$(sha256sum <index.json | cut -d' ' -f1)"
	run brig pull --platform linux/s390x "$PLAIN/multi/x:1"
	[ "$status" -eq 125 ]
	says "no image for the platform linux/s390x"
}

@test "kill -9 at any point of a pull shows nothing half-made, and the next pull completes" {
	for ms in 5 10 15 20 30 40 60 80 120; do
		"$BRIG_IMAGES" --root S pull -q "$PLAIN/test/small:v1" >out 2>/dev/null &
		pid=$!
		sleep "$(printf '0.%03d' "$ms")"
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" || true
		[ -s out ] || [ "$(brig images -q | wc -l)" -le 1 ]
		brig image fsck
	done
	brig pull -q "$PLAIN/test/small:v1"
	brig image fsck
	brig image prune -f >/dev/null 2>&1
	[ "$(find S/tmp -type f | wc -l)" -eq 0 ]
}

@test "fsck finds damage, and repairs it by fetching again" {
	brig pull -q "$PLAIN/test/small:v1"
	for what in data entries; do
		file=$(find S/layers -name "*.$what" -size +0 | head -n 1)
		chmod u+w "$file"
		printf XXXX | dd of="$file" bs=1 seek=500 conv=notrunc status=none
		run brig image fsck
		[ "$status" -eq 1 ]
		run brig image fsck --repair
		[ "$status" -eq 0 ] || { echo "said: $output"; return 1; }
		says "fetched again"
		brig image fsck
	done
	rm S/blobs/sha256/"$(image_id)"
	brig image fsck --repair >/dev/null
	brig image unpack "$PLAIN/test/small:v1" u
}

@test "a manifest and a config that a crash cut short are stored again by the next pull" {
	brig pull -q "$PLAIN/test/small:v1"
	for blob in "$(image_id)" "$(manifest_digest | cut -d: -f2)"; do
		truncate -s 0 "S/blobs/sha256/$blob"
	done
	run brig image fsck
	[ "$status" -ne 0 ]
	brig pull -q "$PLAIN/test/small:v1"
	brig image fsck
}

@test "several pulls and a prune at the same time" {
	for i in 1 2 3 4; do brig pull -q "$PLAIN/test/small:v1" >"out$i" & done
	brig image prune -f >/dev/null 2>&1 &
	wait
	for i in 1 2 3 4; do [ "$(cat "out$i")" = "$(image_id)" ]; done
	brig image fsck
}

@test "the transport dir: goes both ways with skopeo, one image or a list" {
	local id digest
	id=$(image_id)
	digest=$(manifest_digest)
	keep_blobs
	skopeo copy -q "oci:$FILES/lay:v1" dir:from
	[ "$(brig pull -q dir:from)" = "$id" ]
	brig push -q "$id" dir:to
	[ "$(skopeo inspect dir:to --format '{{.Digest}}')" = "$digest" ]
	brig save --format docker-dir -o saved "$id"
	diff -r to saved
	# a list has its manifests in files of their own, each under the digest that the list says
	mkdir list
	cp from/* list/
	mv list/manifest.json "list/${digest#sha256:}.manifest.json"
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"%s","digest":"%s","size":%s,"platform":{"os":"linux","architecture":"amd64"}}]}' \
		application/vnd.oci.image.manifest.v1+json "$digest" "$(stat -c %s from/manifest.json)" >list/manifest.json
	brig rmi -f "$id"
	[ "$(brig pull -q --platform linux/amd64 dir:list)" = "$id" ]
	echo ' ' >>"list/${digest#sha256:}.manifest.json"
	run brig pull -q --platform linux/amd64 dir:list
	[ "$status" -ne 0 ]
	[[ "$output" = *"does not have the digest"* ]]
}
