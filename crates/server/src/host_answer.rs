//! Answers of the host to requests of Parlor: read with a limit, and why there is none, without the URL, which may contain
//! a secret.

use reqwest::Response;

/// Reads the body of an answer.
///
/// # Errors
/// It is longer than this many bytes, or the connection fails; in words for the log.
pub(crate) async fn read_body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + piece.len() > bytes_max {
            return Err("its answer is too long");
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Returns why a request failed, in words for the log.
pub(crate) fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it does not answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "the connection failed"
    }
}
