//! `Parallel`: blocks side by side.

use super::Execution;
use super::data::View;
use super::failure::Failure;
use super::frames::{Doing, Frame, FrameIx, Trail};
use super::history::{HistoryKind, JoinStep, StateType};
use super::join::{Join, Slot};
use super::turn::{Flow, Turn};
use crate::machine::{Block, State};

impl Execution {
    /// Starts the branches of a `Parallel`.
    pub(super) fn start_branches(
        &mut self,
        frame: &mut Frame,
        ix: FrameIx,
        state: &State,
        branches: &[Block],
        turn: &mut Turn<'_>,
    ) -> Result<Flow, Failure> {
        let effective = self.effective_input(frame, state, turn)?;
        let input = self.arguments(frame, state, View::of(&effective), turn)?;
        self.keep(frame, state, &input)?;
        self.follow(frame, turn, || HistoryKind::Children {
            kind: StateType::Parallel,
            step: JoinStep::Started { length: None },
        });
        let mut slots = Vec::with_capacity(branches.len());
        for (index, branch) in (0..).zip(branches) {
            let child = self.frames.insert(Frame {
                parent: Some(ix),
                index,
                ledger: frame.ledger,
                item: frame.item.clone(),
                variables: frame.inner_variables(),
                trail: Trail::after(frame.trail.last),
                ..Frame::at(branch.start, input.clone(), turn.now_ms)
            });
            self.ready.push_back(child);
            slots.push(Slot::Open(child));
        }
        let open = slots.len() as u32;
        frame.doing = Doing::Joining(Box::new(Join { slots, open, follows: 0, iterations: None }));
        Ok(Flow::Wait)
    }
}
