use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use federate_server::auth::{AuthError, Authenticator, MAX_WAITING, Principal, Users};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue};
use tokio::task::JoinSet;
use tokio::time::{advance, timeout};

use super::{Counted, Outside, basic, guesses, peer, user};
use crate::support::users;

const MANY: usize = 10_000;

fn is_slowed_down<T: std::fmt::Debug>(outcome: &Result<T, AuthError>) -> bool {
    matches!(outcome, Err(AuthError::TooManyFailures { .. }))
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_guesses_cost_five_checks() {
    // What is guessed at: one user, many of them, and both kinds of stored passwords.
    let known = Users::builder()
        .bcrypt("a", &bcrypt::hash("right", 4).unwrap())
        .and_then(|users| users.plain("env", "right"))
        .unwrap()
        .build();
    for (name, most) in [("a", 3), ("unknown", 3), ("env", 0)] {
        let auth = Authenticator::new(known.clone());
        let counted = Counted::of(&auth);
        for guess in guesses(name, MANY) {
            let got = auth.authenticate(Some(peer(1)), &guess).await;
            assert!(got.is_err(), "{name}");
        }
        assert!(counted.checks() <= most, "{name}: {}", counted.checks());
        let slowed = counted.sum("requests_total", &["TooManyFailures"]);
        assert_eq!(slowed, MANY as u64 - 3, "{name}");
    }
    let auth = Authenticator::new(users(&[("a", "right")]));
    let counted = Counted::of(&auth);
    for name in 0..MANY {
        let guess = basic(&format!("user {name}"), "guess");
        let got = auth.authenticate(Some(peer(1)), &guess).await;
        assert!(got.is_err(), "{name}");
    }
    assert_eq!(counted.checks(), 5);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_guesses_at_once_cost_no_more() {
    let auth = Authenticator::new(users(&[("a", "right")]));
    let counted = Counted::of(&auth);
    let guesses = guesses("a", MANY);
    let asked = guesses
        .iter()
        .map(|guess| auth.authenticate(Some(peer(1)), guess));
    assert!(join_all(asked).await.iter().all(Result::is_err));
    assert_eq!(counted.checks(), 3);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_guesses_hardly_reach_the_login() {
    let auth = Authenticator::open();
    let outside = Arc::new(Outside::default());
    outside.put("alice", "right", &["1"]);
    outside.change(|it| it.takes = Duration::from_millis(100));
    auth.set_login(Some(Arc::clone(&outside) as _));
    let many = guesses("alice", MANY);
    let asked = many
        .iter()
        .map(|guess| auth.authenticate(Some(peer(1)), guess));
    assert!(join_all(asked).await.iter().all(Result::is_err));
    assert!(outside.asked() <= 2, "{}", outside.asked());
    let names: Vec<HeaderMap> = (0..MANY)
        .map(|name| basic(&format!("user {name}"), "guess"))
        .collect();
    let asked = names
        .iter()
        .map(|guess| auth.authenticate(Some(peer(2)), guess));
    assert!(join_all(asked).await.iter().all(Result::is_err));
    // Five, and those that were under way with the fifth.
    assert!(outside.asked() <= 2 + 5 + 3, "{}", outside.asked());
    assert!(outside.change(|it| it.most_under_way) <= 4);
}

#[tokio::test(start_paused = true)]
async fn a_right_password_is_let_in_where_it_was_given_before() {
    let auth = Authenticator::new(users(&[("a", "right"), ("b", "right")]));
    let right = basic("a", "right");
    assert_eq!(auth.authenticate(Some(peer(1)), &right).await, user("a"));
    for guess in guesses("a", 10) {
        let _ = auth.authenticate(Some(peer(1)), &guess).await;
    }
    assert_eq!(auth.authenticate(Some(peer(1)), &right).await, user("a"));
    // What is known to be wrong is wrong.
    let wrong = &guesses("a", 1)[0];
    let got = auth.authenticate(Some(peer(1)), wrong).await;
    assert_eq!(got, Err(AuthError::Unauthorized));
    // The others who come from there can still give theirs, and from elsewhere all do.
    let other = basic("b", "right");
    assert_eq!(auth.authenticate(Some(peer(1)), &other).await, user("b"));
    assert_eq!(auth.authenticate(Some(peer(2)), &right).await, user("a"));
}

/// Guessing what somebody else has proved to be right costs a hash only, so it has to be slowed down, too.
#[tokio::test(start_paused = true)]
async fn a_guesser_learns_nothing_of_passwords_that_others_use() {
    let auth = Authenticator::new(users(&[("a", "right")]));
    let outside = Arc::new(Outside::default());
    outside.put("alice", "right", &["1"]);
    auth.set_login(Some(Arc::clone(&outside) as _));
    for name in ["a", "alice"] {
        let right = basic(name, "right");
        assert!(auth.authenticate(Some(peer(1)), &right).await.is_ok());
        for guess in guesses(name, 10) {
            let _ = auth.authenticate(Some(peer(2)), &guess).await;
        }
        let got = auth.authenticate(Some(peer(2)), &right).await;
        assert!(is_slowed_down(&got), "{name}: {got:?}");
        assert!(auth.authenticate(Some(peer(1)), &right).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_wrong_password_costs_nothing_the_second_time() {
    let auth = Authenticator::new(users(&[("a", "right")]));
    let counted = Counted::of(&auth);
    let wrong = basic("a", "wrong");
    for _ in 0..1000 {
        let got = auth.authenticate(Some(peer(1)), &wrong).await;
        assert_eq!(got, Err(AuthError::Unauthorized));
    }
    assert_eq!(counted.checks(), 1);
    let right = basic("a", "right");
    assert_eq!(auth.authenticate(Some(peer(1)), &right).await, user("a"));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_as_told_is_heard() {
    let auth = Authenticator::new(users(&[("a", "right")]));
    let mut guesses = guesses("a", 4).into_iter();
    for guess in guesses.by_ref().take(3) {
        let got = auth.authenticate(Some(peer(1)), &guess).await;
        assert_eq!(got, Err(AuthError::Unauthorized));
    }
    let got = auth
        .authenticate(Some(peer(1)), &guesses.next().unwrap())
        .await;
    let Err(AuthError::TooManyFailures { retry_after }) = got else {
        panic!("{got:?}");
    };
    advance(retry_after).await;
    let right = basic("a", "right");
    assert_eq!(auth.authenticate(Some(peer(1)), &right).await, user("a"));
}

/// A whole network of 64 bits is one address, and a proxy's clients are told apart where it is counted.
#[tokio::test(start_paused = true)]
async fn addresses_are_those_of_customers() {
    let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
    let auth = Authenticator::new(users(&[("a", "right")]));
    let right = basic("a", "right");
    for (at, guess) in guesses("a", 20).into_iter().enumerate() {
        let from = v6(&format!("2001:db8::{at:x}"));
        let _ = auth.authenticate(Some(from), &guess).await;
    }
    let got = auth.authenticate(Some(v6("2001:db8::ffff")), &right).await;
    assert!(is_slowed_down(&got));
    let elsewhere = v6("2001:db8:0:1::1");
    assert_eq!(auth.authenticate(Some(elsewhere), &right).await, user("a"));

    let auth = Authenticator::new(users(&[("a", "right")]));
    auth.set_trusted_proxies(1);
    let from = |mut headers: HeaderMap, forwarded: &'static str| {
        headers.insert("x-forwarded-for", HeaderValue::from_static(forwarded));
        headers
    };
    for guess in guesses("a", 20) {
        let guess = from(guess, "192.0.2.77");
        let _ = auth.authenticate(Some(peer(1)), &guess).await;
    }
    // What a client says of itself moves it nowhere.
    let pretended = from(right.clone(), "192.0.2.88, 192.0.2.77");
    let got = auth.authenticate(Some(peer(1)), &pretended).await;
    assert!(is_slowed_down(&got));
    let other = from(right, "192.0.2.77, 192.0.2.88");
    assert_eq!(auth.authenticate(Some(peer(1)), &other).await, user("a"));
}

/// Users `a`, a check of whose password takes long, and `quick`.
fn slow_and_quick() -> Arc<Authenticator> {
    let builder = Users::builder().bcrypt("a", &bcrypt::hash("right", 11).unwrap());
    let quick = bcrypt::hash("right", 4).unwrap();
    let builder = builder.and_then(|it| it.bcrypt("quick", &quick));
    Arc::new(Authenticator::new(builder.unwrap().build()))
}

/// Guesses of `a`'s password that wait, or are turned away, before this returns.
async fn guess_at_once(
    auth: &Arc<Authenticator>,
    addresses: u8,
    count: usize,
) -> JoinSet<Result<Principal, AuthError>> {
    let mut asking = JoinSet::new();
    for (at, guess) in guesses("a", count).into_iter().enumerate() {
        let auth = Arc::clone(auth);
        let from = peer(10 + at as u8 % addresses);
        asking.spawn(async move { auth.authenticate(Some(from), &guess).await });
    }
    // All of them are ahead in the queue of this runtime, which has one thread.
    tokio::task::yield_now().await;
    asking
}

/// Lets the right password of `a` in, and says how many were checked meanwhile.
async fn checks_until_right(auth: &Authenticator, counted: &Counted) -> u64 {
    let before = counted.checks();
    let right = basic("a", "right");
    let asked = auth.authenticate(Some(peer(1)), &right);
    let got = timeout(Duration::from_secs(60), asked).await.unwrap();
    assert_eq!(got, user("a"));
    counted.checks() - before
}

#[tokio::test]
async fn nobody_waits_for_the_many_of_one_address() {
    let auth = slow_and_quick();
    let counted = Counted::of(&auth);
    let mut guesses = guess_at_once(&auth, 1, 2 * MAX_WAITING).await;
    // One under way, one that was ahead, and its own.
    let checks = checks_until_right(&auth, &counted).await;
    assert!(checks <= 3, "{checks}");
    while let Some(guess) = guesses.join_next().await {
        assert!(guess.unwrap().is_err());
    }
    let turned_away = counted.sum("requests_total", &["Busy"]);
    // One was under way, one had to make room.
    assert_eq!(turned_away, MAX_WAITING as u64);
}

#[tokio::test]
async fn nobody_waits_for_those_who_have_guessed_before() {
    let auth = slow_and_quick();
    let counted = Counted::of(&auth);
    for at in 0..MAX_WAITING as u8 {
        let wrong = basic("quick", "wrong");
        let got = auth.authenticate(Some(peer(10 + at)), &wrong).await;
        assert_eq!(got, Err(AuthError::Unauthorized));
        let wrong = basic("quick", &format!("wrong at {at}"));
        let got = auth.authenticate(Some(peer(10 + at)), &wrong).await;
        assert_eq!(got, Err(AuthError::Unauthorized));
    }
    let _guesses = guess_at_once(&auth, MAX_WAITING as u8, 2 * MAX_WAITING).await;
    let checks = checks_until_right(&auth, &counted).await;
    assert!(checks <= 2, "{checks}");
}
