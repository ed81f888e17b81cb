//! What was typed, as requests that can be made. What cannot be meant is refused here, before anything is reached.

use std::time::Duration;

use clap_complete::Shell;
use holloway_dashboard::api::{
    ApiError, Block, CreateInvite, CreateNetwork, DnsAdd, DnsQuery, DnsRemove, ErrorCode, InNetwork, Revoke, Right,
    Switch, WhyQuery,
};
use holloway_dns::PublishedRecord;
use holloway_wire::{Bootstrap, Label};

use super::args::{
    CertificateCommand, Check, Command, CreateArgs, DaemonCommand, DemoArgs, DnsCommand, InviteArgs, InviteCommand,
    JoinArgs, LeaveArgs, MemberArgs, NetworkArgs, NewInviteArgs, PingArgs, RightArg, ServiceCommand, TopArgs, UpArgs,
};
use super::dashboard::Opening;
use super::demo_tool::DemoToolArgs;
use super::escape;
use super::failure::Failure;
use super::join::{InviteSource, JoinPlan};
use super::ping::PingPlan;
use super::top::{Extent as TopExtent, TopPlan};

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Action {
    /// Without a daemon, and before other threads exist.
    Alone(Alone),
    /// About a daemon.
    Request(Request),
}

/// What needs no daemon.
#[derive(Debug)]
pub(crate) enum Alone {
    Demo(DemoArgs),
    Completions(Shell),
    DemoTool(DemoToolArgs),
    ProbeName(String),
}

/// What is asked of a daemon or done about it.
#[derive(Debug)]
pub(crate) enum Request {
    Create(CreateNetwork),
    Invite { request: CreateInvite, drawing: Drawing },
    Invites(InNetwork),
    RevokeInvite { id: String, network: InNetwork },
    Approve { id: String, network: InNetwork },
    Join(JoinPlan),
    Up(UpMode),
    Switch(Switch),
    Down,
    Leave { label: Label, consent: Consent },
    Status,
    Check(Check),
    Peers(InNetwork),
    Top(TopPlan),
    Ping(PingPlan),
    Why(WhyQuery),
    Relays(InNetwork),
    Routes(InNetwork),
    Netcheck(InNetwork),
    Revoke(Revoke),
    Block(Block),
    Unblock { name: String, network: InNetwork },
    Certificate { name: Option<String>, network: InNetwork },
    DnsList(InNetwork),
    DnsAdd(DnsAdd),
    DnsRemove(DnsRemove),
    DnsQuery(DnsQuery),
    Events(Extent),
    Dashboard(Opening),
    Doctor,
    Service(ServiceCommand),
}

/// Whether an invite is also drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drawing {
    /// As a QR code.
    Qr,
    /// No.
    None,
}

/// How the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpMode {
    /// In this process.
    Foreground,
    /// In a process of its own; we return when it lives.
    Detached,
    /// In a process of its own; we return when it is ready.
    DetachedReady,
}

/// Whether the user has agreed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// By a flag.
    Given,
    /// Not yet.
    ToAsk,
}

/// How far a listing of events goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// To the present.
    Past,
    /// On, as things happen.
    Following,
}

impl Action {
    /// Finds out what was meant.
    pub(crate) fn new(command: Command) -> Result<Self, Failure> {
        let alone = match command {
            Command::Demo(args) => Alone::Demo(args),
            Command::Completions { shell } => Alone::Completions(shell),
            Command::DemoTool(args) => Alone::DemoTool(args),
            Command::ProbeName { name } => Alone::ProbeName(name),
            Command::Daemon(command) => return Request::new(command).map(Self::Request),
        };
        Ok(Self::Alone(alone))
    }
}

