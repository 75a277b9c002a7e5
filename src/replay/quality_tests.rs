use super::*;

fn noted(origins: impl Iterator<Item = (Origin, bool)>) -> Quality {
    let mut counter = Counter::default();
    for (origin, good) in origins {
        counter.note_then(Some(good));
        counter.note(origin, Some(good));
    }
    counter.report()
}

/// SplitMix64 (Steele, Lea, Flood 2014), over 0 to below 1.
struct Seeded(u64);

impl Seeded {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn an_interval_is_that_of_the_textbook() {
    // 8 of 10: 0.4902 to 0.9433 (Newcombe 1998, method 3).
    let range = wilson(10.0, 0.8);
    assert!(
        (range.from - 0.4902).abs() < 5e-4 && (range.to - 0.9433).abs() < 5e-4,
        "{range:?}"
    );
}

#[test]
fn answers_from_elsewhere_count_as_anything() {
    let kept = Origin::Kept(Chance::CERTAIN);
    let origin = |number| if number < 50 { kept } else { Origin::Unknown };
    let quality = noted((0..100).map(|number| (origin(number), true)));
    let (estimate, bounds) = (quality.estimate.unwrap(), quality.bounds.unwrap());
    assert!((bounds.from - 0.5).abs() < 1e-9 && (bounds.to - 1.0).abs() < 1e-9);
    assert!(estimate.from < 0.5 && (estimate.to - 1.0).abs() < 1e-9);
    assert_eq!(
        (quality.explorable, quality.explored_judged.interval),
        (0, None)
    );
}

#[test]
fn without_a_verdict_nothing_is_said() {
    let mut counter = Counter::default();
    counter.note(Origin::Kept(Chance::CERTAIN), None);
    let quality = counter.report();
    assert_eq!((quality.estimate, quality.bounds), (None, None));
}

#[test]
fn a_rare_lot_weighs_as_much_as_what_it_stands_for() {
    // Where one in ten was drawn all were bad, where one in two was drawn all were good; there are as many of each.
    let origin = |propensity, came| Origin::Explorable(Chance { propensity, came });
    let rare = (0..100).map(|number| (origin(0.1, number % 10 == 0), false));
    let frequent = (0..100).map(|number| (origin(0.5, number % 2 == 0), true));
    let quality = noted(rare.chain(frequent));
    let explored = quality.explored_judged;
    assert_eq!((quality.explorable, quality.explored), (200, 60));
    assert_eq!((explored.judged, explored.good), (60, 50));
    assert!((explored.estimate.unwrap() - 0.5).abs() < 1e-9);
}

/// A world in which the harder half of the requests is explored more often and is answered worse, which fools a plain mean.
fn world(seeded: &mut Seeded) -> Quality {
    noted((0..4_000).map(|number| {
        let (share, good) = if number % 2 == 0 {
            (0.2, 0.6)
        } else {
            (0.05, 0.95)
        };
        let came = seeded.share() < share;
        let chance = Chance {
            propensity: share,
            came,
        };
        // What came from elsewhere says nothing: were it read, it would be seen here.
        (Origin::Explorable(chance), came && seeded.share() < good)
    }))
}

#[test]
fn the_interval_holds_the_truth_as_often_as_it_says() {
    const TRUTH: f64 = (0.6 + 0.95) / 2.0;
    let (mut held, mut plain) = (0, 0);
    for seed in 0..1_000 {
        let explored = world(&mut Seeded(seed)).explored_judged;
        let range = explored.interval.unwrap();
        held += u32::from((range.from..=range.to).contains(&TRUTH));
        let range = wilson(
            explored.judged as f64,
            explored.good as f64 / explored.judged as f64,
        );
        plain += u32::from((range.from..=range.to).contains(&TRUTH));
    }
    // 950 are promised, with a standard deviation of 7; a plain mean of the same verdicts misses nearly always.
    assert!(held >= 930, "{held} of 1000");
    assert!(plain < 300, "{plain} of 1000");
}
