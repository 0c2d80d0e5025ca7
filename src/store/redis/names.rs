//! What things are called in Redis.

use crate::invalidation::{Category, Glob, Tag};
use crate::key::Key;
use crate::store::Labels;

/// The names under one prefix.
#[derive(Clone, Debug)]
pub(in crate::store) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: format!("{prefix}:") }
    }

    /// Where the record of a key lies.
    pub(super) fn record(&self, key: &Key) -> String {
        self.member(&key.physical())
    }

    /// Where the record of an index member lies.
    pub(super) fn member(&self, member: &str) -> String {
        [self.prefix.as_str(), member].concat()
    }

    /// The member that a record's name stands for; `None` for what is not a record.
    pub(in crate::store) fn member_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&self.prefix).filter(|member| !member.starts_with('~'))
    }

    /// Whether a key is larder's.
    pub(super) fn owns(&self, name: &str) -> bool {
        name.starts_with(&self.prefix)
    }

    /// The index of the keys that a path or a query stands for.
    pub(super) fn group(&self, name: &str) -> String {
        format!("{}~p:{name}", self.prefix)
    }

    /// The index of the keys that carry a tag.
    pub(super) fn tag(&self, tag: &Tag) -> String {
        format!("{}~t:{tag}", self.prefix)
    }

    /// The index of the keys of a category.
    pub(super) fn category(&self, category: &Category) -> String {
        format!("{}~c:{category}", self.prefix)
    }

    /// The note of when a tag was last cleared.
    pub(super) fn mark(&self, tag: &Tag) -> String {
        format!("{}~m:{tag}", self.prefix)
    }

    /// What changes whenever something is cleared. It never exists for long.
    pub(super) fn news(&self) -> String {
        format!("{}~news", self.prefix)
    }

    /// Every index that a key with these labels belongs to.
    pub(super) fn indexes(&self, key: &Key, labels: &Labels) -> Vec<String> {
        let whole = key.as_str();
        let (resource, query) = (key.resource(), key.without_fields());
        let mut indexes = Vec::new();
        if resource != whole {
            indexes.push(self.group(resource));
        }
        if query != whole && query != resource {
            indexes.push(self.group(query));
        }
        indexes.extend(labels.tags.iter().map(|tag| self.tag(tag)));
        indexes.extend(labels.category.iter().map(|category| self.category(category)));
        indexes
    }

    /// A pattern in Redis' grammar for every record whose key may begin with this text. A hashed name keeps the
    /// beginning of its key only, so no more than that is asked for.
    pub(super) fn beginning_with(&self, text: &str) -> String {
        /// Bytes that every hashed name keeps, whatever character its head ends in.
        const KEPT: usize = 116;
        let mut end = text.len().min(KEPT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut pattern = String::new();
        for c in self.prefix.chars().chain(text[..end].chars()) {
            if matches!(c, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('*');
        pattern
    }
}

/// The literal text that every match of a pattern begins with.
pub(super) fn literal_head(glob: &Glob) -> String {
    let mut head = String::new();
    let mut chars = glob.as_str().chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => break,
            '\\' => head.push(chars.next().unwrap_or('\\')),
            _ => head.push(c),
        }
    }
    head
}

/// Whether a record's name may be that of a hashed key, which it does not tell in full.
pub(super) fn may_be_hashed(member: &str) -> bool {
    member.rsplit_once('#').is_some_and(|(_, hash)| hash.len() == 64)
}

/// How a tag stands in a record's labels.
pub(super) fn tag_label(tag: &Tag) -> String {
    format!("\0t:{tag}\0")
}

/// How a category stands in a record's labels.
pub(super) fn category_label(category: &Category) -> String {
    format!("\0c:{category}\0")
}

/// The labels of a record, as they stand in it.
pub(super) fn labels(labels: &Labels) -> String {
    let tags = labels.tags.iter().map(tag_label);
    tags.chain(labels.category.iter().map(category_label)).collect()
}

/// The key in full when its name does not tell it, else nothing.
pub(super) fn full_key(key: &Key) -> &str {
    if key.as_str().len() > crate::key::MAX_PHYSICAL_LEN { key.as_str() } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_becomes_the_beginning_it_demands() {
        for (glob, head) in
            [("GET:/a/*", "GET:/a/"), (r"GET:/\*x*", "GET:/*x"), ("*", ""), (r"a\\b", r"a\b"), (r"a\", r"a\")]
        {
            assert_eq!(literal_head(&Glob::new(glob)), head, "{glob}");
        }
        let names = Names::new("la[r]der");
        assert_eq!(names.beginning_with("GET:/a?b-[*"), r"la\[r\]der:GET:/a\?b\-\[\**");
        assert_eq!(names.beginning_with(&"é".repeat(100)), format!(r"la\[r\]der:{}*", "é".repeat(58)));
    }

    #[test]
    fn indexes_follow_the_parts_of_a_key() {
        let names = Names::new("p");
        let of = |text: &str| names.indexes(&Key::parse(text).unwrap(), &Labels::default());
        assert!(of("GET:/a").is_empty());
        assert_eq!(of("GET:/a?b"), ["p:~p:GET:/a"]);
        assert_eq!(of("GET:/a?b#c"), ["p:~p:GET:/a", "p:~p:GET:/a?b"]);
        assert_eq!(of("GET:/a#c"), ["p:~p:GET:/a"]);
    }

    #[test]
    fn only_records_have_members() {
        let names = Names::new("p");
        assert_eq!(names.member_of("p:GET:/a"), Some("GET:/a"));
        assert_eq!(names.member_of("p:~t:x"), None);
        assert_eq!(names.member_of("q:GET:/a"), None);
    }
}
