use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use futures::TryStreamExt;
use holloway_wire::is_dialable;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::{Handle, MulticastGroup};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Changes of addresses come in bursts: one goes and another comes. This is how long such a change takes,
const SETTLE: Duration = Duration::from_millis(20);
/// and where it goes on (a link goes, another comes, and each of its addresses) there are so many looks at once
const LOOKS_AT_ONCE: usize = 4;
/// and one in this time after that.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The addresses at which others can reach this machine: no loopback, link-local or overlay address.
pub(crate) async fn reachable() -> anyhow::Result<Vec<IpAddr>> {
    let (connection, handle, _) = rtnetlink::new_connection().context("netlink")?;
    let task = tokio::spawn(connection);
    let addresses = list(&handle).await;
    task.abort();
    addresses
}

async fn list(handle: &Handle) -> anyhow::Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    let mut answers = handle.address().get().execute();
    while let Some(message) = answers.try_next().await.context("netlink does not list addresses")? {
        found.extend(message.attributes.iter().filter_map(own_address));
    }
    found.retain(|ip| is_dialable(&SocketAddr::new(*ip, 1)));
    found.sort();
    found.dedup();
    Ok(found)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "netlink has many attributes; two hold addresses")]
fn own_address(attribute: &AddressAttribute) -> Option<IpAddr> {
    match attribute {
        AddressAttribute::Address(ip) | AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    }
}

/// Tells whenever this machine's addresses have changed. Ends with the receiver.
pub(crate) async fn watch(changed: mpsc::Sender<()>) -> anyhow::Result<()> {
    let groups = [MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
    let (connection, _handle, mut messages) =
        rtnetlink::new_multicast_connection(&groups).context("netlink does not tell of changes")?;
    let task = tokio::spawn(connection);
    let mut looks: VecDeque<Instant> = VecDeque::with_capacity(LOOKS_AT_ONCE);
    while messages.next().await.is_some() {
        let soon = Instant::now() + SETTLE;
        let allowed = if looks.len() < LOOKS_AT_ONCE { None } else { looks.pop_front() };
        let earned = allowed.map(|look| look + LOOK_EVERY.saturating_mul(LOOKS_AT_ONCE as u32));
        let settled = tokio::time::sleep_until(earned.map_or(soon, |earned| soon.max(earned)));
        tokio::pin!(settled);
        loop {
            tokio::select! {
                () = &mut settled => break,
                more = messages.next() => if more.is_none() { break },
            }
        }
        looks.push_back(Instant::now());
        if changed.send(()).await.is_err() {
            break;
        }
    }
    task.abort();
    Ok(())
}
