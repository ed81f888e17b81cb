"""Keys for test tunnels are right."""

import unittest

import x25519


class X25519(unittest.TestCase):
    def test_vector_of_rfc_7748_section_5_2(self) -> None:
        scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
        point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
        wanted = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
        self.assertEqual(x25519.multiply(scalar, point).hex(), wanted)

    def test_a_public_key_is_the_product_with_the_base_point(self) -> None:
        # The first iteration of section 5.2.
        wanted = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
        self.assertEqual(x25519.public_key((9).to_bytes(32, "little")).hex(), wanted)
