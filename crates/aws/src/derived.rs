//! Names that a task gives to what it starts: the same ones should it ask again, after a crash.

use sha2::{Digest, Sha256};
use sluice_runtime::callees::TaskRef;
use uuid::{Builder, Uuid};

/// The UUID of what a task starts. It looks like a random one, and depends on nothing but the task.
pub fn uuid(task: TaskRef) -> Uuid {
    let TaskRef { run, incarnation, task, from: _ } = task;
    let hash = Sha256::digest(format!("{}-{incarnation}-{}", run.0, task.0));
    let bytes = hash.first_chunk().expect("a hash has more bytes than a UUID");
    Builder::from_random_bytes(*bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_asl::execution::TaskId;
    use sluice_types::RunKey;

    #[test]
    fn a_task_that_asks_again_names_the_same() {
        let task = TaskRef { run: RunKey(184), incarnation: 0, task: TaskId(1), from: None };
        assert_eq!(uuid(task), uuid(task));
        assert_eq!(uuid(task).get_version_num(), 4);
        for other in [
            TaskRef { run: RunKey(18), ..task },
            TaskRef { incarnation: 1, ..task },
            TaskRef { task: TaskId(2), ..task },
        ] {
            assert_ne!(uuid(task), uuid(other));
        }
    }
}
