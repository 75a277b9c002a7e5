//! `POST /v1/explain`: what would be done, and nothing done.

use crate::isolation::digest;
use crate::support::{Act, Gateway, Reply, StandIn, chat_body, client, completion};
use serde_json::Value;

const KEY: &str = "sk-shop-explains";
const EMAIL: &str = "call me back at ada@example.org";

fn config(stand_in: &StandIn) -> String {
    let (url, key) = (stand_in.base_url(), digest(KEY));
    format!(
        "models:\n  - {{name: us, tier: remote, upstream: {{base_url: \"{url}\", model: m}}, price: {{input_per_mtok: 1, output_per_mtok: 2}}, residency: {{processing: [us]}}}}\n\
         callers: [{{name: shop, key_sha256: \"{key}\", budget: {{usd: 5, per: day}}}}]\n\
         privacy:\n  raise: [{{class: personal, any: [email]}}]\n  rules: [{{class: personal, require: {{processing: {{within: [eu]}}}}, on_violation: refuse}}]\n"
    )
}

async fn explain(gateway: &Gateway, key: Option<&str>, body: String) -> Reply {
    let mut request = client().post(gateway.url("/v1/explain")).body(body);
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let response = request.send().await.unwrap();
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

#[tokio::test]
async fn explain_says_what_would_be_done_sends_nothing_and_records_nothing() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hello"))).await;
    let gateway = Gateway::start(&config(&stand_in));
    let open = explain(&gateway, Some(KEY), chat_body("auto", "hello").to_string()).await;
    assert_eq!(open.status, 200, "{}", open.text());
    let told = open.json();
    assert_eq!(
        (&told["plan"][0]["model"], &told["data_class"]),
        (&"us".into(), &"public".into())
    );
    assert_eq!(
        (&told["budgets"][0]["name"], &told["budgets_assumed"]),
        (&"caller:shop".into(), &false.into())
    );
    assert!(
        !open.text().contains("http://"),
        "an address is told: {told}"
    );
    let shut = explain(&gateway, Some(KEY), chat_body("auto", EMAIL).to_string()).await;
    let told = shut.json();
    assert_eq!(
        (shut.status, &told["refused"]["code"]),
        (200, &"policy_residency".into())
    );
    assert_eq!(
        (&told["plan"], &told["rejected"][0]["model"]),
        (&Value::Array(Vec::new()), &"us".into())
    );
    assert!(!shut.text().contains("ada@example.org"), "{told}");
    assert!(stand_in.seen().is_empty(), "something was sent");
    assert!(!gateway.log().contains("ada@example.org"));
    assert_eq!(gateway.stop().len(), 0, "a dry run was recorded");
}

#[tokio::test]
async fn explain_is_for_callers_and_tells_a_bad_request_as_the_chat_does() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hello"))).await;
    let gateway = Gateway::start(&config(&stand_in));
    let body = chat_body("auto", "hello").to_string();
    let stranger = explain(&gateway, None, body.clone()).await;
    assert_eq!(
        (stranger.status, stranger.code().as_str()),
        (401, "caller_key_required")
    );
    let wrong = explain(&gateway, Some("sk-other"), body).await;
    assert_eq!(
        (wrong.status, wrong.code().as_str()),
        (401, "caller_key_unknown")
    );
    let unknown = explain(&gateway, Some(KEY), chat_body("gpt-9", "hello").to_string()).await;
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (404, "caller_model_not_found")
    );
    let torn = explain(&gateway, Some(KEY), "{".into()).await;
    assert_eq!(torn.status, 400, "{}", torn.text());
}

#[tokio::test]
async fn explain_tells_of_a_lot_and_of_speeds_that_nobody_knows() {
    let stand_in = StandIn::always(Act::Answer(200, "", completion("hello"))).await;
    let url = stand_in.base_url();
    let model = |name: &str| {
        format!(
            "  - {{name: {name}, tier: remote, upstream: {{base_url: \"{url}\", model: m}}, price: {{input_per_mtok: 0, output_per_mtok: 0}}}}\n"
        )
    };
    let rest = format!(
        "models:\n{}{}quality: {{explore: 0.1}}\nlatency: {{objective: {{first_token: 1s}}}}",
        model("one"),
        model("other")
    );
    let gateway = Gateway::start(&rest);
    let told = explain(&gateway, None, chat_body("auto", "hello").to_string()).await;
    let told = told.json()["modes"].to_string();
    for word in [
        "a lot sends 10.0 % of such requests to other before one",
        "nothing is known of one, other",
    ] {
        assert!(told.contains(word), "{told}");
    }
}
