//! What `top` shows, as lines for a screen of some size. Pure: a model goes in, lines come out; nothing is escaped or cut
//! later, so everything that another machine chose passes `escape` here.

use holloway_dashboard::api::{NetworkStatus, PathKind, RelayStatus};
use ratatui::style::{Color, Modifier, Style as Paint};
use ratatui::text::{Line, Span};

use super::super::bytes::amount;
use super::super::duration::{coarse, fine, milliseconds};
use super::super::escape::{shortened, shown};
use super::super::peers::path_words;
use super::super::style::Style;
use super::super::{relays, why};
use super::keys;
use super::model::{Daemon, Model, Order, Pace, Page, Rates, Row};

/// Most lines that attention and relays each take from the peers.
const ASIDE_LINES_MAX: usize = 4;

/// Peers come first: with fewer lines for them, relays are not shown.
const PEER_LINES_MIN: usize = 6;

/// Longest name and path that are shown in full.
const NAME_CHARS_MAX: usize = 32;
const PATH_CHARS_MAX: usize = 56;

/// A path of fewer characters says too little to be worth another column.
const PATH_CHARS_GOOD: usize = 22;
/// `direct` and `relay` in full.
const PATH_CHARS_MIN: usize = 6;
const NAME_CHARS_MIN: usize = 6;

/// Blanks between columns.
const GAP: usize = 2;

/// How large the screen is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
}

/// A screen's lines.
pub(super) struct Screen {
    pub(super) lines: Vec<Line<'static>>,
    /// Where scrolling ends, where there is something to scroll.
    pub(super) scroll_last: usize,
}

/// Draws what the model has to show.
pub(super) fn screen(model: &Model, style: Style, size: Size, here: impl Fn(&str) -> String) -> Screen {
    let painter = Painter { style, size };
    match model.page {
        Page::Peers => Screen { lines: painter.peers_page(model), scroll_last: 0 },
        Page::Details(from) => painter.details_page(model, from, here),
        Page::Help => Screen { lines: painter.help_page(model), scroll_last: 0 },
    }
}

#[derive(Clone, Copy)]
struct Painter {
    style: Style,
    size: Size,
}

/// What a piece of text is to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
    Heading,
    Faint,
    Selected,
}

/// One column of the peers.
struct Column {
    heading: &'static str,
    side: Side,
    width: usize,
    cells: Vec<(String, Tone)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Painter {
    fn peers_page(self, model: &Model) -> Vec<Line<'static>> {
        let rows = model.rows();
        let mut head = self.network_lines(model);
        head.push(self.totals(model));
        head.extend(self.attention(model));
        head.push(Line::default());
        // The first line, the peers' headings and the keys.
        let left = self.size.height.saturating_sub(head.len() + 3);
        let mut aside = self.relays(model);
        if left.saturating_sub(aside.len()) < PEER_LINES_MIN.min(rows.len()) {
            aside.clear();
        }
        let visible = left.saturating_sub(aside.len()).max(1);
        let selected = model.selected_in(&rows);
        // Page by page, so that a line does not move while the selection moves on its page.
        let from = selected.map_or(0, |position| position / visible * visible);
        let to = (from + visible).min(rows.len());

        let mut lines = vec![self.first_line(model, (to - from < rows.len()).then_some((from + 1, to, rows.len())))];
        lines.extend(head);
        lines.extend(self.table(model, &rows, from..to, selected));
        lines.extend(aside);
        lines.truncate(self.size.height.saturating_sub(1));
        lines.resize_with(self.size.height.saturating_sub(1), Line::default);
        lines.push(
            self.keys(
                "q quit  up/down select  Enter why  s order  p pause  ? help",
                "q quit  Enter why  s order  ? help",
            ),
        );
        lines
    }

