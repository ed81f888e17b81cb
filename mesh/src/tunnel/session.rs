#[expect(clippy::disallowed_types, reason = "lanes share an opener; its window is the one lock in the core")]
use std::sync::Mutex;
#[expect(clippy::disallowed_types, reason = "lanes share a sealer: they reserve counters without a lock")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use holloway_wire::{
    RECORD_HEADER_LEN, RECORD_OVERHEAD, RECORD_TAG_LEN, RecordFlags, RecordHeader, SessionIndex, Suite, labelled_key,
};
use zeroize::Zeroizing;

use super::replay::ReplayWindow;
use crate::aead::AeadKey;
use crate::drop_reason::DropReason;
use crate::noise::Split;

/// Label of the transport keys (ARCHITECTURE §5 "Transport record").
const KEY_LABEL: &[u8] = b"holloway transport v1";

/// No record of a session is sealed beyond this many (ARCHITECTURE §5 "Times and limits"): far below what either
/// suite allows for one key (RFC 8446 §5.5 gives AES-GCM 2^24.5 records ten times the size of ours).
pub(crate) const PACKETS_MAX: u64 = 1 << 25;

/// The session has sealed its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

/// The sealing half of a session: seals records for one peer under one key. Held by lanes, used by `&self`.
pub struct Sealer {
    key: AeadKey,
    remote: SessionIndex,
    #[expect(clippy::disallowed_types, reason = "see the import")]
    next: AtomicU64,
    rotate_at: u64,
}

impl Sealer {
    /// Reserves `count` consecutive counters and returns the first.
    ///
    /// # Errors
    /// [`Exhausted`] when the reservation would pass the session's hard stop.
    pub fn reserve(&self, count: u64) -> Result<u64, Exhausted> {
        let within = |next: u64| next.checked_add(count).filter(|end| *end <= PACKETS_MAX);
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).map_err(|_| Exhausted)
    }

    /// Seals `content` under a reserved counter and appends the record to `out`.
    pub fn seal_reserved(&self, counter: u64, flags: RecordFlags, content: &[u8], out: &mut Vec<u8>) {
        let header = RecordHeader { flags, index: self.remote, counter }.encode();
        let start = out.len();
        out.extend_from_slice(&header);
        out.extend_from_slice(content);
        let tag = self.key.seal(counter, &header, &mut out[start + RECORD_HEADER_LEN..]);
        out.extend_from_slice(&tag);
    }

    /// Seals `content` under a reserved counter from where it lies into the front of `out`, and returns the length of
    /// the record: [`RECORD_OVERHEAD`] more than the content.
    ///
    /// # Panics
    /// When `out` is too short.
    pub fn seal_into(&self, counter: u64, flags: RecordFlags, content: &[u8], out: &mut [u8]) -> usize {
        let len = content.len() + RECORD_OVERHEAD;
        let (header, sealed) = out[..len].split_at_mut(RECORD_HEADER_LEN);
        header.copy_from_slice(&RecordHeader { flags, index: self.remote, counter }.encode());
        self.key.seal_apart(counter, header, content, sealed);
        len
    }

    /// Seals content that lies in two parts, as [`Self::seal_into`].
    ///
    /// # Panics
    /// When `out` is too short.
    pub fn seal_parts_into(&self, counter: u64, flags: RecordFlags, parts: [&[u8]; 2], out: &mut [u8]) -> usize {
        let [front, back] = parts;
        let content_len = front.len() + back.len();
        let len = content_len + RECORD_OVERHEAD;
        let (header, sealed) = out[..len].split_at_mut(RECORD_HEADER_LEN);
        header.copy_from_slice(&RecordHeader { flags, index: self.remote, counter }.encode());
        let (content, tag) = sealed.split_at_mut(content_len);
        content[..front.len()].copy_from_slice(front);
        content[front.len()..].copy_from_slice(back);
        tag.copy_from_slice(&self.key.seal(counter, header, content));
        len
    }

    /// Seals one record.
    ///
    /// # Errors
    /// [`Exhausted`] after the session's last record.
    pub fn seal(&self, flags: RecordFlags, content: &[u8], out: &mut Vec<u8>) -> Result<(), Exhausted> {
        let counter = self.reserve(1)?;
        self.seal_reserved(counter, flags, content, out);
        Ok(())
    }

    /// Whether so many records have been sealed that the core should hear of it now.
    pub fn wants_rotation(&self) -> bool {
        self.sealed() >= self.rotate_at
    }

    /// How many records have been sealed.
    pub(crate) fn sealed(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}

