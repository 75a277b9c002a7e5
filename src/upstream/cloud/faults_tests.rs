//! That a refused key is told from a wrong request, and that errors read as they would elsewhere.

use super::in_our_words;
use crate::domain::{Cloud, Form, Secret, ServiceAccount};
use crate::upstream::error::ErrorReply;
use http::StatusCode;
use serde_json::Value;

fn told(cloud: &Cloud, form: Form, status: u16, kind: Option<&str>, body: &str) -> ErrorReply {
    let reply = ErrorReply {
        status: StatusCode::from_u16(status).unwrap(),
        form,
        headers: Vec::new(),
        body: body.to_owned().into(),
        why: None,
        attempts: 1,
    };
    in_our_words(cloud, kind, reply)
}

fn vertex() -> Cloud {
    Cloud::Vertex(ServiceAccount {
        email: "a@b".into(),
        key_id: None,
        private_key: Secret::new("x"),
        token_uri: "https://t".into(),
    })
}

#[test]
fn what_aws_has_against_our_keys_is_their_fault_whatever_the_status() {
    let bedrock = Cloud::Bedrock(None);
    for (status, kind, body, why) in [
        (
            403,
            Some("InvalidSignatureException:http://internal.amazon.com/"),
            r#"{"message":"The request signature we calculated does not match"}"#,
            "the secret or the region",
        ),
        (
            400,
            Some("InvalidSignatureException"),
            r#"{"message":"Signature expired: 20150830T123600Z is now earlier than 20260830T123600Z"}"#,
            "clock",
        ),
        (
            403,
            None,
            r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature not yet current: x"}"#,
            "clock",
        ),
        (
            400,
            Some("ExpiredTokenException"),
            "{}",
            "session token has ended",
        ),
        (
            400,
            Some("UnrecognizedClientException"),
            r#"{"message":"x"}"#,
            "access key",
        ),
        (403, Some("AccessDeniedException"), "", "may not use"),
    ] {
        let reply = told(&bedrock, Form::Messages, status, kind, body);
        assert_eq!(reply.status, 403, "{kind:?}");
        assert!(reply.why.unwrap().contains(why), "{:?}", reply.why);
    }
    for (status, kind) in [
        (400, "ValidationException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ] {
        let reply = told(&bedrock, Form::Messages, status, Some(kind), "{}");
        assert_eq!((reply.status.as_u16(), reply.why), (status, None));
    }
}

#[test]
fn an_error_reads_as_the_api_itself_would_put_it() {
    let (bedrock, vertex) = (Cloud::Bedrock(None), vertex());
    let google = r#"{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}"#;
    let listed = format!("[{google}\n]");
    for (cloud, status, body, kind) in [
        (
            &bedrock,
            400,
            r#"{"message":"slow"}"#,
            "invalid_request_error",
        ),
        (&bedrock, 429, r#"{"Message":"slow"}"#, "rate_limit_error"),
        (&vertex, 429, google, "rate_limit_error"),
        (&vertex, 503, &listed, "overloaded_error"),
    ] {
        let reply = told(cloud, Form::Messages, status, None, body);
        let said: Value = serde_json::from_slice(&reply.body).unwrap();
        let wanted = (
            &Value::from("error"),
            &Value::from(kind),
            &Value::from("slow"),
        );
        let error = &said["error"];
        assert_eq!((&said["type"], &error["type"], &error["message"]), wanted);
        let reply = told(cloud, Form::Chat, status, None, body);
        let said: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(said["error"]["message"], "slow");
        assert!(said["error"]["type"].is_string());
    }
}

#[test]
fn what_is_in_its_form_already_or_in_none_stays_as_it_is() {
    let own = r#"{"type":"error","error":{"type":"overloaded_error","message":"x"},"n":1.0}"#;
    for body in [own, "<html>", ""] {
        let reply = told(&vertex(), Form::Messages, 529, None, body);
        assert_eq!(reply.body, body.as_bytes());
    }
}
