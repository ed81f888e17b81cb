//! What `top` knows: the last sample, the rates between it and the one before, and what the reader has chosen.
//!
//! Pure: a sample or a key comes in, a frame can be drawn from it. It knows neither the terminal nor the daemon, and its
//! time is what each sample says. Rates are averages between two samples; where there was none before, or the counters
//! began anew, there is no rate. A selected peer stays selected wherever the order moves it to.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use holloway_dashboard::api::{PathKind, PeerStatus, Relays, Status, Why, WhyQuery};

/// What the daemon said at one time.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) status: Status,
    pub(super) relays: Relays,
    /// On any clock that does not jump.
    pub(super) at: Duration,
}

/// How fast bytes come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) rx_bytes_per_s: f64,
    pub(super) tx_bytes_per_s: f64,
}

/// Who a peer is, whatever it is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PeerKey {
    network_id: String,
    node_id: String,
}

/// One line of the list.
#[derive(Clone, Debug)]
pub(super) struct Row<'a> {
    pub(super) key: PeerKey,
    /// The network's label.
    pub(super) network: &'a str,
    pub(super) peer: &'a PeerStatus,
    pub(super) rates: Option<Rates>,
}

/// Which peer comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Who moves most bytes.
    Traffic,
    /// By network and name.
    Name,
    /// The nearest.
    Rtt,
    /// Who was heard of last.
    Packet,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Peers,
    /// The selected peer, from this line of the text on.
    Details(usize),
    Help,
}

/// Whether what the daemon says is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Running,
    Paused,
}

/// How the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Daemon {
    Answers,
    /// Nobody listens.
    Absent,
    /// It refuses, in these words.
    Refuses(String),
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Back,
    Move(Motion),
    Order,
    Details,
    Pause,
    Help,
}

/// Where the selection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Motion {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

/// Whether to go on after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    GoOn,
    Quit,
}

/// Lines that a page up or down moves by.
const PAGE_LINES: usize = 10;

/// All that is known and chosen.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) daemon: Daemon,
    pub(super) order: Order,
    pub(super) page: Page,
    pub(super) pace: Pace,
    /// From one sample to the next.
    pub(super) interval: Duration,
    sample: Option<Sample>,
    rates: BTreeMap<PeerKey, Rates>,
    selected: Option<PeerKey>,
    why: Option<(PeerKey, Result<Why, String>)>,
}

