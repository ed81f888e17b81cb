//! `holloway invite`, `holloway invites`, `holloway invite revoke`, `holloway invite approve`.

use holloway_dashboard::api::{
    ApiError, Approve, CreateInvite, ErrorCode, InNetwork, InviteApproval, InviteCreated, InviteState, InviteSummary,
    Invites, Right,
};

use super::context::Context;
use super::escape::shown;
use super::failure::Failure;
use super::meaning::Drawing;
use super::output::{Form, to_stderr};
use super::qr;
use super::reach::{By, perform};
use super::style::Style;
use super::table::{Cell, Table};

/// Makes an invite: the token alone on stdout, what goes with it on stderr.
pub(crate) async fn create(context: &Context, request: &CreateInvite, drawing: Drawing) -> Result<(), Failure> {
    let (invite, by) = perform(context, async |client| client.create_invite(request).await).await?;
    context.output().answer(&invite, |invite, _| format!("{}\n", shown(invite.token.expose())))?;
    let withdraw = context.command(&format!("invite revoke {}", shown(&invite.id)));
    context.output().note(&instructions(&invite, &withdraw));
    if by == By::TemporaryDaemon {
        context.output().note(&format!("  redeemed only while the daemon runs here: {}", context.command("up")));
    }
    if drawing == Drawing::Qr && context.output().form() == Form::Text {
        draw(&invite);
    }
    Ok(())
}

/// Lists the invites that this machine made.
pub(crate) async fn list(context: &Context, network: &InNetwork) -> Result<(), Failure> {
    let invites = context.daemon()?.invites(network).await?;
    context.output().answer(&invites, list_text)
}

/// Withdraws an invite.
pub(crate) async fn revoke(context: &Context, id: &str, network: &InNetwork) -> Result<(), Failure> {
    let revoked = context.daemon()?.revoke_invite(id, network).await?;
    context
        .output()
        .answer(&revoked, |revoked, _| format!("invite {} is {}\n", shown(&revoked.id), state_word(revoked.state)))
}

/// Approves of the machine that waits with an invite, and says which one that was.
pub(crate) async fn approve(context: &Context, id: &str, network: &InNetwork) -> Result<(), Failure> {
    let client = context.daemon()?;
    let invites = client.invites(network).await?.invites;
    let waiting = invites.into_iter().find_map(|invite| (invite.id == id).then_some(invite.applicant).flatten());
    let Some(applicant) = waiting else {
        let nobody = ApiError::new(ErrorCode::NotFound, format!("nobody waits with the invite {id:?}"));
        return Err(nobody.with_hint("holloway invites").into());
    };
    let request = Approve { network: network.network.clone(), node_id: applicant.node_id.clone() };
    let approved = client.approve(id, &request).await?;
    context.output().answer(&approved, |_, _| {
        format!("{} ({}) becomes a member\n", shown(&applicant.name), shown(&applicant.node_id))
    })
}

/// The rights as words.
pub(crate) fn rights(rights: &[Right]) -> String {
    let words: Vec<&str> = rights.iter().map(|right| right_word(*right)).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

fn right_word(right: Right) -> &'static str {
    match right {
        Right::Issue => "issue",
        Right::Relay => "relay",
        Right::Exit => "exit",
        Right::Admin => "admin",
    }
}

fn state_word(state: InviteState) -> &'static str {
    match state {
        InviteState::Unspent => "unspent",
        InviteState::Spent => "spent",
        InviteState::Withdrawn => "withdrawn",
        InviteState::Expired => "expired",
    }
}

