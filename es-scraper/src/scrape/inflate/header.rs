//! The header of a gzip member (RFC 1952), read as Go reads it.

use libdeflater::Crc;

use super::InflateError;

/// Bytes of a header without optional parts.
const FIXED: usize = 10;
/// Magic number, and the compression method DEFLATE.
const START: [u8; 3] = [0x1f, 0x8b, 8];
/// Bytes that a name or a comment may have, with the zero that ends it.
const MAX_STRING: usize = 512;

/// Which optional parts a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags(u8);

impl Flags {
    pub(super) const NONE: Self = Self(0);
    const HEADER_CRC: Self = Self(1 << 1);
    const EXTRA: Self = Self(1 << 2);
    const NAME: Self = Self(1 << 3);
    const COMMENT: Self = Self(1 << 4);
    const RESERVED: Self = Self(0b1110_0000);

    /// Those of the member that `body` begins with, if it is one.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let flags = body.strip_prefix(&START)?.first()?;
        Some(Self(*flags))
    }

    const fn have(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }
}

/// Length of the header that `member` begins with.
///
/// # Errors
/// Where it isn't one, or not a whole one.
pub(super) fn header_len(member: &[u8]) -> Result<usize, InflateError> {
    if member.len() < FIXED {
        return Err(InflateError::Truncated);
    }
    let flags = Flags::of(member).ok_or(InflateError::Header)?;
    if flags.have(Flags::RESERVED) {
        return Err(InflateError::Header);
    }
    let mut len = FIXED;
    if flags.have(Flags::EXTRA) {
        let extra = number(member, len)?;
        len += 2 + usize::from(extra);
    }
    for string in [Flags::NAME, Flags::COMMENT] {
        if flags.have(string) {
            len += string_len(member.get(len..).unwrap_or_default())?;
        }
    }
    if flags.have(Flags::HEADER_CRC) {
        let stated = number(member, len)?;
        let mut crc = Crc::new();
        crc.update(&member[..len]);
        if u32::from(stated) != crc.sum() & 0xffff {
            return Err(InflateError::Header);
        }
        len += 2;
    }
    if member.len() < len {
        return Err(InflateError::Truncated);
    }
    Ok(len)
}

fn number(member: &[u8], at: usize) -> Result<u16, InflateError> {
    let bytes = member.get(at..).and_then(|rest| rest.first_chunk::<2>());
    let bytes = bytes.ok_or(InflateError::Truncated)?;
    Ok(u16::from_le_bytes(*bytes))
}

/// Length of the text that `rest` begins with, and of the zero behind it.
fn string_len(rest: &[u8]) -> Result<usize, InflateError> {
    let rest = &rest[..rest.len().min(MAX_STRING)];
    match memchr::memchr(0, rest) {
        Some(end) => Ok(end + 1),
        None if rest.len() == MAX_STRING => Err(InflateError::Header),
        None => Err(InflateError::Truncated),
    }
}
