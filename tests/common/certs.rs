//! Certificates, and directories that hold them as Kubernetes mounts a secret.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

/// A CA.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Issued {
    pub cert: String,
    pub key: String,
    /// The certificate as a connection shows it.
    pub der: Vec<u8>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// For servers and clients, with these names.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(&KeyPair::generate().unwrap(), names)
    }

    pub fn issue_with(&self, key: &KeyPair, names: &[&str]) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let cert = params.signed_by(key, &self.issuer).unwrap();
        Issued {
            cert: cert.pem(),
            key: key.serialize_pem(),
            der: cert.der().to_vec(),
        }
    }
}

/// `tls.crt`, `tls.key` and `ca.crt` are links through `..data`, a link that is swapped.
pub struct Secret {
    home: TempDir,
    versions: usize,
}

impl Secret {
    pub fn new(issued: &Issued, ca: &Authority) -> Self {
        let home = tempfile::tempdir().unwrap();
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            symlink(Path::new("..data").join(name), home.path().join(name)).unwrap();
        }
        let mut secret = Self { home, versions: 0 };
        secret.swap(&issued.cert, &issued.key, &ca.pem());
        secret
    }

    /// All three change at once, as a new version of the secret does it.
    pub fn swap(&mut self, cert: &str, key: &str, ca: &str) {
        self.versions += 1;
        let version = format!("..version-{}", self.versions);
        let dir = self.home.path().join(&version);
        fs::create_dir(&dir).unwrap();
        for (name, text) in [("tls.crt", cert), ("tls.key", key), ("ca.crt", ca)] {
            fs::write(dir.join(name), text).unwrap();
        }
        let link = self.home.path().join("..data_tmp");
        symlink(version, &link).unwrap();
        fs::rename(link, self.home.path().join("..data")).unwrap();
    }

    pub fn cert(&self) -> PathBuf {
        self.home.path().join("tls.crt")
    }

    pub fn key(&self) -> PathBuf {
        self.home.path().join("tls.key")
    }

    pub fn ca(&self) -> PathBuf {
        self.home.path().join("ca.crt")
    }
}
