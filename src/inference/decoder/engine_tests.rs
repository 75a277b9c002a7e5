use super::*;
use crate::inference::decoder::test_models::{MODELS, engine, golden, path};
use crate::inference::test_files::runtime;

fn ids(tokens: &[u32]) -> Vec<i64> {
    tokens.iter().map(|id| i64::from(*id)).collect()
}

fn likeliest(logits: &[f32]) -> (u32, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, logit) in (0..).zip(logits) {
        if *logit > best.1 {
            best = (id, *logit);
        }
    }
    let sum: f32 = logits.iter().map(|logit| (logit - best.1).exp()).sum();
    (best.0, -sum.ln())
}

fn near(found: &[f32], expected: &[f32]) -> bool {
    found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-3)
}

#[test]
fn greedy_tokens_and_their_probabilities_are_those_of_transformers() {
    for model in MODELS {
        let mut engine = engine(model);
        for case in golden(model).greedy {
            let mut cache = engine
                .empty_cache(case.ids.len() + case.greedy.len())
                .unwrap();
            let mut next = ids(&case.ids);
            for (expected, log_probability) in case.greedy.iter().zip(&case.log_probabilities) {
                let logits = engine.forward(&mut cache, &next).unwrap();
                let (found, probability) = likeliest(&logits[0]);
                assert_eq!(found, *expected, "{model}: {}", case.prompt);
                assert!(
                    (probability - log_probability).abs() < 1e-3,
                    "{model}: {probability} for {log_probability}"
                );
                next = ids(&[found]);
            }
        }
    }
}

#[test]
fn a_prompt_read_in_chunks_gives_what_it_gives_read_whole() {
    for model in MODELS {
        let mut engine = engine(model);
        for case in golden(model).greedy {
            let reserve = case.ids.len();
            let mut whole = engine.empty_cache(reserve).unwrap();
            let expected = engine.forward(&mut whole, &ids(&case.ids)).unwrap();
            for chunk in [1, 3, 7, 64] {
                let mut cache = engine.empty_cache(reserve).unwrap();
                let mut found = Vec::new();
                for part in case.ids.chunks(chunk) {
                    found = engine.forward(&mut cache, &ids(part)).unwrap();
                }
                assert!(
                    near(&found[0], &expected[0]),
                    "{model}, {chunk} at once: {}",
                    case.prompt
                );
            }
        }
    }
}

/// Rows of unequal length join one after another, go on together, and leave in another order.
#[test]
fn rows_of_one_batch_give_what_each_gives_alone() {
    for model in MODELS {
        let mut engine = engine(model);
        assert!(engine.batches(), "{model}");
        let cases = golden(model).greedy;
        let mut rows: Vec<usize> = Vec::new();
        let mut given = vec![0; cases.len()];
        let mut batch: Option<Cache> = None;
        for turn in 0..cases.len() * 2 {
            if turn < cases.len() {
                let case = &cases[turn];
                let mut joining = engine
                    .empty_cache(case.ids.len() + case.greedy.len())
                    .unwrap();
                let logits = engine.forward(&mut joining, &ids(&case.ids)).unwrap();
                assert_eq!(likeliest(&logits[0]).0, case.greedy[0]);
                given[turn] = 1;
                let kept = rows
                    .iter()
                    .enumerate()
                    .map(|(row, _)| Pick { cache: 1, row });
                let group: Vec<Pick> = std::iter::once(Pick { cache: 0, row: 0 })
                    .chain(kept)
                    .collect();
                let sources = std::iter::once(joining).chain(batch.take()).collect();
                batch = engine.regroup(sources, &[group]).unwrap().pop();
                rows.insert(0, turn);
            } else if rows.len() > 1 {
                let gone = (turn * 7) % rows.len();
                let left = (0..rows.len()).filter(|row| *row != gone);
                let group: Vec<Pick> = left.map(|row| Pick { cache: 0, row }).collect();
                batch = engine
                    .regroup(batch.take().into_iter().collect(), &[group])
                    .unwrap()
                    .pop();
                rows.remove(gone);
            }
            let cache = batch.as_mut().unwrap();
            for _ in 0..2 {
                let next: Vec<u32> = rows
                    .iter()
                    .map(|row| cases[*row].greedy[given[*row] - 1])
                    .collect();
                let logits = engine.forward(cache, &ids(&next)).unwrap();
                for (row, logits) in rows.iter().zip(logits) {
                    let case = &cases[*row];
                    let (found, probability) = likeliest(&logits);
                    if let Some(expected) = case.greedy.get(given[*row]) {
                        assert_eq!(found, *expected, "{model}, row {row} of {rows:?}");
                        assert!(
                            (probability - case.log_probabilities[given[*row]]).abs() < 1e-3,
                            "{model}"
                        );
                    }
                    given[*row] = (given[*row] + 1).min(case.greedy.len());
                }
            }
        }
    }
}

#[test]
fn a_token_that_the_model_lacks_is_an_error_and_the_engine_stays_usable() {
    for model in MODELS {
        let mut engine = engine(model);
        let mut cache = engine.empty_cache(4).unwrap();
        assert!(engine.forward(&mut cache, &[100_000]).is_err(), "{model}");
        let mut cache = engine.empty_cache(4).unwrap();
        assert!(engine.forward(&mut cache, &[1]).is_ok(), "{model}");
    }
}

#[test]
fn a_head_that_works_for_the_last_position_alone_gives_the_same_logits() {
    for model in MODELS {
        let folder = DecoderFolder::open(&path(model), None).unwrap();
        let mut builder = builder(&runtime(), 1).unwrap();
        let edited = open_edited(builder.clone(), &folder);
        let mut edited = DecoderEngine::of(edited.expect(model), &folder).unwrap();
        let whole = builder.commit_from_file(&folder.graph).unwrap();
        let mut whole = DecoderEngine::of(whole, &folder).unwrap();
        for case in golden(model).greedy {
            let logits = |engine: &mut DecoderEngine| {
                let mut cache = engine.empty_cache(case.ids.len()).unwrap();
                engine.forward(&mut cache, &ids(&case.ids)).unwrap()
            };
            let (found, expected) = (logits(&mut edited), logits(&mut whole));
            assert!(near(&found[0], &expected[0]), "{model}: {}", case.prompt);
        }
    }
}
