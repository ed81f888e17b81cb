//! What was typed: the grammar of the command line. Knows words and flags, not what they mean for anything.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::demo_tool::DemoToolArgs;
use super::duration::Span;

/// A private network of your own machines, with names of its own.
#[derive(Debug, Parser)]
#[command(
    name = "holloway",
    version,
    about = "A private network of your own machines, with names of its own.",
    disable_help_subcommand = true,
    arg_required_else_help = false
)]
pub(crate) struct Typed {
    /// Flags that every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The command; none: an overview.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags that every command takes, before or behind it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Global {
    /// Keep keys, store and API socket in this directory [env: HOLLOWAY_STATE_DIR]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Print one JSON document; errors too, on stderr
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// How much to log: off, error, warn, info, debug or trace
    #[arg(long, global = true, value_name = "LEVEL", env = "HOLLOWAY_LOG", help_heading = "Everywhere")]
    pub(crate) log: Option<String>,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What is asked of a daemon or done about it.
    #[command(flatten)]
    Daemon(DaemonCommand),
    /// A whole network of three machines behind two NATs, on this machine
    Demo(DemoArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Small servers and clients for the demo's machines
    #[command(hide = true)]
    DemoTool(DemoToolArgs),
    /// Succeed when the system resolves a name
    #[command(hide = true)]
    ProbeName {
        /// The name
        name: String,
    },
}

/// What is asked of a daemon or done about it.
#[derive(Debug, Subcommand)]
pub(crate) enum DaemonCommand {
    /// Found a network here: this machine becomes its first member, issuer and admin
    Create(CreateArgs),
    /// Make an invite: the token alone goes to stdout
    Invite(InviteArgs),
    /// List the invites that this machine made
    Invites(NetworkArgs),
    /// Redeem an invite; works with or without a running daemon
    Join(JoinArgs),
    /// Run the daemon in the foreground
    Up(UpArgs),
    /// Switch this machine's networks on; the daemon runs already
    On,
    /// Switch this machine's networks off; the daemon stays, and remembers
    Off,
    /// Stop the running daemon
    Down,
    /// Leave a network and forget it
    Leave(LeaveArgs),
    /// Networks, control, peers and paths, and what needs attention
    Status(StatusArgs),
    /// List the other members
    Peers(NetworkArgs),
    /// Watch peers as things happen: paths, rates, round trips, relays
    #[command(after_help = TOP_JSON)]
    Top(TopArgs),
    /// Ask a peer for replies from inside the tunnel, and show which path each took
    Ping(PingArgs),
    /// Explain how a peer is reached: every way tried, and what would improve it
    Why(MemberArgs),
    /// List the relays, and what this machine is as one
    Relays(NetworkArgs),
    /// List the overlay's routes: which way packets go to each member
    Routes(NetworkArgs),
    /// What this machine's network lets through: UDP, IPv4 and IPv6, the NAT, the router's ports, relays
    Netcheck(NetworkArgs),
    /// Revoke a member: for everyone, for ever
    Revoke(MemberArgs),
    /// Block a member: for this machine only
    Block(MemberArgs),
    /// Take a block back
    Unblock(MemberArgs),
    /// Certificates of members
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// Names that this machine publishes, and questions to its resolver
    #[command(subcommand)]
    Dns(DnsCommand),
    /// Security events and life events
    Events(EventsArgs),
    /// The pages for a browser: print a link by which one signs in once, and open it where there is a screen
    Dashboard(DashboardArgs),
    /// Check this machine; every fault comes with its mend
    Doctor,
    /// The systemd unit
    #[command(subcommand)]
    Service(ServiceCommand),
}

/// Which network is meant.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NetworkArgs {
    /// The network; may be left out where there is only one
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
}

/// `create`
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The network's label, such as home: its names end in .home.alt
    pub(crate) network: String,
    /// This machine's label in it [default: the host name]
    #[arg(long, value_name = "HOST")]
    pub(crate) name: Option<String>,
}

/// `invite`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct InviteArgs {
    /// What else to do with invites than to make one.
    #[command(subcommand)]
    pub(crate) command: Option<InviteCommand>,
    /// The invite to make.
    #[command(flatten)]
    pub(crate) new: NewInviteArgs,
}

/// What else to do with invites than to make one.
#[derive(Debug, Subcommand)]
pub(crate) enum InviteCommand {
    /// Withdraw an invite that is unspent
    Revoke {
        /// The invite's id, as `holloway invites` lists it
        id: String,
        /// Which network is meant.
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Approve of the machine that waits with an invite: it becomes a member
    Approve {
        /// The invite's id, as `holloway invites` lists it
        id: String,
        /// Which network is meant.
        #[command(flatten)]
        network: NetworkArgs,
    },
}

/// `invite` without more.
#[derive(Debug, Args)]
pub(crate) struct NewInviteArgs {
    /// The label that the invited machine gets [default: its own choice]
    #[arg(long, value_name = "HOST")]
    pub(crate) name: Option<String>,
    /// A right that it gets; repeatable
    #[arg(long = "right", value_name = "RIGHT")]
    pub(crate) rights: Vec<RightArg>,
    /// A group that it gets; repeatable
    #[arg(long = "group", value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    /// How long the invite can be redeemed, such as 7d, 12h or 30m
    #[arg(long, value_name = "DURATION")]
    pub(crate) expires: Option<Span>,
    /// Let nobody in by it before somebody here has approved of the machine
    #[arg(long)]
    pub(crate) approval: bool,
    /// A host or address, port optional, where this machine is found; repeatable [default: all that it knows]
    #[arg(long, value_name = "ADDR")]
    pub(crate) bootstrap: Vec<String>,
    /// Draw the invite as a QR code on stderr
    #[arg(long)]
    pub(crate) qr: bool,
    /// Which network is meant.
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// A right, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RightArg {
    /// Relay for others
    Relay,
    /// Be others' way out
    Exit,
    /// Certify others
    Issue,
    /// Administer other machines
    Admin,
}

/// `join`
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// The invite, also when pasted in several lines; - reads it from stdin
    #[arg(required = true, value_name = "INVITE")]
    pub(crate) invite: Vec<InvitePart>,
    /// This machine's label [default: the invite's, else the host name]
    #[arg(long, value_name = "HOST")]
    pub(crate) name: Option<String>,
    /// Keep trying while the issuer cannot be reached
    #[arg(long)]
    pub(crate) wait: bool,
}

