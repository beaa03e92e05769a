//! Files are written: metadata, then tensors one by one.

use crate::{Kind, pack::pack};
use std::io::{self, Write};

/// Bytes to whose multiples tensors are moved.
const ALIGNMENT: u64 = 32;
const VERSION: u32 = 3;

/// A value to write.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// A whole number of 32 bits.
    U32(u32),
    /// A number of single precision.
    F32(f32),
    /// True or false.
    Bool(bool),
    /// A text.
    Text(String),
    /// Whole numbers of 32 bits.
    I32s(Vec<i32>),
    /// Numbers of single precision.
    F32s(Vec<f32>),
    /// Texts.
    Texts(Vec<String>),
}

/// A tensor to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTensor {
    /// Its name.
    pub name: String,
    /// How its weights are to be kept: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0.
    pub kind: Kind,
    /// Its sides, the slowest first; the last is whole blocks.
    pub shape: Vec<usize>,
}

/// Writes a file. `weights` makes the numbers of a tensor when it is its turn.
///
/// # Errors
/// Those of `out` and of `weights`; a tensor with other weights than its shape says, or of a kind that is not written.
pub fn write<E: From<io::Error>>(
    out: &mut dyn Write,
    metadata: &[(&str, Field)],
    tensors: &[NewTensor],
    mut weights: impl FnMut(usize, &NewTensor) -> Result<Vec<f32>, E>,
) -> Result<(), E> {
    let mut head = Vec::from(*b"GGUF");
    head.extend(VERSION.to_le_bytes());
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend((metadata.len() as u64).to_le_bytes());
    for (key, field) in metadata {
        text(key, &mut head);
        field.write(&mut head);
    }
    let mut offset = 0u64;
    for tensor in tensors {
        text(&tensor.name, &mut head);
        head.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().rev().for_each(|side| head.extend((*side as u64).to_le_bytes()));
        head.extend(tensor.kind.number().to_le_bytes());
        head.extend(offset.to_le_bytes());
        offset += tensor.bytes().next_multiple_of(ALIGNMENT);
    }
    pad(head.len() as u64, &mut head)?;
    out.write_all(&head)?;
    for (place, tensor) in tensors.iter().enumerate() {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("tensor {} {what}", tensor.name));
        let weights = weights(place, tensor)?;
        let blocks = pack(tensor.kind, &weights).ok_or_else(|| wrong("is of a kind that is not written"))?;
        if blocks.len() as u64 != tensor.bytes() {
            return Err(wrong("has not the weights that its shape says").into());
        }
        out.write_all(&blocks)?;
        pad(blocks.len() as u64, out)?;
    }
    Ok(())
}

impl NewTensor {
    fn bytes(&self) -> u64 {
        (self.shape.iter().product::<usize>() / self.kind.block() * self.kind.bytes()) as u64
    }
}

impl Field {
    fn write(&self, out: &mut Vec<u8>) {
        /// An array's kind, its elements' and their count.
        fn array(kind: u32, count: usize, out: &mut Vec<u8>) {
            out.extend(9u32.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend((count as u64).to_le_bytes());
        }
        match self {
            Field::U32(value) => {
                out.extend(4u32.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Field::F32(value) => {
                out.extend(6u32.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Field::Bool(value) => {
                out.extend(7u32.to_le_bytes());
                out.push(u8::from(*value));
            }
            Field::Text(value) => {
                out.extend(8u32.to_le_bytes());
                text(value, out);
            }
            Field::I32s(values) => {
                array(5, values.len(), out);
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Field::F32s(values) => {
                array(6, values.len(), out);
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Field::Texts(values) => {
                array(8, values.len(), out);
                values.iter().for_each(|value| text(value, out));
            }
        }
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// Zeros from a length to the next multiple of the alignment.
fn pad(length: u64, out: &mut dyn Write) -> io::Result<()> {
    const ZEROS: [u8; ALIGNMENT as usize] = [0; ALIGNMENT as usize];
    let missing = length.next_multiple_of(ALIGNMENT) - length;
    out.write_all(ZEROS.get(..missing as usize).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, Gguf, Value};

    #[test]
    fn what_is_written_is_read_again() {
        let metadata = [
            ("a", Field::U32(7)),
            ("b", Field::F32(0.5)),
            ("c", Field::Bool(true)),
            ("d", Field::Text("é".into())),
            ("e", Field::I32s(vec![-1, 2])),
            ("f", Field::F32s(vec![0.25])),
            ("g", Field::Texts(vec!["x".into(), String::new()])),
        ];
        let tensor = |name: &str, kind, shape: &[usize]| NewTensor { name: name.into(), kind, shape: shape.to_vec() };
        let counted = |_: usize, tensor: &NewTensor| -> io::Result<Vec<f32>> {
            Ok((0..tensor.shape.iter().product()).map(|i: usize| i as f32 - 3.0).collect())
        };
        let tensors = [tensor("t", Kind::F32, &[3, 5]), tensor("u", Kind::Q8_0, &[2, 32])];
        let mut file = Vec::new();
        write(&mut file, &metadata, &tensors, counted).unwrap();
        let read = Gguf::parse(&file).unwrap();
        let values: Vec<_> = read.keys().map(|key| read.value(key).unwrap().clone()).collect();
        let array = Value::Array;
        assert_eq!(
            values,
            [
                Value::Whole(7),
                Value::Real(0.5),
                Value::Bool(true),
                Value::Text("é"),
                array(Array::Whole(vec![-1, 2])),
                array(Array::Real(vec![0.25])),
                array(Array::Text(vec!["x", ""])),
            ]
        );
        let (t, u) = (read.tensor("t").unwrap(), read.tensor("u").unwrap());
        assert_eq!((t.shape.as_slice(), u.shape.as_slice()), ([3, 5].as_slice(), [2, 32].as_slice()));
        assert_eq!(t.to_f32(), (0..15).map(|i| i as f32 - 3.0).collect::<Vec<_>>());
        assert!(u.to_f32().iter().enumerate().all(|(i, x)| (x - (i as f32 - 3.0)).abs() < 0.25));
        let short = |_: usize, _: &NewTensor| -> io::Result<Vec<f32>> { Ok(vec![1.0]) };
        let error = write(&mut Vec::new(), &[], &[tensor("t", Kind::F32, &[2])], short).unwrap_err();
        assert!(error.to_string().contains("its shape"));
        let error = write(&mut Vec::new(), &[], &[tensor("t", Kind::Q6_K, &[256])], counted).unwrap_err();
        assert!(error.to_string().contains("not written"));
    }
}
