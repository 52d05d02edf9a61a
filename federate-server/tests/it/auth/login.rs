use std::sync::Arc;
use std::time::Duration;

use federate_server::auth::{AuthError, Authenticator, FRESH, GOES_ON, Principal, REFUSED};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::{Instant, advance, sleep};

use super::{Counted, Mood, Outside, basic, guesses, peer, services};

const MINUTE: Duration = Duration::from_secs(60);

/// An authenticator, and who it asks: `alice` sees services 1 and 2, `bob` service 3.
fn asking() -> (Arc<Authenticator>, Arc<Outside>) {
    let auth = Arc::new(Authenticator::open());
    let outside = Arc::new(Outside::default());
    outside.put("alice", "right", &["1", "2"]);
    outside.put("bob", "right", &["3"]);
    auth.set_login(Some(Arc::clone(&outside) as _));
    (auth, outside)
}

async fn ask(auth: &Authenticator, user: &str, password: &str) -> Result<Principal, AuthError> {
    auth.authenticate(Some(peer(1)), &basic(user, password))
        .await
}

fn is_unavailable(outcome: &Result<Principal, AuthError>) -> bool {
    matches!(outcome, Err(AuthError::Unavailable { .. }))
}

#[tokio::test(start_paused = true)]
async fn users_see_what_they_see_there() {
    let (auth, outside) = asking();
    let alice = ask(&auth, "alice", "right").await.unwrap();
    assert_eq!(alice.name(), Some("alice"));
    assert_eq!(services(&alice), ["1", "2"]);
    let bob = ask(&auth, "bob", "right").await.unwrap();
    assert_eq!(services(&bob), ["3"]);
    for (name, password) in [("alice", "wrong"), ("carol", "right"), ("", "")] {
        let got = ask(&auth, name, password).await;
        assert_eq!(got, Err(AuthError::Unauthorized), "{name}");
    }
    // Every one of them is known by now.
    let asked = outside.asked();
    for (name, password, want) in [
        ("alice", "right", Ok(alice)),
        ("bob", "right", Ok(bob)),
        ("alice", "wrong", Err(AuthError::Unauthorized)),
    ] {
        assert_eq!(ask(&auth, name, password).now_or_never(), Some(want));
    }
    assert_eq!(outside.asked(), asked);
}

