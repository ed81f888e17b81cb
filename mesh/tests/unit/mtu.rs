use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::sizes::{START, STEP};
use super::*;

const MAX_V4: u16 = 8972;
const MAX_V6: u16 = 8952;

/// Longer than any search takes while there is data.
const SEARCHED: Duration = Duration::from_secs(40);

fn endpoint(is_v4: bool) -> Endpoint {
    let address = if is_v4 { "192.0.2.1:4242" } else { "[2001:db8::1]:4242" };
    Endpoint::udp(address.parse().expect("an address"))
}

/// A path that carries records up to a length, loses some of both directions, and takes its time.
struct Model {
    mtu: PathMtu,
    truth: u16,
    loss: f64,
    rtt: Duration,
    data_every: Option<Duration>,
    now: Instant,
    next_data: Instant,
    rng: StdRng,
    ids: u64,
    replies: BTreeMap<(Instant, u64), Ask>,
    under_way: Option<(u64, Instant)>,
    asked: Vec<(Instant, Ask)>,
    least_limit: u16,
}

impl Model {
    fn new(seed: u64, is_v4: bool, truth: u16) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mtu = PathMtu::new(&endpoint(is_v4), None, None);
        Self {
            least_limit: mtu.limit(),
            mtu,
            truth,
            loss: 0.0,
            rtt: Duration::from_millis(20),
            data_every: Some(Duration::from_millis(10)),
            now,
            next_data: now,
            rng: StdRng::seed_from_u64(seed),
            ids: 0,
            replies: BTreeMap::new(),
            under_way: None,
            asked: Vec::new(),
        }
    }

    fn searched(seed: u64, is_v4: bool, truth: u16) -> Self {
        let mut model = Self::new(seed, is_v4, truth);
        model.run(SEARCHED);
        model
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let data = self.data_every.map(|_| self.next_data.max(self.now));
            let reply = self.replies.first_key_value().map(|((at, _), _)| *at);
            let timer = self.mtu.poll_timeout();
            let Some(at) = data.into_iter().chain(reply).chain(timer).min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            if reply == Some(at) {
                let (_, ask) = self.replies.pop_first().expect("it was seen above");
                self.under_way.take_if(|(id, _)| *id == ask.id);
                let next = self.mtu.handle_reply(ask, &mut self.ids, self.now);
                self.follow(next);
            } else if timer == Some(at) {
                let next = self.mtu.handle_timeout(&mut self.ids, self.now);
                self.follow(next);
            } else if let Some(every) = self.data_every {
                self.next_data = self.now + every;
                let next = self.mtu.handle_used(&mut self.ids, self.now);
                self.follow(next);
            }
            self.least_limit = self.least_limit.min(self.mtu.limit());
        }
    }

    fn follow(&mut self, ask: Option<Ask>) {
        let Some(ask) = ask else {
            return;
        };
        assert!(self.under_way.is_none_or(|(_, until)| until <= self.now), "two probes are under way");
        assert!((LEAST..=self.mtu.sizes.max()).contains(&ask.size));
        self.under_way = Some((ask.id, self.mtu.poll_timeout().expect("a probe is waited for")));
        self.asked.push((self.now, ask));
        let is_lost = [(); 2].map(|()| self.rng.random_bool(self.loss)).contains(&true);
        if ask.size <= self.truth && !is_lost {
            self.replies.insert((self.now + self.rtt, ask.id), ask);
        }
    }

    /// The limit is what passes, up to the step of a search.
    fn is_right(&self) -> bool {
        let most = self.truth.min(self.mtu.sizes.max());
        let limit = self.mtu.limit();
        limit <= most && most - limit < STEP
    }

    fn assert_right(&self) {
        assert!(self.is_right(), "{} where {} passes", self.mtu.limit(), self.truth);
    }
}

#[test]
fn the_size_in_use_from_the_first_moment_is_the_common_one() {
    assert_eq!(Model::new(1, true, 1472).mtu.limit(), START);
    assert_eq!(START, 1440);
}

#[test]
fn any_size_is_found_within_a_step() {
    for seed in 0..400 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (is_v4, truth) = (rng.random_bool(0.5), rng.random_range(LEAST..9200));
        let model = Model::searched(seed, is_v4, truth);
        model.assert_right();
        assert!(truth < FLOOR || model.least_limit >= FLOOR, "{} where {truth} passes", model.least_limit);
    }
}

#[test]
fn common_sizes_are_found_to_the_byte() {
    for (is_v4, truth) in [(true, LEAST), (true, 1252), (true, 1464), (true, 1472), (true, MAX_V4), (true, 9172)]
        .into_iter()
        .chain([(false, 1232), (false, 1444), (false, 1452), (false, MAX_V6), (false, START), (true, FLOOR)])
    {
        let found = Model::searched(1, is_v4, truth).mtu.limit();
        let most = if is_v4 { MAX_V4 } else { MAX_V6 };
        assert_eq!(found, truth.min(most));
    }
}

