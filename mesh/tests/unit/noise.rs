use std::path::PathBuf;

use holloway_wire::Suite;
use serde_json::Value;

use super::*;
use crate::aead::AeadKey;

/// The folder of public vectors, which is not part of the repository.
#[expect(clippy::disallowed_methods, reason = "the folder may be named in the environment")]
fn shared_data() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    std::env::var_os("HOLLOWAY_SHARED_DATA").map_or(beside, PathBuf::from)
}

/// The vectors of a file, or `None`, said plainly, where the folder is absent.
#[expect(clippy::disallowed_methods, reason = "vectors lie in files")]
fn vectors(file: &str) -> Option<Vec<Value>> {
    let path = shared_data().join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there", path.display());
        return None;
    };
    let document: Value = serde_json::from_str(&text).expect("vectors are JSON");
    Some(document["vectors"].as_array().expect("a list of vectors").clone())
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a hex string")).expect("hex")
}

fn key(value: &Value) -> [u8; 32] {
    bytes(value).try_into().expect("32 bytes")
}

fn secret(value: &Value) -> StaticSecret {
    StaticSecret::from_bytes(key(value))
}

fn initiator(vector: &Value) -> (Initiator, Vec<u8>) {
    let remote = StaticPublicKey(key(&vector["init_remote_static"]));
    let ephemeral = Ephemeral(key(&vector["init_ephemeral"]));
    let payload = bytes(&vector["messages"][0]["payload"]);
    let prologue = bytes(&vector["init_prologue"]);
    Initiator::start(&secret(&vector["init_static"]), &remote, &prologue, ephemeral, &payload).expect("message 1")
}

fn responder(vector: &Value, message: &[u8]) -> Responder {
    let ephemeral = Ephemeral(key(&vector["resp_ephemeral"]));
    let prologue = bytes(&vector["resp_prologue"]);
    Responder::read(&secret(&vector["resp_static"]), &prologue, ephemeral, message).expect("message 1 is read")
}

#[test]
fn handshakes_equal_the_public_vectors_byte_for_byte() {
    let Some(vectors) = vectors("noise_ik_vectors.json") else {
        return;
    };
    assert_eq!(vectors.len(), 3);
    for vector in &vectors {
        let messages = &vector["messages"];

        let (start, message_1) = initiator(vector);
        assert_eq!(message_1, bytes(&messages[0]["ciphertext"]));
        let answering = responder(vector, &message_1);
        assert_eq!(answering.payload(), bytes(&messages[0]["payload"]));
        assert_eq!(*answering.remote(), secret(&vector["init_static"]).public());
        let (message_2, theirs) = answering.respond(&bytes(&messages[1]["payload"])).expect("message 2");
        assert_eq!(message_2, bytes(&messages[1]["ciphertext"]));
        let Ok((payload, ours)) = Box::new(start).finish(&message_2) else {
            panic!("message 2 was not read");
        };

        assert_eq!(payload, bytes(&messages[1]["payload"]));
        assert_eq!((ours.hash, ours.to_responder), (theirs.hash, theirs.to_responder));
        assert_eq!(ours.to_initiator, theirs.to_initiator);
        if vector["handshake_hash"].is_string() {
            assert_eq!(ours.hash, key(&vector["handshake_hash"]));
        }
        split_keys_make_the_transport_messages(&ours, messages);
    }
}

/// Noise's transport has our nonce and no associated data, so the split keys can be checked with our own AEAD.
fn split_keys_make_the_transport_messages(split: &Split, messages: &Value) {
    let to_responder = AeadKey::new(Suite::ChaCha20Poly1305, &split.to_responder);
    let to_initiator = AeadKey::new(Suite::ChaCha20Poly1305, &split.to_initiator);
    for (number, message) in messages.as_array().expect("messages")[2..].iter().enumerate() {
        let key = if number % 2 == 0 { &to_responder } else { &to_initiator };
        let mut sealed = bytes(&message["payload"]);
        let tag = key.seal(number as u64 / 2, &[], &mut sealed);
        sealed.extend_from_slice(&tag);
        assert_eq!(sealed, bytes(&message["ciphertext"]), "transport message {number}");
    }
}

