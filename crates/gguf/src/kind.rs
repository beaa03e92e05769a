//! The types of weights.

use crate::unpack;
use std::borrow::Cow;

/// How weights are kept: in blocks of so many, of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, non_camel_case_types)] // named as ggml names them
pub enum Kind {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
}

use Kind::*;

/// Each with its number in files, its name, its weights a block and its bytes a block.
const KINDS: &[(Kind, u32, &str, usize, usize)] = &[
    (F32, 0, "F32", 1, 4),
    (F16, 1, "F16", 1, 2),
    (Q4_0, 2, "Q4_0", 32, 18),
    (Q4_1, 3, "Q4_1", 32, 20),
    (Q5_0, 6, "Q5_0", 32, 22),
    (Q5_1, 7, "Q5_1", 32, 24),
    (Q8_0, 8, "Q8_0", 32, 34),
    (Q2_K, 10, "Q2_K", 256, 84),
    (Q3_K, 11, "Q3_K", 256, 110),
    (Q4_K, 12, "Q4_K", 256, 144),
    (Q5_K, 13, "Q5_K", 256, 176),
    (Q6_K, 14, "Q6_K", 256, 210),
    (IQ4_NL, 20, "IQ4_NL", 32, 18),
    (IQ4_XS, 23, "IQ4_XS", 256, 136),
    (BF16, 30, "BF16", 1, 2),
];

/// Numbers of types that are not read, with their names.
const OTHERS: &[(u32, &str)] = &[
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

impl Kind {
    /// The type of a number, or what it is called.
    pub(crate) fn of(number: u32) -> Result<Kind, String> {
        let found = KINDS.iter().find(|kind| kind.1 == number).map(|kind| kind.0);
        let other = || OTHERS.iter().find(|other| other.0 == number).map(|other| other.1.to_owned());
        found.ok_or_else(|| other().unwrap_or_else(|| format!("number {number}")))
    }

    fn row(self) -> (Kind, u32, &'static str, usize, usize) {
        // All of them are in it.
        KINDS.iter().find(|kind| kind.0 == self).copied().unwrap_or((self, 0, "F32", 1, 4))
    }

    /// Its number in files.
    pub(crate) fn number(self) -> u32 {
        self.row().1
    }

    /// The type of a name, in letters of either case.
    pub fn named(name: &str) -> Option<Kind> {
        KINDS.iter().find(|kind| kind.2.eq_ignore_ascii_case(name)).map(|kind| kind.0)
    }

    /// The names of those that are written.
    pub fn written() -> String {
        let written = KINDS.iter().filter(|kind| kind.0.is_written());
        written.map(|kind| kind.2).collect::<Vec<_>>().join(", ")
    }

    /// Whether files are written with it.
    pub fn is_written(self) -> bool {
        matches!(self, F32 | F16 | BF16 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q8_0)
    }

    /// What `general.file_type` says of a file whose matrices are mostly of it (`llama_ftype` of `llama.h`).
    pub fn file_type(self) -> u32 {
        match self {
            F16 => 1,
            Q4_0 => 2,
            Q4_1 => 3,
            Q8_0 => 7,
            Q5_0 => 8,
            Q5_1 => 9,
            BF16 => 32,
            _ => 0,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Weights of a block.
    pub fn block(self) -> usize {
        self.row().3
    }

    /// Bytes of a block.
    pub fn bytes(self) -> usize {
        self.row().4
    }

    /// Blocks as f32.
    pub fn to_f32(self, blocks: &[u8]) -> Vec<f32> {
        let mut weights = vec![0.0; blocks.len() / self.bytes() * self.block()];
        unpack::unpack(self, blocks, &mut weights);
        weights
    }

    /// Blocks of whole numbers with one scale as those of Q8_0, which holds them without loss; none of other kinds.
    pub fn to_q8_0(self, blocks: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Q8_0 => Some(Cow::Borrowed(blocks)),
            Q4_0 | Q5_0 | IQ4_NL => {
                Some(Cow::Owned(blocks.chunks_exact(self.bytes()).flat_map(|b| self.one_as_q8_0(b)).collect()))
            }
            _ => None,
        }
    }

    /// A block: what its numbers are by a scale of one are its whole numbers.
    fn one_as_q8_0(self, block: &[u8]) -> impl Iterator<Item = u8> + '_ {
        const ONE: [u8; 2] = 0x3C00u16.to_le_bytes();
        let (scale, codes) = block.split_at(ONE.len().min(block.len()));
        let whole = self.to_f32(&[&ONE, codes].concat());
        scale.iter().copied().chain(whole.into_iter().map(|x| x as i8 as u8))
    }

    /// The names of all, for messages.
    pub fn known() -> String {
        KINDS.iter().map(|kind| kind.2).collect::<Vec<_>>().join(", ")
    }
}
