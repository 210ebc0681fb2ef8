//! The wall clock jumps back and ahead while a server runs: no user is locked out, nothing expires early, and nothing
//! lives longer than it should.

use http::Method;
use parlor::{config::Config, environment::Environment, server::Server};
use parlor_client::http::Api;
use parlor_protocol::http::SignUp;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

const HOUR_MS: i64 = 60 * 60 * 1000;
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;
const PASSWORD: &str = "correct horse";

/// A server in this process with an adjustable wall clock.
struct ClockedServer {
    server: Server,
    ahead_ms: Arc<AtomicI64>,
    folder: tempfile::TempDir,
}

impl ClockedServer {
    async fn new(settings: &[(&'static str, &str)]) -> Self {
        Self::in_folder(crate::harness::folder(), settings, 0).await
    }

    async fn in_folder(folder: tempfile::TempDir, settings: &[(&'static str, &str)], ahead_ms: i64) -> Self {
        let data = folder.path().join("data");
        let data = data.to_str().expect("temporary folders have plain names");
        let mut all = vec![
            ("data", data),
            ("listen", "127.0.0.1:0"),
            ("accounts.sign_up", "true"),
            ("who_may_write", "everyone"),
            ("accounts.password_memory_kib", "8"),
            ("accounts.password_passes", "1"),
            ("files.free_bytes_min", "0"),
            ("files.collect_ms", "20"),
        ];
        all.extend_from_slice(settings);
        let ahead_ms = Arc::new(AtomicI64::new(ahead_ms));
        let (real, rng, ahead) = (Environment::real(), Environment::real(), ahead_ms.clone());
        let environment = Environment::new(
            move || real.now_ms() + ahead.load(Ordering::Relaxed),
            move |bytes| bytes.iter_mut().for_each(|byte| *byte = rng.random::<1>()[0]),
        );
        let config = Config::with(&all).expect("the settings are valid");
        let server = Server::start(config, environment).await.expect("the server starts");
        Self { server, ahead_ms, folder }
    }

    /// Restarts the server at another time.
    async fn restart_at(self, settings: &[(&'static str, &str)], ahead_ms: i64) -> Self {
        self.server.stop().await;
        Self::in_folder(self.folder, settings, ahead_ms).await
    }

    /// Whether a session is still valid.
    async fn has_session(&self, user: &Api) -> bool {
        let token = user.headers()["authorization"].to_str().expect("a token").trim_start_matches("Bearer ");
        self.api().with_token(token).me().await.is_ok()
    }

    fn set_ahead(&self, ms: i64) {
        self.ahead_ms.store(ms, Ordering::Relaxed);
    }

    fn api(&self) -> Api {
        Api::new(self.server.address())
    }

    async fn user(&self, login: &str) -> Api {
        let body = SignUp { login: login.to_owned(), name: login.to_owned(), password: PASSWORD.to_owned() };
        self.api().send::<serde_json::Value>(Method::POST, "/v1/users", &body).await.expect("signed up");
        self.api().sign_in(login, PASSWORD).await.expect("signed in").0
    }
}

/// Clock jumps: two hours back, ten years ahead, and back again.
const STEPS: [i64; 4] = [-2 * HOUR_MS, 10 * YEAR_MS, 0, -2 * HOUR_MS];

#[tokio::test]
async fn a_clock_jump_locks_no_user_out() {
    let server =
        ClockedServer::new(&[("limits.requests_per_second_max", "2"), ("limits.account_attempts_max", "4")]).await;
    let ada = server.user("ada").await;
    for step in STEPS {
        server.set_ahead(step);
        for _ in 0..2 {
            ada.me().await.unwrap_or_else(|error| panic!("the clock is {step} ms ahead: {error}"));
        }
        let wrong = server.api().sign_in("ada", "wrong horse").await.err().and_then(|error| error.code());
        assert_eq!(wrong.map(parlor_protocol::error::Code::name), Some("wrong_credentials"), "{step}");
    }
    server.server.stop().await;
}

#[tokio::test]
async fn sign_in_attempts_still_count_after_the_clock_jumps_ahead() {
    let server = ClockedServer::new(&[("limits.account_attempts_max", "2")]).await;
    drop(server.user("ada").await);
    let mut codes = Vec::new();
    for step in [0, HOUR_MS, 10 * YEAR_MS, 20 * YEAR_MS] {
        server.set_ahead(step);
        let refused = server.api().sign_in("ada", "wrong horse").await.err().and_then(|error| error.code());
        codes.extend(refused.map(parlor_protocol::error::Code::name));
    }
    assert_eq!(codes, ["wrong_credentials", "wrong_credentials", "too_many", "too_many"]);
    server.server.stop().await;
}

#[tokio::test]
async fn sessions_uploads_and_edit_windows_survive_a_clock_jump() {
    let server = ClockedServer::new(&[("messages.edit_within_ms", "3600000"), ("files.unsent_ms", "3600000")]).await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let user = ben.me().await.expect("signed in").me.user.id;
    let open = serde_json::json!({ "client_id": "open", "user": user });
    let opened = ada.send::<parlor_protocol::reply::Opened>(Method::POST, "/v1/conversations", &open).await;
    let opened = opened.expect("opened");
    let conversation = opened.conversation.id;
    for (round, step) in STEPS.into_iter().enumerate() {
        let before = ada.post_message(conversation, &format!("before-{round}"), "a").await.expect("sent").message;
        let upload = format!("/v1/uploads?client_id=upload-{round}&name=a&bytes=3");
        let sent = ada.request(Method::POST, &upload, "abc").await.expect("an answer");
        assert!(sent.status.is_success());
        server.set_ahead(step);
        // Others sign in meanwhile, which removes expired entries.
        server.api().sign_in("ada", PASSWORD).await.expect("signed in");
        ada.me().await.unwrap_or_else(|error| panic!("{step}: {error}"));
        let path = format!("/v1/conversations/{conversation}/messages/{}", before.seq);
        let text = serde_json::json!({ "text": format!("b {round}") });
        let edited = ada.send::<serde_json::Value>(Method::PATCH, &path, &text).await;
        edited.unwrap_or_else(|error| panic!("{step}: {error}"));
        let collected = server.server.app.metrics.files_collected.get();
        let upload = ada.request(Method::GET, &format!("/v1/uploads/upload-{round}"), "").await.expect("an answer");
        assert!(upload.status.is_success() && collected == 0, "{step}: {collected} files were collected");
    }
    server.server.stop().await;
}

#[tokio::test]
async fn a_session_used_while_the_clock_was_ahead_still_expires() {
    let settings = [("accounts.session_days", "1")];
    for is_used in [true, false] {
        let server = ClockedServer::new(&settings).await;
        let ada = server.user("ada").await;
        server.set_ahead(YEAR_MS);
        assert!(server.has_session(&ada).await, "nothing ends because of a clock that leaps");
        let server = server.restart_at(&settings, 0).await;
        assert!(!is_used || server.has_session(&ada).await, "nor when it is set back");
        let server = server.restart_at(&settings, 12 * HOUR_MS).await;
        assert!(server.has_session(&ada).await, "half a day later; used after the clock was set back: {is_used}");
        let server = server.restart_at(&settings, 72 * HOUR_MS).await;
        assert!(!server.has_session(&ada).await, "days later; used after the clock was set back: {is_used}");
        server.server.stop().await;
    }
}
