//! The command lines of `services-file`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use aiven_discovery::api::{HttpApiOptions, SecretSource};
use aiven_discovery::config::DEFAULT_API_URL;
use cloud_foundry::{CloudFoundryOptions, Credentials, InstanceFilter};
use prom_model::secret::Secret;
use url::{ParseError, Url};

use super::check::CheckSettings;
use super::print::{Empty, PrintSettings};
use crate::args::{Args, Flag};
use crate::config::Environment;
use crate::credentials::{self, CredentialsError};
use crate::logging;

/// How the program is called.
pub const PROGRAM: &str = "services-file";
/// How the program calls itself to servers.
pub const USER_AGENT: &str = concat!("services-file/", env!("CARGO_PKG_VERSION"));

const LOG_LEVEL: Flag = Flag {
    default: "warn",
    ..logging::LEVEL
};

/// How to call `services-file`.
pub const USAGE: &str = "usage: services-file --api=URL --aiven-service-prefix=PREFIX [FLAGS]
       services-file check FILE --aiven-project=PROJECT [FLAGS]

Prints the services file of a Cloud Foundry: a list in JSON of its Elasticsearch and OpenSearch instances, as Aiven
calls them, each with the labels service_guid, service_name, service_plan_name, space_guid, space_name, org_guid
and org_name. The order is always the same. The second form checks such a file; see services-file check --help.

Environment, one of these unless --token-file is given:
  CF_TOKEN
      A token, as cf oauth-token prints it.
  CF_CLIENT_ID, CF_CLIENT_SECRET
      A client of UAA.
  CF_USERNAME, CF_PASSWORD
      A user.

Exit status: 0, or 2 where there is no file.";

/// Every flag of `services-file`.
pub const FLAGS: &[Flag] = &[
    Flag {
        name: "api",
        value: "URL",
        default: "",
        help: "The address of Cloud Foundry's API, such as https://api.cloud.example.org.",
    },
    Flag {
        name: "aiven-service-prefix",
        value: "PREFIX",
        default: "",
        help: "What the names of the Aiven services start with: PREFIX-<guid of the service instance>.",
    },
    Flag {
        name: "org",
        value: "NAME|GUID",
        default: "",
        help: "An organization; may be repeated. Without it, all that can be seen.",
    },
    Flag {
        name: "space",
        value: "NAME|GUID",
        default: "",
        help: "A space; may be repeated. Without it, all of the organizations.",
    },
    Flag {
        name: "service-offering",
        value: "NAME",
        default: "",
        help: "A service offering; may be repeated. Without it, elasticsearch and opensearch.",
    },
    Flag {
        name: "token-file",
        value: "FILE",
        default: "",
        help: "A file with what cf oauth-token prints; - is standard input.",
    },
    Flag {
        name: "ca-file",
        value: "FILE",
        default: "",
        help: "Certificates in PEM that API and UAA may have beside those the system trusts.",
    },
    Flag {
        name: "output",
        value: "FILE",
        default: "",
        help: "Where to write the file, replacing it as a whole. Without it, standard output.",
    },
    Flag {
        name: "empty",
        value: "refuse|allow",
        default: "refuse",
        help: "Whether it is an error if no service instance can be seen, or an empty list.",
    },
    LOG_LEVEL,
    logging::FORMAT,
];

/// How to call `services-file check`.
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
    /// Who asks Cloud Foundry.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A file, or standard input, can't be read.
    #[error("--{flag}={path}: {source}")]
    Read {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Not what an empty list can mean.
    #[error("--empty={0}: expected one of refuse, allow")]
    Empty(String),
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

/// What `services-file` prints. Reads the files that flags name.
///
/// # Errors
/// [`SettingsError`]
pub fn print_settings(
    args: &Args,
    environment: Environment<'_>,
) -> Result<PrintSettings, SettingsError> {
    if let Some(word) = args.words.first() {
        return Err(SettingsError::Word(word.clone()));
    }
    let all = |flag| -> Vec<String> {
        let values = args.all_given(flag).filter(|value| !value.is_empty());
        values.map(str::to_owned).collect()
    };
    let api = given(args, "api").ok_or(SettingsError::Missing("--api"))?;
    let mut cloud_foundry = CloudFoundryOptions {
        user_agent: USER_AGENT.to_owned(),
        ..CloudFoundryOptions::new(parse_url("--api", &api)?)
    };
    if let Some(path) = given(args, "ca-file") {
        cloud_foundry.extra_ca_pem = Some(read("ca-file", path)?);
    }
    let prefix = given(args, "aiven-service-prefix");
    let service_offerings = match all("service-offering") {
        none if none.is_empty() => ["elasticsearch", "opensearch"].map(str::to_owned).into(),
        given => given,
    };
    Ok(PrintSettings {
        cloud_foundry,
        credentials: who_asks(args, environment)?,
        filter: InstanceFilter {
            service_offerings,
            organizations: all("org"),
        },
        spaces: all("space"),
        aiven_service_prefix: prefix.ok_or(SettingsError::Missing("--aiven-service-prefix"))?,
        output: given(args, "output").map(PathBuf::from),
        empty: match args.value("empty") {
            "refuse" => Empty::Refuse,
            "allow" => Empty::Allow,
            other => return Err(SettingsError::Empty(other.to_owned())),
        },
    })
}

/// Who asks Cloud Foundry.
fn who_asks(args: &Args, environment: Environment<'_>) -> Result<Credentials, SettingsError> {
    let two = |other| Err(CredentialsError::Two("CF_TOKEN", other).into());
    if let Some(path) = given(args, "token-file") {
        let token = read("token-file", path)?;
        return Ok(Credentials::Token(SecretSource::Inline(token.into())));
    }
    let token = environment("CF_TOKEN").filter(|token| !token.is_empty());
    match (token, credentials::cloud_foundry(environment)?) {
        (Some(token), None) => Ok(Credentials::Token(SecretSource::Inline(token.into()))),
        (None, Some(credentials)) => Ok(credentials),
        (None, None) => Err(SettingsError::Missing(
            "--token-file, CF_TOKEN, CF_CLIENT_ID or CF_USERNAME",
        )),
        (Some(_), Some(Credentials::Client { .. })) => two("CF_CLIENT_ID"),
        (Some(_), Some(_)) => two("CF_USERNAME"),
    }
}

/// The text of the file at `path`; `-` is standard input.
fn read(flag: &'static str, path: String) -> Result<String, SettingsError> {
    let text = match &*path {
        "-" => std::io::read_to_string(std::io::stdin()),
        path => std::fs::read_to_string(path),
    };
    text.map_err(|source| SettingsError::Read { flag, path, source })
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
