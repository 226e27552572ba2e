//! Events packed into few allocations: a call's events as they are logged, and the events that a condition collects.
//!
//! Senders repeat themselves: the events of one call share a few combinations of source, type and subject. A pack
//! holds each combination once, as a head; an event is a row of bytes that names its head. So a million waiting events
//! are some thousand chunks, not millions of texts.

use crate::event::Event;
use crate::object::ContentType;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock};

/// What the events of one sender have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventHead {
    /// CloudEvents `source`.
    pub source: Arc<str>,
    /// CloudEvents `type`.
    pub r#type: Arc<str>,
    /// CloudEvents `subject`.
    pub subject: Option<Arc<str>>,
    /// How to read `data`.
    pub content_type: ContentType,
    /// The run that the event is addressed to.
    pub run: Option<Arc<str>>,
}

/// One event of a pack.
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    /// What it shares with others.
    pub head: &'a Arc<EventHead>,
    /// Position of the head in its pack.
    pub head_at: usize,
    /// CloudEvents `id`.
    pub id: &'a str,
    /// CloudEvents `time`, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The payload; empty when there is none.
    pub data: &'a [u8],
}

impl EventView<'_> {
    /// The event by itself.
    pub fn to_event(&self) -> Event {
        let EventHead { source, r#type, subject, content_type, run } = &**self.head;
        Event {
            id: self.id.into(),
            source: source.clone(),
            r#type: r#type.clone(),
            subject: subject.clone(),
            time_ms: self.time_ms,
            content_type: content_type.clone(),
            data: Bytes::copy_from_slice(self.data),
            run: run.clone(),
        }
    }

    /// A fingerprint of source and id, which together identify an event.
    pub fn fingerprint(&self) -> u128 {
        fingerprint(&self.head.source, self.id)
    }
}

/// The fingerprint of an event by its source and id: XXH3-128 of the id, seeded with XXH3-64 of the source.
pub fn fingerprint(source: &str, id: &str) -> u128 {
    fingerprint_within(seed(source), id)
}

/// What a source adds to the fingerprints of its events.
pub fn seed(source: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(source.as_bytes())
}

/// The fingerprint of an event by the [`seed`] of its source, and its id.
pub fn fingerprint_within(seed: u64, id: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128_with_seed(id.as_bytes(), seed)
}

/// Events, in order.
///
/// Invariant: a row is `head`, `time_ms`, length of id, length of data (LEB128 each), id (UTF-8), data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPack {
    heads: Vec<Arc<EventHead>>,
    rows: Rows,
    len: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rows(Vec<u8>);

impl Serialize for Rows {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Bytes::deserialize(deserializer)?.into()))
    }
}

impl EventPack {
    /// A pack without events, with room for these many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { rows: Rows(Vec::with_capacity(bytes)), ..Self::default() }
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the events, without the heads.
    pub fn row_bytes(&self) -> usize {
        self.rows.0.len()
    }

    /// The heads, each once, in the order of their first events.
    pub fn heads(&self) -> &[Arc<EventHead>] {
        &self.heads
    }

    /// The position of a head, which is added when it is new. Few heads are searched faster than hashed.
    pub fn head(&mut self, head: &Arc<EventHead>) -> usize {
        let known = self.heads.iter().rposition(|known| Arc::ptr_eq(known, head) || known == head);
        known.unwrap_or_else(|| self.add_head(head.clone()))
    }

    /// Adds a head that is known to be new; answers its position.
    pub fn add_head(&mut self, head: Arc<EventHead>) -> usize {
        self.heads.push(head);
        self.heads.len() - 1
    }

    /// Adds an event.
    pub fn push(&mut self, event: &EventView<'_>) {
        let at = self.head(event.head);
        self.push_row(at, event.id, event.time_ms, event.data);
    }

    /// Adds an event whose head is there.
    pub fn push_row(&mut self, head: usize, id: &str, time_ms: u64, data: &[u8]) {
        assert!(head < self.heads.len(), "a row names a head of its pack");
        let rows = &mut self.rows.0;
        for number in [head as u64, time_ms, id.len() as u64, data.len() as u64] {
            put_number(rows, number);
        }
        rows.extend_from_slice(id.as_bytes());
        rows.extend_from_slice(data);
        self.len += 1;
    }

