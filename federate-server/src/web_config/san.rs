//! `client_allowed_sans`: whom a client's certificate must name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// Object identifier 2.5.29.17, subject alternative names.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
/// The extensions' place in a certificate.
const EXTENSIONS: u8 = 0xa3;

/// Verifies as another verifier does, and then that the certificate has one of some names.
#[derive(Debug)]
pub(super) struct AllowedNames {
    inner: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

impl AllowedNames {
    pub(super) fn new(inner: Arc<dyn ClientCertVerifier>, names: Vec<String>) -> Self {
        Self { inner, names }
    }
}

impl ClientCertVerifier for AllowedNames {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .inner
            .verify_client_cert(end_entity, intermediates, now)?;
        let names = subject_alt_names(end_entity).unwrap_or_default();
        if names.iter().any(|name| self.names.contains(name)) {
            return Ok(verified);
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// DNS names, e-mail addresses, URIs and IP addresses of a certificate (RFC 5280, 4.2.1.6); `None` where it is
/// malformed.
fn subject_alt_names(certificate: &[u8]) -> Option<Vec<String>> {
    let certificate = Der(certificate).next_of(SEQUENCE)?;
    let mut to_be_signed = Der(Der(certificate).next_of(SEQUENCE)?);
    let extensions = loop {
        match to_be_signed.next()? {
            (EXTENSIONS, content) => break Der(content).next_of(SEQUENCE)?,
            _ => continue,
        }
    };
    let mut extensions = Der(extensions);
    let names = loop {
        let mut extension = Der(extensions.next_of(SEQUENCE)?);
        if extension.next_of(OBJECT_IDENTIFIER)? == SUBJECT_ALT_NAME {
            // A flag for critical ones may come before the value.
            break loop {
                match extension.next()? {
                    (OCTET_STRING, content) => break Der(content).next_of(SEQUENCE)?,
                    _ => continue,
                }
            };
        }
    };
    let mut names = Der(names);
    let mut found = Vec::new();
    while let Some((tag, content)) = names.next() {
        match tag {
            // E-mail address, DNS name, URI: ASCII text.
            0x81 | 0x82 | 0x86 => found.extend(String::from_utf8(content.to_vec())),
            0x87 => found.extend(address(content).map(|address| address.to_string())),
            _ => {}
        }
    }
    Some(found)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(octets).ok()?;
    Some(Ipv6Addr::from(octets).into())
}

/// Values one after the other in DER.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Tag and content of the next value.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x81..=0x84 => {
                let (octets, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
                rest = after;
                octets
                    .iter()
                    .fold(0, |length, octet| length << 8 | usize::from(*octet))
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, content))
    }

    /// The content of the next value, which must have this tag.
    fn next_of(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(found, _)| *found == tag)
            .map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn finds_every_kind_of_name() {
        let text = |text: &str| Ia5String::try_from(text).unwrap();
        let der = certificate(vec![
            SanType::DnsName(text("a.example.com")),
            SanType::Rfc822Name(text("a@example.com")),
            SanType::URI(text("spiffe://example.com/a")),
            SanType::IpAddress([10, 0, 0, 1].into()),
            SanType::IpAddress(Ipv6Addr::LOCALHOST.into()),
        ]);
        let want = [
            "a.example.com",
            "a@example.com",
            "spiffe://example.com/a",
            "10.0.0.1",
            "::1",
        ];
        assert_eq!(subject_alt_names(&der).unwrap(), want);
        assert_eq!(subject_alt_names(&certificate(vec![])), None);
    }

    #[test]
    fn truncated_certificates_have_no_names() {
        let der = certificate(vec![SanType::IpAddress([10, 0, 0, 1].into())]);
        for length in 0..der.len() {
            assert_eq!(subject_alt_names(&der[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(der in proptest::collection::vec(any::<u8>(), 0..200)) {
            subject_alt_names(&der);
        }
    }
}
