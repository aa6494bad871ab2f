//! Whose certificates are believed: those of the machine's own authorities. They are read when the first is to be judged, or
//! when there is time after the start, and once for all clients: reading them takes longer than all else that a start does.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::sync::{Arc, LazyLock};

type Read = Result<Verifier, Error>;

static ROOTS: LazyLock<Read> = LazyLock::new(|| Verifier::new(provider()));

/// Reads them now, if nobody has; without any no `https` address can be reached.
pub fn read_roots() -> Result<(), String> {
    ROOTS.as_ref().map(drop).map_err(ToString::to_string)
}

/// What a client of ours speaks TLS with.
pub(super) fn tls() -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let believing = builder.dangerous().with_custom_certificate_verifier(Arc::new(Machines));
    let mut tls = believing.with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()))
}

/// Judges as the platform's verifier does, which it makes when it is asked first.
#[derive(Debug)]
struct Machines;

impl ServerCertVerifier for Machines {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let roots = ROOTS.as_ref().map_err(Clone::clone)?;
        roots.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
