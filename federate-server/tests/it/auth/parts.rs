//! Accounts, users of the web configuration and a login, side by side.

use std::sync::Arc;

use federate_server::auth::{AuthError, Authenticator, Principal, Users};
use federate_server::tenant::Scope;
use http::HeaderMap;

use super::{Outside, basic, peer, scope, services, user};
use crate::support::users;

/// Users of a tenant, with a password each.
fn tenants(passwords: &[(&str, &str)], scope: &Scope) -> Users {
    let mut builder = Users::builder();
    for (name, password) in passwords {
        let hash = bcrypt::hash(password, 4).unwrap();
        builder = builder.bcrypt(name, &hash).unwrap();
        builder = builder.scope(name, scope.clone());
    }
    builder.build()
}

#[tokio::test]
async fn each_part_is_asked_for_names_that_no_earlier_one_knows() {
    let own = scope("a", &["1"]);
    let auth = Authenticator::new(users(&[("a", "web"), ("admin", "web")]));
    auth.set_accounts(Some(tenants(&[("a", "account")], &own)));
    let outside = Arc::new(Outside::default());
    for name in ["a", "admin", "alice"] {
        outside.put(name, "outside", &["2"]);
    }
    auth.set_login(Some(Arc::clone(&outside) as _));
    let ask = async |name: &str, password: &str, from| {
        auth.authenticate(Some(peer(from)), &basic(name, password))
            .await
    };
    let tenant = ask("a", "account", 1).await.unwrap();
    assert_eq!((tenant.name(), tenant.scope()), (Some("a"), &own));
    assert_eq!(ask("admin", "web", 1).await, user("admin"));
    for (at, (name, password)) in [
        ("a", "web"),
        ("a", "outside"),
        ("admin", "account"),
        ("admin", "outside"),
    ]
    .into_iter()
    .enumerate()
    {
        let got = ask(name, password, 10 + at as u8).await;
        assert_eq!(got, Err(AuthError::Unauthorized), "{name} {password}");
    }
    assert_eq!(outside.asked(), 0, "known names don't leave");
    let alice = ask("alice", "outside", 1).await.unwrap();
    assert_eq!(alice.name(), Some("alice"));
    assert_eq!(services(&alice), ["2"]);
    assert_eq!(ask("alice", "web", 2).await, Err(AuthError::Unauthorized));
    assert_eq!(outside.asked(), 2);
}

#[tokio::test]
async fn tenants_without_users_open_no_doors() {
    let f = async |auth: Authenticator| {
        assert!(auth.is_required());
        for headers in [HeaderMap::new(), basic("a", ""), basic("", "")] {
            let got = auth.authenticate(Some(peer(1)), &headers).await;
            assert_eq!(got, Err(AuthError::Unauthorized), "{headers:?}");
        }
    };
    let auth = Authenticator::open();
    auth.set_accounts(Some(Users::default()));
    f(auth).await;
    let auth = Authenticator::open();
    auth.set_login(Some(Arc::new(Outside::default())));
    f(auth).await;

    let auth = Authenticator::open();
    auth.set_accounts(None);
    auth.set_login(None);
    assert!(!auth.is_required());
    let got = auth.authenticate(Some(peer(1)), &basic("a", "b")).await;
    assert_eq!(got, Ok(Principal::Anonymous));
}

#[tokio::test]
async fn a_password_once_asked_for_is_asked_for_ever() {
    let own = scope("a", &["1"]);
    let auth = Authenticator::open();
    auth.set_accounts(Some(tenants(&[("a", "right")], &own)));
    auth.set_accounts(None);
    for headers in [HeaderMap::new(), basic("a", "right")] {
        let got = auth.authenticate(Some(peer(1)), &headers).await;
        assert_eq!(got, Err(AuthError::Unauthorized));
    }
    assert!(auth.is_required());

    let auth = Authenticator::new(users(&[("a", "b")]));
    auth.set_web_users(Users::default());
    let got = auth.authenticate(Some(peer(1)), &HeaderMap::new()).await;
    assert_eq!(got, Err(AuthError::Unauthorized));
}

#[tokio::test]
async fn a_reload_replaces_one_part_and_spares_the_others() {
    let (one, other) = (scope("a", &["1"]), scope("a", &["2"]));
    let auth = Authenticator::new(users(&[("admin", "web")]));
    auth.set_accounts(Some(tenants(&[("a", "old"), ("gone", "x")], &one)));
    let ask = async |name: &str, password: &str| {
        let got = auth
            .authenticate(Some(peer(1)), &basic(name, password))
            .await;
        got.map(|it| it.scope().clone())
    };
    assert_eq!(ask("a", "old").await, Ok(one.clone()));
    assert_eq!(ask("gone", "x").await, Ok(one.clone()));

    // A second password, as when one is exchanged, then without the first.
    let hashes = ["old", "new"].map(|password| bcrypt::hash(password, 4).unwrap());
    let both = hashes.iter().fold(Users::builder(), |builder, hash| {
        builder.bcrypt("a", hash).unwrap()
    });
    auth.set_accounts(Some(both.scope("a", other.clone()).build()));
    assert_eq!(ask("a", "old").await, Ok(other.clone()));
    assert_eq!(ask("a", "new").await, Ok(other.clone()));
    assert_eq!(ask("gone", "x").await, Err(AuthError::Unauthorized));
    assert_eq!(ask("admin", "web").await, Ok(Scope::Everything));

    let new = Users::builder().bcrypt("a", &hashes[1]).unwrap();
    auth.set_accounts(Some(new.scope("a", other.clone()).build()));
    assert_eq!(ask("a", "old").await, Err(AuthError::Unauthorized));
    assert_eq!(ask("a", "new").await, Ok(other.clone()));

    auth.set_web_users(users(&[("admin", "next")]));
    assert_eq!(ask("admin", "next").await, Ok(Scope::Everything));
    assert_eq!(ask("a", "new").await, Ok(other));
}
