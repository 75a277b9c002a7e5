//! What decides.

use super::kinds::{
    Key, any_of, flag, key, list, model, object, place, reference, share, some, span, stated_flag,
    stated_span, text, whole, word, words,
};
use super::models::residency;
use crate::domain::{PersonalKind, Sentiment};
use crate::policy::Cue;
use serde_json::{Value, json};

/// What decides.
pub(super) fn deciding() -> Vec<Key> {
    vec![
        guard(),
        key(
            "privacy",
            "Classes of data, and where each may go.",
            privacy(),
        ),
        routes(),
        quality(),
        key("human", "What happens where a person takes over.", human()),
        key(
            "mode",
            "Whether the policy acts, or decides beside what `shadow_route` serves.",
            words(&["enforce", "shadow"]),
        ),
        key(
            "shadow_route",
            "The models that serve in `mode: shadow`, in this order.",
            any_of(&[model(), some(model())]),
        ),
        key(
            "shadow",
            "Another file whose policy is decided beside this one and never acts.",
            object(&["policy"], vec![key("policy", "The file.", text())]),
        ),
        key(
            "canary",
            "Another file whose policy holds for a share of the callers.",
            object(
                &["policy", "share"],
                vec![
                    key("policy", "The file.", text()),
                    key("share", "The share of the callers, above 0.", share()),
                    key("salt", "Another one takes other callers.", text()),
                ],
            ),
        ),
        latency(),
    ]
}

fn guard() -> Key {
    key(
        "guard",
        "Attempts to override instructions.",
        object(
            &["attack"],
            vec![key(
                "attack",
                "Prompt injection and jailbreaks.",
                object(
                    &["refuse_from"],
                    vec![
                        key(
                            "refuse_from",
                            "From this P(attack) on a request is refused.",
                            share(),
                        ),
                        key(
                            "on_error",
                            "What to do where it could not be measured.",
                            words(&["allow", "refuse"]),
                        ),
                    ],
                ),
            )],
        ),
    )
}

fn routes() -> Key {
    key(
        "routes",
        "For `auto`: the first that matches chooses the models.",
        list(object(
            &["use"],
            vec![
                key("name", "Shown in records.", word()),
                key(
                    "when",
                    "Every part given must hold; always where it is left out.",
                    when(),
                ),
                key(
                    "use",
                    "The models, in this order; `human`, alone or at the end, hands over to a person.",
                    any_of(&[some(model()), words(&["human"])]),
                ),
                key(
                    "latency",
                    "What it says of time, in place of `latency`.",
                    object(
                        &[],
                        vec![
                            key("objective", OBJECTIVE, objective()),
                            key("hedge", HEDGE, any_of(&[words(&["never"]), hedge()])),
                        ],
                    ),
                ),
            ],
        )),
    )
}

fn quality() -> Key {
    key(
        "quality",
        "When the local tier suffices.",
        object(
            &[],
            vec![
                key(
                    "threshold",
                    "Local endpoints answer `auto` up to this complexity.",
                    share(),
                ),
                key(
                    "promise",
                    "Instead of a threshold: what `firstline calibrate` keeps.",
                    object(
                        &["max_local_error", "confidence"],
                        vec![
                            key(
                                "max_local_error",
                                "At most this share of local answers is not good enough.",
                                share(),
                            ),
                            key("confidence", "How sure that is.", share()),
                            key(
                                "calibration",
                                "The file that `firstline calibrate` wrote.",
                                text(),
                            ),
                        ],
                    ),
                ),
                key(
                    "always_remote",
                    "Topics that the local tier never answers.",
                    list(object(&["topic"], vec![key("topic", "The topic.", word())])),
                ),
                key(
                    "always_human",
                    "Topics that no model answers: a person takes over.",
                    list(object(&["topic"], vec![key("topic", "The topic.", word())])),
                ),
                key(
                    "topics",
                    "A threshold or a tier for each of some topics.",
                    json!({"type": "object", "additionalProperties": of_topic()}),
                ),
                key(
                    "escalate_on",
                    "The local tier steps aside where the person asks again, or is angry at an answer.",
                    list(words(&Cue::ALL.map(Cue::as_str))),
                ),
                key(
                    "sticky",
                    "A conversation that the higher tier has answered stays with it.",
                    object(&[], vec![key("for", "For so long.", span("30m"))]),
                ),
                key(
                    "explore",
                    "Of the requests that several endpoints may answer, the share that a lot gives to another than the first.",
                    json!({"type": "number", "minimum": 0, "maximum": 0.5}),
                ),
            ],
        ),
    )
}

fn latency() -> Key {
    key(
        "latency",
        "How long a request may take.",
        object(
            &[],
            vec![
                key(
                    "deadline",
                    "For a request, all attempts together.",
                    span("300s"),
                ),
                key("objective", OBJECTIVE, objective()),
                key("hedge", HEDGE, hedge()),
            ],
        ),
    )
}

const OBJECTIVE: &str = "What answers should keep to: those known to are asked first.";
const HEDGE: &str = "A second endpoint is asked while the first is late.";

fn objective() -> Value {
    let parts = object(
        &[],
        vec![
            key("first_token", "To the first content.", stated_span()),
            key("total", "To the end of the answer.", stated_span()),
        ],
    );
    any_of(&[stated_span(), parts])
}

fn hedge() -> Value {
    object(
        &["after", "to"],
        vec![
            key("after", "How long the first is waited for.", stated_span()),
            key("to", "Who may be asked second.", some(model())),
            key(
                "only_when",
                "Which requests may be sent twice; all where it is left out.",
                object(
                    &["data_class"],
                    vec![key(
                        "data_class",
                        "Those of this class or a lower one.",
                        word(),
                    )],
                ),
            ),
        ],
    )
}

