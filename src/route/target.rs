//! Paths that no cache should take: what one hop reads otherwise than the next.

use super::query::hex_pair;

/// Why a path is refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A control character, raw or encoded.
    #[error("the path contains a control character")]
    Control,
    /// A backslash, which some servers read as a slash.
    #[error("the path contains a backslash")]
    Backslash,
    /// A `.` or `..` segment, raw or encoded, which some servers resolve.
    #[error("the path contains a dot segment")]
    DotSegment,
}

/// Checks the path of a request under a cached route.
///
/// # Errors
/// [`TargetError`] with what is wrong.
pub(crate) fn check(path: &str) -> Result<(), TargetError> {
    // Nearly every path is plain: one pass over the bytes finds out.
    if !path.bytes().any(|b| matches!(b, b'%' | b'\\' | b'.' | 0..=0x1f | 0x7f)) {
        return Ok(());
    }
    let bytes = path.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let means = if byte == b'%' { bytes.get(at + 1..at + 3).and_then(hex_pair).unwrap_or(byte) } else { byte };
        match means {
            0..=0x1f | 0x7f => return Err(TargetError::Control),
            b'\\' => return Err(TargetError::Backslash),
            _ => {}
        }
    }
    if path.split('/').any(is_dot_segment) { Err(TargetError::DotSegment) } else { Ok(()) }
}

/// `.` and `..`, with any dot encoded, with an encoded slash beside them, or cut off at a `;`.
fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/");
    plain.split('/').any(|part| matches!(part.split(';').next(), Some("." | "..")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_everybody_reads_alike_pass() {
        for good in ["/", "/api/posts/", "/a.b/c..d/...", "/a%20b", "/a%2Fb", "/%", "/%zz", "/.well-known/x", "/a;b"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("/a\\b", TargetError::Backslash),
            ("/a%5Cb", TargetError::Backslash),
            ("/a%00", TargetError::Control),
            ("/a%0d%0ab", TargetError::Control),
            ("/a%7f", TargetError::Control),
            ("/./a", TargetError::DotSegment),
            ("/a/..", TargetError::DotSegment),
            ("/a/%2e%2E/b", TargetError::DotSegment),
            ("/a/.%2e/b", TargetError::DotSegment),
            ("/a/..%2fb", TargetError::DotSegment),
            ("/a/..;/b", TargetError::DotSegment),
        ] {
            assert_eq!(check(bad), Err(why), "{bad}");
        }
    }
}
