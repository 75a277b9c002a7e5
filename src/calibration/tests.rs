use super::binomial::{at_most, lower, upper};
use super::*;
use crate::domain::Probability;

/// A small generator for simulations (`xorshift64*`, Vigna 2016), seeded, so that a failure can be seen again.
struct Dice(u64);

impl Dice {
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Where traffic lies, and how often a local answer to it is bad.
struct World {
    name: &'static str,
    complexity: fn(f64) -> f64,
    error: fn(f64) -> f64,
}

const WORLDS: [World; 6] = [
    World {
        name: "errors rise with complexity",
        complexity: |u| u,
        error: |c| 0.4 * c * c,
    },
    World {
        name: "most requests are easy",
        complexity: |u| u * u,
        error: |c| 0.01 + 0.3 * c,
    },
    World {
        name: "complexity knows nothing, the rate is just too high",
        complexity: |u| u,
        error: |_| 0.055,
    },
    World {
        name: "complexity knows nothing, the rate is just low enough",
        complexity: |u| u,
        error: |_| 0.045,
    },
    World {
        name: "the easiest are the worst",
        complexity: |u| u,
        error: |c| if c < 0.1 { 0.3 } else { 0.03 },
    },
    World {
        name: "a cliff",
        complexity: |u| u,
        error: |c| if c < 0.35 { 0.03 } else { 0.5 },
    },
];

impl World {
    fn draw(&self, dice: &mut Dice) -> Judged {
        let complexity = (self.complexity)(dice.share());
        let good = dice.share() >= (self.error)(complexity);
        Judged::new(Probability::clamped(complexity as f32), good)
    }

