//! The chunked transfer coding, put together in place.

use super::ResponseError;

/// Bytes of a line with a chunk's length.
const MAX_LINE: usize = 4096;
/// Bytes of trailers, which mean nothing here.
const MAX_TRAILER: usize = 4096;
/// By how much lengths and extensions may exceed sixteen bytes a chunk and its size.
const MAX_OVERHEAD: usize = 16 * 1024;

/// Where in the coding the bytes at hand end.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    overhead: usize,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Before a chunk's length.
    #[default]
    Length,
    /// In a chunk that has so many bytes more.
    Data(usize),
    /// Behind a chunk's data.
    DataEnd,
    /// Behind the last chunk and so many bytes of trailers.
    Trailer(usize),
    Complete,
}

impl Chunked {
    /// Decodes what is behind the first `decoded` of `bytes`, of which at most `room` is data. Returns where the data
    /// ends and whether it is complete; behind it only undecoded bytes are left.
    pub(super) fn decode(
        &mut self,
        bytes: &mut Vec<u8>,
        mut decoded: usize,
        room: usize,
    ) -> Result<(usize, bool), ResponseError> {
        let last = decoded.saturating_add(room);
        let mut at = decoded;
        let is_complete = loop {
            let rest = &bytes[at..];
            match self.state {
                State::Length => {
                    let Some(line) = line(rest, MAX_LINE, ResponseError::ChunkLineTooLong)? else {
                        break false;
                    };
                    at += line.len() + 1;
                    let len = self.length(line)?;
                    if len > last - decoded {
                        return Err(ResponseError::BodyTooLarge);
                    }
                    self.state = match len {
                        0 => State::Trailer(0),
                        len => State::Data(len),
                    };
                }
                State::Data(left) => {
                    let len = left.min(rest.len());
                    bytes.copy_within(at..at + len, decoded);
                    at += len;
                    decoded += len;
                    if len < left {
                        self.state = State::Data(left - len);
                        break false;
                    }
                    self.state = State::DataEnd;
                }
                State::DataEnd => match *rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        self.state = State::Length;
                    }
                    [] | [b'\r'] => break false,
                    _ => return Err(ResponseError::ChunkEnd),
                },
                State::Trailer(before) => {
                    let too_long = ResponseError::TrailerTooLong;
                    let Some(line) = line(rest, MAX_TRAILER + 2, too_long)? else {
                        if before + rest.len() > MAX_TRAILER + 2 {
                            return Err(too_long);
                        }
                        break false;
                    };
                    at += line.len() + 1;
                    self.state = match line {
                        b"" | b"\r" => State::Complete,
                        _ if before + line.len() > MAX_TRAILER => return Err(too_long),
                        _ => State::Trailer(before + line.len() + 1),
                    };
                }
                State::Complete => break true,
            }
        };
        bytes.copy_within(at.., decoded);
        bytes.truncate(decoded + (bytes.len() - at));
        Ok((decoded, is_complete))
    }

    /// The number in a line before a chunk.
    fn length(&mut self, line: &[u8]) -> Result<usize, ResponseError> {
        let framing = line.len() + 1 + 2;
        let line = line
            .strip_suffix(b"\r")
            .ok_or(ResponseError::ChunkLineEnd)?;
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let digits = digits.trim_ascii_end();
        if digits.is_empty() {
            return Err(ResponseError::NoChunkLength);
        }
        let mut len = 0_usize;
        for digit in digits {
            let digit = (*digit as char)
                .to_digit(16)
                .ok_or(ResponseError::ChunkLength)?;
            let shifted = len.checked_mul(16).ok_or(ResponseError::ChunkTooLong)?;
            len = shifted + digit as usize;
        }
        let fair = len.saturating_mul(2).saturating_add(16);
        self.overhead = (self.overhead + framing).saturating_sub(fair);
        if self.overhead > MAX_OVERHEAD {
            return Err(ResponseError::ChunkOverhead);
        }
        Ok(len)
    }
}

/// What stands before the first newline of `bytes`, if that is there.
fn line(
    bytes: &[u8],
    most: usize,
    too_long: ResponseError,
) -> Result<Option<&[u8]>, ResponseError> {
    let len = memchr::memchr(b'\n', bytes);
    if len.unwrap_or(bytes.len()) > most {
        return Err(too_long);
    }
    Ok(len.map(|len| &bytes[..len]))
}
