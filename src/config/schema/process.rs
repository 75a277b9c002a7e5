//! What the process is built from.

use super::kinds::{Key, any_of, flag, key, object, reference, share, span, text, whole, words};
use super::models::residency;

/// What the process is built from.
pub(super) fn process() -> Vec<Key> {
    vec![
        listen(),
        limits(),
        encoder(),
        upstream(),
        records(),
        telemetry(),
    ]
}

fn listen() -> Key {
    key(
        "listen",
        "Where to listen.",
        object(
            &[],
            vec![
                key("api", "IP and port where clients are served.", text()),
                key(
                    "admin",
                    "IP and port of health and metrics; without it they are served on `api`.",
                    text(),
                ),
                key(
                    "tls",
                    "Encrypts `api`.",
                    object(
                        &["certificate", "key"],
                        vec![
                            key(
                                "certificate",
                                "The PEM file of the certificate chain.",
                                text(),
                            ),
                            key("key", "The PEM file of its private key.", text()),
                            key(
                                "client_ca",
                                "The PEM file of the authorities whose clients are let in; without it clients show no certificate.",
                                text(),
                            ),
                        ],
                    ),
                ),
                key(
                    "allow_anonymous",
                    "Permits an `api` address open to other machines without `callers`, where the command line says `--allow-anonymous` too.",
                    flag(false),
                ),
                key(
                    "reuse_port",
                    "Lets a newer version listen on the same addresses before this one ends; on Linux.",
                    flag(false),
                ),
                key(
                    "response_key",
                    "A secret of at least 32 characters that seals the ids of responses which endpoints keep, the same in all replicas; without it one is made at each start.",
                    reference(),
                ),
            ],
        ),
    )
}

fn limits() -> Key {
    key(
        "limits",
        "Limits of the listeners.",
        object(
            &[],
            vec![
                key(
                    "max_body_mb",
                    "The largest request, in MiB.",
                    whole(1, 1024),
                ),
                key("header_timeout", "The time headers may take.", span("10s")),
                key("body_timeout", "The time a body may take.", span("30s")),
                key(
                    "max_connections",
                    "Connections at the same time.",
                    whole(1, 1_000_000),
                ),
                key(
                    "max_in_flight",
                    "Requests worked on at the same time.",
                    whole(1, 1_000_000),
                ),
                key(
                    "max_wait",
                    "How long a request waits where as many are worked on.",
                    span("250ms"),
                ),
                key(
                    "drain",
                    "The time that requests under way get at shutdown.",
                    span("30s"),
                ),
            ],
        ),
    )
}

fn encoder() -> Key {
    key(
        "encoder",
        "The model that measures requests.",
        object(
            &[],
            vec![
                key(
                    "folder",
                    "Its folder; the one that ships where it is left out.",
                    text(),
                ),
                key("workers", "Threads that measure.", whole(1, 64)),
                key(
                    "queue",
                    "Requests that may wait to be measured.",
                    whole(1, 65_536),
                ),
                key(
                    "deadline",
                    "The time measuring may take before cautious values are assumed.",
                    span("150ms"),
                ),
                key(
                    "serve",
                    "Load it for /v1/embeddings and /v1/moderations where nothing in the policy needs it.",
                    flag(false),
                ),
                key(
                    "close_reading",
                    "Has what is asked of approved answers read by the desk model, too, word by word: surer, for some milliseconds more.",
                    flag(true),
                ),
            ],
        ),
    )
}

fn upstream() -> Key {
    key(
        "upstream",
        "How upstreams are tried.",
        object(
            &[],
            vec![
                key(
                    "retry",
                    "Second tries.",
                    object(
                        &[],
                        vec![
                            key(
                                "max_attempts",
                                "Attempts at one endpoint for one request, the first included.",
                                whole(1, 10),
                            ),
                            key("budget", "Retries as a share of requests.", share()),
                        ],
                    ),
                ),
                key(
                    "breaker",
                    "Leaving a failing endpoint alone.",
                    object(
                        &[],
                        vec![
                            key(
                                "failures",
                                "Failures in a row after which it is left alone.",
                                whole(1, 1000),
                            ),
                            key("open_for", "For how long.", span("10s")),
                        ],
                    ),
                ),
            ],
        ),
    )
}

fn records() -> Key {
    key(
        "records",
        "Where decisions are written.",
        object(
            &[],
            vec![
                key(
                    "journal",
                    "The journal's folder; none is written without it.",
                    text(),
                ),
                key(
                    "on_failure",
                    "What happens to requests while records cannot be written.",
                    words(&["continue", "refuse"]),
                ),
                key(
                    "sync_every",
                    "The longest time a record waits for the disk.",
                    span("200ms"),
                ),
            ],
        ),
    )
}

fn telemetry() -> Key {
    key(
        "telemetry",
        "Where metrics and traces go.",
        object(
            &[],
            vec![
                key(
                    "otlp",
                    "The base URL of an OTLP collector over HTTP.",
                    any_of(&[
                        text(),
                        reference(),
                        object(
                            &["url"],
                            vec![
                                key(
                                    "url",
                                    "Its base URL, or a reference to it.",
                                    any_of(&[text(), reference()]),
                                ),
                                key("residency", "Where it stores what it is sent.", residency()),
                            ],
                        ),
                    ]),
                ),
                key("prometheus", "Serve /metrics.", flag(true)),
            ],
        ),
    )
}
