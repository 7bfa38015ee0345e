//! Certificates and keys out of PEM.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::{NamedFile, TlsError};

/// No chain and no bundle of CAs is longer.
const LONGEST: u64 = 4 << 20;

/// The one there is.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

pub(super) fn read(file: &NamedFile) -> Result<Vec<u8>, TlsError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(&file.path)?
            .take(LONGEST + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LONGEST {
            return Err(io::Error::other(format!("longer than {LONGEST} bytes")));
        }
        Ok(bytes)
    };
    read().map_err(|source| TlsError::Read {
        file: file.clone(),
        source,
    })
}

/// A certificate with its chain and its key, which must be its own.
pub(super) fn identity(
    (cert, chain): (&NamedFile, &[u8]),
    (key, secret): (&NamedFile, &[u8]),
) -> Result<Arc<SingleCertAndKey>, TlsError> {
    let chain = certificates(cert, chain)?;
    let secret = PrivateKeyDer::from_pem_slice(secret).map_err(|error| {
        let reason = match error {
            pem::Error::NoItemsFound => {
                "must hold an unencrypted private key in PEM (PKCS#8, PKCS#1 or SEC1)".to_owned()
            }
            broken => format!("not PEM: {broken}"),
        };
        TlsError::invalid(key, reason)
    })?;
    let signer = provider()
        .key_provider
        .load_private_key(secret)
        .map_err(|error| TlsError::invalid(key, format!("can't use the key: {error}")))?;
    let identity = CertifiedKey::new(chain, signer);
    identity.keys_match().map_err(|_| TlsError::Mismatch {
        cert: cert.clone(),
        key: key.clone(),
    })?;
    Ok(Arc::new(SingleCertAndKey::from(identity)))
}

/// Those who are trusted to sign certificates.
pub(super) fn roots(file: &NamedFile, bundle: &[u8]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, bundle)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::invalid(file, format!("can't trust it: {error}")))?;
    }
    Ok(Arc::new(roots))
}

fn certificates(file: &NamedFile, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|error| TlsError::invalid(file, format!("not PEM: {error}")))?;
    if found.is_empty() {
        return Err(TlsError::invalid(file, "must hold a certificate in PEM"));
    }
    for certificate in &found {
        ParsedCertificate::try_from(certificate)
            .map_err(|error| TlsError::invalid(file, error.to_string()))?;
    }
    Ok(found)
}
