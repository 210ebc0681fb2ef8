//! Encrypted connections to the host's database.

use super::connect;
use crate::{harness::tool, mariadb::MariaDb, postgres::Postgres};
use parlor::host::{HostDatabase, HostError, HostValue};
use std::{fs, path::PathBuf, time::Duration};
use tempfile::TempDir;

/// A certificate for 127.0.0.1, its key, and who has signed it.
struct Certificate {
    folder: TempDir,
}

impl Certificate {
    fn new() -> Self {
        let folder = crate::harness::folder();
        let certificate = Self { folder };
        let [ca, ca_key, server, key, request, names] =
            ["ca.pem", "ca.key", "server.pem", "server.key", "server.csr", "names"].map(|name| certificate.path(name));
        fs::write(&names, "subjectAltName = IP:127.0.0.1\nbasicConstraints = CA:FALSE\n").expect("written");
        let key_options = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        run(&format!("{key_options} -x509 -days 2 -subj /CN=ca -keyout {ca_key} -out {ca}"));
        run(&format!("{key_options} -subj /CN=database -keyout {key} -out {request}"));
        run(&format!("x509 -req -in {request} -CA {ca} -CAkey {ca_key} -days 2 -extfile {names} -out {server}"));
        certificate
    }

    fn path(&self, name: &str) -> String {
        PathBuf::from(self.folder.path()).join(name).display().to_string()
    }
}

fn run(arguments: &str) {
    tool("openssl", &arguments.split(' ').collect::<Vec<_>>()).expect("openssl runs");
}

async fn text(url: &str, sql: &str) -> Result<String, HostError> {
    let database: HostDatabase = connect(url, 1, Duration::from_secs(10));
    let rows = database.query(sql.to_owned(), Vec::new()).await?;
    Ok(match rows[0].value(0)? {
        HostValue::Text(text) => text.clone(),
        other => format!("{other:?}"),
    })
}

/// Asserts which URLs reach the server, and that these connections are encrypted.
async fn assert_encrypted(reached: &[String], refused: &[String], sql: &str, is_encrypted: impl Fn(&str) -> bool) {
    for url in reached {
        let answer = text(url, sql).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert!(is_encrypted(&answer), "{url}: {answer}");
    }
    for url in refused {
        let error = text(url, sql).await.expect_err(url);
        assert!(matches!(error, HostError::Unavailable(_)), "{url}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_postgres_are_encrypted_and_its_certificate_is_checked() {
    let Some(server) = Postgres::alone() else { return };
    let url = server.database();
    let is_encrypted = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(text(&url, is_encrypted).await.as_deref(), Ok("false"));
    let error = text(&format!("{url}?sslmode=require"), is_encrypted).await.expect_err("it has no certificate");
    assert!(error.to_string().contains("does not support TLS"), "{error}");
    let (own, other) = (Certificate::new(), Certificate::new());
    server.use_certificate(&own.path("server.pem"), &own.path("server.key"));
    let (ca, wrong) = (own.path("ca.pem"), other.path("ca.pem"));
    let reached = [
        format!("{url}?sslmode=require"),
        format!("{url}?sslmode=verify-ca&sslrootcert={ca}"),
        format!("{url}?sslmode=verify-full&sslrootcert={ca}"),
    ];
    let named = url.replace("127.0.0.1", "localhost");
    let refused = [
        format!("{url}?sslmode=verify-full&sslrootcert={wrong}"),
        format!("{url}?sslmode=verify-full"),
        format!("{named}?sslmode=verify-full&sslrootcert={ca}"),
    ];
    assert_encrypted(&reached, &refused, is_encrypted, |answer| answer == "true").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_mariadb_are_encrypted_and_its_certificate_is_checked() {
    let (own, other) = (Certificate::new(), Certificate::new());
    let options = [format!("--ssl-cert={}", own.path("server.pem")), format!("--ssl-key={}", own.path("server.key"))];
    let Some(server) = MariaDb::alone(&[options[0].as_str(), options[1].as_str()]) else { return };
    let url = server.database();
    let cipher = "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'";
    assert_eq!(text(&format!("{url}?ssl-mode=DISABLED"), cipher).await.as_deref(), Ok(""));
    let (ca, wrong) = (own.path("ca.pem"), other.path("ca.pem"));
    let reached = [
        format!("{url}?ssl-mode=REQUIRED"),
        format!("{url}?ssl-mode=VERIFY_CA&ssl-ca={ca}"),
        format!("{url}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
    ];
    let named = url.replace("127.0.0.1", "localhost");
    let refused = [
        format!("{url}?ssl-mode=VERIFY_IDENTITY&ssl-ca={wrong}"),
        format!("{url}?ssl-mode=VERIFY_IDENTITY"),
        format!("{named}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
    ];
    assert_encrypted(&reached, &refused, cipher, |cipher| cipher.starts_with("TLS_")).await;
}
