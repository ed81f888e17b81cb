use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// The shortest and the longest round trip: within one town, and to the other side of the globe.
const RTT_MIN: Duration = Duration::from_millis(2);
const RTT_MAX: Duration = Duration::from_millis(150);

/// A place on a plane whose edges meet, so that nobody is at the rim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    x: f32,
    y: f32,
}

impl Place {
    pub(super) fn anywhere(rng: &mut StdRng) -> Self {
        Self { x: rng.random(), y: rng.random() }
    }

    /// Which half of the plane it is in.
    pub(super) fn is_west(self) -> bool {
        self.x < 0.5
    }

    /// How far another place is, as a share of the farthest.
    fn distance(self, other: Self) -> f32 {
        let along = |one: f32, other: f32| {
            let apart = (one - other).abs();
            apart.min(1.0 - apart)
        };
        let (x, y) = (along(self.x, other.x), along(self.y, other.y));
        (x * x + y * y).sqrt() * std::f32::consts::SQRT_2
    }

    /// The time that a datagram takes.
    pub(super) fn delay(self, other: Self) -> Duration {
        let share = f64::from(self.distance(other).min(1.0));
        (RTT_MIN + (RTT_MAX - RTT_MIN).mul_f64(share)) / 2
    }

    /// The nearest of these places, by their numbers, the nearest first.
    pub(super) fn nearest(self, places: &[Self], count: usize) -> Vec<u32> {
        let mut ranked: Vec<(f32, u32)> =
            places.iter().zip(0..).map(|(place, number)| (self.distance(*place), number)).collect();
        let nearer = |one: &(f32, u32), other: &(f32, u32)| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1));
        if ranked.len() > count {
            ranked.select_nth_unstable_by(count, nearer);
            ranked.truncate(count);
        }
        ranked.sort_by(nearer);
        ranked.into_iter().map(|(_, number)| number).collect()
    }
}
