use std::fmt::Write as _;

use holloway_simnet::scale::Kind;

use crate::figures::Figures;

/// What stands in one line of the table.
struct Line {
    title: &'static str,
    cell: fn(&Figures) -> String,
}

const LINES: &[Line] = &[
    Line { title: "relays", cell: |row| whole(row, "relays") },
    Line { title: "registered at home and standby", cell: |row| whole(row, "registered") },
    Line { title: "bytes to register at both, once", cell: |row| whole(row, "registering once") },
    Line { title: "relay announcements a minute, nobody asks", cell: |row| one(row, "announced alone") },
    Line { title: "... while members ask", cell: |row| one(row, "announced") },
    Line { title: "bytes of an announcement", cell: |row| whole(row, "announcement bytes") },
    Line { title: "duplicates of each message at a node", cell: |row| two(row, "duplicates") },
    Line {
        title: "gossip reaches 95 %, all, s",
        cell: |row| format!("{}, {}", two(row, "gossip p95"), two(row, "gossip max")),
    },
    Line { title: "names in a routing table", cell: |row| whole(row, "table") },
    Line { title: "lookup hops, mean, most", cell: |row| format!("{}, {}", two(row, "hops"), whole(row, "hops max")) },
    Line {
        title: "nodes asked to find, to put",
        cell: |row| format!("{}, {}", one(row, "asked to find"), one(row, "asked to put")),
    },
    Line { title: "lookups that found it", cell: |row| percent(row, "found") },
    Line { title: "channels asked for, given", cell: |row| format!("{}, {}", whole(row, "asks"), whole(row, "bound")) },
    Line {
        title: "... over several relays; most relays",
        cell: |row| format!("{}; {}", whole(row, "circuits"), whole(row, "relays in path")),
    },
    Line { title: "... p95, s", cell: |row| two(row, "bind p95") },
    Line { title: "links that a relay speaks of", cell: |row| one(row, "links each") },
    Line { title: "link cut: heard by all, s", cell: |row| times(row, "cut heard") },
    Line { title: "... binds over it again, s", cell: |row| times(row, "cut binds") },
    Line { title: "relay dead: heard by all, s", cell: |row| times(row, "death heard") },
    Line { title: "... binds to and from its members, s", cell: |row| times(row, "death binds") },
    Line { title: "... its members registered elsewhere, s", cell: |row| times(row, "death registered") },
    Line { title: "halves joined: binds across, s", cell: |row| times(row, "heal binds") },
    Line { title: "memory of a relay, KiB", cell: |row| format!("{:.0}", row.get("memory relay") / 1024.0) },
    Line { title: "memory of a registration, bytes", cell: |row| whole(row, "memory registration") },
    Line { title: "memory of the process, MiB", cell: |row| format!("{:.0}", row.get("rss") / 1_048_576.0) },
    Line { title: "time it took, s", cell: |row| whole(row, "seconds") },
];

/// The growth of a node's cost that is still allowed is that of the logarithm of their number; a thousandth more is
/// what rounding does.
const ROUNDING: f64 = 1.001;

/// Everything, one column for each size.
pub(crate) fn table(rows: &[Figures]) -> String {
    let mut text = line("nodes", rows, &|row| whole(row, "nodes"));
    text += &format!("|{} --- |\n", " --- |".repeat(rows.len()));
    text += &line("**bytes a node and minute**", rows, &|row| whole(row, "bytes"));
    for kind in Kind::ALL {
        text += &line(kind.name(), rows, &|row| whole(row, kind.name()));
    }
    text += &line("all, with relays as quiet as when nobody asks", rows, &|row| whole(row, "quiet"));
    for Line { title, cell } in LINES {
        text += &line(title, rows, cell);
    }
    text += "\nSeconds of what takes time: p95, most (how many of how many).\n";
    text + MODELLED
}

const MODELLED: &str = "\
Real: relays (holloway_relay::Server), every datagram and its encoding, all signatures of registrations, each twice for
each node, and their checks; announcements and records. Datagrams count with 28 bytes of IPv4 and UDP.
Sampled: 4 messages are flooded through a mesh of degree 6; all others count as these did. 2,000 lookups likewise.
Modelled: members and relays' choice of links (times of mesh), who has heard of which relay (members: of the nearest),
envelopes of gossipsub and Kademlia, and the connections that Kademlia opens (2.5 KB and both greetings for each node
asked that is no neighbour). Each node looks a peer up every 10 min and wants a channel through relays once in an hour;
its record is put every 45 min, put again every 20 and handed on every 10.
Not counted, as it is the same in every network: pings and sync between neighbours, sessions.
";

fn line(title: &str, rows: &[Figures], cell: &dyn Fn(&Figures) -> String) -> String {
    let mut text = format!("| {title:<42} |");
    for row in rows {
        let _ = write!(text, " {:>22} |", cell(row));
    }
    text + "\n"
}

fn whole(row: &Figures, name: &str) -> String {
    let digits = format!("{:.0}", row.get(name));
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn one(row: &Figures, name: &str) -> String {
    format!("{:.1}", row.get(name))
}

fn two(row: &Figures, name: &str) -> String {
    format!("{:.2}", row.get(name))
}

fn percent(row: &Figures, name: &str) -> String {
    format!("{:.1} %", row.get(name) * 100.0)
}

fn times(row: &Figures, name: &str) -> String {
    let of = |what: &str| row.get(&format!("{name} {what}"));
    format!("{:.1}, {:.1} ({:.0}/{:.0})", of("p95"), of("max"), of("done"), of("of"))
}

/// How much more a node costs in the largest network than in the smallest, beside the logarithms; and whether that is
/// no more than these.
pub(crate) fn growth(rows: &[Figures]) -> (String, bool) {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return (String::new(), true);
    };
    let of = |name: &str| last.get(name) / first.get(name);
    let logarithm = last.get("nodes").ln() / first.get("nodes").ln();
    let (slope, at_one) = fitted(rows);
    let is_reached = of("bytes") <= logarithm * ROUNDING;
    let verdict = if is_reached { "no faster than" } else { "FASTER than" };
    let text = format!(
        "cost({}) / cost({}) = {:.2}; log / log = {logarithm:.2}: a node's cost grows {verdict} log n\n\
         with relays as quiet as when nobody asks: {:.2}\n\
         fitted: {slope:.0} bytes a minute for each factor of ten, {at_one:+.0}",
        whole(last, "nodes"),
        whole(first, "nodes"),
        of("bytes"),
        of("quiet"),
    );
    (text, is_reached)
}

/// The straight line through cost against the decimal logarithm (least squares): its slope, and its height at one node.
pub(crate) fn fitted(rows: &[Figures]) -> (f64, f64) {
    let points: Vec<(f64, f64)> = rows.iter().map(|row| (row.get("nodes").log10(), row.get("bytes"))).collect();
    let count = points.len().max(1) as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let shared: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let slope = if spread > 0.0 { shared / spread } else { 0.0 };
    (slope, y - slope * x)
}
