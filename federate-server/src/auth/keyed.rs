//! Hashes that mean nothing outside this process.

use ring::hmac;

/// Makes keyed hashes, with a key of its own.
#[derive(Debug)]
pub(super) struct Keyed(hmac::Key);

impl Keyed {
    pub(super) fn new() -> Self {
        let key: [u8; 32] = rand::random();
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The hash of the parts; other parts have another one.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.0, &message(parts)).as_ref());
        digest
    }

    /// The same, shorter.
    pub(super) fn tag(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut tag = [0; 16];
        tag.copy_from_slice(&self.digest(parts)[..16]);
        tag
    }

    /// Whether both are the same, in a time that doesn't tell where they differ.
    pub(super) fn is_same(&self, one: &[u8], other: &[u8]) -> bool {
        let expected = self.digest(&[one]);
        hmac::verify(&self.0, &message(&[other]), &expected).is_ok()
    }
}

/// The parts, each after its length: other parts never make the same message (CVE-2022-46146).
fn message(parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_delimited() {
        assert_ne!(message(&[b"ab", b"c"]), message(&[b"a", b"bc"]));
        assert_ne!(message(&[b"ab"]), message(&[b"ab", b""]));
    }

    #[test]
    fn keys_differ() {
        let (one, other) = (Keyed::new(), Keyed::new());
        assert_ne!(one.digest(&[b"a"]), other.digest(&[b"a"]));
        assert!(one.is_same(b"a", b"a") && !one.is_same(b"a", b"b"));
    }
}