#[test]
fn transport_messages_equal_the_public_vectors_through_snow() {
    let Some(vectors) = vectors("noise_ik_vectors.json") else {
        return;
    };
    for vector in &vectors {
        let messages = vector["messages"].as_array().expect("messages");
        let (mut start, message_1) = initiator(vector);
        let mut answering = responder(vector, &message_1);
        let message_2 = write(&mut answering.state, &bytes(&messages[1]["payload"])).expect("message 2");
        read(&mut start.0, &message_2).expect("message 2 is read");
        let sides = [start.0, answering.state].map(|state| state.into_stateless_transport_mode().expect("finished"));

        for (number, message) in messages[2..].iter().enumerate() {
            let (sender, receiver) = (&sides[number % 2], &sides[1 - number % 2]);
            let (nonce, mut sealed, mut opened) = (number as u64 / 2, [0; 1024], [0; 1024]);
            let payload = bytes(&message["payload"]);
            let length = sender.write_message(nonce, &payload, &mut sealed).expect("sealed");
            assert_eq!(&sealed[..length], bytes(&message["ciphertext"]));
            let length = receiver.read_message(nonce, &sealed[..length], &mut opened).expect("opened");
            assert_eq!(&opened[..length], payload);
        }
    }
}

#[test]
fn edge_inputs_of_x25519_give_the_known_result_or_none() {
    let Some(vectors) = vectors("x25519_edge_vectors.json") else {
        return;
    };
    let mut refused = 0;
    for vector in &vectors {
        let mut dh = X25519::default();
        dh.set(&key(&vector["private"]));
        let mut shared = [0xaa; 32];
        let result = dh.dh(&key(&vector["public"]), &mut shared);
        let expected = key(&vector["shared"]);
        assert_eq!(x25519(key(&vector["private"]), key(&vector["public"])), expected, "{vector}");
        if expected == [0; 32] {
            assert!(result.is_err(), "{vector}");
            assert_eq!(shared, [0xaa; 32], "nothing was written");
            refused += 1;
        } else {
            assert!(result.is_ok(), "{vector}");
            assert_eq!(shared, expected, "{vector}");
        }
    }
    assert_eq!((vectors.len(), refused), (44, 31));
}

#[test]
fn keys_that_share_no_secret_begin_and_answer_no_handshake() {
    let Some(vectors) = vectors("x25519_edge_vectors.json") else {
        return;
    };
    let local = StaticSecret::from_bytes([7; 32]);
    for vector in vectors.iter().filter(|vector| key(&vector["shared"]) == [0; 32]) {
        let weak = key(&vector["public"]);
        let started = Initiator::start(&local, &StaticPublicKey(weak), b"p", Ephemeral([9; 32]), b"payload");
        assert!(started.is_err(), "{vector}");
        let (_, mut message) = Initiator::start(&local, &local.public(), b"p", Ephemeral([9; 32]), b"payload")
            .expect("a handshake with a sound key");
        message[..32].copy_from_slice(&weak);
        assert!(Responder::read(&local, b"p", Ephemeral([8; 32]), &message).is_err(), "{vector}");
    }
}

#[test]
fn an_answer_with_a_weak_ephemeral_leaves_the_initiator_as_it_was() {
    let (local, remote) = (StaticSecret::from_bytes([1; 32]), StaticSecret::from_bytes([2; 32]));
    let (start, message_1) =
        Initiator::start(&local, &remote.public(), b"p", Ephemeral([3; 32]), b"one").expect("message 1");
    let answering = Responder::read(&remote, b"p", Ephemeral([4; 32]), &message_1).expect("message 1 is read");
    let (message_2, _) = answering.respond(b"two").expect("message 2");
    let mut start = Box::new(start);
    for at in 0..message_2.len() {
        let mut forged = message_2.clone();
        forged[at] ^= 1;
        start = start.finish(&forged).err().expect("a forged answer is not taken");
    }
    let mut weak = message_2.clone();
    weak[..32].fill(0);
    start = start.finish(&weak).err().expect("a weak answer is not taken");
    assert!(start.finish(&message_2).is_ok_and(|(payload, _)| payload == b"two"));
}

#[test]
fn an_ephemeral_key_is_given_out_once() {
    let mut once = Once(Some(Zeroizing::new([5; 32])));
    let mut out = [0; 32];
    assert!(once.try_fill_bytes(&mut out).is_ok());
    assert_eq!(out, [5; 32]);
    assert!(once.try_fill_bytes(&mut out).is_err());
}
