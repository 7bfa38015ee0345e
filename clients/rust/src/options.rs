//! How a client finds its nodes, and how long it tries.

use std::time::Duration;

use tonic::transport::Endpoint;

use crate::{Client, Error};

/// The server keeps idempotency keys for ten minutes by default; a try must come before that.
const LONGEST_RETRY: Duration = Duration::from_secs(8 * 60);
/// A connection that says nothing is asked that often.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// And is given up that long after.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The most nodes that one client knows.
const MAX_ADDRESSES: usize = 100;

/// What a [`Client`] is made of, where the defaults are not enough.
#[derive(Debug, Clone)]
pub struct Options {
    addresses: Vec<String>,
    pub(crate) retry_for: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) first_backoff: Duration,
    pub(crate) longest_backoff: Duration,
    pub(crate) max_message: usize,
    #[cfg(feature = "tls")]
    tls: Option<tonic::transport::ClientTlsConfig>,
}

impl Options {
    /// Options for the nodes at these addresses: `HOST:PORT` or a URI.
    pub fn new<A: Into<String>>(addresses: impl IntoIterator<Item = A>) -> Self {
        Self {
            addresses: addresses.into_iter().map(Into::into).collect(),
            retry_for: Duration::from_secs(30),
            call_timeout: Duration::from_secs(5),
            first_backoff: Duration::from_millis(20),
            longest_backoff: Duration::from_secs(1),
            max_message: 16 << 20,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// How long a call is tried in all before it fails as [`Error::Unavailable`]: 30 s by default, 8 min at most. A
    /// claim's wait comes on top.
    #[must_use]
    pub fn retry_for(mut self, total: Duration) -> Self {
        self.retry_for = total;
        self
    }

    /// How long one try may take before the next node is asked: 5 s by default. A claim's wait comes on top.
    #[must_use]
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// How long to pause before another try: a random part of `first` (20 ms by default), which doubles from try to
    /// try up to `longest` (1 s).
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.first_backoff = first;
        self.longest_backoff = longest;
        self
    }

    /// The largest answer that is taken, in bytes: 16 MiB by default, as the server's.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// How TLS is spoken with addresses that begin with `https://`: whose certificates are trusted, and what this
    /// client shows of itself.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, config: tonic::transport::ClientTlsConfig) -> Self {
        self.tls = Some(config);
        self
    }

    /// A client that connects when it is first needed. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Options`] if there is no address, one is none, or a duration is out of range.
    pub fn build(self) -> Result<Client, Error> {
        let wrong = |what: &str| Err(Error::Options(what.to_owned()));
        if !(1..=MAX_ADDRESSES).contains(&self.addresses.len()) {
            return wrong("addresses: 1 to 100 are needed");
        }
        if self.retry_for > LONGEST_RETRY {
            return wrong("retry_for: must be at most 8 min, while idempotency keys are kept");
        }
        if self.call_timeout.is_zero() || self.call_timeout > LONGEST_RETRY {
            return wrong("call_timeout: must be over 0 and at most 8 min");
        }
        let endpoints = self.addresses.iter().map(|address| self.endpoint(address));
        let endpoints = endpoints.collect::<Result<Vec<Endpoint>, Error>>()?;
        let channels = endpoints.iter().map(Endpoint::connect_lazy).collect();
        Ok(Client::of(channels, self))
    }

    /// How the `number`th node is called in messages.
    pub(crate) fn address(&self, number: usize) -> &str {
        self.addresses.get(number).map_or("", String::as_str)
    }

    fn endpoint(&self, address: &str) -> Result<Endpoint, Error> {
        let unusable = |why: &dyn std::fmt::Display| {
            Error::Options(format!("address {address:?} can't be used: {why}"))
        };
        let uri = match address.contains("://") {
            true => address.to_owned(),
            false => format!("http://{address}"),
        };
        if uri.starts_with("https://") && cfg!(not(feature = "tls")) {
            return Err(unusable(&"the crate's feature `tls` is not enabled"));
        }
        let endpoint = Endpoint::from_shared(uri).map_err(|error| unusable(&error))?;
        if endpoint.uri().port_u16().is_none() {
            return Err(unusable(&"it has no port"));
        }
        let endpoint = endpoint
            .connect_timeout(self.call_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        #[cfg(feature = "tls")]
        if endpoint.uri().scheme_str() == Some("https") {
            let Some(tls) = &self.tls else {
                return Err(unusable(&"it needs `Options::tls`"));
            };
            let endpoint = endpoint.tls_config(tls.clone());
            return endpoint.map_err(|error| unusable(&error));
        }
        Ok(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cant_be_used_is_named() {
        let fault = |options: Options| options.build().err().map(|error| error.to_string());
        assert_eq!(fault(Options::new(["a:1", "http://[::1]:5080"])), None);
        for (address, why) in [("a", "no port"), ("a b:1", "a b:1"), ("", "\"\"")] {
            let fault = fault(Options::new([address])).unwrap();
            assert!(fault.contains(why), "{address:?}: {fault}");
        }
        assert!(
            fault(Options::new::<String>([]))
                .unwrap()
                .contains("addresses")
        );
        let long = Options::new(["a:1"]).retry_for(Duration::from_secs(481));
        assert!(fault(long).unwrap().contains("retry_for"));
        let short = Options::new(["a:1"]).call_timeout(Duration::ZERO);
        assert!(fault(short).unwrap().contains("call_timeout"));
    }

    #[tokio::test]
    async fn tls_is_not_dropped_silently() {
        let error = Options::new(["https://a:1"]).build().err().unwrap();
        assert!(error.to_string().contains("tls"), "{error}");
    }
}