impl Model {
    /// Nothing known yet.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            daemon: Daemon::Answers,
            order: Order::Traffic,
            page: Page::Peers,
            pace: Pace::Running,
            interval,
            sample: None,
            rates: BTreeMap::new(),
            selected: None,
            why: None,
        }
    }

    /// Takes in what the daemon says; not while paused, which only makes the next rates averages of a longer time.
    pub(super) fn handle_sample(&mut self, sample: Sample) {
        self.daemon = Daemon::Answers;
        if self.pace == Pace::Paused {
            return;
        }
        self.rates = self.sample.as_ref().map_or_else(BTreeMap::new, |before| rates(before, &sample));
        self.sample = Some(sample);
        let is_gone = self.selected.as_ref().is_some_and(|key| !self.rows().iter().any(|row| row.key == *key));
        if is_gone {
            self.selected = None;
            if matches!(self.page, Page::Details(_)) {
                self.page = Page::Peers;
            }
        }
    }

    /// Takes in that the daemon does not answer. What it said last stays to be read, but nothing moves any more.
    pub(super) fn handle_trouble(&mut self, daemon: Daemon) {
        self.daemon = daemon;
        self.rates.clear();
    }

    /// Takes in why the peer of a question is reached as it is.
    pub(super) fn handle_why(&mut self, query: &WhyQuery, answer: Result<Why, String>) {
        if self.pace == Pace::Running
            && let Some(key) = self.selected.clone()
            && key.node_id == query.name
        {
            self.why = Some((key, answer));
        }
    }

    /// Does what a key means here.
    pub(super) fn handle_key(&mut self, key: Key) -> Flow {
        match (key, self.page) {
            (Key::Quit, _) | (Key::Back, Page::Peers) => return Flow::Quit,
            (Key::Back, Page::Details(_) | Page::Help) | (Key::Help, Page::Help) | (Key::Details, Page::Details(_)) => {
                self.page = Page::Peers;
            }
            (Key::Help, Page::Peers | Page::Details(_)) => self.page = Page::Help,
            (Key::Pause, _) => self.pace = self.pace.other(),
            (Key::Order, Page::Peers) => self.order = self.order.next(),
            (Key::Details, Page::Peers) => self.open_details(),
            (Key::Move(motion), Page::Peers) => self.select(motion),
            (Key::Move(motion), Page::Details(from)) => self.page = Page::Details(motion.from(from, usize::MAX)),
            (Key::Order, Page::Details(_) | Page::Help) | (Key::Details | Key::Move(_), Page::Help) => {}
        }
        Flow::GoOn
    }

    /// The last line from which the details fill the screen: scrolling ends there.
    pub(super) fn scroll_at_most(&mut self, last: usize) {
        if let Page::Details(from) = self.page {
            self.page = Page::Details(from.min(last));
        }
    }

    /// What the daemon said last.
    pub(super) fn sample(&self) -> Option<&Sample> {
        self.sample.as_ref()
    }

    /// Every peer, in the order that is wanted.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let networks = self.sample.iter().flat_map(|sample| &sample.status.networks);
        let mut rows: Vec<Row<'_>> = networks
            .flat_map(|network| network.peers.iter().map(move |peer| (network, peer)))
            .map(|(network, peer)| {
                let key = PeerKey { network_id: network.id.clone(), node_id: peer.node_id.clone() };
                Row { network: &network.label, peer, rates: self.rates.get(&key).copied(), key }
            })
            .collect();
        rows.sort_by(|one, other| self.order.of(one, other).then_with(|| by_name(one, other)));
        rows
    }

    /// How fast bytes come and go to and from all peers; none before the second sample.
    pub(super) fn total(&self) -> Option<Rates> {
        let add = |sum: Rates, one: &Rates| Rates {
            rx_bytes_per_s: sum.rx_bytes_per_s + one.rx_bytes_per_s,
            tx_bytes_per_s: sum.tx_bytes_per_s + one.tx_bytes_per_s,
        };
        (!self.rates.is_empty()).then(|| self.rates.values().fold(Rates::default(), add))
    }

    /// How many peers are reached by this kind of path.
    pub(super) fn reached_by(&self, kind: PathKind) -> usize {
        let networks = self.sample.iter().flat_map(|sample| &sample.status.networks);
        networks.flat_map(|network| &network.peers).filter(|peer| peer.path.kind == kind).count()
    }

    /// Where in these rows the selected peer is.
    pub(super) fn selected_in(&self, rows: &[Row<'_>]) -> Option<usize> {
        let key = self.selected.as_ref()?;
        rows.iter().position(|row| row.key == *key)
    }

    /// The question whose answer the page shows.
    pub(super) fn wanted(&self) -> Option<WhyQuery> {
        let Page::Details(_) = self.page else { return None };
        let rows = self.rows();
        let row = &rows[self.selected_in(&rows)?];
        Some(WhyQuery { name: row.peer.node_id.clone(), network: Some(row.network.to_owned()) })
    }

    /// Why the selected peer is reached as it is, once that is known.
    pub(super) fn why(&self) -> Option<&Result<Why, String>> {
        let (key, why) = self.why.as_ref()?;
        (self.selected.as_ref() == Some(key)).then_some(why)
    }

    fn open_details(&mut self) {
        if self.selected.is_none() {
            self.select(Motion::First);
        }
        if self.selected.is_some() {
            self.page = Page::Details(0);
        }
    }

    fn select(&mut self, motion: Motion) {
        let rows = self.rows();
        let Some(last) = rows.len().checked_sub(1) else { return };
        let first = if motion == Motion::Last { last } else { 0 };
        let position = self.selected_in(&rows).map_or(first, |position| motion.from(position, last));
        self.selected = Some(rows[position].key.clone());
    }
}

impl Motion {
    fn from(self, position: usize, last: usize) -> usize {
        let target = match self {
            Self::Up => position.saturating_sub(1),
            Self::Down => position.saturating_add(1),
            Self::PageUp => position.saturating_sub(PAGE_LINES),
            Self::PageDown => position.saturating_add(PAGE_LINES),
            Self::First => 0,
            Self::Last => last,
        };
        target.min(last)
    }
}

