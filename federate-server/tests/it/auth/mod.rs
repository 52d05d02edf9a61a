/// What those who aren't let in are told.
mod answers;
/// Users whom a system outside knows.
mod login;
/// Who knows which user, and who is asked at all.
mod parts;
mod passwords;
/// What guessing costs, and whom.
mod slow_down;
mod told;

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federate_server::auth::{
    AuthError, AuthMetrics, Authenticator, FRESH, Login, LoginError, Principal,
};
use federate_server::tenant::{Scope, TargetFilter, Tenant, TenantLimits};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use prom_model::secret::Secret;
use prometheus_client::registry::Registry;

fn basic(user: &str, password: &str) -> HeaderMap {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    let value = HeaderValue::try_from(format!("Basic {encoded}")).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

fn peer(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

/// The outcome for a user who sees everything.
fn user(name: &str) -> Result<Principal, AuthError> {
    Ok(Principal::User {
        name: name.into(),
        scope: Scope::Everything,
    })
}

/// The scope of somebody who sees a few services.
fn scope(name: &str, services: &[&str]) -> Scope {
    Scope::of(tenant(name, services))
}

fn tenant(name: &str, services: &[&str]) -> Tenant {
    Tenant {
        name: name.into(),
        targets: TargetFilter::Values {
            name: "service_guid".into(),
            values: services.iter().copied().map(Into::into).collect(),
        },
        metrics: Vec::new(),
        limits: TenantLimits::default(),
    }
}

/// The services that a user sees, sorted.
fn services(of: &Principal) -> Vec<String> {
    let Some(TargetFilter::Values { values, .. }) = of.scope().tenant().map(|it| it.targets())
    else {
        panic!("{of:?} sees otherwise");
    };
    let mut services: Vec<_> = values.iter().map(ToString::to_string).collect();
    services.sort();
    services
}

/// What an authenticator has counted.
struct Counted(Registry);

impl Counted {
    fn of(auth: &Authenticator) -> Self {
        let metrics = AuthMetrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        auth.count_in(&metrics);
        Self(registry)
    }

    /// The sum of the series of `name` that have all of `labels`.
    fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0).unwrap();
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        let lines = lines.filter(|(head, _)| labels.iter().all(|label| head.contains(label)));
        lines.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
    }

    /// How many passwords were compared with a hash.
    fn checks(&self) -> u64 {
        self.sum("password_checks_total", &[])
    }
}

/// A system outside with users of its own.
#[derive(Default)]
struct Outside(Mutex<OutsideState>);

#[derive(Default)]
struct OutsideState {
    users: BTreeMap<String, (String, Vec<String>)>,
    mood: Mood,
    /// How long it takes.
    takes: Duration,
    fresh: Option<Duration>,
    asked: Vec<(String, String)>,
    under_way: usize,
    most_under_way: usize,
}

#[derive(Debug, Default, Clone, Copy)]
enum Mood {
    #[default]
    Good,
    Down,
    Hangs,
    Locks(Duration),
    Panics,
}

impl Outside {
    fn change<T>(&self, change: impl FnOnce(&mut OutsideState) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// Adds or replaces a user.
    fn put(&self, name: &str, password: &str, services: &[&str]) {
        let services = services.iter().map(ToString::to_string).collect();
        let of_user = (password.to_owned(), services);
        self.change(|it| it.users.insert(name.to_owned(), of_user));
    }

    fn set(&self, mood: Mood) {
        self.change(|it| it.mood = mood);
    }

    /// How often it was asked so far.
    fn asked(&self) -> usize {
        self.change(|it| it.asked.len())
    }

    fn answer(&self, user: &str, password: &str) -> Result<Tenant, LoginError> {
        self.change(|it| match it.mood {
            Mood::Down => Err(LoginError::Unavailable("connection refused".into())),
            Mood::Locks(retry_after) => Err(LoginError::TooManyAttempts { retry_after }),
            Mood::Good | Mood::Hangs | Mood::Panics => {
                match it.users.get(&user.trim().to_lowercase()) {
                    Some((right, services)) if right == password => {
                        let services: Vec<&str> = services.iter().map(String::as_str).collect();
                        Ok(tenant(user, &services))
                    }
                    _ => Err(LoginError::Refused),
                }
            }
        })
    }
}

impl Login for Outside {
    fn login<'a>(
        &'a self,
        user: &'a str,
        password: &'a Secret,
    ) -> BoxFuture<'a, Result<Tenant, LoginError>> {
        async move {
            let (mood, takes) = self.change(|it| {
                it.asked
                    .push((user.to_owned(), password.expose().to_owned()));
                it.under_way += 1;
                it.most_under_way = it.most_under_way.max(it.under_way);
                (it.mood, it.takes)
            });
            let answer = match mood {
                Mood::Hangs => std::future::pending().await,
                Mood::Panics => panic!("on purpose"),
                _ => {
                    tokio::time::sleep(takes).await;
                    self.answer(user, password.expose())
                }
            };
            self.change(|it| it.under_way -= 1);
            answer
        }
        .boxed()
    }

    fn fresh(&self) -> Duration {
        self.change(|it| it.fresh).unwrap_or(FRESH)
    }
}

/// As many headers with passwords that are all different.
fn guesses(user: &str, count: usize) -> Vec<HeaderMap> {
    let guesses: Vec<HeaderMap> = (0..count)
        .map(|guess| basic(user, &format!("guess {guess}")))
        .collect();
    let distinct: HashSet<_> = guesses.iter().map(|it| &it[AUTHORIZATION]).collect();
    assert_eq!(distinct.len(), count);
    guesses
}
