//! Opening a log: recovery, then a new segment that begins behind the records that are durable for certain.
//!
//! The new segment is complete and durable before it gets its name, so opening happens as a whole or not at
//! all; until then nothing that exists is touched.

use super::recovery::{Extent, Found};
use super::segment::{self, Header, Segment};
use super::space::{Space, reserve_path};
use super::{Log, Options, record};
use crate::disk::{Disk, DiskFile};
use crate::error::{Error, is_full};
use sluice_types::Lsn;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

const NASCENT_NAME: &str = "nascent";

impl<D: Disk> Log<D> {
    /// Opens the log in `dir`, which must exist, or begins one there. A torn tail is cut off.
    ///
    /// # Errors
    /// [`Error::Corrupt`]: a record that was durable is damaged or missing; nothing was changed.
    /// [`Error::Version`], [`Error::DiskFull`], [`Error::Io`].
    pub fn open(disk: D, dir: &Path, options: Options) -> Result<Self, Error> {
        let found = Found::read(&disk, dir, options.checkpoint_lsn, options.new_log_id)?;
        let mut begun = begin_segment(&disk, dir, &found, &options);
        if matches!(begun, Err(Error::DiskFull)) && disk.remove(&reserve_path(dir)).is_ok() {
            begun = begin_segment(&disk, dir, &found, &options);
        }
        let (active, head) = begun?;
        let base = Lsn(found.evidence.0 + 1);
        let mut log = Self {
            next_number: active.number + 1,
            extents: found.extents.iter().copied().collect(),
            active,
            head,
            prepared: VecDeque::new(),
            buffer: Vec::new(),
            written: 0,
            durable: found.last,
            next: Lsn(found.last.0 + 1),
            space: Space::default(),
            failure: None,
            log_id: found.log_id,
            disk,
            dir: dir.to_owned(),
            options,
        };
        log.extents.push_back(Extent { number: log.active.number, base });
        log.measure_reserve()?;
        log.measure_space();
        log.release_void(&found.unused)?;
        log.measure_space();
        Ok(log)
    }

    /// Releases the files that hold no records, then the segments that later ones have made void. In this
    /// order, so that a file without records is never older than the oldest segment; recovery relies on it.
    fn release_void(&mut self, unused: &[u64]) -> Result<(), Error> {
        self.release_all(unused)?;
        let is_void = |pair: &[Extent]| pair[1].base <= pair[0].base;
        let extents = self.extents.make_contiguous();
        let void: Vec<u64> = extents.windows(2).filter(|p| is_void(p)).map(|p| p[0].number).collect();
        self.extents.retain(|extent| !void.contains(&extent.number));
        self.release_all(&void)
    }

    fn release_all(&mut self, numbers: &[u64]) -> Result<(), Error> {
        for number in numbers {
            self.release(*number)?;
        }
        self.disk.sync_dir(&self.dir).map_err(|e| Error::io(&self.dir, e))
    }
}

/// Writes the segment that the log goes on in, with the suspect records. Returns it and where they end.
fn begin_segment<D: Disk>(
    disk: &D,
    dir: &Path,
    found: &Found,
    options: &Options,
) -> Result<(Segment<D::File>, u64), Error> {
    let numbers = found.extents.iter().map(|extent| extent.number).chain(found.unused.iter().copied());
    let number = numbers.max().unwrap_or(0) + 1;
    let header =
        Header { log_id: found.log_id, number, base: Lsn(found.evidence.0 + 1), durable: found.last };
    let mut bytes = header.encode().to_vec();
    bytes.extend(found.carry(disk, dir, record::seed(found.log_id, number))?);

    let nascent = dir.join(NASCENT_NAME);
    remove_if_present(disk, &nascent).map_err(|e| Error::io(&nascent, e))?;
    let mut segment = Segment::create(disk, nascent.clone(), number)?;
    let head = bytes.len() as u64;
    let written = segment.file.write_at(0, &bytes).and_then(|()| {
        segment.filled = head;
        match segment.fill(options.growth_bytes.min(options.segment_bytes)) {
            Err(error) if !is_full(&error) => Err(error),
            _ => segment.file.sync_data(),
        }
    });
    segment.path = segment::path(dir, number);
    let named = written.and_then(|()| disk.rename(&nascent, &segment.path));
    named.and_then(|()| disk.sync_dir(dir)).map_err(|e| Error::io(&nascent, e))?;
    Ok((segment, head))
}

fn remove_if_present<D: Disk>(disk: &D, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
