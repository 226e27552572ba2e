//! What object memory promises to its owner.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use sluice_objects::{Error, Location, Memory, Options, StreamName, Writer, WriterId};
use sluice_types::limits::INLINE_BYTES_MAX;
use sluice_types::{AppKey, BucketIx, ObjectId, Payload, RunKey};
use std::fs::File;
use std::os::unix::fs::FileExt;
use tempfile::TempDir;

const APP: AppKey = AppKey(1);
const OTHER: AppKey = AppKey(2);
const MIB: u64 = 1 << 20;

fn memory(dir: &TempDir, limit_bytes: u64) -> Memory {
    Memory::new(Options { extent_bytes: 4 * MIB, ..Options::new(dir.path(), limit_bytes) }).unwrap()
}

fn fresh() -> (TempDir, Memory) {
    let dir = tempfile::tempdir().unwrap();
    let memory = memory(&dir, 1 << 30);
    (dir, memory)
}

fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i / 7) as u8 ^ seed).collect()
}

fn id(payload: &Payload) -> ObjectId {
    match payload {
        Payload::Stored { id, .. } => *id,
        Payload::Inline(_) | Payload::Open { .. } => panic!("the payload is not stored"),
    }
}

fn file_of(dir: &TempDir, id: ObjectId) -> std::path::PathBuf {
    dir.path().join(format!("objects/{:02x}/{:016x}", id.0 as u8, id.0))
}

/// Its file while it is not durable.
fn new_file_of(dir: &TempDir, id: ObjectId) -> std::path::PathBuf {
    file_of(dir, id).with_added_extension("new")
}

#[test]
fn small_values_stay_inline_and_large_ones_get_ids_that_grow() {
    let (_dir, mut memory) = fresh();
    memory.seed(ObjectId(100));
    let small = pattern(INLINE_BYTES_MAX, 1);
    assert_eq!(memory.store(APP, &small).unwrap(), Payload::Inline(small.into()));
    let large = pattern(INLINE_BYTES_MAX + 1, 2);
    let first = memory.store(APP, &large).unwrap();
    let second = memory.store(APP, &large).unwrap();
    assert_eq!((id(&first), id(&second)), (ObjectId(100), ObjectId(101)));
    assert_eq!(memory.bytes(&first).unwrap(), large);
    let digest = xxhash_rust::xxh3::xxh3_128(&large);
    assert_eq!(memory.digest(&first).unwrap(), digest);
    assert_eq!(memory.digest(&second).unwrap(), digest);
}

#[test]
fn an_object_larger_than_an_extent_gets_one_of_its_own() {
    let (_dir, mut memory) = fresh();
    let bytes = pattern(9 * MIB as usize, 3);
    let payload = memory.store(APP, &bytes).unwrap();
    assert_eq!(memory.bytes(&payload).unwrap(), bytes);
}

#[test]
fn released_memory_is_used_again_but_never_under_a_reader() {
    let (_dir, mut memory) = fresh();
    let place =
        |memory: &mut Memory, payload: &Payload| memory.location(APP, id(payload), payload.len()).unwrap();
    let first = memory.store(APP, &pattern(100_000, 1)).unwrap();
    let at = place(&mut memory, &first);
    memory.release(id(&first)).unwrap();
    assert!(matches!(memory.bytes(&first), Err(Error::Unknown(_))));
    let second = memory.store(APP, &pattern(100_000, 2)).unwrap();
    assert_eq!(place(&mut memory, &second), at, "an empty extent starts again");
    let held = memory.bytes(&second).unwrap();
    memory.release(id(&second)).unwrap();
    let third = memory.store(APP, &pattern(100_000, 3)).unwrap();
    assert_ne!(place(&mut memory, &third), at, "somebody still reads there");
    assert_eq!(held, pattern(100_000, 2));
}

#[test]
fn a_pin_keeps_a_released_object_until_it_is_taken_away() {
    let (_dir, mut memory) = fresh();
    let payload = memory.store(APP, &pattern(100_000, 1)).unwrap();
    let id = id(&payload);
    memory.pin(id).unwrap();
    memory.release(id).unwrap();
    assert!(!memory.contains(id));
    assert_eq!(memory.bytes(&payload).unwrap(), pattern(100_000, 1));
    memory.unpin(id).unwrap();
    assert!(matches!(memory.bytes(&payload), Err(Error::Unknown(_))));
}