    /// The events, in order.
    pub fn iter(&self) -> EventIter<'_> {
        EventIter { pack: self, at: 0 }
    }

    /// Those for which `keep` holds; it is called once for each, in order.
    pub fn retain(&mut self, mut keep: impl FnMut(&EventView<'_>) -> bool) {
        let mut kept = Self::with_capacity(self.row_bytes());
        let mut moved = vec![None; self.heads.len()];
        for event in self.iter().filter(|event| keep(event)) {
            let at = *moved[event.head_at].get_or_insert_with(|| kept.add_head(event.head.clone()));
            kept.push_row(at, event.id, event.time_ms, event.data);
        }
        *self = kept;
    }

    /// The event whose row begins at a byte.
    fn at(&self, mut at: usize) -> Option<(EventView<'_>, usize)> {
        let rows = &self.rows.0;
        let head_at = take_number(rows, &mut at)? as usize;
        let time_ms = take_number(rows, &mut at)?;
        let (id, data) = (take_number(rows, &mut at)? as usize, take_number(rows, &mut at)? as usize);
        let id_ends = at.checked_add(id)?;
        let ends = id_ends.checked_add(data)?;
        let id = std::str::from_utf8(rows.get(at..id_ends)?).ok()?;
        let view = EventView {
            head: self.heads.get(head_at)?,
            head_at,
            id,
            time_ms,
            data: rows.get(id_ends..ends)?,
        };
        Some((view, ends))
    }
}

/// Packs many events that share few heads, of which it finds each by a hash.
#[derive(Debug, Default)]
pub struct EventPacker {
    pack: EventPack,
    known: HashMap<u64, usize>,
}

/// A head that need not be owned.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields of `EventHead`")]
pub struct HeadView<'a> {
    pub source: &'a str,
    pub r#type: &'a str,
    pub subject: Option<&'a str>,
    pub content_type: &'a ContentType,
    pub run: Option<&'a str>,
}

impl HeadView<'_> {
    fn is(&self, head: &EventHead) -> bool {
        *self.source == *head.source
            && *self.r#type == *head.r#type
            && self.subject == head.subject.as_deref()
            && *self.content_type == head.content_type
            && self.run == head.run.as_deref()
    }

    fn hash(&self) -> u64 {
        let parts = [Some(self.source), Some(self.r#type), self.subject, self.run];
        let parts = parts.into_iter().chain([Some(self.content_type.as_str())]);
        parts.fold(0, |hash, part| match part {
            Some(text) => xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), hash),
            None => hash.rotate_left(1) ^ 1,
        })
    }

    fn to_head(self) -> EventHead {
        EventHead {
            source: self.source.into(),
            r#type: self.r#type.into(),
            subject: self.subject.map(Into::into),
            content_type: self.content_type.clone(),
            run: self.run.map(Into::into),
        }
    }
}

impl EventPacker {
    /// With room for these many bytes of rows.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { pack: EventPack::with_capacity(bytes), ..Self::default() }
    }

    /// Adds an event.
    pub fn push(&mut self, head: HeadView<'_>, id: &str, time_ms: u64, data: &[u8]) {
        let known = self.known.entry(head.hash());
        let at = match known {
            Entry::Occupied(at) if head.is(&self.pack.heads[*at.get()]) => *at.get(),
            Entry::Occupied(_) => self.pack.head(&Arc::new(head.to_head())),
            Entry::Vacant(place) => *place.insert(self.pack.add_head(Arc::new(head.to_head()))),
        };
        self.pack.push_row(at, id, time_ms, data);
    }

    /// The events.
    pub fn finish(self) -> EventPack {
        self.pack
    }
}

impl FromIterator<Arc<Event>> for EventPack {
    fn from_iter<I: IntoIterator<Item = Arc<Event>>>(events: I) -> Self {
        let mut pack = Self::default();
        for event in events {
            let Event { source, r#type, subject, content_type, run, .. } = &*event;
            let head = Arc::new(EventHead {
                source: source.clone(),
                r#type: r#type.clone(),
                subject: subject.clone(),
                content_type: content_type.clone(),
                run: run.clone(),
            });
            let at = pack.head(&head);
            pack.push_row(at, &event.id, event.time_ms, &event.data);
        }
        pack
    }
}

impl From<Vec<Event>> for EventPack {
    fn from(events: Vec<Event>) -> Self {
        events.into_iter().map(Arc::new).collect()
    }
}

impl From<Vec<Arc<Event>>> for EventPack {
    fn from(events: Vec<Arc<Event>>) -> Self {
        events.into_iter().collect()
    }
}

/// The events of a pack, in order. Rows that are damaged end it.
#[derive(Clone, Debug)]
pub struct EventIter<'a> {
    pack: &'a EventPack,
    at: usize,
}

