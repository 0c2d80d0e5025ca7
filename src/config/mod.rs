//! `routes.yaml`: from text to a typed, checked configuration.
//!
//! Everything that is wrong with a file is reported at once, each with its place and what to do about it. What was
//! accepted needs no further checks: a [`Config`] is plain data.
//!
//! ```
//! use larder::config::{Config, Env, Source};
//!
//! let source = Source::new("routes.yaml", "routes:\n  - path: /api/posts/\n    ttl: 90s\n");
//! let config = Config::parse(&source, &Env::empty())?;
//! assert!(config.table.find("/api/posts/").is_some());
//!
//! let source = Source::new("routes.yaml", "routes:\n  - path: /api/posts/\n    tll: 90s\n");
//! let found = Config::parse(&source, &Env::empty()).unwrap_err();
//! assert!(found.to_string().contains("did you mean `ttl`?"));
//! # Ok::<(), larder::config::Diagnostics>(())
//! ```
//!
//! The text becomes a tree that knows its places (`yaml`), the tree becomes fields by way of tables that name each field
//! once (`sections`, `rule_fields`), and the fields become the configuration (`build`, `rule`).

mod address;
mod build;
mod diagnostic;
mod env;
mod fields;
mod ip_net;
mod overrides;
mod reach;
mod reader;
mod redis_url;
mod rule;
mod rule_fields;
mod rule_values;
mod scalar;
mod secret;
mod sections;
mod settings;
mod source;
mod spelling;
mod syntax;
mod yaml;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use diagnostic::{Diagnostic, Diagnostics, Severity, Spot, render_all};
pub use env::Env;
pub use fields::fields;
pub use ip_net::{IpNet, NotANetwork};
pub use overrides::VARIABLES;
pub use redis_url::{RedisUrl, Server, Servers};
pub use secret::Secret;
pub use settings::{Admin, Config, HostHeader, Memory, OnError, Redis, RedisTls};
pub use source::{MAX_FILE, Source};

use diagnostic::Report;
use overrides::Overrides;
use reader::Reader;
use sections::FileDraft;

impl Config {
    /// Reads a configuration. The environment outranks the file.
    ///
    /// # Errors
    /// Everything that is wrong, warnings among it.
    pub fn parse(source: &Source, env: &Env) -> Result<Self, Diagnostics> {
        let mut report = Report::new(source);
        let overrides = Overrides::read(env, &mut report);
        let mut config = None;
        if let Some(root) = yaml::parse(&mut report, env) {
            let mut file = FileDraft::default();
            let mut reader = Reader::new(report, fields::fields());
            reader.fields(&root, &[sections::TOP], &mut file);
            report = reader.report;
            config = build::build(file, &overrides, &mut report);
        }
        report.finish(config).map(|(config, warnings)| Self { warnings, ..config })
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`Config::parse`].
    pub fn load(path: &Path, env: &Env) -> Result<Self, Diagnostics> {
        Self::parse(&Source::read(path)?, env)
    }
}
