//! Event files that TensorBoard reads: numbers and texts by step.
//!
//! A file is a row of TFRecords (`tensorflow/core/lib/io/record_writer.h`), each an `Event` message
//! (`tensorflow/core/util/event.proto`) with a `Summary` (`summary.proto`) in it. The few fields that are needed are
//! encoded by hand.
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process,
    time::{SystemTime, UNIX_EPOCH},
};

/// An event file being written. Every call writes one whole record to the file, so that nothing waits in a buffer.
#[derive(Debug)]
pub(crate) struct Events {
    file: File,
}

impl Events {
    /// Makes a new event file in `dir`, which is made where it is missing:
    /// `events.out.tfevents.<seconds>.<process>.smolvlm`. Files of earlier runs stay; TensorBoard reads all of them in
    /// the order of their seconds.
    ///
    /// # Errors
    /// The folder or the file cannot be made or written.
    pub(crate) fn create(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut seconds = wall_time() as u64;
        let file = loop {
            let name = format!("events.out.tfevents.{seconds}.{}.smolvlm", process::id());
            match File::create_new(dir.join(name)) {
                // A second file within the same second.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => seconds += 1,
                file => break file?,
            }
        };
        let mut events = Self { file };
        let mut event = Message::default();
        event.double(1, wall_time()).bytes(3, b"brain.Event:2");
        events.record(&event.0)?;
        Ok(events)
    }

    /// Writes numbers of a step, each under its tag (`train/loss`: what stands before the slash groups the charts).
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn scalars(&mut self, step: u64, values: &[(&str, f32)]) -> io::Result<()> {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut entry = Message::default();
            entry.bytes(1, tag.as_bytes()).float(2, *value);
            summary.bytes(1, &entry.0);
        }
        self.summary(step, &summary)
    }

    /// Writes a text of a step, which TensorBoard shows as Markdown.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn text(&mut self, step: u64, tag: &str, text: &str) -> io::Result<()> {
        const DT_STRING: u64 = 7;
        const DATA_CLASS_TENSOR: u64 = 2;
        // A tensor of no dimensions: its shape is there, and empty.
        let mut tensor = Message::default();
        tensor.varint(1, DT_STRING).bytes(2, &[]).bytes(8, text.as_bytes());
        let mut plugin = Message::default();
        plugin.bytes(1, b"text");
        let mut metadata = Message::default();
        metadata.bytes(1, &plugin.0).varint(4, DATA_CLASS_TENSOR);
        let mut entry = Message::default();
        entry.bytes(1, tag.as_bytes()).bytes(8, &tensor.0).bytes(9, &metadata.0);
        let mut summary = Message::default();
        summary.bytes(1, &entry.0);
        self.summary(step, &summary)
    }

    fn summary(&mut self, step: u64, summary: &Message) -> io::Result<()> {
        let mut event = Message::default();
        event.double(1, wall_time()).varint(2, step).bytes(5, &summary.0);
        self.record(&event.0)
    }

    /// A TFRecord: the length, its checksum, the data, its checksum; all little-endian. One write, so that a reader
    /// never waits long for the rest of a record.
    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(data.len() + 16);
        record.extend_from_slice(&length);
        record.extend_from_slice(&masked_crc(&length).to_le_bytes());
        record.extend_from_slice(data);
        record.extend_from_slice(&masked_crc(data).to_le_bytes());
        self.file.write_all(&record)?;
        self.file.flush()
    }
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |passed| passed.as_secs_f64())
}

/// A protobuf message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn raw_varint(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// An integer or an enumeration: wire type 0.
    fn varint(&mut self, field: u64, value: u64) -> &mut Self {
        self.raw_varint(field << 3).raw_varint(value)
    }

    /// Wire type 1.
    fn double(&mut self, field: u64, value: f64) -> &mut Self {
        self.raw_varint(field << 3 | 1).0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Bytes, a string or a message: wire type 2.
    fn bytes(&mut self, field: u64, value: &[u8]) -> &mut Self {
        self.raw_varint(field << 3 | 2).raw_varint(value.len() as u64).0.extend_from_slice(value);
        self
    }

    /// Wire type 5.
    fn float(&mut self, field: u64, value: f32) -> &mut Self {
        self.raw_varint(field << 3 | 5).0.extend_from_slice(&value.to_le_bytes());
        self
    }
}

