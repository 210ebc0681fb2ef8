//! The framing of RFC 6455 as a server reads it: heads, masks, fragments and text, without any IO.
//!
//! Invariants: an error is reported as soon as it can be detected, also within a frame (text that is not UTF-8); only
//! bytes of the current message are kept; a message never exceeds its limit, whatever a head announces. Absent on
//! purpose: extensions, and the client's side.

use bytes::{Buf as _, BytesMut};

/// The maximum content of a control frame.
const CONTROL_BYTES_MAX: usize = 125;
/// The bit of a head that marks the last fragment of a message.
const LAST: u8 = 0x80;
/// The bit that says that the content is masked.
const MASKED: u8 = 0x80;
/// The maximum head: two bytes, eight for the length, four for the mask.
const HEAD_BYTES_MAX: usize = 14;

/// A message from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Text, checked to be UTF-8.
    Text(BytesMut),
    /// Bytes.
    Binary(BytesMut),
    /// Must be answered with a pong of the same content.
    Ping(BytesMut),
    /// The answer to a ping, or unsolicited.
    Pong,
    /// A close; with its code, if it has one.
    Close(Option<u16>),
}

/// Why the rest cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// A violation of the framing.
    #[error("a protocol error: {0}")]
    Protocol(&'static str),
    /// Text, or the reason of a close frame, that is not UTF-8.
    #[error("text that is not UTF-8")]
    NotUtf8,
    /// A message over its limit.
    #[error("a message over its limit")]
    TooLarge,
}

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first frame of a text, or a continuation of it.
    Text,
    /// The same for bytes.
    Binary,
    /// A control frame.
    Ping,
    /// A control frame.
    Pong,
    /// A control frame.
    Close,
}

/// The head of a frame whose content is still arriving.
#[derive(Clone, Copy, Debug)]
struct FrameHead {
    kind: Kind,
    is_last: bool,
    mask: [u8; 4],
    /// Bytes of content that have not arrived yet.
    rest: usize,
}

/// A step of reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A frame begins, with this many bytes of content.
    Began(Kind, usize),
    /// A message or a control frame is complete.
    Whole(Message),
    /// More bytes are needed.
    Wanting,
}

/// What has arrived of a message, and of a control frame between its fragments.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    head: Option<FrameHead>,
    /// The kind of the message in progress, whose last fragment has not arrived.
    message: Option<Kind>,
    content: BytesMut,
    /// How much of a text is validated as UTF-8.
    checked: usize,
    /// Content of a control frame.
    control: BytesMut,
}

impl Decoder {
    /// Continues to read. Takes the bytes from `input` that it has processed.
    ///
    /// # Errors
    /// See [`Fault`]; nothing may be read after one.
    pub(crate) fn step(&mut self, input: &mut BytesMut, bytes_max: usize) -> Result<Step, Fault> {
        let Some(mut head) = self.head else {
            let Some((head, length)) = self.head(input, bytes_max)? else { return Ok(Step::Wanting) };
            self.head = Some(head);
            return Ok(Step::Began(head.kind, length));
        };
        let came = head.rest.min(input.len());
        let into = if head.kind.is_control() { &mut self.control } else { &mut self.content };
        let from = into.len();
        into.extend_from_slice(&input[..came]);
        input.advance(came);
        unmask(&mut into[from..], &mut head.mask);
        head.rest -= came;
        self.head = (head.rest > 0).then_some(head);
        if head.kind == Kind::Text {
            self.check_text(head.rest == 0 && head.is_last)?;
        }
        if head.rest > 0 {
            return Ok(Step::Wanting);
        }
        if head.kind.is_control() {
            return control(head.kind, std::mem::take(&mut self.control)).map(Step::Whole);
        }
        if !head.is_last {
            self.message = Some(head.kind);
            // The next head may have arrived already.
            return self.step(input, bytes_max);
        }
        self.message = None;
        self.checked = 0;
        let content = std::mem::take(&mut self.content);
        Ok(Step::Whole(if head.kind == Kind::Text { Message::Text(content) } else { Message::Binary(content) }))
    }

