//! A disk in memory that behaves as badly as a real one may: it loses what was not synced, tears writes,
//! fails on request, runs full and rots. Deterministic: every choice is the caller's.

mod image;

use super::{Disk, DiskFile};
use image::Image;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Unit in which unsynced writes survive a crash or not, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// What a failing operation reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An input/output error.
    Io,
    /// No space left.
    Full,
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::Io => io::Error::other("injected fault"),
            Self::Full => io::Error::from(io::ErrorKind::StorageFull),
        }
    }
}

/// A fault to come, and how many operations go well before.
#[derive(Clone, Copy, Debug)]
struct Planned {
    after: u64,
    fault: Fault,
}

impl Planned {
    /// One operation takes place: the fault, if its time has come.
    fn take(planned: &mut Option<Self>) -> Option<Fault> {
        match planned {
            Some(Self { after: 0, fault }) => {
                let fault = *fault;
                *planned = None;
                Some(fault)
            }
            Some(Self { after, .. }) => {
                *after -= 1;
                None
            }
            None => None,
        }
    }
}

/// A disk in memory. Clones share it; [`MemDisk::crash`] acts on it whoever holds open files.
#[derive(Clone, Debug, Default)]
pub struct MemDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    images: Vec<Image>,
    /// Names as programs see them.
    names: BTreeMap<PathBuf, usize>,
    /// Names as of the last sync of their directory.
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names since then, in order.
    changes: Vec<Change>,
    capacity_bytes: Option<u64>,
    write_fault: Option<Planned>,
    sync_fault: Option<Planned>,
    syncs: u64,
    /// Counts crashes: a file opened before one is dead.
    epoch: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Link(path, image) => {
                names.insert(path.clone(), *image);
            }
            Self::Rename(from, to) => {
                if let Some(image) = names.remove(from) {
                    names.insert(to.clone(), image);
                }
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let (Self::Link(path, _) | Self::Rename(_, path) | Self::Unlink(path)) = self;
        path.parent() == Some(dir)
    }
}

impl MemDisk {
    /// An empty disk without a limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pulls the plug. Of everything not synced, `choose` decides what survives: it is given a bound and
    /// returns a number below it. Files opened before fail from now on.
    pub fn crash(&self, choose: &mut dyn FnMut(u64) -> u64) {
        let mut state = self.state();
        for change in std::mem::take(&mut state.changes) {
            if choose(2) == 1 {
                change.apply(&mut state.durable_names);
            }
        }
        state.names = state.durable_names.clone();
        state.images.iter_mut().for_each(|image| image.crash(choose));
        state.write_fault = None;
        state.sync_fault = None;
        state.epoch += 1;
    }

    /// The next write stops half way with this fault.
    pub fn fail_next_write(&self, fault: Fault) {
        self.fail_write(0, fault);
    }

    /// As [`MemDisk::fail_next_write`], but `after` writes go well before.
    pub fn fail_write(&self, after: u64, fault: Fault) {
        self.state().write_fault = Some(Planned { after, fault });
    }

    /// The next sync of a file fails; what it should have made durable stays readable and may be lost at
    /// the next crash, even if a later sync succeeds.
    pub fn fail_next_sync(&self, fault: Fault) {
        self.fail_sync(0, fault);
    }

    /// As [`MemDisk::fail_next_sync`], but `after` syncs go well before.
    pub fn fail_sync(&self, after: u64, fault: Fault) {
        self.state().sync_fault = Some(Planned { after, fault });
    }

