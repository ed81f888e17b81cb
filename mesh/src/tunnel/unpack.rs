use holloway_wire::{RecordFlags, RecordKind};

use crate::drop_reason::DropReason;
use crate::offload::{bundled, complete_checksum};

/// What a record carries, each piece by itself: whole inner packets with nothing left to be done about them, or a message
/// of the session. Lanes gather instead; this is for the few records that come before a lane knows their session.
///
/// # Errors
/// [`DropReason`]: what the flags say is not what the content is. Fragments are for lanes only: a path so narrow is not
/// yet known when a session is that young.
pub(super) fn unpack(flags: RecordFlags, content: &mut [u8]) -> Result<Vec<Vec<u8>>, DropReason> {
    match flags.kind() {
        Some(RecordKind::Control)
            if !flags.has(RecordFlags::SEVERAL | RecordFlags::CHECKSUM | RecordFlags::FRAGMENT) =>
        {
            Ok(vec![content.to_vec()])
        }
        Some(RecordKind::Ip) if flags.has(RecordFlags::FRAGMENT) => Err(DropReason::Unsupported),
        Some(RecordKind::Ip) if flags.has(RecordFlags::SEVERAL) => bundled(content)?.map(finished).collect(),
        Some(RecordKind::Ip) => Ok(vec![finished((content, flags.has(RecordFlags::CHECKSUM)))?]),
        Some(RecordKind::Control | RecordKind::Ethernet) | None => Err(DropReason::Unsupported),
    }
}

fn finished((packet, is_unfilled): (&mut [u8], bool)) -> Result<Vec<u8>, DropReason> {
    if is_unfilled {
        complete_checksum(packet)?;
    }
    Ok(packet.to_vec())
}
