//! That signatures are AWS's, and cover what is sent.

use super::{Signer, digest};
use crate::domain::{AwsKeys, Secret};
use crate::upstream::line::Asking;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2015-08-30T12:36:00Z, the moment of AWS's published examples.
const MOMENT: Duration = Duration::from_secs(1_440_938_160);

fn signer(token: Option<&str>) -> Signer {
    Signer::new(&AwsKeys {
        region: "us-east-1".into(),
        access_key_id: Secret::new("AKIDEXAMPLE"),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: token.map(Secret::new),
    })
}

fn asking(body: &'static str) -> Asking {
    let request = Request::post("/model/a%3A0/invoke").header("host", "bedrock.example");
    let request = request.header("content-type", "application/json");
    let request = request.header("user-agent", "x");
    let body = Full::new(Bytes::from_static(body.as_bytes()));
    request.body(body).unwrap()
}

async fn signed(body: &'static str, token: Option<&str>, at: SystemTime) -> Asking {
    let mut request = asking(body);
    let digest = digest(body.as_bytes()).await;
    signer(token).sign(&mut request, &digest, at).unwrap();
    request
}

fn header<'a>(request: &'a Asking, name: &str) -> &'a str {
    request.headers().get(name).unwrap().to_str().unwrap()
}

#[tokio::test]
async fn a_signature_names_the_moment_the_place_and_what_it_covers() {
    let request = signed("{}", Some("session"), UNIX_EPOCH + MOMENT).await;
    let said = header(&request, "authorization");
    assert!(
        said.starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
        ),
        "{said}"
    );
    assert_eq!(header(&request, "x-amz-date"), "20150830T123600Z");
    assert_eq!(header(&request, "x-amz-security-token"), "session");
    let secret = request
        .headers()
        .iter()
        .filter(|(_, value)| value.is_sensitive());
    assert_eq!(secret.count(), 3, "what is signed does not print");
}

#[tokio::test]
async fn another_body_or_another_second_is_another_signature() {
    let at = UNIX_EPOCH + MOMENT;
    let of = async |body, at| header(&signed(body, None, at).await, "authorization").to_owned();
    let first = of("{}", at).await;
    assert_eq!(first, of("{}", at).await);
    assert_ne!(first, of("{ }", at).await);
    assert_ne!(first, of("{}", at + Duration::from_secs(1)).await);
}

#[tokio::test]
async fn a_long_body_is_digested_whole() {
    let body = vec![b'a'; 1_000_000];
    // NIST's own example of a million letters.
    let known = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    assert_eq!(digest(&body).await, known);
}
