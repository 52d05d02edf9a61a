//! What is logged.

use std::sync::Arc;
use std::time::Duration;

use federate_server::auth::{Authenticator, Users};
use tokio::time::sleep;

use super::{Mood, Outside, basic, guesses, peer, scope};
use crate::logged::Lines;
use crate::support::users;

#[tokio::test(start_paused = true)]
async fn an_address_is_spoken_of_once_a_minute() {
    let lines = Lines::of("federate_server::auth");
    let _told = tracing::subscriber::set_default(lines.clone());
    let auth = Authenticator::new(users(&[("a", "right")]));
    for guess in guesses("a", 100) {
        let _ = auth.authenticate(Some(peer(1)), &guess).await;
    }
    let other = basic("b\u{1b}[2J\nlevel=error", "hunter2");
    let _ = auth.authenticate(Some(peer(1)), &other).await;
    let first = " message=wrong users or passwords client=192.0.2.1 failures=1 users=1";
    assert_eq!(lines.take(), [format!("INFO{first}")]);
    sleep(Duration::from_secs(60)).await;
    let _ = auth
        .authenticate(Some(peer(1)), &basic("user", "hunter2"))
        .await;
    assert_eq!(
        lines.take(),
        [
            "WARN message=wrong users or passwords client=192.0.2.1 failures=100 slowed_down=97 users=2"
        ]
    );
    // However many addresses there are, the log stays readable.
    for address in 0..=u8::MAX {
        let _ = auth
            .authenticate(Some(peer(address)), &basic("user", "wrong"))
            .await;
    }
    assert_eq!(lines.take().len(), 59);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_when_it_begins_and_ends() {
    let lines = Lines::of("federate_server::auth");
    let _told = tracing::subscriber::set_default(lines.clone());
    let auth = Authenticator::open();
    let outside = Arc::new(Outside::default());
    outside.put("alice", "right", &["1"]);
    auth.set_login(Some(Arc::clone(&outside) as _));
    let right = basic("alice", "right");
    let ask = async || auth.authenticate(Some(peer(1)), &right).await;
    outside.set(Mood::Down);
    for _ in 0..3 {
        ask().await.unwrap_err();
        sleep(Duration::from_secs(10)).await;
    }
    outside.set(Mood::Good);
    ask().await.unwrap();
    ask().await.unwrap();
    let told = lines.take();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("WARN message=the login is unavailable")
            && told[0].contains("error=connection refused"),
        "{told:?}"
    );
    assert_eq!(told[1], "INFO message=the login is available again");
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let auth = Authenticator::new(users(&[("a", "hunter1")]));
    let outside = Arc::new(Outside::default());
    outside.put("alice", "hunter2", &["1"]);
    auth.set_login(Some(Arc::clone(&outside) as _));
    for (name, password) in [("alice", "hunter2"), ("alice", "hunter3"), ("a", "hunter1")] {
        let _ = auth
            .authenticate(Some(peer(1)), &basic(name, password))
            .await;
    }
    let shown = format!("{auth:?}");
    for secret in ["hunter", "$2b$"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[tokio::test]
async fn operators_beside_tenants_are_told_once() {
    let lines = Lines::of("federate_server::auth");
    let _told = tracing::subscriber::set_default(lines.clone());
    let auth = Authenticator::new(users(&[("admin", "x"), ("both", "x")]));
    assert!(lines.take().is_empty());
    let accounts = || {
        let users = Users::builder().plain("both", "y").unwrap();
        Some(users.scope("both", scope("a", &["1"])).build())
    };
    auth.set_accounts(accounts());
    let told = lines.take();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("operators=[\"admin\"]"), "{told:?}");
    assert!(told[1].contains("users=[\"both\"]"), "{told:?}");
    auth.set_accounts(accounts());
    auth.set_web_users(users(&[("admin", "y"), ("both", "x")]));
    assert!(lines.take().is_empty());
    auth.set_web_users(users(&[("both", "x"), ("root", "x")]));
    assert_eq!(lines.take().len(), 1);
}