impl Request {
    fn new(command: DaemonCommand) -> Result<Self, Failure> {
        Ok(match command {
            DaemonCommand::Create(args) => Self::Create(create(&args)?),
            DaemonCommand::Invite(args) => invite(args)?,
            DaemonCommand::Invites(network) => Self::Invites(network.into()),
            DaemonCommand::Join(args) => Self::Join(join(args)?),
            DaemonCommand::Up(args) => Self::Up(up(&args)),
            DaemonCommand::On => Self::Switch(Switch { on: true }),
            DaemonCommand::Off => Self::Switch(Switch { on: false }),
            DaemonCommand::Down => Self::Down,
            DaemonCommand::Leave(args) => leave(&args)?,
            DaemonCommand::Status(args) => args.check.map_or(Self::Status, Self::Check),
            DaemonCommand::Peers(network) => Self::Peers(network.into()),
            DaemonCommand::Top(args) => Self::Top(top(args)),
            DaemonCommand::Ping(args) => Self::Ping(ping(args)),
            DaemonCommand::Why(MemberArgs { name, network }) => Self::Why(WhyQuery { name, network: network.network }),
            DaemonCommand::Relays(network) => Self::Relays(network.into()),
            DaemonCommand::Routes(network) => Self::Routes(network.into()),
            DaemonCommand::Netcheck(network) => Self::Netcheck(network.into()),
            DaemonCommand::Revoke(MemberArgs { name, network }) => {
                Self::Revoke(Revoke { network: network.network, name })
            }
            DaemonCommand::Block(MemberArgs { name, network }) => Self::Block(Block { network: network.network, name }),
            DaemonCommand::Unblock(MemberArgs { name, network }) => Self::Unblock { name, network: network.into() },
            DaemonCommand::Certificate(CertificateCommand::Show { name, network }) => {
                Self::Certificate { name, network: network.into() }
            }
            DaemonCommand::Dns(command) => dns(command)?,
            DaemonCommand::Events(args) => Self::Events(if args.follow { Extent::Following } else { Extent::Past }),
            DaemonCommand::Dashboard(args) => {
                Self::Dashboard(if args.print { Opening::Never } else { Opening::WhereSeen })
            }
            DaemonCommand::Doctor => Self::Doctor,
            DaemonCommand::Service(command) => Self::Service(command),
        })
    }
}

impl From<NetworkArgs> for InNetwork {
    fn from(typed: NetworkArgs) -> Self {
        Self { network: typed.network }
    }
}

impl From<RightArg> for Right {
    fn from(typed: RightArg) -> Self {
        match typed {
            RightArg::Relay => Self::Relay,
            RightArg::Exit => Self::Exit,
            RightArg::Issue => Self::Issue,
            RightArg::Admin => Self::Admin,
        }
    }
}

fn create(typed: &CreateArgs) -> Result<CreateNetwork, Failure> {
    Ok(CreateNetwork { label: label(&typed.network)?.to_string(), name: optional_label(typed.name.as_deref())? })
}

fn invite(typed: InviteArgs) -> Result<Request, Failure> {
    match typed.command {
        Some(InviteCommand::Revoke { id, network }) => Ok(Request::RevokeInvite { id, network: network.into() }),
        Some(InviteCommand::Approve { id, network }) => Ok(Request::Approve { id, network: network.into() }),
        None => new_invite(typed.new),
    }
}

fn new_invite(typed: NewInviteArgs) -> Result<Request, Failure> {
    typed.bootstrap.iter().try_for_each(|address| check_bootstrap(address))?;
    let drawing = if typed.qr { Drawing::Qr } else { Drawing::None };
    let mut rights: Vec<Right> = typed.rights.into_iter().map(Right::from).collect();
    rights.sort_unstable();
    rights.dedup();
    let request = CreateInvite {
        network: typed.network.network,
        name: optional_label(typed.name.as_deref())?,
        rights,
        groups: typed.groups,
        // An invite that lives for less than a second would be expired when it is printed.
        expires_s: typed.expires.map(|span| span.0.as_secs().max(1)),
        approval: typed.approval,
        bootstrap: typed.bootstrap,
    };
    Ok(Request::Invite { request, drawing })
}

fn check_bootstrap(address: &str) -> Result<(), Failure> {
    match address.parse::<Bootstrap>() {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::usage(
            format!("{address:?} is neither a host nor an address"),
            "write for example: --bootstrap 203.0.113.7:42042 or --bootstrap home.example.org",
        )),
    }
}

fn join(typed: JoinArgs) -> Result<JoinPlan, Failure> {
    let name = optional_label(typed.name.as_deref())?;
    Ok(JoinPlan { source: InviteSource::new(typed.invite), name, wait: typed.wait })
}

