//! Who can answer, who may ask, and what is kept.

use super::kinds::{
    Key, any_of, dollars, flag, key, list, model, object, reference, share, some, span, text,
    whole, word, words,
};
use super::models::{models, residency};
use serde_json::{Value, json};

/// Who can answer, and who may ask.
pub(super) fn answering() -> Vec<Key> {
    vec![
        key(
            "models",
            "Who can answer. Each has one of `knowledge`, `engine` and `upstream`.",
            some(models()),
        ),
        callers(),
        keys(),
        cost(),
        key("cache", "Repeated questions.", cache()),
        topics(),
    ]
}

fn callers() -> Key {
    key(
        "callers",
        "Who may ask; without it everyone who reaches the listener.",
        list(object(
            &["name"],
            vec![
                key("name", "Its name.", word()),
                key(
                    "key_sha256",
                    "SHA-256 of its key, 64 hexadecimal digits, or a reference to it; or a list of them.",
                    any_of(&[
                        digest(),
                        reference(),
                        list(any_of(&[digest(), reference()])),
                    ]),
                ),
                key("tenant", "Whose caller it is, for budgets.", word()),
                key(
                    "models",
                    "What it may ask for: models and `auto`.",
                    list(model()),
                ),
                key(
                    "expires",
                    "The last day, or the moment from which on no key of it lets anybody in; UTC.",
                    text(),
                ),
                key(
                    "requests_per_minute",
                    "Requests that it may make a minute.",
                    whole(1, 1_000_000),
                ),
                key(
                    "tokens_per_minute",
                    "Tokens that it may use a minute, of questions and answers together.",
                    whole(1, 1_000_000_000),
                ),
                key(
                    "concurrency",
                    "Requests that it may have under way at the same time.",
                    whole(1, 1_000_000),
                ),
                key(
                    "budget",
                    "A budget of its own.",
                    object(&["usd", "per"], budget()),
                ),
            ],
        )),
    )
}

fn digest() -> Value {
    json!({"type": "string", "pattern": "^\\s*[0-9a-fA-F]{64}\\s*$"})
}

fn keys() -> Key {
    key(
        "keys",
        "Keys of callers that come and go without a restart.",
        object(
            &["file"],
            vec![key(
                "file",
                "The file that `firstline keys` writes.",
                text(),
            )],
        ),
    )
}

fn cost() -> Key {
    key(
        "cost",
        "What may be spent.",
        object(
            &[],
            vec![
                key(
                    "max_usd_per_request",
                    "No request may be estimated to cost more.",
                    dollars(),
                ),
                key(
                    "assumed_output_tokens",
                    "Output tokens assumed of a request that states no limit, and the fewest for which one is begun.",
                    whole(1, 1_000_000),
                ),
                key(
                    "budgets",
                    "Budgets over many requests.",
                    list(shared_budget()),
                ),
                key(
                    "shared",
                    "A store that replicas count budgets in together.",
                    object(
                        &["redis"],
                        vec![
                            key(
                                "redis",
                                "The store.",
                                object(&["url"], redis("50 by default")),
                            ),
                            key(
                                "name",
                                "Replicas of one name count together; the policy's name by default.",
                                word(),
                            ),
                            key(
                                "on_store_error",
                                "What becomes of requests that cost while it fails.",
                                words(&["refuse", "local"]),
                            ),
                        ],
                    ),
                ),
            ],
        ),
    )
}

/// Where a store is that replicas share.
fn redis(default: &str) -> Vec<Key> {
    let timeout = format!("The most that one question may take, in milliseconds; {default}.");
    vec![
        key(
            "url",
            "`redis://` or, with TLS, `rediss://`; a reference where it holds a password.",
            any_of(&[text(), reference()]),
        ),
        key("timeout_ms", &timeout, whole(1, 10_000)),
    ]
}

fn topics() -> Key {
    key(
        "topics",
        "Your own topics: one of `learned`, `examples` and `file`.",
        object(
            &[],
            vec![
                key("learned", "A folder that `firstline learn` wrote.", text()),
                key(
                    "examples",
                    "Utterances by topic.",
                    json!({"type": "object", "additionalProperties": list(text())}),
                ),
                key("file", "A file of utterances by topic.", text()),
                key(
                    "built_in",
                    "What is none of yours may be a topic that ships.",
                    flag(true),
                ),
            ],
        ),
    )
}

/// What every budget has.
fn budget() -> Vec<Key> {
    vec![
        key("usd", "The amount, above 0.", dollars()),
        key(
            "per",
            "How long it lasts, in UTC.",
            words(&["hour", "day", "month"]),
        ),
        key(
            "near",
            "What changes when it is nearly spent.",
            object(
                &["at"],
                vec![
                    key(
                        "at",
                        "The share of the budget from which local models come first.",
                        share(),
                    ),
                    key(
                        "threshold",
                        "The complexity up to which local endpoints then answer; no promise is loosened.",
                        share(),
                    ),
                ],
            ),
        ),
    ]
}

/// A budget over the requests of many.
fn shared_budget() -> Value {
    let mut named = vec![key("name", "Its name.", word())];
    named.extend(budget());
    named.push(key(
        "caller",
        "Whose spending counts; everybody's where it is left out.",
        word(),
    ));
    named.push(key(
        "tenant",
        "The tenant whose callers' spending counts; every tenant's where it is left out.",
        word(),
    ));
    named.push(key(
        "topic",
        "The topic whose requests count, and those whose topic could not be measured.",
        word(),
    ));
    object(&["name", "usd", "per"], named)
}

fn shared_answers() -> Vec<Key> {
    let residency = key("residency", "Where it stores what it is sent.", residency());
    redis("5 by default")
        .into_iter()
        .chain([residency])
        .collect()
}

fn cache() -> Value {
    let never = || {
        object(
            &[],
            vec![key(
                "data_class",
                "A class.",
                object(
                    &["at_least"],
                    vec![key(
                        "at_least",
                        "From this class on nothing is kept.",
                        word(),
                    )],
                ),
            )],
        )
    };
    object(
        &[],
        vec![
            key(
                "exact",
                "Answers to identical requests.",
                object(
                    &[],
                    vec![
                        key("ttl", "How long an answer is kept.", span("1d")),
                        key(
                            "max_mb",
                            "Memory for all of them, in MiB.",
                            whole(1, 1_048_576),
                        ),
                    ],
                ),
            ),
            key(
                "semantic",
                "Answers to similar requests; off without it.",
                object(
                    &[],
                    vec![
                        key("similarity_threshold", "The least similarity.", share()),
                        key("ttl", "How long an answer is kept.", span("6h")),
                        key(
                            "max_entries",
                            "Answers kept in one scope.",
                            whole(1, 10_000),
                        ),
                        key(
                            "max_mb",
                            "Memory for all of them, in MiB.",
                            whole(1, 1_048_576),
                        ),
                        key("never", "What is not kept for similar requests.", never()),
                    ],
                ),
            ),
            key(
                "scope",
                "Who shares answers.",
                words(&["caller", "everyone"]),
            ),
            key("never", "What is not kept; `{}` keeps all.", never()),
            key(
                "shared",
                "A store that replicas share answers to identical requests in.",
                object(
                    &["redis"],
                    vec![key(
                        "redis",
                        "The store.",
                        object(&["url"], shared_answers()),
                    )],
                ),
            ),
        ],
    )
}
