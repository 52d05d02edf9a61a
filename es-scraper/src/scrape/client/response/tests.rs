use proptest::prelude::*;

use super::check::check_response;
use super::*;
use crate::scrape::client::Encoding;

/// The status and the body of `response`, or why there is none; `+` where something follows.
fn outcome(response: &str, limit: usize) -> String {
    let read = || {
        let mut bytes = response.as_bytes().to_vec();
        let head = HeadReader::default().read(&bytes)?;
        let head = head.ok_or(ResponseError::Truncated)?;
        let mut reader = BodyReader::new(head.framing, head.len, limit)?;
        let finished = match reader.read(&mut bytes, Input::Open)? {
            Some(finished) => Some(finished),
            None => reader.read(&mut bytes, Input::Ended)?,
        };
        let finished = finished.ok_or(ResponseError::Truncated)?;
        let body = String::from_utf8_lossy(&bytes[finished.body]).into_owned();
        let followed = if finished.is_followed { "+" } else { "" };
        let reuse = match head.reuse {
            Reuse::Keep => "keep",
            Reuse::Close => "close",
        };
        Ok::<_, ResponseError>(format!(
            "{} {reuse} {body:?}{followed}",
            head.status.as_u16()
        ))
    };
    read().unwrap_or_else(|error| error.to_string())
}

