//! Ids of responses that an endpoint keeps. The gateway keeps none; so that a request which goes on from one finds its
//! way back, the id that a caller is given names the endpoint that made it.
//!
//! The id is sealed with HMAC-SHA-256 (RFC 2104, cut to 128 bits): all callers stand behind one account at the endpoint, so
//! whoever could make up an id, or had learned another caller's, could go on from that caller's conversation.

use crate::domain::Seal;
use ring::hmac;
use subtle::ConstantTimeEq;

/// Before an endpoint's name, in hexadecimal.
const MARK: &str = "resp_via.";
/// Bytes of a seal.
const SEAL: usize = 16;

/// The id that a caller is given for a response that this endpoint made and calls `id`.
pub fn handed_out(seal: &Seal, endpoint: &str, id: &str) -> String {
    let (name, tag) = (hex(endpoint.as_bytes()), hex(&tag(seal, endpoint, id)));
    format!("{MARK}{name}.{tag}.{id}")
}

/// The endpoint that made the response which a caller calls `id`, and what that endpoint calls it; `None` for an id that
/// was not handed out to this caller for an endpoint's.
pub fn made_by<'i>(seal: &Seal, id: &'i str) -> Option<(String, &'i str)> {
    let (name, rest) = id.strip_prefix(MARK)?.split_once('.')?;
    let (given, own) = rest.split_once('.').filter(|(_, own)| !own.is_empty())?;
    let endpoint = String::from_utf8(bytes(name)?).ok()?;
    let is_ours = tag(seal, &endpoint, own).ct_eq(&bytes(given)?);
    bool::from(is_ours).then_some((endpoint, own))
}

/// Each part goes in with its length, so that no two triples are the same bytes.
fn tag(seal: &Seal, endpoint: &str, id: &str) -> [u8; SEAL] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, seal.key.reveal());
    let mut context = hmac::Context::with_key(&key);
    for part in [&*seal.caller, endpoint, id] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let whole = context.sign();
    std::array::from_fn(|at| whole.as_ref()[at])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks_exact(2);
    if !digits.remainder().is_empty() {
        return None;
    }
    digits
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SealKey;

    fn seal(key: u8, caller: &str) -> Seal {
        Seal {
            key: SealKey::new([key; 32]),
            caller: caller.into(),
        }
    }

    #[test]
    fn an_id_leads_back_to_its_endpoint_and_to_its_own_name() {
        let seal = seal(1, "shop");
        for (endpoint, id) in [("gpt", "resp_1"), ("a.b/ç", "x.y"), ("", "r")] {
            let given = handed_out(&seal, endpoint, id);
            assert_eq!(made_by(&seal, &given), Some((endpoint.to_owned(), id)));
        }
    }

    #[test]
    fn an_id_is_of_no_use_to_another_caller_or_under_another_key() {
        let given = handed_out(&seal(1, "shop"), "gpt", "resp_1");
        for other in [seal(1, "kiosk"), seal(1, ""), seal(2, "shop")] {
            assert_eq!(made_by(&other, &given), None);
        }
    }

    #[test]
    fn no_part_of_an_id_can_be_changed() {
        let seal = seal(1, "shop");
        let given = handed_out(&seal, "gpt", "resp_1");
        for at in MARK.len()..given.len() {
            let mut forged = given.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(made_by(&seal, &forged), None, "{forged}");
        }
    }

    #[test]
    fn what_was_not_handed_out_leads_nowhere() {
        let given = handed_out(&seal(1, "shop"), "g", "x");
        let unsealed = given.split_once('.').unwrap().1.split_once('.').unwrap().0;
        for id in [
            "".to_owned(),
            "resp_1".into(),
            "resp_via.".into(),
            "resp_via.67".into(),
            "resp_via.67.".into(),
            "resp_via.67.x".into(),
            "resp_via.67..x".into(),
            "resp_via.6.00.x".into(),
            "resp_via.zz.00.x".into(),
            "resp_via.ff.00.x".into(),
            format!("resp_via.{unsealed}.{}.x", "0".repeat(2 * SEAL)),
        ] {
            assert_eq!(made_by(&seal(1, "shop"), &id), None, "{id}");
        }
    }
}
