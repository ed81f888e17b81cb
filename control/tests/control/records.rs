use std::time::Duration;

use holloway_control::{Command, Event, RECORD_BYTES_MAX, RequestId, Transport, Verdict};

use crate::world::{Node, join};

const KEY: [u8; 32] = [5; 32];

impl Node {
    fn put(&self, key: [u8; 32], value: &[u8]) {
        self.tell(Command::PutRecord { key, value: value.to_vec(), lifetime: Duration::from_secs(600) });
    }

    async fn decide(&mut self, verdict: Verdict) -> ([u8; 32], Vec<u8>) {
        let pick = |event: &Event| match event {
            Event::StoreOffered { record, key, value, .. } => Some((*record, *key, value.clone())),
            _ => None,
        };
        let (record, key, value) = self.wait("an offered record", pick).await;
        self.tell(Command::Store { record, verdict });
        (key, value)
    }

    async fn look_up(&mut self, number: u64, key: [u8; 32]) -> Vec<Vec<u8>> {
        let wanted = RequestId(number);
        self.tell(Command::GetRecord { id: wanted, key });
        let pick = |event: &Event| match event {
            Event::Records { id, values } if *id == wanted => Some(values.clone()),
            _ => None,
        };
        self.wait("a lookup's end", pick).await
    }
}

async fn found_by_a_third_member(transport: Transport) {
    let mut author = Node::start(1, transport).await;
    let mut holder = Node::start(2, transport).await;
    let mut reader = Node::start(3, transport).await;
    join(&mut author, &mut holder).await;
    author.put(KEY, b"value");
    assert_eq!(holder.decide(Verdict::Accept).await, (KEY, b"value".to_vec()));
    drop(author);
    join(&mut reader, &mut holder).await;
    assert_eq!(reader.look_up(1, KEY).await, [b"value".to_vec()]);
    assert_eq!(reader.look_up(2, [6; 32]).await, Vec::<Vec<u8>>::new());
}

#[tokio::test]
async fn over_tcp_a_record_is_found_after_its_author_has_gone() {
    found_by_a_third_member(Transport::Tcp).await;
}

#[tokio::test]
async fn over_quic_a_record_is_found_after_its_author_has_gone() {
    found_by_a_third_member(Transport::Quic).await;
}

#[tokio::test]
async fn a_record_the_owner_does_not_accept_is_not_kept() {
    for verdict in [Verdict::Reject, Verdict::Ignore] {
        let mut author = Node::start(1, Transport::Tcp).await;
        let mut holder = Node::start(2, Transport::Tcp).await;
        join(&mut author, &mut holder).await;
        author.put(KEY, b"value");
        holder.decide(verdict).await;
        author.tell(Command::Expel { node: holder.id });
        holder.disconnected(author.id).await;
        assert_eq!(holder.look_up(1, KEY).await, Vec::<Vec<u8>>::new());
    }
}

#[tokio::test]
async fn a_record_of_the_largest_size_is_offered_and_one_byte_more_is_not() {
    let mut author = Node::start(1, Transport::Tcp).await;
    let mut holder = Node::start(2, Transport::Tcp).await;
    join(&mut author, &mut holder).await;
    author.put(KEY, &vec![1; RECORD_BYTES_MAX + 1]);
    author.put([6; 32], &vec![2; RECORD_BYTES_MAX]);
    let (key, value) = holder.decide(Verdict::Accept).await;
    assert_eq!((key, value.len()), ([6; 32], RECORD_BYTES_MAX));
}

#[tokio::test]
async fn a_lookup_of_a_lonely_node_ends_with_nothing() {
    let mut lonely = Node::start(1, Transport::Tcp).await;
    assert_eq!(lonely.look_up(1, KEY).await, Vec::<Vec<u8>>::new());
}
