//! How attention's work is cut into tasks.

use super::{BLOCK, CHUNK_BLOCKS, Heads, Span};
use crate::tile::MAX_ROWS;
use std::ops::{Deref, Range};

/// Query rows of one key head in a task: blocks of 12 or of 32 rows.
const TASK_ROWS: usize = 96;
/// The most query rows of a key head over which the keys are split.
pub(super) const SPLIT_ROWS: usize = 12;

/// How a span's work is cut into tasks.
pub(super) struct Layout {
    pub(super) kv_heads: usize,
    /// Query rows of one key head: each row times the query heads that share it.
    pub(super) pairs: usize,
    /// Pieces of the keys, each reduced alone and then joined in order: what makes the result the same whether or not
    /// they are different tasks.
    pub(super) chunks: usize,
    /// Whether they are: where there are too few rows to keep all threads busy.
    pub(super) split: bool,
}

impl Layout {
    pub(super) fn of(heads: &Heads, span: &Span) -> Layout {
        let pairs = span.rows * (heads.heads / heads.kv_heads);
        let chunks = span.keys.div_ceil(CHUNK_BLOCKS * BLOCK);
        Layout { kv_heads: heads.kv_heads, pairs, chunks, split: pairs <= SPLIT_ROWS && chunks > 1 }
    }

    /// Tasks of one key head.
    pub(super) fn tasks_of_head(&self) -> usize {
        if self.split { self.chunks } else { self.pairs.div_ceil(TASK_ROWS) }
    }

    pub(super) fn tasks(&self) -> usize {
        self.kv_heads * self.tasks_of_head()
    }

    /// Sums that are stored to be joined behind the job.
    pub(super) fn parts(&self) -> usize {
        if self.split { self.tasks() } else { 0 }
    }
}

/// Some query rows of one key head, over some or all of the keys.
pub(super) struct Task {
    pub(super) span: usize,
    /// The span's first row among all rows.
    pub(super) first_row: usize,
    pub(super) head: usize,
    /// Query rows of the head: row p is query head p % group of query row p / group.
    pub(super) pairs: Range<usize>,
    pub(super) chunks: Range<usize>,
    /// Where its sums are stored, if they are joined later.
    pub(super) part: Option<usize>,
}

/// One query row of a task.
#[derive(Clone, Copy, Default)]
pub(super) struct Row {
    /// The row of its span.
    pub(super) row: usize,
    /// Where its query and its output begin.
    pub(super) at: usize,
}

impl Task {
    pub(super) fn find(heads: &Heads, spans: &[Span], index: usize) -> Task {
        let (mut left, mut first_row, mut first_part) = (index, 0, 0);
        for (span, shape) in spans.iter().enumerate() {
            let layout = Layout::of(heads, shape);
            if left < layout.tasks() {
                let (head, piece) = (left / layout.tasks_of_head(), left % layout.tasks_of_head());
                let (pairs, chunks) = if layout.split {
                    (0..layout.pairs, piece..piece + 1)
                } else {
                    (piece * TASK_ROWS..((piece + 1) * TASK_ROWS).min(layout.pairs), 0..layout.chunks)
                };
                let part = layout.split.then_some(first_part + left);
                return Task { span, first_row, head, pairs, chunks, part };
            }
            left -= layout.tasks();
            first_row += shape.rows;
            first_part += layout.parts();
        }
        unreachable!("task {index} lies behind the last span")
    }

    /// Up to `most` of its query rows, from the `first`.
    pub(super) fn rows(&self, heads: &Heads, first: usize, most: usize) -> TaskRows {
        let group = heads.heads / heads.kv_heads;
        let mut rows = [Row::default(); MAX_ROWS];
        let len = most.min(self.pairs.end - first);
        for (m, row) in rows.iter_mut().enumerate().take(len) {
            let (of_span, head) = ((first + m) / group, self.head * group + (first + m) % group);
            *row = Row { row: of_span, at: ((self.first_row + of_span) * heads.heads + head) * heads.dim };
        }
        TaskRows { rows, len }
    }
}

/// The query rows of a block.
pub(super) struct TaskRows {
    pub(super) rows: [Row; MAX_ROWS],
    pub(super) len: usize,
}

impl Deref for TaskRows {
    type Target = [Row];

    fn deref(&self) -> &[Row] {
        &self.rows[..self.len]
    }
}
