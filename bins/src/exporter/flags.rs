//! The exporter's command line.

use std::path::PathBuf;

use federate_server::listener::{ListenAddress, ListenAddressError};
use prom_model::secret::Secret;

use super::Settings;
use super::reload::ConfigSource;
use crate::args::{Args, Flag};
use crate::config::Environment;
use crate::credentials::{self, CredentialsError};
use crate::logging;

/// One line on how to call the program.
pub const USAGE: &str = "usage: elasticsearch-metric-exporter [FLAGS]
       elasticsearch-metric-exporter check-config FILE

Discovers the Prometheus endpoints of Aiven services, scrapes them, and serves their latest
samples at /federate. Without --config.file the configuration comes from the environment:
AIVEN_API_TOKEN, AIVEN_PROJECT, AIVEN_PROMETHEUS_ENDPOINT_ID, SERVICES_FILE, SCRAPE_INTERVAL.
Without --web.config.file the user to ask for is BASIC_AUTH_USERNAME with BASIC_AUTH_PASSWORD.
A cloud_foundry section without credentials has those of CF_CLIENT_ID with CF_CLIENT_SECRET, or of CF_USERNAME with
CF_PASSWORD. On Cloud Foundry a bound service called elasticsearch-metric-exporter stands for variables that aren't
set.";

/// More of them have never been seen in a row.
const MAX_PROXIES: usize = 16;

const USERNAME: &str = "BASIC_AUTH_USERNAME";
const PASSWORD: &str = "BASIC_AUTH_PASSWORD";

/// Every flag.
pub const FLAGS: &[Flag] = &[
    Flag {
        name: "config.file",
        value: "FILE",
        default: "",
        help: "The configuration file.",
    },
    Flag {
        name: "web.listen-address",
        value: "HOST:PORT",
        default: "0.0.0.0:9090",
        help: "Where to listen. With the variable PORT set the default is 0.0.0.0:$PORT.",
    },
    Flag {
        name: "web.config.file",
        value: "FILE",
        default: "",
        help: "TLS and users, in the format of Prometheus' exporter-toolkit. Read again when it changes.",
    },
    Flag {
        name: "web.trusted-proxies",
        value: "N",
        default: "0",
        help: "How many proxies stand in front, each of which appends its client's address to X-Forwarded-For.",
    },
    Flag {
        name: "state.path",
        value: "FOLDER",
        default: "",
        help: "Where the last-known targets are kept, for a start while Aiven's API is down.",
    },
    logging::LEVEL,
    logging::FORMAT,
];

/// Why flags and environment don't make settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The address to listen on.
    #[error("--web.listen-address")]
    ListenAddress(#[from] ListenAddressError),
    /// Of the two variables of basic authentication only one is set.
    #[error(
        "{missing} is not set: BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD must be set together"
    )]
    HalfUser {
        /// The other one.
        missing: &'static str,
    },
    /// The number of proxies.
    #[error("--web.trusted-proxies={0}: expected a number from 0 to {MAX_PROXIES}")]
    TrustedProxies(String),
    /// Who asks Cloud Foundry.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A word that is no flag.
    #[error("unexpected argument {0:?}")]
    Word(String),
}

/// The settings of a command line and the environment.
///
/// # Errors
/// [`SettingsError`]
pub fn settings(args: &Args, environment: Environment<'_>) -> Result<Settings, SettingsError> {
    if let Some(word) = args.words.first() {
        return Err(SettingsError::Word(word.clone()));
    }
    let path = |flag| {
        args.given(flag)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    };
    let set = |name| environment(name).filter(|value| !value.is_empty());
    let listen_address: ListenAddress = match (args.given("web.listen-address"), set("PORT")) {
        (None, Some(port)) => format!("0.0.0.0:{port}").parse()?,
        _ => args.value("web.listen-address").parse()?,
    };
    let half = |missing| Err(SettingsError::HalfUser { missing });
    let user = match (set(USERNAME), set(PASSWORD)) {
        (Some(name), Some(password)) => Some((name, Secret::from(password))),
        (None, None) => None,
        (Some(_), None) => return half(PASSWORD),
        (None, Some(_)) => return half(USERNAME),
    };
    let proxies = args.value("web.trusted-proxies");
    let trusted_proxies = proxies
        .parse()
        .ok()
        .filter(|count| *count <= MAX_PROXIES)
        .ok_or_else(|| SettingsError::TrustedProxies(proxies.to_owned()))?;
    let config = path("config.file").map_or(ConfigSource::Environment, ConfigSource::File);
    let flags = args.all().map(|(name, value)| match name {
        "web.listen-address" => (name, listen_address.to_string()),
        _ => (name, value),
    });
    Ok(Settings {
        config,
        flags: flags.collect(),
        listen_address,
        web_config_file: path("web.config.file"),
        user,
        trusted_proxies,
        state_path: path("state.path"),
        api_token: set("AIVEN_API_TOKEN").map(Secret::from),
        api_url: set("AIVEN_WEB_URL"),
        cloud_foundry_credentials: credentials::cloud_foundry(environment)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::given;

    fn of(line: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let args = given::args(FLAGS, line);
        settings(&args, &given::environment(variables)).map_err(|err| err.to_string())
    }

    #[test]
    fn the_port_of_the_platform_is_a_default() {
        let f = |line: &[&str], variables: &[(&str, &str)], want: &str| {
            assert_eq!(
                of(line, variables).unwrap().listen_address.to_string(),
                want
            );
        };
        f(&[], &[], "0.0.0.0:9090");
        f(&[], &[("PORT", "8080")], "0.0.0.0:8080");
        f(
            &["--web.listen-address=127.0.0.1:1"],
            &[("PORT", "8080")],
            "127.0.0.1:1",
        );
        f(&[], &[("PORT", "")], "0.0.0.0:9090");
    }

    #[test]
    fn the_user_comes_from_the_environment_as_a_whole() {
        let user = [(USERNAME, "u"), (PASSWORD, "p")];
        for line in [&[][..], &["--config.file=x"], &["--web.config.file=x"]] {
            let (name, password) = of(line, &user).unwrap().user.unwrap();
            assert_eq!((&*name, password.expose()), ("u", "p"), "{line:?}");
            assert!(of(line, &[]).unwrap().user.is_none(), "{line:?}");
            for (half, missing) in [(&user[..1], PASSWORD), (&user[1..], USERNAME)] {
                let want = format!(
                    "{missing} is not set: BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD must be set together"
                );
                assert_eq!(of(line, half).unwrap_err(), want, "{line:?}");
            }
        }
        let empty = [(USERNAME, "u"), (PASSWORD, "")];
        assert!(of(&[], &empty).is_err());
    }

    #[test]
    fn proxies_are_counted() {
        let f = |line: &[&str], want: Result<usize, &str>| {
            let got = of(line, &[]).map(|settings| settings.trusted_proxies);
            assert_eq!(got, want.map_err(str::to_owned), "{line:?}");
        };
        f(&[], Ok(0));
        f(&["--web.trusted-proxies=2"], Ok(2));
        for wrong in ["", "-1", "17", "10.0.0.1"] {
            let want = format!("--web.trusted-proxies={wrong}: expected a number from 0 to 16");
            f(&[&format!("--web.trusted-proxies={wrong}")], Err(&want));
        }
    }

    #[test]
    fn words_are_refused() {
        assert_eq!(of(&["x"], &[]).unwrap_err(), "unexpected argument \"x\"");
    }
}