/// The checksum of a TFRecord: CRC32C, rotated, plus a constant.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC32C (Castagnoli, reflected), a byte at a time: records are small and few.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        let mut crc = crc ^ u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of every record; both checksums are checked.
    fn records(mut file: &[u8]) -> Vec<&[u8]> {
        let mut records = Vec::new();
        while !file.is_empty() {
            let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
            assert_eq!(file[8..12], masked_crc(&file[..8]).to_le_bytes());
            let data = &file[12..12 + length];
            assert_eq!(file[12 + length..16 + length], masked_crc(data).to_le_bytes());
            records.push(data);
            file = &file[16 + length..];
        }
        records
    }

    fn read_varint(data: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = data[0];
            *data = &data[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    /// The fields of a message: number and content (a varint's as eight bytes).
    fn fields(mut data: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut fields = Vec::new();
        while !data.is_empty() {
            let key = read_varint(&mut data);
            let size = match key & 7 {
                0 => {
                    let value = read_varint(&mut data);
                    fields.push((key >> 3, value.to_le_bytes().to_vec()));
                    continue;
                }
                1 => 8,
                2 => read_varint(&mut data) as usize,
                5 => 4,
                wire => panic!("wire type {wire}"),
            };
            fields.push((key >> 3, data[..size].to_vec()));
            data = &data[size..];
        }
        fields
    }

    fn written(write: impl FnOnce(&mut Events)) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        write(&mut Events::create(dir.path()).unwrap());
        let path = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        fs::read(path).unwrap()
    }

    #[test]
    fn checksum_is_that_of_the_rfc() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa); // RFC 3720, B.4
        assert_eq!(masked_crc(b""), 0xa282_ead8);
    }

    #[test]
    fn scalars_read_back() {
        let file = written(|events| events.scalars(300, &[("train/loss", 0.5), ("train/lr", f32::NAN)]).unwrap());
        let records = records(&file);
        assert_eq!(records.len(), 2);
        assert_eq!(fields(records[0])[1], (3, b"brain.Event:2".to_vec()));

        let event = fields(records[1]);
        let time = f64::from_le_bytes(event[0].1.clone().try_into().unwrap());
        assert!((wall_time() - time).abs() < 60.0, "{time}");
        assert_eq!(event[1], (2, 300_u64.to_le_bytes().to_vec()));
        let values: Vec<_> = fields(&event[2].1).into_iter().map(|(_, value)| fields(&value)).collect();
        assert_eq!(values[0], [(1, b"train/loss".to_vec()), (2, 0.5_f32.to_le_bytes().to_vec())]);
        assert_eq!(values[1][0].1, b"train/lr");
        assert!(f32::from_le_bytes(values[1][1].1.clone().try_into().unwrap()).is_nan());
    }

    #[test]
    fn texts_read_back() {
        let long = "é".repeat(300);
        let file = written(|events| events.text(7, "answers", &long).unwrap());
        let event = fields(records(&file)[1]);
        let value = fields(&fields(&event[2].1)[0].1);
        assert_eq!(value[0], (1, b"answers".to_vec()));
        assert_eq!(fields(&value[1].1)[2], (8, long.into_bytes()));
        assert_eq!(fields(&fields(&value[2].1)[0].1), [(1, b"text".to_vec())]);
    }

    #[test]
    fn two_files_in_one_second() {
        let dir = tempfile::tempdir().unwrap();
        Events::create(dir.path()).unwrap();
        Events::create(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_that_is_a_file_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        Events::create(file.path()).unwrap_err();
    }
}