    fn details_page(self, model: &Model, from: usize, here: impl Fn(&str) -> String) -> Screen {
        let rows = model.rows();
        let rates = model.selected_in(&rows).and_then(|position| rows[position].rates);
        let text = match model.why() {
            None => "asking why".to_owned(),
            Some(Err(refusal)) => shown(refusal),
            Some(Ok(why)) => why::text(why, self.style.without_colours(), here),
        };
        let (summary, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let mut lines = vec![self.first_line(model, None), Line::default()];
        lines.extend(wrapped(summary, self.size.width).into_iter().map(|line| self.line([(line, Tone::Heading)])));
        lines.push(self.line([(format!("  now       {}", rates_words(rates)), Tone::Plain)]));

        let rest: Vec<String> = rest.lines().flat_map(|line| wrapped(line, self.size.width)).collect();
        let visible = self.size.height.saturating_sub(lines.len() + 1).max(1);
        let scroll_last = rest.len().saturating_sub(visible);
        let rest = rest.into_iter().skip(from.min(scroll_last)).take(visible);
        lines.extend(rest.map(|line| self.line([(line, Tone::Plain)])));
        lines.truncate(self.size.height.saturating_sub(1));
        lines.resize_with(self.size.height.saturating_sub(1), Line::default);
        let scroll = if scroll_last > 0 { "  up/down scroll" } else { "" };
        lines.push(self.keys(&format!("Esc back{scroll}  p pause  q quit"), &format!("Esc back{scroll}")));
        Screen { lines, scroll_last }
    }

    fn help_page(self, model: &Model) -> Vec<Line<'static>> {
        let mut lines = vec![self.first_line(model, None), Line::default()];
        let width = keys::HELP.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        let words = keys::HELP.iter().map(|(key, words)| format!("  {key:<width$}  {words}"));
        let legend = [
            "",
            "  CONTROL  whether membership and names come from it straight: connected; indirect; silent",
            "  PATH     how packets reach it: direct to its address, through a relay, or not",
            "  RTT      the last round trip over that path",
            "  PACKET   how long ago the last packet of its session arrived",
            "  IN, OUT  inner bytes a second, averaged over the interval",
        ];
        let all = words.chain(legend.into_iter().map(str::to_owned));
        lines.extend(all.flat_map(|line| wrapped(&line, self.size.width)).map(|line| self.line([(line, Tone::Plain)])));
        lines.truncate(self.size.height.saturating_sub(1));
        lines.resize_with(self.size.height.saturating_sub(1), Line::default);
        lines.push(self.keys("Esc back  q quit", "Esc back  q quit"));
        lines
    }

