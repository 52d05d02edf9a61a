//! Requests as plain as they are written: nothing added, no redirect followed, nothing decompressed.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, Method};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use super::PATIENCE;

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Headers by their lower-case names.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body, as it was sent.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A header's value, empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A server and who asks it.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    client: Client,
    base: String,
    user: Option<(String, String)>,
}

impl Site {
    /// The server at `base`, `http://127.0.0.1:9090` for example.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        Self {
            client: client(rustls::RootCertStore::empty(), None),
            base: base.into(),
            user: None,
        }
    }

    /// The server at `base`, whose certificate is `certificate`.
    pub(crate) fn trusting(
        base: impl Into<String>,
        certificate: rustls::pki_types::CertificateDer<'static>,
    ) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        Self {
            client: client(roots, None),
            ..Self::new(base)
        }
    }

    /// Asks from this address of the machine.
    pub(crate) fn from(mut self, address: std::net::Ipv4Addr) -> Self {
        self.client = client(rustls::RootCertStore::empty(), Some(address));
        self
    }

    /// Asks as this user.
    pub(crate) fn with_user(mut self, user: &str, password: &str) -> Self {
        self.user = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// The URL of `path`, which may have a query.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// GETs `path` with `query`.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, query, &[]).await
    }

    /// Sends a request with `headers`.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        self.try_ask(method, path, query, headers)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", self.url(path)))
    }

    /// Like [`Site::ask`] where the server may be away.
    pub(crate) async fn try_ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let mut url: reqwest::Url = self.url(path).parse().unwrap();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method, url);
        if let Some((user, password)) = &self.user {
            request = request.basic_auth(user, Some(password));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await?;
        let headers = answer.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: headers.collect(),
            body: answer.bytes().await?.into(),
        })
    }

    /// The `data` of the JSON that `path` answers with.
    pub(crate) async fn data(&self, path: &str, query: &[(&str, &str)]) -> serde_json::Value {
        let answer = self.get(path, query).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["data"].take()
    }
}

fn client(trusted: rustls::RootCertStore, from: Option<std::net::Ipv4Addr>) -> Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .local_address(from.map(Into::into))
        .no_proxy()
        .no_gzip()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

/// A connection to `address` that takes little at a time, with a request for `target` sent.
pub(crate) async fn slow_reader(address: &str, target: &str) -> TcpStream {
    send_slow_reader(address, target, "").await
}

/// The same as this user.
pub(crate) async fn slow_reader_as(
    address: &str,
    target: &str,
    user: &str,
    password: &str,
) -> TcpStream {
    let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let header = format!("Authorization: Basic {credentials}\r\n");
    send_slow_reader(address, target, &header).await
}

async fn send_slow_reader(address: &str, target: &str, header: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}
