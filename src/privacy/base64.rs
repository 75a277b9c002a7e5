//! Reads base64 that hides a text; anything else encoded (pictures, keys) is left alone.
//!
//! Promises: linear; a run whose head is no text is given up after 64 characters.

/// The text a run of base64 (either alphabet, padding or none) stands for, if it is one.
pub fn base64_text(run: &[u8]) -> Option<String> {
    let head = decode(run.get(..run.len().min(64) / 4 * 4)?)?;
    if !is_text(&head) {
        return None;
    }
    let bytes = decode(run)?;
    let readable = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?,
    };
    Some(readable.to_owned())
}

/// Printable, but for a character cut at the end.
fn is_text(bytes: &[u8]) -> bool {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    let printable = valid
        .chars()
        .all(|character| !character.is_control() || matches!(character, '\n' | '\r' | '\t'));
    printable && !valid.is_empty() && bytes.len() - valid.len() < 4
}

fn decode(run: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(run.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in run.iter().copied().take_while(|byte| *byte != b'=') {
        bits = bits << 6 | sextet(byte)?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
        bits &= 0xff;
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}