    /// Returns bytes that bring a new decoder to where this one is: what has arrived of a message as a fragment of its
    /// own, and the beginning of the frame that is still arriving.
    pub(crate) fn into_bytes(self) -> BytesMut {
        let mut bytes = BytesMut::new();
        let current = self.head.filter(|head| !head.kind.is_control());
        let message = self.message.or(current.map(|head| head.kind));
        if let Some(kind) = message {
            begin(&mut bytes, kind.opcode(), self.content.len(), [0; 4]);
            bytes.extend_from_slice(&self.content);
        }
        match self.head {
            Some(head) if head.kind.is_control() => {
                let came = self.control.len();
                let mut mask = head.mask;
                // It was rotated to the next byte.
                mask.rotate_right(came % 4);
                begin(&mut bytes, LAST | head.kind.opcode(), came + head.rest, mask);
                let from = bytes.len();
                bytes.extend_from_slice(&self.control);
                unmask(&mut bytes[from..], &mut mask);
            }
            Some(head) => begin(&mut bytes, if head.is_last { LAST } else { 0 }, head.rest, head.mask),
            None => {}
        }
        bytes
    }

    /// Returns how many bytes of the current frame have not arrived yet.
    pub(crate) fn rest(&self) -> usize {
        self.head.map_or(0, |head| head.rest)
    }

    /// Reads a head, if it is complete, and how much content it announces.
    fn head(&self, input: &mut BytesMut, bytes_max: usize) -> Result<Option<(FrameHead, usize)>, Fault> {
        let &[first, second, ref more @ ..] = &input[..input.len().min(HEAD_BYTES_MAX)] else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Fault::Protocol("a reserved bit is set"));
        }
        let is_last = first & 0x80 != 0;
        let kind = match (first & 0x0f, self.message) {
            (0, Some(kind)) => kind,
            (0, None) => return Err(Fault::Protocol("a continuation without a beginning")),
            (1 | 2, Some(_)) => return Err(Fault::Protocol("a message begins within another")),
            (1, None) => Kind::Text,
            (2, None) => Kind::Binary,
            (8, _) => Kind::Close,
            (9, _) => Kind::Ping,
            (10, _) => Kind::Pong,
            _ => return Err(Fault::Protocol("a reserved opcode")),
        };
        if second & 0x80 == 0 {
            return Err(Fault::Protocol("a frame without a mask"));
        }
        if kind.is_control() && (!is_last || second & 0x7f > 125) {
            return Err(Fault::Protocol("a control frame in fragments or of more than 125 bytes"));
        }
        let (length, mask) = match (second & 0x7f, more) {
            (126 | 127, _) => {
                let width = if second & 0x7f == 126 { 2 } else { 8 };
                let Some((length, mask)) = more.split_at_checked(width) else { return Ok(None) };
                (length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)), mask)
            }
            (length, mask) => (u64::from(length), mask),
        };
        if length >> 63 != 0 {
            return Err(Fault::Protocol("a length of 64 bits"));
        }
        let buffered = if kind.is_control() { 0 } else { self.content.len() };
        let length = usize::try_from(length).ok().filter(|length| *length <= bytes_max.saturating_sub(buffered));
        // A control frame is short, whatever the limit.
        let length = if kind.is_control() { Some(usize::from(second & 0x7f)) } else { length };
        let rest = length.ok_or(Fault::TooLarge)?;
        let &[a, b, c, d, ..] = mask else { return Ok(None) };
        let head_bytes = 6 + match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        input.advance(head_bytes);
        Ok(Some((FrameHead { kind, is_last, mask: [a, b, c, d], rest }, rest)))
    }

    /// Validates the text that has arrived; its last character may be incomplete unless it is `whole`.
    fn check_text(&mut self, whole: bool) -> Result<(), Fault> {
        match std::str::from_utf8(&self.content[self.checked..]) {
            Ok(_) => self.checked = self.content.len(),
            Err(error) if error.error_len().is_none() && !whole => self.checked += error.valid_up_to(),
            Err(_) => return Err(Fault::NotUtf8),
        }
        Ok(())
    }
}

