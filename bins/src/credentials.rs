//! Who asks Cloud Foundry, as the environment says it.

use aiven_discovery::api::SecretSource;
use cloud_foundry::Credentials;

use crate::config::Environment;

const CLIENT: [&str; 2] = ["CF_CLIENT_ID", "CF_CLIENT_SECRET"];
const USER: [&str; 2] = ["CF_USERNAME", "CF_PASSWORD"];

/// Why the variables are no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// One half of a pair.
    #[error("{missing} is not set: {} and {} must be set together", pair[0], pair[1])]
    Half {
        /// Both.
        pair: [&'static str; 2],
        /// The one that isn't set.
        missing: &'static str,
    },
    /// Two ways to say who asks.
    #[error("{0} and {1} are both set, expected one of them")]
    Two(&'static str, &'static str),
}

/// The client of `CF_CLIENT_ID` and `CF_CLIENT_SECRET`, or the user of `CF_USERNAME` and `CF_PASSWORD`; `None` where
/// neither is set.
///
/// # Errors
/// [`CredentialsError`]
pub fn cloud_foundry(
    environment: Environment<'_>,
) -> Result<Option<Credentials>, CredentialsError> {
    match (pair(environment, CLIENT)?, pair(environment, USER)?) {
        (Some(_), Some(_)) => Err(CredentialsError::Two(CLIENT[0], USER[0])),
        (Some((id, secret)), None) => Ok(Some(Credentials::Client { id, secret })),
        (None, Some((username, password))) => Ok(Some(Credentials::User { username, password })),
        (None, None) => Ok(None),
    }
}

fn pair(
    environment: Environment<'_>,
    pair: [&'static str; 2],
) -> Result<Option<(String, SecretSource)>, CredentialsError> {
    let [name, secret] = pair.map(|name| environment(name).filter(|value| !value.is_empty()));
    let half = |missing| Err(CredentialsError::Half { pair, missing });
    match (name, secret) {
        (Some(name), Some(secret)) => Ok(Some((name, SecretSource::Inline(secret.into())))),
        (None, None) => Ok(None),
        (Some(_), None) => half(pair[1]),
        (None, Some(_)) => half(pair[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::given;

    #[test]
    fn one_pair_says_who_asks() {
        let secret = |text: &str| SecretSource::Inline(text.into());
        let f = |set: &[(&str, &str)], want: Result<Option<Credentials>, &str>| {
            let got = cloud_foundry(&given::environment(set)).map_err(|error| error.to_string());
            assert_eq!(got, want.map_err(str::to_owned), "{set:?}");
        };
        let [id, client_secret] = [("CF_CLIENT_ID", "c"), ("CF_CLIENT_SECRET", "s")];
        let [name, password] = [("CF_USERNAME", "u"), ("CF_PASSWORD", "p")];
        f(&[], Ok(None));
        f(
            &[id, client_secret],
            Ok(Some(Credentials::Client {
                id: "c".to_owned(),
                secret: secret("s"),
            })),
        );
        f(
            &[name, password, ("CF_CLIENT_ID", "")],
            Ok(Some(Credentials::User {
                username: "u".to_owned(),
                password: secret("p"),
            })),
        );
        f(
            &[id],
            Err(
                "CF_CLIENT_SECRET is not set: CF_CLIENT_ID and CF_CLIENT_SECRET must be set together",
            ),
        );
        f(
            &[password],
            Err("CF_USERNAME is not set: CF_USERNAME and CF_PASSWORD must be set together"),
        );
        f(
            &[id, client_secret, name, password],
            Err("CF_CLIENT_ID and CF_USERNAME are both set, expected one of them"),
        );
    }
}