impl Order {
    fn next(self) -> Self {
        match self {
            Self::Traffic => Self::Name,
            Self::Name => Self::Rtt,
            Self::Rtt => Self::Packet,
            Self::Packet => Self::Traffic,
        }
    }

    fn of(self, one: &Row<'_>, other: &Row<'_>) -> Ordering {
        let traffic = |row: &Row<'_>| row.rates.map_or(0.0, |rates| rates.rx_bytes_per_s + rates.tx_bytes_per_s);
        let heard = |row: &Row<'_>| row.peer.session.as_ref().and_then(|session| session.last_received_s);
        match self {
            Self::Traffic => traffic(other).total_cmp(&traffic(one)),
            Self::Name => Ordering::Equal,
            Self::Rtt => known_first(one.peer.path.rtt_ms, other.peer.path.rtt_ms),
            Self::Packet => known_first(heard(one), heard(other)),
        }
    }
}

impl Pace {
    fn other(self) -> Self {
        match self {
            Self::Running => Self::Paused,
            Self::Paused => Self::Running,
        }
    }
}

fn by_name(one: &Row<'_>, other: &Row<'_>) -> Ordering {
    (one.network, &one.peer.name).cmp(&(other.network, &other.peer.name))
}

fn known_first(one: Option<f64>, other: Option<f64>) -> Ordering {
    one.unwrap_or(f64::INFINITY).total_cmp(&other.unwrap_or(f64::INFINITY))
}

/// The rates of every peer that is in both samples, if the same daemon gave both.
fn rates(before: &Sample, now: &Sample) -> BTreeMap<PeerKey, Rates> {
    let elapsed = now.at.saturating_sub(before.at).as_secs_f64();
    if elapsed <= 0.0 || now.status.uptime_s < before.status.uptime_s {
        return BTreeMap::new();
    }
    let counted: BTreeMap<(&str, &str), &PeerStatus> = peers(before).collect();
    let rate = |then: u64, now: u64| now.checked_sub(then).map(|bytes| bytes as f64 / elapsed);
    peers(now)
        .filter_map(|(who, peer)| {
            let then = counted.get(&who)?;
            let (received, sent) = (rate(then.rx_bytes, peer.rx_bytes)?, rate(then.tx_bytes, peer.tx_bytes)?);
            let key = PeerKey { network_id: who.0.to_owned(), node_id: who.1.to_owned() };
            Some((key, Rates { rx_bytes_per_s: received, tx_bytes_per_s: sent }))
        })
        .collect()
}

fn peers(sample: &Sample) -> impl Iterator<Item = ((&str, &str), &PeerStatus)> {
    let networks = sample.status.networks.iter();
    networks.flat_map(|of| of.peers.iter().map(move |peer| ((of.id.as_str(), peer.node_id.as_str()), peer)))
}

#[cfg(test)]
pub(super) mod examples {
    use serde_json::{Value, json};

    use super::super::super::peers::examples::{bob, carol};
    use super::*;

    /// A network of three, seen by alice: bob is reached straight, carol not.
    pub(in super::super) fn sample(at_s: u64, bytes: [(u64, u64); 2]) -> Sample {
        let announced = json!({
            "network": "home", "name": "alice", "node_id": "aaaa", "region": "Europe", "place": null, "load_percent": 3,
            "members": 12, "capacity_mbps": 1000, "endpoints": [], "version": "", "draining": false,
        });
        let mut relay = announced;
        let known: [(&str, Value); 5] = [
            ("standing", json!("home")),
            ("rtt_ms", json!(1.2)),
            ("endpoint", json!("198.51.100.1:42042")),
            ("stream", json!(false)),
            ("current", json!(true)),
        ];
        for (name, value) in known {
            relay[name] = value;
        }
        let mut carol = PeerStatus { node_id: "cccc".into(), ..carol() };
        let mut bob = bob();
        (bob.rx_bytes, bob.tx_bytes) = bytes[0];
        (carol.rx_bytes, carol.tx_bytes) = bytes[1];
        let status = json!({
            "schema": 1, "version": "0.1.0", "state": "ready", "uptime_s": 11_520 + at_s,
            "networks": [{
                "label": "home", "id": "nnnn", "prefix": "fd42::/48", "interface": "hollow0", "name": "alice",
                "fqdn": "alice.home.alt", "address": "fd42::a", "node_id": "aaaa", "rights": [],
                "control": {"listen": [], "peers": 1}, "data": {"listen": [], "observed": [], "mapped": null},
                "home_relay": {"name": "alice", "rtt_ms": 1.2}, "peers": [bob, carol], "revoked": 0, "drops": {},
            }],
            "attention": [{"what": "carol has no path", "command": "holloway why carol"}],
            "dns": {"listening": [], "integration": ""},
        });
        Sample {
            status: serde_json::from_value(status).unwrap(),
            relays: serde_json::from_value(json!({"schema": 1, "relays": [relay], "own": []})).unwrap(),
            at: Duration::from_secs(at_s),
        }
    }

