#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry that misbehaves: badregistry.py LAYOUT LOG PORTFILE.

Serves the one image of an OCI layout under every repository; the repository's first component says what goes wrong with
it. A second port plays the storage service that blobs are redirected to. Each request is a line of LOG:
PORT METHOD PATH auth=yes|no range=...
"""
import hashlib
import http.server
import json
import os
import sys
import threading
import time
import urllib.parse

LAYOUT, LOG, PORTFILE = sys.argv[1:4]
COUNTS = {}
LOCK = threading.Lock()
OCI = "application/vnd.oci.image.manifest.v1+json"


def blob(digest):
    with open("%s/blobs/%s" % (LAYOUT, digest.replace(":", "/")), "rb") as f:
        return f.read()


with open(LAYOUT + "/index.json") as f:
    MANIFEST_DIGEST = json.load(f)["manifests"][0]["digest"]
MANIFEST = blob(MANIFEST_DIGEST)
LAYERS = [layer["digest"] for layer in json.loads(MANIFEST)["layers"]]


def count(key):
    with LOCK:
        COUNTS[key] = COUNTS.get(key, 0) + 1
        return COUNTS[key]


def changed_manifest(mode):
    m = json.loads(MANIFEST)
    if mode == "unknown-layer":
        m["layers"][0]["mediaType"] = "application/vnd.example.layer+x"
    if mode == "artifact":
        m["config"]["mediaType"] = "application/vnd.example.config+json"
    if mode == "size-too-small":
        m["layers"][0]["size"] -= 100
    if mode == "size-too-big":
        m["layers"][0]["size"] += 100
    if mode == "wrong-diffid":
        c = json.loads(blob(m["config"]["digest"]))
        c["rootfs"]["diff_ids"][0] = "sha256:" + "0" * 64
        text = json.dumps(c).encode()
        m["config"]["digest"] = "sha256:" + hashlib.sha256(text).hexdigest()
        m["config"]["size"] = len(text)
        os.makedirs(LAYOUT + "/blobs/sha256", exist_ok=True)
        with open("%s/blobs/sha256/%s" % (LAYOUT, m["config"]["digest"][7:]), "wb") as f:
            f.write(text)
    return json.dumps(m).encode()


def index(mode):
    def entry(digest, size, arch, variant=None, os_name="linux"):
        platform = {"os": os_name, "architecture": arch}
        if variant:
            platform["variant"] = variant
        return {"mediaType": OCI, "digest": digest, "size": size, "platform": platform}

    size = len(MANIFEST) + (1 if mode == "index-size" else 0)
    none = "sha256:" + "1" * 64
    entries = [entry(none, 10, "unknown", os_name="unknown"), entry(none, 10, "sparc64"), entry(MANIFEST_DIGEST, size, "arm", "v7")]
    if mode != "index-foreign":
        entries.insert(2, entry(MANIFEST_DIGEST, size, "amd64"))
    return json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", headers=(), length=None, send=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if send is None else body[:send])
        if send is not None and send < len(body):
            self.close_connection = True

    def error(self, status, code, message, headers=()):
        self.reply(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode(), headers)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        with LOCK, open(LOG, "a") as log:
            print(self.server.server_port, self.command, self.path, "auth=" + ("yes" if "Authorization" in self.headers else "no"),
                  "range=" + self.headers.get("Range", "none"), file=log, flush=True)
        parts = url.path.strip("/").split("/")
        if parts == ["v2"]:
            return self.reply(200, b"{}")
        if parts[0] == "token":
            return self.reply(200, json.dumps({"token": "secret-token"}).encode())
        if parts[0] == "storage":
            return self.reply(200, blob(parts[1]))
        mode, kind, what = parts[1], parts[-2], parts[-1]
        challenge = [("WWW-Authenticate", 'Bearer realm="http://127.0.0.1:%d/token",service="test"' % PORTS[0])]
        if mode == "loop401":
            return self.error(401, "UNAUTHORIZED", "never good enough", challenge)
        if mode == "strange-auth":
            return self.error(401, "UNAUTHORIZED", "no", [("WWW-Authenticate", "Negotiate")])
        if mode.startswith("redirect") and "Authorization" not in self.headers:
            return self.error(401, "UNAUTHORIZED", "log in", challenge)
        if kind == "manifests":
            return self.manifest(mode, what)
        return self.blob(mode, what)

    def manifest(self, mode, what):
        body, headers = MANIFEST, [("Content-Type", OCI)]
        if mode == "missing":
            return self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        if mode == "denied":
            return self.error(403, "DENIED", "not for you\x1b[31m")
        if mode == "html":
            return self.reply(500, b"<html>oops</html>")
        if mode == "busy429" and count(mode) <= 2:
            return self.error(429, "TOOMANYREQUESTS", "slow down", [("Retry-After", "1")])
        if mode == "busy503" and count(mode) <= 2:
            return self.error(503, "UNAVAILABLE", "later")
        if mode == "always429":
            return self.error(429, "TOOMANYREQUESTS", "slow down")
        if mode == "schema1":
            return self.reply(200, b'{"schemaVersion": 1, "fsLayers": []}', [("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws")])
        if mode == "endless":
            return self.reply(200, b" " * (6 << 20), headers)
        if mode == "manifest-lie" and what.startswith("sha256:"):
            return self.reply(200, MANIFEST + b"\n", headers)
        if mode == "digest-header-lie":
            return self.reply(200, MANIFEST, headers + [("Docker-Content-Digest", "sha256:" + "2" * 64)])
        if mode == "content-type-lie":
            return self.reply(200, MANIFEST, [("Content-Type", "application/vnd.oci.image.index.v1+json")])
        if mode in ("index", "index-size", "index-foreign") and not what.startswith("sha256:"):
            return self.reply(200, index(mode), [("Content-Type", "application/vnd.oci.image.index.v1+json")])
        if mode == "warning":
            headers.append(("Warning", '299 - "this image is deprecated"'))
        if mode in ("unknown-layer", "artifact", "size-too-small", "size-too-big", "wrong-diffid"):
            body = changed_manifest(mode)
        return self.reply(200, body, headers)

    def blob(self, mode, digest):
        body, n = blob(digest), count((mode, digest))
        is_layer = digest in LAYERS
        start = int(self.headers["Range"][6:].split("-")[0]) if "Range" in self.headers else 0
        rest = body[start:]
        span = [("Content-Range", "bytes %d-%d/%d" % (start, len(body) - 1, len(body)))]
        if not is_layer or mode == "ok":
            return self.reply(200, body)
        if mode == "stall" and n == 1:
            self.reply(200, body, send=len(body) // 2)
            self.wfile.flush()
            time.sleep(30)
            return None
        if mode in ("stall", "cut", "cut-always"):
            # Some more of the rest each time, or nothing new ever.
            send = len(rest) // 2 if mode == "cut" and n < 4 else 0 if mode == "cut-always" and n > 1 else len(rest)
            send = 100 if mode == "cut-always" and n == 1 else send
            return self.reply(206 if start else 200, rest, span if start else [], send=send)
        if mode == "no-range":
            return self.reply(200, body, send=len(body) // 2 if n == 1 else None)
        if mode == "wrong-range":
            if n == 1:
                return self.reply(200, body, send=len(body) // 2)
            return self.reply(206, body[1:], [("Content-Range", "bytes 1-%d/%d" % (len(body) - 1, len(body)))])
        if mode == "short":
            return self.reply(200 if not start else 416, body[:-10] if not start else b"")
        if mode == "long":
            return self.reply(200, body + b"x" * 1000)
        if mode == "digest-lie":
            return self.reply(200, body[:-20] + bytes([body[-20] ^ 1]) + body[-19:])
        if mode == "blob503" and n == 1:
            return self.error(503, "UNAVAILABLE", "later")
        if mode == "blob-missing":
            return self.error(404, "BLOB_UNKNOWN", "blob unknown")
        if mode.startswith("redirect"):
            target = "http://localhost:%d/storage/%s" % (PORTS[1], digest)
            if mode == "redirect-loop":
                target = self.path
            if mode == "redirect-file":
                target = "file:///etc/passwd"
            return self.reply(307, headers=[("Location", target)])
        return self.reply(200, body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that goes away is what some tests are about


SERVERS = [Server(("127.0.0.1", 0), Handler) for _ in range(2)]
PORTS = [s.server_port for s in SERVERS]
with open(PORTFILE + ".tmp", "w") as f:
    print(*PORTS, file=f)
os.rename(PORTFILE + ".tmp", PORTFILE)
threading.Thread(target=SERVERS[1].serve_forever, daemon=True).start()
SERVERS[0].serve_forever()
