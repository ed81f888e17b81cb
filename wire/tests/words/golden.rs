//! Fixed inputs and the bytes that they have always given: a change of format cannot go unnoticed.
//!
//! `tools/wire-vectors.py` computes the same values from the written rules, without this crate.

use data_encoding::HEXLOWER;
use holloway_wire::{
    Digest, Domain, InviteBody, InviteSecret, InviteToken, Membership, MembershipCertificate, NetworkId, OverlayAddr,
    RelayAnnouncement, RelayChannel, RelayDirection, RelayFrameHeader, RelayRegistration, Rights, Signed,
    SignedMessage, StaticBinding, StaticPublicKey, ToRelay, UnixTime, Validity, keyed_mac,
};

use crate::arbitrary::identity;

const ROOT: &str = "rkeohxlubhyzl7ks3mwtzos5olfgocn7dwkbeg7toseadnapn5oa";
const BOB: &str = "qe4xodvipulv6vvdkrtmgtd6ztfy3curwtxdpis56yhvxd6jwoka";
const NETWORK: &str = "uzhox27aiy52bw3ejaop45h6djmyuonrgzakykrfb2mmijcfmeta";
const PREFIX: &str = "fd42:a64e:ebeb::/48";
const ROOT_ADDRESS: &str = "fd42:a64e:ebeb:38e3:a933:1e2e:52d0:edcf";
const BOB_ADDRESS: &str = "fd42:a64e:ebeb:a38e:d09a:83b2:639d:c066";
const CERTIFICATE: &str = concat!(
    "82825860a70158208139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b3940263626f6203030481636f70",
    "73051a6553f100061a713fb3000758208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c58408ae2",
    "6ad80c38bba4b5f34939819100d8899e83a80120aaac1a0b9b2146305dd19cd4b4f738b289d557d4f58cb2cfed5a6c450acf4264",
    "ad6b5150c6f47a9eb403825849a30158208139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394025820",
    "05050505050505050505050505050505050505050505050505050505050505050307584065a39fd83a37861ffe8f90cfd9b6957d",
    "6e3266c76aed208ea56591a3c0fd899de41096ea81f930dd2bf55aeaa910864662432ff6e0df7ea9c8cd834c06c43b0f",
);
const CERTIFICATE_HASH: &str = "fc7f760fd83777545466cfaec0e09a020d17872f539897a4e1551d8032f974cd";
const INVITE_ID: &str = "fcef319e644baa94ffae";
const INVITE: &str = concat!(
    "holloway1qjmh7kablaqkmtxl5pqemo5a3nseqhh6ot7buwmkhgytmqfmfisq5ggeercwcjqcmrug63lfanmcbcui4poxicprsx6vfwz",
    "nhs5f24wkm4e36hmucin7g5eiag2a6324asayg2jrhezc4mbogixdcgnehim2ioyfkabqgaydambqgaydambqgaydambqmy3cn5raogt",
    "ljhjaacaalbajcqrrtdlmqiig5evpukospt3ha63yipo75ec3dykpsl2kpeeerqhrddx56jl3j7f25vzufdr7eknvr5oeeirtbyk3kqy",
    "v25ch46pyaq",
);
const RELAY_FRAME: &str = "0c01000004030201";
const REGISTER: &str = concat!(
    "0d010000a30001011b010203040506070802584d0000000000000000000000000000000000000000000000000000000000000000",
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
);
const DIGEST: &str = "719aaf7b37785ceae338be8f1e62fe2bfdc63433df4657be027dbf7051192970";
const MAC: &str = "cc2b80f11299bdf9f7d3c77a4e696c87";

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn certificate() -> MembershipCertificate {
    let (root, bob) = (identity(1), identity(2));
    let network = NetworkId::of_root(&root.node_id());
    let binding = StaticBinding { subject: bob.node_id(), key: StaticPublicKey([5; 32]), sequence: 7 };
    let membership = Membership {
        subject: bob.node_id(),
        label: "bob".parse().expect("a label"),
        rights: Rights::ISSUE.with(Rights::RELAY),
        groups: vec!["ops".into()],
        validity: Validity {
            not_before: UnixTime::from_secs(1_700_000_000),
            not_after: Some(UnixTime::from_secs(1_900_000_000)),
        },
        issuer: root.node_id(),
    };
    let binding = Signed::sign(binding, &bob, &network);
    MembershipCertificate::issue(membership, binding, &root, &network).expect("one member")
}

#[test]
fn ids_and_overlay_addresses_are_what_they_were() {
    let (root, bob) = (identity(1).node_id(), identity(2).node_id());
    let network = NetworkId::of_root(&root);
    assert_eq!(root.to_string(), ROOT);
    assert_eq!(bob.to_string(), BOB);
    assert_eq!(network.to_string(), NETWORK);
    assert_eq!(network.prefix().to_string(), PREFIX);
    assert_eq!(OverlayAddr::of_node(&network, &root).to_string(), ROOT_ADDRESS);
    assert_eq!(OverlayAddr::of_node(&network, &bob).to_string(), BOB_ADDRESS);
}

#[test]
fn a_certificate_has_the_bytes_that_it_had() {
    let certificate = certificate();
    assert!(certificate.verify_signatures(&NetworkId::of_root(&identity(1).node_id())));
    assert_eq!(hex(&certificate.encode()), CERTIFICATE);
    assert_eq!(hex(&certificate.hash().0), CERTIFICATE_HASH);
}

#[test]
fn an_invite_has_the_text_that_it_had() {
    let issuer = identity(1);
    let body = InviteBody {
        network: NetworkId::of_root(&issuer.node_id()),
        network_label: "home".parse().expect("a label"),
        issuer: issuer.node_id(),
        bootstrap: vec!["192.0.2.1".parse().expect("an address")],
        secret: InviteSecret::from_bytes([3; 16]),
        host_label: Some("bob".parse().expect("a label")),
        expires: UnixTime::from_secs(1_800_000_000),
        rights: Rights::NONE,
        via: vec![],
    };
    assert_eq!(hex(body.secret.id().as_bytes()), INVITE_ID);
    assert_eq!(InviteToken::sign(body, &issuer).to_string(), INVITE);
}

#[test]
fn a_relay_frame_has_the_head_that_it_had() {
    let header = RelayFrameHeader { direction: RelayDirection::FromRelay, channel: RelayChannel(0x0102_0304) };
    assert_eq!(hex(&header.encode()), RELAY_FRAME);
}

#[test]
fn relays_words_are_signed_under_the_numbers_that_they_had() {
    assert_eq!(RelayAnnouncement::TYPE as u8, 8);
    assert_eq!(RelayRegistration::TYPE as u8, 9);
}

#[test]
fn a_question_to_a_relay_has_the_bytes_that_it_had() {
    let question = ToRelay::Register { id: 0x0102_0304_0506_0708 };
    assert_eq!(hex(&question.encode()), REGISTER);
}

#[test]
fn hashes_are_blake2s_with_domain_and_lengths() {
    assert_eq!(hex(&Digest::of(Domain::Network, &[b"a", b"bc"]).0), DIGEST);
    assert_eq!(hex(&keyed_mac(&[1; 32], &[b"a", b"bc"])), MAC);
}
