//! Figures over time, read back.

use std::collections::BTreeMap;

use holloway_dashboard::api::{History, PageQuery, Sample, SchemaVersion};
use holloway_wire::UnixTime;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::ConsoleError;
use super::open::ConsoleStore;
use super::retain::{STEPS, Step};
use crate::clock::rfc3339;

/// Samples in one answer, where nobody says and at most.
const POINTS: u32 = 300;
const POINTS_MAX: u32 = 2_000;

/// Entries of one page, where nobody says and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;

const DAY: i64 = 24 * 3600;

/// A time in seconds since 1970 as RFC 3339.
pub(super) fn time_text(seconds: i64) -> String {
    rfc3339(UnixTime::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Which entries are asked for: those before a number, newest first.
pub(super) struct Page {
    pub(super) before: i64,
    pub(super) limit: i64,
}

impl Page {
    pub(super) fn of(query: &PageQuery) -> Self {
        Self {
            before: query.before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX),
            limit: i64::from(query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX)),
        }
    }

    /// What the next page is asked for with, if this one is full.
    pub(super) fn next(&self, ids: impl ExactSizeIterator<Item = u64>) -> Option<u64> {
        if ids.len() as i64 == self.limit { ids.last() } else { None }
    }
}

/// Whose figures: the row of a network, and the member's id.
pub(super) struct Subject<'a> {
    pub(super) network: &'a str,
    pub(super) node: &'a str,
    /// Whether it is this machine, of which the sums of what it carries are asked for.
    pub(super) is_own: bool,
}

/// From when until when, and in how many samples at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) since: i64,
    pub(super) until: i64,
    pub(super) points: i64,
}

impl Range {
    /// What was asked for, made sensible; `now` in seconds since 1970.
    pub(super) fn new(since: Option<u64>, until: Option<u64>, points: Option<u32>, now: i64) -> Self {
        let seconds = |time: u64| i64::try_from(time).unwrap_or(now);
        let until = until.map_or(now, seconds).clamp(0, now);
        let since = since.map_or(until - DAY, seconds).clamp(0, until);
        Self { since, until, points: i64::from(points.unwrap_or(POINTS).clamp(1, POINTS_MAX)) }
    }

    /// The resolutions that have it all, finest first: what is kept, and how many seconds shall make one sample.
    fn resolutions(self, now: i64) -> Vec<(Step, i64)> {
        let span = self.until - self.since;
        let reaching = STEPS.into_iter().filter(|step| self.since >= now - step.kept);
        let coarsest = STEPS[STEPS.len() - 1];
        let mut fitting: Vec<(Step, i64)> =
            reaching.filter(|step| span / step.seconds <= self.points).map(|step| (step, step.seconds)).collect();
        let times = (span / coarsest.seconds / self.points + 1).max(1);
        fitting.push((coarsest, coarsest.seconds * times));
        fitting
    }
}

impl ConsoleStore {
    /// The figures of a member at the finest resolution that fits and has any.
    pub(super) async fn history(&self, subject: Subject<'_>, range: Range, now: i64) -> Result<History, ConsoleError> {
        let node: Option<i64> = sqlx::query_scalar(
            "SELECT node.id FROM node JOIN network ON network.id = node.network
             WHERE network.network_id = $1 AND node.node_id = $2",
        )
        .bind(subject.network)
        .bind(subject.node)
        .fetch_optional(&self.readers)
        .await?;
        let mut history = History { schema: SchemaVersion, step_s: 0, samples: Vec::new() };
        for (step, seconds) in range.resolutions(now) {
            history.step_s = u32::try_from(seconds).unwrap_or(u32::MAX);
            let Some(node) = node else { continue };
            let rows = sqlx::query(
                "SELECT * FROM sample WHERE node = $1 AND step = $2 AND at >= $3 AND at <= $4 AND $5 =
                     (SELECT COUNT(*) FROM carrier WHERE carrier.node = sample.node AND carrier.machine = sample.machine)
                 ORDER BY at",
            )
            .bind(node)
            .bind(step.seconds)
            .bind(range.since - range.since.rem_euclid(step.seconds))
            .bind(range.until)
            .bind(i64::from(subject.is_own))
            .fetch_all(&self.readers)
            .await?;
            history.samples = samples(&rows, seconds)?;
            if !history.samples.is_empty() {
                break;
            }
        }
        Ok(history)
    }
}

/// Sums of looks, by the times at which steps of so many seconds began.
pub(super) fn samples(rows: &[AnyRow], seconds: i64) -> Result<Vec<Sample>, ConsoleError> {
    let mut sums: BTreeMap<i64, Sums> = BTreeMap::new();
    for row in rows {
        let at: i64 = row.try_get("at")?;
        sums.entry(at - at.rem_euclid(seconds)).or_default().add(row)?;
    }
    Ok(sums.iter().map(|(at, sums)| sums.sample(*at)).collect())
}

#[derive(Default)]
struct Sums {
    looks: i64,
    reached: i64,
    rtt_looks: i64,
    rtt_us: i64,
    rtt_max_us: i64,
    rx_bytes: i64,
    tx_bytes: i64,
    dropped: i64,
    load_looks: i64,
    load: i64,
    members: i64,
}

impl Sums {
    fn add(&mut self, row: &AnyRow) -> Result<(), ConsoleError> {
        let of = |name: &str| row.try_get::<i64, _>(name);
        self.looks += of("looks")?;
        self.reached += of("reached")?;
        self.rtt_looks += of("rtt_looks")?;
        self.rtt_us = self.rtt_us.saturating_add(of("rtt_us")?);
        self.rtt_max_us = self.rtt_max_us.max(of("rtt_max_us")?);
        self.rx_bytes = self.rx_bytes.saturating_add(of("rx_bytes")?);
        self.tx_bytes = self.tx_bytes.saturating_add(of("tx_bytes")?);
        self.dropped = self.dropped.saturating_add(of("dropped")?);
        self.load_looks += of("load_looks")?;
        self.load += of("load")?;
        self.members = self.members.max(of("members")?);
        Ok(())
    }

    fn sample(&self, at: i64) -> Sample {
        let share = |part: i64, whole: i64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let has_rtt = self.rtt_looks > 0;
        let unsigned = |value: i64| u64::try_from(value).unwrap_or(0);
        Sample {
            at: unsigned(at),
            reachable: share(self.reached, self.looks),
            rtt_ms: has_rtt.then(|| share(self.rtt_us, self.rtt_looks) / 1000.0),
            rtt_max_ms: has_rtt.then(|| self.rtt_max_us as f64 / 1000.0),
            rx_bytes: unsigned(self.rx_bytes),
            tx_bytes: unsigned(self.tx_bytes),
            dropped: unsigned(self.dropped),
            load_percent: (self.load_looks > 0).then(|| share(self.load, self.load_looks)),
            members: (self.members > 0).then(|| unsigned(self.members)),
        }
    }
}
