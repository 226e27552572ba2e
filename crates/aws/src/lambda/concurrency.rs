//! How many invocations of a function may run at once: reserved concurrency.

use super::Lambda;
use super::failure::{Answer, Failure, Kind};
use super::fields::Fields;
use super::limits::CONCURRENCY_MAX;
use super::reference::Reference;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Synchronous invocations under way, by function. Only functions with reserved concurrency are counted.
#[derive(Clone, Debug, Default)]
pub struct Running(Arc<Mutex<HashMap<String, u32>>>);

/// One invocation under way; dropping it makes room for another.
#[derive(Debug)]
pub struct Place {
    running: Running,
    function: String,
}

impl Running {
    /// Takes a place among at most so many invocations of a function.
    pub fn enter(&self, function: &str, most: u32) -> Answer<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(function.to_owned()).or_default();
        if *count >= most {
            return Err(Failure::new(Kind::TooManyRequests, "Rate Exceeded."));
        }
        *count += 1;
        Ok(Place { running: self.clone(), function: function.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.function) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.function);
            }
        }
    }
}

impl Lambda {
    /// `PutFunctionConcurrency`
    pub(super) async fn put_concurrency(&self, reference: &Reference, body: &[u8]) -> Answer<Value> {
        let mut fields = Fields::parse(body)?;
        let most = fields.need::<u32>("ReservedConcurrentExecutions")?;
        fields.finish()?;
        self.change(reference, |function| {
            function.reserved_concurrency = Some(most);
            Ok(json!({ "ReservedConcurrentExecutions": most }))
        })
        .await
    }

    /// `GetFunctionConcurrency`
    pub(super) async fn get_concurrency(&self, reference: &Reference) -> Answer<Value> {
        Ok(match self.find(reference).await?.reserved_concurrency {
            Some(most) => json!({ "ReservedConcurrentExecutions": most }),
            None => json!({}),
        })
    }

    /// `DeleteFunctionConcurrency`
    pub(super) async fn delete_concurrency(&self, reference: &Reference) -> Answer<Value> {
        self.change(reference, |function| {
            function.reserved_concurrency = None;
            Ok(Value::Null)
        })
        .await
    }

    /// `GetAccountSettings`
    pub(super) async fn account_settings(&self) -> Answer<Value> {
        let functions = self.all().await?;
        let reserved: u32 = functions.iter().filter_map(|function| function.reserved_concurrency).sum();
        let bytes: u64 = functions.iter().map(|function| function.latest.code_bytes).sum();
        Ok(json!({
            "AccountLimit": {
                "CodeSizeUnzipped": super::limits::UNPACKED_BYTES_MAX,
                "CodeSizeZipped": super::limits::ZIP_BYTES_MAX,
                "ConcurrentExecutions": CONCURRENCY_MAX,
                "TotalCodeSize": u64::MAX >> 11,
                "UnreservedConcurrentExecutions": CONCURRENCY_MAX.saturating_sub(reserved),
            },
            "AccountUsage": {"FunctionCount": functions.len(), "TotalCodeSize": bytes},
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_invocation_has_ended() {
        let running = Running::default();
        let first = running.enter("f", 1).unwrap();
        assert_eq!(running.enter("f", 1).unwrap_err().kind, Kind::TooManyRequests);
        let _other = running.enter("g", 1).unwrap();
        drop(first);
        assert!(running.enter("f", 1).is_ok());
        assert!(running.enter("f", 0).is_err());
    }
}