impl<'a> Iterator for EventIter<'a> {
    type Item = EventView<'a>;

    fn next(&mut self) -> Option<EventView<'a>> {
        let (view, next) = self.pack.at(self.at)?;
        self.at = next;
        Some(view)
    }
}

/// A part of a list that does not change any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Chunk {
    /// Written with the list.
    Within(Arc<EventPack>),
    /// Written once, by itself; the list holds only its digest.
    Apart {
        digest: u128,
        /// Empty until whoever read the list gives it back.
        #[serde(skip)]
        pack: OnceLock<Arc<EventPack>>,
    },
}

impl Chunk {
    fn pack(&self) -> Option<&Arc<EventPack>> {
        match self {
            Self::Within(pack) => Some(pack),
            Self::Apart { pack, .. } => pack.get(),
        }
    }
}

/// Bytes of rows after which a chunk is closed; a closed one stays below 64 KiB, which is what stores like.
const CHUNK_BYTES: usize = 60 * 1024;

/// Events that a condition collected, in the order of their arrival.
///
/// The list grows by chunks. Those of app-scoped triggers are kept *apart*: what is serialised of them is a digest, so
/// that a list of millions is not written again whenever it grows. Whoever stores such a list stores the chunks too
/// ([`EventList::chunks`]) and gives them back ([`EventList::provide`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventList {
    chunks: Vec<Chunk>,
    open: EventPack,
    len: u32,
    apart: bool,
}

impl EventList {
    /// An empty list whose chunks are kept apart, or not.
    pub fn new(apart: bool) -> Self {
        Self { apart, ..Self::default() }
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an event at the end.
    pub fn push(&mut self, event: &EventView<'_>) {
        self.open.push(event);
        self.len += 1;
        if self.open.row_bytes() >= CHUNK_BYTES {
            let pack = std::mem::take(&mut self.open);
            self.chunks.push(match self.apart {
                true => Chunk::Apart { digest: digest(&pack), pack: Arc::new(pack).into() },
                false => Chunk::Within(Arc::new(pack)),
            });
        }
    }

    /// What was collected; the list begins again, empty.
    pub fn take(&mut self) -> Self {
        let fresh = Self::new(self.apart);
        std::mem::replace(self, fresh)
    }

    fn packs(&self) -> impl Iterator<Item = &EventPack> {
        self.chunks.iter().filter_map(|chunk| chunk.pack().map(Arc::as_ref)).chain([&self.open])
    }

    /// The events, in order.
    pub fn iter(&self) -> impl Iterator<Item = EventView<'_>> {
        self.packs().flat_map(EventPack::iter)
    }

    /// The chunks kept apart, with their digests.
    pub fn chunks(&self) -> impl Iterator<Item = (u128, Option<&Arc<EventPack>>)> {
        self.chunks.iter().filter_map(|chunk| match chunk {
            Chunk::Within(_) => None,
            Chunk::Apart { digest, pack } => Some((*digest, pack.get())),
        })
    }

    /// Gives back a chunk that was kept apart, wherever the list holds it.
    pub fn provide(&self, given: u128, whole: &Arc<EventPack>) {
        for chunk in &self.chunks {
            match chunk {
                Chunk::Apart { digest, pack } if *digest == given => drop(pack.set(whole.clone())),
                _ => {}
            }
        }
    }

    /// Where every event is, for access by position.
    pub fn index(&self) -> EventIndex {
        let mut places = Vec::with_capacity(self.len());
        for (pack, events) in self.packs().enumerate() {
            let mut iter = events.iter();
            for _ in 0..events.len() {
                places.push((pack as u32, iter.at as u32));
                iter.next();
            }
        }
        EventIndex(places)
    }

    /// The event at a position of the index of this list.
    pub fn get(&self, index: &EventIndex, position: usize) -> Option<EventView<'_>> {
        let (pack, at) = *index.0.get(position)?;
        self.packs().nth(pack as usize)?.at(at as usize).map(|(view, _)| view)
    }
}

/// Positions of the events of one list.
#[derive(Clone, Debug)]
pub struct EventIndex(Vec<(u32, u32)>);

fn digest(pack: &EventPack) -> u128 {
    let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
    hash.update(&pack.rows.0);
    for head in &pack.heads {
        let texts = [Some(&*head.source), Some(&*head.r#type), head.subject.as_deref(), head.run.as_deref()];
        for text in texts.into_iter().chain([Some(head.content_type.as_str())]) {
            hash.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
            hash.update(text.unwrap_or_default().as_bytes());
        }
    }
    hash.digest128()
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
