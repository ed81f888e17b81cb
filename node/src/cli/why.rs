//! `holloway why`: how a peer is reached, every way that was tried, and the one thing that would improve it.

use holloway_dashboard::api::{Advice, SessionStatus, TriedWay, WayResult, Why, WhyQuery};

use super::context::Context;
use super::duration::{coarse, fine, milliseconds};
use super::escape::shown;
use super::failure::Failure;
use super::peers::path_words;
use super::style::Style;

/// Explains how a peer is reached.
pub(crate) async fn show(context: &Context, query: &WhyQuery) -> Result<(), Failure> {
    let why = context.daemon()?.why(query).await?;
    context.output().answer(&why, |why, style| text(why, style, |command| context.as_typed_here(command)))
}

/// `here` writes a command as it is to be typed here.
pub(super) fn text(why: &Why, style: Style, here: impl Fn(&str) -> String) -> String {
    let mut text = format!("{}\n\n", style.heading(&shown(&why.summary)));
    for (name, value) in lines(why) {
        text.push_str(&format!("  {name:<9} {value}\n"));
    }
    text.push_str(&tried_text(&why.tried, style));
    if let Some(advice) = &why.advice {
        text.push_str(&format!("\n{}\n  {}\n", style.heading("what would help"), advice_words(advice, here)));
    }
    text
}

fn lines(why: &Why) -> Vec<(&'static str, String)> {
    vec![
        ("name", shown(&why.fqdn)),
        ("address", shown(&why.address)),
        ("path", path_line(why)),
        ("session", why.session.as_ref().map_or_else(|| "none".to_owned(), session_line)),
    ]
}

fn path_line(why: &Why) -> String {
    let path = &why.path;
    let mut parts = vec![shown(&path_words(path))];
    parts.extend(path.rtt_ms.map(milliseconds));
    parts.extend(path.mtu.map(|mtu| format!("MTU {mtu}")));
    parts.extend(path.why.as_deref().map(shown));
    parts.join(", ")
}

fn session_line(session: &SessionStatus) -> String {
    let last = session.last_received_s.map_or_else(|| "never".to_owned(), |s| format!("{} ago", fine(s)));
    format!("{} old, {}, last packet {last}", coarse(session.age_s), shown(&session.cipher))
}

fn tried_text(tried: &[TriedWay], style: Style) -> String {
    if tried.is_empty() {
        return String::new();
    }
    let ways: Vec<String> = tried.iter().map(way_words).collect();
    let width = ways.iter().map(|way| way.chars().count()).max().unwrap_or(0);
    let heading = format!("\n{}\n", style.heading("tried"));
    tried.iter().zip(ways).fold(heading, |text, (tried, way)| {
        let sign = match tried.result {
            WayResult::Answered => style.check_mark(),
            WayResult::Waiting | WayResult::Silent => style.cross(),
            WayResult::Untried => style.faint("-"),
        };
        format!("{text}  {sign} {way:<width$}  {}\n", shown(&tried.words))
    })
}

fn way_words(tried: &TriedWay) -> String {
    match (&tried.endpoint, &tried.relay) {
        (Some(endpoint), _) => shown(endpoint),
        (None, Some(relay)) => format!("relay {}", shown(relay)),
        (None, None) => "a relay".to_owned(),
    }
}

fn advice_words(advice: &Advice, here: impl Fn(&str) -> String) -> String {
    let what = shown(&advice.what);
    advice.command.as_deref().map_or_else(|| what.clone(), |command| format!("{what}: {}", here(&shown(command))))
}

#[cfg(test)]
pub(super) mod examples {
    use holloway_dashboard::api::{SchemaVersion, WayKind};

    use super::super::peers::examples::bob;
    use super::*;

    /// One way to a peer.
    pub(in super::super) fn way(
        endpoint: Option<&str>,
        relay: Option<&str>,
        result: WayResult,
        words: &str,
    ) -> TriedWay {
        TriedWay {
            endpoint: endpoint.map(str::to_owned),
            relay: relay.map(str::to_owned),
            kind: if relay.is_some() { WayKind::Relay } else { WayKind::Announced },
            result,
            rtt_ms: None,
            in_use: false,
            words: words.into(),
        }
    }

    /// A peer that is reached straight, with other ways to it.
    pub(in super::super) fn example() -> Why {
        Why {
            schema: SchemaVersion,
            network: "home".into(),
            name: "bob".into(),
            fqdn: "bob.home.alt".into(),
            address: "fd42::b".into(),
            path: bob().path,
            session: bob().session,
            tried: vec![
                way(Some("203.0.113.7:42042"), None, WayResult::Answered, "bob announces this address; it is in use."),
                way(Some("10.0.0.7:42042"), None, WayResult::Waiting, "no answer has come so far."),
                way(None, Some("alice"), WayResult::Untried, "it has not been tried yet."),
            ],
            summary: "bob is reached straight at 203.0.113.7:42042, in 0.4 ms.".into(),
            advice: Some(Advice { what: "send it something".into(), command: Some("holloway ping bob".into()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::peers::examples::carol;
    use super::examples::{example, way};
    use super::*;

    fn plain(why: &Why) -> String {
        text(why, Style::PLAIN, str::to_owned)
    }

    #[test]
    fn the_answer_comes_first_then_what_was_tried_then_what_would_help() {
        let expected = "\
bob is reached straight at 203.0.113.7:42042, in 0.4 ms.

  name      bob.home.alt
  address   fd42::b
  path      direct 203.0.113.7:42042, 0.40 ms, MTU 1440
  session   31 s old, chacha20-poly1305, last packet 0.2 s ago

tried
  ✓ 203.0.113.7:42042  bob announces this address; it is in use.
  ✗ 10.0.0.7:42042     no answer has come so far.
  - relay alice        it has not been tried yet.

what would help
  send it something: holloway ping bob
";
        assert_eq!(plain(&example()), expected);
    }

    #[test]
    fn commands_are_those_that_are_to_be_typed_here() {
        let text = text(&example(), Style::PLAIN, |command| command.replace("holloway", "holloway --state-dir /x"));
        assert!(text.ends_with("send it something: holloway --state-dir /x ping bob\n"), "{text}");
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let why = Why { path: carol().path, session: None, tried: vec![], advice: None, ..example() };
        let text = plain(&why);
        assert!(text.ends_with("path      none, it answers at none of its 2 addresses\n  session   none\n"), "{text}");
    }

    #[test]
    fn a_hostile_peer_cannot_reach_the_terminal() {
        let evil = "\u{1b}[2J\n\u{202e}".to_owned();
        let mut why = example();
        for text in [&mut why.fqdn, &mut why.address, &mut why.summary] {
            text.clone_from(&evil);
        }
        why.path.endpoint = Some(evil.clone());
        why.session.as_mut().unwrap().cipher.clone_from(&evil);
        why.tried =
            vec![way(Some(&evil), None, WayResult::Silent, &evil), way(None, Some(&evil), WayResult::Silent, "")];
        why.advice = Some(Advice { what: evil.clone(), command: Some(evil) });
        let text = plain(&why);
        assert_eq!(text.lines().count(), plain(&example()).lines().count() - 1);
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
}
