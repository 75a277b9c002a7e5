use super::*;
use crate::inference::decoder::test_models::{MODELS, golden};
use serde_json::Value;

fn settings(value: &Value) -> Sampling {
    let number = |name: &str, otherwise: f32| {
        value[name]
            .as_f64()
            .map_or(otherwise, |number| number as f32)
    };
    Sampling {
        temperature: number("temperature", 1.0),
        top_k: value["top_k"].as_u64().unwrap_or(0) as usize,
        top_p: number("top_p", 1.0),
        min_p: number("min_p", 0.0),
        repetition_penalty: number("repetition_penalty", 1.0),
        seed: Some(1),
    }
}

fn drawn(sampling: &Sampling, logits: &[f32], count: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(sampling.clone());
    (0..count)
        .map(|_| sampler.choose(&mut logits.to_vec(), &[]).unwrap().id)
        .collect()
}

#[test]
fn the_filters_keep_what_those_of_transformers_keep() {
    for model in MODELS {
        let warpers = golden(model).warpers;
        for case in warpers.cases {
            let sampler = Sampler::new(settings(&case.settings));
            let mut logits = warpers.logits.clone();
            sampler.penalise(&mut logits, &warpers.history);
            let mut kept = sampler.weights(&logits);
            kept.sort_unstable_by_key(|(id, _)| *id);
            let total: f32 = kept.iter().map(|(_, weight)| weight).sum();
            let ids = |kept: &[Candidate]| kept.iter().map(|(id, _)| *id).collect::<Vec<_>>();
            assert_eq!(ids(&kept), ids(&case.kept), "{}", case.settings);
            for ((_, weight), (_, expected)) in kept.iter().zip(&case.kept) {
                assert!(
                    (weight / total - expected).abs() < 1e-4,
                    "{}",
                    case.settings
                );
            }
        }
    }
}

#[test]
fn a_seed_repeats_and_another_seed_does_not() {
    let logits: Vec<f32> = (0..50).map(|id| (id as f32 * 0.7).sin()).collect();
    let with_seed = |seed| Sampling {
        temperature: 1.0,
        seed: Some(seed),
        ..Sampling::greedy()
    };
    assert_eq!(
        drawn(&with_seed(5), &logits, 100),
        drawn(&with_seed(5), &logits, 100)
    );
    assert_ne!(
        drawn(&with_seed(5), &logits, 100),
        drawn(&with_seed(6), &logits, 100)
    );
    let unseeded = Sampling {
        seed: None,
        ..with_seed(0)
    };
    assert_ne!(
        drawn(&unseeded, &logits, 100),
        drawn(&unseeded, &logits, 100)
    );
}

#[test]
fn tokens_are_drawn_as_often_as_they_are_likely() {
    let probabilities = [0.5_f32, 0.3, 0.15, 0.05];
    let logits: Vec<f32> = probabilities
        .iter()
        .map(|probability| probability.ln() + 3.0)
        .collect();
    let sampling = Sampling {
        temperature: 1.0,
        seed: Some(11),
        ..Sampling::greedy()
    };
    let drawn = drawn(&sampling, &logits, 20_000);
    for (id, probability) in (0..).zip(probabilities) {
        let share = drawn.iter().filter(|drawn| **drawn == id).count() as f32 / 20_000.0;
        assert!(
            (share - probability).abs() < 0.015,
            "{share} of token {id}, expected {probability}"
        );
    }
}

#[test]
fn top_p_over_a_large_vocabulary_keeps_what_a_full_sort_keeps() {
    let logits: Vec<f32> = (0..5000_u32)
        .map(|id| ((id.wrapping_mul(2_654_435_761) >> 20) as f32) / 4096.0)
        .collect();
    for top_p in [0.1, 0.5, 0.99] {
        let sampler = Sampler::new(Sampling {
            temperature: 1.0,
            top_p,
            ..Sampling::greedy()
        });
        let mut all: Vec<(u32, f64)> = (0..)
            .zip(logits.iter().map(|logit| f64::from(*logit).exp()))
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let total: f64 = all.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let expected = all.iter().take_while(|(_, weight)| {
            let wanted = sum < f64::from(top_p) * total;
            sum += weight;
            wanted
        });
        let (expected, found) = (expected.count(), sampler.weights(&logits).len());
        assert!(
            found.abs_diff(expected) <= 1,
            "{found}, expected {expected}"
        );
    }
}

#[test]
fn greedy_takes_the_first_of_the_likeliest_and_says_how_sure_the_model_was() {
    let mut sampler = Sampler::new(Sampling::greedy());
    let chosen = sampler.choose(&mut [1.0, 3.0, 3.0, -2.0], &[]).unwrap();
    assert_eq!(chosen.id, 1);
    assert!(
        (chosen.log_probability - -0.761_8).abs() < 1e-3,
        "{}",
        chosen.log_probability
    );
}

#[test]
fn a_repeated_token_loses_against_one_nearly_as_likely() {
    let mut sampler = Sampler::new(Sampling {
        repetition_penalty: 1.5,
        ..Sampling::greedy()
    });
    assert_eq!(
        sampler.choose(&mut [2.0, 1.9, -1.0], &[0, 0]).unwrap().id,
        1
    );
    assert_eq!(
        sampler
            .choose(&mut [-1.0, -1.2, -9.0], &[0, 700])
            .unwrap()
            .id,
        1
    );
}

#[test]
fn logits_that_are_no_numbers_are_an_error() {
    let mut sampler = Sampler::new(Sampling::greedy());
    for logits in [
        [f32::NAN, 1.0],
        [f32::INFINITY, 1.0],
        [f32::NEG_INFINITY; 2],
    ] {
        assert!(
            sampler.choose(&mut logits.clone(), &[]).is_err(),
            "{logits:?}"
        );
    }
}

#[test]
fn every_setting_out_of_range_is_named() {
    let wrong = Sampling {
        temperature: -1.0,
        top_k: 0,
        top_p: 0.0,
        min_p: 2.0,
        repetition_penalty: f32::NAN,
        seed: None,
    };
    assert_eq!(
        wrong.mistakes(),
        [
            "temperature is -1, expected 0 or more",
            "top_p is 0, expected over 0 and at most 1",
            "min_p is 2, expected from 0 to 1",
            "repetition_penalty is NaN, expected over 0",
        ]
    );
}