#[test]
fn descriptors_for_readers_cannot_write_and_extents_cannot_shrink() {
    let (_dir, mut memory) = fresh();
    let payload = memory.store(APP, &pattern(100_000, 1)).unwrap();
    let at = memory.location(APP, id(&payload), 100_000).unwrap();
    let (descriptor, size) = memory.descriptor(at.extent).unwrap();
    let file = File::from(descriptor);
    let mut bytes = vec![0; 100_000];
    file.read_exact_at(&mut bytes, at.offset).unwrap();
    assert_eq!(bytes, pattern(100_000, 1));
    assert!(file.write_at(b"x", 0).is_err());
    let grant = memory.grant(APP, WriterId(1), 100_000).unwrap();
    let writable = File::from(grant.descriptor.unwrap());
    assert!(writable.set_len(size - 1).is_err() && writable.set_len(size + 1).is_err());
}

#[test]
fn a_domain_never_sees_anothers_objects() {
    let (_dir, mut memory) = fresh();
    let payload = memory.store(APP, &pattern(100_000, 1)).unwrap();
    assert!(matches!(memory.location(OTHER, id(&payload), 100_000), Err(Error::Foreign(_))));
    let other = memory.store(OTHER, &pattern(100_000, 2)).unwrap();
    let place =
        |memory: &mut Memory, app, payload: &Payload| memory.location(app, id(payload), 100_000).unwrap();
    assert_ne!(place(&mut memory, APP, &payload).extent, place(&mut memory, OTHER, &other).extent);
}

#[test]
fn what_a_worker_claims_is_checked() {
    let (_dir, mut memory) = fresh();
    let (mine, its) = (WriterId(1), WriterId(2));
    let grant = memory.grant(APP, mine, 200_000).unwrap();
    let file = File::from(grant.descriptor.unwrap());
    file.write_all_at(&pattern(100_000, 1), 0).unwrap();
    let at = |offset, len| Location { extent: grant.extent, offset, len };
    let payload = memory.adopt(mine, at(0, 100_000)).unwrap();
    assert_eq!(memory.bytes(&payload).unwrap(), pattern(100_000, 1));
    for (writer, claim) in [
        (its, at(1 << 20, 10)),
        (mine, at(0, 10)),
        (mine, at(4096, 10)),
        (mine, at((1 << 20) + 1, 10)),
        (mine, at(1 << 20, grant.size)),
        (mine, at(1 << 20, u64::MAX)),
        (mine, at(u64::MAX - 4095, 4096)),
        (mine, Location { extent: sluice_objects::ExtentId(999), offset: 0, len: 1 }),
    ] {
        assert!(matches!(memory.adopt(writer, claim), Err(Error::Claim(_))), "{claim:?}");
    }
    memory.adopt(mine, at(1 << 20, 10)).expect("failed claims change nothing");
}

#[test]
fn an_extent_goes_back_to_its_writer_or_after_its_end_to_anybody() {
    let (_dir, mut memory) = fresh();
    let first = memory.grant(APP, WriterId(1), 100_000).unwrap();
    let again = memory.grant(APP, WriterId(1), 100_000).unwrap();
    assert_eq!((again.extent, again.descriptor.is_none()), (first.extent, true));
    assert_ne!(memory.grant(APP, WriterId(2), 100_000).unwrap().extent, first.extent);
    memory.retire(WriterId(1));
    assert_eq!(memory.grant(APP, WriterId(3), 100_000).unwrap().extent, first.extent);
}

#[test]
fn pressure_spills_the_oldest_unpinned_objects_which_stay_readable() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = memory(&dir, 4 * MIB);
    let payloads: Vec<Payload> =
        (0..12).map(|i| memory.store(APP, &pattern(MIB as usize, i)).unwrap()).collect();
    assert!(memory.resident_bytes().unwrap() <= 4 * MIB);
    assert!(new_file_of(&dir, id(&payloads[0])).exists());
    for (seed, payload) in payloads.iter().enumerate() {
        assert_eq!(memory.bytes(payload).unwrap(), pattern(MIB as usize, seed as u8));
        memory.location(APP, id(payload), MIB).unwrap();
    }
    for payload in &payloads {
        memory.release(id(payload)).unwrap();
        assert!(!new_file_of(&dir, id(payload)).exists());
    }
    assert_eq!(memory.object_count(), 0);
}