/// A record that was opened.
pub struct Opened<'a> {
    /// What it carries.
    pub flags: RecordFlags,
    /// The content.
    pub content: &'a mut [u8],
    /// Whether it is the newest so far: its source is where the peer is now.
    pub is_newest: bool,
}

/// The opening half of a session: opens records of one peer under one key, each once. Held by lanes, used by `&self`.
pub struct Opener {
    key: AeadKey,
    #[expect(clippy::disallowed_types, reason = "see the import")]
    accepted: Mutex<Accepted>,
    /// The first counter that the window still tells from replays: older records are refused without opening them.
    #[expect(clippy::disallowed_types, reason = "see the import")]
    oldest: AtomicU64,
}

/// The records that have been taken.
struct Accepted {
    window: ReplayWindow,
    count: u64,
}

impl Opener {
    /// Opens a record in place.
    ///
    /// # Errors
    /// The reason why it is dropped. Nothing has changed then: only an authentic record moves the window.
    pub fn open<'a>(&self, header: &RecordHeader, datagram: &'a mut [u8]) -> Result<Opened<'a>, DropReason> {
        if datagram.len() < RECORD_OVERHEAD {
            return Err(DropReason::Malformed);
        }
        if header.counter >= PACKETS_MAX {
            return Err(DropReason::Exhausted);
        }
        if header.counter < self.oldest.load(Ordering::Relaxed) {
            return Err(DropReason::Replayed);
        }
        let (aad, sealed) = datagram.split_at_mut(RECORD_HEADER_LEN);
        let content = self.key.open(header.counter, aad, sealed).map_err(|_| DropReason::NotAuthentic)?;
        let is_newest = self.accept(header.counter)?;
        Ok(Opened { flags: header.flags, content, is_newest })
    }

    /// Takes an authentic record; says whether it is the newest so far. The lock is taken once per record, and not
    /// before this: a second time costs a tenth of what opening a small record does.
    fn accept(&self, counter: u64) -> Result<bool, DropReason> {
        let mut accepted = self.accepted();
        let is_newest = accepted.window.accept(counter)?;
        accepted.count += 1;
        if is_newest {
            self.oldest.store(accepted.window.oldest(), Ordering::Relaxed);
        }
        Ok(is_newest)
    }

    /// How many records have been opened.
    pub(crate) fn opened(&self) -> u64 {
        self.accepted().count
    }

    fn accepted(&self) -> std::sync::MutexGuard<'_, Accepted> {
        self.accepted.lock().expect("no code panics while it holds the window")
    }
}

/// Which side of a handshake this node was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Initiator,
    Responder,
}

/// Derives both halves of a session from a finished handshake.
#[expect(clippy::disallowed_types, reason = "see the import")]
pub(crate) fn halves(
    split: &Split,
    role: Role,
    suite: Suite,
    remote: SessionIndex,
    rotate_at: u64,
) -> (Sealer, Opener) {
    let to_responder = transport_key(&split.to_responder, suite, Direction::ToResponder, &split.hash);
    let to_initiator = transport_key(&split.to_initiator, suite, Direction::ToInitiator, &split.hash);
    let (send, receive) = match role {
        Role::Initiator => (to_responder, to_initiator),
        Role::Responder => (to_initiator, to_responder),
    };
    let sealer = Sealer { key: AeadKey::new(suite, &send), remote, next: AtomicU64::new(0), rotate_at };
    let accepted = Accepted { window: ReplayWindow::new(), count: 0 }.into();
    (sealer, Opener { key: AeadKey::new(suite, &receive), accepted, oldest: AtomicU64::new(0) })
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Direction {
    ToResponder = 1,
    ToInitiator = 2,
}

/// Key per direction = keyed BLAKE2s-256(split key; label ‖ suite ‖ direction ‖ handshake hash).
fn transport_key(split: &[u8; 32], suite: Suite, direction: Direction, hash: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(labelled_key(split, &[KEY_LABEL, &[suite as u8, direction as u8], hash]))
}

const _: () = assert!(RECORD_TAG_LEN == 16, "both suites have 16-byte tags");

#[cfg(test)]
#[path = "../../tests/unit/session.rs"]
mod tests;
