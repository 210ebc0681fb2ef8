//! Accounts and sign-ins: who somebody is, and for how long.
//!
//! Invariants: a token is 256 bits of chance and only its hash is kept; an unknown, a disabled and a real account
//! cost the same work and get the same answer; a token that came with a sign-in is never adopted, its session
//! ends. What ends a session is a change and goes through `commit`, which closes its connections.
//!
//! Absent on purpose: a cache of sessions (each request looks its own up, those that come together in one indexed read,
//! so an end is an end at once).

mod known_places;
mod passwords;
mod pictures;
mod rate_limit;

use crate::{
    app::{Actor, App},
    config::Config,
    domain::{Change, Outcome, Which, visible},
    environment::{Environment, rfc3339},
    files::storage_problem,
    metrics::PasswordCheckLabels,
    store::{
        pictures::{NewPicture, Picture},
        sessions,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{SessionId, UserId},
    limits::Limits,
    model::Session,
};
use passwords::Passwords;
use rate_limit::Allowance;
pub(crate) use rate_limit::Left;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};
use unicode_normalization::UnicodeNormalization as _;

/// The time over which wrong attempts are counted.
const ATTEMPTS_WINDOW_MS: u64 = 15 * 60 * 1000;
/// The time over which requests are counted.
const REQUESTS_WINDOW_MS: u64 = 10 * 1000;
/// How exactly the last use of a session is kept.
const SEEN_EVERY_MS: i64 = 60 * 1000;
/// Sessions whose last use waits to be written; beyond, a use is not noted.
const SEEN_WAITING_MAX: usize = 100_000;
/// Sessions whose last use is written in one statement.
const SEEN_WRITTEN_MAX: usize = 1000;
/// Characters kept of a program's name for itself.
const AGENT_CHARS_MAX: usize = 200;

/// What sign-ins need beside the store.
#[derive(Debug)]
pub struct Identity {
    passwords: Passwords,
    attempts: known_places::Attempts,
    requests: Allowance<Asker>,
    pictures: Allowance<UserId>,
    seen: Mutex<HashMap<SessionId, i64>>,
}

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    /// A signed-in person.
    User(UserId),
    /// An address that is not signed in.
    Address(IpAddr),
}

/// A secret that names a session.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) String);

/// Where somebody signs in from.
#[derive(Clone)]
pub(crate) struct From {
    pub(crate) address: IpAddr,
    pub(crate) agent: String,
    /// The session that came along; it ends.
    pub(crate) came: Option<Actor>,
    /// What names the browser, if it has signed in before.
    pub(crate) device: Option<Token>,
}

/// Somebody who has signed in.
#[derive(Clone)]
pub(crate) struct SignedIn {
    pub(crate) actor: Actor,
    pub(crate) token: Token,
    /// What names the browser from now on.
    pub(crate) device: Token,
}

impl Token {
    fn new(environment: &Environment) -> Self {
        Self(URL_SAFE_NO_PAD.encode(environment.random::<32>()))
    }

