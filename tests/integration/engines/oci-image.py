#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""oci-image.py ROOTFS.tar NAME OUT.tar: an OCI archive with one layer, for engines that import those."""
import hashlib
import io
import json
import sys
import tarfile

layer, name, out = sys.argv[1:4]
entry = sys.argv[4:]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


with open(layer, "rb") as f:
    layer_data = f.read()
config = json.dumps({
    "architecture": "amd64", "os": "linux",
    "config": {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": entry or ["sh"], "WorkingDir": "/"},
    "rootfs": {"type": "layers", "diff_ids": [digest(layer_data)]},
}).encode()
manifest = json.dumps({
    "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": len(config)},
    "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(layer_data), "size": len(layer_data)}],
}).encode()
index = json.dumps({
    "schemaVersion": 2,
    "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(manifest), "size": len(manifest),
        "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rsplit(":", 1)[-1]},
        "platform": {"architecture": "amd64", "os": "linux"},
    }],
}).encode()

with tarfile.open(out, "w") as tar:
    def add(path, data):
        info = tarfile.TarInfo(path)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    add("index.json", index)
    for blob in (config, manifest, layer_data):
        add("blobs/sha256/" + digest(blob)[7:], blob)
