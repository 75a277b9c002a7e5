//! `models`: who answers, where, for how much, and where data goes.

use super::kinds::{
    Key, any_of, day, dollars, flag, key, list, model, object, place, reference, share, some, span,
    stated_flag, stated_span, text, whole, word, words,
};
use serde_json::{Value, json};

pub(super) fn models() -> Value {
    object(
        &["name", "tier"],
        vec![
            key("name", "What clients, routes and records call it.", model()),
            key(
                "tier",
                "Which side of the promise it stands on.",
                words(&["local", "remote"]),
            ),
            key("aliases", "Other names a client may ask by.", list(model())),
            key(
                "fallback",
                "Who is tried after it where a client asks for it by name, in this order.",
                some(model()),
            ),
            key(
                "knowledge",
                "Files and folders of approved answers.",
                list(text()),
            ),
            key(
                "answer",
                "When an approved answer is given.",
                object(
                    &[],
                    vec![
                        key("min_score", "The least similarity.", share()),
                        key(
                            "min_margin",
                            "The least lead over the second best.",
                            share(),
                        ),
                    ],
                ),
            ),
            key(
                "engine",
                "A small model that writes in this process.",
                engine(),
            ),
            key("upstream", "A model behind an HTTP API.", upstream()),
            key(
                "price",
                "What it charges; without it the built-in table's price, and nothing where it is local.",
                price(),
            ),
            key(
                "residency",
                "Where data goes; what is not stated satisfies no requirement.",
                residency(),
            ),
            key(
                "timeouts",
                "How long to wait for it.",
                object(
                    &[],
                    vec![
                        key("connect", "To open a connection.", span("2s")),
                        key(
                            "first_token",
                            "To the first content of the answer.",
                            span("60s"),
                        ),
                        key(
                            "cold_start",
                            "The same until a local server has answered once; `first_token` where it is left out.",
                            stated_span(),
                        ),
                        key("between_tokens", "Between two pieces of it.", span("20s")),
                        key("total", "For the whole answer.", span("300s")),
                    ],
                ),
            ),
        ],
    )
}

fn price() -> Value {
    let time = || {
        key(
            "usd_per_cpu_second",
            "Dollars for each second that a local model works on an answer.",
            json!({"type": "number", "minimum": 0, "maximum": 1000}),
        )
    };
    let tokens = object(
        &["input_per_mtok", "output_per_mtok"],
        vec![
            time(),
            key(
                "input_per_mtok",
                "Dollars per million input tokens.",
                dollars(),
            ),
            key(
                "cached_input_per_mtok",
                "Dollars per million input tokens that the provider had cached.",
                dollars(),
            ),
            key(
                "output_per_mtok",
                "Dollars per million output tokens.",
                dollars(),
            ),
        ],
    );
    // The fuller form stands last, where the key by key comparison with the readers looks.
    any_of(&[object(&["usd_per_cpu_second"], vec![time()]), tokens])
}

fn upstream() -> Value {
    let mut keys = vec![
        key(
            "endpoints",
            "Several that answer for the model, each with its own address, key and place.",
            some(one_of_several()),
        ),
        key(
            "balance",
            "How one of several is chosen.",
            words(&["weighted", "least_busy", "fastest"]),
        ),
    ];
    keys.extend(of_upstream());
    object(&[], keys)
}

/// What is said of one endpoint, or of all.
fn of_upstream() -> Vec<Key> {
    vec![
        key(
            "dialect",
            "The API it speaks.",
            words(&["openai", "anthropic"]),
        ),
        key(
            "surfaces",
            "The forms of OpenAI's API in which it takes requests as they come.",
            list(words(&["chat", "completions", "responses"])),
        ),
        key(
            "base_url",
            "http(s), without user, password or query.",
            text(),
        ),
        key("model", "What the endpoint itself calls the model.", text()),
        key(
            "api_key",
            "The provider's key: `{env: NAME}` or `{file: PATH}`.",
            reference(),
        ),
        key(
            "auth_header",
            "Where its key goes: `bearer` for openai, `x-api-key` for anthropic, `api-key` for Azure.",
            words(&["bearer", "api-key", "x-api-key"]),
        ),
        key(
            "bedrock",
            "Amazon Bedrock: signs requests, and speaks to Claude in Bedrock's own way.",
            bedrock(),
        ),
        key(
            "vertex",
            "Google Vertex AI: requests bear a service account's token, and Claude is asked in Vertex's own way.",
            object(
                &["service_account"],
                vec![key(
                    "service_account",
                    "Its JSON key, whole: `{file: PATH}` or `{env: NAME}`.",
                    reference(),
                )],
            ),
        ),
        key(
            "allow_plain_http",
            "Permits http to another machine.",
            flag(false),
        ),
        key(
            "max_input_tokens",
            "What it takes at most.",
            whole(1, u32::MAX),
        ),
        key(
            "max_output_tokens",
            "No answer is longer: a request that asks for more, or does not say, is sent with this.",
            whole(1, u32::MAX),
        ),
        key(
            "limit_key",
            "The key by which it is told a limit that the request does not name.",
            words(&["max_tokens", "max_completion_tokens"]),
        ),
        key(
            "trusted",
            "Permits `tier: local` at an address that is neither this machine nor private.",
            flag(false),
        ),
        key(
            "parallel",
            "Requests that it answers at the same time; further ones wait for those.",
            whole(1, 100_000),
        ),
    ]
}