    /// After two samples, two seconds apart.
    pub(in super::super) fn model() -> Model {
        let mut model = Model::new(Duration::from_secs(2));
        model.handle_sample(sample(0, [(0, 0), (0, 0)]));
        model.handle_sample(sample(2, [(3072, 14), (0, 0)]));
        model
    }
}

#[cfg(test)]
mod tests {
    use super::examples::{model, sample};
    use super::*;

    fn names(model: &Model) -> Vec<&str> {
        model.rows().iter().map(|row| row.peer.name.as_str()).collect()
    }

    fn selected(model: &Model) -> Option<&str> {
        let rows = model.rows();
        model.selected_in(&rows).map(|position| rows[position].peer.name.as_str())
    }

    fn bob_and_total(model: &Model) -> (Option<Rates>, Option<Rates>) {
        let rows = model.rows();
        (rows.iter().find(|row| row.peer.name == "bob").and_then(|row| row.rates), model.total())
    }

    #[test]
    fn rates_are_what_was_counted_between_two_samples() {
        let (bob, total) = bob_and_total(&model());
        assert_eq!(bob, Some(Rates { rx_bytes_per_s: 1536.0, tx_bytes_per_s: 7.0 }));
        assert_eq!(total, bob);
    }

    #[test]
    fn one_sample_gives_no_rates_and_neither_do_two_of_one_time() {
        let mut model = Model::new(Duration::from_secs(1));
        model.handle_sample(sample(5, [(1, 1), (1, 1)]));
        assert_eq!(bob_and_total(&model), (None, None));
        model.handle_sample(sample(5, [(9, 9), (9, 9)]));
        assert_eq!(bob_and_total(&model), (None, None));
    }

    #[test]
    fn counters_that_began_anew_give_no_rate_and_the_others_still_do() {
        let mut model = model();
        model.handle_sample(sample(4, [(10, 10), (100, 0)]));
        let (bob, total) = bob_and_total(&model);
        assert_eq!(bob, None);
        assert_eq!(total, Some(Rates { rx_bytes_per_s: 50.0, tx_bytes_per_s: 0.0 }));
    }

    #[test]
    fn another_daemon_gives_no_rates_even_where_its_counters_are_greater() {
        let mut model = model();
        let mut restarted = sample(4, [(u64::MAX, u64::MAX), (9, 9)]);
        restarted.status.uptime_s = 1;
        model.handle_sample(restarted);
        assert_eq!(bob_and_total(&model), (None, None));
    }

    #[test]
    fn nothing_moves_while_the_daemon_is_away_and_its_return_is_noticed() {
        let mut model = model();
        model.handle_key(Key::Pause);
        model.handle_trouble(Daemon::Absent);
        assert_eq!(bob_and_total(&model), (None, None));
        assert_eq!(names(&model), ["bob", "carol"]);
        model.handle_sample(sample(6, [(0, 0), (0, 0)]));
        assert_eq!(model.daemon, Daemon::Answers);
    }

