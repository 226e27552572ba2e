//! What is known of one stored object.

use crate::extent::ExtentId;
use sluice_types::AppKey;

/// How safe an object's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OnDisk {
    No,
    /// Written, not synced: good for this process only.
    Written,
    Synced,
}

/// Invariant: the bytes are in `place`, in the object's file, or in both.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Whose it is; `None` for one left by an earlier process, until an app asks for it.
    pub app: Option<AppKey>,
    pub len: u64,
    /// Extent and offset; `None` while they are on disk only and not mapped.
    pub place: Option<(ExtentId, u64)>,
    pub on_disk: OnDisk,
    pub digest: Option<u128>,
    /// Readers in sandboxes; the bytes stay where they are meanwhile.
    pub pins: u32,
    /// Released while pinned: goes with the last pin.
    pub released: bool,
}

impl Stored {
    pub fn at(app: AppKey, len: u64, extent: ExtentId, offset: u64) -> Self {
        let place = Some((extent, offset));
        let app = Some(app);
        Self { app, len, place, on_disk: OnDisk::No, digest: None, pins: 0, released: false }
    }

    /// One whose file is all there is, as it was left by an earlier process.
    pub fn on_disk(len: u64) -> Self {
        let on_disk = OnDisk::Synced;
        Self { app: None, len, place: None, on_disk, digest: None, pins: 0, released: false }
    }
}
