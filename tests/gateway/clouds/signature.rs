//! AWS Signature Version 4 as its documentation describes it, written for these tests alone: a request's signature is
//! made once more from what came, and compared. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use super::far::Heard;
use ring::{digest, hmac};
use std::fmt::Write;

/// What signed it, and where it is to hold.
pub(super) struct Keys {
    pub(super) id: &'static str,
    pub(super) secret: &'static str,
    pub(super) region: &'static str,
    pub(super) service: &'static str,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hashed(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// The key that signs on one day.
pub(super) fn signing_key(keys: &Keys, day: &str) -> Vec<u8> {
    let day = keyed(format!("AWS4{}", keys.secret).as_bytes(), day);
    let region = keyed(&day, keys.region);
    let service = keyed(&region, keys.service);
    keyed(&service, "aws4_request")
}

/// The path is encoded once as it is sent, and once more here.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => text.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => text.push(byte.into()),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    })
}

/// What is wrong with a request's signature.
pub(super) fn wrong(keys: &Keys, heard: &Heard) -> Result<(), String> {
    let said = heard.header("authorization");
    let rest = said.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("no SigV4")?;
    let part = |name: &str| {
        let mut parts = rest.split(", ");
        let part = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        part.ok_or(format!("no {name}"))
    };
    let moment = heard.header("x-amz-date");
    let day = moment.get(..8).ok_or("no x-amz-date")?;
    let scope = format!("{day}/{}/{}/aws4_request", keys.region, keys.service);
    if part("Credential")? != format!("{}/{scope}", keys.id) {
        return Err(format!("another credential: {said}"));
    }
    let names = part("SignedHeaders")?;
    for needed in ["host", "x-amz-date"] {
        if !names.split(';').any(|name| name == needed) {
            return Err(format!("{needed} is not signed"));
        }
    }
    let headers: String = names
        .split(';')
        .map(|name| format!("{name}:{}\n", heard.header(name)))
        .collect();
    let (path, query) = heard.path.split_once('?').unwrap_or((&heard.path, ""));
    let request = format!(
        "{}\n{}\n{query}\n{headers}\n{names}\n{}",
        heard.method,
        encoded(path),
        hashed(&heard.body)
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}",
        hashed(request.as_bytes())
    );
    let right = hex(&keyed(&signing_key(keys, day), &text));
    match part("Signature")? == right {
        true => Ok(()),
        false => Err("The request signature we calculated does not match".into()),
    }
}

fn published(method: &str, path: &str, headers: &[(&str, &str)]) -> Heard {
    let headers = headers.iter();
    Heard {
        method: method.into(),
        path: path.into(),
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: Vec::new(),
    }
}

#[test]
fn the_check_of_signatures_agrees_with_awss_published_examples() {
    let mut keys = Keys {
        id: "AKIDEXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
        service: "service",
    };
    let scope = "Credential=AKIDEXAMPLE/20150830/us-east-1";
    // `get-vanilla` and `post-vanilla` of the test suite, and the example of the documentation.
    for (method, signature) in [
        (
            "GET",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "POST",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
    ] {
        let said = format!(
            "AWS4-HMAC-SHA256 {scope}/service/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        let mut heard = published(
            method,
            "/",
            &[
                ("host", "example.amazonaws.com"),
                ("x-amz-date", "20150830T123600Z"),
                ("authorization", &said),
            ],
        );
        assert_eq!(wrong(&keys, &heard), Ok(()));
        heard.body.push(b' ');
        assert!(wrong(&keys, &heard).is_err(), "the body is covered");
    }
    keys.service = "iam";
    let said = format!(
        "AWS4-HMAC-SHA256 {scope}/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
    let heard = published(
        "GET",
        "/?Action=ListUsers&Version=2010-05-08",
        &[
            ("host", "iam.amazonaws.com"),
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            ),
            ("x-amz-date", "20150830T123600Z"),
            ("authorization", &said),
        ],
    );
    assert_eq!(wrong(&keys, &heard), Ok(()));
    assert_eq!(
        hex(&signing_key(&keys, "20150830")),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    );
}
