//! Reading one response, however the network cuts it into pieces. Where servers differ from the standard, it goes by
//! what Go's HTTP client makes of it.

mod chunked;
mod head;

use std::ops::Range;

use self::chunked::Chunked;
pub(super) use self::head::{Framing, Head, HeadReader, MAX_FIELDS, MAX_HEAD, Reuse};
use crate::scrape::error::ScrapeError;

/// What is wrong with a response, in the words of Go where Go minds it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResponseError {
    #[error("malformed HTTP response")]
    Malformed,
    #[error("net/http: server response headers exceeded {MAX_HEAD} bytes; aborted")]
    HeadTooLarge,
    #[error("server response headers exceeded {MAX_FIELDS} fields")]
    TooManyFields,
    #[error("unsupported transfer encoding")]
    TransferEncoding,
    #[error("bad Content-Length")]
    ContentLength,
    #[error("http: message cannot contain multiple Content-Length headers")]
    ContentLengths,
    #[error("unexpected EOF")]
    Truncated,
    #[error("body size limit exceeded")]
    BodyTooLarge,
    #[error("header line too long")]
    ChunkLineTooLong,
    #[error("chunked line ends with bare LF")]
    ChunkLineEnd,
    #[error("empty hex number for chunk length")]
    NoChunkLength,
    #[error("invalid byte in chunk length")]
    ChunkLength,
    #[error("http chunk length too large")]
    ChunkTooLong,
    #[error("malformed chunked encoding")]
    ChunkEnd,
    #[error("chunked encoding contains too much non-data")]
    ChunkOverhead,
    #[error("http: suspiciously long trailer after chunked body")]
    TrailerTooLong,
}

impl From<ResponseError> for ScrapeError {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::BodyTooLarge => Self::BodyTooLarge,
            other => Self::Http(other.to_string().into()),
        }
    }
}

/// Whether more may follow the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// The connection is open.
    Open,
    /// The server has closed it.
    Ended,
}

/// The end of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finished {
    /// Where the body is among the bytes received.
    pub(super) body: Range<usize>,
    /// Whether something follows it, which nobody has asked for.
    pub(super) is_followed: bool,
}

/// Finds a body in the bytes that are received from the head on; chunks are put together in place.
#[derive(Debug)]
pub(super) struct BodyReader {
    transfer: Transfer,
    start: usize,
    /// Where the body ends, as far as it is known.
    end: usize,
    limit: usize,
}

#[derive(Debug)]
enum Transfer {
    Length,
    Chunked(Chunked),
    UntilClose,
}

impl BodyReader {
    /// For a body that begins behind `start` bytes and has at most `limit`.
    pub(super) fn new(framing: Framing, start: usize, limit: usize) -> Result<Self, ResponseError> {
        let (transfer, len) = match framing {
            Framing::Length(len) => {
                let len = usize::try_from(len).ok().filter(|len| *len <= limit);
                (Transfer::Length, len.ok_or(ResponseError::BodyTooLarge)?)
            }
            Framing::Chunked => (Transfer::Chunked(Chunked::default()), 0),
            Framing::UntilClose => (Transfer::UntilClose, 0),
        };
        Ok(Self {
            transfer,
            start,
            end: start.saturating_add(len),
            limit,
        })
    }

    /// Takes notice of what was appended to `bytes`. `None` where more has to come.
    pub(super) fn read(
        &mut self,
        bytes: &mut Vec<u8>,
        input: Input,
    ) -> Result<Option<Finished>, ResponseError> {
        let is_complete = match &mut self.transfer {
            Transfer::Length => bytes.len() >= self.end,
            Transfer::Chunked(chunked) => {
                let room = self.limit.saturating_sub(self.end - self.start);
                let (decoded, is_complete) = chunked.decode(bytes, self.end, room)?;
                self.end = decoded;
                is_complete
            }
            Transfer::UntilClose => {
                if bytes.len() - self.start > self.limit {
                    return Err(ResponseError::BodyTooLarge);
                }
                self.end = bytes.len();
                input == Input::Ended
            }
        };
        match input {
            _ if is_complete => Ok(Some(Finished {
                body: self.start..self.end,
                is_followed: bytes.len() > self.end,
            })),
            Input::Open => Ok(None),
            Input::Ended => Err(ResponseError::Truncated),
        }
    }

    /// How many bytes may be received at most until the body is complete or found to be too large.
    pub(super) fn most(&self) -> usize {
        /// Of a chunk's length and of trailers.
        const FRAMING: usize = 16 * 1024;
        match self.transfer {
            // One that doesn't belong there would show.
            Transfer::Length => self.end.saturating_add(1),
            Transfer::Chunked(_) | Transfer::UntilClose => {
                let len = self.limit.saturating_add(FRAMING);
                self.start.saturating_add(len)
            }
        }
    }

    /// Drops from `bytes` what is read, for a body that nobody wants to know.
    pub(super) fn forget(&mut self, bytes: &mut Vec<u8>) {
        let read = match self.transfer {
            Transfer::Chunked(_) => self.end,
            Transfer::Length | Transfer::UntilClose => bytes.len(),
        };
        bytes.drain(..read);
        self.limit -= read.saturating_sub(self.start).min(self.limit);
        self.start = self.start.saturating_sub(read);
        self.end = self.end.saturating_sub(read);
    }
}

pub(super) mod check;

#[cfg(test)]
mod tests;