impl Kind {
    const fn opcode(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    /// Returns whether it may come between the fragments of a message.
    pub(crate) const fn is_control(self) -> bool {
        matches!(self, Self::Ping | Self::Pong | Self::Close)
    }
}

fn control(kind: Kind, content: BytesMut) -> Result<Message, Fault> {
    match kind {
        Kind::Ping => Ok(Message::Ping(content)),
        Kind::Close => closing(&content),
        _ => Ok(Message::Pong),
    }
}

/// Checks that a code may be sent (RFC 6455, section 7.4, and its registry).
fn closing(content: &[u8]) -> Result<Message, Fault> {
    let code = match content {
        [] => return Ok(Message::Close(None)),
        [_] => return Err(Fault::Protocol("half a close code")),
        &[a, b, ref reason @ ..] => {
            std::str::from_utf8(reason).map_err(|_| Fault::NotUtf8)?;
            u16::from_be_bytes([a, b])
        }
    };
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Message::Close(Some(code))),
        _ => Err(Fault::Protocol("a close code that may not be sent")),
    }
}

/// Unmasks bytes, and rotates the mask to the next byte.
fn unmask(content: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let eight = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = content.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ eight).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    mask.rotate_left(rest.len() % 4);
}

/// Writes the head of a frame of a client into a buffer.
fn begin(output: &mut BytesMut, first: u8, length: usize, mask: [u8; 4]) {
    match u8::try_from(length) {
        Ok(short) if length <= CONTROL_BYTES_MAX => output.extend_from_slice(&[first, MASKED | short]),
        _ => {
            output.extend_from_slice(&[first, MASKED | 127]);
            output.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    output.extend_from_slice(&mask);
}

/// Writes a frame with a whole message into a buffer.
pub(crate) fn encode(output: &mut BytesMut, opcode: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    output.reserve(length + 10);
    output.extend_from_slice(&[0x80 | opcode]);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if usize::from(short) <= CONTROL_BYTES_MAX => output.extend_from_slice(&[short]),
        (_, Ok(medium)) => {
            output.extend_from_slice(&[126]);
            output.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            output.extend_from_slice(&[127]);
            output.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    for part in parts {
        output.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a frame as a client does.
    fn write(bytes: &mut BytesMut, first: u8, content: &[u8], mut mask: [u8; 4]) {
        begin(bytes, first, content.len(), mask);
        let from = bytes.len();
        bytes.extend_from_slice(content);
        unmask(&mut bytes[from..], &mut mask);
    }

    fn read(decoder: &mut Decoder, input: &mut BytesMut) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            match decoder.step(input, 1000).expect("well-formed") {
                Step::Began(..) => {}
                Step::Whole(message) => messages.push(message),
                Step::Wanting => return messages,
            }
        }
    }

    #[test]
    fn a_decoder_goes_on_in_another_one_wherever_the_bytes_were_cut() {
        let mut bytes = BytesMut::new();
        write(&mut bytes, LAST | 1, "a whole frame, ein ganzer, ένα".as_bytes(), [1, 2, 3, 4]);
        write(&mut bytes, 1, "έν".as_bytes().split_at(3).0, [9, 8, 7, 6]);
        write(&mut bytes, LAST | 9, b"a ping between", [5, 6, 7, 8]);
        write(&mut bytes, 0, "έν".as_bytes().split_at(3).1, [0, 255, 0, 255]);
        write(&mut bytes, LAST, &[b'x'; 300], [11, 12, 13, 14]);
        write(&mut bytes, LAST | 2, &[0; 7], [3, 1, 4, 1]);
        write(&mut bytes, LAST | 8, &1001u16.to_be_bytes(), [2, 7, 1, 8]);
        let expected = read(&mut Decoder::default(), &mut bytes.clone());
        assert_eq!(expected.len(), 5);
        for cut in 0..=bytes.len() {
            let mut first = Decoder::default();
            let mut input = BytesMut::from(&bytes[..cut]);
            let mut messages = read(&mut first, &mut input);
            let mut carried = first.into_bytes();
            carried.extend_from_slice(&input);
            let mut second = Decoder::default();
            messages.extend(read(&mut second, &mut carried));
            carried.extend_from_slice(&bytes[cut..]);
            messages.extend(read(&mut second, &mut carried));
            assert_eq!(messages, expected, "cut at {cut}");
        }
    }
}
