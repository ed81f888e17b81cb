use holloway_control::{Command, Event, GOSSIP_BYTES_MAX, MessageToken, Transport, Verdict};

use crate::world::{Node, connect, join};

impl Node {
    async fn gossip(&mut self) -> (MessageToken, Vec<u8>) {
        let pick = |event: &Event| match event {
            Event::Gossip { message, body, .. } => Some((*message, body.clone())),
            _ => None,
        };
        self.wait("gossip", pick).await
    }

    fn publish(&self, body: &[u8]) {
        self.tell(Command::Publish { body: body.to_vec() });
    }

    fn judge(&self, message: MessageToken, verdict: Verdict) {
        self.tell(Command::Judge { message, verdict });
    }

    /// Publishes until another node has heard of it: a neighbour's subscription arrives when it arrives.
    async fn publish_until_heard(&self, body: &[u8], by: &mut Self) -> MessageToken {
        loop {
            self.publish(body);
            let heard = tokio::time::timeout(std::time::Duration::from_millis(200), by.gossip());
            if let Ok((message, heard)) = heard.await {
                assert_eq!(heard, body);
                return message;
            }
        }
    }
}

async fn both_ways(transport: Transport) {
    let mut one = Node::start(1, transport).await;
    let mut two = Node::start(2, transport).await;
    connect(&mut one, &mut two).await;
    one.admit(&two);
    two.admit(&one);
    one.opened(two.id).await;
    one.publish(b"one");
    two.opened(one.id).await;
    two.publish(b"two");
    assert_eq!(one.gossip().await.1, b"two");
    assert_eq!(two.gossip().await.1, b"one");
    let largest = vec![7; GOSSIP_BYTES_MAX];
    one.publish(&largest);
    let is_it = |event: &Event| matches!(event, Event::Gossip { body, .. } if *body == largest);
    two.until("the largest message", is_it).await;
}

#[tokio::test]
async fn over_tcp_gossip_goes_both_ways_up_to_its_largest_size() {
    both_ways(Transport::Tcp).await;
}

#[tokio::test]
async fn over_quic_gossip_goes_both_ways_up_to_its_largest_size() {
    both_ways(Transport::Quic).await;
}

#[tokio::test]
async fn only_accepted_messages_are_passed_on() {
    let mut author = Node::start(1, Transport::Tcp).await;
    let mut middle = Node::start(2, Transport::Tcp).await;
    let mut reader = Node::start(3, Transport::Tcp).await;
    join(&mut author, &mut middle).await;
    join(&mut middle, &mut reader).await;
    middle.publish_until_heard(b"the middle's own", &mut reader).await;

    let ignored = author.publish_until_heard(b"ignored", &mut middle).await;
    middle.judge(ignored, Verdict::Ignore);
    loop {
        let accepted = author.publish_until_heard(b"accepted", &mut middle).await;
        middle.judge(accepted, Verdict::Accept);
        let heard = tokio::time::timeout(std::time::Duration::from_millis(500), reader.gossip()).await;
        let Ok((_, body)) = heard else { continue };
        if body != b"the middle's own" {
            assert_eq!(body, b"accepted");
            break;
        }
    }
}

#[tokio::test]
async fn a_neighbour_is_cut_off_with_its_third_rejected_message_and_may_not_come_back() {
    let mut judge = Node::start(1, Transport::Tcp).await;
    let mut liar = Node::start(2, Transport::Tcp).await;
    join(&mut liar, &mut judge).await;
    let mut message = liar.publish_until_heard(b"lie", &mut judge).await;
    for _ in 0..2 {
        judge.judge(message, Verdict::Reject);
        liar.publish(b"lie");
        message = judge.gossip().await.0;
        assert!(!judge.has_seen(|event| matches!(event, Event::CutOff { .. })));
    }
    judge.judge(message, Verdict::Reject);
    let cut = liar.id;
    judge.until("the cut", |event| matches!(event, Event::CutOff { node } if *node == cut)).await;
    judge.disconnected(liar.id).await;
    liar.disconnected(judge.id).await;

    liar.dial(&judge);
    liar.connected(judge.id).await;
    liar.disconnected(judge.id).await;
    let mut honest = Node::start(3, Transport::Tcp).await;
    connect(&mut honest, &mut judge).await;
    assert!(!judge.has_seen(|event| matches!(event, Event::Connected { node, .. } if *node == cut)));
}

#[tokio::test]
async fn an_author_beyond_its_pace_is_cut_off_even_if_every_message_would_be_accepted() {
    let mut judge = Node::start(1, Transport::Tcp).await;
    let mut flood = Node::start(2, Transport::Tcp).await;
    join(&mut flood, &mut judge).await;
    let first = flood.publish_until_heard(b"first", &mut judge).await;
    judge.judge(first, Verdict::Accept);
    let mut heard = 0_u32;
    let mut sent = 0_u32;
    loop {
        for _ in 0..20 {
            sent += 1;
            // Its own task is behind at times; this owner does not care.
            let _ = flood.handle.send(Command::Publish { body: sent.to_be_bytes().to_vec() });
        }
        match judge.next().await {
            Event::Gossip { message, .. } => {
                heard += 1;
                assert!(heard < 1000, "no cut after {sent} messages");
                judge.judge(message, Verdict::Accept);
            }
            Event::CutOff { node } => {
                assert_eq!(node, flood.id);
                break;
            }
            _ => {}
        }
    }
    assert!(heard >= 190, "only {heard} of {sent} were heard before the cut");
}

#[tokio::test]
async fn a_verdict_on_a_message_that_is_gone_does_no_harm() {
    let mut one = Node::start(1, Transport::Tcp).await;
    let mut two = Node::start(2, Transport::Tcp).await;
    join(&mut one, &mut two).await;
    let message = one.publish_until_heard(b"once", &mut two).await;
    for _ in 0..5 {
        two.judge(message, Verdict::Accept);
        two.judge(message, Verdict::Reject);
    }
    one.publish_until_heard(b"twice", &mut two).await;
    assert!(!two.has_seen(|event| matches!(event, Event::CutOff { .. })));
}

#[tokio::test]
async fn events_wait_for_a_slow_owner_and_none_is_lost() {
    let mut slow = Node::start(1, Transport::Tcp).await;
    let mut authors = Vec::new();
    for seed in 2..5 {
        let mut author = Node::start(seed, Transport::Tcp).await;
        join(&mut author, &mut slow).await;
        author.publish_until_heard(b"ready", &mut slow).await;
        authors.push(author);
    }
    for number in 0..120_u8 {
        authors.iter().for_each(|author| author.publish(&[number]));
    }
    let mut missing = 3 * 120;
    while missing > 0 {
        if slow.gossip().await.1 != b"ready" {
            missing -= 1;
        }
    }
}
