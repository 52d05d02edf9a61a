//! Inflating gzip bodies whose size is bounded, as Prometheus does: all members one after the other, and
//! nothing but members.

mod header;

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{Crc, Decompressor};
use memchr::memmem;

use self::header::{Flags, header_len};

/// Smallest output buffer, so that tiny bodies don't make it grow step by step.
const MIN_OUTPUT: usize = 16 * 1024;
/// DEFLATE never expands by more: 258 bytes for two bits.
const MAX_RATIO: usize = 1032;
/// Bytes of CRC-32 and length that end a gzip member.
const TRAILER: usize = 8;

/// Why a body could not be inflated, in the words of Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The inflated body is larger than the limit.
    #[error("body size limit exceeded")]
    TooLarge,
    /// There is no body.
    #[error("EOF")]
    Empty,
    /// The compressed body ends in the middle of a member.
    #[error("unexpected EOF")]
    Truncated,
    /// The body, or what follows a member in it, is not gzip.
    #[error("gzip: invalid header")]
    Header,
    /// What is compressed makes no sense.
    #[error("flate: corrupt input")]
    Data,
    /// What came out is not what was compressed.
    #[error("gzip: invalid checksum")]
    Checksum,
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
        let inflated = match Flags::of(body) {
            Some(Flags::NONE) => self
                .decompressor
                .gzip_decompress(body, &mut self.output[..end])
                .ok()
                .filter(|len| ends_with_member_of(body, *len)),
            _ => None,
        };
        let len = match inflated {
            Some(len) => len,
            None => self.inflate_members(body, limit)?,
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
    fn inflate_members(&mut self, body: &[u8], limit: usize) -> Result<usize, InflateError> {
        if body.is_empty() {
            return Err(InflateError::Empty);
        }
        let mut member = Decompress::new(false);
        let (mut rest, mut len) = (body, 0);
        while !rest.is_empty() {
            rest = &rest[header_len(rest)?..];
            let start = len;
            (rest, len) = self.inflate_member(&mut member, rest, start, limit)?;
            let Some((trailer, next)) = rest.split_first_chunk::<TRAILER>() else {
                return Err(InflateError::Truncated);
            };
            let mut crc = Crc::new();
            crc.update(&self.output[start..len]);
            let [a, b, c, d, ..] = *trailer;
            let is_crc = u32::from_le_bytes([a, b, c, d]) == crc.sum();
            if !is_crc || stated_len(trailer) != (len - start) & u32::MAX as usize {
                return Err(InflateError::Checksum);
            }
            rest = next;
            member.reset(false);
        }
        Ok(len)
    }

    /// Puts what `body` begins with behind the first `len` bytes of the output. Returns what follows it, and where it
    /// ends in the output.
    fn inflate_member<'b>(
        &mut self,
        member: &mut Decompress,
        mut body: &'b [u8],
        mut len: usize,
        limit: usize,
    ) -> Result<(&'b [u8], usize), InflateError> {
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
            let (before_in, before_out) = (member.total_in(), member.total_out());
            let status = member
                .decompress(body, room, FlushDecompress::None)
                .map_err(|_| InflateError::Data)?;
            let read = (member.total_in() - before_in) as usize;
            let written = (member.total_out() - before_out) as usize;
            if written > end - len {
                return Err(InflateError::TooLarge);
            }
            body = &body[read..];
            len += written;
            match status {
                Status::StreamEnd => return Ok((body, len)),
                _ if read == 0 && written == 0 => return Err(InflateError::Truncated),
                _ => {}
            }
        }
    }
}

/// What the last member says of its inflated length, modulo 2³².
pub(super) fn stated_len(body: &[u8]) -> usize {
    match body.last_chunk::<4>() {
        Some(len) => u32::from_le_bytes(*len) as usize,
        None => 0,
    }
}

/// Whether the member that `body` begins with, of `len` bytes when inflated, is all of it.
///
/// A member ends with its length. If that stands at the end of the body and nowhere before, this is where the member
/// ends; where it happens to stand elsewhere, too, nothing is known.
fn ends_with_member_of(body: &[u8], len: usize) -> bool {
    let Some((before, stated)) = body.split_last_chunk::<4>() else {
        return false;
    };
    let with_three_of_them = &body[..before.len() + 3];
    u32::from_le_bytes(*stated) as usize == len & u32::MAX as usize
        && memmem::find(with_three_of_them, stated).is_none()
}

#[cfg(test)]
mod tests;
