use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federate_server::auth::{Authenticator, CHALLENGE};
use federate_server::listener::ListenAddress;
use federate_server::serve::{Drained, Limits, serve};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

use super::{Counted, Mood, Outside, basic, guesses};
use crate::support::{Answer, app, send, state, users};

/// An app with the user `a` whose password is `b`, and what it counts.
fn guarded() -> (Router, Counted) {
    let state = state();
    state.auth.set_web_users(users(&[("a", "b")]));
    let auth = Arc::clone(&state.auth);
    let app = app(state);
    let counted = Counted::of(&auth);
    (app, counted)
}

async fn ask(app: &Router, headers: &HeaderMap) -> Answer {
    let mut request = Request::builder()
        .uri("/metrics")
        .body(Body::empty())
        .unwrap();
    request.headers_mut().extend(headers.clone());
    send(app, request).await
}

#[tokio::test]
async fn malformed_credentials_are_unauthorized_and_cost_nothing() {
    let (app, counted) = guarded();
    let encoded = |bytes: &[u8]| format!("Basic {}", STANDARD.encode(bytes)).into_bytes();
    let huge = [b"a:".to_vec(), vec![b'b'; 100_000]].concat();
    let values = [
        b"".to_vec(),
        b"Basic".to_vec(),
        b"Basic \xff".to_vec(),
        b"Basic ::::".to_vec(),
        b"Basic Ok".to_vec(),
        b"Bearer YTpi".to_vec(),
        b"Digest username=\"a\"".to_vec(),
        b"YTpi".to_vec(),
        b"Basic YTpi, Basic YTpi".to_vec(),
        b"Bearer x, Basic YTpi".to_vec(),
        b"Basic YTpi Basic YTpi".to_vec(),
        b"Basic\tYTpi".to_vec(),
        encoded(b"ab"),
        encoded(b"a\0:b"),
        encoded(b"a:b\0"),
        encoded(b"a:b\r\n"),
        encoded(b"a\xff:b"),
        encoded(&huge),
    ];
    for value in values {
        let value = HeaderValue::from_bytes(&value).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        let answer = ask(&app, &headers).await;
        assert_eq!(answer.status, 401, "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), CHALLENGE);
    }
    let right = basic("a", "b");
    let mut twice = right.clone();
    twice.append(AUTHORIZATION, right[AUTHORIZATION].clone());
    assert_eq!(ask(&app, &twice).await.status, 401);
    assert_eq!(counted.checks(), 0);
    assert_eq!(ask(&app, &right).await.status, 200);
}

#[tokio::test]
async fn every_refusal_of_credentials_reads_the_same() {
    let (app, _) = guarded();
    let without = ask(&app, &HeaderMap::new()).await;
    for (user, password) in [("a", "x"), ("ä", "b"), ("a:b", "")] {
        let answer = ask(&app, &basic(user, password)).await;
        assert_eq!(
            (answer.status, &answer.headers, &answer.body),
            (without.status, &without.headers, &without.body),
            "{user}"
        );
    }
    assert_eq!(without.status, 401);
    assert_eq!(without.header("www-authenticate"), CHALLENGE);
}

#[tokio::test(start_paused = true)]
async fn all_who_are_not_let_in_are_told_how_to() {
    let (app, _) = guarded();
    for guess in guesses("a", 3) {
        assert_eq!(ask(&app, &guess).await.status, 401);
    }
    let slowed = ask(&app, &basic("a", "another")).await;
    assert_eq!(slowed.status, 429);
    assert_eq!(slowed.header("retry-after"), "60");
    assert_eq!(slowed.header("www-authenticate"), CHALLENGE);
    assert_eq!(slowed.header("connection"), "close");

    let state = state();
    let outside = Arc::new(Outside::default());
    outside.set(Mood::Down);
    state.auth.set_login(Some(Arc::clone(&outside) as _));
    let app = crate::support::app(state);
    let down = ask(&app, &basic("alice", "right")).await;
    assert_eq!(down.status, 503);
    assert_eq!(down.header("retry-after"), "10");
    assert_eq!(down.header("www-authenticate"), CHALLENGE);
    tokio::time::advance(Duration::from_secs(10)).await;
    outside.set(Mood::Locks(Duration::from_secs(300)));
    let locked = ask(&app, &basic("alice", "right")).await;
    assert_eq!(locked.status, 429);
    assert_eq!(locked.header("retry-after"), "300");
    assert_eq!(locked.header("www-authenticate"), CHALLENGE);
}

/// A server, its address, and what it asks.
async fn serving() -> (JoinHandle<Drained>, SocketAddr, Arc<Authenticator>) {
    let state = state();
    state.auth.set_web_users(users(&[("a", "b")]));
    let auth = Arc::clone(&state.auth);
    let address: ListenAddress = "127.0.0.1:0".parse().unwrap();
    let listener = address.bind().await.unwrap();
    let address = listener.local_addr().unwrap();
    let forever = std::future::pending();
    let app = app(state);
    let serving = serve(listener, app, Arc::new(()), Limits::default(), forever);
    (tokio::spawn(serving), address, auth)
}

/// The status of the answer to a request from the local address `from`.
async fn status(from: [u8; 4], to: SocketAddr, request: &[u8]) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    // It may be refused before all of it is sent.
    let _ = stream.write_all(request).await;
    let mut answer = vec![0; 1 << 16];
    let length = stream.read(&mut answer).await.unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer[..length]);
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn get(headers: &str) -> Vec<u8> {
    format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn smuggled_headers_let_nobody_in() {
    let long = STANDARD.encode([b"a:".to_vec(), vec![b'b'; 10 << 20]].concat());
    let cases = [
        ("Authorization: Basic YTpi", "200"),
        ("authorization:Basic YTpi", "200"),
        (
            "Authorization: Basic YTpi\r\nAuthorization: Basic YTpi",
            "401",
        ),
        (
            "Authorization: Basic eDp5\r\nAUTHORIZATION: Basic YTpi",
            "401",
        ),
        ("Authorization: Basic YTpi,Basic YTpi", "401"),
        ("Proxy-Authorization: Basic YTpi", "401"),
        ("X-Forwarded-User: a", "401"),
        ("Authorization : Basic YTpi", "400"),
        ("Authorization: Basic\r\n YTpi", "400"),
        ("Authorization: Basic YTpi\0", "400"),
        (&format!("Authorization: Basic {long}"), "431"),
    ];
    let (serving, address, _) = serving().await;
    for (at, (headers, want)) in cases.iter().enumerate() {
        // From addresses of their own, lest one be slowed down for another.
        let from = [127, 0, 1, at as u8 + 1];
        let got = status(from, address, &get(headers)).await;
        assert_eq!(got, *want, "{}", &headers[..headers.len().min(80)]);
    }
    serving.abort();
}

#[tokio::test]
async fn connections_tell_the_address_and_trusted_proxies_override_it() {
    let authorization = |user: &str, password: &str| {
        let headers = basic(user, password);
        let value = headers[AUTHORIZATION].to_str().unwrap();
        format!("Authorization: {value}")
    };
    for proxies in [0, 1] {
        let (serving, address, auth) = serving().await;
        auth.set_trusted_proxies(proxies);
        let ask = async |from: u8, forwarded: &str, password: &str| {
            let authorization = authorization("a", password);
            let headers = format!("X-Forwarded-For: {forwarded}\r\n{authorization}");
            status([127, 0, 1, from], address, &get(&headers)).await
        };
        for guess in ["1", "2", "3"] {
            assert_eq!(ask(1, "192.0.2.1", guess).await, "401", "{proxies}");
        }
        assert_eq!(ask(1, "192.0.2.1", "b").await, "429", "{proxies}");
        let got = [
            ask(2, "192.0.2.1", "b").await,
            ask(1, "192.0.2.2", "b").await,
        ];
        let want = if proxies == 0 {
            ["200", "429"]
        } else {
            ["429", "200"]
        };
        assert_eq!(got, want, "{proxies}");
        serving.abort();
    }
}