fn of_topic() -> Value {
    object(
        &[],
        vec![
            key(
                "threshold",
                "Local endpoints answer the topic up to this complexity.",
                share(),
            ),
            key(
                "tier",
                "Who answers it; instead of a threshold.",
                words(&["local", "remote", "human"]),
            ),
        ],
    )
}

fn human() -> Value {
    let included = || {
        key(
            "include_conversation",
            "People are given the messages, too.",
            flag(false),
        )
    };
    let queue = vec![
        key("file", "Gets a JSON line for each request.", text()),
        included(),
    ];
    let webhook = vec![
        key(
            "url",
            "Gets a POST for each request.",
            any_of(&[text(), reference()]),
        ),
        key("api_key", "Sent as a bearer token.", reference()),
        key("tier", "Where it is.", words(&["local", "remote"])),
        key(
            "trusted",
            "Permits `tier: local` elsewhere than near.",
            flag(false),
        ),
        key(
            "allow_plain_http",
            "Permits http to another machine.",
            flag(false),
        ),
        key(
            "residency",
            "What is stated of whoever runs it.",
            residency(),
        ),
        included(),
        key("timeout", "For one try.", span("5s")),
        key("max_attempts", "Tries at one notice.", whole(1, 20)),
    ];
    object(
        &["answer"],
        vec![
            key("answer", "What the caller is answered.", text()),
            key(
                "queue",
                "A file that people read.",
                object(&["file"], queue),
            ),
            key(
                "webhook",
                "An address that is told.",
                object(&["url"], webhook),
            ),
        ],
    )
}

fn privacy() -> Value {
    let kinds = || words(&PersonalKind::ALL.map(PersonalKind::as_str));
    let within = |meaning: &'static str, name: &'static str| {
        key(
            name,
            meaning,
            object(
                &["within"],
                vec![key("within", "All of it in these.", some(place()))],
            ),
        )
    };
    let require = object(
        &[],
        vec![
            within("Where it may process.", "processing"),
            within("Where data may rest.", "storage"),
            within("Under whose law its operator may stand.", "jurisdiction"),
            key(
                "retention_days",
                "How long it may keep data.",
                object(
                    &["at_most"],
                    vec![key("at_most", "Days.", whole(0, 36_500))],
                ),
            ),
            key(
                "trains_on_data",
                "Whether it trains on what it is sent.",
                stated_flag(),
            ),
            key("agreements", "All of these are in force.", list(place())),
            within("Where others may work for its operator.", "subprocessors"),
        ],
    );
    object(
        &[],
        vec![
            key(
                "classes",
                "The classes, the least sensitive first.",
                some(word()),
            ),
            key(
                "default_class",
                "Of a request in which nothing was found.",
                word(),
            ),
            key(
                "detect",
                "What is looked for; all kinds where it is left out.",
                list(kinds()),
            ),
            key("on_error", "Of a request that could not be read.", word()),
            key(
                "attachments",
                "Of a request with parts that cannot be read: pictures, sound, files.",
                word(),
            ),
            key(
                "raise",
                "Findings that raise a request to a class.",
                list(object(
                    &["class", "any"],
                    vec![
                        key("class", "The class it is raised to.", word()),
                        key("any", "By any one of these kinds.", some(kinds())),
                        key(
                            "at_least",
                            "Findings less certain do not count.",
                            words(&["probable", "certain"]),
                        ),
                    ],
                )),
            ),
            key(
                "rules",
                "What classes require of a place.",
                list(object(
                    &["class", "require"],
                    vec![
                        key("class", "The lowest class it holds for.", word()),
                        key(
                            "require",
                            "`local`, or what must be true of the place.",
                            any_of(&[words(&["local"]), require]),
                        ),
                        key(
                            "on_violation",
                            "What to do where the model asked for does not meet it.",
                            words(&["local", "refuse", "pseudonymise"]),
                        ),
                    ],
                )),
            ),
        ],
    )
}

fn when() -> Value {
    let moods: Vec<&str> = Sentiment::ALL.iter().map(|mood| mood.as_str()).collect();
    object(
        &[],
        vec![
            key("topic", "The topic is one of these.", some(word())),
            key(
                "complexity",
                "P(the local tier does not suffice).",
                object(
                    &[],
                    vec![
                        key("from", "At least this.", share()),
                        key("below", "Less than this.", share()),
                    ],
                ),
            ),
            key(
                "language",
                "The language (ISO 639-3) is one of these.",
                some(json!({"type": "string", "pattern": "^[a-z]{3}$"})),
            ),
            key("tools", "Tools are offered or used.", stated_flag()),
            key("images", "An image is in the conversation.", stated_flag()),
            key("wants_human", "The person asks for a human.", stated_flag()),
            key(
                "json",
                "JSON mode or a JSON schema is wanted.",
                stated_flag(),
            ),
            key("question", "The question asks something.", stated_flag()),
            key(
                "repeats",
                "The person asks again what was answered before.",
                stated_flag(),
            ),
            key(
                "sentiment",
                "The person's mood is one of these.",
                some(words(&moods)),
            ),
            key(
                "tokens",
                "Input tokens, estimated.",
                object(
                    &["from"],
                    vec![key("from", "At least so many.", whole(1, u32::MAX))],
                ),
            ),
            key("caller", "The caller is one of these.", some(word())),
        ],
    )
}
