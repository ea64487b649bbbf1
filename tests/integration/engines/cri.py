#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cri.py SOCKET FOLDER: makes calls of the container runtime interface, until it is killed.

Each is a line "METHOD JSON" that comes through the fifo FOLDER/in; the answer goes to the fifo FOLDER/out: "0 JSON" or "1 TEXT".
The modules that are generated from cri.proto are kept in FOLDER, too."""
import base64
import importlib
import json
import os
import sys

import grpc
from google.protobuf import json_format
from grpc_tools import protoc


def messages(cache):
    here = os.path.dirname(os.path.abspath(__file__))
    if not os.path.exists(os.path.join(cache, "cri_pb2.py")):
        if protoc.main(["protoc", "-I" + here, "--python_out=" + cache, os.path.join(here, "cri.proto")]) != 0:
            sys.exit("cri.py: cannot compile cri.proto")
    sys.path.insert(0, cache)
    return importlib.import_module("cri_pb2")


def call(channel, pb, method, text):
    of = pb.DESCRIPTOR.services_by_name["RuntimeService"].methods_by_name[method]
    request = json_format.ParseDict(json.loads(text) or {}, getattr(pb, of.input_type.name)())
    answer = getattr(pb, of.output_type.name)
    rpc = channel.unary_unary("/runtime.v1.RuntimeService/" + method,
                              request_serializer=lambda m: m.SerializeToString(), response_deserializer=answer.FromString)
    out = json_format.MessageToDict(rpc(request, timeout=60), preserving_proto_field_name=True)
    for key in ("stdout", "stderr"):
        if key in out:
            out[key] = base64.b64decode(out[key]).decode()
    return json.dumps(out)


def main():
    socket, folder = sys.argv[1:3]
    pb = messages(folder)
    with grpc.insecure_channel("unix://" + socket) as channel:
        while True:
            with open(os.path.join(folder, "in"), encoding="utf-8") as f:
                method, _, text = f.read().strip().partition(" ")
            try:
                reply = "0 " + call(channel, pb, method, text)
            except grpc.RpcError as e:
                reply = "1 %s: %s" % (method, " ".join(e.details().split()))
            except (ValueError, json_format.ParseError) as e:
                reply = "1 %s: %s" % (method, " ".join(str(e).split()))
            with open(os.path.join(folder, "out"), "w", encoding="utf-8") as f:
                f.write(reply + "\n")


main()
