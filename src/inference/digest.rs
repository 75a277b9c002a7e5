//! SHA-256 as people write it.

use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::io::{self, Read};

/// The digest of `bytes` in 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    in_digits(&Sha256::digest(bytes))
}

/// The same of all that a reader gives, a piece at a time.
pub(in crate::inference) fn sha256_hex_of(reader: &mut impl Read) -> io::Result<String> {
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(in_digits(&digest.finalize())),
            length => digest.update(&buffer[..length]),
        }
    }
}

fn in_digits(digest: &[u8]) -> String {
    let mut hex = String::with_capacity(digest.len() * 2);
    for byte in digest {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::sha256_hex;

    #[test]
    fn the_digest_of_abc_is_the_one_in_the_standard() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
