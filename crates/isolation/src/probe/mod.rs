//! What this host has, found out by doing it in a child or a thread that ends at once.

mod isolation;
mod kernel;
mod machine;
mod python;
mod report;

pub(crate) use kernel::{features, namespaces};
pub use python::Python;
pub use report::{HostReport, Probe, Status};

use crate::host::Host;
use std::path::Path;

/// Probes everything; `data_dir` is where the server keeps its log.
pub(crate) fn report(host: &Host, data_dir: &Path) -> HostReport {
    let mut items = vec![machine::kernel()];
    items.extend(isolation::items(host));
    items.extend([
        machine::memfd_seals(),
        machine::eventfd(),
        machine::pidfd(),
        machine::huge_pages(),
        machine::open_files(),
        machine::processes(),
        python::item(),
        machine::memory(),
        machine::disk(data_dir),
        machine::fdatasync(data_dir),
    ]);
    HostReport { items }
}
