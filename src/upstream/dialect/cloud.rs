//! Messages as Claude takes them in a cloud: the model stands in the path, and the version of the API in the body.

use crate::domain::Cloud;
use crate::wire::NotCarried;
use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use serde_json::value::RawValue;
use std::fmt;

/// What a top-level member is called that says the version.
const VERSION: &str = "anthropic_version";
/// What it is called that asks for features by name, where no header does.
const BETAS: &str = "anthropic_beta";

/// The members of an object in their order, with their values as they stand in the text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

/// The same request without what the path says, and with the cloud's own version. Every other byte stays.
pub(super) fn request_body(
    cloud: &Cloud,
    body: &[u8],
    betas: Option<&str>,
) -> Result<Bytes, NotCarried> {
    let unreadable = || NotCarried::Unreadable("the body is no JSON object".into());
    let members: Members<'_> = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let start = body.iter().position(|byte| *byte == b'{');
    let mut end = start.ok_or_else(unreadable)? + 1;
    let mut cut = Vec::with_capacity(body.len() + 64);
    cut.extend_from_slice(body.get(..end).ok_or_else(unreadable)?);
    let (mut has_betas, opening) = (false, cut.len());
    for (name, value) in &members.0 {
        // Each member's part reaches from the end of the value before it, comma included, to the end of its own.
        let begun = end;
        end = value.get().as_ptr() as usize - body.as_ptr() as usize + value.get().len();
        if is_elsewhere(cloud, name) {
            continue;
        }
        has_betas |= name == BETAS;
        let part = body.get(begun..end).ok_or_else(unreadable)?;
        let is_first = cut.len() == opening;
        cut.extend_from_slice(if is_first { without_comma(part) } else { part });
    }
    let mut add = |name: &str, value: serde_json::Value| {
        let comma = if cut.len() == opening { "" } else { "," };
        cut.extend_from_slice(format!("{comma}\"{name}\":{value}").as_bytes());
    };
    add(VERSION, version(cloud).into());
    let betas = betas.filter(|_| cloud.is_bedrock() && !has_betas);
    if let Some(betas) = betas {
        let names: Vec<&str> = betas.split(',').map(str::trim).collect();
        add(BETAS, json!(names));
    }
    cut.extend_from_slice(body.get(end..).ok_or_else(unreadable)?);
    Ok(cut.into())
}

/// What the path says, or we do.
fn is_elsewhere(cloud: &Cloud, name: &str) -> bool {
    matches!(name, "model" | VERSION) || (name == "stream" && cloud.is_bedrock())
}

fn version(cloud: &Cloud) -> &'static str {
    match cloud {
        Cloud::Bedrock(_) => "bedrock-2023-05-31",
        Cloud::Vertex(_) => "vertex-2023-10-16",
    }
}

fn without_comma(part: &[u8]) -> &[u8] {
    let trimmed = part.trim_ascii_start();
    trimmed.strip_prefix(b",").unwrap_or(part)
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = map.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        from.deserialize_map(InOrder)
    }
}

#[cfg(test)]
#[path = "cloud_tests.rs"]
mod tests;
