//! What the edge would say to a request that somebody asks about.

use std::sync::Arc;

use http::Request;

use super::start::{StartError, edge_rules};
use crate::admin::explain::{Gate, TurnedAway};
use crate::cache::ForwardedProto;
use crate::config::Config;
use crate::proxy::{self, EdgeRules};

/// The edge of a server, asked instead of passed.
#[derive(Clone, Debug)]
pub struct EdgeGate {
    rules: Arc<EdgeRules>,
    host: String,
}

impl EdgeGate {
    /// The edge that this configuration makes.
    ///
    /// # Errors
    /// [`StartError::Host`] for a name in `hosts` that cannot be a `Host`.
    pub fn of(config: &Config) -> Result<Self, StartError> {
        // The first host is a served one; where all are, any name does.
        let host = config.hosts.first().cloned().unwrap_or_else(|| "localhost".to_owned());
        Ok(Self { rules: Arc::new(edge_rules(config)?), host })
    }
}

impl Gate for EdgeGate {
    fn pass(&self, request: &mut Request<()>) -> Result<(), TurnedAway> {
        proxy::pass(request, &self.rules).map_err(|error| TurnedAway {
            status: error.status(),
            token: error.token(),
            sentence: error.sentence(),
        })
    }

    fn forwarded_proto(&self) -> ForwardedProto {
        ForwardedProto::Replaced
    }

    fn host(&self) -> &str {
        &self.host
    }
}
