//! What metadata hold.

use crate::{Error, cursor::Cursor};

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Any whole number.
    Whole(i128),
    /// A number of either precision.
    Real(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// Several of one kind.
    Array(Array<'a>),
}

/// Several values of one kind, as far as models use them.
#[derive(Debug, Clone, PartialEq)]
pub enum Array<'a> {
    /// Whole numbers; true and false count as 1 and 0.
    Whole(Vec<i128>),
    /// Numbers of either precision.
    Real(Vec<f64>),
    /// Texts.
    Text(Vec<&'a str>),
}

/// The kinds, as files number them.
const U8: u32 = 0;
const I8: u32 = 1;
const U16: u32 = 2;
const I16: u32 = 3;
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;
const U64: u32 = 10;
const I64: u32 = 11;
const F64: u32 = 12;

impl<'a> Value<'a> {
    /// Reads a value's kind and the value.
    pub(crate) fn read(cursor: &mut Cursor<'a>, key: &str) -> Result<Value<'a>, Error> {
        match cursor.u32(key)? {
            ARRAY => Ok(Value::Array(Array::read(cursor, key)?)),
            kind => Value::one(cursor, kind, key),
        }
    }

    fn one(cursor: &mut Cursor<'a>, kind: u32, key: &str) -> Result<Value<'a>, Error> {
        if kind == TEXT {
            return Ok(Value::Text(cursor.text(key)?));
        }
        let bytes = cursor.bytes(width(kind, key)?, key)?;
        let mut wide = [0; 8];
        wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let raw = u64::from_le_bytes(wide);
        Ok(match kind {
            BOOL => Value::Bool(raw != 0),
            F32 => Value::Real(f32::from_bits(raw as u32).into()),
            F64 => Value::Real(f64::from_bits(raw)),
            I8 => Value::Whole((raw as i8).into()),
            I16 => Value::Whole((raw as i16).into()),
            I32 => Value::Whole((raw as i32).into()),
            I64 => Value::Whole((raw as i64).into()),
            _ => Value::Whole(raw.into()),
        })
    }
}

impl<'a> Array<'a> {
    fn read(cursor: &mut Cursor<'a>, key: &str) -> Result<Array<'a>, Error> {
        let kind = cursor.u32(key)?;
        // A text takes its length at least.
        let count = cursor.count(if kind == TEXT { 8 } else { width(kind, key)? }, key)?;
        let values = (0..count).map(|_| Value::one(cursor, kind, key));
        Ok(match kind {
            TEXT => Array::Text(list(values, |value| match value {
                Value::Text(text) => Some(text),
                _ => None,
            })?),
            F32 | F64 => Array::Real(list(values, |value| match value {
                Value::Real(value) => Some(value),
                _ => None,
            })?),
            _ => Array::Whole(list(values, |value| match value {
                Value::Whole(value) => Some(value),
                Value::Bool(value) => Some(value.into()),
                _ => None,
            })?),
        })
    }
}

/// Values of the kind that `of` knows; a list's are all of one.
fn list<'a, T>(
    values: impl Iterator<Item = Result<Value<'a>, Error>>,
    of: impl Fn(Value<'a>) -> Option<T>,
) -> Result<Vec<T>, Error> {
    values.filter_map(|value| value.map(&of).transpose()).collect()
}

/// Bytes of a value.
fn width(kind: u32, key: &str) -> Result<usize, Error> {
    match kind {
        U8 | I8 | BOOL => Ok(1),
        U16 | I16 => Ok(2),
        U32 | I32 | F32 => Ok(4),
        U64 | I64 | F64 => Ok(8),
        ARRAY => Err(Error::Wrong { what: format!("{key} is an array of arrays; no model has one") }),
        kind => Err(Error::Wrong { what: format!("{key} is of the kind {kind}; kinds 0 to 12 are known") }),
    }
}
