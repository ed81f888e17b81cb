use holloway_control::{Command, Error, SendError, Transport, spawn};

use crate::world::{Node, connect, settings};

#[test]
fn outside_a_runtime_there_is_no_control_plane() {
    assert!(matches!(spawn(&settings(1, Transport::Tcp)), Err(Error::Runtime)));
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_named() {
    let mut settings = settings(1, Transport::Tcp);
    settings.listen.tcp = vec!["192.0.2.1:1".parse().unwrap()];
    let Err(error) = spawn(&settings) else { panic!("listening on an address of somebody else") };
    assert!(error.to_string().contains("192.0.2.1:1"), "{error}");
}

#[tokio::test]
async fn when_the_task_is_behind_commands_come_back_and_verdicts_have_their_own_share() {
    let node = Node::start(1, Transport::Tcp).await;
    // Nothing is awaited from here on, so that the task, on this same thread, does not run.
    let publish = || Command::Publish { body: Vec::new() };
    let taken = (0..10_000).take_while(|_| node.handle.send(publish()).is_ok()).count();
    assert!(taken > 0);
    let Err(SendError::Full(back)) = node.handle.send(publish()) else { panic!("not full") };
    assert_eq!(*back, publish());
    let admit = || Command::Admit { node: node.id };
    let owed = (0..10_000).take_while(|_| node.handle.send(admit()).is_ok()).count();
    assert_eq!(owed, taken, "half of the queue is kept for what is owed");
    assert!(matches!(node.handle.send(admit()), Err(SendError::Full(_))));
}

#[tokio::test]
async fn others_learn_of_a_shutdown_at_once() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let mut stays = Node::start(1, transport).await;
        let mut leaves = Node::start(2, transport).await;
        connect(&mut leaves, &mut stays).await;
        let left = leaves.id;
        leaves.handle.shutdown().await;
        stays.disconnected(left).await;
    }
}
