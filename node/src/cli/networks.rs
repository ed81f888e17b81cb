//! `holloway create` and `holloway leave`.

use std::io;

use holloway_dashboard::api::{CreateNetwork, NetworkCreated};
use holloway_wire::Label;

use super::context::Context;
use super::escape::shown;
use super::failure::{Failure, answer_is_no};
use super::meaning::Consent;
use super::output::{Form, can_ask, to_stderr};
use super::reach::{By, perform};
use super::style::Style;

/// Founds a network.
pub(crate) async fn create(context: &Context, request: &CreateNetwork) -> Result<(), Failure> {
    let (created, by) = perform(context, async |client| client.create_network(request).await).await?;
    context.output().answer(&created, created_text)?;
    context.output().note(&next_steps(context, &created, by));
    Ok(())
}

/// Leaves and forgets a network.
pub(crate) async fn leave(context: &Context, label: &Label, consent: Consent) -> Result<(), Failure> {
    if consent == Consent::ToAsk {
        ask(context, label)?;
    }
    let (left, _) = perform(context, async |client| client.leave(label.as_str()).await).await?;
    context.output().answer(&left, |left, _| format!("left {}; its keys are gone from here\n", shown(&left.label)))
}

fn created_text(created: &NetworkCreated, style: Style) -> String {
    let rows = [
        ("network", format!("{} ({})", created.label, created.prefix)),
        ("this machine", created.fqdn.clone()),
        ("address", created.address.clone()),
        ("root key", created.root_key_path.clone()),
    ];
    let heading = style.heading(&format!("founded {}", shown(&created.label)));
    rows.iter().fold(format!("{heading}\n"), |text, (name, value)| format!("{text}  {name:<13} {}\n", shown(value)))
}

fn next_steps(context: &Context, created: &NetworkCreated, by: By) -> String {
    let root_key = shown(&created.root_key_path);
    let backup = format!(
        "Keep a copy of the root key in a safe place, off this machine. Without it a lost founder cannot be replaced:\n  \
         cp {root_key} /media/backup/{}-root.key",
        shown(&created.label)
    );
    match by {
        By::RunningDaemon => format!("{backup}\nNext, a second machine: {}", context.command("invite")),
        By::TemporaryDaemon => format!("{backup}\nNext: {}", context.command("up")),
    }
}

/// Asks at the terminal; without one there is nobody to ask.
fn ask(context: &Context, label: &Label) -> Result<(), Failure> {
    if !can_ask() || context.output().form() == Form::Json {
        let message = format!("leaving {label} deletes this machine's keys for it, and nobody is here to be asked");
        return Err(Failure::usage(message, format!("run: {}", context.command(&format!("leave {label} --yes")))));
    }
    to_stderr(&format!("Leave {label} and delete this machine's keys for it? Only a new invite leads back. [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    if read.is_ok() && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    to_stderr("nothing was changed\n");
    Err(answer_is_no())
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::SchemaVersion;

    use super::*;

    #[test]
    fn a_founder_reads_name_address_and_where_the_root_key_lies() {
        let created = NetworkCreated {
            schema: SchemaVersion,
            label: "home".into(),
            id: "nnnn".into(),
            prefix: "fd42:1337:beef::/48".into(),
            name: "alice".into(),
            address: "fd42:1337:beef::a".into(),
            fqdn: "alice.home.alt".into(),
            root_key_path: "/x/networks/home/root.key".into(),
        };
        let text = created_text(&created, Style::PLAIN);
        for part in ["founded home", "alice.home.alt", "fd42:1337:beef::a", "/x/networks/home/root.key"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
