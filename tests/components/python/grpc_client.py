"""Calls greeter.Greeter as a Python service would and prints what came back as one JSON line.

    grpc_client.py ADDRESS SayHello|SayHellos [AUTHORIZATION ...]
"""

import json
import sys

import grpc

address, method, *authorization = sys.argv[1:]


def encode(name):
    """HelloRequest { name = 1 }; written by hand, so that no generated code is needed."""
    text = name.encode()
    return bytes([0x0A, len(text)]) + text


def decode(reply):
    """HelloReply { message = 1 }, shorter than 128 bytes."""
    assert reply[0] == 0x0A and reply[1] == len(reply) - 2, reply
    return reply[2:].decode()


with grpc.insecure_channel(address) as channel:
    kind = channel.unary_stream if method == "SayHellos" else channel.unary_unary
    call = kind(f"/greeter.Greeter/{method}", request_serializer=encode, response_deserializer=decode)
    metadata = [("authorization", value) for value in authorization]
    messages = []
    try:
        if method == "SayHellos":
            outcome = call("python", metadata=metadata, timeout=20)
            messages.extend(outcome)
        else:
            reply, outcome = call.with_call("python", metadata=metadata, timeout=20)
            messages.append(reply)
    except grpc.RpcError as error:
        outcome = error
    print(json.dumps({
        "code": outcome.code().name,
        "details": outcome.details(),
        "messages": messages,
        "metadata": {key: value for key, value in outcome.trailing_metadata() or () if isinstance(value, str)},
    }))
