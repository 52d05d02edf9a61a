//! Inflating gzip bodies whose size is bounded.

use std::io::{self, Read};

use libdeflater::{Crc, Decompressor};

/// Smallest output buffer, so that tiny bodies don't make it grow step by step.
const MIN_OUTPUT: usize = 16 * 1024;
/// DEFLATE never expands by more: 258 bytes for two bits.
const MAX_RATIO: usize = 1032;
/// Bytes of CRC-32 and length that end a gzip member.
const TRAILER: usize = 8;

/// Why a body could not be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The inflated body is larger than the limit.
    #[error("body size limit exceeded")]
    TooLarge,
    /// The compressed body ends too early.
    #[error("unexpected EOF")]
    Truncated,
    /// The body is not gzip, or its checksum is wrong.
    #[error("gzip: invalid header, data or checksum")]
    Corrupt,
}

/// Inflates gzip bodies into a buffer that is kept from one body to the next.
pub(crate) struct Inflater {
    decompressor: Decompressor,
    /// Initialised as far as it has ever been used; the length isn't that of a body.
    output: Vec<u8>,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self {
            decompressor: Decompressor::new(),
            output: Vec::new(),
        }
    }

    /// The inflated `body`, all of its gzip members one after the other.
    ///
    /// Costs at most `limit` bytes of memory and twice the time to inflate that much, whatever the
    /// body says of itself.
    ///
    /// # Errors
    /// As [`InflateError`] says.
    pub(crate) fn inflate(&mut self, body: &[u8], limit: usize) -> Result<&[u8], InflateError> {
        let plausible = stated_len(body).min(body.len().saturating_mul(MAX_RATIO));
        self.grow(plausible.max(MIN_OUTPUT).min(limit));
        let end = self.output.len().min(limit);
        let inflated = self
            .decompressor
            .gzip_decompress(body, &mut self.output[..end]);
        let len = match inflated {
            // The trailer at the body's end is that of the member just inflated: there is only one.
            Ok(len) if ends_with_trailer_of(body, &self.output[..len]) => len,
            _ => self.inflate_by_stream(body, limit)?,
        };
        Ok(&self.output[..len])
    }

    /// Gives back memory beyond `len` bytes.
    pub(crate) fn shrink_to(&mut self, len: usize) {
        self.output.truncate(len);
        self.output.shrink_to(len);
    }

    fn grow(&mut self, len: usize) {
        if self.output.len() < len {
            self.output.reserve_exact(len - self.output.len());
            self.output.resize(len, 0);
        }
    }

    /// Any number of members, whose sizes are unknown; also tells why a body is bad.
    fn inflate_by_stream(&mut self, body: &[u8], limit: usize) -> Result<usize, InflateError> {
        let mut stream = flate2::bufread::MultiGzDecoder::new(body);
        let mut len = 0;
        loop {
            if len == self.output.len() {
                self.grow(len.saturating_mul(2).max(MIN_OUTPUT).min(limit));
            }
            let end = self.output.len().min(limit);
            let mut beyond = [0];
            let room = match &mut self.output[len..end] {
                [] => &mut beyond[..],
                room => room,
            };
            match stream.read(room).map_err(|error| reason(&error))? {
                0 => return Ok(len),
                _ if len == end => return Err(InflateError::TooLarge),
                read => len += read,
            }
        }
    }
}

fn reason(error: &io::Error) -> InflateError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => InflateError::Truncated,
        _ => InflateError::Corrupt,
    }
}

/// What the last member says of its inflated length, modulo 2³².
fn stated_len(body: &[u8]) -> usize {
    match body.last_chunk::<4>() {
        Some(len) => u32::from_le_bytes(*len) as usize,
        None => 0,
    }
}

fn ends_with_trailer_of(body: &[u8], inflated: &[u8]) -> bool {
    let Some(trailer) = body.last_chunk::<TRAILER>() else {
        return false;
    };
    let mut crc = Crc::new();
    crc.update(inflated);
    let [a, b, c, d, ..] = *trailer;
    u32::from_le_bytes([a, b, c, d]) == crc.sum()
        && stated_len(body) == inflated.len() & u32::MAX as usize
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(body: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
        Inflater::new().inflate(body, limit).map(<[u8]>::to_vec)
    }

    #[test]
    fn limit_is_the_largest_body() {
        let body = vec![b'a'; 100_000];
        let compressed = gzip(&body);
        assert_eq!(inflate(&compressed, 100_000), Ok(body.clone()));
        assert_eq!(inflate(&compressed, 200_000), Ok(body));
        assert_eq!(inflate(&compressed, 99_999), Err(InflateError::TooLarge));
        assert_eq!(inflate(&compressed, 0), Err(InflateError::TooLarge));
    }

    #[test]
    fn a_bomb_costs_the_limit() {
        let compressed = gzip(&vec![0; 50_000_000]);
        let mut inflater = Inflater::new();
        assert_eq!(
            inflater.inflate(&compressed, 1_000_000),
            Err(InflateError::TooLarge)
        );
        assert!(inflater.output.capacity() <= 1_000_000);
    }

    #[test]
    fn members_are_joined() {
        let mut compressed = gzip(b"one\n");
        compressed.extend(gzip(b"two\n"));
        assert_eq!(inflate(&compressed, 100), Ok(b"one\ntwo\n".to_vec()));
        assert_eq!(inflate(&compressed, 7), Err(InflateError::TooLarge));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let compressed = gzip(&vec![b'a'; 1000]);
        for len in 0..compressed.len() {
            let got = inflate(&compressed[..len], 10_000);
            assert!(
                matches!(got, Err(InflateError::Truncated | InflateError::Corrupt)),
                "{len}: {got:?}"
            );
        }
        let text = b"node_load1 1\nnode_load5 1\n";
        assert_eq!(inflate(text, 100), Err(InflateError::Corrupt));
        let mut trailing = compressed.clone();
        trailing.extend(b"up 1\n");
        assert!(inflate(&trailing, 10_000).is_err());
        let mut flipped = compressed;
        let crc = flipped.len() - 6;
        flipped[crc] ^= 1;
        assert!(inflate(&flipped, 10_000).is_err());
    }

    #[test]
    fn the_buffer_serves_bodies_of_any_size() {
        let mut inflater = Inflater::new();
        for len in [10, 100_000, 10, 300_000] {
            let body = vec![b'x'; len];
            assert_eq!(inflater.inflate(&gzip(&body), 400_000), Ok(&body[..]));
            inflater.shrink_to(50_000);
        }
    }
}
