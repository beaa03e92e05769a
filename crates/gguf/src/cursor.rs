//! Reading from a file's bytes, from front to back.

use crate::Error;

/// Where reading is.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(all: &'a [u8]) -> Cursor<'a> {
        Cursor { all, at: 0 }
    }

    /// Bytes from the file's beginning.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.all.len() - self.at
    }

    /// The next bytes; `what` says in an error what they are of.
    pub(crate) fn bytes(&mut self, count: usize, what: &str) -> Result<&'a [u8], Error> {
        let rest = self.all.get(self.at..).unwrap_or_default();
        let bytes = rest.get(..count).ok_or_else(|| Error::Short { what: what.to_owned() })?;
        self.at += count;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N, what)?);
        Ok(array)
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &str) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of things, each of at least so many bytes: more than the file can hold are refused.
    pub(crate) fn count(&mut self, least: usize, what: &str) -> Result<usize, Error> {
        let count = self.u64(what)?;
        match usize::try_from(count).ok().filter(|count| count.checked_mul(least).is_some_and(|sum| sum <= self.left()))
        {
            Some(count) => Ok(count),
            None => Err(Error::Wrong {
                what: format!("{what}: {count} of them, and {} bytes follow: was it copied whole?", self.left()),
            }),
        }
    }

    /// A length, and so many bytes of UTF-8.
    pub(crate) fn text(&mut self, what: &str) -> Result<&'a str, Error> {
        let length = self.count(1, what)?;
        let bytes = self.bytes(length, what)?;
        std::str::from_utf8(bytes).map_err(|_| Error::Wrong { what: format!("{what} is not UTF-8") })
    }
}
