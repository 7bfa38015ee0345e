//! TLS of the client commands.

use std::path::PathBuf;

use clap::Args;

use super::answer::Failure;
use crate::tls::{ClientFiles, ClientTls, Connector, NamedFile};

const CA_VARIABLE: &str = "CORNDOGS_TLS_CA";

/// Flags of every client command, for servers with TLS.
#[derive(Debug, Args)]
pub struct Tls {
    /// Connects with TLS to a server whose certificate one of these CAs (PEM) has signed; else the variable
    /// CORNDOGS_TLS_CA, else without TLS.
    #[arg(id = "tls-ca", long = "tls-ca", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate to show to a server that asks for one (PEM).
    #[arg(
        id = "tls-cert",
        long = "tls-cert",
        value_name = "FILE",
        requires = "tls-key"
    )]
    cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(
        id = "tls-key",
        long = "tls-key",
        value_name = "FILE",
        requires = "tls-cert"
    )]
    key: Option<PathBuf>,
    /// The name that the server's certificate must have, if it is not the address's.
    #[arg(id = "tls-server-name", long = "tls-server-name", value_name = "NAME")]
    server_name: Option<String>,
}

impl Tls {
    /// How to connect, if with TLS.
    pub fn connector(&self) -> Result<Option<Connector>, Failure> {
        let variable = std::env::var_os(CA_VARIABLE).filter(|value| !value.is_empty());
        let named = |origin: &str, path: &PathBuf| NamedFile {
            origin: origin.to_owned(),
            path: path.clone(),
        };
        let ca = match (&self.ca, variable) {
            (Some(path), _) => named("--tls-ca", path),
            (None, Some(path)) => {
                named(&format!("environment variable {CA_VARIABLE}"), &path.into())
            }
            (None, None) => return self.without().map(|()| None),
        };
        let identity = self.cert.as_ref().zip(self.key.as_ref());
        let identity =
            identity.map(|(cert, key)| (named("--tls-cert", cert), named("--tls-key", key)));
        let tls = ClientTls::load(&ClientFiles { ca, identity })
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let connector = Connector::new(tls);
        let Some(name) = &self.server_name else {
            return Ok(Some(connector));
        };
        let named = connector.with_server_name(name.clone());
        named
            .map(Some)
            .map_err(|error| Failure::Usage(format!("--tls-server-name: {error}")))
    }

    /// Whoever shows a certificate, or names a server's, wants TLS.
    fn without(&self) -> Result<(), Failure> {
        let cert = self
            .cert
            .as_ref()
            .map(|path| ("--tls-cert", path.display().to_string()));
        let name = self.server_name.as_ref();
        let stray = cert.or_else(|| Some(("--tls-server-name", name?.clone())));
        match stray {
            None => Ok(()),
            Some((flag, value)) => Err(Failure::Usage(format!(
                "{flag}: bad value {value:?}: TLS needs --tls-ca too, or the variable {CA_VARIABLE}"
            ))),
        }
    }
}
