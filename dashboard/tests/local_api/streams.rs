//! Events as they happen.

use holloway_dashboard::client::Streamed;

use crate::example_daemon::{Running, event};

#[tokio::test]
async fn a_stream_delivers_events_whole_and_in_order() {
    let server = Running::start();
    let mut stream = server.client().stream_events().await.unwrap();
    for id in 1..=3 {
        server.events.send(event(id)).unwrap();
    }
    for id in 1..=3 {
        assert_eq!(stream.next().await.unwrap(), Some(Streamed::Event(event(id))));
    }
}

#[tokio::test]
async fn a_subscriber_that_falls_behind_is_told_how_much_it_missed() {
    let server = Running::start();
    let mut stream = server.client().stream_events().await.unwrap();
    // One thread: the server cannot send between these.
    for id in 1..=10 {
        server.events.send(event(id)).unwrap();
    }
    assert_eq!(stream.next().await.unwrap(), Some(Streamed::Missed(6)));
    assert_eq!(stream.next().await.unwrap(), Some(Streamed::Event(event(7))));
}

#[tokio::test]
async fn stopping_ends_streams_and_closes_the_socket() {
    let server = Running::start();
    let client = server.client();
    let mut stream = client.stream_events().await.unwrap();
    server.stop().await;
    assert_eq!(stream.next().await.unwrap(), None);
    assert!(client.status().await.is_err());
}
