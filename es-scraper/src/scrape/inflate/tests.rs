//! Bodies, and what Prometheus 3.5 makes of them.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;

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
fn equal_members_are_joined() {
    for text in [&b"up 1\n"[..], b"", &[b'a'; 100_000]] {
        let compressed = gzip(text).repeat(3);
        assert_eq!(inflate(&compressed, 400_000), Ok(text.repeat(3)));
    }
    let mut compressed = gzip(b"up 1\n");
    let trailer = compressed[compressed.len() - TRAILER..].to_vec();
    compressed.extend([b'x'; 20]);
    compressed.extend(trailer);
    assert!(inflate(&compressed, 100).is_err());
}

/// A member without optional parts in its header but those of `flags`, which are `parts`.
fn member(text: &[u8], flags: u8, parts: &[u8]) -> Vec<u8> {
    let plain = gzip(text);
    let (head, rest) = plain.split_at(10);
    let mut member = head.to_vec();
    member[3] = flags;
    [&*member, parts, rest].concat()
}

/// What becomes of "a 1\n", "b 2\n" and the like.
#[test]
fn what_prometheus_takes_is_taken() {
    let one = gzip(b"a 1\n");
    let f = |body: &[&[u8]], want: &str| {
        assert_eq!(inflate(&body.concat(), 100), Ok(want.into()), "{body:x?}");
    };
    f(&[&one], "a 1\n");
    f(&[&one, &one], "a 1\na 1\n");
    f(&[&gzip(b"a "), &gzip(b"1\n")], "a 1\n");
    f(&[&gzip(b"")], "");
    f(&[&gzip(b""), &one], "a 1\n");
    f(&[&one, &gzip(b"")], "a 1\n");
    f(&[&member(b"a 1\n", 1, b"")], "a 1\n");
    f(&[&member(b"a 1\n", 4, b"\x03\0abc")], "a 1\n");
    f(&[&member(b"a 1\n", 8, b"name\0")], "a 1\n");
    f(
        &[&member(b"a 1\n", 8, &[&[b'n'; 511][..], b"\0"].concat())],
        "a 1\n",
    );
    f(&[&member(b"a 1\n", 16, b"comment\0")], "a 1\n");
    f(&[&member(b"a 1\n", 24, b"name\0comment\0")], "a 1\n");
    let mut crc = Crc::new();
    crc.update(&member(b"a 1\n", 2, b"")[..10]);
    let [a, b, ..] = crc.sum().to_le_bytes();
    f(&[&member(b"a 1\n", 2, &[a, b])], "a 1\n");
}

#[test]
fn what_prometheus_refuses_is_refused() {
    let one = gzip(b"a 1\n");
    let f = |body: &[&[u8]], want: &str| {
        let error = inflate(&body.concat(), 100_000).unwrap_err();
        assert_eq!(error.to_string(), want, "{body:x?}");
    };
    let (eof, header, checksum) = (
        "unexpected EOF",
        "gzip: invalid header",
        "gzip: invalid checksum",
    );
    f(&[], "EOF");
    f(&[b"a 1\n"], eof);
    f(&[b"node_load1 1\nnode_load5 1\n"], header);
    // What follows a member.
    f(&[&one, &[0]], eof);
    f(&[&one, &[0; 9]], eof);
    f(&[&one, &[0; 10]], header);
    f(&[&one, &[0; 512]], header);
    f(&[&one, b"xyz"], eof);
    f(&[&one, &[b'x'; 20]], header);
    f(&[&one, &[b'x'; 20], &one[one.len() - TRAILER..]], header);
    f(&[&one, &one[..5]], eof);
    f(&[&one, &one[..10]], eof);
    let other = gzip(b"b 2\n");
    f(&[&one, &other[..other.len() - 3]], eof);
    // Checksums.
    let flipped = |at: usize| {
        let mut other = other.clone();
        let at = other.len() - at;
        other[at] ^= 1;
        other
    };
    f(&[&flipped(6)], checksum);
    f(&[&flipped(4)], checksum);
    f(&[&one, &flipped(6)], checksum);
    // Headers.
    for reserved in [0x20, 0x40, 0x80, 0xe0] {
        f(&[&member(b"a 1\n", reserved, b"")], header);
    }
    f(&[b"\x1f\x8b\x09", &one[3..]], header);
    let long = [&[b'n'; 512][..], b"\0"].concat();
    f(&[&member(b"a 1\n", 8, &long)], header);
    f(&[&member(b"a 1\n", 2, b"\x12\x34")], header);
    // Data.
    f(
        &[&one[..10], &[0xff; 3], &one[13..]],
        "flate: corrupt input",
    );
}

#[test]
fn what_is_not_whole_is_refused() {
    let compressed = gzip(&[b'a'; 1000]);
    let named = member(&[b'a'; 1000], 0b1_1100, b"\x02\0xxname\0comment\0");
    for body in [compressed, named] {
        for len in 1..body.len() {
            let got = inflate(&body[..len], 10_000);
            assert_eq!(got, Err(InflateError::Truncated), "{len}");
        }
    }
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

proptest! {
    #[test]
    fn members_and_what_follows_them_are_what_another_decoder_says(
        texts in prop::collection::vec("[ab]{0,40}", 0..4),
        tail in prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 0..20)],
        flip in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut body = texts.iter().flat_map(|text| gzip(text.as_bytes())).collect::<Vec<_>>();
        body.extend(tail);
        if let Some(flip) = flip.filter(|_| !body.is_empty()) {
            let at = flip.index(body.len());
            body[at] ^= 0x10;
        }
        let mut want = Vec::new();
        let decoded = MultiGzDecoder::new(&*body).read_to_end(&mut want);
        let got = inflate(&body, 1000);
        if !body.is_empty() {
            prop_assert_eq!(got.ok(), decoded.ok().map(|_| want));
        }
    }
}
