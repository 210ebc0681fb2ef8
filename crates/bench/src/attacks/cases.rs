//! The attacks.

use super::{PATIENCE, Target};
use crate::Result;
use futures_util::{FutureExt as _, StreamExt as _, future::LocalBoxFuture, stream};
use http::Method;
use parlor_client::{http::Api, socket::Handshake};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The width and height of the large picture, in pixels.
const SIDE: u32 = 8000;
/// How long incomplete bodies are held.
const HELD: Duration = Duration::from_secs(3);

/// An attack.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// The bounds, in MiB: peak memory, memory afterwards, disk.
    pub(super) bounds_mib: [u64; 3],
    pub(super) make: for<'target> fn(&'target Target<'target>) -> LocalBoxFuture<'target, Result<()>>,
}

pub(super) const ATTACKS: [Attack; 8] = [
    Attack {
        name: "110 wrong sign-ins from one address, 8 at a time",
        bounds_mib: [64, 64, 4],
        make: |target| sign_ins(target).boxed_local(),
    },
    Attack {
        name: "160 pictures of a person of which the last bytes never come",
        bounds_mib: [24, 16, 4],
        make: |target| pictures_begun(target).boxed_local(),
    },
    Attack {
        name: "200 JSON bodies without their last byte",
        bounds_mib: [32, 24, 4],
        make: |target| bodies_begun(target).boxed_local(),
    },
    Attack {
        name: "a PNG of 8000 by 8000 pixels, 4 at once as pictures of a person",
        bounds_mib: [64, 32, 4],
        make: |target| large_portraits(target).boxed_local(),
    },
    Attack {
        name: "a PNG of 7000 by 7000 pixels, 4 at once in files",
        bounds_mib: [64, 32, 16],
        make: |target| large_files(target).boxed_local(),
    },
    Attack {
        name: "258 pictures of a person, one after the other",
        bounds_mib: [64, 32, 16],
        make: |target| many_portraits(target).boxed_local(),
    },
    Attack {
        name: "100 uploads of 1 MiB that are never sent",
        bounds_mib: [64, 32, 64],
        make: |target| uploads(target).boxed_local(),
    },
    Attack {
        name: "100 sockets of a person, and 2,000 searches, 32 at a time",
        bounds_mib: [64, 32, 8],
        make: |target| sockets_and_searches(target).boxed_local(),
    },
];

impl Target<'_> {
    fn api(&self) -> Api {
        Api::new(self.server.address).with_token(&self.token).with_timeout(PATIENCE)
    }

    /// Sends concurrent requests, and counts those that succeed.
    async fn all(
        &self,
        at_once: usize,
        requests: impl IntoIterator<Item = (Method, String, Vec<u8>)>,
    ) -> Result<usize> {
        let api = self.api();
        let one = async |(method, path, body): (Method, String, Vec<u8>)| {
            let answer = api.request(method, &path, body).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(usize::from(answer.status.is_success()))
        };
        let answers: Vec<Result<usize>> = stream::iter(requests).map(one).buffer_unordered(at_once).collect().await;
        answers.into_iter().sum()
    }

    /// Sends requests without their last bytes, and keeps them open.
    async fn begin(&self, count: usize, line: &str, kind: &str, length: usize) -> Result<()> {
        let part = vec![b' '; length - 10];
        let one = async |_| {
            let mut stream = TcpStream::connect(self.server.address).await.ok()?;
            let head = format!(
                "{line} HTTP/1.1\r\nHost: parlor.test\r\nAuthorization: Bearer {}\r\nContent-Type: {kind}\r\n\
                 Content-Length: {length}\r\n\r\n",
                self.token
            );
            stream.write_all(head.as_bytes()).await.ok()?;
            // Refused requests are closed before everything is written.
            let _ = stream.write_all(&part).await;
            Some(stream)
        };
        let streams: Vec<_> = stream::iter(0..count).map(one).buffer_unordered(32).collect().await;
        tokio::time::sleep(HELD).await;
        let mut refused = 0;
        for mut stream in streams.into_iter().flatten() {
            let mut answer = [0; 12];
            let read = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut answer)).await;
            refused += usize::from(read.is_ok());
        }
        eprintln!("  {refused} of {count} were refused");
        Ok(())
    }
}

async fn sign_ins(target: &Target<'_>) -> Result<()> {
    let api = Api::new(target.server.address);
    let one = async |number: usize| api.sign_in(&format!("nobody-{number}"), "a wrong password").await.is_ok();
    let right = stream::iter(0..110).map(one).buffer_unordered(8).filter(|is_right| std::future::ready(*is_right));
    if right.count().await == 0 { Ok(()) } else { Err("nobody has this password".to_owned()) }
}

async fn pictures_begun(target: &Target<'_>) -> Result<()> {
    target.begin(160, "PUT /v1/me/picture", "image/png", 8 * 1024 * 1024).await
}

async fn bodies_begun(target: &Target<'_>) -> Result<()> {
    target.begin(200, "PATCH /v1/me", "application/json", 160 * 1024).await
}

async fn large_portraits(target: &Target<'_>) -> Result<()> {
    let picture = png(SIDE, 1)?;
    target.all(4, (0..4).map(|_| (Method::PUT, "/v1/me/picture".to_owned(), picture.clone()))).await.map(drop)
}

async fn large_files(target: &Target<'_>) -> Result<()> {
    let picture = png(7000, 1)?;
    let path = |number| format!("/v1/uploads?client_id=large-{number}&name=a.png&bytes={}", picture.len());
    let kept = target.all(4, (0..4).map(|number| (Method::POST, path(number), picture.clone()))).await?;
    if kept > 0 { Ok(()) } else { Err("no picture was kept".to_owned()) }
}

async fn many_portraits(target: &Target<'_>) -> Result<()> {
    let pictures = (0..258).map(|number| (Method::PUT, "/v1/me/picture".to_owned(), png(300, number)));
    let pictures: Vec<_> =
        pictures.map(|(method, path, picture)| Ok((method, path, picture?))).collect::<Result<_>>()?;
    target.all(1, pictures).await.map(drop)
}

async fn uploads(target: &Target<'_>) -> Result<()> {
    let path = |number| format!("/v1/uploads?client_id=many-{number}&name=a&bytes={}", 1024 * 1024);
    target.all(4, (0..100).map(|number| (Method::POST, path(number), vec![1; 1024 * 1024]))).await.map(drop)
}

async fn sockets_and_searches(target: &Target<'_>) -> Result<()> {
    let api = target.api();
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.extend(Handshake::new(target.server.address, api.headers()).open().await.ok());
    }
    let path = |number| format!("/v1/search?query=word{number}");
    target.all(32, (0..2000).map(|number| (Method::GET, path(number), Vec::new()))).await.map(drop)
}

/// A picture of one colour, whose file is small.
fn png(side: u32, shade: u32) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    let mut rows = writer.stream_writer().map_err(|error| error.to_string())?;
    let pixel = [shade.to_le_bytes()[0], shade.to_le_bytes()[1], 90, 255];
    let row = pixel.repeat(side as usize);
    for _ in 0..side {
        std::io::Write::write_all(&mut rows, &row).map_err(|error| error.to_string())?;
    }
    rows.finish().map_err(|error| error.to_string())?;
    drop(writer);
    Ok(bytes)
}
