//! The sidecar's command line, that of the Go program with two flags more.

use aiven_discovery::config::{AivenSdConfig, BuildOptions, ServicesSource};
use federate_server::listener::{ListenAddress, ListenAddressError};
use prom_model::secret::Secret;

use super::Settings;
use crate::args::{Args, Flag};
use crate::config::Environment;
use crate::logging;

/// One line on how to call the program.
pub const USAGE: &str = "usage: aiven-service-discovery FLAGS

Discovers the Prometheus endpoints of Aiven services and keeps a target file for Prometheus' file_sd.
AIVEN_WEB_URL is the API's address, where it isn't https://api.aiven.io.";

/// Every flag.
pub const FLAGS: &[Flag] = &[
    Flag {
        name: "aiven-api-token",
        value: "TOKEN",
        default: "",
        help: "The API's token. Better given as AIVEN_API_TOKEN, which other users of the machine can't read.",
    },
    Flag {
        name: "aiven-project",
        value: "PROJECT",
        default: "",
        help: "The project.",
    },
    Flag {
        name: "aiven-prometheus-endpoint-id",
        value: "ID",
        default: "",
        help: "The integration endpoint that services are to be integrated with.",
    },
    Flag {
        name: "service-discovery-target-path",
        value: "FILE",
        default: "",
        help: "The target file.",
    },
    Flag {
        name: "prometheus-listen-port",
        value: "PORT",
        default: "9274",
        help: "Where /metrics is served.",
    },
    Flag {
        name: "service-names-file",
        value: "FILE",
        default: "",
        help: "Names of the services to discover, one a line.",
    },
    Flag {
        name: "services-file",
        value: "FILE",
        default: "",
        help: "The services to discover with labels for each, in JSON.",
    },
    Flag {
        name: "http-sd-listen-address",
        value: "HOST:PORT",
        default: "",
        help: "Where the targets are served for Prometheus' http_sd, at /sd/targets.",
    },
    logging::LEVEL,
    logging::FORMAT,
];

/// Why a command line doesn't make settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A flag that is needed isn't given.
    #[error("--{0} is missing")]
    Missing(&'static str),
    /// Only one of two flags can be given.
    #[error("--service-names-file and --services-file are both given, expected at most one")]
    TwoLists,
    /// A port is no port, or an address no address.
    #[error("--{flag}")]
    Address {
        /// The flag.
        flag: &'static str,
        /// Why.
        source: ListenAddressError,
    },
    /// `AIVEN_WEB_URL` is no URL.
    #[error("AIVEN_WEB_URL is no URL")]
    ApiUrl,
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
    let set = |name| environment(name).filter(|value| !value.is_empty());
    let given = |flag| args.given(flag).filter(|value| !value.is_empty());
    let required = |flag| given(flag).ok_or(SettingsError::Missing(flag));
    let address = |flag, address: &str| {
        address
            .parse::<ListenAddress>()
            .map_err(|source| SettingsError::Address { flag, source })
    };
    let token = given("aiven-api-token")
        .map(str::to_owned)
        .or_else(|| set("AIVEN_API_TOKEN"));
    let token = token.ok_or(SettingsError::Missing("aiven-api-token"))?;
    let mut discovery = AivenSdConfig::new(required("aiven-project")?);
    discovery.prometheus_endpoint_id = Some(required("aiven-prometheus-endpoint-id")?.to_owned());
    discovery.services = match (given("service-names-file"), given("services-file")) {
        (Some(_), Some(_)) => return Err(SettingsError::TwoLists),
        (Some(names), None) => ServicesSource::NamesFile(names.into()),
        (None, Some(services)) => ServicesSource::ServicesFile(services.into()),
        (None, None) => ServicesSource::WholeProject,
    };
    let api_url = set("AIVEN_WEB_URL").map(|url| url.parse()).transpose();
    let port = args.value("prometheus-listen-port");
    Ok(Settings {
        discovery,
        options: BuildOptions {
            api_token: Some(Secret::from(token)),
            api_url: api_url.map_err(|_| SettingsError::ApiUrl)?,
            user_agent: Some(
                concat!("aiven-service-discovery/", env!("CARGO_PKG_VERSION")).to_owned(),
            ),
            ..BuildOptions::default()
        },
        target_path: required("service-discovery-target-path")?.into(),
        metrics_address: address("prometheus-listen-port", &format!(":{port}"))?,
        http_sd_address: given("http-sd-listen-address")
            .map(|value| address("http-sd-listen-address", value))
            .transpose()?,
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

    /// As the operators' manifests have it, with one dash.
    const OLD: [&str; 5] = [
        "-aiven-api-token=t",
        "-aiven-project=p",
        "-aiven-prometheus-endpoint-id=e",
        "-service-discovery-target-path=/tmp/targets.json",
        "-service-names-file=names",
    ];

    #[test]
    fn the_old_flags_are_settings() {
        let settings = of(&OLD, &[]).unwrap();
        assert_eq!(settings.discovery.project, "p");
        assert_eq!(
            settings.discovery.prometheus_endpoint_id.as_deref(),
            Some("e")
        );
        assert_eq!(
            settings.discovery.services,
            ServicesSource::NamesFile("names".into())
        );
        assert_eq!(settings.target_path, PathBuf::from("/tmp/targets.json"));
        assert_eq!(settings.metrics_address.to_string(), ":9274");
        assert!(settings.http_sd_address.is_none());
    }

    #[test]
    fn the_token_may_come_from_the_environment() {
        let line = &OLD[1..];
        assert_eq!(of(line, &[]).unwrap_err(), "--aiven-api-token is missing");
        assert!(
            of(line, &[("AIVEN_API_TOKEN", "t")])
                .unwrap()
                .options
                .api_token
                .is_some()
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let f = |more: &[&str], want: &str| {
            let line: Vec<_> = OLD.iter().chain(more).copied().collect();
            assert_eq!(of(&line, &[]).unwrap_err(), want);
        };
        let two = "--service-names-file and --services-file are both given, expected at most one";
        f(&["--services-file=x"], two);
        f(&["--prometheus-listen-port=x"], "--prometheus-listen-port");
        f(
            &["--service-discovery-target-path="],
            "--service-discovery-target-path is missing",
        );
        f(&["x"], "unexpected argument \"x\"");
    }

    use std::path::PathBuf;
}
