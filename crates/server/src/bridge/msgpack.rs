//! MessagePack as `msgpack.packb` writes it and `msgpack.unpackb` reads it (msgpack-python 1.x with its defaults).
//!
//! Invariants: nothing is allocated for lengths that the input only announces; nesting is bounded. Writing takes the
//! shortest form of a number and a length, and 64 bits for every float. Reading refuses what Python refuses: keys that
//! are neither text nor bytes, text that is not UTF-8, bytes after the end, and too deep nesting.
//! Absent on purpose: writing extensions, which no event of Parlor contains.

use super::value::{Map, MapKey, Value};

/// The deepest nesting that is read, as in Python.
const READ_DEPTH_MAX: usize = 1024;
/// The deepest nesting that is written, as in Python.
const WRITE_DEPTH_MAX: usize = 511;
/// The extension of a point in time.
const TIMESTAMP: i8 = -1;
const NANOSECONDS: u64 = 1_000_000_000;

/// Why bytes are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ends within a value.
    #[error("the input is incomplete")]
    Incomplete,
    /// More bytes follow the value.
    #[error("bytes follow the value")]
    Trailing,
    /// Text is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A key is neither text nor bytes.
    #[error("a key is neither text nor bytes")]
    Key,
    /// The byte 0xc1 begins no value.
    #[error("the byte 0xc1 begins no value")]
    Reserved,
    /// Values are nested too deeply.
    #[error("values are nested too deeply")]
    TooDeep,
    /// A point in time has a wrong length or too many nanoseconds.
    #[error("a point in time is not valid")]
    Timestamp,
}

/// Why a value is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A number has more than 64 bits.
    #[error("a number has more than 64 bits")]
    Integer,
    /// Extensions are not written.
    #[error("extensions are not written")]
    Extension,
    /// A text, a list or a dictionary has more than 2^32 - 1 parts.
    #[error("something is too long")]
    TooLong,
    /// Values are nested too deeply.
    #[error("values are nested too deeply")]
    TooDeep,
}

/// Reads one value, which must be all of the input.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = MsgpackReader { rest: bytes };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(DecodeError::Trailing) }
}

/// Writes a value.
///
/// # Errors
/// See [`EncodeError`].
pub fn encode(value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut output = Vec::new();
    write(&mut output, value, 0)?;
    Ok(output)
}

struct MsgpackReader<'a> {
    rest: &'a [u8],
}

impl MsgpackReader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let first = self.array::<1>()?[0];
        Ok(match first {
            0..=0x7f => Value::Integer(first.into()),
            0x80..=0x8f => self.map((first & 0x0f).into(), depth)?,
            0x90..=0x9f => self.list((first & 0x0f).into(), depth)?,
            0xa0..=0xbf => Value::Text(self.text((first & 0x1f).into())?),
            0xc0 => Value::Null,
            0xc1 => return Err(DecodeError::Reserved),
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xc4..=0xc6 => {
                let length = self.length(first - 0xc4)?;
                Value::Bytes(self.bytes(length)?.to_vec())
            }
            0xc7..=0xc9 => {
                let length = self.length(first - 0xc7)?;
                self.extension(length)?
            }
            0xca => Value::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => Value::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Value::Integer(u8::from_be_bytes(self.array()?).into()),
            0xcd => Value::Integer(u16::from_be_bytes(self.array()?).into()),
            0xce => Value::Integer(u32::from_be_bytes(self.array()?).into()),
            0xcf => Value::Integer(u64::from_be_bytes(self.array()?).into()),
            0xd0 => Value::Integer(i8::from_be_bytes(self.array()?).into()),
            0xd1 => Value::Integer(i16::from_be_bytes(self.array()?).into()),
            0xd2 => Value::Integer(i32::from_be_bytes(self.array()?).into()),
            0xd3 => Value::Integer(i64::from_be_bytes(self.array()?).into()),
            0xd4..=0xd8 => self.extension(1 << (first - 0xd4))?,
            0xd9..=0xdb => {
                let length = self.length(first - 0xd9)?;
                Value::Text(self.text(length)?)
            }
            0xdc | 0xdd => {
                let length = self.length(first - 0xdc + 1)?;
                self.list(length, depth)?
            }
            0xde | 0xdf => {
                let length = self.length(first - 0xde + 1)?;
                self.map(length, depth)?
            }
            0xe0..=0xff => Value::Integer(i8::from_be_bytes([first]).into()),
        })
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, DecodeError> {
        let inner = deeper(depth)?;
        let mut entries = Map::new();
        for _ in 0..length {
            let key = match self.value(inner)? {
                Value::Text(text) => MapKey::Text(text),
                Value::Bytes(bytes) => MapKey::Bytes(bytes),
                _ => return Err(DecodeError::Key),
            };
            entries.push((key, self.value(inner)?));
        }
        Ok(Value::Map(entries))
    }

    fn list(&mut self, length: usize, depth: usize) -> Result<Value, DecodeError> {
        let inner = deeper(depth)?;
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.value(inner)?);
        }
        Ok(Value::List(values))
    }

    fn text(&mut self, length: usize) -> Result<String, DecodeError> {
        let text = str::from_utf8(self.bytes(length)?).map_err(|_| DecodeError::NotUtf8)?;
        Ok(text.to_owned())
    }

    fn extension(&mut self, length: usize) -> Result<Value, DecodeError> {
        let kind = i8::from_be_bytes(self.array()?);
        let data = self.bytes(length)?;
        if kind == TIMESTAMP {
            let nanoseconds = match (data.len(), data.first_chunk::<8>(), data.first_chunk::<4>()) {
                (4, ..) => 0,
                (8, Some(all), _) => u64::from_be_bytes(*all) >> 34,
                (12, _, Some(first)) => u32::from_be_bytes(*first).into(),
                _ => return Err(DecodeError::Timestamp),
            };
            if nanoseconds >= NANOSECONDS {
                return Err(DecodeError::Timestamp);
            }
        }
        Ok(Value::Extension(kind, data.to_vec()))
    }

    /// Reads a length of 1, 2 or 4 bytes: `size` is 0, 1 or 2.
    fn length(&mut self, size: u8) -> Result<usize, DecodeError> {
        Ok(match size {
            0 => u8::from_be_bytes(self.array()?).into(),
            1 => u16::from_be_bytes(self.array()?).into(),
            _ => u32::from_be_bytes(self.array()?) as usize,
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Incomplete)?;
        self.rest = rest;
        Ok(*head)
    }

    fn bytes(&mut self, length: usize) -> Result<&[u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Incomplete)?;
        self.rest = rest;
        Ok(head)
    }
}

