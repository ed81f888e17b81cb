use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use holloway_control as control;
use holloway_dashboard::api::{ApiError, ErrorCode};
use holloway_mesh::{JoinError, Joined, Redeemer};
use holloway_wire::{ControlAddr, InviteError, InviteToken, Label, NodeId, RedeemReply, Refusal};
use tokio::time::{sleep, timeout_at};

use super::network::from_control_addr;
use super::opening::{RunningControl, resolve};
use crate::clock::Clock;
use crate::random::OsRandom;

/// How long the issuer may take to answer a dial and a question before it counts as not reachable.
const ATTEMPT_FOR: Duration = Duration::from_secs(10);
/// How long the issuer is asked alone, before relays are asked to pass the question on.
const STRAIGHT_FOR: Duration = Duration::from_millis(400);
/// Time between tries of `join --wait`, at first and at most.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(15);
/// Tries when the issuer is busy with other newcomers.
const BUSY_TRIES: u32 = 40;
/// Tries at once when the connection ends under the question.
const INTERRUPTED_TRIES: u32 = 3;

/// How patient a join is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// One try.
    Once,
    /// Until the issuer is reachable or the invite has expired.
    Wait,
}

/// Reads an invite.
#[expect(clippy::wildcard_enum_match_arm, reason = "one kind has a remedy of its own")]
pub(crate) fn parse_invite(text: &str) -> Result<InviteToken, ApiError> {
    text.parse().map_err(|error: InviteError| {
        let (text, hint) = match error {
            InviteError::Version => {
                (error.to_string(), "update this machine's holloway to the version of the one that made the invite")
            }
            _ => (
                format!("this is not a whole invite: {error}"),
                "copy the whole word that was printed, or ask its issuer for a new one",
            ),
        };
        ApiError::new(ErrorCode::InviteMalformed, text).with_hint(hint)
    })
}

/// Redeems an invite over a control plane that runs already.
pub(crate) async fn redeem(
    redeemer: &Redeemer,
    running: &mut RunningControl,
    patience: Patience,
    clock: Clock,
) -> Result<Joined, ApiError> {
    let mut retry = FIRST_RETRY;
    let (mut busy, mut interrupted) = (0, 0);
    loop {
        match attempt(redeemer, running, clock).await {
            Ok(reply) => return redeemer.handle_reply(&reply, clock.now()).map_err(|error| refusal(&error, redeemer)),
            Err(Failure::Busy) if busy < BUSY_TRIES => busy += 1,
            Err(Failure::Interrupted) if interrupted < INTERRUPTED_TRIES => {
                interrupted += 1;
                continue;
            }
            Err(Failure::Busy | Failure::Interrupted | Failure::Unreachable(_)) if expired(redeemer, clock) => {
                return Err(refusal(&JoinError::Expired, redeemer));
            }
            Err(Failure::Unreachable(reason)) if patience == Patience::Once => {
                return Err(unreachable(redeemer.issuer(), &reason));
            }
            Err(Failure::Busy | Failure::Interrupted) if patience == Patience::Once => {
                return Err(unreachable(redeemer.issuer(), "it is busy, or the connection keeps ending"));
            }
            Err(Failure::Busy | Failure::Interrupted | Failure::Unreachable(_)) => {}
        }
        sleep(jittered(retry)).await;
        retry = (retry * 2).min(RETRY_MAX);
    }
}

enum Failure {
    Unreachable(String),
    Busy,
    /// The connection ended under the question: it may have been answered, and asking again is harmless.
    Interrupted,
}

fn expired(redeemer: &Redeemer, clock: Clock) -> bool {
    redeemer.token().body().expires <= clock.now().unix
}

/// Between half and the whole of a span, so that newcomers do not come in step.
fn jittered(span: Duration) -> Duration {
    let mut byte = [0; 1];
    // Without randomness the whole span does.
    let _ = getrandom::fill(&mut byte);
    span - span * u32::from(byte[0]) / 512
}

