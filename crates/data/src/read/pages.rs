//! Parquet's pages, looked through before its columns are read.

use parquet::{
    basic::Encoding,
    column::page::{Page, PageMetadata, PageReader},
    errors::{ParquetError, Result},
};

/// Passes pages on but for data pages without a value. Arrow's writer makes such pages, and parquet's column reader takes
/// one for the column's end. Pages that lack levels of repetition are refused: skipping in them would never end.
pub(super) struct Pages {
    pub(super) pages: Box<dyn PageReader>,
    /// The column's highest level of repetition.
    pub(super) repeated: i16,
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        loop {
            match self.pages.get_next_page()? {
                Some(page) if page.num_values() == 0 && !matches!(page, Page::DictionaryPage { .. }) => {}
                Some(page) if self.repeated > 0 && !has_levels(&page, self.repeated) => {
                    return Err(ParquetError::General("a page has fewer levels than values".to_owned()));
                }
                page => return Ok(page),
            }
        }
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        loop {
            match self.pages.peek_next_page()? {
                // A page index tells of rows alone.
                Some(page) if !page.is_dict && page.num_levels.or(page.num_rows) == Some(0) => {
                    self.pages.skip_next_page()?
                }
                page => return Ok(page),
            }
        }
    }

    /// Called behind a peek, so the next page is none of the empty ones.
    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        self.pages.take_deferred_dictionary()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        match self.peek_next_page()? {
            None => Ok(true),
            Some(_) => self.pages.at_record_boundary(),
        }
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// Whether a page has a level of repetition, of at most `highest`, for every value.
fn has_levels(page: &Page, highest: i16) -> bool {
    let bits = u64::from(i16::BITS - highest.leading_zeros());
    let levels = match page {
        Page::DictionaryPage { .. } => return true,
        Page::DataPage { buf, rep_level_encoding: Encoding::RLE, .. } => {
            buf.split_first_chunk().and_then(|(bytes, rest)| {
                rest.get(..usize::try_from(u32::from_le_bytes(*bytes)).ok()?).map(|levels| runs(levels, bits))
            })
        }
        Page::DataPage { buf, .. } => Some(8 * buf.len() as u64 / bits),
        Page::DataPageV2 { buf, rep_levels_byte_len, .. } => usize::try_from(*rep_levels_byte_len)
            .ok()
            .and_then(|bytes| buf.get(..bytes))
            .map(|levels| runs(levels, bits)),
    };
    levels.is_some_and(|levels| levels >= u64::from(page.num_values()))
}

/// How many values of `bits` bits lie in Parquet's hybrid of runs of one value and packed groups of eight.
fn runs(mut bytes: &[u8], bits: u64) -> u64 {
    let mut values = 0u64;
    while let Some((header, rest)) = varint(bytes) {
        let count = header >> 1;
        let (run, length) = match header & 1 {
            0 if rest.len() as u64 >= bits.div_ceil(8) => (count, bits.div_ceil(8)),
            0 => break,
            _ => {
                let length = count.saturating_mul(bits).min(rest.len() as u64);
                (count.saturating_mul(8).min(8 * length / bits), length)
            }
        };
        values = values.saturating_add(run);
        bytes = usize::try_from(length).ok().and_then(|length| rest.get(length..)).unwrap_or_default();
    }
    values
}

/// Seven bits a byte, the lowest first, until a byte below 128; and what follows.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().take(9).position(|&byte| byte < 0x80)?;
    let (number, rest) = bytes.split_at_checked(end + 1)?;
    Some((number.iter().rev().fold(0, |sum, &byte| sum << 7 | u64::from(byte & 0x7f)), rest))
}
