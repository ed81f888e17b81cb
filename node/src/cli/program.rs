//! One run of the program: parse, carry out, exit code.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use holloway_config::Environment;
use holloway_dashboard::api::{ApiError, ErrorCode, ErrorDocument};
use tokio::runtime::Builder;

use super::args::Typed;
use super::context::Context;
use super::failure::Failure;
use super::meaning::Action;
use super::output::{Form, Output, to_stderr};
use super::{
    certificates, completions, demo_tool, detach, doctor, down, events, invites, join, members, networks, overview,
    peers, ping, probe, records, service, status, up,
};
use crate::demo;

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    let code = match Typed::try_parse() {
        Ok(typed) => run(typed),
        Err(error) => explain(&error),
    };
    ExitCode::from(code)
}

fn run(typed: Typed) -> u8 {
    let context = Context::new(typed.global, Environment::of_process());
    let outcome = match typed.command {
        Some(command) => Action::new(command).and_then(|action| carry_out(action, &context)),
        None => Err(overview::show(context.output())),
    };
    outcome.map_or_else(|failure| failure.report(&context.output()), |()| 0)
}

/// What must run before other threads exist, or needs none, comes first; the rest runs on one runtime.
fn carry_out(action: Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::Demo(args) => demo::run(args, context.output()),
        Action::DemoTool(args) => demo_tool::run(args, context.output()),
        Action::ProbeName(name) => probe::run(&name),
        Action::Completions(shell) => completions::run(shell, context.output()),
        action => {
            let runtime = Builder::new_multi_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Failure::from(anyhow::Error::from(error)))?;
            let outcome = runtime.block_on(serve(action, context));
            // What still blocks (a resolver of the system, say) has nobody to answer to any more.
            runtime.shutdown_background();
            outcome
        }
    }
}

async fn serve(action: Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::Create(request) => networks::create(context, &request).await,
        Action::Invite { request, drawing } => invites::create(context, &request, drawing).await,
        Action::Invites(network) => invites::list(context, &network).await,
        Action::RevokeInvite { id, network } => invites::revoke(context, &id, &network).await,
        Action::Join(plan) => join::run(context, plan).await,
        Action::Up(mode) => match detach::readiness(mode) {
            None => up::run(context).await,
            Some(readiness) => detach::run(context, readiness).await,
        },
        Action::Down => down::run(context).await,
        Action::Leave { label, consent } => networks::leave(context, &label, consent).await,
        Action::Status => status::show(context).await,
        Action::Check(check) => status::check(context, check).await,
        Action::Peers(network) => peers::list(context, &network).await,
        Action::Ping(plan) => ping::run(context, plan).await,
        Action::Revoke(request) => members::revoke(context, &request).await,
        Action::Block(request) => members::block(context, &request).await,
        Action::Unblock { name, network } => members::unblock(context, &name, &network).await,
        Action::Certificate { name, network } => certificates::show(context, name.as_deref(), &network).await,
        Action::DnsList(network) => records::list(context, &network).await,
        Action::DnsAdd(request) => records::add(context, &request).await,
        Action::DnsRemove(request) => records::remove(context, &request).await,
        Action::DnsQuery(request) => records::query(context, &request).await,
        Action::Events(extent) => events::run(context, extent).await,
        Action::Doctor => doctor::run(context).await,
        Action::Service(command) => service::run(context, command),
        Action::Demo(_) | Action::DemoTool(_) | Action::ProbeName(_) | Action::Completions(_) => {
            unreachable!("these run without a runtime")
        }
    }
}

/// Tells what clap has to say: help and version are answers, anything else is a refusal.
fn explain(error: &clap::Error) -> u8 {
    let text = redacted(&error.render().to_string());
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    let output = Output::new(if wants_json { Form::Json } else { Form::Text });
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return output.print(&text).map_or_else(|failure| failure.report(&output), |()| 0);
    }
    let refusal = refusal(&text);
    let code = refusal.code.exit_code();
    match output.form() {
        Form::Json => output.refusal(&ErrorDocument::from(refusal)),
        Form::Text => to_stderr(&text),
    }
    code
}

/// The first paragraph of clap's text is the message; the last line says where to read more.
fn refusal(text: &str) -> ApiError {
    let first = text.split("\n\n").next().unwrap_or_default();
    let words = first.strip_prefix("error: ").unwrap_or(first).split_whitespace().collect::<Vec<_>>();
    ApiError::new(ErrorCode::Usage, words.join(" ")).with_hint("run: holloway --help")
}

/// Clap repeats words that it does not understand; an invite in the wrong place must not end up in a log.
fn redacted(text: &str) -> String {
    const PREFIX: &str = holloway_wire::INVITE_PREFIX;
    let lower = text.to_ascii_lowercase();
    let mut safe = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(found) = lower[done..].find(PREFIX) {
        let secret = done + found + PREFIX.len();
        let length = lower[secret..].find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(lower.len() - secret);
        safe.push_str(&text[done..secret]);
        safe.push('…');
        done = secret + length;
    }
    safe + &text[done..]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Typed::command().debug_assert();
    }

    #[test]
    fn the_version_is_the_program_and_its_number() {
        let error = Typed::try_parse_from(["holloway", "--version"]).unwrap_err();
        assert_eq!(error.render().to_string(), format!("holloway {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn global_flags_work_before_and_after_the_command() {
        for line in [
            ["holloway", "--json", "--state-dir", "/x", "status"],
            ["holloway", "status", "--state-dir", "/x", "--json"],
            ["holloway", "--state-dir", "/x", "status", "--json"],
        ] {
            let global = Typed::try_parse_from(line).unwrap().global;
            assert!(global.json);
            assert_eq!(global.state_dir.unwrap().to_str(), Some("/x"));
        }
    }

    #[test]
    fn every_command_of_this_version_is_there_and_no_other() {
        let names: Vec<String> =
            Typed::command().get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect();
        let expected = "create invite invites join up down leave status peers ping revoke block unblock certificate dns \
                        events doctor demo service completions";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn an_invite_in_the_wrong_place_is_not_repeated() {
        for line in [
            vec!["holloway", "holloway1secret"],
            vec!["holloway", "invite", "HOLLOWAY1SECRET"],
            vec!["holloway", "up", "--name=holloway1secret"],
            vec!["holloway", "status", "--check", "holloway1secret"],
        ] {
            let text = redacted(&Typed::try_parse_from(&line).unwrap_err().render().to_string());
            assert!(!text.to_lowercase().contains("secret"), "{text}");
            assert!(!refusal(&text).message.to_lowercase().contains("secret"));
        }
        assert_eq!(redacted("ü holloway1a holloway1b!"), "ü holloway1… holloway1…!");
    }

    #[test]
    fn what_was_typed_never_shows_an_invite() {
        let typed = Typed::try_parse_from(["holloway", "join", "holloway1", "secret"]).unwrap();
        assert!(!format!("{typed:?}").contains("secret"));
        let action = Action::new(typed.command.unwrap()).unwrap();
        assert!(!format!("{action:?}").contains("secret"));
    }

    #[test]
    fn a_misspelt_command_is_a_refusal_in_one_line() {
        let error = Typed::try_parse_from(["holloway", "statsu"]).unwrap_err();
        let refusal = refusal(&error.render().to_string());
        assert_eq!(refusal.code.exit_code(), 2);
        assert!(refusal.message.starts_with("unrecognized subcommand"), "{}", refusal.message);
        assert!(!refusal.message.contains('\n'));
    }
}