/// One dial and one question to the issuer, and when it does not answer at once, also to the relays that the invite names.
async fn attempt(redeemer: &Redeemer, running: &mut RunningControl, clock: Clock) -> Result<Vec<u8>, Failure> {
    let deadline = tokio::time::Instant::now() + ATTEMPT_FOR;
    let body = redeemer.token().body();
    let addresses = resolve(&body.bootstrap).await;
    if addresses.is_empty() && body.via.is_empty() {
        return Err(Failure::Unreachable("the invite names no address that can be found".into()));
    }
    let mut questions = Questions::new(clock);
    if !addresses.is_empty() {
        questions.ask(running, body.issuer, &addresses, redeemer.request(clock.now()))?;
        let first = if body.via.is_empty() { deadline } else { tokio::time::Instant::now() + STRAIGHT_FOR };
        match timeout_at(first, questions.answer(running)).await {
            Ok(Err(Failure::Unreachable(_))) if !body.via.is_empty() => {}
            Ok(result) => return result,
            Err(_) if body.via.is_empty() => return Err(too_late()),
            Err(_) => {}
        }
    }
    for relay in &body.via {
        if let Some(request) = redeemer.passed_request(&mut OsRandom, clock.now()) {
            questions.ask(running, relay.node, &relay.control, request)?;
        }
    }
    timeout_at(deadline, questions.answer(running)).await.unwrap_or_else(|_| Err(too_late()))
}

fn too_late() -> Failure {
    Failure::Unreachable(format!("no answer within {} s", ATTEMPT_FOR.as_secs()))
}

/// The same question to several, of whom one has to answer.
struct Questions {
    clock: Clock,
    open: BTreeSet<control::RequestId>,
    /// Why those that are answered are no help.
    failure: Option<Failure>,
}

impl Questions {
    const fn new(clock: Clock) -> Self {
        Self { clock, open: BTreeSet::new(), failure: None }
    }

    fn ask(
        &mut self,
        running: &RunningControl,
        node: NodeId,
        addresses: &[ControlAddr],
        body: Vec<u8>,
    ) -> Result<(), Failure> {
        let addresses = addresses.iter().map(from_control_addr).collect();
        let id = control::RequestId(self.clock.now().monotonic.as_nanos());
        self.open.insert(id);
        let dial = control::Command::Dial { node: Some(node), addresses };
        let ask = control::Command::Request { id, node, channel: control::Channel::Redeem, body };
        for command in [dial, ask] {
            running.handle.send(command).map_err(|error| Failure::Unreachable(error.to_string()))?;
        }
        Ok(())
    }

    /// The first answer of the issuer's; everything else that is reported meanwhile is kept for the network to come.
    #[expect(clippy::wildcard_enum_match_arm, reason = "one event is waited for, whatever the others are")]
    async fn answer(&mut self, running: &mut RunningControl) -> Result<Vec<u8>, Failure> {
        while !self.open.is_empty() {
            let Some(event) = running.events.recv().await else {
                return Err(Failure::Unreachable("the control plane has ended".into()));
            };
            match event {
                control::Event::Response { id, result } if self.open.remove(&id) => match result {
                    Ok(reply) if !is_from_relay(&reply) => return Ok(reply),
                    Ok(_) => {
                        let reason = "it is not connected to the relays that the invite names";
                        self.failure.get_or_insert_with(|| Failure::Unreachable(reason.into()));
                    }
                    Err(failure) => self.failure = Some(meaning(failure, running)),
                },
                event => running.seen.push(event),
            }
        }
        Err(self.failure.take().unwrap_or_else(too_late))
    }
}

