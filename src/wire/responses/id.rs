//! Ids of responses that an endpoint keeps. The gateway keeps none; so that a request which goes on from one finds its
//! way back, the id that a caller is given names the endpoint that made it.

/// Before an endpoint's name, in hexadecimal.
const MARK: &str = "resp_via.";

/// The id that a caller is given for a response that this endpoint made and calls `id`.
pub fn handed_out(endpoint: &str, id: &str) -> String {
    use std::fmt::Write;
    let mut handed_out = String::from(MARK);
    for byte in endpoint.bytes() {
        // Writing to a String cannot fail.
        let _ = write!(handed_out, "{byte:02x}");
    }
    handed_out + "." + id
}

/// The endpoint that made the response which a caller calls `id`, and what that endpoint calls it; `None` for an id that
/// was not handed out for an endpoint's.
pub fn made_by(id: &str) -> Option<(String, &str)> {
    let (name, own) = id.strip_prefix(MARK)?.split_once('.')?;
    let digits = name.as_bytes().chunks_exact(2);
    if own.is_empty() || !digits.remainder().is_empty() {
        return None;
    }
    let bytes: Option<Vec<u8>> = digits.map(byte).collect();
    Some((String::from_utf8(bytes?).ok()?, own))
}

fn byte(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_endpoint_and_to_its_own_name() {
        for (endpoint, id) in [("gpt", "resp_1"), ("a.b/ç", "x.y"), ("", "r")] {
            let given = handed_out(endpoint, id);
            assert_eq!(made_by(&given), Some((endpoint.to_owned(), id)));
        }
    }

    #[test]
    fn what_was_not_handed_out_leads_nowhere() {
        for id in [
            "",
            "resp_1",
            "resp_via.",
            "resp_via.67",
            "resp_via.67.",
            "resp_via.6.x",
            "resp_via.zz.x",
            "resp_via.ff.x",
        ] {
            assert_eq!(made_by(id), None, "{id}");
        }
    }
}