#[test]
fn memory_in_which_everything_is_pinned_is_full_not_fatal() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = memory(&dir, 4 * MIB);
    let payloads: Vec<Payload> =
        (0..3).map(|i| memory.store(APP, &pattern(MIB as usize, i)).unwrap()).collect();
    payloads.iter().for_each(|payload| memory.pin(id(payload)).unwrap());
    assert!(matches!(memory.store(APP, &pattern(2 * MIB as usize, 9)), Err(Error::Full { .. })));
    memory.unpin(id(&payloads[0])).unwrap();
    memory.store(APP, &pattern(2 * MIB as usize, 9)).expect("one object can be spilled now");
    assert!(matches!(memory.store(APP, &pattern(5 * MIB as usize, 9)), Err(Error::Full { .. })));
}

#[test]
fn persisted_objects_survive_and_orphans_are_swept() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = pattern(200_000, 4);
    let [older, spilled, kept, orphan] = {
        let mut memory = memory(&dir, 1 << 30);
        let payloads = [(); 4].map(|()| memory.store(APP, &bytes).unwrap());
        for at in [0, 2, 3] {
            memory.persist(id(&payloads[at])).unwrap();
        }
        memory.trim(0).unwrap();
        payloads
    };
    assert!(new_file_of(&dir, id(&spilled)).exists());
    std::fs::write(dir.path().join("objects/README"), "not an object").unwrap();
    let mut memory = memory(&dir, 1 << 30);
    memory.seed(ObjectId(id(&orphan).0 + 1));
    let young = memory.store(APP, &bytes).unwrap();
    memory.trim(0).unwrap();
    assert_eq!(
        memory.sweep(id(&kept), |live| live == id(&kept)).unwrap(),
        2,
        "the orphan and the spilled one"
    );
    assert!(!file_of(&dir, id(&orphan)).exists() && !new_file_of(&dir, id(&spilled)).exists());
    assert!(file_of(&dir, id(&older)).exists(), "what is older is none of this sweep's");
    assert_eq!(memory.bytes(&young).unwrap(), bytes, "nor what this process has spilled");
    assert_eq!(memory.bytes(&kept).unwrap(), bytes);
    assert_eq!(memory.digest(&kept).unwrap(), xxhash_rust::xxh3::xxh3_128(&bytes));
    memory.location(APP, id(&kept), 200_000).expect("the first app that asks gets it");
    assert!(matches!(memory.location(OTHER, id(&kept), 200_000), Err(Error::Foreign(_))));
    memory.release(id(&kept)).unwrap();
    assert!(!file_of(&dir, id(&kept)).exists());
}

#[test]
fn the_digest_is_of_the_file_whatever_the_worker_writes_later() {
    let (dir, mut memory) = fresh();
    let grant = memory.grant(APP, WriterId(1), 200_000).unwrap();
    let file = File::from(grant.descriptor.unwrap());
    file.write_all_at(&pattern(200_000, 1), 0).unwrap();
    let at = Location { extent: grant.extent, offset: 0, len: 200_000 };
    let payload = memory.adopt(WriterId(1), at).unwrap();
    let before = memory.digest(&payload).unwrap();
    file.write_all_at(b"changed", 100_000).unwrap();
    let written = memory.persist(id(&payload)).unwrap();
    file.write_all_at(b"and again", 100_000).unwrap();
    let on_disk = std::fs::read(file_of(&dir, id(&payload))).unwrap();
    assert_ne!(written, before);
    assert_eq!(written, xxhash_rust::xxh3::xxh3_128(&on_disk));
    assert_eq!((memory.digest(&payload).unwrap(), memory.persist(id(&payload)).unwrap()), (written, written));
}

#[test]
fn a_full_disk_is_an_error_and_leaves_no_file() {
    let (dir, mut memory) = fresh();
    let payload = memory.store(APP, &pattern(100_000, 1)).unwrap();
    let shard = file_of(&dir, id(&payload)).parent().unwrap().to_owned();
    // /dev/full answers every write with ENOSPC.
    std::fs::create_dir(&shard).unwrap();
    std::os::unix::fs::symlink("/dev/full", new_file_of(&dir, id(&payload))).unwrap();
    let error = memory.persist(id(&payload)).unwrap_err();
    assert_eq!(error.code(), sluice_types::Code::DISK_FULL, "{error}");
    assert!(!file_of(&dir, id(&payload)).exists() && !new_file_of(&dir, id(&payload)).is_symlink());
    assert_eq!(memory.bytes(&payload).unwrap(), pattern(100_000, 1));
    memory.persist(id(&payload)).expect("there is room again");
}

#[test]
fn a_file_becomes_an_object_without_a_copy() {
    let (dir, mut memory) = fresh();
    let path = dir.path().join("result");
    std::fs::write(&path, pattern(300_000, 5)).unwrap();
    let payload = memory.take_file(APP, &path).unwrap();
    assert!(!path.exists());
    assert_eq!(memory.bytes(&payload).unwrap(), pattern(300_000, 5));
    memory.location(APP, id(&payload), 300_000).unwrap();
}

