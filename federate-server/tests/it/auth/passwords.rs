//! Passwords that the configuration knows.

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::task::Poll;
use std::time::Duration;

use federate_server::auth::{AuthError, Authenticator, MAX_WAITING, Principal, Users};
use futures_util::FutureExt as _;
use http::HeaderMap;
use tokio::time::timeout;

use super::{basic, peer, user};
use crate::support::users;

#[tokio::test]
async fn right_passwords_are_let_in_and_nothing_else() {
    let two = bcrypt::hash("two", 4).unwrap();
    let builder = Users::builder().bcrypt("rotating", &bcrypt::hash("one", 4).unwrap());
    let builder = builder
        .and_then(|it| it.bcrypt("rotating", &two))
        .and_then(|it| it.plain("env", "pläin:"));
    let auth = Authenticator::new(builder.unwrap().build());
    // Twice, so that the second round is answered from the cache. From many addresses, as one has few attempts.
    let peers = Cell::new(0);
    for round in 1..=2 {
        let f = async |name: &str, password: &str, want| {
            peers.set(peers.get() + 1);
            let peer = Some(peer(peers.get()));
            let got = auth.authenticate(peer, &basic(name, password)).await;
            assert_eq!(got, want, "{name} {password}, round {round}");
        };
        f("rotating", "one", user("rotating")).await;
        f("rotating", "two", user("rotating")).await;
        f("env", "pläin:", user("env")).await;
        for (name, password) in [
            ("rotating", "three"),
            ("rotating", ""),
            ("rotating", "oneone"),
            ("Rotating", "one"),
            ("", ""),
            ("env", "pläin"),
            ("env", "one"),
            ("env", ""),
            ("unknown", "one"),
            ("unknown", ""),
            ("rotating:one", ""),
            ("rotating", &two),
        ] {
            f(name, password, Err(AuthError::Unauthorized)).await;
        }
    }
}

#[tokio::test]
async fn without_users_everybody_is_anonymous() {
    let auth = Authenticator::open();
    assert_eq!(
        auth.authenticate(None, &HeaderMap::new()).await,
        Ok(Principal::Anonymous)
    );
    assert_eq!(
        auth.authenticate(None, &basic("a", "b")).await,
        Ok(Principal::Anonymous)
    );
    assert!(!auth.is_required());
}

#[tokio::test]
async fn a_replaced_password_counts_at_once() {
    let auth = Authenticator::new(users(&[("a", "old")]));
    assert_eq!(auth.authenticate(None, &basic("a", "old")).await, user("a"));
    assert_eq!(
        auth.authenticate(None, &basic("a", "new")).await,
        Err(AuthError::Unauthorized)
    );
    auth.set_web_users(users(&[("a", "new")]));
    assert_eq!(
        auth.authenticate(None, &basic("a", "old")).await,
        Err(AuthError::Unauthorized)
    );
    assert_eq!(auth.authenticate(None, &basic("a", "new")).await, user("a"));
}

/// The parts of a cache key are delimited (CVE-2022-46146): a cached verdict on one pair says nothing of another
/// pair that reads the same when strung together.
#[tokio::test]
async fn verdicts_are_not_shared_between_pairs() {
    let auth = Authenticator::new(users(&[("ab", "c"), ("a", "x")]));
    assert_eq!(auth.authenticate(None, &basic("ab", "c")).await, user("ab"));
    for (name, password) in [("a", "bc"), ("", "abc"), ("abc", "")] {
        let got = auth.authenticate(None, &basic(name, password)).await;
        assert_eq!(got, Err(AuthError::Unauthorized), "{name} {password}");
    }
}

#[tokio::test]
async fn checked_passwords_cost_no_check_any_more() {
    let auth = Authenticator::new(users(&[("a", "right")]));
    for (password, want) in [
        ("right", user("a")),
        ("wrong", Err(AuthError::Unauthorized)),
    ] {
        let headers = basic("a", password);
        assert_eq!(auth.authenticate(None, &headers).await, want);
        assert_eq!(auth.authenticate(None, &headers).now_or_never(), Some(want));
    }
}

#[tokio::test]
async fn guessers_are_turned_away_and_known_users_are_not() {
    // At this cost no check is over before every guess has been made.
    let hash = bcrypt::hash("right", 11).unwrap();
    let auth = Authenticator::new(Users::builder().bcrypt("a", &hash).unwrap().build());
    assert_eq!(
        auth.authenticate(None, &basic("a", "right")).await,
        user("a")
    );
    let headers: Vec<_> = (0..2 * MAX_WAITING)
        .map(|guess| basic("a", &guess.to_string()))
        .collect();
    let mut guesses: Vec<_> = headers
        .iter()
        .map(|guess| Box::pin(auth.authenticate(None, guess)))
        .collect();
    let mut first = Vec::new();
    for guess in &mut guesses {
        first.push(poll_fn(|cx| Poll::Ready(guess.as_mut().poll(cx))).await);
    }
    // One is checked, the next wait, the others are turned away at once.
    assert!(first[..=MAX_WAITING].iter().all(Poll::is_pending));
    assert!(
        first[MAX_WAITING + 1..]
            .iter()
            .all(|it| *it == Poll::Ready(Err(AuthError::Busy)))
    );
    assert_eq!(
        auth.authenticate(None, &basic("a", "right")).now_or_never(),
        Some(user("a"))
    );
    for guess in guesses.drain(..).take(3) {
        let verdict = timeout(Duration::from_secs(60), guess).await.unwrap();
        assert_eq!(verdict, Err(AuthError::Unauthorized));
    }
    // Others are checked.
    let verdict = auth
        .authenticate(Some(peer(1)), &basic("a", "another"))
        .await;
    assert_eq!(verdict, Err(AuthError::Unauthorized));
}