#[test]
fn a_search_on_an_ethernet_asks_little() {
    let model = Model::searched(1, true, 1472);
    let jumbo = model.asked.iter().filter(|(_, ask)| ask.size > 1500).count();
    assert_eq!(jumbo, 3, "9000 is tried as often as a size is");
    let searching = model.asked.iter().take_while(|(at, _)| at.since(Instant::from_nanos(1_000_000_000)) < seconds(4));
    assert!(searching.count() <= 16, "{:?}", model.asked);
}

#[test]
fn loss_is_not_taken_for_a_narrow_path() {
    let mut right = 0;
    let mut samples = 0;
    let mut fragmenting = 0;
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(1000 + seed);
        let mut model = Model::new(seed, rng.random_bool(0.5), rng.random_range(LEAST..9200));
        model.loss = rng.random_range(0.0..0.3);
        model.rtt = Duration::from_millis(rng.random_range(1..400));
        model.run(seconds(180));
        for _ in 0..20 {
            model.run(seconds(10));
            samples += 1;
            right += u32::from(model.is_right());
            assert!(model.mtu.limit() <= model.truth.max(START), "longer than what passes");
        }
        fragmenting += u32::from(model.truth >= FLOOR && model.least_limit < FLOOR);
        model.loss = 0.0;
        model.run(RAISE_EVERY + SEARCHED);
        model.assert_right();
    }
    assert!(right * 100 >= samples * 97, "{right} of {samples}");
    assert_eq!(fragmenting, 0, "paths that carry an inner 1280 fragment nothing");
}

#[test]
fn a_path_that_narrows_is_noticed_and_left() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let is_v4 = rng.random_bool(0.5);
        let before = rng.random_range(FLOOR + 200..9200);
        let mut model = Model::searched(seed, is_v4, before);
        model.truth = rng.random_range(FLOOR..before);
        let is_hole = model.mtu.limit() > model.truth;
        model.run(seconds(13));
        assert!(!is_hole || model.mtu.limit() <= model.truth, "{} where {} passes", model.mtu.limit(), model.truth);
        model.run(SEARCHED);
        model.assert_right();
        assert!(model.least_limit >= FLOOR);
    }
}

#[test]
fn a_path_that_widens_is_used_to_the_full_after_the_next_search() {
    for seed in 0..50 {
        let mut model = Model::searched(seed, true, 1300 + u16::try_from(seed).expect("few"));
        let before = model.mtu.limit();
        model.truth = MAX_V4;
        model.run(seconds(300));
        assert_eq!(model.mtu.limit(), before, "a search is not done all the time");
        model.run(RAISE_EVERY);
        assert_eq!(model.mtu.limit(), MAX_V4);
    }
}

#[test]
fn a_dead_path_changes_nothing() {
    let mut model = Model::searched(1, true, MAX_V4);
    model.truth = 0;
    model.run(seconds(600));
    assert_eq!(model.mtu.limit(), MAX_V4);
    model.truth = MAX_V4;
    model.run(seconds(70));
    model.truth = 1472;
    model.run(seconds(70));
    assert_eq!(model.mtu.limit(), 1472, "what is noticed after an outage is noticed soon");
}

#[test]
fn a_peer_that_never_answers_is_left_alone() {
    let mut model = Model::new(1, true, 0);
    model.run(seconds(3600));
    assert_eq!(model.mtu.limit(), START);
    assert!(model.asked.len() < 700, "{}", model.asked.len());
}

#[test]
fn an_idle_path_has_no_timer_and_asks_nothing() {
    for pause in (0..6000).step_by(37).map(Duration::from_millis) {
        let mut model = Model::new(1, true, 1472);
        model.run(pause);
        model.data_every = None;
        model.run(seconds(5));
        assert_eq!(model.mtu.poll_timeout(), None);
        let asked = model.asked.len();
        model.run(seconds(3600));
        assert_eq!(model.asked.len(), asked);
    }
}

#[test]
fn an_hour_of_use_asks_a_bounded_number() {
    let mut model = Model::new(1, true, 1472);
    model.run(seconds(3600));
    assert_eq!(model.mtu.limit(), 1472);
    assert!(model.asked.len() < 3600 / 5 + 6 * 20, "{}", model.asked.len());
    let longest = model.asked.windows(2).map(|pair| pair[1].0.since(pair[0].0)).min();
    assert!(longest >= Some(model.rtt), "they come one after the other");
}

