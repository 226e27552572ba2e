//! What a task hands on: a header, then the bytes of the files that it wrote, one after the other.

/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;

/// The first bytes of a result.
const MAGIC: [u8; 8] = *b"sluicewf";

/// What is known at the end of a task: when the first began and the last ended of those that it comes after, and what they
/// did. Times are of all of those; what was done is handed on along one way only, so that nothing is counted twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Nanoseconds since the Unix epoch; the largest number if nothing has begun.
    pub began_ns: u64,
    /// Nanoseconds since the Unix epoch; 0 if nothing has ended.
    pub ended_ns: u64,
    /// Tasks of the recording that were run.
    pub tasks: u64,
    /// Files that were written.
    pub files: u64,
    /// Files that were read and found to be what they must be; one that is read twice counts twice.
    pub reads: u64,
    /// Bytes of those.
    pub bytes: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { began_ns: u64::MAX, ended_ns: 0, tasks: 0, files: 0, reads: 0, bytes: 0 }
    }
}

impl Tally {
    /// What was done comes on top.
    pub(crate) fn add(&mut self, other: &Self) {
        self.tasks += other.tasks;
        self.files += other.files;
        self.reads += other.reads;
        self.bytes += other.bytes;
    }

    /// Both have taken place.
    pub(crate) fn span(&mut self, other: &Self) {
        self.began_ns = self.began_ns.min(other.began_ns);
        self.ended_ns = self.ended_ns.max(other.ended_ns);
    }

    /// Writes the header of the result of the task with this mark.
    pub fn write(&self, mark: u64, out: &mut [u8; HEADER_BYTES]) {
        let numbers = [mark, self.began_ns, self.ended_ns, self.tasks, self.files, self.reads, self.bytes];
        let (magic, rest) = out.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        rest.as_chunks_mut().0.iter_mut().zip(numbers).for_each(|(to, number)| *to = number.to_le_bytes());
    }

    /// Reads the header of a result, if it is one and has this mark.
    pub(crate) fn read(mark: u64, result: &[u8]) -> Option<Self> {
        let rest = result.first_chunk::<HEADER_BYTES>()?.strip_prefix(&MAGIC)?;
        let number = |at: usize| u64::from_le_bytes(rest.as_chunks().0[at]);
        (number(0) == mark).then(|| Self {
            began_ns: number(1),
            ended_ns: number(2),
            tasks: number(3),
            files: number(4),
            reads: number(5),
            bytes: number(6),
        })
    }
}
