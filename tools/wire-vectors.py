#!/usr/bin/env python3
"""The golden values of wire/tests/words/golden.rs, computed from the written rules and not from the crate.

Hashes, addresses: wire/src/hash.rs, wire/src/id.rs. Messages: RFC 8949 section 4.2.1. Signatures: RFC 8032
section 5.1 in plain integers, after its appendix; slow, and only for checking."""

import base64
import hashlib
import ipaddress

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    return ((x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P)


def multiply(scalar, point):
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def base_point():
    y = 4 * pow(5, -1, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (P - x if x % 2 else x, y)


BASE = base_point()


def compress(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def sha512_int(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


class Key:
    def __init__(self, seed):
        digest = hashlib.sha512(seed).digest()
        self.scalar = int.from_bytes(digest[:32], "little") & ~7 & (2**255 - 1) & ~(1 << 255) | 1 << 254
        self.prefix = digest[32:]
        self.public = compress(multiply(self.scalar, BASE))

    def sign(self, message):
        r = sha512_int(self.prefix, message) % ORDER
        point = compress(multiply(r, BASE))
        s = (r + sha512_int(point, self.public, message) * self.scalar) % ORDER
        return point + s.to_bytes(32, "little")


def digest(domain, *parts):
    message = domain + b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    return hashlib.blake2s(message).digest()


def head(major, value):
    for size, marker in ((0, None), (1, 24), (2, 25), (4, 26), (8, 27)):
        if size == 0 and value < 24:
            return bytes([major << 5 | value])
        if size and value < 1 << 8 * size:
            return bytes([major << 5 | marker]) + value.to_bytes(size, "big")


def cbor(value):
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(key) + cbor(value[key]) for key in sorted(value))


def signed(kind, network, body, key):
    body = cbor(body)
    return [body, key.sign(b"holloway-signed-v1" + bytes([kind]) + network + body)]


def base32(data):
    return base64.b32encode(data).decode().rstrip("=").lower()


def overlay(network, node):
    address = digest(b"holloway address v1", network, b"\0", node)
    return str(ipaddress.IPv6Address(b"\xfd\x42" + network[:4] + address[:10]))


def main():
    root, bob = Key(b"\1" * 32), Key(b"\2" * 32)
    network = digest(b"holloway network v1", root.public)
    membership = {
        1: bob.public, 2: "bob", 3: 1 | 2, 4: ["ops"], 5: 1_700_000_000, 6: 1_900_000_000, 7: root.public,
    }
    binding = {1: bob.public, 2: b"\5" * 32, 3: 7}
    invite = {
        1: network, 2: "home", 3: root.public, 4: [["192.0.2.1", 42042, 42043]], 5: b"\3" * 16, 6: "bob",
        7: 1_800_000_000, 8: 0,
    }
    prefix = ipaddress.IPv6Address(b"\xfd\x42" + network[:4] + bytes(10))
    certificate = [signed(1, network, membership, root), signed(2, network, binding, bob)]
    values = {
        "ROOT": base32(root.public),
        "BOB": base32(bob.public),
        "NETWORK": base32(network),
        "PREFIX": f"{prefix}/48",
        "ROOT_ADDRESS": overlay(network, root.public),
        "BOB_ADDRESS": overlay(network, bob.public),
        "CERTIFICATE": cbor(certificate).hex(),
        "CERTIFICATE_HASH": digest(b"holloway certificate v1", cbor(membership)).hex(),
        "INVITE_ID": digest(b"holloway invite v1", b"\3" * 16)[:10].hex(),
        "INVITE": "holloway1" + base32(cbor(signed(6, network, invite, root))),
        "DIGEST": digest(b"holloway network v1", b"a", b"bc").hex(),
        "MAC": hashlib.blake2s(b"abc", key=b"\1" * 32).digest()[:16].hex(),
    }
    for name, value in values.items():
        print(f'const {name}: &str = "{value}";')


main()