fn up(typed: &UpArgs) -> UpMode {
    match (typed.detach, typed.wait_ready) {
        (false, _) => UpMode::Foreground,
        (true, false) => UpMode::Detached,
        (true, true) => UpMode::DetachedReady,
    }
}

fn leave(typed: &LeaveArgs) -> Result<Request, Failure> {
    let consent = if typed.yes { Consent::Given } else { Consent::ToAsk };
    Ok(Request::Leave { label: label(&typed.network)?, consent })
}

fn ping(typed: PingArgs) -> PingPlan {
    /// A flood would measure the local API, not the path.
    const INTERVAL_MIN: Duration = Duration::from_millis(10);
    PingPlan {
        target: typed.target,
        network: typed.network.network,
        count: typed.count,
        interval: typed.interval.0.max(INTERVAL_MIN),
        timeout: typed.timeout.0,
    }
}

fn top(typed: TopArgs) -> TopPlan {
    /// More often, looking would be most of what there is to see.
    const INTERVAL_MIN: Duration = Duration::from_millis(100);
    TopPlan {
        network: typed.network.into(),
        interval: typed.interval.0.max(INTERVAL_MIN),
        extent: if typed.once { TopExtent::Once } else { TopExtent::UntilStopped },
    }
}

fn dns(typed: DnsCommand) -> Result<Request, Failure> {
    Ok(match typed {
        DnsCommand::List(network) => Request::DnsList(network.into()),
        DnsCommand::Add { label, record_type, value, network } => {
            Request::DnsAdd(record(&label, &record_type, &value.join(" "), network)?)
        }
        DnsCommand::Remove { label, record_type, value, network } => Request::DnsRemove(DnsRemove {
            network: network.network,
            label: own_name(&label).to_owned(),
            record_type: record_type.map(|kind| kind.to_ascii_uppercase()),
            value: (!value.is_empty()).then(|| value.join(" ")),
        }),
        DnsCommand::Query { name, record_type } => {
            let record_type = record_type.map(|kind| kind.to_ascii_uppercase());
            Request::DnsQuery(DnsQuery { name, record_type })
        }
    })
}

fn record(label: &str, record_type: &str, value: &str, network: NetworkArgs) -> Result<DnsAdd, Failure> {
    let record = PublishedRecord::parse(own_name(label), record_type, value).map_err(|error| {
        let example = match record_type.to_ascii_uppercase().as_str() {
            "A" => "wiki A 192.0.2.7",
            "CNAME" => "wiki CNAME nas.example.org",
            "TXT" => "wiki TXT \"some text\"",
            "SRV" => "_http._tcp SRV 0 5 8080 nas.example.org",
            _ => "wiki AAAA 2001:db8::7",
        };
        let hint = format!("write for example: holloway dns add {example}");
        Failure::usage(format!("the record cannot be published: {error}"), hint)
    })?;
    Ok(DnsAdd {
        network: network.network,
        label: record.name().to_owned(),
        record_type: record_type.to_ascii_uppercase(),
        value: record.value().to_owned(),
    })
}

/// `@` stands for the name itself, as in a zone file.
fn own_name(label: &str) -> &str {
    if label == "@" { "" } else { label }
}

fn optional_label(text: Option<&str>) -> Result<Option<String>, Failure> {
    text.map(|text| label(text).map(|label| label.to_string())).transpose()
}

/// How much of a name is repeated in its refusal: all of a long one, not all of an endless one.
const NAME_CHARS_SHOWN_MAX: usize = 80;

