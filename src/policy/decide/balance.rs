//! Several endpoints of one model: who is asked first.
//!
//! Everyone here may answer: privacy, quality and money were settled for each endpoint by itself, before. Endpoints of one
//! model change places among themselves alone, so that the order of models stays the operator's.

use super::Case;
use super::latency::ENOUGH_SAMPLES;
use crate::policy::settings::{Balance, Model, Pool};

impl Case<'_> {
    /// Puts the endpoints of each model in the order in which they are asked: those at rest last, the others as the
    /// operator says.
    pub(super) fn balance(&self, chosen: &mut [&Model]) {
        let mut done: Vec<&str> = Vec::new();
        for at in 0..chosen.len() {
            let Some(pool) = &chosen[at].pool else {
                continue;
            };
            if done.contains(&&*pool.name) {
                continue;
            }
            done.push(&pool.name);
            let is_one =
                |model: &&Model| model.pool.as_ref().is_some_and(|one| one.name == pool.name);
            let places: Vec<usize> = (at..chosen.len())
                .filter(|at| is_one(&chosen[*at]))
                .collect();
            let mut ranked: Vec<(Rank, &Model)> = places
                .iter()
                .map(|at| (self.rank(chosen[*at]), chosen[*at]))
                .collect();
            ranked.sort_by(|(one, _), (other, _)| one.order(other));
            for (place, (_, model)) in places.into_iter().zip(ranked) {
                chosen[place] = model;
            }
        }
    }

    fn rank(&self, model: &Model) -> Rank {
        let Some(pool) = &model.pool else {
            return Rank::default();
        };
        let name = &*model.name;
        let load = match pool.balance {
            Balance::Weighted => 0.0,
            Balance::LeastBusy => f64::from(self.standing.in_flight(name)) / pool.weight,
            Balance::Fastest => {
                let seen = self.standing.latency(name);
                let seen = seen.filter(|seen| seen.samples >= ENOUGH_SAMPLES);
                seen.map_or(0.0, |seen| seen.first_token.as_secs_f64())
            }
        };
        Rank {
            rests: self
                .standing
                .resting
                .iter()
                .any(|resting| **resting == *name),
            load,
            lot: self.own_lot(name, pool),
        }
    }

    /// How late the lot lets this endpoint come: exponentially distributed with its weight as the rate, so that each is
    /// first as often as its weight says, and so on among the rest (Efraimidis and Spirakis, 2006). Without a lot, by
    /// weight.
    fn own_lot(&self, name: &str, pool: &Pool) -> f64 {
        let Some(lot) = self.standing.lot else {
            return 1.0 / pool.weight;
        };
        // The endpoint's name is mixed in, so that each has a lot of its own out of the request's one.
        let even = even(lot.to_bits(), name);
        -even.ln() / pool.weight
    }
}

/// Who comes first: the smaller.
#[derive(Debug, Clone, Copy, Default)]
struct Rank {
    rests: bool,
    load: f64,
    lot: f64,
}

impl Rank {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let rests = self.rests.cmp(&other.rests);
        let load = self.load.total_cmp(&other.load);
        rests.then(load).then(self.lot.total_cmp(&other.lot))
    }
}

/// A number even over 0 to 1, both left out, from a lot and a name: FNV-1a over both, then the finish of MurmurHash3.
fn even(lot: u64, name: &str) -> f64 {
    let bytes = lot.to_le_bytes();
    let mut hash = bytes
        .iter()
        .chain(name.as_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_are_even_and_each_comes_first_as_often_as_its_weight_says() {
        let weights = [("gpt/a", 1.0), ("gpt/b", 2.0), ("gpt/c", 7.0)];
        let mut first = [0_u32; 3];
        let rounds = 20_000;
        for round in 0..rounds {
            let lot = f64::from(round) / f64::from(rounds);
            let came = weights.map(|(name, weight)| -even(lot.to_bits(), name).ln() / weight);
            let winner = (0..3).min_by(|a, b| came[*a].total_cmp(&came[*b]));
            first[winner.unwrap()] += 1;
        }
        for (count, (_, weight)) in first.iter().zip(weights) {
            let share = f64::from(*count) / f64::from(rounds);
            assert!((share - weight / 10.0).abs() < 0.015, "{first:?}");
        }
    }

    #[test]
    fn who_rests_comes_last_whatever_its_load() {
        let busy = Rank {
            rests: false,
            load: 9.0,
            lot: 1.0,
        };
        let resting = Rank {
            rests: true,
            load: 0.0,
            lot: 0.0,
        };
        assert!(busy.order(&resting).is_lt());
    }
}
