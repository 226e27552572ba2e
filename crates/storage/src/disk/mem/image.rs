//! The bytes of one file, as programs see them and as the medium has them.
//!
//! Invariant: `seen` and `medium` differ only in sectors that `versions` lists.

use super::SECTOR_BYTES;
use std::collections::BTreeMap;

/// What a sector held after one write.
type Sector = [u8; SECTOR_BYTES];

/// Contents of a sector since it was last durable, oldest first, and whether the next sync covers the last.
#[derive(Clone, Debug, Default)]
struct Versions {
    contents: Vec<Sector>,
    dirty: bool,
}

/// The bytes of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    seen: Vec<u8>,
    medium: Vec<u8>,
    versions: BTreeMap<usize, Versions>,
}

impl Image {
    pub(super) fn durable(bytes: &[u8]) -> Self {
        Self { seen: bytes.to_vec(), medium: bytes.to_vec(), versions: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.seen
    }

    pub(super) fn medium(&self) -> &[u8] {
        &self.medium
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if end > self.seen.len() {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        self.note(offset / SECTOR_BYTES, end.div_ceil(SECTOR_BYTES));
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let touched = len.min(self.seen.len()) / SECTOR_BYTES;
        let end = len.max(self.seen.len()).div_ceil(SECTOR_BYTES);
        self.seen.resize(len, 0);
        self.note(touched, end);
    }

    pub(super) fn rot(&mut self, offset: usize, xor: u8) {
        self.seen[offset] ^= xor;
        if let Some(byte) = self.medium.get_mut(offset) {
            *byte ^= xor;
        }
        if let Some(versions) = self.versions.get_mut(&(offset / SECTOR_BYTES)) {
            versions.contents.iter_mut().for_each(|sector| sector[offset % SECTOR_BYTES] ^= xor);
        }
    }

    /// Every dirty sector reaches the medium, and the length with it. Sectors of an earlier failed sync
    /// count as clean and stay in doubt.
    pub(super) fn sync(&mut self) {
        self.medium.resize(self.seen.len(), 0);
        let Self { medium, versions, .. } = self;
        versions.retain(|index, sector| {
            if let (true, Some(last)) = (sector.dirty, sector.contents.last()) {
                store(medium, *index, last);
            }
            !sector.dirty
        });
    }

    pub(super) fn fail_sync(&mut self) {
        self.versions.values_mut().for_each(|sector| sector.dirty = false);
    }

    /// Each sector in doubt becomes one of the contents it has had.
    pub(super) fn crash(&mut self, choose: &mut dyn FnMut(u64) -> u64) {
        if self.medium.len() != self.seen.len() && choose(2) == 1 {
            self.medium.resize(self.seen.len(), 0);
        }
        for (index, sector) in std::mem::take(&mut self.versions) {
            let kept = choose(sector.contents.len() as u64 + 1) as usize;
            if let Some(content) = kept.checked_sub(1).map(|i| &sector.contents[i]) {
                store(&mut self.medium, index, content);
            }
        }
        self.seen = self.medium.clone();
    }

    /// Records what the sectors hold now.
    fn note(&mut self, from: usize, to: usize) {
        for index in from..to {
            let start = (index * SECTOR_BYTES).min(self.seen.len());
            let end = (start + SECTOR_BYTES).min(self.seen.len());
            let mut content = [0; SECTOR_BYTES];
            content[..end - start].copy_from_slice(&self.seen[start..end]);
            let sector = self.versions.entry(index).or_default();
            sector.contents.push(content);
            sector.dirty = true;
        }
    }
}

/// Copies a sector into `bytes`, as far as they go.
fn store(bytes: &mut [u8], index: usize, sector: &Sector) {
    let start = (index * SECTOR_BYTES).min(bytes.len());
    let end = (start + SECTOR_BYTES).min(bytes.len());
    bytes[start..end].copy_from_slice(&sector[..end - start]);
}