/// A piece of an invite. Whoever has it all can join, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct InvitePart(pub(crate) String);

impl FromStr for InvitePart {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for InvitePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitePart(…)")
    }
}

/// `up`
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Run in the background; the log goes to daemon.log in the state directory
    #[arg(long)]
    pub(crate) detach: bool,
    /// With --detach: return when the daemon is ready
    #[arg(long, requires = "detach")]
    pub(crate) wait_ready: bool,
}

/// `leave`
#[derive(Debug, Args)]
pub(crate) struct LeaveArgs {
    /// The network
    pub(crate) network: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// `status`
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Say nothing; succeed if the daemon lives, or is ready
    #[arg(long, value_name = "WHAT")]
    pub(crate) check: Option<Check>,
}

/// What `status --check` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    /// The daemon makes progress
    Live,
    /// The daemon can do its job
    Ready,
}

/// What a program that reads `top --json` needs to know.
const TOP_JSON: &str = "\
With --json there is one document per interval, each on a line of its own:
  schema, time, state          1; when (RFC 3339); what the daemon is doing
  rx_bytes_per_s, tx_bytes_per_s
                               received and sent in the interval, from and to all peers
  networks[]                   label, name, control_peers, home_relay
    .peers[]                   as in status --json, and rx_bytes_per_s, tx_bytes_per_s
  relays[]                     as in relays --json
  attention[]                  what, command
A rate is null where the daemon or the peer was not there an interval before. While no daemon runs there are no
documents.";

/// `top`
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// From one look to the next
    #[arg(long, short, value_name = "DURATION", default_value = "1s")]
    pub(crate) interval: Span,
    /// Print what is seen in one interval and end; also done where stdout is no terminal
    #[arg(long)]
    pub(crate) once: bool,
    /// Which network is meant.
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// `ping`
#[derive(Debug, Args)]
pub(crate) struct PingArgs {
    /// A name or an overlay address
    pub(crate) target: String,
    /// Stop after so many [default: until Ctrl-C]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// From one to the next
    #[arg(long, short, value_name = "DURATION", default_value = "1s")]
    pub(crate) interval: Span,
    /// How long to wait for each reply
    #[arg(long, short = 'W', value_name = "DURATION", default_value = "2s")]
    pub(crate) timeout: Span,
    /// Which network is meant.
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// `why`, `revoke`, `block`, `unblock`
#[derive(Debug, Args)]
pub(crate) struct MemberArgs {
    /// The member's name, address or node id
    pub(crate) name: String,
    /// Which network is meant.
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// `certificate`
#[derive(Debug, Subcommand)]
pub(crate) enum CertificateCommand {
    /// Show a certificate and the chain up to the network's root
    Show {
        /// The member [default: this machine]
        name: Option<String>,
        /// Which network is meant.
        #[command(flatten)]
        network: NetworkArgs,
    },
}

/// `dns`
#[derive(Debug, Subcommand)]
pub(crate) enum DnsCommand {
    /// List the records that this machine publishes
    List(NetworkArgs),
    /// Publish a record under this machine's own name, such as: wiki AAAA fd42::1
    Add {
        /// The label under this machine's own name; @ is the name itself
        label: String,
        /// A, AAAA, CNAME, TXT or SRV
        #[arg(value_name = "TYPE")]
        record_type: String,
        /// The value, as in a zone file
        #[arg(required = true)]
        value: Vec<String>,
        /// Which network is meant.
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Withdraw records: all of a label, or those of one type, or one
    Remove {
        /// The label under this machine's own name; @ is the name itself
        label: String,
        /// Only this type
        #[arg(value_name = "TYPE")]
        record_type: Option<String>,
        /// Only this value
        value: Vec<String>,
        /// Which network is meant.
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Ask this machine's resolver
    Query {
        /// The full name
        name: String,
        /// The record type [default: AAAA]
        #[arg(value_name = "TYPE")]
        record_type: Option<String>,
    },
}

/// `events`
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Go on with what happens next, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
}

/// `dashboard`
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DashboardArgs {
    /// Print the link and open nothing
    #[arg(long)]
    pub(crate) print: bool,
}

/// `demo`
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DemoArgs {
    /// Leave it running until Ctrl-C, to look around
    #[arg(long)]
    pub(crate) keep: bool,
}

/// `service`
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Write, enable and start the unit
    Install,
    /// Stop, disable and remove the unit
    Remove,
}