    /// Whether it has the form of one.
    pub(crate) fn is_whole(&self) -> bool {
        URL_SAFE_NO_PAD.decode(&self.0).is_ok_and(|bytes| bytes.len() == 32)
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl Identity {
    /// With nobody counted yet. The secret hides the addresses from which people sign in.
    #[must_use]
    pub fn new(config: &Config, environment: &Environment, secret: &[u8]) -> Self {
        let limits = &config.limits;
        let remembered = limits.attempts_remembered_max;
        let requests = limits.requests_per_second_max.saturating_mul(10);
        Self {
            passwords: Passwords::new(config, environment.random()),
            attempts: known_places::Attempts::new(
                secret.to_vec(),
                limits.account_attempts_max,
                limits.address_attempts_max,
                remembered,
            ),
            requests: Allowance::new(requests, REQUESTS_WINDOW_MS, remembered),
            pictures: Allowance::new(limits.user_pictures_max, ATTEMPTS_WINDOW_MS, remembered),
            seen: Mutex::default(),
        }
    }

    /// Counts a request.
    pub(crate) fn request(&self, asker: Asker, steady_ms: i64) -> Result<(), Problem> {
        self.requests.take(&asker, steady_ms).map_err(too_many)
    }

    /// What is left of the requests of an asker, and of attempts to sign in from an address.
    pub(crate) fn left(&self, asker: Asker, address: IpAddr, steady_ms: i64) -> (Left, Left) {
        (self.requests.left(&asker, steady_ms), self.attempts.addresses.left(&address, steady_ms))
    }

    fn take_seen(&self) -> Vec<(SessionId, i64)> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let some: Vec<_> = seen.keys().take(SEEN_WRITTEN_MAX).copied().collect();
        some.into_iter().filter_map(|session| seen.remove_entry(&session)).collect()
    }
}

/// Who a token stands for.
pub(crate) async fn find(app: &App, token: &Token) -> Result<Option<Actor>, Problem> {
    let now_ms = app.environment.now_ms();
    let found = app.asked.sessions.ask(token.hash()).await?;
    let Some(found) = found.filter(|found| found.seen_at >= expired_before(app)) else { return Ok(None) };
    // Also what a clock that was ahead left in the future.
    if (now_ms - found.seen_at).abs() > SEEN_EVERY_MS {
        let mut seen = app.identity.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < SEEN_WAITING_MAX {
            seen.insert(found.session, now_ms);
        }
    }
    Ok(Some(Actor { user: found.user, session: found.session }))
}

/// Writes what is waiting about when sessions were last used.
pub(crate) async fn write_seen(app: &App) {
    loop {
        let seen = app.identity.take_seen();
        if seen.is_empty() {
            return;
        }
        if let Err(error) = app.store.touch_sessions(seen).await {
            tracing::warn!(%error, "The last use of some sessions was not written");
            return;
        }
    }
}

/// Has sessions that a clock which was ahead left in the future age from now on.
pub(crate) async fn bring_sessions_back(app: &App) {
    if let Err(error) = app.store.clamp_future_sessions(app.environment.now_ms()).await {
        tracing::warn!(%error, "Sessions were not looked through for times that are still to come");
    }
}

/// Signs in with name and password.
pub(crate) async fn sign_in(app: &App, login: &str, password: String, from: From) -> Result<SignedIn, Problem> {
    check_length(&password, &app.config.limits)?;
    let login = fold(login).unwrap_or_default();
    let account = app.store.credentials(login.clone()).await?;
    let user = account.as_ref().map(|account| account.user);
    let counted = known_places::attempt(app, &login, user, (from.address, from.device.as_ref())).await?;
    let account = account.filter(|account| !account.is_disabled && account.password_hash.is_some());
    let hash = account.as_ref().and_then(|account| account.password_hash.clone());
    let of = if hash.is_some() { "account" } else { "nobody" };
    app.metrics.password_checks.get_or_create(&PasswordCheckLabels { of }).inc();
    let checked = app.identity.passwords.check(password, hash.as_deref()).await;
    // Where nobody looked at the password it was no attempt.
    let is_right = checked.inspect_err(|_| app.identity.attempts.give_back(&counted))?;
    let user = account.filter(|_| is_right).map(|account| account.user).ok_or(Problem::from(Code::WrongCredentials))?;
    app.identity.attempts.give_back(&counted);
    begin(app, user, hash, from).await
}

/// Makes an account for oneself, and signs in.
pub(crate) async fn sign_up(
    app: &App,
    login: &str,
    name: String,
    password: String,
    from: From,
) -> Result<SignedIn, Problem> {
    if !app.config.accounts.sign_up {
        return Err(Code::SignUpOff.into());
    }
    let login = checked_login(login)?;
    let addresses = &app.identity.attempts.addresses;
    addresses.take(&from.address, app.environment.steady_ms()).map_err(too_many)?;
    let hash = new_hash(app, password).await.inspect_err(|_| addresses.give_back(&from.address))?;
    let change = Change::AddUser { login, name, password_hash: Some(hash.clone()) };
    match app.commit.submit(change).await? {
        Outcome::UserAdded(user) => begin(app, user, Some(hash), from).await,
        _ => Err(Code::Internal.into()),
    }
}

/// Signs a person in without a password: the demo's links.
pub(crate) async fn sign_in_as(app: &App, user: UserId, from: From) -> Result<SignedIn, Problem> {
    begin(app, user, None, from).await
}

/// Sets one's own password. Every other session ends.
pub(crate) async fn change_password(app: &App, actor: Actor, current: String, new: String) -> Result<(), Problem> {
    check_length(&current, &app.config.limits)?;
    check_new(&new, &app.config.limits)?;
    // A session is a place of its own: attempts of others lock its owner out nowhere.
    let key = format!("session:{}", actor.session);
    let attempts = &app.identity.attempts;
    attempts.strangers.take(&key, app.environment.steady_ms()).map_err(too_many)?;
    let checked = async {
        let hash = app.store.password_hash(actor.user).await?;
        app.identity.passwords.check(current, hash.as_deref()).await
    };
    let checked = checked.await;
    // Where nobody looked at the password it was no attempt.
    if checked != Ok(false) {
        attempts.strangers.give_back(&key);
    }
    if !checked? {
        return Err(Code::WrongPassword.into());
    }
    let password_hash = new_hash(app, new).await?;
    app.commit.submit(Change::SetPassword { user: actor.user, password_hash, keep: Some(actor.session) }).await?;
    Ok(())
}

/// The hash of a password that somebody chose.
pub(crate) async fn new_hash(app: &App, password: String) -> Result<String, Problem> {
    check_new(&password, &app.config.limits)?;
    app.identity.passwords.hash(password, app.environment.random()).await
}

/// One's own sessions, the newest first.
pub(crate) async fn sessions(app: &App, actor: Actor) -> Result<Vec<Session>, Problem> {
    let listed = app.store.list_sessions(actor.user, expired_before(app)).await?;
    let seen = app.identity.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let session = |listed: sessions::SessionSummary| Session {
        id: listed.id,
        created_at: rfc3339(listed.created_at),
        seen_at: rfc3339(seen.get(&listed.id).copied().unwrap_or(listed.seen_at)),
        agent: listed.agent,
        current: listed.id == actor.session,
    };
    Ok(listed.into_iter().map(session).collect())
}

/// Ends one of one's own sessions.
pub(crate) async fn end_session(app: &App, actor: Actor, session: SessionId) -> Result<(), Problem> {
    let own = app.store.list_sessions(actor.user, i64::MIN).await?;
    if own.iter().all(|listed| listed.id != session) {
        return Err(Code::NotFound.into());
    }
    app.commit.submit(Change::EndSessions { user: actor.user, which: Which::One(session) }).await?;
    Ok(())
}

/// Counts a picture of a person or a group that this person is about to set.
pub(crate) fn count_picture(app: &App, owner: UserId) -> Result<(), Problem> {
    app.identity.pictures.take(&owner, app.environment.steady_ms()).map_err(too_many)
}

/// Makes a portrait for a person or a group from an image file, and keeps it for this person.
pub(crate) async fn set_picture(app: &App, owner: UserId, file: std::fs::File) -> Result<String, Problem> {
    let (files, limits) = (app.files.clone(), app.config.limits.clone());
    let turn = files.acquire_image_permit(owner).await.ok_or_else(|| too_many(1000))?;
    let picture = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut scratch = files.scratch().map_err(|error| storage_problem(&error))?;
        pictures::portrait(file, &mut scratch, &limits, files.picture_limits())
    });
    // A reader that failed has met a picture that none draws.
    let picture = picture.await.map_err(|_| Problem::from(Code::UnsupportedType))??;
    keep_picture(app, Some(owner), picture).await
}

