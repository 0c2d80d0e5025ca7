//! How connections are encrypted.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fred::prelude::TlsConnector;
use fred::rustls::client::WebPkiServerVerifier;
use fred::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use fred::rustls::crypto::{CryptoProvider, ring};
use fred::rustls::pki_types::pem::PemObject;
use fred::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use fred::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::config::RedisConfigError;

/// Whom to trust and who to be. The default trusts the authorities of the system and shows no certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// A PEM file with the authorities that servers' certificates may be signed by, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the certificate that this process shows, and its chain.
    pub cert_file: Option<PathBuf>,
    /// A PEM file with the key of that certificate.
    pub key_file: Option<PathBuf>,
    /// The name that servers' certificates must carry, where it is not their host's.
    pub server_name: Option<String>,
}

impl RedisTls {
    /// What connections are encrypted with.
    pub(super) fn connector(&self) -> Result<TlsConnector, RedisConfigError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let roots = self.roots()?;
        let builder = match &self.server_name {
            None => builder.with_root_certificates(roots),
            Some(name) => {
                let name = ServerName::try_from(name.clone())
                    .map_err(|_| RedisConfigError::Tls(format!("`{name}` cannot be a server_name").into()))?;
                let verifier = Arc::new(Named::new(name, roots, provider)?);
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        };
        let config = match (&self.cert_file, &self.key_file) {
            (Some(cert), Some(key)) => {
                let key = PrivateKeyDer::from_pem_file(key).map_err(|why| unreadable(key, "key", why))?;
                builder.with_client_auth_cert(certificates(cert)?, key).map_err(unusable)?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err(RedisConfigError::Tls("cert_file and key_file go together".into())),
        };
        Ok(TlsConnector::from(config))
    }

    fn roots(&self) -> Result<RootCertStore, RedisConfigError> {
        let mut roots = RootCertStore::empty();
        match &self.ca_file {
            Some(file) => {
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|why| unreadable(file, "certificate", why))?;
                }
            }
            // One of the system's that cannot be read is left out: it must not cost all the others.
            None => drop(roots.add_parsable_certificates(fred::rustls_native_certs::load_native_certs().certs)),
        }
        Ok(roots)
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, RedisConfigError> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|why| unreadable(file, "certificate", why))?;
    if found.is_empty() { Err(unreadable(file, "certificate", "there is none in it")) } else { Ok(found) }
}

fn unreadable(file: &Path, what: &str, why: impl Display) -> RedisConfigError {
    RedisConfigError::Tls(format!("no {what} can be read from {}: {why}", file.display()).into())
}

fn unusable(why: impl Display) -> RedisConfigError {
    RedisConfigError::Tls(why.to_string().into())
}

/// Demands one name of every certificate, whatever the host is called: everything else is as usual.
#[derive(Debug)]
struct Named {
    name: ServerName<'static>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Named {
    fn new(
        name: ServerName<'static>,
        roots: RootCertStore,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, RedisConfigError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Self { name, verifier: verifier.map_err(unusable)? })
    }
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier.verify_server_cert(certificate, chain, &self.name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
