//! `holloway certificate show`.

use holloway_dashboard::api::{CertificateChain, CertificateView, InNetwork};

use super::context::Context;
use super::escape::shown;
use super::failure::Failure;
use super::invites::rights;
use super::style::Style;

/// Shows a certificate and its chain.
pub(crate) async fn show(context: &Context, name: Option<&str>, network: &InNetwork) -> Result<(), Failure> {
    let chain = context.daemon()?.certificate(name, network).await?;
    context.output().answer(&chain, text)
}

fn text(chain: &CertificateChain, style: Style) -> String {
    let title = format!("{} in {}", shown(&chain.certificate.name), shown(&chain.network));
    let mut text = format!("{}\n{}", style.heading(&title), view_text(&chain.certificate));
    for issuer in &chain.chain {
        text.push_str(&format!(
            "\n{}\n{}",
            style.heading(&format!("issued by {}", shown(&issuer.name))),
            view_text(issuer)
        ));
    }
    text.push_str("\nthe last issuer is the network's root key\n");
    text
}

fn view_text(view: &CertificateView) -> String {
    let groups = if view.groups.is_empty() { "-".to_owned() } else { view.groups.join(" ") };
    let unbounded = |time: &Option<String>| time.clone().unwrap_or_else(|| "unbounded".to_owned());
    let rows = [
        ("address", view.address.clone()),
        ("node id", view.node_id.clone()),
        ("static key", view.static_key.clone()),
        ("rights", rights(&view.rights)),
        ("groups", groups),
        ("valid from", unbounded(&view.not_before)),
        ("valid until", unbounded(&view.not_after)),
        ("issuer", view.issuer.clone()),
        ("sequence", view.sequence.to_string()),
        ("hash", view.hash.clone()),
    ];
    rows.iter().fold(String::new(), |text, (name, value)| format!("{text}  {name:<12} {}\n", shown(value)))
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::{Right, SchemaVersion};

    use super::*;

    fn view(name: &str) -> CertificateView {
        CertificateView {
            name: name.into(),
            node_id: "bbbb".into(),
            address: "fd42::b".into(),
            static_key: "kkkk".into(),
            rights: vec![Right::Exit],
            groups: vec!["fam\u{1b}ily".into()],
            not_before: None,
            not_after: Some("2027-01-01T00:00:00Z".into()),
            issuer: "aaaa".into(),
            sequence: 7,
            hash: "00ff".into(),
        }
    }

    #[test]
    fn a_certificate_is_shown_with_its_chain_and_its_bounds() {
        let chain = CertificateChain {
            schema: SchemaVersion,
            network: "home".into(),
            certificate: view("bob"),
            chain: vec![view("alice")],
        };
        let text = text(&chain, Style::PLAIN);
        for part in ["bob in home", "issued by alice", "exit", "unbounded", "2027-01-01", "fam\\u{1b}ily"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
