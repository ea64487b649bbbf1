#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# images.sh BUILD [ROUNDS]: brig pull against podman pull and skopeo copy + umoci unpack: the same image of about 200 MB (compressed, two
# layers of this machine's files) from the same registry on 127.0.0.1, every round in fresh stores, the tools one after the other in
# each round. Prints medians and ratios as a table. Needs root, docker-registry, podman, skopeo, umoci, GNU time.
set -eu
brig=$(realpath "$1")/bin/brig-images
rounds=${2:-3}
dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/brig-bench-images.XXXXXX")
export BRIG_IMAGES_CONF=$dir/brig.conf REGISTRY_AUTH_FILE=$dir/auth.json CONTAINERS_REGISTRIES_CONF=$dir/registries.conf
for tool in docker-registry podman skopeo umoci jq; do
	command -v "$tool" >/dev/null || { echo "bench-images: needs $tool"; exit 1; }
done
[ -x /usr/bin/time ] || { echo "bench-images: needs GNU time"; exit 1; }

cleanup() {
	[ ! -e "$dir/registry.pid" ] || kill "$(cat "$dir/registry.pid")" 2>/dev/null || true
	podman --root "$dir/podman" --runroot "$dir/podman-run" system reset -f >/dev/null 2>&1 || true
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"
: >brig.conf
: >registries.conf
echo '{}' >auth.json

# FILE BYTES FOLDER...: a tar of about so many bytes of the folders' files
make_layer() {
	local out=$1 bytes=$2
	shift 2
	(cd / && find "$@" -xdev \( -type f -o -type l \) -printf '%s %p\n' 2>/dev/null) | sort -k2 |
		awk -v max="$bytes" '{ sum += $1 + 512; if (sum > max) exit; sub(/^[0-9]+ /, ""); print }' >list
	tar -C / -cf "$out" --no-recursion -T list
}

# The registry, on a port that nobody has.
start_registry() {
	local try i
	for ((try = 0; try < 5; try++)); do
		port=$((20000 + RANDOM % 10000))
		cat >registry.yml <<-YAML
			version: 0.1
			log: {level: error, accesslog: {disabled: true}}
			storage: {filesystem: {rootdirectory: $dir/registry}, cache: {blobdescriptor: inmemory}}
			http: {addr: 127.0.0.1:$port, secret: bench}
		YAML
		# it takes REGISTRY_* from the environment for its own settings
		env -u REGISTRY_AUTH_FILE docker-registry serve registry.yml >registry.log 2>&1 &
		echo $! >registry.pid
		for ((i = 0; i < 50; i++)); do
			(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && kill -0 "$(cat registry.pid)" 2>/dev/null && return 0
			sleep 0.1
		done
	done
	cat registry.log
	return 1
}

make_layer base.tar 150000000 usr/bin usr/sbin
make_layer big.tar 430000000 usr/lib usr/share
head -c 1000000 /dev/urandom >small
tar -cf small.tar small
umoci init --layout lay
umoci new --image lay:one
umoci raw add-layer --image lay:one base.tar
umoci raw add-layer --image lay:one big.tar
umoci tag --image lay:one two
umoci raw add-layer --image lay:two small.tar
start_registry
for tag in one two; do skopeo copy -q --dest-tls-verify=false "oci:lay:$tag" "docker://127.0.0.1:$port/bench:$tag"; done
compressed=$(skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$port/bench:one" | jq '[.layers[].size] | add / 1e6 | floor')
files=$(($(tar -tf base.tar | wc -l) + $(tar -tf big.tar | wc -l)))
rm -f base.tar big.tar small.tar small

# NAME COMMAND...: one line "NAME wall cpu rss" to results
measure() {
	local name=$1
	shift
	/usr/bin/time -o t -f '%e %U %S %M' "$@" >out 2>&1 || { cat out; exit 1; }
	awk -v name="$name" '{ print name, $1, $2 + $3, $4 }' t >>results
}
sync_disk() { sync -f "$dir"; }

podman_pull() { podman --root podman --runroot podman-run --storage-driver overlay pull -q --tls-verify=false "127.0.0.1:$port/bench:$1"; }
skopeo_umoci() {
	skopeo copy -q --src-tls-verify=false "docker://127.0.0.1:$port/bench:$1" "oci:sk:$1"
	umoci unpack --image "sk:$1" "bundle-$1" >/dev/null 2>&1
}
export port
export -f podman_pull skopeo_umoci
for ((i = 0; i < rounds; i++)); do
	rm -rf S sk bundle-*
	podman --root podman --runroot podman-run --storage-driver overlay rmi -af >/dev/null 2>&1 || true
	for tag in one two; do
		sync_disk
		measure "brig-$tag" "$brig" --root S pull -q "127.0.0.1:$port/bench:$tag"
		sync_disk
		measure "podman-$tag" bash -c "podman_pull $tag"
		sync_disk
		measure "skopeo-$tag" bash -c "skopeo_umoci $tag"
	done
done

echo "image: $compressed MB compressed, $files files, 2 layers; $rounds rounds, medians; $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg)"
echo
python3 - results <<'PY'
import statistics
import sys

rows = {}
for line in open(sys.argv[1]):
    name, wall, cpu, rss = line.split()
    rows.setdefault(name, []).append((float(wall), float(cpu), int(rss) / 1024))
median = {name: [statistics.median(v) for v in zip(*runs)] for name, runs in rows.items()}
print("| | wall s | CPU s | peak RSS MiB |\n|---|---|---|---|")
labels = {"one": "first pull", "two": "second image, all but 1 MB shared"}
tools = {"brig": "brig pull", "podman": "podman pull", "skopeo": "skopeo copy + umoci unpack"}
for tag, what in labels.items():
    for tool, name in tools.items():
        print("| %s: %s | %.2f | %.2f | %.0f |" % ((what, name) + tuple(median[tool + "-" + tag])))
for tag, what in labels.items():
    best = [min(median["podman-" + tag][i], median["skopeo-" + tag][i]) for i in (0, 1)]
    print("| **%s: brig to the better of the two** | **%.2f** | **%.2f** | |" % (what, median["brig-" + tag][0] / best[0], median["brig-" + tag][1] / best[1]))
PY
