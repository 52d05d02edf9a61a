//! The command lines of `services-file`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use aiven_discovery::api::{HttpApiOptions, SecretSource};
use aiven_discovery::config::DEFAULT_API_URL;
use prom_model::secret::Secret;
use url::{ParseError, Url};

use super::check::CheckSettings;
use crate::args::{Args, Flag};
use crate::config::Environment;
use crate::logging;

/// How the program is called.
pub const PROGRAM: &str = "services-file";
/// How the program calls itself to servers.
pub const USER_AGENT: &str = concat!("services-file/", env!("CARGO_PKG_VERSION"));

const LOG_LEVEL: Flag = Flag {
    default: "warn",
    ..logging::LEVEL
};

/// One line on how to call `services-file check`.
pub const CHECK_USAGE: &str = "usage: services-file check FILE --aiven-project=PROJECT [FLAGS]

Compares a services file with Aiven and DNS, and prints a line for each listed service that doesn't exist,
lacks the integration with the endpoint, or has no nodes.

Environment:
  AIVEN_API_TOKEN
      The token for Aiven's API.
  AIVEN_PROMETHEUS_ENDPOINT_ID
      The integration endpoint, where --aiven-prometheus-endpoint-id isn't given.
  AIVEN_WEB_URL
      The API's address, where it isn't https://api.aiven.io.

Exit status: 0 where all is well, 1 with findings, 2 where nothing could be checked.";

/// Every flag of `services-file check`.
pub const CHECK_FLAGS: &[Flag] = &[
    Flag {
        name: "aiven-project",
        value: "PROJECT",
        default: "",
        help: "The project; or AIVEN_PROJECT.",
    },
    Flag {
        name: "aiven-prometheus-endpoint-id",
        value: "ID",
        default: "",
        help: "The endpoint that services are to be integrated with.",
    },
    Flag {
        name: "nameserver",
        value: "IP[:PORT]",
        default: "",
        help: "A DNS server to ask instead of the system's; may be repeated.",
    },
    LOG_LEVEL,
    logging::FORMAT,
];

/// Why a command line is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Neither a flag nor the variable in its place.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Not an address.
    #[error("{name} is no URL: {source}")]
    Url {
        /// The flag or variable.
        name: &'static str,
        /// Why.
        source: ParseError,
    },
    /// Not the address of a name server.
    #[error("--nameserver={0}: expected IP or IP:PORT")]
    Nameserver(String),
    /// Two ways to prove who asks.
    #[error("{0} and {1} are both given, expected one")]
    TwoCredentials(&'static str, &'static str),
    /// One half of a pair of variables.
    #[error("{0} is set and {1} is not")]
    HalfCredentials(&'static str, &'static str),
    /// The token's file, or standard input.
    #[error("--token-file={path}: {source}")]
    Token {
        /// The file.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A word that is no flag.
    #[error("unexpected argument {0:?}")]
    Word(String),
}

/// What `services-file check` checks, and the name servers it asks.
///
/// # Errors
/// [`SettingsError`]
pub fn check_settings(
    args: &Args,
    environment: Environment<'_>,
) -> Result<(CheckSettings, Vec<SocketAddr>), SettingsError> {
    let set = |name: &'static str| environment(name).filter(|value| !value.is_empty());
    let file = match &*args.words {
        [] => return Err(SettingsError::Missing("FILE")),
        [file] => PathBuf::from(file),
        [_, word, ..] => return Err(SettingsError::Word(word.clone())),
    };
    let either = |flag, variable| given(args, flag).or_else(|| set(variable));
    let project = either("aiven-project", "AIVEN_PROJECT");
    let project = project.ok_or(SettingsError::Missing("--aiven-project"))?;
    let endpoint = either(
        "aiven-prometheus-endpoint-id",
        "AIVEN_PROMETHEUS_ENDPOINT_ID",
    );
    let endpoint_id = endpoint.ok_or(SettingsError::Missing("--aiven-prometheus-endpoint-id"))?;
    let token = set("AIVEN_API_TOKEN").ok_or(SettingsError::Missing("AIVEN_API_TOKEN"))?;
    let url = set("AIVEN_WEB_URL").unwrap_or_else(|| DEFAULT_API_URL.to_owned());
    let api = HttpApiOptions {
        user_agent: USER_AGENT.to_owned(),
        ..HttpApiOptions::new(
            parse_url("AIVEN_WEB_URL", &url)?,
            project,
            SecretSource::Inline(Secret::from(token)),
        )
    };
    let nameservers = args.all_given("nameserver").map(nameserver);
    let nameservers = nameservers.collect::<Result<_, _>>()?;
    let settings = CheckSettings {
        file,
        api,
        endpoint_id,
    };
    Ok((settings, nameservers))
}

fn given(args: &Args, flag: &str) -> Option<String> {
    let given = args.given(flag).filter(|value| !value.is_empty());
    given.map(str::to_owned)
}

fn parse_url(name: &'static str, url: &str) -> Result<Url, SettingsError> {
    Url::parse(url).map_err(|source| SettingsError::Url { name, source })
}

fn nameserver(text: &str) -> Result<SocketAddr, SettingsError> {
    let address = text.parse::<SocketAddr>().ok();
    let plain = || Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, 53));
    let address = address.or_else(plain);
    address.ok_or_else(|| SettingsError::Nameserver(text.to_owned()))
}
