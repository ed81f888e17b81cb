//! `holloway dns`.

use holloway_dashboard::api::{DnsAdd, DnsList, DnsQuery, DnsRemove, DnsReply, InNetwork};

use super::context::Context;
use super::escape::shown;
use super::failure::{Failure, answer_is_no};
use super::style::Style;
use super::table::{Cell, Table};

/// What a resolver answers when all is well.
const NO_ERROR: &str = "NOERROR";

/// Lists the records that this machine publishes.
pub(crate) async fn list(context: &Context, network: &InNetwork) -> Result<(), Failure> {
    let list = context.daemon()?.dns_list(network).await?;
    context.output().answer(&list, list_text)
}

/// Publishes a record.
pub(crate) async fn add(context: &Context, request: &DnsAdd) -> Result<(), Failure> {
    let added = context.daemon()?.dns_add(request).await?;
    context.output().answer(&added, |added, _| {
        let record = &added.record;
        format!("published {} {} {}\n", shown(&record.fqdn), shown(&record.record_type), shown(&record.value))
    })
}

/// Withdraws records.
pub(crate) async fn remove(context: &Context, request: &DnsRemove) -> Result<(), Failure> {
    let removed = context.daemon()?.dns_remove(request).await?;
    context.output().answer(&removed, |removed, _| match removed.removed {
        1 => "withdrew one record\n".to_owned(),
        count => format!("withdrew {count} records\n"),
    })
}

/// Asks the daemon's resolver; an answer other than success is a failed command.
pub(crate) async fn query(context: &Context, request: &DnsQuery) -> Result<(), Failure> {
    let reply = context.daemon()?.dns_query(request).await?;
    context.output().answer(&reply, |reply, _| reply_text(reply))?;
    if reply.rcode == NO_ERROR { Ok(()) } else { Err(answer_is_no()) }
}

fn list_text(list: &DnsList, style: Style) -> String {
    if list.records.is_empty() {
        return "nothing is published; for example: holloway dns add wiki AAAA <address>\n".to_owned();
    }
    let mut table = Table::new(["NAME", "TTL", "TYPE", "VALUE"]);
    for record in &list.records {
        let ttl = record.ttl.to_string();
        table.row([
            Cell::from(&record.fqdn),
            Cell::from(ttl),
            Cell::from(&record.record_type),
            Cell::from(&record.value),
        ]);
    }
    table.render("", style)
}

/// The answer in the form of a zone file, with comments about the rest, as dig has it.
fn reply_text(reply: &DnsReply) -> String {
    let mut text = format!(
        ";; {} IN {}\n;; status: {}, answers: {}\n",
        shown(&reply.name),
        shown(&reply.record_type),
        shown(&reply.rcode),
        reply.answers.len()
    );
    for answer in &reply.answers {
        let name = shown(&answer.name);
        let dot = if name.ends_with('.') { "" } else { "." };
        text.push_str(&format!(
            "{name}{dot}\t{}\tIN\t{}\t{}\n",
            answer.ttl,
            shown(&answer.record_type),
            shown(&answer.value)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::{DnsAnswer, DnsRecord, SchemaVersion};

    use super::*;

    fn reply(rcode: &str, answers: Vec<DnsAnswer>) -> DnsReply {
        let (name, record_type) = ("wiki.bob.home.alt".into(), "TXT".into());
        DnsReply { schema: SchemaVersion, name, record_type, rcode: rcode.into(), answers }
    }

    #[test]
    fn an_answer_reads_like_a_zone_file() {
        let value = "\"x\u{1b}[31m\"".into();
        let answer = DnsAnswer { name: "wiki.bob.home.alt".into(), ttl: 60, record_type: "TXT".into(), value };
        let text = reply_text(&reply("NOERROR", vec![answer]));
        let expected = ";; wiki.bob.home.alt IN TXT\n;; status: NOERROR, answers: 1\n\
                        wiki.bob.home.alt.\t60\tIN\tTXT\t\"x\\u{1b}[31m\"\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_name_that_does_not_exist_is_told_from_one_without_that_type() {
        assert!(reply_text(&reply("NXDOMAIN", vec![])).contains("status: NXDOMAIN, answers: 0"));
        assert!(reply_text(&reply("NOERROR", vec![])).contains("status: NOERROR, answers: 0"));
    }

    #[test]
    fn published_records_are_listed_with_their_whole_names() {
        let record = DnsRecord {
            network: "home".into(),
            label: "wiki".into(),
            fqdn: "wiki.alice.home.alt".into(),
            record_type: "AAAA".into(),
            value: "fd42::1".into(),
            ttl: 60,
        };
        let text = list_text(&DnsList { schema: SchemaVersion, records: vec![record] }, Style::PLAIN);
        assert!(text.contains("wiki.alice.home.alt  60   AAAA  fd42::1"), "{text}");
    }
}
