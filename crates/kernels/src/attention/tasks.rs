//! How attention's work is cut into tasks.

use super::{BLOCK, CHUNK_BLOCKS, Heads, Span};
use crate::tile::{MAX_ROWS, VECTOR_ROWS};
use std::ops::{Deref, Range};

/// Query rows of one key head in a task: blocks of 12 or of 32 rows.
const TASK_ROWS: usize = 96;

/// How a span's work is cut into tasks.
pub(super) struct Layout {
    kv_heads: usize,
    /// Query rows of one key head: each row times the query heads that share it.
    pairs: usize,
    /// Pieces of the keys, each reduced alone and then joined in order: what makes the result the same whether or not
    /// they are different tasks.
    pub(super) chunks: usize,
    /// Whether they are: where there are few rows. Such a task takes all heads, so that it reads a block's keys and values
    /// from end to end.
    split: bool,
}

impl Layout {
    pub(super) fn of(heads: &Heads, span: &Span) -> Layout {
        let pairs = span.rows * (heads.heads / heads.kv_heads);
        let chunks = span.keys.div_ceil(CHUNK_BLOCKS * BLOCK);
        // A task's rows are one block of products, whose sums are stored at once.
        let few = span.rows * heads.heads <= MAX_ROWS && pairs <= VECTOR_ROWS;
        Layout { kv_heads: heads.kv_heads, pairs, chunks, split: few && chunks > 1 }
    }

    pub(super) fn tasks(&self) -> usize {
        if self.split { self.chunks } else { self.kv_heads * self.pairs.div_ceil(TASK_ROWS) }
    }

    /// Sums that are stored to be joined behind the job.
    pub(super) fn parts(&self) -> usize {
        if self.split { self.tasks() } else { 0 }
    }
}

/// Some query rows of one key head, or all of all heads, over some or all of the keys.
pub(super) struct Task {
    pub(super) span: usize,
    /// The span's first row among all rows.
    pub(super) first_row: usize,
    pub(super) heads: Range<usize>,
    /// Query rows of each head: row p is query head p % group of query row p / group.
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
                if layout.split {
                    let (heads, pairs, part) = (0..layout.kv_heads, 0..layout.pairs, Some(first_part + left));
                    return Task { span, first_row, heads, pairs, chunks: left..left + 1, part };
                }
                let pieces = layout.pairs.div_ceil(TASK_ROWS);
                let (head, first) = (left / pieces, left % pieces * TASK_ROWS);
                let pairs = first..(first + TASK_ROWS).min(layout.pairs);
                return Task { span, first_row, heads: head..head + 1, pairs, chunks: 0..layout.chunks, part: None };
            }
            left -= layout.tasks();
            first_row += shape.rows;
            first_part += layout.parts();
        }
        unreachable!("task {index} lies behind the last span")
    }

    /// Up to `most` of each head's query rows, from the `first`: all of one head, then those of the next.
    pub(super) fn rows(&self, heads: &Heads, first: usize, most: usize) -> TaskRows {
        let group = heads.heads / heads.kv_heads;
        let mut rows = [Row::default(); MAX_ROWS];
        let of_head = most.min(self.pairs.end - first);
        let len = of_head * self.heads.len();
        for (m, row) in rows.iter_mut().enumerate().take(len) {
            let (head, pair) = (self.heads.start + m / of_head, first + m % of_head);
            let (of_span, head) = (pair / group, head * group + pair % group);
            *row = Row { row: of_span, at: ((self.first_row + of_span) * heads.heads + head) * heads.dim };
        }
        TaskRows { rows, len, of_head }
    }
}

/// The query rows of a block.
pub(super) struct TaskRows {
    pub(super) rows: [Row; MAX_ROWS],
    pub(super) len: usize,
    /// Rows of one head.
    pub(super) of_head: usize,
}

impl Deref for TaskRows {
    type Target = [Row];

    fn deref(&self) -> &[Row] {
        &self.rows[..self.len]
    }
}
