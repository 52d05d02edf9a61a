//! What Cloud Foundry tells the applications that it runs.
//!
//! A user-provided service that is bound to the application and called [`SERVICE`] may hold what would otherwise be
//! variables of the environment, secrets above all: key `aiven_api_token` stands for the variable `AIVEN_API_TOKEN`,
//! and so on for each of [`VARIABLES`]. A variable that is set wins. The platform hands bound services over in the
//! variable `VCAP_SERVICES`, or in the file that `VCAP_SERVICES_FILE_PATH` names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use prom_model::secret::Secret;
use serde_json::{Map, Value};

use crate::config::Environment;

/// What the service with secrets is called.
pub const SERVICE: &str = "elasticsearch-metric-exporter";

/// The variables that may come from the service instead, there in lower case.
pub const VARIABLES: [&str; 10] = [
    "AIVEN_API_TOKEN",
    "AIVEN_PROJECT",
    "AIVEN_PROMETHEUS_ENDPOINT_ID",
    "AIVEN_WEB_URL",
    "BASIC_AUTH_USERNAME",
    "BASIC_AUTH_PASSWORD",
    "CF_CLIENT_ID",
    "CF_CLIENT_SECRET",
    "CF_USERNAME",
    "CF_PASSWORD",
];

/// Looks up variables, for as long as the program runs.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Why the platform isn't understood. Nothing of what it says is quoted, since it holds secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// `VCAP_SERVICES_FILE_PATH` names a file that can't be read.
    #[error("VCAP_SERVICES_FILE_PATH: {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Not a list of services for each kind of service.
    #[error("{variable} isn't the JSON of bound services")]
    Services {
        /// Where it comes from.
        variable: &'static str,
    },
}

/// The variables of `environment`, and of the service bound to the application.
///
/// # Errors
/// [`PlatformError`]
pub fn variables(
    environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Result<Variables, PlatformError> {
    let bound = bound_service(&environment)?;
    Ok(Arc::new(move |name| {
        let set = environment(name);
        if set.as_ref().is_some_and(|value| !value.is_empty()) || !VARIABLES.contains(&name) {
            return set;
        }
        let bound = bound.get(&name.to_ascii_lowercase());
        bound.map(|value| value.expose().to_owned()).or(set)
    }))
}

/// The credentials of the service with secrets; none where there is no such service.
fn bound_service(environment: Environment<'_>) -> Result<BTreeMap<String, Secret>, PlatformError> {
    let set = |name| environment(name).filter(|value: &String| !value.is_empty());
    let (text, variable) = match (set("VCAP_SERVICES"), set("VCAP_SERVICES_FILE_PATH")) {
        (Some(text), _) => (text, "VCAP_SERVICES"),
        (None, Some(path)) => {
            let path = PathBuf::from(path);
            let text = std::fs::read_to_string(&path)
                .map_err(|source| PlatformError::Read { path, source })?;
            (text, "VCAP_SERVICES_FILE_PATH")
        }
        (None, None) => return Ok(BTreeMap::new()),
    };
    let kinds: BTreeMap<String, Vec<Value>> =
        serde_json::from_str(&text).map_err(|_| PlatformError::Services { variable })?;
    let is_it = |service: &&Value| {
        let names = ["instance_name", "name"].map(|key| &service[key]);
        names.contains(&&Value::from(SERVICE))
    };
    let found = kinds.values().flatten().find(is_it);
    let credentials = found.and_then(|service| service["credentials"].as_object());
    Ok(credentials.map_or_else(BTreeMap::new, texts))
}

/// The texts and numbers of `credentials`.
fn texts(credentials: &Map<String, Value>) -> BTreeMap<String, Secret> {
    let text = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some((name.clone(), Secret::from(text)))
    };
    credentials.iter().filter_map(text).collect()
}

