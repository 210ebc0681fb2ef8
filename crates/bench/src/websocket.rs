//! A lean WebSocket client: no buffer while idle, frames borrowed from one shared buffer.
//!
//! `parlor_client::socket` parses every frame into a JSON value and keeps 128 KiB per socket, which is right for tests
//! and would make the generator the bottleneck here. This client reads only what the server may send: complete,
//! unmasked frames. Its own frames are masked with zeros, which the server unmasks like any other.

use crate::Result;
use std::{
    cell::RefCell,
    io,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
};
use tokio::net::{TcpSocket, TcpStream};

/// The most bytes of one read, on any socket.
const BUFFER_BYTES: usize = 256 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// An open socket.
pub(crate) struct Socket {
    stream: Rc<TcpStream>,
    /// The start of an incomplete frame.
    rest: Vec<u8>,
}

impl Socket {
    /// Opens a socket from this address, with this user's token.
    pub(crate) async fn open(server: SocketAddr, from: Ipv4Addr, token: &str) -> Result<Self> {
        let headers =
            format!("Host: {server}\r\nSec-WebSocket-Protocol: parlor.v1\r\nAuthorization: Bearer {token}\r\n");
        Self::open_at(server, from, "/v1/socket", &headers).await
    }

    /// Opens a socket at a path, with these lines of headers.
    pub(crate) async fn open_at(server: SocketAddr, from: Ipv4Addr, path: &str, headers: &str) -> Result<Self> {
        let failed = |error: io::Error| format!("a socket could not be opened: {error}");
        let socket = TcpSocket::new_v4().map_err(failed)?;
        socket.bind(SocketAddr::from((from, 0))).map_err(failed)?;
        let stream = socket.connect(server).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let mut socket = Self { stream: Rc::new(stream), rest: Vec::new() };
        let request = format!(
            "GET {path} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: cGFybG9yLWJlbmNoLWtleQ==\r\n{headers}\r\n"
        );
        socket.write(request.as_bytes()).await?;
        loop {
            let is_whole = socket.fill(|bytes| {
                let end = find(bytes, b"\r\n\r\n")?;
                Some((bytes.starts_with(b"HTTP/1.1 101"), end + 4))
            });
            match is_whole.await? {
                Some(true) => return Ok(socket),
                Some(false) => return Err("the server refused a socket".to_owned()),
                None => {}
            }
        }
    }

    /// Waits for bytes and passes them to `take`, which returns how many it used once it found what it wants.
    async fn fill<T>(&mut self, take: impl Fn(&[u8]) -> Option<(T, usize)>) -> Result<Option<T>> {
        let length = self.receive().await?;
        BUFFER.with_borrow(|buffer| {
            let taken = take(&buffer[..length]);
            let used = taken.as_ref().map_or(0, |(_, used)| *used);
            self.rest = buffer[used..length].to_vec();
            Ok(taken.map(|(value, _)| value))
        })
    }

    /// Waits for bytes and passes on each complete text frame. Cancel-safe.
    pub(crate) async fn read(&mut self, mut each: impl FnMut(&[u8])) -> Result<()> {
        let length = self.receive().await?;
        BUFFER.with_borrow(|buffer| {
            let mut bytes = &buffer[..length];
            while let Some((first, payload, used)) = frame(bytes)? {
                match first & 0x0f {
                    0x1 => each(payload),
                    // Pings of old sockets: a run is too short for a missing answer to count.
                    0x9 | 0xa => {}
                    0x8 => return Err(format!("the server closed a socket: {}", String::from_utf8_lossy(payload))),
                    opcode => return Err(format!("the server sent a frame of the kind {opcode}")),
                }
                bytes = &bytes[used..];
            }
            self.rest = bytes.to_vec();
            Ok(())
        })
    }

    /// Copies the rest and newly read bytes into the shared buffer; returns their number.
    async fn receive(&mut self) -> Result<usize> {
        loop {
            self.stream.readable().await.map_err(|error| error.to_string())?;
            let kept = self.rest.len();
            let read = BUFFER.with_borrow_mut(|buffer| {
                buffer[..kept].copy_from_slice(&self.rest);
                self.stream.try_read(&mut buffer[kept..])
            });
            match read {
                Ok(0) => return Err("the server cut a socket".to_owned()),
                Ok(length) => return Ok(kept + length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("a socket broke: {error}")),
            }
        }
    }

    /// Writes raw bytes.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<()> {
        write(&self.stream, bytes).await
    }

    /// Returns a writer, to be used while another task reads.
    pub(crate) fn writer(&self) -> Writer {
        Writer(self.stream.clone())
    }
}

/// The writing half of a socket. Only one task may write at a time.
pub(crate) struct Writer(Rc<TcpStream>);

impl Writer {
    /// Writes raw bytes.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<()> {
        write(&self.0, bytes).await
    }
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.writable().await.map_err(|error| error.to_string())?;
            }
            Err(error) => return Err(format!("a socket broke: {error}")),
        }
    }
    Ok(())
}

/// Parses a complete frame at the start: its first byte, its payload and its length.
fn frame(bytes: &[u8]) -> Result<Option<(u8, &[u8], usize)>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0xf0 != 0x80 || second & 0x80 != 0 {
        return Err("the server sent a frame that it never sends: in parts, masked or compressed".to_owned());
    }
    let (length, head) = match (second, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [_, _, _, _, _, _, _, _, ..]) => {
            let length = rest[..8].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
            (usize::try_from(length).map_err(|error| error.to_string())?, 10)
        }
        (126 | 127, _) => return Ok(None),
        (length, _) => (usize::from(*length), 2),
    };
    if head + length > BUFFER_BYTES {
        return Err(format!("the server sent a frame of {length} bytes, more than this reads"));
    }
    Ok(bytes.get(head..head + length).map(|payload| (*first, payload, head + length)))
}

/// Appends a text frame.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(0x81);
    match u16::try_from(text.len()).expect("commands are short") {
        length @ 0..=125 => out.push(0x80 + u8::try_from(length).expect("just compared")),
        length => {
            out.push(0xfe);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text);
}

/// Finds the first occurrence of the bytes.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_frame_is_read_and_the_rest_is_left() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut bytes = vec![0x81];
            match length {
                0..=125 => bytes.push(u8::try_from(length).unwrap()),
                126..=65_535 => {
                    bytes.push(126);
                    bytes.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
                }
                _ => {
                    bytes.push(127);
                    bytes.extend_from_slice(&(length as u64).to_be_bytes());
                }
            }
            bytes.extend_from_slice(&payload);
            let whole = bytes.len();
            for cut in [0, 1, 2, 3, 9, whole - 1] {
                assert_eq!(frame(&bytes[..cut.min(whole - 1)]).unwrap(), None, "{length} {cut}");
            }
            bytes.push(0x81);
            assert_eq!(frame(&bytes).unwrap(), Some((0x81, &payload[..], whole)));
        }
        assert!(frame(&[0x01, 0]).is_err() && frame(&[0x81, 0x80]).is_err() && frame(&[0xc1, 0]).is_err());
    }

    #[test]
    fn own_frames_are_masked_with_zeros() {
        let mut out = Vec::new();
        put_text(&mut out, b"{}");
        assert_eq!(out, [0x81, 0x82, 0, 0, 0, 0, b'{', b'}']);
        out.clear();
        put_text(&mut out, &[b'x'; 300]);
        assert_eq!(out[..8], [0x81, 0xfe, 1, 44, 0, 0, 0, 0]);
        assert_eq!(out.len(), 308);
    }
}
