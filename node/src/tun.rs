use std::io::{self, IoSlice};
use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use holloway_mesh::{TunOffload, VirtioHeader};
use holloway_wire::{OverlayAddr, Prefix};
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::link::LinkAttribute;
use rustix::fd::{AsFd, BorrowedFd};
use tun_rs::{DeviceBuilder, SyncDevice};

/// Packets that the interface holds for us: twice the default of 500, as a full queue drops without telling anyone
/// (dataplane.md §5).
const QUEUE_LEN: u32 = 1000;

/// Segments of the largest packet: as many records of 1472 bytes fit one segmented send (dataplane.md §7).
const SEGMENTS_MAX: u32 = 44;

/// One queue of a network's TUN interface, read and written without blocking.
pub(crate) struct Tun {
    device: SyncDevice,
    offload: TunOffload,
}

/// What an interface shall be like.
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: OverlayAddr,
    pub(crate) mtu: u16,
    /// Large packets and unfinished checksums, where the kernel has them.
    pub(crate) offload: bool,
    /// One for each lane, where the kernel has several.
    pub(crate) queues: usize,
}

/// Opens the TUN interface of one network: its address, the route to its prefix, its MTU, up. Gives its queues, at
/// least one.
///
/// # Errors
/// When the name is taken, the right is missing, or the kernel refuses.
pub(crate) fn open(wanted: &Wanted<'_>) -> anyhow::Result<Vec<Arc<Tun>>> {
    let name = wanted.name;
    anyhow::ensure!(
        !Path::new("/sys/class/net").join(name).exists(),
        "there is a network interface called {name} already; set another name under [tun] in holloway.toml"
    );
    let first = build(wanted)
        .with_context(|| format!("cannot open the network interface {name} (needs CAP_NET_ADMIN and /dev/net/tun)"))?;
    // A shorter queue works, and drops earlier.
    let _ = first.set_tx_queue_len(QUEUE_LEN);
    let mut devices = Vec::new();
    while devices.len() + 1 < wanted.queues {
        match first.try_clone() {
            Ok(device) => devices.push(device),
            Err(error) => {
                tracing::warn!(name, %error, "the network interface has fewer queues than lanes were wanted");
                break;
            }
        }
    }
    devices.insert(0, first);
    devices.into_iter().map(Tun::new).collect()
}

/// The first queue, with the offloads that the kernel grants.
fn build(wanted: &Wanted<'_>) -> io::Result<SyncDevice> {
    let own: Ipv6Addr = wanted.address.ip();
    let build = |offload| {
        DeviceBuilder::new()
            .name(wanted.name)
            .ipv6(own, Prefix::BITS)
            .mtu(wanted.mtu)
            .offload(offload)
            .multi_queue(wanted.queues > 1)
            .build_sync()
    };
    if !wanted.offload {
        return build(false);
    }
    build(true).or_else(|error| {
        let device = build(false)?;
        tracing::warn!(name = wanted.name, %error, "the kernel grants the network interface no offload; it is slower so");
        Ok(device)
    })
}

impl Tun {
    fn new(device: SyncDevice) -> anyhow::Result<Arc<Self>> {
        device.set_nonblocking(true).context("the network interface cannot be used without blocking")?;
        let offload = TunOffload { virtio: device.tcp_gso(), tso: device.tcp_gso(), uso: device.udp_gso() };
        Ok(Arc::new(Self { device, offload }))
    }

    /// What the interface takes.
    pub(crate) const fn offload(&self) -> TunOffload {
        self.offload
    }

    /// Reads one packet, with its virtio header where [`Self::offload`] has them.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.device, buffer)?)
    }

    /// Writes one packet that lies in pieces, the virtio header first where [`Self::offload`] has them.
    pub(crate) fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        rustix::io::writev(&self.device, pieces)?;
        Ok(())
    }

    /// Writes one packet that nothing is left to be done about.
    pub(crate) fn write_finished(&self, packet: &[u8]) -> io::Result<()> {
        let header = [0; VirtioHeader::LEN];
        let header = if self.offload.virtio { header.as_slice() } else { &[] };
        self.write(&[IoSlice::new(header), IoSlice::new(packet)])
    }

    /// Changes the interface's MTU.
    pub(crate) fn set_mtu(&self, mtu: u16) -> io::Result<()> {
        self.device.set_mtu(mtu)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// Keeps the kernel from making larger packets than one train of datagrams takes: what is left over would be a send of
/// its own (dataplane.md §5). Without it all works, a little slower.
pub(crate) async fn limit_segments(name: &str) {
    if let Err(error) = set_segments_max(name).await {
        tracing::debug!(name, %error, "the interface's packets are not limited to a train's length");
    }
}

async fn set_segments_max(name: &str) -> anyhow::Result<()> {
    let (connection, handle, _) = rtnetlink::new_connection().context("netlink")?;
    let task = tokio::spawn(connection);
    let link = LinkUnspec::new_with_name(name).append_extra_attribute(LinkAttribute::GsoMaxSegs(SEGMENTS_MAX)).build();
    let result = handle.link().set(link).execute().await;
    task.abort();
    Ok(result?)
}