#[test]
fn writers_with_and_without_a_known_length() {
    let (_dir, mut memory) = fresh();
    for expected in [Some(300_000), None] {
        let mut writer = Writer::open(&mut memory, APP, expected).unwrap();
        for chunk in pattern(300_000, 6).chunks(70_001) {
            writer.write(&mut memory, chunk).unwrap();
        }
        let payload = writer.finish(&mut memory).unwrap();
        assert_eq!(memory.bytes(&payload).unwrap(), pattern(300_000, 6));
        memory.location(APP, id(&payload), 300_000).unwrap();
    }
    let mut writer = Writer::open(&mut memory, APP, Some(100_000)).unwrap();
    assert!(matches!(writer.write(&mut memory, &[0; 100_001]), Err(Error::TooLong { .. })));
    writer.abort(&mut memory);
    assert_eq!(memory.object_count(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Store(usize),
    Release(usize),
    Persist(usize),
    Pin(usize),
    Trim,
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (INLINE_BYTES_MAX + 1..400_000usize).prop_map(Step::Store),
        (0..20usize).prop_map(Step::Release),
        (0..20usize).prop_map(Step::Persist),
        (0..20usize).prop_map(Step::Pin),
        Just(Step::Trim),
        (0..20usize).prop_map(Step::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is stored, released, spilled and pinned: every living object reads as it was written.
    #[test]
    fn objects_keep_their_bytes(steps in proptest::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = memory(&dir, 2 * MIB);
        let mut model: Vec<(Payload, Vec<u8>, bool)> = Vec::new();
        for (seed, step) in steps.into_iter().enumerate() {
            match step {
                Step::Store(len) => {
                    let bytes = pattern(len, seed as u8);
                    match memory.store(APP, &bytes) {
                        Ok(payload) => model.push((payload, bytes, false)),
                        Err(error) => prop_assert!(matches!(error, Error::Full { .. }), "{}", error),
                    }
                }
                Step::Release(index) if index < model.len() => {
                    let (payload, _, pinned) = model.remove(index);
                    memory.release(id(&payload)).unwrap();
                    if pinned {
                        memory.unpin(id(&payload)).unwrap();
                    }
                }
                Step::Persist(index) if index < model.len() => {
                    let digest = memory.persist(id(&model[index].0)).unwrap();
                    prop_assert_eq!(digest, xxhash_rust::xxh3::xxh3_128(&model[index].1));
                }
                Step::Pin(index) if index < model.len() && !model[index].2 => {
                    memory.location(APP, id(&model[index].0), model[index].0.len()).unwrap();
                    memory.pin(id(&model[index].0)).unwrap();
                    model[index].2 = true;
                }
                Step::Trim => drop(memory.trim(0).unwrap()),
                Step::Read(index) if index < model.len() => {
                    prop_assert_eq!(&memory.bytes(&model[index].0).unwrap()[..], &model[index].1[..]);
                }
                _ => {}
            }
        }
        for (payload, bytes, _) in &model {
            prop_assert_eq!(&memory.bytes(payload).unwrap()[..], &bytes[..]);
        }
    }
}

#[test]
fn an_object_is_saved_beside_its_memory_and_stays_where_it_is_meanwhile() {
    let (dir, mut memory) = fresh();
    let bytes = pattern(300_000, 5);
    let kept = memory.store(APP, &bytes).unwrap();
    let gone = memory.store(APP, &bytes).unwrap();
    let savings = [&kept, &gone].map(|payload| memory.save(id(payload)).unwrap().expect("it is not on disk"));
    // One is released while it is being saved: its file must not stay.
    memory.release(id(&gone)).unwrap();
    let saved = std::thread::spawn(|| savings.map(sluice_objects::Saving::run)).join().unwrap();
    let digests = saved.map(|saved| memory.saved(saved));
    let expected = xxhash_rust::xxh3::xxh3_128(&bytes);
    assert!(digests.into_iter().all(|digest| digest.is_ok_and(|digest| digest == expected)));
    assert!(memory.save(id(&kept)).unwrap().is_none(), "it is on disk");
    assert!(file_of(&dir, id(&kept)).exists() && !memory.contains(id(&gone)));
    assert!(!file_of(&dir, id(&gone)).exists() && !new_file_of(&dir, id(&gone)).exists());
}

#[test]
fn an_open_object_grows_until_it_is_sealed_and_is_its_apps_alone() {
    let (_dir, mut memory) = fresh();
    let name = StreamName { run: RunKey(1), bucket: BucketIx(2), key: "k".into() };
    let (extent, writer) = memory.stream_writer(APP, &name).unwrap();
    let (same, reader) = memory.stream_reader(APP, &name).unwrap();
    assert_eq!(extent, same);
    assert!(memory.stream_reader(OTHER, &name).is_err() && memory.close_stream(OTHER, &name, 0).is_err());
    let (writer, reader) = (File::from(writer), File::from(reader));
    assert!(reader.write_all_at(b"x", 0).is_err(), "a reader cannot write");
    let bytes = pattern(200_001, 9);
    writer.write_all_at(&bytes, 0).unwrap();
    assert_eq!(memory.stream_len(&name).unwrap(), Some(200_001));
    let payload = memory.close_stream(APP, &name, 200_001).unwrap();
    assert!(
        writer.write_all_at(b"x", 0).is_err() && writer.set_len(0).is_err(),
        "nobody can change it any more"
    );
    assert_eq!(memory.bytes(&payload).unwrap(), bytes);
    assert_eq!(memory.stream_len(&name).unwrap(), None);
    let (late, _) = memory.stream_reader(APP, &name).unwrap();
    assert_eq!(late, extent, "who comes by the name finds what was written");
    memory.drop_stream(&name);
    memory.release(id(&payload)).unwrap();
    assert_eq!(memory.resident_bytes().unwrap(), 0, "its memory goes with it");
}

fn stream_name() -> StreamName {
    StreamName { run: RunKey(1), bucket: BucketIx(2), key: "k".into() }
}

#[test]
fn what_was_closed_can_only_be_repeated_until_it_is_dropped() {
    let (_dir, mut memory) = fresh();
    let name = stream_name();
    for bytes in [pattern(10, 1), pattern(200_001, 2)] {
        let (first, writer) = memory.stream_writer(APP, &name).unwrap();
        File::from(writer).write_all_at(&bytes, 0).unwrap();
        let lost = memory.close_stream(APP, &name, bytes.len() as u64).unwrap();
        if let Payload::Stored { id, .. } = lost {
            memory.release(id).unwrap();
        }
        let (again, writer) = memory.stream_writer(APP, &name).unwrap();
        let (writer, mut found) = (File::from(writer), vec![0; bytes.len()]);
        writer.read_exact_at(&mut found, 0).unwrap();
        assert_eq!((again, &found), (first, &bytes), "a further attempt finds what was shown");
        assert!(writer.write_all_at(b"x", bytes.len() as u64).is_err(), "and cannot add to it");
        let payload = memory.close_stream(APP, &name, bytes.len() as u64).unwrap();
        assert_eq!(memory.bytes(&payload).unwrap(), bytes);
        memory.drop_stream(&name);
        assert!(matches!(memory.close_stream(APP, &name, bytes.len() as u64), Err(Error::Claim(_))));
    }
}

#[test]
fn a_false_claim_about_an_open_object_changes_nothing() {
    let (_dir, mut memory) = fresh();
    let name = stream_name();
    let (_, writer) = memory.stream_writer(APP, &name).unwrap();
    let writer = File::from(writer);
    writer.write_all_at(b"four", 0).unwrap();
    assert!(matches!(memory.close_stream(APP, &name, 5), Err(Error::Claim(_))));
    writer.write_all_at(b"!", 4).unwrap();
    assert_eq!(memory.close_stream(APP, &name, 5).unwrap(), Payload::Inline(b"four!".as_slice().into()));
    memory.drop_streams(RunKey(1));
    assert!(matches!(memory.close_stream(APP, &name, 5), Err(Error::Claim(_))));
}

#[test]
fn open_objects_count_and_are_closed_in_full_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = memory(&dir, MIB);
    let name = stream_name();
    let (_, writer) = memory.stream_writer(APP, &name).unwrap();
    let bytes = pattern(2 * MIB as usize, 3);
    File::from(writer).write_all_at(&bytes, 0).unwrap();
    assert_eq!(memory.resident_bytes().unwrap(), 2 * MIB);
    let payload = memory.close_stream(APP, &name, 2 * MIB).unwrap();
    assert_eq!(memory.resident_bytes().unwrap(), 2 * MIB, "it is counted once");
    assert_eq!(memory.bytes(&payload).unwrap(), bytes);
    memory.drop_stream(&name);
    memory.store(APP, &pattern(100_000, 4)).expect("the closed one is spilled for it");
    assert!(memory.resident_bytes().unwrap() <= MIB);
}