#[test]
fn bodies_end_as_their_heads_say() {
    let f = |head: &str, body: &str, want: &str| {
        let response = format!("{head}\r\n\r\n{body}").replace('~', "\r\n");
        assert_eq!(outcome(&response, 8), want, "{response:?}");
        check_response(response.as_bytes(), 0..response.len());
    };
    let of_length = |fields: &str, body: &str, want: &str| {
        f(&format!("HTTP/1.1 200 OK~{fields}"), body, want);
    };
    of_length("Content-Length: 3", "abc", r#"200 keep "abc""#);
    of_length("content-LENGTH:3", "abcd", r#"200 keep "abc"+"#);
    of_length("Content-Length: 0", "", r#"200 keep """#);
    of_length("Content-Length: 4", "abc", "unexpected EOF");
    of_length("Content-Length: 8", "abcdefgh", r#"200 keep "abcdefgh""#);
    of_length("Content-Length: 9", "abcdefghi", "body size limit exceeded");
    of_length(
        "Content-Length: 3~Content-Length: 3",
        "abc",
        r#"200 keep "abc""#,
    );
    of_length(
        "Content-Length: 3~Content-Length: 4",
        "abc",
        "http: message cannot contain multiple Content-Length headers",
    );
    for bad in [
        "",
        "-1",
        "+1",
        "1, 1",
        "0x1",
        "9223372036854775808",
        "99999999999999999999",
    ] {
        of_length(&format!("Content-Length: {bad}"), "a", "bad Content-Length");
    }
    of_length(
        "Content-Length: 9223372036854775807",
        "",
        "body size limit exceeded",
    );
    of_length(
        "Content-Length: 3~Connection: close",
        "abc",
        r#"200 close "abc""#,
    );
    of_length(
        "Content-Length: 3~Connection: a, Close",
        "abc",
        r#"200 close "abc""#,
    );
    of_length("Server: x", "abc", r#"200 close "abc""#);
    of_length("Server: x", "abcdefghi", "body size limit exceeded");
    f("HTTP/1.0 200 OK~Content-Length: 1", "a", r#"200 close "a""#);
    f(
        "HTTP/1.0 200 OK~Content-Length: 1~Connection: Keep-Alive",
        "a",
        r#"200 keep "a""#,
    );
    f(
        "HTTP/1.0 200 OK~Transfer-Encoding: chunked~Content-Length: 2",
        "1~",
        r#"200 close "1\r"+"#,
    );
    f(
        "HTTP/1.1 204 No Content~Content-Length: 5",
        "",
        r#"204 keep """#,
    );
    f(
        "HTTP/1.1 304 x~Transfer-Encoding: chunked",
        "",
        r#"304 keep """#,
    );
    f("HTTP/1.1 101 x~A: b", "a", r#"101 close ""+"#);
}

#[test]
fn chunks_are_put_together() {
    let f = |body: &str, want: &str| {
        for head in ["", "Content-Length: 2~"] {
            let response = format!("HTTP/1.1 200 OK~{head}Transfer-Encoding: Chunked~~{body}")
                .replace('~', "\r\n");
            assert_eq!(outcome(&response, 8), want, "{response:?}");
            check_response(response.as_bytes(), 0..response.len());
        }
    };
    f("0~~", r#"200 keep """#);
    f("3~abc~0~~", r#"200 keep "abc""#);
    f(
        "3~abc~005;x=\"y\" ~~~d~000~A: b~C: d~~",
        r#"200 keep "abc\r\n\r\nd""#,
    );
    f("1~a~1 ;x~b~0~~HTTP", r#"200 keep "ab"+"#);
    f("8~abcdefgh~0~~", r#"200 keep "abcdefgh""#);
    f("4~abcd~5~efghi~0~~", "body size limit exceeded");
    f("fffffffffffffff~", "body size limit exceeded");
    f("10000000000000000~", "http chunk length too large");
    f("~", "empty hex number for chunk length");
    f(";a~", "empty hex number for chunk length");
    f("g~", "invalid byte in chunk length");
    f("-1~", "invalid byte in chunk length");
    f("0x1~a~0~~", "invalid byte in chunk length");
    f("1\na~0~~", "chunked line ends with bare LF");
    f("1~ab~0~~", "malformed chunked encoding");
    f("1~a\n0~~", "malformed chunked encoding");
    f(&"1".repeat(5000), "header line too long");
    f(&format!("1;{}~", "x".repeat(5000)), "header line too long");
    f(
        &format!("0~A: {}", "x".repeat(5000)),
        "http: suspiciously long trailer after chunked body",
    );
    f(
        &format!("0~{}~", "A: b~".repeat(900)),
        "http: suspiciously long trailer after chunked body",
    );
    for cut in [
        "", "3", "3~", "3~ab", "3~abc", "3~abc~", "3~abc~0", "3~abc~0~", "0~A: b~",
    ] {
        f(cut, "unexpected EOF");
    }
}

#[test]
fn extensions_must_not_outweigh_the_data() {
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(4000));
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let response = format!("{head}{}0\r\n\r\n", chunk.repeat(6));
    let want = "chunked encoding contains too much non-data";
    assert_eq!(outcome(&response, 1000), want);
    check_response(response.as_bytes(), (0..response.len()).step_by(7));
    let response = format!("{head}{}0\r\n\r\n", chunk.repeat(3));
    assert_eq!(outcome(&response, 1000), r#"200 keep "aaa""#);
}

#[test]
fn heads_are_read_as_go_reads_them() {
    let f = |response: &str, want: &str| {
        let response = response.replace('~', "\r\n");
        assert_eq!(outcome(&response, 8), want, "{response:?}");
        check_response(response.as_bytes(), 0..response.len());
    };
    f("HTTP/1.1 200~~a", r#"200 close "a""#);
    f("HTTP/1.1 200 \n\na", r#"200 close "a""#);
    f(
        "HTTP/1.1 200 OK\nContent-Length: 1\n\r\na",
        r#"200 keep "a""#,
    );
    f(
        "HTTP/1.1 100 Continue~~HTTP/1.1 103 x~Link: y~~HTTP/1.1 200 OK~~a",
        r#"200 close "a""#,
    );
    f("HTTP/1.1 200 OK~Content-Length:~ \t1~~a", r#"200 keep "a""#);
    f(
        "HTTP/1.1 200 OK~Transfer-Encoding: gzip~~",
        "unsupported transfer encoding",
    );
    f(
        "HTTP/1.1 200 OK~Transfer-Encoding: gzip, chunked~~",
        "unsupported transfer encoding",
    );
    f(
        "HTTP/1.1 200 OK~Transfer-Encoding: chunked~Transfer-Encoding: chunked~~",
        "unsupported transfer encoding",
    );
    let many = "A: b~".repeat(40);
    for bad in [
        &*format!("HTTP/1.1 200 OK~{many}A~~"),
        "x",
        "~HTTP/1.1 200 OK~~",
        "SSH-2.0-OpenSSH_9.2~~",
        "HTTP/2.0 200 OK~~",
        "HTTP/1.1 20 OK~~",
        "HTTP/1.1 2000 OK~~",
        "HTTP/1.1 099 OK~~",
        "HTTP/1.1 200 OK~A b~~",
        "HTTP/1.1 200 OK~A : b~~",
        "HTTP/1.1 200 OK~A: b\0~~",
        "HTTP/1.1 100 x~~x",
    ] {
        f(bad, "malformed HTTP response");
    }
    for cut in [
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK~",
        "HTTP/1.1 200 OK~A: b",
        "HTTP/1.1 100 x~~",
    ] {
        f(cut, "unexpected EOF");
    }
}

#[test]
fn many_fields_are_fine_as_long_as_they_are_within_the_limit() {
    let head = |fields: usize| {
        let fields = "A: b\r\n".repeat(fields);
        format!("HTTP/1.1 200 OK\r\n{fields}Content-Type: x\r\n\r\n")
    };
    for fields in [30, 31, 32, MAX_FIELDS - 1] {
        let response = head(fields);
        let read = HeadReader::default().read(response.as_bytes());
        let read = read.unwrap().unwrap();
        assert_eq!((&*read.content_type, read.len), ("x", response.len()));
    }
    for fields in [MAX_FIELDS, MAX_HEAD / 6 - 10] {
        let read = HeadReader::default().read(head(fields).as_bytes());
        assert_eq!(read, Err(ResponseError::TooManyFields), "{fields}");
    }
    let folded = head(0).replace(": x", &format!(": x{}", "\r\n ".repeat(2 * MAX_FIELDS)));
    let read = HeadReader::default().read(folded.as_bytes());
    assert_eq!(read.unwrap().unwrap().content_type.trim_end(), "x");
    let too_large = Err(ResponseError::HeadTooLarge);
    let response = head(MAX_HEAD / 6);
    assert_eq!(HeadReader::default().read(response.as_bytes()), too_large);
    let endless = &response.as_bytes()[..=MAX_HEAD];
    assert_eq!(HeadReader::default().read(endless), too_large);
}

#[test]
fn the_first_of_several_fields_counts() {
    let response = "HTTP/1.1 200 OK\r\nContent-Type: a\r\n b \r\nContent-Type: c\r\n\
                    Content-Encoding: gzip\r\nLocation: /x\r\nLocation: /y\r\n\r\n";
    let head = HeadReader::default()
        .read(response.as_bytes())
        .unwrap()
        .unwrap();
    assert_eq!(head.content_type, "a b");
    assert_eq!(head.encoding, Encoding::Gzip);
    assert_eq!(head.location.unwrap(), "/x");
}

#[test]
fn a_body_can_be_forgotten_while_it_comes() {
    let f = |response: &str, limit: usize, want: Result<bool, ResponseError>| {
        let head = HeadReader::default()
            .read(response.as_bytes())
            .unwrap()
            .unwrap();
        let mut reader = BodyReader::new(head.framing, head.len, limit).unwrap();
        let mut bytes = response.as_bytes()[..head.len].to_vec();
        let mut most = 0;
        let mut got = Ok(false);
        for byte in &response.as_bytes()[head.len..] {
            bytes.push(*byte);
            match reader.read(&mut bytes, Input::Open) {
                Ok(None) => reader.forget(&mut bytes),
                other => {
                    got = other.map(|finished| finished.is_some());
                    break;
                }
            }
            most = most.max(bytes.len());
        }
        assert_eq!(got, want, "{response:?}");
        assert!(most < 4, "{response:?}");
    };
    const CHUNKED: &str =
        "HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    f(
        "HTTP/1.1 500 x\r\nContent-Length: 7\r\n\r\nabcdefg",
        7,
        Ok(true),
    );
    f(CHUNKED, 7, Ok(true));
    f(CHUNKED, 6, Err(ResponseError::BodyTooLarge));
}

/// Responses that are nearly right.
fn responses() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("HTTP/1.1 200 OK\r\n".to_owned()),
        Just("HTTP/1.1 100 Continue\r\n\r\n".to_owned()),
        Just("HTTP/1.0 404 Not Found\r\n".to_owned()),
        Just("Content-Length: 5\r\n".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("Connection: close\r\n".to_owned()),
        Just(" folded\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("0\r\n\r\n".to_owned()),
        Just("3;x\r\nabc\r\n".to_owned()),
        Just("FFFFFFFFFFFFFFFF\r\n".to_owned()),
        "[0-9a-f:; \r\n]{0,8}",
        "(?s).{0,8}",
    ];
    let begins = prop_oneof![
        4 => Just("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()),
        2 => Just("HTTP/1.1 200 OK\r\n".to_owned()),
        1 => Just(String::new()),
    ];
    (begins, prop::collection::vec(piece, 0..12))
        .prop_map(|(begin, pieces)| (begin + &pieces.concat()).into_bytes())
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        response in responses(),
        mut cuts in prop::collection::vec(0_usize..200, 0..20),
    ) {
        cuts.sort_unstable();
        check_response(&response, cuts);
        check_response(&response, 0..response.len());
    }
}
