"""X25519 (RFC 7748) in plain integers: public keys for test tunnels. Slow, and not constant in time."""

from __future__ import annotations

_P = 2**255 - 19
_A24 = 121665
_BASE = 9


def public_key(private: bytes) -> bytes:
    """The public key of 32 random bytes."""
    return multiply(private, _BASE.to_bytes(32, "little"))


def multiply(scalar: bytes, point: bytes) -> bytes:
    """The function X25519 of RFC 7748, section 5."""
    k = (int.from_bytes(scalar, "little") & ~7 & (2**255 - 1)) | 2**254
    u = int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3 = 1, 0, u, 1
    for bit in reversed(range(255)):
        swap = k >> bit & 1
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
        x2, z2, x3, z3 = _step(u, x2, z2, x3, z3)
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, -1, _P) % _P).to_bytes(32, "little")


def _step(u: int, x2: int, z2: int, x3: int, z3: int) -> tuple[int, int, int, int]:
    a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
    aa, bb, da, cb = a * a, b * b, d * a, c * b
    e = aa - bb
    return aa * bb % _P, e * (aa + _A24 * e) % _P, (da + cb) ** 2 % _P, u * (da - cb) ** 2 % _P
