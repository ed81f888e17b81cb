//! Keys and ids: one spelling each, and none that verifies what it never signed.

use holloway_wire::{IdentityKey, KeyError, NetworkId, NodeId, OverlayAddr};
use proptest::prelude::*;

use crate::arbitrary::{self, identity};

/// 2^255 - 19, little endian.
const FIELD_PRIME: [u8; 32] = {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed;
    bytes[31] = 0x7f;
    bytes
};

/// The points of order 1, 2, 4 and 8 (RFC 7748 §6, "Curves, Codes, and Cofactors"), in every encoding that some
/// decoder accepts: the canonical ones, y + p, and a sign bit on x = 0.
fn small_order_keys() -> Vec<[u8; 32]> {
    let unhex = |text: &str| -> [u8; 32] {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex");
        bytes.try_into().expect("32 bytes")
    };
    let canonical = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    canonical
        .iter()
        .map(|text| unhex(text))
        .flat_map(|key| {
            let mut other_sign = key;
            other_sign[31] ^= 0x80;
            [key, other_sign]
        })
        .collect()
}

#[test]
fn keys_of_small_order_are_no_node_ids() {
    for key in small_order_keys() {
        assert_eq!(NodeId::from_bytes(key), Err(KeyError::Point), "{key:02x?}");
    }
}

#[test]
fn a_second_spelling_of_a_point_is_no_node_id() {
    let spellings = (0..19u8).flat_map(|above| {
        let mut key = FIELD_PRIME;
        key[0] += above;
        let mut other_sign = key;
        other_sign[31] |= 0x80;
        [key, other_sign]
    });
    for key in spellings {
        assert_eq!(NodeId::from_bytes(key), Err(KeyError::Point), "{key:02x?}");
    }
}

#[test]
fn bytes_that_are_no_point_are_no_node_id() {
    let refused = (0..=255u8).filter(|byte| NodeId::from_bytes([*byte; 32]).is_err()).count();
    assert!((64..192).contains(&refused), "about half of all byte strings are no point, {refused} of 256 were refused");
}

#[test]
fn ids_of_the_wrong_length_or_alphabet_are_refused() {
    let text = identity(1).node_id().to_string();
    assert_eq!(text.len(), 52);
    for wrong in
        [&text[..51], &format!("{text}a"), "", &text.replace(&text[3..4], "1"), &text.replace(&text[3..4], "é")]
    {
        assert_eq!(wrong.parse::<NodeId>(), Err(KeyError::Text), "{wrong}");
        assert_eq!(wrong.parse::<NetworkId>(), Err(KeyError::Text), "{wrong}");
    }
}

proptest! {
    #[test]
    fn node_ids_survive_as_text_in_either_case(node in arbitrary::node()) {
        let text = node.to_string();
        prop_assert_eq!(text.parse(), Ok(node));
        prop_assert_eq!(text.to_ascii_uppercase().parse(), Ok(node));
        prop_assert_eq!(NodeId::from_bytes(*node.as_bytes()), Ok(node));
    }

    #[test]
    fn network_ids_survive_as_text_in_either_case(bytes in any::<[u8; 32]>()) {
        let network = NetworkId::from_bytes(bytes);
        let text = network.to_string();
        prop_assert_eq!(text.parse(), Ok(network));
        prop_assert_eq!(text.to_ascii_uppercase().parse(), Ok(network));
    }

    #[test]
    fn text_accepted_as_an_id_is_its_text(text in "[a-zA-Z2-7]{52}") {
        if let Ok(network) = text.parse::<NetworkId>() {
            prop_assert_eq!(network.to_string(), text.to_ascii_lowercase());
        }
    }

    #[test]
    fn keys_survive_as_bytes(seed in any::<[u8; 32]>()) {
        let key = IdentityKey::from_bytes(&seed);
        prop_assert_eq!(*key.to_bytes(), seed);
        prop_assert_eq!(NodeId::from_bytes(*key.node_id().as_bytes()), Ok(key.node_id()));
    }

    #[test]
    fn overlay_addresses_lie_in_their_network_and_differ(bytes in any::<[u8; 32]>(), one in arbitrary::node(), other in arbitrary::node()) {
        let network = NetworkId::from_bytes(bytes);
        let address = OverlayAddr::of_node(&network, &one);
        prop_assert!(network.prefix().contains(&address.ip()));
        prop_assert!(network.prefix().to_net().contains(&address.ip()));
        prop_assert_eq!(address == OverlayAddr::of_node(&network, &other), one == other);
    }
}
