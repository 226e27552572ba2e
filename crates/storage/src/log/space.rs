//! Disk space: filling files ahead of need, the reserve, and what becomes of released segments.
//!
//! The reserve is a file that holds space and nothing else. When the disk is full it is removed, so that
//! records of work under way still find room; [`Log::prepare`] builds it again when there is space.

use super::options::Priority;
use super::segment::{self, Segment};
use super::{Log, Options};
use crate::disk::{Disk, DiskFile};
use crate::error::{Error, is_full};
use std::io;
use std::path::{Path, PathBuf};

const RESERVE_NAME: &str = "reserve";

/// What is known about disk space; measured at every sync.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Space {
    /// Bytes that records of new work may take until the next measurement.
    new_work: u64,
    /// As `new_work`, for work under way.
    progress: u64,
    /// Free bytes beyond the reserve.
    spare: u64,
    /// Size of the file that keeps the reserve.
    reserve_file: u64,
    /// Whether files are being filled ahead, until as much is ready as should be.
    is_filling: bool,
}

impl Space {
    pub(super) fn room(&self, priority: Priority) -> u64 {
        match priority {
            Priority::NewWork => self.new_work,
            Priority::Progress => self.progress,
        }
    }

    /// Fills a segment up to `goal`, with the reserve if need be.
    pub(super) fn fill<D: Disk>(
        &mut self,
        disk: &D,
        dir: &Path,
        segment: &mut Segment<D::File>,
        goal: u64,
    ) -> io::Result<()> {
        match segment.fill(goal) {
            Err(error) if is_full(&error) && self.remove_reserve(disk, dir) => segment.fill(goal),
            result => result,
        }
    }

    /// Sets the reserve free. False if there was none.
    fn remove_reserve<D: Disk>(&mut self, disk: &D, dir: &Path) -> bool {
        let had = self.reserve_file > 0;
        self.reserve_file = 0;
        had && disk.remove(&reserve_path(dir)).is_ok()
    }
}

/// The file that keeps the reserve.
pub(super) fn reserve_path(dir: &Path) -> PathBuf {
    dir.join(RESERVE_NAME)
}

impl<D: Disk> Log<D> {
    /// Fills files with zeros ahead of need, at most about `budget_bytes` and with at most one fdatasync, so
    /// that a later `sync` has only records to write. Begins when half of what should be ready has been used.
    /// Returns the bytes still to be filled, 0 when enough is ready or space is low. Optional: without it the
    /// log is slower.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Io`]: the log goes on. [`Error::OutcomeUnknown`]: see [`Log::sync`].
    pub fn prepare(&mut self, budget_bytes: u64) -> Result<u64, Error> {
        self.check()?;
        let Options { ahead_bytes, segment_bytes, reserve_bytes, .. } = self.options;
        let goal = segment_bytes.min(self.head + ahead_bytes);
        let rest = (self.head + ahead_bytes).saturating_sub(segment_bytes).min(segment_bytes);
        let active = goal.saturating_sub(self.active.filled);
        let next = rest.saturating_sub(self.prepared.front().map_or(0, |next| next.filled));
        let reserve = reserve_bytes.saturating_sub(self.space.reserve_file);
        // In large portions only: following the head closely would take a sync for every few records.
        self.space.is_filling |= active + next > ahead_bytes / 2 || reserve > 0;
        if !self.space.is_filling {
            return Ok(0);
        }
        self.measure_space();
        if self.space.spare == 0 {
            return Ok(0);
        }
        let budget = budget_bytes.min(self.space.spare);
        let step = if active > 0 {
            fill_and_sync(&mut self.active, budget.min(active))
        } else if next > 0 {
            if self.prepared.is_empty() {
                self.prepare_next()?;
            }
            let target = self.prepared.front_mut().expect("there is a prepared segment now");
            fill_and_sync(target, budget.min(next))
        } else if reserve > 0 {
            return self.fill_reserve(budget.min(reserve)).map(|step| reserve - step);
        } else {
            Ok(0)
        };
        let left = active + next + reserve - step.map_err(|error| self.full_or_fail(&error))?;
        self.space.is_filling = left > 0;
        Ok(left)
    }