/// Everything about an invite but the token, which stands on stdout alone.
fn instructions(invite: &InviteCreated, withdraw: &str) -> String {
    let name = invite.name.as_deref().map_or_else(String::new, |name| format!(" as {}", shown(name)));
    let expires =
        invite.expires.as_deref().map_or("until it is withdrawn".to_owned(), |e| format!("until {}", shown(e)));
    let places: Vec<String> = invite.bootstrap.iter().map(|place| shown(place)).collect();
    let mut given = String::new();
    if !invite.rights.is_empty() {
        given = format!("  it gives the rights: {}\n", rights(&invite.rights));
    }
    if invite.approval {
        given.push_str("  the machine waits until you approve of it; what waits is listed by: holloway invites\n");
    }
    format!(
        "An invite to {}{name}, for one machine, {expires}. Whoever has it can join: hand it over in private.\n\
         {given}  it leads to this machine at: {}\n  \
         on the other machine: holloway join <invite>   (then, if no daemon runs there: holloway up)\n  \
         to withdraw it here:  {withdraw}",
        shown(&invite.network),
        places.join(", "),
    )
}

/// Upper case makes a smaller code, and invites are read in either case.
fn draw(invite: &InviteCreated) {
    match qr::draw(&invite.token.expose().to_ascii_uppercase()) {
        Some(drawing) => to_stderr(&drawing),
        None => to_stderr("the invite is too long for a QR code\n"),
    }
}

fn list_text(invites: &Invites, style: Style) -> String {
    if invites.invites.is_empty() {
        return "no invites; make one: holloway invite\n".to_owned();
    }
    let mut table = Table::new(["ID", "NETWORK", "FOR", "RIGHTS", "STATE", "EXPIRES", "REDEEMED BY"]);
    for invite in &invites.invites {
        table.row(list_row(invite));
    }
    table.render("", style)
}

fn list_row(invite: &InviteSummary) -> [Cell; 7] {
    let optional = |text: &Option<String>| Cell::from(text.as_deref().unwrap_or("-"));
    let state = match invite.state {
        InviteState::Unspent if let Some(applicant) = &invite.applicant => {
            Cell::painted(&format!("{} waits", shown(&applicant.name)), Style::warning)
        }
        InviteState::Unspent if invite.approval == InviteApproval::Given => Cell::painted("approved", Style::good),
        InviteState::Unspent => Cell::painted(state_word(invite.state), Style::good),
        InviteState::Spent | InviteState::Withdrawn | InviteState::Expired => {
            Cell::painted(state_word(invite.state), Style::faint)
        }
    };
    [
        Cell::from(&invite.id),
        Cell::from(&invite.network),
        optional(&invite.name),
        Cell::from(rights(&invite.rights)),
        state,
        optional(&invite.expires),
        optional(&invite.redeemed_by),
    ]
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::{InviteText, SchemaVersion};

    use super::*;

    fn invite() -> InviteCreated {
        InviteCreated {
            schema: SchemaVersion,
            id: "i1".into(),
            token: InviteText::new("holloway1secret"),
            network: "home".into(),
            name: Some("bob".into()),
            rights: vec![Right::Relay],
            groups: vec![],
            approval: true,
            expires: Some("2026-11-27T20:00:00Z".into()),
            bootstrap: vec!["203.0.113.7:42042".into()],
        }
    }

    #[test]
    fn the_instructions_say_everything_but_the_token() {
        let text = instructions(&invite(), "holloway invite revoke i1");
        for part in
            ["to home as bob", "2026-11-27T20:00:00Z", "relay", "203.0.113.7:42042", "revoke i1", "join", "approve"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("secret"));
        assert!(!format!("{:?}", invite()).contains("secret"));
    }

    #[test]
    fn invites_are_listed_with_what_became_of_them() {
        let summary = InviteSummary {
            id: "i1".into(),
            network: "home".into(),
            name: None,
            rights: vec![],
            state: InviteState::Spent,
            expires: None,
            created: "2026-11-20T20:00:00Z".into(),
            redeemed_by: Some("bo\u{1b}b".into()),
            approval: InviteApproval::None,
            applicant: None,
        };
        let text = list_text(&Invites { schema: SchemaVersion, invites: vec![summary] }, Style::PLAIN);
        assert!(text.contains("i1  home     -    -       spent  -        bo\\u{1b}b"), "{text}");
    }
}
