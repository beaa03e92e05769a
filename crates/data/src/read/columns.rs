//! Parquet's columns become rows again: values with the levels at which they are defined and repeated, as Dremel has it.

use super::cell::{Cell, Fields};
use parquet::{
    basic::{ConvertedType, LogicalType, Repetition, Type as Physical},
    column::reader::ColumnReader,
    data_type::ByteArray,
    errors::ParquetError,
    schema::types::{SchemaDescriptor, Type},
};
use std::{collections::VecDeque, ops::Range, sync::Arc};

/// No schema of training data nests as deep.
const MAX_DEPTH: u32 = 32;

/// A column of values.
#[derive(Debug)]
pub(super) struct Leaf {
    /// Its index in the file.
    pub(super) column: usize,
    /// The definition level of a value that is there.
    defined: i16,
    text: bool,
}

/// A field of the schema.
#[derive(Debug)]
pub(super) struct Node {
    /// From this definition level on the field is there; below, it or what it lies in is null.
    there: i16,
    /// Its leaves, among those that are read.
    leaves: Range<usize>,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Leaf,
    Group(Vec<(String, Node)>),
    /// From the definition level `filled` on there is an element; one with the repetition level `again` has another
    /// before it.
    List {
        filled: i16,
        again: i16,
        item: Box<Node>,
    },
}

/// The columns of a file that are read.
pub(super) struct Columns {
    /// The fields that they are of, by name.
    pub(super) fields: Vec<(String, Node)>,
    pub(super) leaves: Vec<Leaf>,
}

/// One row's values of a leaf.
pub(super) struct Values {
    /// The levels of repetition and definition of each place.
    levels: VecDeque<(i16, i16)>,
    /// The values of the places that have one.
    cells: VecDeque<Cell>,
    defined: i16,
}

/// Walks through a schema.
struct Schema {
    /// How many leaves lie before.
    column: usize,
    leaves: Vec<Leaf>,
}

impl Node {
    /// The fields of the first rank that `read` names, and their leaves.
    pub(super) fn columns(schema: &SchemaDescriptor, read: &dyn Fn(&str) -> bool) -> Result<Columns, String> {
        let mut walk = Schema { column: 0, leaves: Vec::new() };
        let mut fields = Vec::new();
        for field in schema.root_schema().get_fields() {
            if read(field.name()) {
                fields.push((field.name().to_owned(), walk.node(field, 0, 0, 0)?));
            } else {
                walk.column += leaves(field, 0)?;
            }
        }
        Ok(Columns { fields, leaves: walk.leaves })
    }

    /// The field of one row, whose values it takes away.
    pub(super) fn assemble(&self, values: &mut [Values]) -> Result<Cell, String> {
        let first = |values: &[Values]| {
            let levels = values.get(self.leaves.start).and_then(|values| values.levels.front().copied());
            levels.ok_or("the columns have values of different rows")
        };
        let (_, defined) = first(values)?;
        if defined < self.there {
            self.drop_place(values)?;
            return Ok(Cell::Null);
        }
        match &self.shape {
            Shape::Leaf => values.get_mut(self.leaves.start).ok_or("a column is missing")?.take(),
            Shape::Group(fields) => {
                let fields = fields.iter().map(|(name, node)| Ok((name.clone(), node.assemble(values)?)));
                Ok(Cell::Map(Fields(fields.collect::<Result<_, String>>()?)))
            }
            Shape::List { filled, .. } if defined < *filled => {
                self.drop_place(values)?;
                Ok(Cell::List(Vec::new()))
            }
            Shape::List { again, item, .. } => {
                let mut list = Vec::new();
                loop {
                    list.push(item.assemble(values)?);
                    if first(values).is_ok_and(|(repeated, _)| repeated == *again) {
                        continue;
                    }
                    return Ok(Cell::List(list));
                }
            }
        }
    }

    /// Takes the one place away that a null or an empty list has in every leaf.
    fn drop_place(&self, values: &mut [Values]) -> Result<(), String> {
        for values in values.get_mut(self.leaves.clone()).unwrap_or_default() {
            values.levels.pop_front().ok_or("the columns have values of different rows")?;
        }
        Ok(())
    }
}

impl Schema {
    /// A field, by the definition and repetition levels of what it lies in.
    fn node(&mut self, field: &Type, defined: i16, repeated: i16, depth: u32) -> Result<Node, String> {
        if is(field, Repetition::REPEATED) {
            // A repeated field outside a list is a list that is never null.
            return self.list(field, field, defined, repeated, depth);
        }
        let there = if is(field, Repetition::OPTIONAL) { defined + 1 } else { defined };
        match field {
            Type::GroupType { fields, .. } if is_list(field) => match fields.as_slice() {
                [inner] if is(inner, Repetition::REPEATED) => self.list(inner, item(inner), there, repeated, depth),
                _ => self.inside(field, there, repeated, depth),
            },
            _ => self.inside(field, there, repeated, depth),
        }
    }

    /// A field that is there from the definition level `there` on: a leaf, or a group's fields.
    fn inside(&mut self, field: &Type, there: i16, repeated: i16, depth: u32) -> Result<Node, String> {
        let start = self.leaves.len();
        let shape = match field {
            _ if depth > MAX_DEPTH => return Err(format!("its schema is nested deeper than {MAX_DEPTH}")),
            Type::PrimitiveType { .. } => {
                self.leaf(field, there)?;
                Shape::Leaf
            }
            Type::GroupType { fields, .. } if fields.is_empty() => {
                return Err(format!("its field {:?} is a group of nothing", field.name()));
            }
            Type::GroupType { fields, .. } => {
                let node =
                    |field: &Arc<Type>| Ok((field.name().to_owned(), self.node(field, there, repeated, depth + 1)?));
                Shape::Group(fields.iter().map(node).collect::<Result<_, String>>()?)
            }
        };
        Ok(Node { there, leaves: start..self.leaves.len(), shape })
    }

