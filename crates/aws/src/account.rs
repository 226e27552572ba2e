//! Whose resources a node's are, as their ARNs say.

use std::fmt;
use std::sync::Arc;

/// A region and an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// For example `us-east-1`.
    pub region: Arc<str>,
    /// Twelve digits.
    pub id: Arc<str>,
}

impl Default for Account {
    fn default() -> Self {
        Self { region: "us-east-1".into(), id: "111111111111".into() }
    }
}

impl Account {
    /// The account of that region and id, if both are well formed.
    pub fn new(region: &str, id: &str) -> Option<Self> {
        let is_region = region.split('-').count() >= 3
            && region.split('-').all(|part| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            });
        let is_id = id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
        (is_region && is_id).then(|| Self { region: region.into(), id: id.into() })
    }

    /// The ARN of a resource of a service.
    pub fn arn(&self, service: &str, resource: impl fmt::Display) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn accounts_are_well_formed() {
        for (region, id) in [("eu-central-1", "123456789012"), ("us-gov-west-1", "000000000000")] {
            assert!(Account::new(region, id).is_some(), "{region} {id}");
        }
        for (region, id) in [
            ("", "123456789012"),
            ("eu", "123456789012"),
            ("eu-central-1", "12345678901"),
            ("EU-a-1", "123456789012"),
        ] {
            assert!(Account::new(region, id).is_none(), "{region} {id}");
        }
    }
}
