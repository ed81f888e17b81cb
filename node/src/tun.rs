use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use holloway_wire::{OverlayAddr, Prefix};
use tun_rs::{DeviceBuilder, SyncDevice};

/// Packets that the interface holds for us: twice the default of 500, as a full queue drops without telling anyone
/// (dataplane.md §5).
const QUEUE_LEN: u32 = 1000;

/// Opens the TUN interface of one network: its address, the route to its prefix, its MTU, up.
///
/// # Errors
/// When the name is taken, the right is missing, or the kernel refuses.
pub(crate) fn open(name: &str, address: OverlayAddr, mtu: u16) -> anyhow::Result<Arc<SyncDevice>> {
    let own: Ipv6Addr = address.ip();
    anyhow::ensure!(
        !Path::new("/sys/class/net").join(name).exists(),
        "there is a network interface called {name} already; set another name under [tun] in holloway.toml"
    );
    let device =
        DeviceBuilder::new().name(name).ipv6(own, Prefix::BITS).mtu(mtu).build_sync().with_context(|| {
            format!("cannot open the network interface {name} (needs CAP_NET_ADMIN and /dev/net/tun)")
        })?;
    device.set_nonblocking(true).context("the network interface cannot be used without blocking")?;
    // A shorter queue works, and drops earlier.
    let _ = device.set_tx_queue_len(QUEUE_LEN);
    Ok(Arc::new(device))
}