fn deeper(depth: usize) -> Result<usize, DecodeError> {
    if depth < READ_DEPTH_MAX { Ok(depth + 1) } else { Err(DecodeError::TooDeep) }
}

fn write(output: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), EncodeError> {
    if depth > WRITE_DEPTH_MAX {
        return Err(EncodeError::TooDeep);
    }
    match value {
        Value::Null => output.push(0xc0),
        Value::Boolean(boolean) => output.push(if *boolean { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => write_integer(output, *number)?,
        Value::Float(number) => {
            output.push(0xcb);
            output.extend(number.to_be_bytes());
        }
        Value::Text(text) => write_text(output, text)?,
        Value::Bytes(bytes) => write_bytes(output, bytes)?,
        Value::List(values) => {
            write_length(output, values.len(), Some((0x90, 15)), [None, Some(0xdc), Some(0xdd)])?;
            for value in values {
                write(output, value, depth + 1)?;
            }
        }
        Value::Map(entries) => {
            write_length(output, entries.len(), Some((0x80, 15)), [None, Some(0xde), Some(0xdf)])?;
            for (key, value) in entries {
                match key {
                    MapKey::Text(text) => write_text(output, text)?,
                    MapKey::Bytes(bytes) => write_bytes(output, bytes)?,
                }
                write(output, value, depth + 1)?;
            }
        }
        Value::Extension(..) => return Err(EncodeError::Extension),
    }
    Ok(())
}

fn write_text(output: &mut Vec<u8>, text: &str) -> Result<(), EncodeError> {
    write_length(output, text.len(), Some((0xa0, 31)), [Some(0xd9), Some(0xda), Some(0xdb)])?;
    output.extend(text.as_bytes());
    Ok(())
}

fn write_bytes(output: &mut Vec<u8>, bytes: &[u8]) -> Result<(), EncodeError> {
    write_length(output, bytes.len(), None, [Some(0xc4), Some(0xc5), Some(0xc6)])?;
    output.extend(bytes);
    Ok(())
}

/// Writes a length: within the first byte if it fits there, else after the first byte for 1, 2 or 4 bytes.
fn write_length(
    output: &mut Vec<u8>,
    length: usize,
    within: Option<(u8, u8)>,
    [one, two, four]: [Option<u8>; 3],
) -> Result<(), EncodeError> {
    if let (Some((first, max)), Ok(short)) = (within, u8::try_from(length))
        && short <= max
    {
        output.push(first | short);
    } else if let (Some(first), Ok(length)) = (one, u8::try_from(length)) {
        output.extend([first, length]);
    } else if let (Some(first), Ok(length)) = (two, u16::try_from(length)) {
        output.push(first);
        output.extend(length.to_be_bytes());
    } else if let (Some(first), Ok(length)) = (four, u32::try_from(length)) {
        output.push(first);
        output.extend(length.to_be_bytes());
    } else {
        return Err(EncodeError::TooLong);
    }
    Ok(())
}

fn write_integer(output: &mut Vec<u8>, number: i128) -> Result<(), EncodeError> {
    if let Ok(number) = u64::try_from(number) {
        match number {
            0..=0x7f => output.push(u8::try_from(number).expect("less than 128")),
            0x80..=0xff => output.extend([0xcc, u8::try_from(number).expect("less than 256")]),
            0x100..=0xffff => push(output, 0xcd, &number.to_be_bytes()[6..]),
            0x1_0000..=0xffff_ffff => push(output, 0xce, &number.to_be_bytes()[4..]),
            _ => push(output, 0xcf, &number.to_be_bytes()),
        }
        return Ok(());
    }
    let number = i64::try_from(number).map_err(|_| EncodeError::Integer)?;
    let bytes = number.to_be_bytes();
    match number {
        -32.. => output.push(bytes[7]),
        -0x80..-32 => push(output, 0xd0, &bytes[7..]),
        -0x8000..-0x80 => push(output, 0xd1, &bytes[6..]),
        -0x8000_0000..-0x8000 => push(output, 0xd2, &bytes[4..]),
        _ => push(output, 0xd3, &bytes),
    }
    Ok(())
}

fn push(output: &mut Vec<u8>, first: u8, bytes: &[u8]) {
    output.push(first);
    output.extend(bytes);
}
