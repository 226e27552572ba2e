//! Replays, carried out here task by task: what comes out, and that no wrong byte of any file goes unseen.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use sluice_wfformat::{Assignment, Failure, HEADER_BYTES, Recording, Replay, Report, Work};
use std::fmt::Write;

/// Numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// A recording as the format allows it: edges told from either side or by files alone, files that nobody writes or reads,
/// tasks that update their own file, times that are missing.
fn generated(seed: u64, tasks: usize) -> String {
    let mut numbers = Numbers(seed);
    let (mut specified, mut files, mut executed) = (Vec::new(), Vec::new(), Vec::new());
    let mut children = vec![Vec::new(); tasks];
    let mut written: Vec<String> = Vec::new();
    for at in 0..tasks {
        let (mut parents, mut reads, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..numbers.below(3).min(at) {
            let parent = numbers.below(at);
            match numbers.below(2) {
                0 => parents.push(format!("\"tâche {parent}\"")),
                _ => children[parent].push(format!("\"tâche {at}\"")),
            }
        }
        for _ in 0..numbers.below(4).min(written.len()) {
            reads.push(format!("\"{}\"", written[numbers.below(written.len())]));
        }
        if numbers.below(3) == 0 {
            reads.push(format!("\"in{}\"", numbers.below(5)));
        }
        for number in 0..numbers.below(3) {
            let file = format!("f{at}.{number}");
            files.push(format!(r#"{{"id": "{file}", "sizeInBytes": {}}}"#, numbers.below(400)));
            writes.push(format!("\"{file}\""));
            if numbers.below(5) == 0 {
                reads.push(format!("\"{file}\""));
            }
            written.push(file);
        }
        if numbers.below(4) > 0 {
            let ms = numbers.below(1_000);
            executed.push(format!(r#"{{"id": "tâche {at}", "runtimeInSeconds": 0.{ms:03}}}"#));
        }
        specified.push((at, parents, reads, writes));
    }
    files.extend((0..5).map(|number| format!(r#"{{"id": "in{number}", "sizeInBytes": {}}}"#, number * 9)));
    let mut text = String::new();
    for (at, parents, reads, writes) in specified {
        let (parents, children) = (parents.join(", "), children[at].join(", "));
        let (reads, writes) = (reads.join(", "), writes.join(", "));
        let comma = if at == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"name": "same", "id": "tâche {at}", "parents": [{parents}], "children": [{children}],
               "inputFiles": [{reads}], "outputFiles": [{writes}]}}"#
        )
        .unwrap();
    }
    format!(
        r#"{{"schemaVersion": "1.5", "workflow": {{"specification": {{"tasks": [{text}], "files": [{}]}},
            "execution": {{"tasks": [{}]}}}}}}"#,
        files.join(", "),
        executed.join(", ")
    )
}

fn replay(seed: u64, scale: f64) -> Replay {
    let recording = Recording::parse(&generated(seed, 40)).unwrap_or_else(|faults| panic!("{faults:?}"));
    Replay::of(&recording, scale).unwrap()
}

/// Does all tasks, each as soon as those before it are done, at once and in as much time as it has to take. What `spoil` does
/// to a result happens on its way.
fn carry_out(replay: &Replay, mut spoil: impl FnMut(usize, &mut Vec<u8>)) -> Result<Report, Failure> {
    let mut results: Vec<Option<(u64, Vec<u8>)>> = vec![None; replay.tasks.len()];
    loop {
        let is_ready = |at: &usize| {
            results[*at].is_none() && replay.tasks[*at].after.iter().all(|before| results[*before].is_some())
        };
        let at = (0..replay.tasks.len()).find(is_ready).expect("the report comes last");
        let task = &replay.tasks[at];
        let assignment = Assignment::parse(task.assignment.as_bytes())?;
        let before = task.after.iter().map(|before| results[*before].as_ref().unwrap());
        let (ends, given): (Vec<u64>, Vec<&[u8]>) = before.map(|(end, result)| (*end, &result[..])).unzip();
        let tally = assignment.check(&given)?;
        if let Work::Report(expected) = &assignment.work {
            return Ok(Report::of(&tally, expected)?);
        }
        let mut result = vec![0; assignment.result_bytes()];
        let done = assignment.write(&mut result)?;
        let began = ends.into_iter().max().unwrap_or(1_000);
        let end = began + assignment.nanos();
        assignment.seal(&mut result, &tally, &done, began, end);
        spoil(at, &mut result);
        results[at] = Some((end, result));
    }
}

#[test]
fn everything_is_run_checked_and_counted() {
    for seed in 1..=60 {
        for scale in [0.0, 0.3, 1.0] {
            let replay = replay(seed, scale);
            let report = carry_out(&replay, |_, _| {}).unwrap_or_else(|failure| panic!("{seed}: {failure}"));
            assert_eq!(report.tasks, 40, "{seed}");
            assert!(report.files_checked >= report.files, "{seed}: every file is checked at least once");
            assert!(report.bytes_checked >= report.files_checked, "{seed}: every file has a byte at least");
            // With a worker for everybody who waits, a run takes as long as its critical path.
            assert_eq!(report.makespan_s, report.critical_path_s, "{seed}");
        }
    }
}

#[test]
fn no_wrong_byte_of_any_file_goes_unseen() {
    let mut numbers = Numbers(7);
    for seed in 1..=10 {
        let replay = replay(seed, 1.0);
        for victim in 0..replay.tasks.len() - 1 {
            let mut spoiled = None;
            let outcome = carry_out(&replay, |at, result| {
                if at == victim && result.len() > HEADER_BYTES {
                    let byte = HEADER_BYTES + numbers.below(result.len() - HEADER_BYTES);
                    result[byte] ^= 1 << numbers.below(8);
                    spoiled = Some(byte);
                }
            });
            assert_eq!(
                matches!(outcome, Err(Failure::Byte { .. })),
                spoiled.is_some(),
                "{seed} {victim}: {outcome:?}"
            );
        }
    }
}

#[test]
fn results_that_are_swapped_or_cut_off_are_seen() {
    let replay = replay(3, 1.0);
    for victim in 0..replay.tasks.len() - 1 {
        let cut = carry_out(&replay, |at, result| result.truncate(result.len() - usize::from(at == victim)));
        assert!(
            matches!(cut, Err(Failure::Length { .. } | Failure::NotTheResult { .. })),
            "{victim}: {cut:?}"
        );
        let mut last = Vec::new();
        let swapped = carry_out(&replay, |at, result| {
            if at == victim {
                std::mem::swap(result, &mut last);
            } else {
                last.clone_from(result);
            }
        });
        assert!(matches!(swapped, Err(Failure::NotTheResult { .. })), "{victim}: {swapped:?}");
    }
}

#[test]
fn a_task_that_is_counted_twice_is_seen() {
    let replay = replay(5, 1.0);
    // The first task that is somebody's, as if it had been done twice.
    let outcome = carry_out(&replay, |at, result| {
        if at == 0 {
            result[32] += 1;
        }
    });
    assert_eq!(outcome.unwrap_err().to_string(), "41 tasks were counted instead of 40");
}

#[test]
fn what_cannot_be_run_is_refused() {
    let recording = Recording::parse(&generated(1, 5)).unwrap();
    for (scale, words) in
        [(-1.0, "is no scale"), (f64::NAN, "is no scale"), (1e12, "at most"), (f64::INFINITY, "no scale")]
    {
        let said = Replay::of(&recording, scale).unwrap_err().to_string();
        assert!(said.contains(words), "{scale}: {said}");
    }
}