/// Keeps a picture and names it.
pub(crate) async fn keep_picture(app: &App, owner: Option<UserId>, picture: Picture) -> Result<String, Problem> {
    let digest =
        Sha256::new().chain_update(&picture.bytes).chain_update(owner.map_or(0, |owner| owner.0).to_be_bytes());
    let id = URL_SAFE_NO_PAD.encode(digest.finalize());
    let quota_bytes = app.config.limits.user_files_bytes_max;
    let new = NewPicture { id: id.clone(), owner, picture, now_ms: app.environment.now_ms(), quota_bytes };
    if app.store.insert_picture(new).await? {
        return Ok(id);
    }
    Err(Problem::new(Code::LimitReached)
        .with_detail(format!("your files and pictures would have more than {quota_bytes} bytes"))
        .with_limit(quota_bytes))
}

/// A login name as it is kept.
pub(crate) fn checked_login(text: &str) -> Result<String, Problem> {
    fold(text).ok_or_else(|| {
        Problem::new(Code::InvalidField)
            .with_detail("`login`: 1 to 64 letters, digits and . _ - @ + are expected")
            .with_limit(64)
    })
}

fn fold(text: &str) -> Option<String> {
    let folded = text.trim().nfc().collect::<String>().to_lowercase();
    let is_letter = |character: char| character.is_alphanumeric() && !visible::is_hidden(character);
    let is_good = |character: char| is_letter(character) || "._-@+".contains(character);
    let length = folded.chars().take(65).count();
    ((1..=64).contains(&length) && folded.chars().all(is_good)).then_some(folded)
}

