//! In which order a route's endpoints are asked for a call.

mod sticky;

use rand::Rng;

use crate::request::Request;
use crate::served::Route;

pub(crate) use sticky::StickyBy;

/// The one strategy that MLflow's file knows: each call goes to a destination drawn by its share.
pub(crate) const TRAFFIC_SPLIT: &str = "TRAFFIC_SPLIT";
const LEAST_LATENCY: &str = "LEAST_LATENCY";
const STICKY: &str = "STICKY";

/// How a route shares its calls: `routing_strategy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// By the shares alone.
    #[default]
    TrafficSplit,
    /// The better one of two drawn at random, by how fast they answer and how many calls they have: the choice of two
    /// avoids that all callers run to the same fast one.
    LeastLatency,
    /// Who belongs together goes to the same endpoint, as long as that one is well; shares count as weights.
    Sticky(Vec<StickyBy>),
}

impl Strategy {
    /// What a configuration may write.
    pub(crate) const NAMES: [&str; 3] = [TRAFFIC_SPLIT, LEAST_LATENCY, STICKY];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            TRAFFIC_SPLIT => Self::TrafficSplit,
            LEAST_LATENCY => Self::LeastLatency,
            STICKY => Self::Sticky(StickyBy::DEFAULT.to_vec()),
            _ => return None,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::TrafficSplit => TRAFFIC_SPLIT,
            Self::LeastLatency => LEAST_LATENCY,
            Self::Sticky(_) => STICKY,
        }
    }
}

/// The destinations that may take a call, the first choice first. Those without a share take none.
pub(crate) fn order(route: &Route, request: &Request) -> Vec<usize> {
    match &route.strategy {
        Strategy::TrafficSplit => drawn(&route.weights),
        Strategy::LeastLatency => {
            let loads: Vec<f64> = route.destinations.iter().map(|it| it.health.load()).collect();
            best_of_two(&route.weights, &loads)
        }
        Strategy::Sticky(by) => match sticky::key(by, request) {
            Some(key) => rendezvous(route, key),
            None => drawn(&route.weights),
        },
    }
}

/// Draws the destinations one after the other, each by its weight among those that are left.
fn drawn(weights: &[u32]) -> Vec<usize> {
    // The order of exponential clocks that tick at the rates of the weights is such a draw.
    let mut rng = rand::rng();
    by_clock(weights, |_| rng.random_range(f64::MIN_POSITIVE..1.0))
}

/// Weighted rendezvous hashing: each destination has its own clock for each key, so that one that comes or goes moves
/// only the keys that it has.
fn rendezvous(route: &Route, key: u64) -> Vec<usize> {
    by_clock(&route.weights, |index| sticky::unit(key, &route.destinations[index].info.name))
}

/// The destinations in the order in which their clocks ring; `unit` gives each a number between 0 and 1.
fn by_clock(weights: &[u32], mut unit: impl FnMut(usize) -> f64) -> Vec<usize> {
    let mut clocks: Vec<(f64, usize)> = weights
        .iter()
        .enumerate()
        .filter(|(_, weight)| **weight > 0)
        .map(|(index, weight)| (-unit(index).ln() / f64::from(*weight), index))
        .collect();
    clocks.sort_by(|left, right| left.0.total_cmp(&right.0));
    clocks.into_iter().map(|(_, index)| index).collect()
}

/// Of the first two of a draw the one with the lower load comes first, then the others by their load.
fn best_of_two(weights: &[u32], loads: &[f64]) -> Vec<usize> {
    let even: Vec<u32> = weights.iter().map(|it| u32::from(*it > 0)).collect();
    let mut order = drawn(&even);
    let first = order.len().min(2);
    order[..first].sort_by(|left, right| loads[*left].total_cmp(&loads[*right]));
    if order.len() > 2 {
        order[1..].sort_by(|left, right| loads[*left].total_cmp(&loads[*right]));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_weights() {
        let mut firsts = [0_u32; 3];
        for _ in 0..10_000 {
            let order = drawn(&[20, 0, 80]);
            assert_eq!(order.len(), 2, "a destination without a share");
            firsts[order[0]] += 1;
        }
        assert_eq!(firsts[1], 0);
        // Ten standard deviations.
        assert!((1600..2400).contains(&firsts[0]), "{firsts:?}");
    }

    #[test]
    fn the_slowest_of_three_is_never_first() {
        for _ in 0..1000 {
            let order = best_of_two(&[1, 98, 1], &[0.1, 9.0, 0.2]);
            assert_ne!(order[0], 1);
            assert_eq!(order.len(), 3);
        }
        assert_eq!(best_of_two(&[100], &[1.0]), [0]);
        assert_eq!(best_of_two(&[50, 50], &[2.0, 1.0]), [1, 0]);
    }

    #[test]
    fn a_destination_that_goes_moves_only_its_own_keys() {
        let names = ["a", "b", "c"];
        let order = |weights: &[u32], key: u64| by_clock(weights, |index| sticky::unit(key, names[index]));
        let mut moved = 0;
        for key in 0..1000 {
            let before = order(&[1, 1, 1], key);
            assert_eq!(before, order(&[1, 1, 1], key));
            let after = order(&[1, 1, 0], key);
            if before[0] == 2 {
                moved += 1;
                assert_eq!(after[0], before[1]);
            } else {
                assert_eq!(after[0], before[0]);
            }
        }
        assert!((230..440).contains(&moved), "{moved}");
    }
}
