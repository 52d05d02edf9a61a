//! What has to hold for any response.

use super::{BodyReader, Finished, Head, HeadReader, Input, ResponseError};

/// Bytes of a body that are accepted here.
const LIMIT: usize = 1 << 16;

/// What is read of a response: its head, the body, and how many bytes follow.
type Outcome = Result<(Head, Vec<u8>), ResponseError>;

/// Reads `response` at once, and in pieces that end at `cuts`, which ascend: both come to the same, and neither
/// panics.
pub fn check_response(response: &[u8], cuts: impl IntoIterator<Item = usize>) {
    let whole = read(response, [response.len()]);
    let cuts = cuts.into_iter().chain([response.len()]);
    assert_eq!(whole, read(response, cuts));
}

fn read(response: &[u8], cuts: impl IntoIterator<Item = usize>) -> Outcome {
    let mut bytes = Vec::new();
    let mut at = 0;
    let mut pieces = cuts.into_iter().map(|cut| {
        let end = cut.clamp(at, response.len());
        let piece = &response[at..end];
        at = end;
        piece
    });
    let mut reader = HeadReader::default();
    let head = loop {
        let piece = pieces.next().ok_or(ResponseError::Truncated)?;
        bytes.extend_from_slice(piece);
        if let Some(head) = reader.read(&bytes)? {
            break head;
        }
    };
    let mut reader = BodyReader::new(head.framing, head.len, LIMIT)?;
    let mut input = Input::Open;
    loop {
        if let Some(Finished { body, .. }) = reader.read(&mut bytes, input)? {
            return Ok((head, bytes[body].to_vec()));
        }
        assert!(bytes.len() <= reader.most());
        match pieces.next() {
            Some(piece) => bytes.extend_from_slice(piece),
            None => input = Input::Ended,
        }
    }
}
