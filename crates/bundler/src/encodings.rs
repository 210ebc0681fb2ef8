//! Files as they are sent: plain, and compressed with Brotli and gzip.

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use std::{fmt::Write as _, io::Write as _};

/// A file in each of its encodings.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Uncompressed.
    pub plain: Vec<u8>,
    /// For `Content-Encoding: br`.
    pub brotli: Vec<u8>,
    /// For `Content-Encoding: gzip`.
    pub gzip: Vec<u8>,
}

impl Encoded {
    /// Compresses as well as possible, which takes some seconds per megabyte.
    #[must_use]
    pub fn of(plain: Vec<u8>) -> Self {
        let params = brotli::enc::BrotliEncoderParams {
            quality: 11,
            lgwin: 22,
            size_hint: plain.len(),
            ..brotli::enc::BrotliEncoderParams::default()
        };
        let mut brotli = Vec::new();
        brotli::BrotliCompress(&mut plain.as_slice(), &mut brotli, &params).expect("memory takes all that is written");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&plain).expect("memory takes all that is written");
        let gzip = gzip.finish().expect("memory takes all that is written");
        Self { plain, brotli, gzip }
    }
}

/// A hash of the bytes in sixteen hexadecimal digits.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..8].iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