/// Whether an answer is a relay's own: that it cannot pass the request on.
fn is_from_relay(reply: &[u8]) -> bool {
    matches!(RedeemReply::decode(reply), Ok(RedeemReply::Refused { refusal: Refusal::NotConnected, .. }))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what has no remedy of its own means that nobody was reached")]
fn meaning(failure: control::RequestFailure, running: &RunningControl) -> Failure {
    match failure {
        control::RequestFailure::Busy | control::RequestFailure::TooMany => Failure::Busy,
        control::RequestFailure::ConnectionClosed | control::RequestFailure::Broken(_) => Failure::Interrupted,
        failure => Failure::Unreachable(dial_failure(running).unwrap_or_else(|| failure.to_string())),
    }
}

/// Why the last dial failed, in the control plane's words.
#[expect(clippy::wildcard_enum_match_arm, reason = "one event is looked for, whatever the others are")]
fn dial_failure(running: &RunningControl) -> Option<String> {
    running.seen.iter().rev().find_map(|event| match event {
        control::Event::DialFailed { reason, .. } => Some(reason.clone()),
        _ => None,
    })
}

fn unreachable(issuer: &NodeId, reason: &str) -> ApiError {
    ApiError::new(ErrorCode::IssuerUnreachable, format!("issuer {} is not reachable: {reason}", issuer.short()))
        .with_hint("check that the issuer's machine is up, or keep trying with: holloway join --wait <invite>")
}

/// A refusal in the API's words.
#[expect(clippy::wildcard_enum_match_arm, reason = "what has no code of its own is internal")]
fn refusal(error: &JoinError, redeemer: &Redeemer) -> ApiError {
    let code = match error {
        JoinError::Expired => ErrorCode::InviteExpired,
        JoinError::Refused { refusal, .. } => refusal_code(*refusal),
        _ => ErrorCode::Internal,
    };
    let hint = match code {
        ErrorCode::NameTaken if redeemer.token().body().host_label.is_none() => {
            "join with another name: holloway join --name <name> <invite>"
        }
        ErrorCode::ApprovalPending => "have it approved there (holloway invites), then run the same command again",
        ErrorCode::ClockSkew => "set this machine's clock, or the issuer's",
        _ => "ask the issuer for a new invite",
    };
    ApiError::new(code, error.to_string()).with_hint(hint)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what has no code of its own is internal")]
fn refusal_code(refusal: Refusal) -> ErrorCode {
    match refusal {
        Refusal::Unknown => ErrorCode::InviteWrongNetwork,
        Refusal::Expired => ErrorCode::InviteExpired,
        Refusal::Spent => ErrorCode::InviteSpent,
        Refusal::Withdrawn => ErrorCode::InviteWithdrawn,
        Refusal::Revoked => ErrorCode::KeyRevoked,
        Refusal::NotAnIssuer => ErrorCode::IssuerRevoked,
        Refusal::NameTaken => ErrorCode::NameTaken,
        Refusal::ClockSkew => ErrorCode::ClockSkew,
        Refusal::ApprovalPending => ErrorCode::ApprovalPending,
        _ => ErrorCode::Internal,
    }
}

/// The name that a newcomer asks for: as told, as the invite says, as configured, or the host name.
pub(crate) fn choose_label(
    told: Option<&str>,
    invited: Option<&Label>,
    configured: Option<&Label>,
) -> Result<Label, ApiError> {
    if let Some(told) = told {
        return told.parse().map_err(|error: holloway_wire::NameError| {
            ApiError::new(ErrorCode::NameInvalid, format!("{told:?} cannot be a name: {error}"))
        });
    }
    invited.or(configured).cloned().or_else(|| Label::from_hostname(&hostname())).ok_or_else(|| {
        ApiError::new(ErrorCode::NameInvalid, "this machine's host name cannot be a name here")
            .with_hint("say one with --name")
    })
}

/// Refuses a name that is not the one the invite was made for: its issuer would give that one all the same.
pub(crate) fn refuse_other_name(name: &Label, invited: Option<&Label>) -> Result<(), ApiError> {
    match invited.filter(|invited| *invited != name) {
        Some(invited) => Err(ApiError::new(ErrorCode::NameInvalid, format!("the invite is for the name {invited}"))
            .with_hint("join without --name, or ask the issuer for an invite without a name")),
        None => Ok(()),
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// Milliseconds since a start.
pub(crate) fn elapsed_ms(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
