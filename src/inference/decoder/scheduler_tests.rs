use crate::inference::InferenceError;
use crate::inference::decoder::test_models::{MODELS, golden, greedy_job, path, read, start};
use crate::inference::decoder::{
    Conversation, Decoder, DecoderSettings, EndReason, Event, Job, Sampling, TokenUsage,
};
use futures_util::future::join_all;
use std::time::{Duration, UNIX_EPOCH};

fn settings() -> DecoderSettings {
    DecoderSettings {
        slots: 8,
        queue: 8,
        chunk: 16,
        ..DecoderSettings::default()
    }
}

fn refused(outcome: Result<crate::inference::Tokens, InferenceError>) -> String {
    match outcome {
        Err(InferenceError::Refused(why)) => why,
        other => panic!("it should have been refused: {other:?}"),
    }
}

/// Waits until no job runs or waits.
async fn empty(decoder: &Decoder) {
    for _ in 0..20_000 {
        if decoder.taken() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{} places are still taken", decoder.taken());
}

#[tokio::test]
async fn eight_side_by_side_each_get_what_transformers_gives() {
    for model in MODELS {
        let (decoder, threads) = start(model, &settings());
        let cases = golden(model).greedy;
        let eight: Vec<_> = cases.iter().cycle().take(8).collect();
        let jobs = eight.iter().map(|case| {
            read(
                decoder
                    .submit(greedy_job(&case.ids, case.greedy.len()))
                    .unwrap(),
            )
        });
        for (case, answer) in eight.iter().zip(join_all(jobs).await) {
            assert_eq!(answer.text, case.text, "{model}");
            assert_eq!(
                answer.end.usage,
                TokenUsage {
                    prompt: case.ids.len(),
                    made: case.greedy.len()
                }
            );
            assert_eq!(answer.end.reason, EndReason::MaxTokens);
            assert_eq!(answer.ids, case.greedy[..answer.ids.len()], "{model}");
            assert!(
                answer.ids.len() + 4 >= case.greedy.len(),
                "{model}: tokens are lost"
            );
            for (found, expected) in answer.log_probabilities.iter().zip(&case.log_probabilities) {
                assert!(
                    (found - expected).abs() < 1e-3,
                    "{model}: {found} for {expected}"
                );
            }
        }
        empty(&decoder).await;
        drop(decoder);
        threads.join();
    }
}

#[tokio::test]
async fn a_seed_repeats_whoever_else_is_answered() {
    for model in MODELS {
        let (decoder, _threads) = start(model, &settings());
        let cases = golden(model).greedy;
        let job = |seed: u64| Job {
            sampling: Sampling {
                temperature: 1.5,
                top_k: 40,
                seed: Some(seed),
                ..Sampling::greedy()
            },
            ..greedy_job(&cases[0].ids, 20)
        };
        let alone = read(decoder.submit(job(3)).unwrap()).await;
        let others = cases
            .iter()
            .map(|case| read(decoder.submit(greedy_job(&case.ids, 24)).unwrap()));
        let again = read(decoder.submit(job(3)).unwrap());
        let (again, _) = tokio::join!(again, join_all(others));
        assert_eq!(
            (&alone.text, &alone.ids),
            (&again.text, &again.ids),
            "{model}"
        );
        let other = read(decoder.submit(job(4)).unwrap()).await;
        assert_ne!(alone.text, other.text, "{model}");
    }
}

#[tokio::test]
async fn a_stop_text_over_the_edge_of_tokens_ends_the_answer_before_it() {
    for model in MODELS {
        let (decoder, _threads) = start(model, &settings());
        let case = &golden(model).greedy[0];
        let letters: Vec<char> = case.text.chars().collect();
        for at in 1..letters.len() - 4 {
            let stop: String = letters[at..at + 4].iter().collect();
            let job = Job {
                stops: vec![stop.clone()],
                ..greedy_job(&case.ids, case.greedy.len())
            };
            let answer = read(decoder.submit(job).unwrap()).await;
            assert_eq!(
                answer.text,
                case.text.split(&stop).next().unwrap(),
                "{model}: {stop:?}"
            );
            assert_eq!(answer.end.reason, EndReason::StopText, "{model}: {stop:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_ends_where_the_context_does() {
    for model in MODELS {
        let (decoder, _threads) = start(
            model,
            &DecoderSettings {
                context: 40,
                ..settings()
            },
        );
        assert_eq!(decoder.context(), 40);
        let answer = read(decoder.submit(greedy_job(&[5; 30], 1000)).unwrap()).await;
        let ended = (answer.end.reason, answer.end.usage.made);
        assert!(
            ended == (EndReason::Context, 10) || ended.0 == EndReason::EndOfTurn,
            "{model}: {ended:?}"
        );
        let why = refused(decoder.submit(greedy_job(&[5; 40], 1)));
        assert_eq!(
            why,
            "the prompt has 40 tokens, expected fewer than the context's 40"
        );
        let long = refused(decoder.submit(greedy_job(&[5; 20_000], 1)));
        assert_eq!(
            long,
            "the prompt has 20000 tokens, expected fewer than the context's 40"
        );
    }
}

#[tokio::test]
async fn jobs_that_can_have_no_answer_are_refused_with_every_reason() {
    let (decoder, _threads) = start("tiny-gpt2", &settings());
    let sampling = Sampling {
        top_p: 3.0,
        ..Sampling::greedy()
    };
    let why = refused(decoder.submit(Job {
        sampling,
        ..greedy_job(&[], 0)
    }));
    assert_eq!(
        why,
        "top_p is 3, expected over 0 and at most 1; the prompt is empty, expected at least one token; max_tokens is 0, \
         expected at least 1"
    );
    let unknown = read(decoder.submit(greedy_job(&[99_999], 5)).unwrap()).await;
    assert!(
        matches!(
            unknown.end.reason,
            EndReason::Failed(InferenceError::Failed(_))
        ),
        "{:?}",
        unknown.end
    );
    let case = &golden("tiny-gpt2").greedy[0];
    let after = read(
        decoder
            .submit(greedy_job(&case.ids, case.greedy.len()))
            .unwrap(),
    )
    .await;
    assert_eq!(after.text, case.text);
    empty(&decoder).await;
}

#[tokio::test]
async fn the_end_of_turn_token_ends_an_answer_and_is_no_part_of_it() {
    let (decoder, _threads) = start("tiny-gpt2", &settings());
    // With so even a choice among a vocabulary of 512, the token comes sooner or later.
    let sampling = |seed| Sampling {
        temperature: 50.0,
        seed: Some(seed),
        ..Sampling::greedy()
    };
    let mut ended = 0;
    for seed in 0..12 {
        let answer = read(
            decoder
                .submit(Job {
                    sampling: sampling(seed),
                    ..greedy_job(&[40], 250)
                })
                .unwrap(),
        )
        .await;
        assert!(!answer.text.contains("<|im_end|>"));
        assert!(!answer.ids.contains(&2));
        ended += usize::from(answer.end.reason == EndReason::EndOfTurn);
    }
    assert!(ended > 0);
}

#[tokio::test]
async fn a_thousand_cancels_leave_no_slot_taken() {
    let (decoder, threads) = start("tiny-llama-gqa", &settings());
    let case = &golden("tiny-llama-gqa").greedy[4];
    let mut random = 12_345_u32;
    let (mut held, mut cancelled, mut busy) = (Vec::new(), 0, 0);
    while cancelled < 1000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match decoder.submit(greedy_job(
            &case.ids[..1 + (random >> 8) as usize % 140],
            60,
        )) {
            Ok(tokens) => held.push(tokens),
            Err(error) => {
                assert_eq!(error, InferenceError::Busy);
                busy += 1;
                tokio::task::yield_now().await;
            }
        }
        if held.len() > 12 || !held.is_empty() && (random >> 16).is_multiple_of(3) {
            let mut gone = held.swap_remove((random >> 20) as usize % held.len());
            if (random >> 28).is_multiple_of(2) {
                let _ = gone.next().await;
            }
            drop(gone);
            cancelled += 1;
        }
    }
    drop(held);
    empty(&decoder).await;
    let answer = read(
        decoder
            .submit(greedy_job(&case.ids, case.greedy.len()))
            .unwrap(),
    )
    .await;
    assert_eq!(answer.text, case.text, "after {busy} refusals");
    drop(decoder);
    threads.join();
}

#[tokio::test]
async fn a_reader_who_does_not_read_starves_nobody_and_loses_nothing() {
    for model in MODELS {
        let (decoder, _threads) = start(
            model,
            &DecoderSettings {
                slots: 2,
                pieces: 2,
                ..settings()
            },
        );
        let cases = golden(model).greedy;
        let slow = decoder
            .submit(greedy_job(&cases[1].ids, cases[1].greedy.len()))
            .unwrap();
        for _ in 0..5 {
            for case in &cases {
                let answer = read(
                    decoder
                        .submit(greedy_job(&case.ids, case.greedy.len()))
                        .unwrap(),
                )
                .await;
                assert_eq!(answer.text, case.text, "{model}");
            }
        }
        assert_eq!(read(slow).await.text, cases[1].text, "{model}");
    }
}

#[tokio::test]
async fn a_long_prompt_does_not_hold_up_a_short_one() {
    let (decoder, _threads) = start(
        "tiny-llama",
        &DecoderSettings {
            chunk: 1,
            ..settings()
        },
    );
    let cases = golden("tiny-llama").greedy;
    let mut long = decoder.submit(greedy_job(&cases[4].ids, 4)).unwrap();
    let short = read(decoder.submit(greedy_job(&cases[1].ids, 8)).unwrap()).await;
    assert_eq!(short.end.usage.made, 8);
    // The long prompt takes over 140 turns to read, the short answer about ten; so the first is not there yet.
    let first = futures_util::FutureExt::now_or_never(long.next());
    assert_eq!(first, None);
    assert!(matches!(long.next().await, Some(Event::Piece(_))));
}

#[tokio::test]
async fn one_more_than_slots_and_queue_hold_is_busy() {
    let (decoder, threads) = start(
        "tiny-gpt2",
        &DecoderSettings {
            slots: 1,
            queue: 2,
            pieces: 1,
            ..settings()
        },
    );
    let case = &golden("tiny-gpt2").greedy[0];
    let held: Vec<_> = (0..3)
        .map(|_| decoder.submit(greedy_job(&case.ids, 24)).unwrap())
        .collect();
    assert_eq!(
        decoder.submit(greedy_job(&case.ids, 24)).unwrap_err(),
        InferenceError::Busy
    );
    drop(decoder);
    for tokens in held {
        assert_eq!(read(tokens).await.text, case.text);
    }
    threads.join();
}

#[tokio::test]
async fn a_conversation_becomes_the_ids_of_its_template() {
    for model in MODELS {
        let (decoder, _threads) = start(model, &settings());
        assert!(decoder.has_template());
        let case = &golden(model).templates[0];
        let messages = case.messages.clone();
        let ids = decoder
            .ids_of_chat(Conversation {
                messages,
                tools: None,
                now: UNIX_EPOCH,
            })
            .await
            .unwrap();
        let expected = super::super::test_models::vocabulary(model)
            .ids_as_written(&case.rendered)
            .unwrap();
        assert_eq!(ids, expected, "{model}");
        let unknown = serde_json::json!({"role": "nobody", "content": "secret"});
        let error = decoder
            .ids_of_chat(Conversation {
                messages: vec![unknown],
                tools: None,
                now: UNIX_EPOCH,
            })
            .await;
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("it refuses this conversation") && !error.contains("secret"),
            "{error}"
        );
        assert_eq!(
            decoder.ids_of_text("").await.unwrap_or_default(),
            Vec::<u32>::new(),
            "{model}"
        );
    }
}

#[test]
fn a_decoder_outlives_the_thread_that_started_it_and_its_folder_is_not_written_to() {
    let before = std::fs::read_dir(path("tiny-gpt2")).unwrap().count();
    let (decoder, threads) = std::thread::spawn(|| start("tiny-gpt2", &settings()))
        .join()
        .unwrap();
    assert_eq!(decoder.taken(), 0);
    drop(decoder);
    threads.join();
    assert_eq!(
        std::fs::read_dir(path("tiny-gpt2")).unwrap().count(),
        before
    );
}

#[tokio::test]
async fn a_reader_who_reads_nothing_loses_its_slot_and_one_who_reads_slowly_keeps_it() {
    let (decoder, _threads) = start(
        "tiny-llama-gqa",
        &DecoderSettings {
            slots: 1,
            pieces: 1,
            patience: Duration::from_secs(1),
            ..settings()
        },
    );
    let mut stuck = decoder.submit(greedy_job(&[5], 100)).unwrap();
    let next = decoder.submit(greedy_job(&[5], 100)).unwrap();
    // It only begins when the first one's slot is free, and nobody reads that one.
    let answer = read(next).await;
    assert_eq!(answer.end.usage.made, 100);
    let mut last = None;
    while let Some(event) = stuck.next().await {
        last = Some(event);
    }
    let stopped = EndReason::Failed(InferenceError::Stopped);
    assert!(matches!(last, Some(Event::End(end)) if end.reason == stopped));
    let mut slow = decoder.submit(greedy_job(&[5], 12)).unwrap();
    let mut last = None;
    while let Some(event) = slow.next().await {
        tokio::time::sleep(Duration::from_millis(120)).await;
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::End(end)) if end.reason == EndReason::MaxTokens));
}
