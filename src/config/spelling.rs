//! Did you mean?

/// The candidate that a misspelt word most likely means, if one is near enough.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // A long word is no misspelling of anything here, and the distance takes time proportional to its length.
    if word.len() > 64 {
        return None;
    }
    let folded = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(folded.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        let fields = ["ttl", "max_ttl", "store_status", "tags", "vary_on", "coalesce_wait"];
        for (word, meant) in [
            ("tll", Some("ttl")),
            ("TTL", Some("ttl")),
            ("storestatus", Some("store_status")),
            ("coalesce-wait", Some("coalesce_wait")),
            ("tag", Some("tags")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, fields), meant, "{word}");
        }
    }
}
