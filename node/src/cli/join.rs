//! `holloway join`.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use holloway_dashboard::api::{ErrorCode, InviteText, Join, Joined};
use tokio::time::sleep;

use super::args::InvitePart;
use super::context::Context;
use super::duration::fine;
use super::escape::shown;
use super::failure::Failure;
use super::output::Form;
use super::reach::{By, perform};
use super::style::Style;
use crate::daemon::parse_invite;

/// Most that is read from stdin in search of an invite; the longest one is below 16 KiB.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

/// From one question whether this machine is approved to the next.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// What stands for stdin.
const STDIN: &str = "-";

/// A join that can be attempted.
#[derive(Debug)]
pub(crate) struct JoinPlan {
    /// Where the invite is.
    pub(crate) source: InviteSource,
    /// This machine's label.
    pub(crate) name: Option<String>,
    /// Whether to keep trying while the issuer cannot be reached.
    pub(crate) wait: bool,
}

/// Where an invite is. Shows it to nobody.
pub(crate) enum InviteSource {
    /// On the command line.
    Typed(InviteText),
    /// On stdin.
    Stdin,
}

impl InviteSource {
    /// The pieces of a paste are one invite.
    pub(crate) fn new(parts: Vec<InvitePart>) -> Self {
        match parts.as_slice() {
            [InvitePart(only)] if only == STDIN => Self::Stdin,
            _ => Self::Typed(compact(&parts.into_iter().map(|InvitePart(part)| part).collect::<String>())),
        }
    }

    fn read(self) -> Result<InviteText, Failure> {
        match self {
            Self::Typed(invite) => Ok(invite),
            Self::Stdin => read_from(io::stdin().lock()),
        }
    }
}

impl fmt::Debug for InviteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Typed(_) => "Typed(…)",
            Self::Stdin => "Stdin",
        })
    }
}

/// Redeems an invite.
pub(crate) async fn run(context: &Context, plan: JoinPlan) -> Result<(), Failure> {
    let JoinPlan { source, name, wait } = plan;
    let invite = source.read()?;
    check(&invite)?;
    let request = Join { invite, name, wait };
    let is_patient = wait || context.output().form() == Form::Text;
    let mut is_told = false;
    let (joined, by) = loop {
        match perform(context, async |client| client.join(&request).await).await {
            Err(Failure::Refused(error)) if is_patient && error.code == ErrorCode::ApprovalPending => {
                if !std::mem::replace(&mut is_told, true) {
                    context
                        .output()
                        .note("Whoever made the invite has to approve of this machine. Waiting; Ctrl-C ends it.");
                }
                sleep(ASK_AGAIN).await;
            }
            // Approval may take a day, and the issuer's machine may sleep in it.
            Err(Failure::Refused(error)) if is_told && error.code == ErrorCode::IssuerUnreachable => {
                sleep(ASK_AGAIN).await;
            }
            outcome => break outcome?,
        }
    };
    context.output().answer(&joined, text)?;
    if by == By::TemporaryDaemon {
        context.output().note(&format!("Next: {}", context.command("up")));
    }
    Ok(())
}

fn read_from(input: impl Read) -> Result<InviteText, Failure> {
    let mut text = String::new();
    let read = input.take(INPUT_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| {
        Failure::usage(format!("no invite can be read from stdin: {error}"), "holloway join <invite>")
    })?;
    Ok(compact(&text))
}

fn compact(text: &str) -> InviteText {
    InviteText::new(text.chars().filter(|c| !c.is_whitespace()).collect::<String>())
}

/// Refuses what is no invite before anything is started for it.
fn check(invite: &InviteText) -> Result<(), Failure> {
    parse_invite(invite.expose()).map(drop).map_err(Failure::from)
}

fn text(joined: &Joined, style: Style) -> String {
    let elapsed = fine(joined.elapsed_ms as f64 / 1_000.0);
    let heading = style.heading(&format!("joined {} in {elapsed}", shown(&joined.label)));
    let rows = [("this machine", &joined.fqdn), ("address", &joined.address), ("certified by", &joined.issuer)];
    rows.iter().fold(format!("{heading}\n"), |text, (name, value)| format!("{text}  {name:<13} {}\n", shown(value)))
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::{ErrorCode, SchemaVersion};

    use super::*;

    fn part(text: &str) -> InvitePart {
        InvitePart(text.to_owned())
    }

    fn typed(parts: Vec<InvitePart>) -> String {
        match InviteSource::new(parts) {
            InviteSource::Typed(invite) => invite.expose().to_owned(),
            InviteSource::Stdin => panic!("not stdin"),
        }
    }

    #[test]
    fn a_paste_in_pieces_is_one_invite() {
        assert_eq!(typed(vec![part("holloway1ab"), part("cd"), part("ef")]), "holloway1abcdef");
        assert_eq!(typed(vec![part(" holloway1ab\n  cd\t\n")]), "holloway1abcd");
    }

    #[test]
    fn a_dash_means_stdin_and_what_comes_from_there_may_be_wrapped() {
        assert!(matches!(InviteSource::new(vec![part("-")]), InviteSource::Stdin));
        assert_eq!(read_from(&b"holloway1ab\r\ncd\n"[..]).unwrap().expose(), "holloway1abcd");
        assert!(read_from(&b"\xff\xfe"[..]).is_err());
    }

    #[test]
    fn endless_input_is_read_only_so_far() {
        let read = read_from(io::repeat(b'a')).unwrap();
        assert_eq!(read.expose().len() as u64, INPUT_BYTES_MAX);
    }

    #[test]
    fn what_is_no_invite_is_refused_without_repeating_it() {
        for text in ["", "secret", "holloway1", "holloway1secret", "holloway2secret", "javascript:secret"] {
            let Err(Failure::Refused(error)) = check(&InviteText::new(text)) else { panic!("{text}") };
            assert_eq!(error.code, ErrorCode::InviteMalformed);
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn nothing_shows_the_invite() {
        let source = InviteSource::new(vec![part("holloway1secret")]);
        let plan = JoinPlan { source, name: None, wait: false };
        assert!(!format!("{plan:?}").contains("secret"));
    }

    #[test]
    fn a_new_member_reads_its_name_its_address_and_how_long_it_took() {
        let joined = Joined {
            schema: SchemaVersion,
            label: "home".into(),
            id: "nnnn".into(),
            name: "bob".into(),
            fqdn: "bob.home.alt".into(),
            address: "fd42::b".into(),
            issuer: "alice\n".into(),
            elapsed_ms: 432,
        };
        let expected = "joined home in 0.4 s\n  this machine  bob.home.alt\n  address       fd42::b\n  \
                        certified by  alice\\u{a}\n";
        assert_eq!(text(&joined, Style::PLAIN), expected);
    }
}