fn label(text: &str) -> Result<Label, Failure> {
    text.parse::<Label>().map_err(|error| {
        let hint = "take a name like alice, nas-2 or home";
        let text = escape::shortened(text, NAME_CHARS_SHOWN_MAX);
        ApiError::new(ErrorCode::NameInvalid, format!("\"{text}\" cannot be a name: {error}")).with_hint(hint).into()
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::Typed;
    use super::*;

    fn meant(line: &[&str]) -> Result<Request, Failure> {
        let line = std::iter::once("holloway").chain(line.iter().copied());
        match Action::new(Typed::try_parse_from(line).unwrap().command.unwrap())? {
            Action::Request(request) => Ok(request),
            Action::Alone(alone) => panic!("{alone:?} needs no daemon"),
        }
    }

    fn refusal(line: &[&str]) -> ApiError {
        match meant(line) {
            Err(Failure::Refused(error)) => error,
            other => panic!("{other:?} instead of a refusal"),
        }
    }

    #[test]
    fn an_invite_takes_every_flag_and_each_right_once() {
        let line = [
            "invite",
            "--name",
            "Bob",
            "--right",
            "relay",
            "--right",
            "issue",
            "--right",
            "relay",
            "--group",
            "family",
            "--expires",
            "7d",
            "--bootstrap",
            "203.0.113.7",
            "--qr",
        ];
        let Ok(Request::Invite { request, drawing }) = meant(&line) else { panic!("an invite") };
        assert_eq!(request.name.as_deref(), Some("bob"));
        assert_eq!(request.rights, [Right::Issue, Right::Relay]);
        assert_eq!(request.groups, ["family"]);
        assert_eq!(request.expires_s, Some(604_800));
        assert_eq!(request.bootstrap, ["203.0.113.7"]);
        assert_eq!(drawing, Drawing::Qr);
    }

    #[test]
    fn invites_are_withdrawn_by_a_command_below_invite() {
        let Ok(Request::RevokeInvite { id, network }) = meant(&["invite", "revoke", "i1", "--network", "home"]) else {
            panic!("a withdrawal")
        };
        assert_eq!((id.as_str(), network.network.as_deref()), ("i1", Some("home")));
    }

    #[test]
    fn hostile_names_are_refused_at_the_door() {
        let long = "x".repeat(10_000);
        for name in ["a\nb", "\u{1b}[31m", "\"", "$(id)", "a\u{202e}b", "", &long] {
            assert_eq!(refusal(&["create", name]).code, ErrorCode::NameInvalid);
            assert_eq!(refusal(&["invite", "--name", name]).code, ErrorCode::NameInvalid);
            assert_eq!(refusal(&["join", "holloway1x", "--name", name]).code, ErrorCode::NameInvalid);
        }
    }

    #[test]
    fn records_are_checked_before_they_are_sent_and_sent_in_canonical_form() {
        let Ok(Request::DnsAdd(add)) = meant(&["dns", "add", "Wiki", "aaaa", "FD42:0::1"]) else { panic!("a record") };
        assert_eq!((add.label.as_str(), add.record_type.as_str(), add.value.as_str()), ("wiki", "AAAA", "fd42::1"));
        let srv = meant(&["dns", "add", "_http._tcp", "SRV", "0", "5", "8080", "web.bob.home.alt"]);
        assert!(matches!(srv, Ok(Request::DnsAdd(_))), "{srv:?}");
        for line in [["wiki", "AAAA", "10.0.0.1"], ["wiki", "MX", "x.y"], ["a b", "A", "10.0.0.1"]] {
            let error = refusal(&["dns", "add", line[0], line[1], line[2]]);
            assert_eq!(error.code.exit_code(), 2, "{error}");
        }
    }

    #[test]
    fn a_peer_is_explained_in_the_network_that_is_named() {
        let Ok(Request::Why(query)) = meant(&["why", "carol", "--network", "home"]) else { panic!("a question") };
        assert_eq!((query.name.as_str(), query.network.as_deref()), ("carol", Some("home")));
        assert!(Typed::try_parse_from(["holloway", "why"]).is_err());
    }

    #[test]
    fn a_bootstrap_that_is_no_place_is_refused() {
        assert_eq!(refusal(&["invite", "--bootstrap", "not a host"]).code, ErrorCode::Usage);
    }

    #[test]
    fn wait_ready_needs_detach() {
        assert!(Typed::try_parse_from(["holloway", "up", "--wait-ready"]).is_err());
        assert!(matches!(meant(&["up", "--detach", "--wait-ready"]), Ok(Request::Up(UpMode::DetachedReady))));
        assert!(matches!(meant(&["up"]), Ok(Request::Up(UpMode::Foreground))));
    }
}
