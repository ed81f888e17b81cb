use std::cell::RefCell;
use std::fmt::{self, Write};

use holloway_mesh::{ControlCommand, ControlEvent, Event};
use holloway_wire::{Datagram, RecordHeader};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

thread_local! {
    static ERROR: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A subscriber that hears errors only: an `error!` means a broken invariant, not bad weather.
pub(crate) struct Errors;

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        ERROR.with_borrow_mut(|error| *error = Some(line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").expect("a string takes any text");
    }
}

/// The last error that was logged on this thread.
pub(crate) fn take_error() -> Option<String> {
    ERROR.with_borrow_mut(Option::take)
}

/// A datagram in a few words.
pub(crate) fn datagram(bytes: &[u8]) -> String {
    match Datagram::decode(bytes) {
        Ok(Datagram::Initiation(message)) => format!("initiation {:?}", message.sender),
        Ok(Datagram::Response(message)) => format!("response {:?} to {:?}", message.sender, message.receiver),
        Ok(Datagram::Cookie(message)) => format!("cookie to {:?}", message.receiver),
        Ok(Datagram::Transport) => RecordHeader::decode(bytes).map_or_else(
            |_| "broken record".into(),
            |header| {
                let length = bytes.len() - holloway_wire::RECORD_OVERHEAD;
                format!("{:?} {} to {:?}, {length} bytes", header.flags.kind(), header.counter, header.index)
            },
        ),
        Err(error) => format!("{} bytes ({error})", bytes.len()),
    }
}

/// A command to the control plane in a few words.
pub(crate) fn control(command: &ControlCommand) -> String {
    match command {
        ControlCommand::Dial { node, .. } => format!("dial {}", node.short()),
        ControlCommand::Admit { node } => format!("admit {}", node.short()),
        ControlCommand::Expel { node } => format!("expel {}", node.short()),
        ControlCommand::Request { id, node, channel, .. } => format!("request {id:?} {channel:?} {}", node.short()),
        ControlCommand::Respond { token, .. } => format!("respond {token:?}"),
        ControlCommand::Publish { .. } => "publish".into(),
        ControlCommand::Judge { verdict, .. } => format!("judge {verdict:?}"),
        ControlCommand::PutRecord { .. } => "put record".into(),
        ControlCommand::FindRecord { .. } => "find record".into(),
        ControlCommand::JudgeRecord { accept, .. } => format!("judge record {accept}"),
    }
}

/// An event of the control plane in a few words.
pub(crate) fn heard(event: &ControlEvent) -> String {
    match event {
        ControlEvent::Connected { node, outbound } => format!("connected {} outbound {outbound}", node.short()),
        ControlEvent::Opened { node } => format!("opened {}", node.short()),
        ControlEvent::Disconnected { node } => format!("disconnected {}", node.short()),
        ControlEvent::DialFailed { node } => format!("dial failed {}", node.short()),
        ControlEvent::Request { node, channel, .. } => format!("request {channel:?} of {}", node.short()),
        ControlEvent::Response { id, body } => format!("response {id:?}, there {}", body.is_some()),
        ControlEvent::Gossip { source, .. } => format!("gossip by {}", source.short()),
        ControlEvent::Discovered { node, .. } => format!("discovered {}", node.short()),
        ControlEvent::Record { value, .. } => format!("record, there {}", value.is_some()),
        ControlEvent::RecordOffered { .. } => "record offered".into(),
    }
}

/// A node's event in a few words.
pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::CommandDone { id, result } => match result {
            Ok(_) => format!("{id:?} done"),
            Err(error) => format!("{id:?}: {error}"),
        },
        Event::NamesChanged => "names changed".into(),
        Event::CaughtUp => "caught up".into(),
        Event::CertificateRenewed => "certificate renewed".into(),
        Event::Expelled => "expelled".into(),
        Event::PeerUp { label, endpoint, .. } => format!("{label} is up at {endpoint}"),
        Event::ApprovalWanted { label, .. } => format!("{label} waits to be approved"),
        Event::MemberJoined { label, .. } => format!("{label} joined"),
        Event::MemberLeft { node, .. } => format!("{} left", node.short()),
        Event::Security { kind, detail, .. } => format!("security {}: {detail}", kind.name()),
    }
}