#[test]
fn a_packet_now_and_then_is_enough() {
    let mut model = Model::new(1, true, 1472);
    model.data_every = Some(seconds(2));
    model.run(seconds(30));
    assert_eq!(model.mtu.limit(), 1472);
}

#[test]
fn answers_to_nothing_that_was_asked_change_nothing() {
    for seed in 0..50 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut model = Model::new(seed, true, 1400);
        for _ in 0..400 {
            model.run(Duration::from_millis(rng.random_range(1..60)));
            let (limit, timer) = (model.mtu.limit(), model.mtu.poll_timeout());
            let open = model.asked.last().map_or(0, |(_, ask)| ask.id);
            let forged = match rng.random_range(0..3) {
                0 => Ask { id: open + rng.random_range(1..9), size: rng.random_range(LEAST..9000) },
                1 => Ask { id: open, size: model.asked.last().map_or(LEAST, |(_, ask)| ask.size) + 1 },
                _ => Ask { id: rng.random(), size: MAX_V4 },
            };
            assert_eq!(model.mtu.handle_reply(forged, &mut model.ids, model.now), None);
            assert_eq!((model.mtu.limit(), model.mtu.poll_timeout()), (limit, timer));
        }
        model.run(SEARCHED);
        model.assert_right();
    }
}

#[test]
fn a_late_answer_counts() {
    let mut model = Model::new(1, true, 1472);
    model.rtt = Duration::from_millis(900);
    model.run(SEARCHED);
    assert_eq!(model.mtu.limit(), 1472);
}

#[test]
fn what_the_socket_refuses_is_not_used_from_then_on() {
    let mut model = Model::searched(1, true, MAX_V4);
    model.truth = 1460;
    model.mtu.handle_too_long(MAX_V4, model.now);
    assert_eq!(model.mtu.limit(), START, "at once");
    model.run(seconds(3));
    model.assert_right();
    let before = model.mtu.limit();
    model.mtu.handle_too_long(5000, model.now);
    model.mtu.handle_too_long(0, model.now);
    model.mtu.handle_too_long(LEAST, model.now);
    assert_eq!(model.mtu.limit(), before, "nobody sends that");
}

#[test]
fn a_refused_probe_ends_its_trial() {
    let mut model = Model::new(1, true, 1472);
    while model.asked.last().is_none_or(|(_, ask)| ask.size != MAX_V4) {
        model.run(Duration::from_millis(5));
    }
    model.mtu.handle_too_long(MAX_V4, model.now);
    model.under_way = None;
    model.run(seconds(2));
    let jumbo = model.asked.iter().filter(|(_, ask)| ask.size == MAX_V4).count();
    assert_eq!((jumbo, model.mtu.limit()), (1, 1472));
}

#[test]
fn a_decided_mtu_is_not_passed() {
    for (mtu, most) in [(1280, 1312), (1408, 1440), (1420, 1452), (3000, 3032), (8000, 8032), (60_000, MAX_V4)] {
        let mut model = Model::new(1, true, 9172);
        model.mtu = PathMtu::new(&endpoint(true), None, Some(mtu));
        model.run(SEARCHED);
        assert_eq!(model.mtu.limit(), most);
        assert!(model.asked.iter().all(|(_, ask)| ask.size <= most));
    }
}

#[test]
fn another_path_starts_from_what_is_known_but_never_by_fragmenting() {
    let start = |before| PathMtu::new(&endpoint(true), Some(before), None).limit();
    assert_eq!([start(LEAST), start(1380), start(MAX_V4)], [FLOOR, 1380, START]);
    let mut model = Model::searched(1, true, MAX_V4);
    model.truth = 1472;
    model.mtu.handle_left();
    model.run(seconds(1));
    model.mtu.handle_moved();
    model.run(seconds(4));
    assert_eq!(model.mtu.limit(), 1472, "what was known is tried again at once");
}

#[test]
fn silence_makes_the_size_in_use_be_tried_at_once_and_not_more_often_than_it_may() {
    let mut model = Model::searched(1, true, 1472);
    model.run(seconds(6));
    model.data_every = None;
    model.truth = 1340;
    // Not just after it was confirmed.
    model.now = model.mtu.settled_at.expect("it was settled") + Duration::from_millis(500);
    assert_eq!(model.mtu.handle_silence(&mut model.ids, model.now), None);
    // A while later it is, long before its turn.
    model.now = model.now + SUSPECT_EVERY;
    let ask = model.mtu.handle_silence(&mut model.ids, model.now).expect("it is suspected");
    assert_eq!(ask.size, 1472);
    assert_eq!(model.mtu.handle_silence(&mut model.ids, model.now), None, "one at a time");
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
