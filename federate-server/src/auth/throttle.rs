//! What failures cost whoever makes them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

use super::bucket::{Bucket, Rate};
use super::client::{Client, Site};
use super::recent::Recent;

/// Wrong passwords that are checked of one address at once, and how long it takes until it has one more.
///
/// At 70 ms of processor time each, an address gets half a second at first and half a percent of a core from then on.
const ADDRESS: Rate = Rate::new(5, Duration::from_secs(12));

/// The same for an IPv6 network of 48 bits, of which an owner has 65,536 addresses: as for four of them.
const SITE: Rate = Rate::new(20, Duration::from_secs(3));

/// The same for one user at one address. Less than an address has: guessing at one user leaves something to
/// the others who come from there, as all do that come through one proxy.
const USER: Rate = Rate::new(3, Duration::from_secs(60));

/// Addresses, users and right passwords at addresses that are remembered at least. Who has more of them has enough
/// attempts anyway.
const REMEMBERED: usize = 8192;

/// A user's name as a keyed hash, so that its length costs nothing.
pub(super) type UserTag = [u8; 16];

/// User and password as a keyed hash.
pub(super) type CredentialsTag = [u8; 32];

/// Counts wrong passwords that had to be checked, by address and by user at an address.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    spent: Mutex<Spent>,
    /// Passwords that were right at an address.
    familiar: Mutex<Recent<(Client, CredentialsTag), (), REMEMBERED>>,
}

#[derive(Debug, Default)]
struct Spent {
    addresses: Recent<Client, Bucket, REMEMBERED>,
    sites: Recent<Site, Bucket, REMEMBERED>,
    users: Recent<(Client, UserTag), Bucket, REMEMBERED>,
}

/// How an address has behaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// Without failures that count.
    Clean,
    /// With some.
    Failing,
}

impl Throttle {
    /// Whether another password of this user may be checked.
    ///
    /// # Errors
    /// How long to wait, where not.
    pub(super) fn admit(&self, client: Client, user: UserTag) -> Result<Record, Duration> {
        let now = Instant::now();
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let address = spent.addresses.get(&client).copied();
        let site = spent.sites.get(&client.site()).copied();
        let user = spent.users.get(&(client, user)).copied();
        let wait = |bucket: Option<Bucket>, rate| {
            bucket.map_or(Duration::ZERO, |it| it.wait(rate, 1, now))
        };
        let wait = wait(address, ADDRESS)
            .max(wait(site, SITE))
            .max(wait(user, USER));
        if !wait.is_zero() {
            return Err(wait);
        }
        let is_full = |bucket: Option<Bucket>| bucket.is_none_or(|it| it.is_full(now));
        Ok(if is_full(address) && is_full(user) {
            Record::Clean
        } else {
            Record::Failing
        })
    }

    /// Remembers that a password was right.
    pub(super) fn passed(&self, client: Client, credentials: CredentialsTag) {
        self.familiar().insert((client, credentials), ());
    }

    /// Whether a password was right at this address before. Elsewhere doesn't count: else guesses at what others
    /// use would cost nothing.
    pub(super) fn is_familiar(&self, client: Client, credentials: CredentialsTag) -> bool {
        self.familiar().get(&(client, credentials)).is_some()
    }

    fn familiar(&self) -> MutexGuard<'_, Recent<(Client, CredentialsTag), (), REMEMBERED>> {
        self.familiar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts `checks` that were made of a wrong password. It may be more than there was left, which is owed then.
    pub(super) fn failed(&self, client: Client, user: UserTag, checks: u32) {
        let now = Instant::now();
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || Bucket::full(now);
        let address = spent.addresses.get_or_insert_with(client, full);
        address.take(ADDRESS, checks, now);
        let site = spent.sites.get_or_insert_with(client.site(), full);
        site.take(SITE, checks, now);
        let user = spent.users.get_or_insert_with((client, user), full);
        user.take(USER, checks, now);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u8) -> Client {
        Client::of(Ipv4Addr::new(192, 0, 2, number).into())
    }

    #[test]
    fn a_right_password_is_familiar_where_it_was_given() {
        let throttle = Throttle::default();
        throttle.passed(client(1), [1; 32]);
        let f = |number, credentials, want| {
            let got = throttle.is_familiar(client(number), credentials);
            assert_eq!(got, want, "{number} {credentials:?}");
        };
        f(1, [1; 32], true);
        f(2, [1; 32], false);
        f(1, [2; 32], false);
    }

    fn user(number: u32) -> UserTag {
        let mut tag = [0; 16];
        tag[..4].copy_from_slice(&number.to_be_bytes());
        tag
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_and_an_address_have_so_many() {
        let throttle = Throttle::default();
        for count in 0..3 {
            assert!(throttle.admit(client(1), user(1)).is_ok(), "{count}");
            throttle.failed(client(1), user(1), 1);
        }
        let minute = Duration::from_secs(60);
        assert_eq!(throttle.admit(client(1), user(1)), Err(minute));
        for count in 0..2 {
            assert_eq!(
                throttle.admit(client(1), user(2 + count)),
                Ok(Record::Failing)
            );
            throttle.failed(client(1), user(2 + count), 1);
        }
        let wait = Duration::from_secs(12);
        assert_eq!(throttle.admit(client(1), user(9)), Err(wait));
        assert_eq!(throttle.admit(client(2), user(1)), Ok(Record::Clean));

        tokio::time::advance(wait).await;
        assert_eq!(throttle.admit(client(1), user(9)), Ok(Record::Failing));
        throttle.failed(client(1), user(9), 3);
        assert_eq!(throttle.admit(client(1), user(8)), Err(3 * wait));
        tokio::time::advance(4 * minute).await;
        assert_eq!(throttle.admit(client(1), user(1)), Ok(Record::Clean));
    }

    #[tokio::test(start_paused = true)]
    async fn a_site_has_no_more_for_all_its_networks() {
        let throttle = Throttle::default();
        let of = |site: u16, network: u16| {
            let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1);
            Client::of(address.into())
        };
        let mut checks = 0;
        for network in 0..1000 {
            if throttle.admit(of(1, network), user(1)).is_ok() {
                throttle.failed(of(1, network), user(1), 1);
                checks += 1;
            }
        }
        assert_eq!(checks, 20);
        assert_eq!(throttle.admit(of(2, 0), user(1)), Ok(Record::Clean));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(throttle.admit(of(1, 0), user(2)).is_ok());
    }
}
