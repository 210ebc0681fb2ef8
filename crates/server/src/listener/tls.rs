//! TLS: the certificate, which is loaded again when its files change, and the handshake.
//!
//! Invariants: files that cannot be used change nothing, so a renewal may write them one after the other; a handshake
//! ends within its time, whatever the peer sends.
//! Absent on purpose: certificates of clients, early data, several certificates by name.

use super::until_stopped;
use crate::config::TlsConfig;
use rustix::fs::OFlags;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest as _, Sha256};
use std::{
    fs::OpenOptions,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::watch;
use tracing::{info, warn};

/// How often the files are looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(3);
/// A chain and a key are a few KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// A file is not what is expected.
    #[error("{0}: {1}")]
    Content(PathBuf, &'static str),
    /// The two files do not belong together, or their kind is not supported.
    #[error("tls.certificate and tls.key cannot be used together: {0}")]
    Pair(#[source] rustls::Error),
}

/// The content of both files: certificate and key.
type PemFiles = (Vec<u8>, Vec<u8>);

/// The certificate in use.
#[derive(Debug)]
struct Certificate {
    chain_path: PathBuf,
    key_path: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    /// The digest of the files at the start.
    initial_digest: [u8; 32],
}

/// What a listener needs to speak TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(super) server: Arc<ServerConfig>,
    /// Time for a handshake.
    pub(super) handshake: Duration,
    certificate: Arc<Certificate>,
}

impl Tls {
    /// Loads the certificate, if TLS is configured.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn load(config: &TlsConfig, has_http2: bool) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&config.certificate, &config.key) else { return Ok(None) };
        let content = read(certificate, key)?;
        let pair = parse(certificate, key, &content)?;
        let certificate = Arc::new(Certificate {
            chain_path: certificate.clone(),
            key_path: key.clone(),
            current: RwLock::new(Arc::new(pair)),
            initial_digest: digest(&content),
        });
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        if has_http2 {
            server.alpn_protocols.insert(0, b"h2".to_vec());
        }
        let handshake = Duration::from_millis(config.handshake_ms);
        Ok(Some(Self { server: Arc::new(server), handshake, certificate }))
    }

    /// Loads the certificate again whenever its files change, until the server stops.
    pub async fn follow_files(self, stop: watch::Receiver<bool>) {
        self.check_files_every(CHECK_INTERVAL, stop).await;
    }

    async fn check_files_every(self, interval: Duration, mut stop: watch::Receiver<bool>) {
        let mut last_digest = Some(self.certificate.initial_digest);
        while tokio::time::timeout(interval, until_stopped(&mut stop)).await.is_err() {
            match self.certificate.clone().read().await {
                Ok(content) if last_digest == Some(digest(&content)) => {}
                Ok(content) => {
                    self.certificate.replace(&content);
                    last_digest = Some(digest(&content));
                }
                Err(error) => {
                    // Logged once, until the files can be read again.
                    if last_digest.take().is_some() {
                        warn!(%error, "The certificate cannot be read; the old one stays in use");
                    }
                }
            }
        }
    }
}

impl Certificate {
    async fn read(self: Arc<Self>) -> Result<PemFiles, TlsError> {
        let path = self.chain_path.clone();
        // The files may be on a slow disk.
        let read = tokio::task::spawn_blocking(move || read(&self.chain_path, &self.key_path)).await;
        read.unwrap_or_else(|_| Err(TlsError::Content(path, "reading it failed")))
    }

    fn replace(&self, content: &PemFiles) {
        match parse(&self.chain_path, &self.key_path, content) {
            Ok(pair) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                info!("The certificate was loaded again");
            }
            Err(error) => warn!(%error, "The new certificate cannot be used; the old one stays in use"),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<PemFiles, TlsError> {
    let read = |path: &Path| read_file(path).map_err(|error| TlsError::File(path.to_owned(), error));
    Ok((read(certificate)?, read(key)?))
}

/// Reads a regular file: a pipe would be waited for.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut content = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut content)?;
    Ok(content)
}

fn digest((certificate, key): &PemFiles) -> [u8; 32] {
    let length = certificate.len().to_be_bytes();
    Sha256::new().chain_update(length).chain_update(certificate).chain_update(key).finalize().into()
}

fn parse(certificate: &Path, key: &Path, content: &PemFiles) -> Result<CertifiedKey, TlsError> {
    let unreadable = |path: &Path, what| TlsError::Content(path.to_owned(), what);
    let chain = CertificateDer::pem_slice_iter(&content.0).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| unreadable(certificate, "no certificates in PEM format"))?;
    let found = PrivateKeyDer::from_pem_slice(&content.1);
    let found = found.map_err(|_| unreadable(key, "no private key in PEM format"))?;
    CertifiedKey::from_der(chain, found, &ring::default_provider()).map_err(TlsError::Pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(folder: &Path) -> (TlsConfig, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(vec!["parlor.test".to_owned()]).expect("a certificate");
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        fs::write(&certificate, made.cert.pem()).expect("written");
        fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let config = TlsConfig { certificate: Some(certificate), key: Some(key), handshake_ms: 10_000, hsts_s: 0 };
        (config, made.cert.der().to_vec())
    }

    fn in_use(tls: &Tls) -> Vec<u8> {
        tls.certificate.current.read().expect("nobody panicked").cert[0].to_vec()
    }

    #[tokio::test]
    async fn a_changed_certificate_is_loaded_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, first) = write(folder.path());
        let tls = Tls::load(&config, true).expect("it can be used").expect("TLS is on");
        assert_eq!(in_use(&tls), first);
        let good = tls.certificate.clone().read().await.expect("both files");
        for broken in [&b""[..], b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            tls.certificate.replace(&(good.0.clone(), broken.to_vec()));
            assert_eq!(in_use(&tls), first);
        }
        let (stop, stopped) = watch::channel(false);
        let following = tokio::spawn(tls.clone().check_files_every(Duration::from_millis(1), stopped));
        let key = config.key.as_deref().expect("a path");
        fs::remove_file(key).expect("removed");
        let (_, second) = write(folder.path());
        while in_use(&tls) != second {
            tokio::task::yield_now().await;
        }
        stop.send_replace(true);
        following.await.expect("it ends");
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_refused_by_the_name_of_its_file() {
        let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (config, _) = write(one.path());
        let (another, _) = write(other.path());
        let refusal = |config: &TlsConfig| Tls::load(config, true).expect_err("refused").to_string();
        let mixed = TlsConfig { key: another.key.clone(), ..config.clone() };
        assert!(refusal(&mixed).contains("tls.certificate and tls.key"), "{}", refusal(&mixed));
        let swapped = TlsConfig { certificate: config.key.clone(), key: config.certificate.clone(), ..config.clone() };
        assert!(refusal(&swapped).ends_with("key.pem: no certificates in PEM format"), "{}", refusal(&swapped));
        let folder = TlsConfig { key: Some(one.path().to_owned()), ..config.clone() };
        assert!(refusal(&folder).ends_with("it is not a regular file"), "{}", refusal(&folder));
        let absent = TlsConfig { key: Some(one.path().join("absent.pem")), ..config };
        assert!(refusal(&absent).contains("absent.pem: "), "{}", refusal(&absent));
    }
}