    /// Adds `step` bytes to the file that keeps the reserve.
    fn fill_reserve(&mut self, step: u64) -> Result<u64, Error> {
        let path = reserve_path(&self.dir);
        let opened = Segment::open(&self.disk, path.clone(), 0);
        let mut reserve = opened.or_else(|_| Segment::create(&self.disk, path, 0))?;
        let filled = fill_and_sync(&mut reserve, step);
        self.space.reserve_file = reserve.filled;
        filled.map_err(|error| Error::io(&reserve.path, error))
    }

    /// Makes sure that the active file has blocks for the records up to `end`. False if they should go to a
    /// prepared segment instead.
    pub(super) fn make_room(&mut self, end: usize) -> Result<bool, Error> {
        let needed = self.head + (end - self.written) as u64;
        if needed <= self.active.filled {
            return Ok(true);
        }
        let generous = (self.active.filled + self.options.growth_bytes).min(self.options.segment_bytes);
        let mut result = self.active.fill(needed.max(generous));
        if result.as_ref().is_err_and(is_full) {
            result = self.space.fill(&self.disk, &self.dir, &mut self.active, needed);
        }
        match result {
            Ok(()) => Ok(true),
            Err(error) if is_full(&error) && !self.prepared.is_empty() => Ok(false),
            Err(error) => Err(self.full_or_fail(&error)),
        }
    }

    /// A full disk is survived, by waiting; any other error is not.
    pub(super) fn full_or_fail(&mut self, error: &io::Error) -> Error {
        if !is_full(error) {
            return self.fail(error);
        }
        self.space.new_work = 0;
        Error::DiskFull
    }

    /// Creates the next segment, empty.
    pub(super) fn prepare_next(&mut self) -> Result<(), Error> {
        let path = segment::path(&self.dir, self.next_number);
        let mut created = Segment::create(&self.disk, path.clone(), self.next_number);
        if matches!(created, Err(Error::DiskFull)) && self.space.remove_reserve(&self.disk, &self.dir) {
            created = Segment::create(&self.disk, path, self.next_number);
        }
        let segment = created?;
        self.disk.sync_dir(&self.dir).map_err(|error| self.fail(&error))?;
        self.next_number += 1;
        self.prepared.push_back(segment);
        Ok(())
    }

    /// Gives the file of a segment without records a new number, or removes it. The directory is to be
    /// synced before the segment is used.
    pub(super) fn release(&mut self, number: u64) -> Result<(), Error> {
        let from = segment::path(&self.dir, number);
        let old = Segment::open(&self.disk, from.clone(), number)?;
        let is_spare = self.prepared.len() < self.options.spares_max && self.space.spare > 0;
        if !is_spare || old.filled > self.options.segment_bytes {
            return self.disk.remove(&from).map_err(|e| Error::io(&from, e));
        }
        let to = segment::path(&self.dir, self.next_number);
        self.disk.rename(&from, &to).map_err(|e| Error::io(&from, e))?;
        self.prepared.push_back(Segment { number: self.next_number, path: to, ..old });
        self.next_number += 1;
        Ok(())
    }

    /// Looks how much space there is; if that cannot be told, what was known before stands.
    pub(super) fn measure_space(&mut self) {
        let Ok(free) = self.disk.free_bytes(&self.dir) else { return };
        let reserve = self.options.reserve_bytes;
        let prepared = self.prepared.iter().map(|s| s.filled.saturating_sub(segment::HEADER_BYTES));
        let ahead = self.active.filled.saturating_sub(self.head) + prepared.sum::<u64>();
        self.space.spare = free.saturating_sub(reserve);
        self.space.new_work = if free < reserve { 0 } else { ahead + self.space.spare };
        self.space.progress = ahead + free + self.space.reserve_file;
    }

    pub(super) fn measure_reserve(&mut self) -> Result<(), Error> {
        let path = reserve_path(&self.dir);
        self.space.reserve_file = match self.disk.open(&path) {
            Ok(file) => file.len().map_err(|e| Error::io(&path, e))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(Error::io(&path, error)),
        };
        Ok(())
    }
}

/// Adds `step` bytes of zeros to the end, durably.
fn fill_and_sync<F: DiskFile>(segment: &mut Segment<F>, step: u64) -> io::Result<u64> {
    segment.fill(segment.filled + step)?;
    segment.file.sync_data()?;
    Ok(step)
}