/// How a program calls itself to servers: `product`, and on Cloud Foundry which of the application's instances it is.
#[must_use]
pub fn user_agent(product: &str, environment: Environment<'_>) -> HeaderValue {
    let application = environment("VCAP_APPLICATION").unwrap_or_default();
    let application: Value = serde_json::from_str(&application).unwrap_or_default();
    let id = application["application_id"].as_str().unwrap_or_default();
    let index = environment("CF_INSTANCE_INDEX").unwrap_or_default();
    let is_plain = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !text.is_empty() && text.chars().all(plain)
    };
    let full = match is_plain(id) && is_plain(&index) {
        true => format!("{product} (application {id}; instance {index})"),
        false => product.to_owned(),
    };
    HeaderValue::try_from(full).unwrap_or(HeaderValue::from_static(SERVICE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::given;

    const SERVICES: &str = r#"{
        "elasticsearch": [{"name": "other", "credentials": {"aiven_api_token": "wrong"}}, {"credentials": "odd"}],
        "user-provided": [
            {"name": "bound-as", "instance_name": "elasticsearch-metric-exporter", "binding_name": "bound-as",
             "credentials": {"aiven_api_token": "t", "basic_auth_password": 12, "cf_password": null, "home": "/x"}}
        ]
    }"#;

    fn of(set: &[(&str, &str)]) -> Result<Variables, PlatformError> {
        variables(given::environment(set))
    }

    #[test]
    fn the_bound_service_stands_for_variables_that_are_not_set() {
        let f = |set: &[(&str, &str)], name: &str, want: Option<&str>| {
            let all = [&[("VCAP_SERVICES", SERVICES)], set].concat();
            assert_eq!(of(&all).unwrap()(name).as_deref(), want, "{name}");
        };
        f(&[], "AIVEN_API_TOKEN", Some("t"));
        f(&[("AIVEN_API_TOKEN", "")], "AIVEN_API_TOKEN", Some("t"));
        f(
            &[("AIVEN_API_TOKEN", "set")],
            "AIVEN_API_TOKEN",
            Some("set"),
        );
        f(&[], "BASIC_AUTH_PASSWORD", Some("12"));
        f(&[], "CF_PASSWORD", None);
        // Not any variable may come from there.
        f(&[], "HOME", None);
        assert_eq!(of(&[]).unwrap()("AIVEN_API_TOKEN"), None);
    }

    #[test]
    fn the_services_may_be_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vcap_services");
        std::fs::write(&path, SERVICES).unwrap();
        let path = path.display().to_string();
        let variables = of(&[("VCAP_SERVICES_FILE_PATH", &path)]).unwrap();
        assert_eq!(variables("AIVEN_API_TOKEN").as_deref(), Some("t"));
        let missing = format!("{path}.not");
        let error = of(&[("VCAP_SERVICES_FILE_PATH", &missing)]).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("VCAP_SERVICES_FILE_PATH: {missing}")
        );
    }

    #[test]
    fn what_is_not_understood_is_told_without_quoting_it() {
        for text in ["secret", "[]", r#"{"user-provided": "secret"}"#] {
            let error = of(&[("VCAP_SERVICES", text)]).err().unwrap();
            assert_eq!(
                error.to_string(),
                "VCAP_SERVICES isn't the JSON of bound services"
            );
        }
    }

    #[test]
    fn servers_are_told_which_instance_calls() {
        let f = |set: &[(&str, &str)], want: &str| {
            assert_eq!(user_agent("x/1", &given::environment(set)), want, "{set:?}");
        };
        let id = (
            "VCAP_APPLICATION",
            r#"{"application_id": "0c1b-4d0e", "limits": {}}"#,
        );
        f(&[], "x/1");
        f(
            &[id, ("CF_INSTANCE_INDEX", "1")],
            "x/1 (application 0c1b-4d0e; instance 1)",
        );
        f(&[id], "x/1");
        f(
            &[("CF_INSTANCE_INDEX", "1"), ("VCAP_APPLICATION", "{")],
            "x/1",
        );
        let odd = ("VCAP_APPLICATION", r#"{"application_id": "a\nb)"}"#);
        f(&[odd, ("CF_INSTANCE_INDEX", "1")], "x/1");
    }
}
