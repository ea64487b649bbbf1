#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A token server for docker-registry: tokenserver.py CERT KEY LOG PORTFILE.

Anybody may pull public/*; alice (s3cret) may do everything. An OAuth2 refresh token "refresh-me" stands for alice. Tokens are
signed with openssl (RS256, the certificate in x5c).
"""
import base64
import http.server
import json
import os
import subprocess
import sys
import time
import urllib.parse

CERT, KEY, LOG, PORTFILE = sys.argv[1:5]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(access):
    with open(CERT) as f:
        der = "".join(line.strip() for line in f if "CERTIFICATE" not in line)
    now = int(time.time())
    head = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
    body = {"iss": "test-issuer", "sub": "", "aud": "test-registry", "exp": now + 300, "nbf": now - 10, "iat": now, "jti": "x", "access": access}
    text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(body).encode())
    raw = subprocess.run(["openssl", "dgst", "-sha256", "-sign", KEY], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    return text + "." + b64(raw)


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, query, user, key):
        access = []
        for scope in query.get("scope", []):
            for one in scope.split(" "):
                kind, name, actions = one.split(":", 2)
                allowed = [a for a in actions.split(",") if user or (a == "pull" and name.startswith("public/"))]
                access.append({"type": kind, "name": name, "actions": allowed})
        with open(LOG, "a") as log:
            print(self.command, user or "anonymous", json.dumps(query.get("scope", [])), file=log, flush=True)
        body = json.dumps({key: sign(access)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self):
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        auth = self.headers.get("Authorization", "")
        user = None
        if auth.startswith("Basic "):
            user, password = base64.b64decode(auth[6:]).decode().split(":", 1)
            if (user, password) != ("alice", "s3cret"):
                return self.refuse()
        return self.answer(urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query), user, "token")

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form.get("grant_type") != ["refresh_token"] or form.get("refresh_token") != ["refresh-me"]:
            return self.refuse()
        return self.answer(form, "alice", "access_token")


SERVER = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(PORTFILE + ".tmp", "w") as f:
    print(SERVER.server_port, file=f)
os.rename(PORTFILE + ".tmp", PORTFILE)
SERVER.serve_forever()