fn check_length(password: &str, limits: &Limits) -> Result<(), Problem> {
    if password.chars().nth(limits.password_chars_max as usize).is_some() {
        return Err(Problem::new(Code::TextTooLong)
            .with_detail("`password` is too long")
            .with_limit(limits.password_chars_max.into()));
    }
    Ok(())
}

fn check_new(password: &str, limits: &Limits) -> Result<(), Problem> {
    check_length(password, limits)?;
    let least = limits.password_chars_min;
    if passwords::composed(password).chars().count() < least as usize {
        return Err(Problem::new(Code::InvalidField)
            .with_detail(format!("a password has at least {least} characters"))
            .with_limit(least.into()));
    }
    Ok(())
}

fn too_many(retry_after_ms: u64) -> Problem {
    Problem::new(Code::TooMany).with_retry_after_ms(retry_after_ms)
}

async fn begin(app: &App, user: UserId, password_hash: Option<String>, from: From) -> Result<SignedIn, Problem> {
    if let Some(came) = from.came {
        end(app, came.user, came.session).await?;
    }
    let token = Token::new(&app.environment);
    let new = sessions::NewSession {
        user,
        password_hash,
        token_hash: token.hash(),
        now_ms: app.environment.now_ms(),
        agent: from.agent.chars().filter(|character| !character.is_control()).take(AGENT_CHARS_MAX).collect(),
        expired_before: expired_before(app),
    };
    let session = app.store.insert_session(new).await?;
    let session = session.ok_or(Problem::from(Code::WrongCredentials))?;
    let all = app.store.list_sessions(user, i64::MIN).await?;
    for oldest in all.iter().skip(app.config.limits.sessions_max as usize) {
        end(app, user, oldest.id).await?;
    }
    let device = from.device.unwrap_or_else(|| Token::new(&app.environment));
    known_places::remember(app, user, from.address, Some(&device)).await;
    Ok(SignedIn { actor: Actor { user, session }, token, device })
}

/// Ends a session. That it is already over is no failure.
pub(crate) async fn end(app: &App, user: UserId, session: SessionId) -> Result<(), Problem> {
    match app.commit.submit(Change::EndSessions { user, which: Which::One(session) }).await {
        Err(problem) if problem.code != Code::NotFound => Err(problem),
        _ => Ok(()),
    }
}

