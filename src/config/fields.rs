//! Every field there is.

use super::reader::Field;
use super::{rule_fields, sections};

/// Every field of the file with the section it stands in, for what lists or checks them.
pub fn fields() -> Vec<(&'static str, &'static str)> {
    let mut all = Vec::new();
    add(&mut all, sections::TOP, "the top level");
    add(&mut all, sections::REDIS, "`redis:`");
    add(&mut all, sections::COMPRESS, "`compress:`");
    add(&mut all, sections::TLS, "`redis.tls:`");
    add(&mut all, sections::MEMORY, "`memory:`");
    add(&mut all, sections::ADMIN, "`admin:`");
    add(&mut all, rule_fields::SHARED, "a route or `defaults:`");
    add(&mut all, rule_fields::OWN, "a route");
    add(&mut all, rule_fields::BYPASS, "`bypass:`");
    add(&mut all, rule_fields::VARY, "`vary:`");
    add(&mut all, rule_fields::VARY_ON, "`vary_on:`");
    add(&mut all, rule_fields::QUERY, "`query:`");
    add(&mut all, rule_fields::STORE_IF, "`store_if:`");
    add(&mut all, rule_fields::TARGET, "a target of `invalidate:`");
    all
}

fn add<T>(all: &mut Vec<(&'static str, &'static str)>, table: &[Field<T>], section: &'static str) {
    all.extend(table.iter().map(|field| (field.name, section)));
}
