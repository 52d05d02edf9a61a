use std::fs;
use std::path::Path;
use std::sync::Arc;

use federate_server::auth::{AuthError, Users};
use federate_server::metrics::ReloadMetrics;
use federate_server::serve::TlsSource as _;
use federate_server::web_config::{LiveWebConfig, WebConfig};
use http::HeaderMap;
use rcgen::{CertifiedKey, generate_simple_self_signed};

const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

fn parse(text: &str) -> Result<WebConfig, String> {
    WebConfig::parse(text, Path::new("/etc/exporter")).map_err(|error| error.to_string())
}

#[test]
fn takes_what_exporters_take() {
    for text in [
        "",
        "tls_server_config:\n",
        "basic_auth_users: {}\n",
        "http_server_config: {http2: false, headers: {X-Frame-Options: deny, X-XSS-Protection: ''}}\n",
    ] {
        let config = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(config.tls.is_none() && config.users.is_empty(), "{text}");
    }
    let tls =
        |rest: &str| format!("tls_server_config:\n  cert_file: c.pem\n  key_file: /k.pem\n{rest}");
    for rest in [
        "",
        "  min_version: TLS13\n  prefer_server_cipher_suites: false\n",
        "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n",
        "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305]\n  curve_preferences: [X25519, CurveP384]\n",
        "  client_auth_type: NoClientCert\n",
        "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n",
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca: inline\n  client_allowed_sans: [a]\n",
    ] {
        let config = parse(&tls(rest)).unwrap_or_else(|error| panic!("{rest}: {error}"));
        let shown = format!("{:?}", config.tls.unwrap());
        assert!(shown.contains(r#"File("/etc/exporter/c.pem")"#), "{shown}");
        assert!(
            shown.contains(r#"File("/k.pem")"#) && !shown.contains("inline"),
            "{shown}"
        );
    }
}

#[test]
fn refuses_the_rest_and_says_where() {
    let f = |text: &str, want: &str| assert_eq!(parse(text).unwrap_err(), want, "{text}");
    f(
        "basic_auth_user: {}",
        "1:1: unknown field \"basic_auth_user\", did you mean \"basic_auth_users\"?",
    );
    f("rate_limit: {burst: 1}", "1:13: rate_limit isn't supported");
    f(
        "basic_auth_users:\n  a: secret",
        "2:6: user \"a\": not a bcrypt hash",
    );
    f(
        &format!("basic_auth_users:\n  a: {}", HASH.replace("$10", "$30")),
        "2:6: user \"a\": bcrypt cost 30 is outside 4 to 20",
    );
    f(
        &format!("basic_auth_users:\n  'a:b': {HASH}"),
        "2:10: user \"a:b\": a user's name holds no colon",
    );
    f(
        "http_server_config:\n  headers: {Server: x}",
        "2:21: header \"Server\" can't be configured, expected one of Content-Security-Policy, \
         Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, X-XSS-Protection",
    );
    f(
        "http_server_config:\n  headers: {X-Frame-Options: allow}",
        "2:30: \"allow\" isn't a value of X-Frame-Options, expected deny or sameorigin",
    );
    f(
        "http_server_config:\n  headers: {X-XSS-Protection: \"a\\nb\"}",
        "2:31: not the value of a header: \"a\\nb\"",
    );
    let tls = |rest: &str, want: &str| {
        f(
            &format!("tls_server_config:\n  cert_file: c\n  key_file: k\n  {rest}"),
            want,
        );
    };
    tls("cert: x", "4:9: cert and cert_file exclude each other");
    tls(
        "min_version: TLS10",
        "4:16: TLS10 isn't supported, expected TLS12 or TLS13",
    );
    tls(
        "max_version: SSL3",
        "4:16: \"SSL3\" is unknown, expected TLS12 or TLS13",
    );
    tls(
        "min_version: TLS13\n  max_version: TLS12",
        "4:16: min_version is above max_version",
    );
    tls(
        "curve_preferences: [CurveP521]",
        "4:23: curve \"CurveP521\" isn't supported, expected X25519, CurveP256 or CurveP384",
    );
    tls(
        "client_auth_type: RequireAnyClientCert",
        "4:21: RequireAnyClientCert isn't supported, since it lets in any certificate; expected NoClientCert, \
         VerifyClientCertIfGiven or RequireAndVerifyClientCert",
    );
    tls(
        "client_auth_type: RequireAndVerifyClientCert",
        "4:21: RequireAndVerifyClientCert needs client_ca_file",
    );
    tls(
        "client_allowed_sans: [a]",
        "4:24: client_allowed_sans needs client_auth_type RequireAndVerifyClientCert",
    );
    let cbc = parse(
        "tls_server_config: {cert_file: c, key_file: k, cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]}",
    );
    let cbc = cbc.unwrap_err();
    assert!(
        cbc.starts_with(
            "1:64: cipher suite \"TLS_RSA_WITH_AES_128_CBC_SHA\" isn't supported, expected one of "
        ),
        "{cbc}"
    );
    f(
        "tls_server_config: {cert_file: c}",
        "1:20: key_file (or key) is missing",
    );
    f(
        "tls_server_config: {key_file: k}",
        "1:20: cert_file (or cert) is missing",
    );
}

struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        files.renew_certificate();
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn renew_certificate(&self) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.write("cert.pem", &cert.pem());
        self.write("key.pem", &signing_key.serialize_pem());
    }

    fn open(&self, metrics: ReloadMetrics) -> Result<Arc<LiveWebConfig>, String> {
        let opened = LiveWebConfig::open(&self.directory.path().join("web.yml"), metrics);
        opened.map(Arc::new).map_err(|error| error.to_string())
    }
}

const TLS: &str = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n";

#[tokio::test]
async fn a_changed_file_is_used_and_a_broken_one_is_not() {
    let files = Files::new();
    let users = |hash: &str| format!("{TLS}basic_auth_users: {{a: {hash}}}\n");
    files.write("web.yml", &users(HASH));
    let metrics = ReloadMetrics::default();
    let live = files.open(metrics.clone()).unwrap();
    let tls = || live.server_config().unwrap();
    let first = tls();
    live.reload().unwrap();
    assert!(Arc::ptr_eq(&first, &tls()), "nothing has changed");

    files.renew_certificate();
    live.reload().unwrap();
    let renewed = tls();
    assert!(!Arc::ptr_eq(&first, &renewed));

    let broken = [
        ("nonsense".to_owned(), "1:1: "),
        (
            String::new(),
            "authentication can only be switched off by a restart",
        ),
        (
            TLS.to_owned(),
            "authentication can only be switched off by a restart",
        ),
        (
            format!("basic_auth_users: {{a: {HASH}}}\n"),
            "TLS can only be switched on or off by a restart",
        ),
        (users("plain"), "not a bcrypt hash"),
    ];
    for (text, want) in broken {
        files.write("web.yml", &text);
        let error = live.reload().unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert!(
            !metrics.last_succeeded() && Arc::ptr_eq(&renewed, &tls()),
            "{text}"
        );
        let got = live
            .authenticator()
            .authenticate(None, &HeaderMap::new())
            .await;
        assert_eq!(got, Err(AuthError::Unauthorized), "{text}");
        live.reload()
            .expect("what was reported isn't reported again");
    }

    files.write("web.yml", &users(HASH));
    live.reload().unwrap();
    assert!(metrics.last_succeeded());
    files.write("key.pem", "half");
    live.reload().unwrap_err();
    assert!(!metrics.last_succeeded());
    fs::remove_file(files.directory.path().join("key.pem")).unwrap();
    live.reload().unwrap_err();
    files.renew_certificate();
    live.reload().unwrap();
    assert!(metrics.last_succeeded());
}

#[tokio::test]
async fn users_may_move_to_the_configuration() {
    let files = Files::new();
    files.write("web.yml", &format!("basic_auth_users: {{a: {HASH}}}\n"));
    let live = files.open(ReloadMetrics::default()).unwrap();
    files.write("web.yml", "");
    live.reload().unwrap_err();
    live.authenticator().set_accounts(Some(Users::default()));
    files.write("web.yml", "basic_auth_users: {}\n");
    live.reload().unwrap();
    let got = live
        .authenticator()
        .authenticate(None, &HeaderMap::new())
        .await;
    assert_eq!(got, Err(AuthError::Unauthorized));
}

#[test]
fn a_broken_file_is_refused_at_the_start() {
    let files = Files::new();
    let f = |text: &str, want: &str| {
        files.write("web.yml", text);
        let error = files.open(ReloadMetrics::default()).unwrap_err();
        assert!(error.ends_with(want), "{error}");
    };
    f(
        "ab: c",
        "web.yml:1:1: unknown field \"ab\", expected one of basic_auth_users, http_server_config, rate_limit, \
         tls_server_config",
    );
    f(
        "tls_server_config: {cert_file: none.pem, key_file: key.pem}",
        "web.yml: TLS",
    );
    files.write("key.pem", "no key");
    f(TLS, "web.yml: TLS");
}

#[test]
fn nothing_secret_is_shown() {
    let files = Files::new();
    let key = fs::read_to_string(files.directory.path().join("key.pem")).unwrap();
    let inline = key
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect::<String>();
    let tls = format!("tls_server_config:\n  cert_file: cert.pem\n  key: |\n{inline}");
    let users = format!("basic_auth_users: {{a: {HASH}}}\n");
    files.write("web.yml", &(tls + &users));
    let live = files.open(ReloadMetrics::default()).unwrap();
    let shown = format!("{live:?}");
    assert!(!shown.contains(&HASH[10..]), "{shown}");
    let line = key.lines().nth(1).unwrap();
    assert!(!shown.contains(line), "{shown}");
}
