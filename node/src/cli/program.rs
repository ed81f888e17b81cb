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
use super::meaning::{Action, Alone, Request};
use super::output::{Form, Output, to_stderr};
use super::{
    certificates, completions, dashboard, demo_tool, detach, doctor, down, events, invites, join, members, netcheck,
    networks, overview, peers, ping, probe, records, relays, routes, service, status, switching, top, up, why,
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
    outcome.map_or_else(|failure| failure.for_context(&context).report(&context.output()), |()| 0)
}

fn carry_out(action: Action, context: &Context) -> Result<(), Failure> {
    match action {
        Action::Alone(Alone::Demo(args)) => demo::run(args, context.output()),
        Action::Alone(Alone::DemoTool(args)) => demo_tool::run(args, context.output()),
        Action::Alone(Alone::ProbeName(name)) => probe::run(&name),
        Action::Alone(Alone::Completions(shell)) => completions::run(shell, context.output()),
        Action::Request(request) => {
            let runtime = Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from)?;
            let outcome = runtime.block_on(serve(request, context));
            // What still blocks (a resolver of the system, say) has nobody to answer to any more.
            runtime.shutdown_background();
            outcome
        }
    }
}

async fn serve(request: Request, context: &Context) -> Result<(), Failure> {
    match request {
        Request::Create(request) => networks::create(context, &request).await,
        Request::Invite { request, drawing } => invites::create(context, &request, drawing).await,
        Request::Invites(network) => invites::list(context, &network).await,
        Request::Approve { id, network } => invites::approve(context, &id, &network).await,
        Request::RevokeInvite { id, network } => invites::revoke(context, &id, &network).await,
        Request::Join(plan) => join::run(context, plan).await,
        Request::Up(mode) => match detach::readiness(mode) {
            None => up::run(context).await,
            Some(readiness) => detach::run(context, readiness).await,
        },
        Request::Switch(switch) => switching::run(context, switch).await,
        Request::Down => down::run(context).await,
        Request::Leave { label, consent } => networks::leave(context, &label, consent).await,
        Request::Status => status::show(context).await,
        Request::Check(check) => status::check(context, check).await,
        Request::Peers(network) => peers::list(context, &network).await,
        Request::Top(plan) => top::run(context, plan).await,
        Request::Ping(plan) => ping::run(context, plan).await,
        Request::Why(query) => why::show(context, &query).await,
        Request::Relays(network) => relays::list(context, &network).await,
        Request::Routes(network) => routes::list(context, &network).await,
        Request::Netcheck(network) => netcheck::show(context, &network).await,
        Request::Revoke(request) => members::revoke(context, &request).await,
        Request::Block(request) => members::block(context, &request).await,
        Request::Unblock { name, network } => members::unblock(context, &name, &network).await,
        Request::Certificate { name, network } => certificates::show(context, name.as_deref(), &network).await,
        Request::DnsList(network) => records::list(context, &network).await,
        Request::DnsAdd(request) => records::add(context, &request).await,
        Request::DnsRemove(request) => records::remove(context, &request).await,
        Request::DnsQuery(request) => records::query(context, &request).await,
        Request::Events(extent) => events::run(context, extent).await,
        Request::Dashboard(opening) => dashboard::run(context, opening).await,
        Request::Doctor => doctor::run(context).await,
        Request::Service(command) => service::run(context, command),
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
        let expected = "create invite invites join up on off down leave status peers top ping why relays routes netcheck revoke block \
                        unblock certificate dns events dashboard doctor service demo completions";
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