fn expired_before(app: &App) -> i64 {
    app.environment.ageing_ms() - i64::from(app.config.accounts.session_days) * 24 * 60 * 60 * 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::Ipv4Addr, sync::Arc};
    use tempfile::TempDir;

    const PASSWORD: &str = "correct horse";

    /// A server without an edge, and one person.
    async fn app() -> (Arc<App>, UserId, TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = [
            ("data", folder.path().to_str().expect("temporary folders have plain names")),
            ("accounts.sign_up", "true"),
            ("accounts.password_memory_kib", "8"),
            ("accounts.password_passes", "1"),
            ("limits.account_attempts_max", "2"),
            ("limits.address_attempts_max", "2"),
        ];
        let config = Config::with(&settings).expect("the settings are valid");
        let app = App::start(config, Environment::real()).await.expect("the server starts");
        let password_hash = Some(new_hash(&app, PASSWORD.to_owned()).await.expect("a hash"));
        let change = Change::AddUser { login: "ada".to_owned(), name: "Ada".to_owned(), password_hash };
        let Ok(Outcome::UserAdded(user)) = app.commit.submit(change).await else { panic!("Ada cannot be added") };
        (app, user, folder)
    }

    fn from() -> From {
        From { address: Ipv4Addr::LOCALHOST.into(), agent: String::new(), came: None, device: None }
    }

    #[tokio::test]
    async fn where_nobody_looks_at_a_password_no_attempt_is_counted() {
        let (app, user, _folder) = app().await;
        app.identity.passwords.take_all_turns();
        let (actor, password) = (Actor { user, session: SessionId(1) }, || PASSWORD.to_owned());
        for _ in 0..3 {
            let refusals = [
                sign_in(&app, "ada", password(), from()).await.err(),
                sign_up(&app, "ben", "Ben".to_owned(), password(), from()).await.err(),
                change_password(&app, actor, password(), "another horse".to_owned()).await.err(),
            ];
            assert_eq!(refusals.map(|refused| refused.map(|problem| problem.code)), [Some(Code::TooMany); 3]);
        }
        let (attempts, now) = (&app.identity.attempts, app.environment.steady_ms());
        for key in ["ada", "session:1"] {
            assert_eq!(attempts.strangers.left(&key.to_owned(), now).uses, 2, "{key}");
        }
        assert_eq!(attempts.addresses.left(&from().address, now).uses, 2);
        app.stop().await;
    }

    #[tokio::test]
    async fn the_last_use_of_a_session_moves_back_from_what_a_clock_that_was_ahead_said() {
        let (app, user, _folder) = app().await;
        let session = sign_in(&app, "ada", PASSWORD.to_owned(), from()).await.expect("signed in").actor.session;
        let now_ms = app.environment.now_ms();
        let day_ms = 24 * 60 * 60 * 1000;
        for (at, kept) in [
            (now_ms + 300 * day_ms, now_ms + 300 * day_ms),
            (now_ms + 60_000, now_ms + 60_000),
            // Another node's clock is a little behind.
            (now_ms + 50_000, now_ms + 60_000),
        ] {
            app.store.touch_sessions(vec![(session, at)]).await.expect("written");
            let listed = app.store.list_sessions(user, i64::MIN).await.expect("a list");
            assert_eq!(listed.iter().map(|listed| listed.seen_at).collect::<Vec<_>>(), [kept]);
        }
        app.stop().await;
    }

    #[test]
    fn login_names_are_folded_and_nonsense_is_refused() {
        assert_eq!(fold("  Ada.L+x@Example-1_ ").as_deref(), Some("ada.l+x@example-1_"));
        assert_eq!(fold("Tomás").as_deref(), Some("tomás"));
        assert_eq!(fold("Toma\u{301}s").as_deref(), Some("tomás"), "composed");
        for nonsense in
            ["", "  ", "\u{3164}", "a\u{115f}", "a\u{200b}", "a b", "a/b", "a\0", "a\nb", "<a>", &"a".repeat(65)]
        {
            assert_eq!(fold(nonsense), None, "{nonsense:?}");
        }
    }
}