/// Users' names are the same to UAA however they are written.
#[tokio::test(start_paused = true)]
async fn an_account_has_one_scope() {
    let (auth, outside) = asking();
    let alice = ask(&auth, "alice", "right").await.unwrap();
    for name in ["Alice", "ALICE", "aLICE", " alice"] {
        let got = ask(&auth, name, "right").await.unwrap();
        assert_eq!(got.scope(), alice.scope(), "{name}");
    }
    assert_eq!(outside.asked(), 1);
    // Another password, and the same grant.
    outside.put("alice", "changed", &["1", "2"]);
    let got = ask(&auth, "Alice", "changed").await.unwrap();
    assert_eq!(got.scope(), alice.scope());
    outside.put("alice", "again", &["1"]);
    let less = ask(&auth, "alice", "again").await.unwrap();
    assert_eq!(services(&less), ["1"]);
    assert_ne!(less.scope(), alice.scope());
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_renewed_once_it_is_old() {
    let (auth, outside) = asking();
    let first = ask(&auth, "alice", "right").await.unwrap();
    advance(FRESH - MINUTE).await;
    assert_eq!(ask(&auth, "alice", "right").await, Ok(first.clone()));
    assert_eq!(outside.asked(), 1);
    advance(MINUTE).await;
    // The same grant: the same scope, with all that is kept in it.
    assert_eq!(ask(&auth, "alice", "right").await, Ok(first.clone()));
    assert_eq!(outside.asked(), 2);

    outside.put("alice", "right", &["1", "2", "4"]);
    advance(FRESH).await;
    let more = ask(&auth, "alice", "right").await.unwrap();
    assert_eq!(services(&more), ["1", "2", "4"]);
    assert_ne!(more.scope(), first.scope());

    outside.change(|it| it.fresh = Some(MINUTE));
    advance(FRESH).await;
    ask(&auth, "alice", "right").await.unwrap();
    advance(MINUTE).await;
    ask(&auth, "alice", "right").await.unwrap();
    assert_eq!(outside.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_ends_within_the_time_of_the_cache() {
    let (auth, outside) = asking();
    ask(&auth, "alice", "right").await.unwrap();
    ask(&auth, "bob", "right").await.unwrap();
    outside.put("alice", "changed", &["1"]);
    outside.put("bob", "right", &[]);
    advance(FRESH).await;
    let got = ask(&auth, "alice", "right").await;
    assert_eq!(got, Err(AuthError::Unauthorized));
    let bob = ask(&auth, "bob", "right").await.unwrap();
    assert!(services(&bob).is_empty());
    let alice = ask(&auth, "alice", "changed").await.unwrap();
    assert_eq!(services(&alice), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn many_requests_are_one_login() {
    let (auth, outside) = asking();
    outside.change(|it| it.takes = Duration::from_secs(2));
    let right = basic("alice", "right");
    for round in 1..=3 {
        let asked = (0..100).map(|at| auth.authenticate(Some(peer(at)), &right));
        let all = join_all(asked).await;
        let first = all[0].clone().unwrap();
        assert!(all.iter().all(|got| got.as_ref() == Ok(&first)));
        assert_eq!(outside.asked(), round);
        advance(FRESH).await;
    }
}

#[tokio::test(start_paused = true)]
async fn logins_under_way_are_bounded() {
    let (auth, outside) = asking();
    outside.change(|it| it.takes = Duration::from_secs(1));
    for number in 0..60 {
        outside.put(&format!("user {number}"), "right", &["1"]);
    }
    let headers: Vec<_> = (0..60)
        .map(|number| basic(&format!("user {number}"), "right"))
        .collect();
    let asked = headers
        .iter()
        .enumerate()
        .map(|(at, headers)| auth.authenticate(Some(peer(at as u8)), headers));
    assert!(join_all(asked).await.iter().all(Result::is_ok));
    assert_eq!(outside.change(|it| it.most_under_way), 8);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_wastes_no_login() {
    let (auth, outside) = asking();
    outside.change(|it| it.takes = Duration::from_secs(2));
    let right = basic("alice", "right");
    for _ in 0..10 {
        let asked = auth.authenticate(Some(peer(1)), &right);
        let gone = tokio::time::timeout(Duration::from_millis(100), asked).await;
        assert!(gone.is_err());
    }
    ask(&auth, "alice", "right").await.unwrap();
    assert_eq!(outside.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn users_go_on_while_the_login_is_down() {
    for mood in [Mood::Down, Mood::Hangs, Mood::Panics] {
        let (auth, outside) = asking();
        let alice = ask(&auth, "alice", "right").await.unwrap();
        outside.set(mood);
        advance(FRESH).await;
        let begun = Instant::now();
        for minute in 5..60 {
            let got = ask(&auth, "alice", "right").await;
            assert_eq!(got, Ok(alice.clone()), "{mood:?} {minute}");
            let bob = ask(&auth, "bob", "right").await;
            assert!(is_unavailable(&bob), "{mood:?} {minute}: {bob:?}");
            advance((begun + (minute - 4) * MINUTE).saturating_duration_since(Instant::now()))
                .await;
        }
        advance(GOES_ON).await;
        let got = ask(&auth, "alice", "right").await;
        assert!(is_unavailable(&got), "{mood:?}: {got:?}");
        // It is back.
        outside.set(Mood::Good);
        advance(MINUTE).await;
        let got = ask(&auth, "alice", "right").await;
        assert_eq!(got, Ok(alice), "{mood:?}");
        assert!(ask(&auth, "bob", "right").await.is_ok(), "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_holds_requests_up_once() {
    let (auth, outside) = asking();
    let alice = ask(&auth, "alice", "right").await.unwrap();
    outside.set(Mood::Hangs);
    advance(FRESH).await;
    let mut waits = Vec::new();
    for _ in 0..10 {
        let begun = Instant::now();
        assert_eq!(ask(&auth, "alice", "right").await, Ok(alice.clone()));
        waits.push(begun.elapsed());
        sleep(MINUTE).await;
    }
    assert_eq!(waits[0], Duration::from_secs(3));
    assert!(waits[1..].iter().all(Duration::is_zero), "{waits:?}");
    // What is revoked meanwhile ends with the first answer.
    outside.put("alice", "changed", &["1"]);
    outside.set(Mood::Good);
    let asked = outside.asked();
    while outside.asked() == asked {
        let _ = ask(&auth, "alice", "right").await;
        sleep(MINUTE / 2).await;
    }
    let got = ask(&auth, "alice", "right").await;
    assert_eq!(got, Err(AuthError::Unauthorized));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_not_sent_again_at_once() {
    let (auth, outside) = asking();
    for _ in 0..29 {
        let got = ask(&auth, "alice", "next").await;
        assert_eq!(got, Err(AuthError::Unauthorized));
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(outside.asked(), 1);
    // The password becomes right.
    outside.put("alice", "next", &["1"]);
    advance(REFUSED).await;
    assert!(ask(&auth, "alice", "next").await.is_ok());
}

/// UAA locks an account after five failures in a row within an hour.
#[tokio::test(start_paused = true)]
async fn no_account_is_locked_by_guesses() {
    let (auth, outside) = asking();
    assert!(ask(&auth, "alice", "right").await.is_ok());
    // Every user name is the same to UAA however it is written.
    let names = ["bob", "Bob", "BOB", " bob"];
    let mut guesses = names
        .map(|name| guesses(name, 100).into_iter())
        .into_iter()
        .flatten()
        .enumerate();
    let begun = Instant::now();
    while begun.elapsed() < 59 * MINUTE {
        let (at, guess) = guesses.next().unwrap();
        let from = peer(at as u8);
        let got = auth.authenticate(Some(from), &guess).await;
        assert!(got.is_err());
        let wrong = ask(&auth, "bob", "forgotten").await;
        assert!(wrong.is_err());
        // Renewals are nobody else's business.
        assert!(ask(&auth, "alice", "right").await.is_ok());
        advance(MINUTE / 2).await;
    }
    let failures = outside.change(|it| {
        let bobs = it.asked.iter().filter(|(name, _)| name != "alice");
        bobs.count()
    });
    assert_eq!(failures, 4);
    let elsewhere = Some(peer(250));
    let got = auth.authenticate(elsewhere, &basic("bob", "right")).await;
    assert!(
        matches!(got, Err(AuthError::TooManyFailures { retry_after }) if retry_after <= 30 * MINUTE)
    );
}

/// What a program was refused for comes to be right, and is found to be in time.
#[tokio::test(start_paused = true)]
async fn a_refused_password_is_sent_again() {
    let (auth, outside) = asking();
    for _ in 0..4 {
        let got = ask(&auth, "alice", "next").await;
        assert_eq!(got, Err(AuthError::Unauthorized));
        advance(MINUTE).await;
    }
    assert_eq!(outside.asked(), 2);
    outside.put("alice", "next", &["1"]);
    advance(30 * MINUTE).await;
    assert!(ask(&auth, "alice", "next").await.is_ok());
}

/// Answers that are lost are failures as well, as far as anybody knows.
#[tokio::test(start_paused = true)]
async fn guesses_without_an_answer_are_bounded() {
    let (auth, outside) = asking();
    outside.set(Mood::Down);
    // Who knows the password tries it throughout.
    assert!(is_unavailable(&ask(&auth, "bob", "right").await));
    let mut guesses = guesses("bob", 60).into_iter().enumerate();
    for (at, guess) in guesses.by_ref().take(50) {
        let from = peer(10 + at as u8);
        assert!(auth.authenticate(Some(from), &guess).await.is_err());
        assert!(is_unavailable(&ask(&auth, "bob", "right").await));
        advance(MINUTE / 2).await;
    }
    let passwords = || -> Vec<_> {
        let asked = outside.change(|it| it.asked.clone());
        let others = asked
            .into_iter()
            .filter(|(_, password)| password != "right");
        others.collect()
    };
    assert_eq!(passwords().len(), 2);
    outside.set(Mood::Good);
    assert!(ask(&auth, "bob", "right").await.is_ok());
}

/// Whoever guesses at one address, and a program that doesn't give up, leave the user one.
#[tokio::test(start_paused = true)]
async fn guesses_of_one_address_keep_nobody_out() {
    let (auth, outside) = asking();
    for guess in guesses("bob", 200) {
        let _ = auth.authenticate(Some(peer(2)), &guess).await;
        advance(MINUTE / 5).await;
    }
    assert!(ask(&auth, "bob", "right").await.is_ok());

    outside.put("bob", "changed", &["3"]);
    for _ in 0..120 {
        let got = auth
            .authenticate(Some(peer(3)), &basic("bob", "right"))
            .await;
        assert!(got.is_ok() || got == Err(AuthError::Unauthorized));
        advance(MINUTE).await;
    }
    assert!(ask(&auth, "bob", "changed").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_locked_account_keeps_who_is_in() {
    let (auth, outside) = asking();
    let alice = ask(&auth, "alice", "right").await.unwrap();
    outside.set(Mood::Locks(5 * MINUTE));
    advance(FRESH).await;
    let asked = outside.asked();
    for _ in 0..4 {
        assert_eq!(ask(&auth, "alice", "right").await, Ok(alice.clone()));
        let got = ask(&auth, "alice", "another").await;
        assert!(
            matches!(got, Err(AuthError::TooManyFailures { .. })),
            "{got:?}"
        );
        sleep(MINUTE).await;
    }
    assert_eq!(outside.asked(), asked + 1, "a locked account is let alone");
    outside.set(Mood::Good);
    sleep(MINUTE).await;
    assert_eq!(ask(&auth, "alice", "right").await, Ok(alice));
    sleep(MINUTE).await;
    assert_eq!(outside.asked(), asked + 2);
}

/// Who locks the own account keeps no role by that.
#[tokio::test(start_paused = true)]
async fn a_locked_account_keeps_nobody_in_for_long() {
    for others in [false, true] {
        let (auth, outside) = asking();
        ask(&auth, "alice", "right").await.unwrap();
        outside.put("alice", "right", &[]);
        outside.set(Mood::Locks(5 * MINUTE));
        let begun = Instant::now();
        while begun.elapsed() < 20 * MINUTE {
            if others {
                let wrong = basic("alice", "wrong");
                assert!(auth.authenticate(Some(peer(2)), &wrong).await.is_err());
            }
            let is_in = ask(&auth, "alice", "right").await.is_ok();
            assert_eq!(is_in, begun.elapsed() < 2 * FRESH, "{:?}", begun.elapsed());
            sleep(MINUTE / 2).await;
        }
        outside.set(Mood::Good);
        sleep(5 * MINUTE).await;
        let alice = ask(&auth, "alice", "right").await.unwrap();
        assert!(services(&alice).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_with_the_same_login_keeps_what_it_decided() {
    let (auth, outside) = asking();
    let alice = ask(&auth, "alice", "right").await.unwrap();
    auth.set_login(Some(Arc::clone(&outside) as _));
    assert_eq!(ask(&auth, "alice", "right").await, Ok(alice));
    assert_eq!(outside.asked(), 1);

    let another = Arc::new(Outside::default());
    auth.set_login(Some(Arc::clone(&another) as _));
    let got = ask(&auth, "alice", "right").await;
    assert_eq!(got, Err(AuthError::Unauthorized));
    auth.set_login(None);
    let got = ask(&auth, "alice", "right").await;
    assert_eq!(got, Err(AuthError::Unauthorized));
    assert_eq!((outside.asked(), another.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_counted() {
    let (auth, outside) = asking();
    let counted = Counted::of(&auth);
    ask(&auth, "alice", "right").await.unwrap();
    ask(&auth, "alice", "right").await.unwrap();
    ask(&auth, "alice", "wrong").await.unwrap_err();
    outside.set(Mood::Down);
    ask(&auth, "bob", "right").await.unwrap_err();
    advance(MINUTE).await;
    outside.set(Mood::Locks(MINUTE));
    ask(&auth, "bob", "right").await.unwrap_err();
    let f = |name, label: &str, want| assert_eq!(counted.sum(name, &[label]), want, "{label}");
    f("logins_total", "Granted", 1);
    f("logins_total", "Refused", 1);
    f("logins_total", "Unavailable", 1);
    f("logins_total", "TooManyAttempts", 1);
    f("requests_total", "Right", 2);
    f("requests_total", "Wrong", 1);
    f("requests_total", "Unavailable", 1);
    f("requests_total", "TooManyFailures", 1);
    assert_eq!(counted.sum("requests_total", &["authority=\"Login\""]), 5);
}

/// Asks when it is dropped.
struct AsksLast(Arc<Authenticator>);

impl Drop for AsksLast {
    fn drop(&mut self) {
        let _ = ask(&self.0, "alice", "right").now_or_never();
    }
}

/// A runtime that closes drops what it is told to begin before it says so.
#[test]
fn a_runtime_that_closes_is_no_deadlock() {
    let (auth, _) = asking();
    let (sender, closed) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let last = AsksLast(Arc::clone(&auth));
        runtime.spawn(async move {
            let _last = last;
            std::future::pending::<()>().await;
        });
        runtime.block_on(tokio::task::yield_now());
        drop(runtime);
        sender.send(Arc::strong_count(&auth)).unwrap();
    });
    // All that was begun is gone as well.
    assert_eq!(closed.recv_timeout(MINUTE), Ok(1));
}
