//! That only what the path says leaves a body, and only the version comes in.

use super::request_body;
use crate::domain::{Cloud, Secret, ServiceAccount};

fn vertex() -> Cloud {
    Cloud::Vertex(ServiceAccount {
        email: "a@b".into(),
        key_id: None,
        private_key: Secret::new("x"),
        token_uri: "https://t".into(),
    })
}

fn sent(cloud: &Cloud, body: &str, betas: Option<&str>) -> String {
    let bytes = request_body(cloud, body.as_bytes(), betas).unwrap();
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_other_byte_stays_where_it_was() {
    let bedrock = Cloud::Bedrock(None);
    for (body, wanted) in [
        (
            r#"{"model":"m","max_tokens":1,"stream":true}"#,
            r#"{"max_tokens":1,"anthropic_version":"bedrock-2023-05-31"}"#,
        ),
        (
            " {\t\"seed\" : 9007199254740993 ,\r\n \"model\":\"m\" , \"x\":[1.0,1e2,\"\\ud83d\"] }\n",
            " {\t\"seed\" : 9007199254740993 , \"x\":[1.0,1e2,\"\\ud83d\"],\"anthropic_version\":\"bedrock-2023-05-31\" }\n",
        ),
        (
            r#"{"stream":false , "model":"m" , "a":{"model":"n","stream":1}, "anthropic_version":"x"}"#,
            r#"{ "a":{"model":"n","stream":1},"anthropic_version":"bedrock-2023-05-31"}"#,
        ),
        (
            r#"{"model":"m"}"#,
            r#"{"anthropic_version":"bedrock-2023-05-31"}"#,
        ),
        (
            r#"{"\u006dodel":"m","a":1}"#,
            r#"{"a":1,"anthropic_version":"bedrock-2023-05-31"}"#,
        ),
    ] {
        assert_eq!(sent(&bedrock, body, None), wanted);
    }
    let body = r#"{"model":"m","max_tokens":1,"stream":true}"#;
    assert_eq!(
        sent(&vertex(), body, Some("a-1")),
        r#"{"max_tokens":1,"stream":true,"anthropic_version":"vertex-2023-10-16"}"#
    );
}

#[test]
fn features_asked_for_by_name_stand_in_bedrocks_body_alone() {
    let bedrock = Cloud::Bedrock(None);
    let body = r#"{"model":"m","a":1}"#;
    assert!(
        sent(&bedrock, body, Some("a-1, b-2")).ends_with(r#","anthropic_beta":["a-1","b-2"]}"#)
    );
    let stated = r#"{"model":"m","anthropic_beta":["c-3"]}"#;
    assert_eq!(
        sent(&bedrock, stated, Some("a-1")),
        r#"{"anthropic_beta":["c-3"],"anthropic_version":"bedrock-2023-05-31"}"#
    );
}

#[test]
fn what_is_no_object_is_refused() {
    for body in ["", "[]", "null", "{", r#"{"a":1} x"#] {
        assert!(request_body(&vertex(), body.as_bytes(), None).is_err());
    }
}
