//! The shortest way through the whole gateway.

use crate::support::{Act, Gateway, StandIn, chat, completion};

/// A configuration with one remote model at this stand-in.
pub(crate) fn remote(stand_in: &StandIn) -> String {
    let url = stand_in.base_url();
    format!(
        "models:\n  - {{name: remote, tier: remote, upstream: {{dialect: openai, base_url: \"{url}\", model: provider-model}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}}}\n"
    )
}

#[tokio::test]
async fn a_remote_answer_comes_back_untouched_and_is_recorded() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hello"))).await;
    let gateway = Gateway::start(&remote(&stand_in));
    let reply = chat(&gateway, "hi").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text(), completion("hello"));
    assert_eq!(
        (
            reply.header("x-firstline-route"),
            reply.header("x-firstline-model")
        ),
        ("remote", "remote")
    );
    let decision = reply.header("x-firstline-decision-id").to_owned();
    let records = gateway.stop();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].decision.as_str(), decision);
    assert_eq!(records[0].cost_micro_usd, 11 + 14);
}