    /// The daemon at the left, what is shown at the right; what is wrong wins where both have no room.
    fn first_line(self, model: &Model, part: Option<(usize, usize, usize)>) -> Line<'static> {
        let (left, tone) = match (&model.daemon, model.sample()) {
            (Daemon::Absent, _) => ("no daemon, waiting".to_owned(), Tone::Bad),
            (Daemon::Refuses(words), _) => (shown(words), Tone::Bad),
            (Daemon::Answers, None) => ("asking the daemon".to_owned(), Tone::Plain),
            (Daemon::Answers, Some(sample)) => {
                let status = &sample.status;
                (format!("holloway {}, up {}", shown(&status.version), coarse(status.uptime_s)), Tone::Heading)
            }
        };
        let pace = match model.pace {
            Pace::Running => format!("every {}", interval_words(model.interval.as_millis())),
            Pace::Paused => "paused".to_owned(),
        };
        let order = match model.order {
            Order::Traffic => "by traffic",
            Order::Name => "by name",
            Order::Rtt => "by rtt",
            Order::Packet => "by last packet",
        };
        let part = part.map_or_else(String::new, |(from, to, of)| format!("{from} to {to} of {of}, "));
        let right_tone = if model.pace == Pace::Paused { Tone::Warning } else { Tone::Faint };
        let rights = [format!("{part}{order}, {pace}"), format!("{order}, {pace}"), pace];
        let room = self.size.width.saturating_sub(chars(&left) + GAP);
        let right = rights.into_iter().find(|right| chars(right) <= room).unwrap_or_default();
        let blanks = self.size.width.saturating_sub(chars(&left) + chars(&right));
        self.line([(left, tone), (" ".repeat(blanks), Tone::Plain), (right, right_tone)])
    }

    /// What matters most first: a narrow screen cuts the end off.
    fn network_lines(self, model: &Model) -> Vec<Line<'static>> {
        let networks = model.sample().map(|sample| sample.status.networks.as_slice()).unwrap_or_default();
        networks.iter().map(|network| self.network_line(network)).collect()
    }

    fn network_line(self, network: &NetworkStatus) -> Line<'static> {
        let members = network.peers.len();
        let control = format!("  control {} of {members}", network.control.peers);
        let control_tone = if network.control.peers == 0 && members > 0 { Tone::Bad } else { Tone::Plain };
        let relay = network.home_relay.as_ref().map_or_else(
            || "  no home relay".to_owned(),
            |relay| {
                let rtt = relay.rtt_ms.map_or_else(String::new, |rtt| format!(", {}", milliseconds(rtt)));
                format!("  home relay {}{rtt}", shown(&relay.name))
            },
        );
        let here = format!("  {}  {}", shown(&network.name), shown(&network.address));
        self.line([
            (shown(&network.label), Tone::Heading),
            (control, control_tone),
            (relay, Tone::Plain),
            (here, Tone::Faint),
        ])
    }

    fn totals(self, model: &Model) -> Line<'static> {
        let reached = [(PathKind::Direct, "direct"), (PathKind::Relay, "relayed"), (PathKind::None, "without a path")];
        let reached: Vec<String> = reached
            .into_iter()
            .map(|(kind, words)| (model.reached_by(kind), words))
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{count} {words}"))
            .collect();
        let rates = rates_words(model.total());
        self.line([(rates, Tone::Plain), (format!("  {}", reached.join(", ")), Tone::Faint)])
    }

    fn attention(self, model: &Model) -> Vec<Line<'static>> {
        let items = model.sample().map(|sample| sample.status.attention.as_slice()).unwrap_or_default();
        let most = if self.size.height < 16 { 1 } else { ASIDE_LINES_MAX };
        let (listed, more) = match items.len() > most {
            true => items.split_at(most - 1),
            false => (items, &[] as &[_]),
        };
        let mut lines: Vec<Line<'static>> = listed
            .iter()
            .map(|item| {
                let words = format!(" {}: {}", shown(&item.what), shown(&item.command));
                self.line([("!".to_owned(), Tone::Warning), (words, Tone::Plain)])
            })
            .collect();
        if !more.is_empty() {
            let words = format!("! {} things need attention: holloway status", items.len());
            let words = if listed.is_empty() { words } else { format!("! and {} more: holloway status", more.len()) };
            lines.push(self.line([(words, Tone::Warning)]));
        }
        lines
    }

    /// The relays as their own command lists them, the nearest first.
    fn relays(self, model: &Model) -> Vec<Line<'static>> {
        let known: Vec<&RelayStatus> = model.sample().iter().flat_map(|sample| &sample.relays.relays).collect();
        if known.is_empty() {
            return Vec::new();
        }
        let text = relays::table(&known, self.style.without_colours());
        let mut lines = vec![Line::default()];
        for (position, line) in text.lines().take(ASIDE_LINES_MAX + 1).enumerate() {
            let tone = if position == 0 { Tone::Faint } else { Tone::Plain };
            let line = line.replacen("  NAME ", "  RELAY", 1);
            lines.push(self.line([(line, tone)]));
        }
        lines
    }

    fn table(
        self,
        model: &Model,
        rows: &[Row<'_>],
        visible: std::ops::Range<usize>,
        selected: Option<usize>,
    ) -> Vec<Line<'static>> {
        if rows.is_empty() {
            let words = if model.sample().is_some() { "no other members yet: holloway invite" } else { "" };
            return vec![self.line([(words.to_owned(), Tone::Plain)])];
        }
        let columns = self.columns(model, rows);
        let heading = |column: &Column| (column.fitted(column.heading, self.style), Tone::Faint);
        let mut lines = vec![self.joined(columns.iter().map(heading))];
        for position in visible {
            let cell = |column: &Column| {
                let (text, tone) = &column.cells[position];
                (column.fitted(text, self.style), *tone)
            };
            if selected == Some(position) {
                let cells: Vec<String> = columns.iter().map(|column| cell(column).0).collect();
                lines.push(self.line([(format!("> {}", cells.join(&" ".repeat(GAP))), Tone::Selected)]));
            } else {
                lines.push(self.joined(columns.iter().map(cell)));
            }
        }
        lines
    }

    fn joined(self, cells: impl Iterator<Item = (String, Tone)>) -> Line<'static> {
        let gap = || Span::raw(" ".repeat(GAP));
        Line::from_iter(cells.flat_map(|(text, tone)| [gap(), Span::styled(text, self.paint(tone))]))
    }

    /// The columns that fit: what says least about how well it goes leaves first, then paths and names are cut.
    fn columns(self, model: &Model, rows: &[Row<'_>]) -> Vec<Column> {
        let has_networks = model.sample().is_some_and(|sample| sample.status.networks.len() > 1);
        let mut columns = all_columns(rows, has_networks);
        for heading in ["CONTROL", "RTT", "PACKET"] {
            let path = columns.iter().find(|column| column.heading == "PATH").map_or(0, |column| column.width);
            let excess = width_of(&columns).saturating_sub(self.size.width);
            if excess <= path.saturating_sub(PATH_CHARS_GOOD) {
                break;
            }
            columns.retain(|column| column.heading != heading);
        }
        for (heading, least) in [("PATH", PATH_CHARS_MIN), ("NAME", NAME_CHARS_MIN)] {
            let excess = width_of(&columns).saturating_sub(self.size.width);
            if let Some(column) = columns.iter_mut().find(|column| column.heading == heading) {
                column.width = column.width.saturating_sub(excess).max(least.min(column.width));
                column.shorten();
            }
        }
        columns
    }

    fn keys(self, words: &str, fewer: &str) -> Line<'static> {
        let words = if chars(words) <= self.size.width { words } else { fewer };
        self.line([(words.to_owned(), Tone::Faint)])
    }

    fn line<const N: usize>(self, parts: [(String, Tone); N]) -> Line<'static> {
        Line::from(parts.map(|(text, tone)| Span::styled(text, self.paint(tone))).to_vec())
    }

    /// Without colours only boldness tells things apart, and every tone is said in words or by a sign, too.
    fn paint(self, tone: Tone) -> Paint {
        let paint = Paint::default();
        let has_colours = self.style.has_colours();
        let coloured = |colour| if has_colours { paint.fg(colour) } else { paint };
        match tone {
            Tone::Plain => paint,
            Tone::Good => coloured(Color::Green),
            Tone::Warning => coloured(Color::Yellow),
            Tone::Bad => coloured(Color::Red),
            Tone::Heading => paint.add_modifier(Modifier::BOLD),
            Tone::Faint if has_colours => paint.add_modifier(Modifier::DIM),
            Tone::Faint => paint,
            Tone::Selected if has_colours => paint.add_modifier(Modifier::REVERSED),
            Tone::Selected => paint.add_modifier(Modifier::BOLD),
        }
    }
}

