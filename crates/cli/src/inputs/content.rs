//! Which content type a file has: by its extension, else by what is in it.

use serde::de::IgnoredAny;
use sluice_api::value::{BYTES, JSON, TEXT};
use std::path::Path;

/// A media type.
pub fn content_type(path: &Path, bytes: &[u8]) -> &'static str {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    match extension.as_str() {
        "json" => JSON,
        "txt" | "md" | "csv" | "log" | "text" => TEXT,
        _ => by_content(bytes),
    }
}

/// A JSON object or array is JSON: a bare number or word is more likely text.
fn by_content(bytes: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(bytes) else { return BYTES };
    if text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return JSON;
    }
    TEXT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides_first() {
        for (name, bytes, expected) in [
            ("a.json", &b"not json"[..], JSON),
            ("a.TXT", b"{}", TEXT),
            ("a.md", b"\xff", TEXT),
            ("a.csv", b"1,2", TEXT),
            ("a.bin", b"{\"a\": [1]}", JSON),
            ("a", b" [1, 2]\n", JSON),
            ("a", b"[1, 2", TEXT),
            ("a", b"17", TEXT),
            ("a", b"", TEXT),
            ("a.png", b"\x89PNG", BYTES),
        ] {
            assert_eq!(content_type(Path::new(name), bytes), expected, "{name} {bytes:?}");
        }
    }
}
