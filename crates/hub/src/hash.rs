//! What files are called by their bytes.

use crate::{Error, cache::at};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{self, BufRead},
    path::Path,
};

const CHUNK: usize = 1 << 17;

/// What a file is called by its bytes, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hash {
    /// SHA-1 of what git keeps: its kind, its size, its bytes.
    Git(String),
    /// SHA-256 of its bytes: a large file.
    Sha256(String),
}

impl Hash {
    pub(crate) fn name(&self) -> &str {
        match self {
            Hash::Git(name) | Hash::Sha256(name) => name,
        }
    }

    /// Of the name of a blob, which is as long as the hash is.
    pub(crate) fn of_name(name: &str) -> Option<Hash> {
        let hexadecimal = name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match name.len() {
            40 if hexadecimal => Some(Hash::Git(name.to_owned())),
            64 if hexadecimal => Some(Hash::Sha256(name.to_owned())),
            _ => None,
        }
    }
}

/// A file's hash, of the kind that is expected.
pub(crate) fn hash_of(path: &Path, like: &Hash) -> Result<String, Error> {
    let file = File::open(path).map_err(at(path))?;
    let length = file.metadata().map_err(at(path))?.len();
    let file = io::BufReader::with_capacity(CHUNK, file);
    let bytes = match like {
        Hash::Git(_) => digest(Sha1::new_with_prefix(format!("blob {length}\0")), file),
        Hash::Sha256(_) => digest(Sha256::new(), file),
    }
    .map_err(at(path))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A hash that goes on over all that is read.
fn digest<D: Digest>(mut hash: D, mut file: impl BufRead) -> io::Result<Vec<u8>> {
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hash.finalize().to_vec());
        }
        hash.update(bytes);
        let read = bytes.len();
        file.consume(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn hashes_are_gits_and_sha_256() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "hello\n").unwrap();
        // git hash-object, sha256sum
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        let sha = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        for name in [git, sha] {
            assert_eq!(hash_of(&path, &Hash::of_name(name).unwrap()).unwrap(), name);
        }
    }
}
