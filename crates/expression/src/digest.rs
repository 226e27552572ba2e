//! Digests, as both query languages offer them.

use sha2::Digest;

/// The digest of bytes in hexadecimal. Algorithms: `MD5`, `SHA-1`, `SHA-256`, `SHA-384`, `SHA-512`; `None` for others.
pub fn hex(algorithm: &str, bytes: &[u8]) -> Option<String> {
    let digest = match algorithm {
        "MD5" => md5::Md5::digest(bytes).to_vec(),
        "SHA-1" => sha1::Sha1::digest(bytes).to_vec(),
        "SHA-256" => sha2::Sha256::digest(bytes).to_vec(),
        "SHA-384" => sha2::Sha384::digest(bytes).to_vec(),
        "SHA-512" => sha2::Sha512::digest(bytes).to_vec(),
        _ => return None,
    };
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        for (algorithm, expected) in [
            ("MD5", "900150983cd24fb0d6963f7d28e17f72"),
            ("SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("SHA-256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ] {
            assert_eq!(hex(algorithm, b"abc").as_deref(), Some(expected));
        }
        assert_eq!(hex("SHA-384", b"").map(|hex| hex.len()), Some(96));
        assert_eq!(hex("SHA-512", b"").map(|hex| hex.len()), Some(128));
        assert_eq!(hex("sha256", b""), None);
    }
}
