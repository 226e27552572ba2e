//! What this host has, found out by doing it in a child or a thread that ends at once.

mod kernel;

pub(crate) use kernel::{features, namespaces};