fn bedrock() -> Value {
    object(
        &["region"],
        vec![
            key(
                "region",
                "The region of its address: `eu-central-1`.",
                text(),
            ),
            key(
                "access_key_id",
                "With the secret: what signs requests, where no `api_key` is given.",
                reference(),
            ),
            key(
                "secret_access_key",
                "It signs, and is not sent.",
                reference(),
            ),
            key("session_token", "Belongs to keys that end.", reference()),
        ],
    )
}

fn one_of_several() -> Value {
    let mut keys = vec![
        key(
            "name",
            "What it is called; its number where it is left out.",
            word(),
        ),
        key(
            "weight",
            "Its share of the load beside the others' weights.",
            json!({"type": "number", "minimum": 0.001, "maximum": 1e6, "default": 1}),
        ),
        key(
            "residency",
            "Where its data goes; what is not stated satisfies no requirement.",
            residency(),
        ),
    ];
    let own = [
        "base_url",
        "model",
        "api_key",
        "auth_header",
        "bedrock",
        "vertex",
        "allow_plain_http",
        "trusted",
        "parallel",
    ];
    let of_upstream = of_upstream().into_iter();
    keys.extend(of_upstream.filter(|(name, _)| own.contains(name)));
    object(&["base_url"], keys)
}

fn engine() -> Value {
    let sure = object(
        &[],
        vec![
            key(
                "min_confidence",
                "The least geometric mean of its tokens' probabilities; 0.5 where it is left out.",
                share(),
            ),
            key(
                "tokens",
                "Tokens that are held back and judged; 24 where it is left out.",
                whole(1, 512),
            ),
            key(
                "within",
                "How long it may take to become sure while another model may answer, too.",
                span("5s"),
            ),
        ],
    );
    object(
        &["folder"],
        vec![
            key("folder", "Its folder, in one of the hub's layouts.", text()),
            key(
                "graph",
                "The graph to use where the folder has several, relative to the folder.",
                text(),
            ),
            key(
                "slots",
                "Conversations side by side; 4 where it is left out.",
                whole(1, 256),
            ),
            key(
                "queue",
                "Requests that may wait for a slot; 16 where it is left out.",
                whole(0, 65_536),
            ),
            key(
                "context",
                "Tokens of prompt and answer at most; 4096 where it is left out, and never more than the model's own.",
                whole(2, 1_048_576),
            ),
            key(
                "memory_mb",
                "Memory for the conversations of all slots, in MiB; 1024 where it is left out.",
                whole(1, 1_048_576),
            ),
            key(
                "threads",
                "Threads that compute a step; 1 where it is left out.",
                whole(1, 64),
            ),
            key(
                "max_tokens",
                "Tokens of an answer at most, where the caller does not say.",
                whole(1, 1_000_000),
            ),
            key("sure", "How sure it must be to be heard.", sure),
        ],
    )
}

pub(super) fn residency() -> Value {
    object(
        &[],
        vec![
            key(
                "processing",
                "Every region it may process in.",
                some(place()),
            ),
            key("storage", "Where data rests.", place()),
            key(
                "jurisdiction",
                "Under whose law its operator stands.",
                place(),
            ),
            key(
                "retention_days",
                "How many days it keeps data; 0 is not at all.",
                whole(0, 36_500),
            ),
            key(
                "trains_on_data",
                "Whether it trains on what it is sent.",
                stated_flag(),
            ),
            key(
                "agreements",
                "In force with its operator: `dpa`, `scc`, `baa`.",
                list(place()),
            ),
            key(
                "subprocessors",
                "Every region in which others work for its operator; `[]` where nobody does.",
                list(place()),
            ),
            key(
                "valid_until",
                "The last day on which all of this holds: `2027-03-31`.",
                day(),
            ),
        ],
    )
}