    #[test]
    fn a_pause_holds_what_is_shown_and_its_end_averages_over_it() {
        let mut model = model();
        model.handle_key(Key::Pause);
        model.handle_sample(sample(4, [(9072, 14), (0, 0)]));
        assert_eq!(bob_and_total(&model).0.unwrap().rx_bytes_per_s, 1536.0);
        model.handle_key(Key::Pause);
        model.handle_sample(sample(12, [(13_072, 14), (0, 0)]));
        assert_eq!(bob_and_total(&model).0.unwrap().rx_bytes_per_s, 1000.0);
    }

    #[test]
    fn the_order_goes_through_all_there_are() {
        let mut model = model();
        model.handle_sample(sample(4, [(3072, 14), (10_000, 0)]));
        assert_eq!(names(&model), ["carol", "bob"]);
        let mut orders = vec![model.order];
        for _ in 0..3 {
            model.handle_key(Key::Order);
            assert_eq!(names(&model), ["bob", "carol"], "{:?}", model.order);
            orders.push(model.order);
        }
        assert_eq!(orders, [Order::Traffic, Order::Name, Order::Rtt, Order::Packet]);
        model.handle_key(Key::Order);
        assert_eq!(model.order, Order::Traffic);
    }

    #[test]
    fn the_selection_stays_with_its_peer_wherever_the_order_moves_it() {
        let mut model = model();
        assert_eq!(selected(&model), None);
        model.handle_key(Key::Move(Motion::Down));
        assert_eq!(selected(&model), Some("bob"));
        model.handle_sample(sample(4, [(3072, 14), (10_000, 0)]));
        assert_eq!(names(&model)[1], "bob");
        assert_eq!(selected(&model), Some("bob"));
        for (motion, name) in [(Motion::Up, "carol"), (Motion::Up, "carol"), (Motion::PageDown, "bob")] {
            model.handle_key(Key::Move(motion));
            assert_eq!(selected(&model), Some(name), "{motion:?}");
        }
    }

    #[test]
    fn a_selected_peer_that_is_a_member_no_more_is_let_go_of() {
        let mut model = model();
        model.handle_key(Key::Details);
        assert!(model.wanted().is_some());
        let mut later = sample(4, [(0, 0), (0, 0)]);
        later.status.networks[0].peers.remove(0);
        model.handle_sample(later);
        assert_eq!((selected(&model), model.page, model.wanted()), (None, Page::Peers, None));
        let mut empty = sample(6, [(0, 0), (0, 0)]);
        empty.status.networks.clear();
        model.handle_sample(empty);
        model.handle_key(Key::Move(Motion::Last));
        model.handle_key(Key::Details);
        assert_eq!((selected(&model), model.page), (None, Page::Peers));
    }

    #[test]
    fn escape_leads_back_before_it_leads_out() {
        let mut model = model();
        for open in [Key::Help, Key::Details] {
            model.handle_key(open);
            assert_ne!(model.page, Page::Peers);
            assert_eq!(model.handle_key(Key::Back), Flow::GoOn);
            assert_eq!(model.page, Page::Peers);
        }
        assert_eq!(model.handle_key(Key::Back), Flow::Quit);
        assert_eq!(model.handle_key(Key::Quit), Flow::Quit);
    }

    #[test]
    fn an_explanation_is_shown_for_the_peer_that_it_is_about_and_no_other() {
        let mut model = model();
        model.handle_key(Key::Details);
        let about_bob = model.wanted().unwrap();
        assert_eq!((about_bob.name.as_str(), about_bob.network.as_deref()), ("bbbb", Some("home")));
        model.handle_why(&about_bob, Err("not now".into()));
        assert_eq!(model.why(), Some(&Err("not now".into())));
        model.handle_key(Key::Back);
        model.handle_key(Key::Move(Motion::Down));
        model.handle_key(Key::Details);
        assert_eq!(model.why(), None);
        model.handle_why(&about_bob, Err("too late".into()));
        assert_eq!(model.why(), None);
    }

    #[test]
    fn details_scroll_as_far_as_there_is_something() {
        let mut model = model();
        model.handle_key(Key::Details);
        model.handle_key(Key::Move(Motion::Last));
        model.scroll_at_most(4);
        assert_eq!(model.page, Page::Details(4));
        model.handle_key(Key::Move(Motion::Up));
        assert_eq!(model.page, Page::Details(3));
    }
}
