//! Which of a route's endpoints takes a call.

use rand::Rng;

/// The one strategy that MLflow's file knows: each call goes to a destination drawn by its share.
pub(crate) const TRAFFIC_SPLIT: &str = "TRAFFIC_SPLIT";

/// Draws one of the destinations by weight.
pub(crate) fn draw(weights: &[u32]) -> usize {
    let sum: u32 = weights.iter().sum();
    at(weights, rand::rng().random_range(0..sum.max(1)))
}

/// Which destination owns the `roll`-th unit of weight.
fn at(weights: &[u32], mut roll: u32) -> usize {
    for (index, weight) in weights.iter().enumerate() {
        if roll < *weight {
            return index;
        }
        roll -= weight;
    }
    weights.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_of_weight_belongs_to_one_destination() {
        let counts = (0..100).fold([0; 3], |mut counts, roll| {
            counts[at(&[20, 0, 80], roll)] += 1;
            counts
        });
        assert_eq!(counts, [20, 0, 80]);
    }
}