    /// A list that is there from the definition level `there` on; `inner` repeats, `item` is its element. An element that
    /// is what repeats itself is never null.
    fn list(&mut self, inner: &Type, item: &Type, there: i16, repeated: i16, depth: u32) -> Result<Node, String> {
        let start = self.leaves.len();
        let (filled, again) = (there + 1, repeated + 1);
        let item = match std::ptr::eq(inner, item) {
            true => self.inside(item, filled, again, depth)?,
            false => self.node(item, filled, again, depth + 1)?,
        };
        Ok(Node { there, leaves: start..self.leaves.len(), shape: Shape::List { filled, again, item: Box::new(item) } })
    }

    fn leaf(&mut self, field: &Type, defined: i16) -> Result<(), String> {
        let info = field.get_basic_info();
        if matches!(field.get_physical_type(), Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY) {
            return Err(format!("its column {:?} is of a type that holds no text, number or picture", field.name()));
        }
        let text = matches!(info.logical_type_ref(), Some(LogicalType::String | LogicalType::Json | LogicalType::Enum))
            || matches!(info.converted_type(), ConvertedType::UTF8 | ConvertedType::JSON | ConvertedType::ENUM);
        self.leaves.push(Leaf { column: self.column, defined, text });
        self.column += 1;
        Ok(())
    }
}

fn is_list(field: &Type) -> bool {
    let info = field.get_basic_info();
    matches!(info.logical_type_ref(), Some(LogicalType::List)) || info.converted_type() == ConvertedType::LIST
}

fn is(field: &Type, repetition: Repetition) -> bool {
    let info = field.get_basic_info();
    info.has_repetition() && info.repetition() == repetition
}

/// A list's element: the one field of the group that repeats, or, as old writers have it, what repeats itself.
fn item(inner: &Type) -> &Type {
    match inner {
        Type::GroupType { fields, .. } if inner.name() != "array" && !inner.name().ends_with("_tuple") => {
            if let [only] = fields.as_slice() { only } else { inner }
        }
        _ => inner,
    }
}

/// How many leaves a field has.
fn leaves(field: &Type, depth: u32) -> Result<usize, String> {
    match field {
        _ if depth > MAX_DEPTH => Err(format!("its schema is nested deeper than {MAX_DEPTH}")),
        Type::PrimitiveType { .. } => Ok(1),
        Type::GroupType { fields, .. } => fields.iter().map(|field| leaves(field, depth + 1)).sum(),
    }
}

impl Values {
    /// Skips `skip` rows and reads one.
    pub(super) fn read(reader: &mut ColumnReader, leaf: &Leaf, skip: usize) -> Result<Self, String> {
        let wrong = |e: ParquetError| e.to_string();
        let (mut defined, mut repeated) = (Vec::new(), Vec::new());
        macro_rules! row {
            ($reader:ident, $type:ty, $cell:expr) => {{
                let mut values: Vec<$type> = Vec::new();
                if skip > 0 && $reader.skip_records(skip).map_err(wrong)? != skip {
                    return Err("its column ends before the row".to_owned());
                }
                let (rows, _, levels) =
                    $reader.read_records(1, Some(&mut defined), Some(&mut repeated), &mut values).map_err(wrong)?;
                if rows != 1 {
                    return Err("its column ends before the row".to_owned());
                }
                (levels, values.into_iter().map($cell).collect::<Result<VecDeque<Cell>, String>>()?)
            }};
        }
        let bytes = |value: ByteArray| match leaf.text {
            true => super::cell::text(value.data().to_vec()).map(Cell::Text),
            false => Ok(Cell::Bytes(value.data().to_vec())),
        };
        let (levels, cells) = match reader {
            ColumnReader::ByteArrayColumnReader(reader) => row!(reader, ByteArray, bytes),
            ColumnReader::BoolColumnReader(reader) => row!(reader, bool, |value| Ok(Cell::Bool(value))),
            ColumnReader::Int32ColumnReader(reader) => row!(reader, i32, |value| Ok(Cell::Number(value.to_string()))),
            ColumnReader::Int64ColumnReader(reader) => row!(reader, i64, |value| Ok(Cell::Number(value.to_string()))),
            ColumnReader::FloatColumnReader(reader) => row!(reader, f32, |value| Ok(Cell::Number(value.to_string()))),
            ColumnReader::DoubleColumnReader(reader) => row!(reader, f64, |value| Ok(Cell::Number(value.to_string()))),
            ColumnReader::Int96ColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => {
                return Err("its column is of a type that holds no text, number or picture".to_owned());
            }
        };
        // Columns that cannot be null, or do not repeat, have no levels.
        if defined.is_empty() {
            defined.resize(levels, leaf.defined);
        }
        if repeated.is_empty() {
            repeated.resize(levels, 0);
        }
        Ok(Self { levels: repeated.into_iter().zip(defined).collect(), cells, defined: leaf.defined })
    }

    /// The value of the next place.
    fn take(&mut self) -> Result<Cell, String> {
        let (_, defined) = self.levels.pop_front().ok_or("the columns have values of different rows")?;
        if defined < self.defined {
            return Ok(Cell::Null);
        }
        self.cells.pop_front().ok_or_else(|| "a column has fewer values than its levels say".to_owned())
    }
}
