//! The files for TLS: all that belong together, or none.

use super::value::Text;
use super::{Config, ConfigError, Origin, Setting};
use crate::tls::{NamedFile, PeerFiles, ServerFiles};

const CERT: &str = "tls-cert";
const KEY: &str = "tls-key";
const CLIENT_CA: &str = "tls-client-ca";
const PEER_CERT: &str = "peer-tls-cert";
const PEER_KEY: &str = "peer-tls-key";
const PEER_CA: &str = "peer-tls-ca";

impl Config {
    /// What clients are served with.
    pub(super) fn client_side_tls(&self) -> Result<Option<ServerFiles>, ConfigError> {
        let [cert, key, client_ca] = [CERT, KEY, CLIENT_CA].map(|name| self.named_file(name));
        if let (Some(cert), Some(key)) = (cert, key) {
            return Ok(Some(ServerFiles {
                cert,
                key,
                client_ca,
            }));
        }
        self.none_of(
            &[CERT, KEY, CLIENT_CA],
            &[CERT, KEY],
            "TLS for clients needs both --tls-cert and --tls-key",
        )?;
        Ok(None)
    }

    /// What peers are served, and called, with.
    pub(super) fn peer_side_tls(&self) -> Result<Option<PeerFiles>, ConfigError> {
        const ALL: [&str; 3] = [PEER_CERT, PEER_KEY, PEER_CA];
        let [Some(cert), Some(key), Some(ca)] = ALL.map(|name| self.named_file(name)) else {
            self.none_of(&ALL, &ALL, "TLS between peers needs all three, or none")?;
            return Ok(None);
        };
        if self.cluster.is_none() {
            let reason = "a single node has no peers: it needs --members too";
            return Err(self.refuse(PEER_CERT, reason.to_owned()));
        }
        Ok(Some(PeerFiles { cert, key, ca }))
    }

    /// Refuses any of the options, for those that are `needed` with it and are not set.
    fn none_of(
        &self,
        options: &[&str],
        needed: &[&str],
        rule: &'static str,
    ) -> Result<(), ConfigError> {
        let set = |name: &&str| self.set(name).is_some();
        let given = options.iter().filter_map(|name| self.set(name));
        let given: Vec<String> = given
            .map(|setting| format!("{} {}", setting.origin, Text::new(&setting.value)))
            .collect();
        if given.is_empty() {
            return Ok(());
        }
        let missing = needed.iter().filter(|name| !set(name));
        let missing: Vec<String> = missing.map(|name| format!("--{name}")).collect();
        Err(ConfigError::HalfTls {
            given: given.join(" and "),
            missing: missing.join(" and "),
            rule,
        })
    }

    fn named_file(&self, name: &str) -> Option<NamedFile> {
        let setting = self.set(name)?;
        Some(NamedFile {
            origin: setting.origin.to_string(),
            path: setting.value.clone().into(),
        })
    }

    /// An option that somebody has set.
    fn set(&self, name: &str) -> Option<&Setting> {
        let setting = self.settings.iter().find(|setting| setting.name == name);
        setting.filter(|setting| setting.origin != Origin::Default)
    }
}
