use super::*;
use crate::yaml::parse;

fn load(text: &str) -> Result<HttpClientConfig, ConfigError> {
    let mut fields = parse(text)?.root.fields()?;
    let config = HttpClientConfig::take(&mut fields)?;
    fields.finish()?;
    Ok(config)
}

fn loaded(text: &str) -> HttpClientConfig {
    load(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn nothing_configured_is_the_default() {
    for text in [
        "",
        "basic_auth:",
        "oauth2: {}",
        "proxy_url: ''",
        "http_headers: {}",
        "bearer_token: ''",
    ] {
        assert_eq!(loaded(text), HttpClientConfig::default(), "{text}");
    }
}

#[test]
fn credentials_are_inline_or_in_a_file() {
    let f = |text: &str, want| assert_eq!(loaded(text).auth, want, "{text}");
    f(
        "basic_auth: {username: u, password: 1234}",
        HttpAuth::Basic(BasicAuth {
            username: Source::Inline("u".to_owned()),
            password: Source::Inline("1234".into()),
        }),
    );
    f(
        "basic_auth: {username_file: u, password_file: /p}",
        HttpAuth::Basic(BasicAuth {
            username: Source::File("u".into()),
            password: Source::File("/p".into()),
        }),
    );
    let bearer = HttpAuth::Authorization(Authorization {
        scheme: "Bearer".to_owned(),
        credentials: Source::Inline("t".into()),
    });
    f("authorization: {credentials: t}", bearer.clone());
    f(
        "authorization: {type: ' Bearer ', credentials: t}",
        bearer.clone(),
    );
    f("bearer_token: t", bearer);
    f(
        "bearer_token_file: t",
        HttpAuth::Authorization(Authorization {
            scheme: "Bearer".to_owned(),
            credentials: Source::File("t".into()),
        }),
    );
}

#[test]
fn what_excludes_each_other_is_refused() {
    let f = |text: &str, want: &str| {
        assert_eq!(load(text).unwrap_err().to_string(), want, "{text}");
    };
    f(
        "{bearer_token: a, bearer_token_file: b}",
        "1:38: at most one of bearer_token and bearer_token_file",
    );
    f(
        "{basic_auth: {username: a}, bearer_token: b}",
        "1:14: at most one of basic_auth, bearer_token and bearer_token_file",
    );
    f(
        "{basic_auth: {}, authorization: {}}",
        "1:33: at most one of basic_auth and authorization",
    );
    f(
        "{authorization: {}, bearer_token: b}",
        "1:17: at most one of authorization, bearer_token and bearer_token_file",
    );
    f(
        "basic_auth: {password: a, password_file: b}",
        "1:42: at most one of password and password_file",
    );
    f(
        "authorization: {type: BASIC}",
        "1:23: authorization type cannot be \"basic\", expected basic_auth instead",
    );
    f(
        "tls_config: {cert_file: a}",
        "1:13: a client certificate without a key, expected key or key_file",
    );
    f(
        "tls_config: {key_file: a}",
        "1:13: a client key without a certificate, expected cert or cert_file",
    );
    f(
        "tls_config: {ca: a, ca_file: a}",
        "1:30: at most one of ca and ca_file",
    );
    f(
        "tls_config: {min_version: TLS13, max_version: TLS12}",
        "1:27: min_version is above max_version",
    );
    f(
        "tls_config: {min_version: SSL3}",
        "1:27: unknown TLS version \"SSL3\", expected TLS12 or TLS13",
    );
    f(
        "http_headers: {authorization: {values: [a]}}",
        "1:31: setting the header \"authorization\" is not allowed",
    );
    f(
        "http_headers: {'X A': {values: [a]}}",
        "1:23: \"X A\" is not the name of a header",
    );
    f(
        "oauth2: {client_id: a}",
        "1:1: oauth2 is a Prometheus setting that this exporter does not have",
    );
    f(
        "proxy_url: http://a",
        "1:1: proxy_url is a Prometheus setting that this exporter does not have",
    );
}

#[test]
fn no_error_quotes_a_secret() {
    for text in [
        "basic_auth: hunter2",
        "basic_auth: {password: [hunter2]}",
        "basic_auth: {password: hunter2, password_file: f}",
        "authorization: Bearer hunter2",
        "bearer_token: {hunter2: a}",
        "http_headers: {a: {secrets: hunter2}}",
        "http_headers: {a: {secrets: [\"hunter2\\x01\"]}}",
        "tls_config: {key: hunter2}",
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn relative_files_are_beside_the_configuration() {
    let mut config = loaded(
        "basic_auth: {username: u, password_file: p}\n\
         tls_config: {ca_file: ca, cert_file: /c, key_file: sub/k}\n\
         http_headers: {a: {files: [h, /h]}}\n",
    );
    config.set_directory(Path::new("/etc/x"));
    let HttpAuth::Basic(basic) = &config.auth else {
        panic!("{config:?}");
    };
    assert_eq!(basic.password, Source::File("/etc/x/p".into()));
    let tls = config.tls.as_ref().unwrap();
    assert_eq!(tls.ca, Some(Source::File("/etc/x/ca".into())));
    assert_eq!(tls.cert, Some(Source::File("/c".into())));
    assert_eq!(tls.key, Some(Source::File("/etc/x/sub/k".into())));
    assert_eq!(
        config.headers[0].files,
        [PathBuf::from("/etc/x/h"), "/h".into()]
    );
}

#[test]
fn settings_are_shown_as_prometheus_shows_them() {
    let config = loaded(
        "basic_auth: {username: u, password: hunter2}\n\
         tls_config: {ca_file: ca, cert: c, key: hunter2, min_version: TLS13}\n\
         follow_redirects: false\n\
         http_headers: {x: {values: [a], secrets: [hunter2], files: [f]}}\n",
    );
    let want = "\
basic_auth:
  username: u
  password: <secret>
tls_config:
  ca_file: ca
  cert: c
  key: <secret>
  insecure_skip_verify: false
  min_version: TLS13
follow_redirects: false
enable_http2: true
http_headers:
  x:
    values:
    - a
    secrets:
    - <secret>
    files:
    - f
";
    assert_eq!(config.shown().to_yaml(), want);
    assert!(!format!("{config:?}").contains("hunter2"));
}