impl Column {
    fn new(heading: &'static str, side: Side, width: usize, cells: Vec<(String, Tone)>) -> Self {
        Self { heading, side, width, cells }
    }

    /// As wide as its longest cell.
    fn flexible(heading: &'static str, cells: Vec<(String, Tone)>) -> Self {
        let width = cells.iter().map(|(text, _)| chars(text)).fold(chars(heading), usize::max);
        Self::new(heading, Side::Left, width, cells)
    }

    /// Where a path has no room, its kind is what it says best.
    fn shorten(&mut self) {
        if self.heading == "PATH" && self.width < PATH_CHARS_GOOD {
            for (text, _) in self.cells.iter_mut().filter(|(text, _)| chars(text) > self.width) {
                text.truncate(text.find(' ').unwrap_or(text.len()));
            }
        }
    }

    fn fitted(&self, text: &str, style: Style) -> String {
        let text = cut(text, self.width, style);
        let blanks = " ".repeat(self.width.saturating_sub(chars(&text)));
        match self.side {
            Side::Left => text + &blanks,
            Side::Right => blanks + &text,
        }
    }
}

/// Every column. Those of figures are as wide as their longest figure, so that nothing shakes while figures change.
fn all_columns(rows: &[Row<'_>], has_networks: bool) -> Vec<Column> {
    let cells = |cell: fn(&Row<'_>) -> (String, Tone)| rows.iter().map(cell).collect::<Vec<_>>();
    let name = |row: &Row<'_>| (shortened(&row.peer.name, NAME_CHARS_MAX), Tone::Plain);
    let whole_name = |row: &Row<'_>| (shortened(&row.peer.fqdn, NAME_CHARS_MAX), Tone::Plain);
    let rate = |rate: Option<f64>| (rate.map_or_else(|| "-".to_owned(), |rate| amount(rate as u64)), Tone::Plain);
    vec![
        Column::flexible("NAME", if has_networks { cells(whole_name) } else { cells(name) }),
        Column::new("CONTROL", Side::Left, 9, cells(control_cell)),
        Column::flexible("PATH", cells(path_cell)),
        Column::new("RTT", Side::Right, 8, cells(rtt_cell)),
        Column::new("PACKET", Side::Right, 6, cells(packet_cell)),
        Column::new(
            "IN/s",
            Side::Right,
            10,
            rows.iter().map(|row| rate(row.rates.map(|r| r.rx_bytes_per_s))).collect(),
        ),
        Column::new(
            "OUT/s",
            Side::Right,
            10,
            rows.iter().map(|row| rate(row.rates.map(|r| r.tx_bytes_per_s))).collect(),
        ),
    ]
}

fn width_of(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width + GAP).sum()
}

/// What control says of a peer.
pub(super) fn control_words(row: &Row<'_>) -> &'static str {
    match (row.peer.control, row.peer.online) {
        (true, _) => "connected",
        (false, true) => "indirect",
        (false, false) => "silent",
    }
}

fn control_cell(row: &Row<'_>) -> (String, Tone) {
    let tone = match (row.peer.control, row.peer.online) {
        (true, _) => Tone::Good,
        (false, true) => Tone::Plain,
        (false, false) => Tone::Warning,
    };
    (control_words(row).to_owned(), tone)
}

fn path_cell(row: &Row<'_>) -> (String, Tone) {
    let tone = match row.peer.path.kind {
        PathKind::Direct => Tone::Good,
        PathKind::Relay => Tone::Warning,
        PathKind::None => Tone::Bad,
    };
    (shortened(&path_words(&row.peer.path), PATH_CHARS_MAX), tone)
}

fn rtt_cell(row: &Row<'_>) -> (String, Tone) {
    (row.peer.path.rtt_ms.map_or_else(|| "-".to_owned(), milliseconds), Tone::Plain)
}

/// How long ago, in the largest unit alone.
fn packet_cell(row: &Row<'_>) -> (String, Tone) {
    let last = row.peer.session.as_ref().and_then(|session| session.last_received_s);
    let words = last.map_or_else(|| "never".to_owned(), fine);
    (words.split(' ').take(2).collect::<Vec<_>>().join(" "), Tone::Plain)
}

/// Rates in words.
pub(super) fn rates_words(rates: Option<Rates>) -> String {
    rates.map_or_else(
        || "in -  out -".to_owned(),
        |rates| {
            let (received, sent) = (amount(rates.rx_bytes_per_s as u64), amount(rates.tx_bytes_per_s as u64));
            format!("in {received}/s  out {sent}/s")
        },
    )
}

fn interval_words(ms: u128) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// The beginning of a text that is too long, with a sign that it goes on.
fn cut(text: &str, width: usize, style: Style) -> String {
    if chars(text) <= width {
        return text.to_owned();
    }
    let sign = if style.has_signs() { '…' } else { '~' };
    text.chars().take(width.saturating_sub(1)).chain([sign]).collect()
}

/// A line in pieces that fit, broken between words, each further one a little behind the first.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    const HANG: &str = "    ";
    let width = width.max(2 * HANG.len());
    let mut pieces = Vec::new();
    let mut rest = line.to_owned();
    while chars(&rest) > width {
        let end = rest.char_indices().nth(width).map_or(rest.len(), |(at, _)| at);
        let indent = rest.len() - rest.trim_start().len();
        let at = rest[..end].rfind(' ').filter(|at| *at > indent).unwrap_or(end);
        let next = format!("{HANG}{}", rest[at..].trim_start());
        pieces.push(rest[..at].trim_end().to_owned());
        rest = next;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::model::examples::{model, sample};
    use holloway_dashboard::api::PeerStatus;

    use super::super::model::{Key, Motion};
    use super::super::terminal::put;
    use super::*;

    fn drawn(model: &Model, style: Style, width: u16, height: u16) -> Terminal<TestBackend> {
        let size = Size { width: width.into(), height: height.into() };
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| put(&screen(model, style, size, str::to_owned), frame)).unwrap();
        terminal
    }

    /// What is on the screen, without the blanks at the ends of lines.
    fn on_screen(model: &Model, style: Style, width: u16, height: u16) -> String {
        let terminal = drawn(model, style, width, height);
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| format!("{}\n", line(y).trim_end())).collect()
    }

    #[test]
    fn a_usual_screen_has_everything() {
        let expected = "\
holloway 0.1.0, up 3 h 12 min                              by traffic, every 2 s
home  control 1 of 2  home relay alice, 1.20 ms  alice  fd42::a
in 1.5 KiB/s  out 7 B/s  1 direct, 1 without a path
! carol has no path: holloway why carol

  NAME   PATH                           RTT  PACKET        IN/s       OUT/s
  bob    direct 203.0.113.7:42042   0.40 ms   0.2 s     1.5 KiB         7 B
  carol  none                             -   never         0 B         0 B

  RELAY  STANDING  RTT      LOAD  MEMBERS  REGION  ENDPOINT
  alice  home      1.20 ms  3 %   12       Europe  198.51.100.1:42042
\n\n\n\n\n\n\n\n\n\n\n\n\
q quit  up/down select  Enter why  s order  p pause  ? help
";
        assert_eq!(on_screen(&model(), Style::PLAIN, 80, 24), expected);
    }

    #[test]
    fn a_small_screen_keeps_what_matters_most() {
        let expected = "\
holloway 0.1.0, up 3 h 12 min  every 2 s
home  control 1 of 2  home relay alice,
in 1.5 KiB/s  out 7 B/s  1 direct, 1 wit
! carol has no path: holloway why carol

  NAME   PATH           IN/s       OUT/s
  bob    direct      1.5 KiB         7 B
  carol  none            0 B         0 B

  RELAY  STANDING  RTT      LOAD  MEMBER
  alice  home      1.20 ms  3 %   12
q quit  Enter why  s order  ? help
";
        assert_eq!(on_screen(&model(), Style::PLAIN, 40, 12), expected);
    }

    #[test]
    fn details_are_what_why_tells() {
        let mut model = model();
        model.handle_key(Key::Details);
        let query = model.wanted().unwrap();
        model.handle_why(&query, Ok(why::examples::example()));
        let expected = "\
holloway 0.1.0, up 3 h 12 min                              by traffic, every 2 s

bob is reached straight at 203.0.113.7:42042, in 0.4 ms.
  now       in 1.5 KiB/s  out 7 B/s

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
\n\n\n\n\n\n\
Esc back  p pause  q quit
";
        assert_eq!(on_screen(&model, Style::PLAIN, 80, 24), expected);
        assert!(screen(&model, Style::PLAIN, Size { width: 40, height: 12 }, str::to_owned).scroll_last > 0);
    }

    #[test]
    fn the_help_names_every_key_and_fits_a_usual_screen() {
        let mut model = model();
        model.handle_key(Key::Help);
        let text = on_screen(&model, Style::PLAIN, 80, 24);
        for (keys, words) in keys::HELP {
            assert!(text.contains(keys) && text.contains(words), "{keys} in {text}");
        }
        assert!(text.contains("averaged over the interval"), "{text}");
    }

    #[test]
    fn an_absent_daemon_is_said_and_what_it_said_last_stays() {
        let mut model = model();
        model.handle_trouble(Daemon::Absent);
        let text = on_screen(&model, Style::PLAIN, 80, 24);
        assert!(text.starts_with("no daemon, waiting "), "{text}");
        assert!(text.contains("in -  out -") && text.contains("direct 203.0.113.7:42042"), "{text}");
    }

    #[test]
    fn every_peer_can_be_reached_page_by_page() {
        let mut model = model();
        let mut many = sample(4, [(0, 0), (0, 0)]);
        let peers = &mut many.status.networks[0].peers;
        let bob = peers[0].clone();
        *peers = (0..100)
            .map(|number| PeerStatus { name: format!("m{number:02}"), node_id: format!("{number}"), ..bob.clone() })
            .collect();
        model.handle_sample(many);
        assert!(on_screen(&model, Style::PLAIN, 80, 24).contains("1 to 14 of 100, by traffic"));
        model.handle_key(Key::Move(Motion::Last));
        let text = on_screen(&model, Style::PLAIN, 80, 24);
        assert!(text.contains("100 of 100") && text.contains("> m99"), "{text}");
    }

    #[test]
    fn no_size_is_too_small() {
        let mut model = model();
        for key in [Key::Back, Key::Help, Key::Back, Key::Details] {
            for (width, height) in [(1, 1), (2, 3), (5, 2), (300, 1), (1, 100)] {
                on_screen(&model, Style::FULL, width, height);
            }
            model.handle_key(key);
        }
    }

    #[test]
    fn without_colours_there_are_none_and_the_selection_has_a_sign() {
        let mut model = model();
        model.handle_key(Key::Move(Motion::Down));
        let terminal = drawn(&model, Style::PLAIN, 80, 24);
        let cells = &terminal.backend().buffer().content;
        assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        assert!(on_screen(&model, Style::PLAIN, 80, 24).contains("\n> bob"));
        let terminal = drawn(&model, Style::FULL, 80, 24);
        assert!(terminal.backend().buffer().content.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)));
    }

    #[test]
    fn in_the_c_locale_everything_is_ascii() {
        let mut model = model();
        let mut long = sample(4, [(0, 0), (0, 0)]);
        long.status.networks[0].peers[0].name = "a-very-long-name-for-a-machine".into();
        model.handle_sample(long);
        let mut text = on_screen(&model, Style::ASCII, 40, 12);
        model.handle_key(Key::Details);
        let query = model.wanted().unwrap();
        model.handle_why(&query, Ok(why::examples::example()));
        text += &on_screen(&model, Style::ASCII, 80, 24);
        assert!(text.is_ascii() && text.contains('~'), "{text}");
    }

    #[test]
    fn nothing_that_another_machine_chose_reaches_the_terminal_unescaped() {
        let evil = "\u{1b}[2J\u{9b}\n\u{202e}".to_owned();
        let mut model = model();
        let mut sample = sample(4, [(0, 0), (0, 0)]);
        let status = &mut sample.status;
        status.version.clone_from(&evil);
        status.attention[0].what.clone_from(&evil);
        status.networks[0].label.clone_from(&evil);
        status.networks[0].home_relay.as_mut().unwrap().name.clone_from(&evil);
        status.networks[0].peers[0].name.clone_from(&evil);
        status.networks[0].peers[0].path.endpoint = Some(evil.clone());
        sample.relays.relays[0].announced.name.clone_from(&evil);
        model.handle_sample(sample);
        let mut text = on_screen(&model, Style::FULL, 300, 24);
        model.handle_key(Key::Details);
        let query = model.wanted().unwrap();
        model.handle_why(&query, Err(evil.clone()));
        text += &on_screen(&model, Style::FULL, 300, 24);
        model.handle_trouble(Daemon::Refuses(evil));
        text += &on_screen(&model, Style::FULL, 300, 24);
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text}");
        assert!(text.matches("\\u{1b}[2J").count() >= 8, "{text}");
    }

    #[test]
    fn long_lines_break_between_words_and_hang() {
        let line = "  - 10.0.0.7:42042  no answer";
        assert_eq!(wrapped(line, 20), ["  - 10.0.0.7:42042", "    no answer"]);
        assert_eq!(wrapped("short", 20), ["short"]);
        assert!(wrapped(&"x".repeat(100), 10).iter().all(|piece| chars(piece) <= 10));
    }
}
