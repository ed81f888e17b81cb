#!/usr/bin/env python3
"""Derives the transport keys of mesh/tests/data/transport_keys.json with the standard library alone.

    tools/transport-keys.py --check FILE    compares every key of FILE with its own derivation
    tools/transport-keys.py --write FILE    writes FILE anew

Key per direction = keyed BLAKE2s-256(split key; 'holloway transport v1' | suite | direction | handshake hash).
"""

import hashlib
import json
import sys

LABEL = b"holloway transport v1"
SUITES = {"chacha20-poly1305": 1, "aes-256-gcm": 2}
TO_RESPONDER, TO_INITIATOR = 1, 2


def transport_key(split: bytes, suite: str, direction: int, handshake_hash: bytes) -> str:
    data = LABEL + bytes([SUITES[suite], direction]) + handshake_hash
    return hashlib.blake2s(data, key=split, digest_size=32).hexdigest()


def derive(vector: dict) -> dict:
    split = {way: bytes.fromhex(vector["split_" + way]) for way in ("to_responder", "to_initiator")}
    handshake_hash = bytes.fromhex(vector["handshake_hash"])
    keys = {
        "key_to_responder": transport_key(split["to_responder"], vector["suite"], TO_RESPONDER, handshake_hash),
        "key_to_initiator": transport_key(split["to_initiator"], vector["suite"], TO_INITIATOR, handshake_hash),
    }
    return {**vector, **keys}


def inputs() -> list:
    def bytes_of(name: str, number: int) -> str:
        return hashlib.sha256(f"{name} {number}".encode()).hexdigest()

    return [
        {
            "suite": suite,
            "split_to_responder": bytes_of("to responder", number),
            "split_to_initiator": bytes_of("to initiator", number),
            "handshake_hash": bytes_of("handshake hash", number),
        }
        for number in range(3)
        for suite in SUITES
    ]


def main() -> int:
    action, path = sys.argv[1:]
    if action == "--write":
        with open(path, "w", encoding="ascii") as file:
            json.dump([derive(vector) for vector in inputs()], file, indent=1)
            file.write("\n")
        return 0
    with open(path, encoding="ascii") as file:
        vectors = json.load(file)
    wrong = [number for number, vector in enumerate(vectors) if derive(vector) != vector]
    print(f"{len(vectors)} vectors, {len(wrong)} wrong {wrong or ''}".rstrip())
    return 1 if wrong or not vectors else 0


if __name__ == "__main__":
    sys.exit(main())