    /// Sets how many bytes all files together may have; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity_bytes = bytes;
    }

    /// Damages one byte of a file for good, by exclusive or.
    ///
    /// # Panics
    /// If there is no such file or byte.
    pub fn rot(&self, path: &Path, offset: u64, xor: u8) {
        let mut state = self.state();
        let image = *state.names.get(path).expect("rot names an existing file");
        state.images[image].rot(offset as usize, xor);
    }

    /// Shows every file as it would be after a crash that loses all it may.
    pub fn each_durable(&self, visit: &mut dyn FnMut(&Path, &[u8])) {
        let state = self.state();
        state.durable_names.iter().for_each(|(path, image)| visit(path, state.images[*image].medium()));
    }

    /// Bytes that all files together have.
    pub fn used_bytes(&self) -> u64 {
        self.state().used_bytes()
    }

    /// How many times files were synced, for tests that count.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// The bytes of a file as programs see them.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).map(|image| state.images[*image].bytes().to_vec())
    }

    /// Replaces a file, durably.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let image = state.images.len();
        state.images.push(Image::durable(bytes));
        state.names.insert(path.to_owned(), image);
        state.durable_names.insert(path.to_owned(), image);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the lock panics")
    }

    fn file(&self, image: usize, epoch: u64) -> MemFile {
        MemFile { disk: self.clone(), image, epoch }
    }
}

impl State {
    fn used_bytes(&self) -> u64 {
        self.names.values().map(|image| self.images[*image].len() as u64).sum()
    }

    fn free_bytes(&self) -> u64 {
        self.capacity_bytes.map_or(u64::MAX / 4, |capacity| capacity.saturating_sub(self.used_bytes()))
    }

    /// How long the image may become on the way to `len`.
    fn grant(&self, image: usize, len: usize) -> usize {
        let now = self.images[image].len();
        let more = len.saturating_sub(now) as u64;
        if more == 0 { len } else { now + more.min(self.free_bytes()) as usize }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn lookup(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Disk for MemDisk {
    type File = MemFile;

    fn create(&self, path: &Path) -> io::Result<MemFile> {
        let mut state = self.state();
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let image = state.images.len();
        state.images.push(Image::default());
        state.change(Change::Link(path.to_owned(), image));
        let epoch = state.epoch;
        drop(state);
        Ok(self.file(image, epoch))
    }

    fn open(&self, path: &Path) -> io::Result<MemFile> {
        let state = self.state();
        let (image, epoch) = (state.lookup(path)?, state.epoch);
        drop(state);
        Ok(self.file(image, epoch))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.lookup(from)?;
        state.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.lookup(path)?;
        state.change(Change::Unlink(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let State { changes, durable_names, .. } = &mut *state;
        changes.retain(|change| {
            let here = change.is_in(dir);
            if here {
                change.apply(durable_names);
            }
            !here
        });
        Ok(())
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        Ok(self.state().free_bytes())
    }
}

/// An open file of a [`MemDisk`].
#[derive(Clone, Debug)]
pub struct MemFile {
    disk: MemDisk,
    image: usize,
    epoch: u64,
}

impl MemFile {
    fn live(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.epoch == self.epoch { Ok(state) } else { Err(io::Error::other("opened before the crash")) }
    }
}

impl DiskFile for MemFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.live()?.images[self.image].len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.live()?;
        if state.grant(self.image, len as usize) < len as usize {
            return Err(Fault::Full.error());
        }
        state.images[self.image].set_len(len as usize);
        Ok(())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let state = self.live()?;
        let bytes = state.images[self.image].bytes();
        let from = bytes.len().min(offset as usize);
        let count = into.len().min(bytes.len() - from);
        into[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.live()?;
        let fault = Planned::take(&mut state.write_fault);
        let wanted = if fault.is_some() { bytes.len() / 2 } else { bytes.len() };
        let granted = state.grant(self.image, offset as usize + wanted).saturating_sub(offset as usize);
        let written = wanted.min(granted);
        state.images[self.image].write(offset as usize, &bytes[..written]);
        match fault {
            Some(fault) => Err(fault.error()),
            None if written < bytes.len() => Err(Fault::Full.error()),
            None => Ok(()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.live()?;
        state.syncs += 1;
        if let Some(fault) = Planned::take(&mut state.sync_fault) {
            state.images[self.image].fail_sync();
            return Err(fault.error());
        }
        state.images[self.image].sync();
        Ok(())
    }
}