    /// The true rate of bad answers among those at or under a threshold.
    fn rate(&self, threshold: f32) -> f64 {
        let traffic = (0..20_000).map(|step| (self.complexity)((f64::from(step) + 0.5) / 2e4));
        let local = traffic.filter(|complexity| *complexity as f32 <= threshold);
        let (count, errors) = local.fold((0.0, 0.0), |(count, errors), complexity| {
            (count + 1.0, errors + (self.error)(complexity))
        });
        errors / f64::max(count, 1.0)
    }
}

fn promise(max_local_error: f64, confidence: f64) -> Promise {
    Promise::new(max_local_error, confidence).unwrap()
}

fn easy(count: usize, bad: usize) -> Vec<Judged> {
    let one = |row: usize| {
        Judged::new(
            Probability::clamped(row as f32 / count as f32),
            row % (count / bad.max(1)) != 1 || bad == 0,
        )
    };
    (0..count).map(one).collect()
}

#[test]
fn the_promise_is_broken_in_no_more_of_a_thousand_splits_than_it_says() {
    const SPLITS: u32 = 1_000;
    let mut dice = Dice(0x5EED);
    for world in &WORLDS {
        for (size, max_error, confidence) in [(120, 0.1, 0.8), (300, 0.05, 0.9), (900, 0.05, 0.95)]
        {
            let promise = promise(max_error, confidence);
            let rates: Vec<f64> = (1..=200)
                .map(|step| world.rate(step as f32 / 200.0))
                .collect();
            let mut broken = 0;
            for _ in 0..SPLITS {
                let outcomes: Vec<Judged> = (0..size).map(|_| world.draw(&mut dice)).collect();
                if let Some(chosen) = calibrate(&outcomes, promise).chosen {
                    let step = (chosen.threshold.get() * 200.0).round() as usize;
                    broken += u32::from(rates[step - 1] > max_error);
                }
            }
            // Three standard deviations of a thousand lots.
            let risk = 1.0 - confidence;
            let most =
                f64::from(SPLITS) * risk + 3.0 * (f64::from(SPLITS) * risk * confidence).sqrt();
            assert!(
                f64::from(broken) <= most,
                "{}, {size} outcomes: broken {broken} times of {SPLITS}",
                world.name
            );
        }
    }
}

#[test]
fn a_thousand_splits_would_show_a_threshold_chosen_without_a_bound() {
    let world = &WORLDS[5];
    let mut dice = Dice(7);
    let naive = |outcomes: &[Judged]| {
        let rate = |threshold: f32| {
            let local = outcomes
                .iter()
                .filter(|outcome| outcome.complexity.get() <= threshold);
            let bad = local.clone().filter(|outcome| !outcome.good).count();
            bad as f64 / local.count().max(1) as f64
        };
        (1..=200)
            .rev()
            .map(|step| step as f32 / 200.0)
            .find(|threshold| rate(*threshold) <= 0.05)
    };
    let broken = (0..200).filter(|_| {
        let outcomes: Vec<Judged> = (0..400).map(|_| world.draw(&mut dice)).collect();
        naive(&outcomes).is_some_and(|threshold| world.rate(threshold) > 0.05)
    });
    assert!(
        broken.count() > 40,
        "the simulation would not notice a broken promise"
    );
}

#[test]
fn what_is_answered_locally_grows_with_the_outcomes() {
    let (world, promise) = (&WORLDS[0], promise(0.05, 0.95));
    let mut dice = Dice(11);
    let mut share = |size: usize| {
        let shares = (0..40).map(|_| {
            let outcomes: Vec<Judged> = (0..size).map(|_| world.draw(&mut dice)).collect();
            calibrate(&outcomes, promise)
                .chosen
                .map_or(0.0, |chosen| chosen.share)
        });
        shares.sum::<f64>() / 40.0
    };
    let (few, many) = (share(400), share(6_000));
    assert!(
        few < many && many > 0.5,
        "{few} then {many}, of 0.61 that could be"
    );
}

#[test]
fn nothing_above_the_outcomes_is_vouched_for() {
    let outcomes: Vec<Judged> = easy(2_000, 0)
        .into_iter()
        .map(|outcome| Judged {
            complexity: Probability::clamped(outcome.complexity.get() * 0.3),
            ..outcome
        })
        .collect();
    let found = calibrate(&outcomes, promise(0.05, 0.95));
    let threshold = found.chosen.unwrap().threshold.get();
    assert!((0.28..=0.3).contains(&threshold), "{threshold}");
}

#[test]
fn too_few_outcomes_are_infeasible_and_say_how_many_would_do() {
    // Without one error, 59 answers are the fewest that show 5 % at 95 %; four fifths of all judge.
    let found = calibrate(&easy(40, 0), promise(0.05, 0.95));
    assert_eq!(found.chosen, None);
    let needed = found.needed.unwrap();
    assert!((59..=160).contains(&needed), "{needed}");
    assert!(
        calibrate(&easy(2 * needed as usize, 0), promise(0.05, 0.95))
            .chosen
            .is_some()
    );
}

#[test]
fn where_every_rate_is_too_high_no_number_of_outcomes_would_do() {
    let outcomes: Vec<Judged> = (0..3_000)
        .map(|row| Judged::new(Probability::clamped(row as f32 / 3e3), row % 3 != 0))
        .collect();
    let found = calibrate(&outcomes, promise(0.05, 0.95));
    assert_eq!((found.chosen, found.needed), (None, None));
    let nothing = calibrate(&[], promise(0.05, 0.95));
    assert_eq!((nothing.chosen, nothing.start), (None, None));
}

#[test]
fn rows_judged_more_often_than_others_count_for_less() {
    // Hard requests were judged a tenth as often. Counted as they are, all of them would seem to be answered well.
    let mut dice = Dice(3);
    let mut outcomes = Vec::new();
    while outcomes.len() < 6_000 {
        let mut outcome = WORLDS[5].draw(&mut dice);
        outcome.propensity = if outcome.complexity.get() < 0.35 {
            1.0
        } else {
            0.05
        };
        if dice.share() < outcome.propensity {
            outcomes.push(outcome);
        }
    }
    let chosen = |outcomes: &[Judged]| {
        let found = calibrate(outcomes, promise(0.08, 0.95));
        (
            WORLDS[5].rate(found.chosen.unwrap().threshold.get()),
            found.rows,
        )
    };
    let (rate, rows) = chosen(&outcomes);
    assert!(rate <= 0.08, "{rate}");
    assert!(rows.kept < rows.given);
    outcomes
        .iter_mut()
        .for_each(|outcome| outcome.propensity = 1.0);
    assert!(chosen(&outcomes).0 > 0.08, "the weights made no difference");
}

#[test]
fn what_remote_answers_would_have_cost_is_added_up() {
    let mut outcomes = easy(1_000, 0);
    outcomes
        .iter_mut()
        .for_each(|outcome| outcome.remote_usd = Some(0.01));
    let chosen = calibrate(&outcomes, promise(0.05, 0.95)).chosen.unwrap();
    let (saved, all) = (chosen.saved_usd.unwrap(), chosen.all_remote_usd.unwrap());
    assert!((saved / all - chosen.share).abs() < 1e-9, "{chosen:?}");
    assert_eq!(
        calibrate(&easy(1_000, 0), promise(0.05, 0.95))
            .chosen
            .unwrap()
            .saved_usd,
        None
    );
}

#[test]
fn binomial_tails_are_those_of_the_tables() {
    // scipy.stats.binom.cdf.
    for (errors, trials, rate, tail) in [
        (0, 59, 0.05, 0.048_494_525_249_423),
        (3, 100, 0.05, 0.257_838_659_116_015),
        (30, 1_000, 0.05, 0.001_277_067_917_48),
        (5_100, 100_000, 0.05, 0.927_274_199_312_1),
        (7, 7, 0.2, 1.0),
    ] {
        let got = at_most(errors, trials, rate);
        assert!(
            (got - tail).abs() < 1e-9,
            "{errors} of {trials}: {got}, not {tail}"
        );
    }
}

#[test]
fn bounds_are_those_of_clopper_and_pearson() {
    // scipy.stats.beta.ppf.
    assert!(
        (upper(2, 50, 0.05) - 0.120_614_16).abs() < 1e-5,
        "{}",
        upper(2, 50, 0.05)
    );
    assert!(
        (lower(2, 50, 0.05) - 0.007_153_72).abs() < 1e-5,
        "{}",
        lower(2, 50, 0.05)
    );
    assert!((upper(0, 59, 0.05) - 0.049_507_61).abs() < 1e-5);
    assert_eq!((lower(0, 10, 0.05), upper(10, 10, 0.05)), (0.0, 1.0));
}

#[test]
fn later_outcomes_keep_break_or_leave_a_promise_open() {
    let later = |count, bad| check(promise(0.05, 0.95), &easy(count, bad));
    assert_eq!(later(2_000, 40).held, Held::Kept);
    assert_eq!(later(2_000, 200).held, Held::Broken);
    let open = later(100, 4);
    assert_eq!((open.held, open.bad), (Held::TooFew, 4));
    assert!(open.needed.unwrap() > 1_000, "{open:?}");
    assert_eq!(later(0, 0).held, Held::TooFew);
}

#[test]
fn what_is_no_promise_is_refused() {
    for (error, confidence) in [
        (0.0, 0.9),
        (1.0, 0.9),
        (f64::NAN, 0.9),
        (0.1, 1.0),
        (0.1, 0.4),
        (0.1, f64::NAN),
    ] {
        assert!(
            Promise::new(error, confidence).is_err(),
            "{error} {confidence}"
        );
    }
}

fn here() -> MeasuredBy {
    MeasuredBy {
        encoder_sha256: "e".into(),
        heads_sha256: "h".into(),
    }
}

fn written(count: usize) -> String {
    let found = calibrate(&easy(count, 0), promise(0.05, 0.95));
    Document::new(&found, "d".into(), here(), "2026-11-21".into())
        .to_json()
        .unwrap()
}

#[test]
fn a_written_calibration_keeps_the_promise_it_was_made_for_and_weaker_ones() {
    let document = Document::parse(&written(1_000)).unwrap();
    for (error, confidence) in [(0.05, 0.95), (0.1, 0.9)] {
        assert!(matches!(
            document.fits(promise(error, confidence), &here()),
            Fit::Keeps(_)
        ));
    }
    for (error, confidence) in [(0.04, 0.95), (0.05, 0.99)] {
        assert!(matches!(
            document.fits(promise(error, confidence), &here()),
            Fit::Unfit(_)
        ));
    }
}

#[test]
fn a_calibration_for_other_heads_or_without_a_threshold_fits_nothing() {
    let other = MeasuredBy {
        heads_sha256: "other".into(),
        ..here()
    };
    let document = Document::parse(&written(1_000)).unwrap();
    assert!(matches!(
        document.fits(promise(0.05, 0.95), &other),
        Fit::Unfit(_)
    ));
    let document = Document::parse(&written(40)).unwrap();
    assert!(matches!(
        document.fits(promise(0.05, 0.95), &here()),
        Fit::Unfit(_)
    ));
}

#[test]
fn a_calibration_that_was_changed_is_refused() {
    let text = written(1_000);
    for (right, wrong) in [
        ("\"bad\": 0", "\"bad\": 90"),
        ("\"version\": 1", "\"version\": 2"),
        ("\"confidence\": 0.95", "\"confidence\": 2"),
    ] {
        let changed = text.replace(right, wrong);
        assert_ne!(changed, text);
        assert!(Document::parse(&changed).is_err(), "{wrong}");
    }
    assert!(Document::parse("{}").is_err());
}
