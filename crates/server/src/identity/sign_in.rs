//! Signing in and up, and changing one's password.

use super::{Identity, actor::Actor, passwords, rate_limit::too_many, token::Token};
use crate::{
    domain::{
        change::{Change, Outcome},
        login,
    },
    metrics::PasswordCheckLabels,
    store::sessions::{self, ACCOUNTS},
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::UserId,
    limits::Limits,
};
use std::net::IpAddr;

/// Characters kept of the name that a client gives itself.
const AGENT_CHARS_MAX: usize = 200;

/// The client that signs in.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    pub(crate) agent: String,
    /// The session that the request came with; it ends.
    pub(crate) previous: Option<Actor>,
    /// The secret of the browser, if it has signed in before.
    pub(crate) device: Option<Token>,
}

/// A new session.
#[derive(Clone)]
pub(crate) struct StartedSession {
    pub(crate) actor: Actor,
    pub(crate) token: Token,
    /// The secret of the browser from now on.
    pub(crate) device: Token,
}

impl Identity {
    /// Signs in with login name and password.
    pub(crate) async fn sign_in(
        &self,
        login: &str,
        password: String,
        client: Client,
    ) -> Result<StartedSession, Problem> {
        self.check_accounts()?;
        check_length(&password, &self.limits)?;
        let login = login::normalize(login).unwrap_or_default();
        let account = self.store.credentials(login.clone()).await?;
        let user = account.as_ref().map(|account| account.user);
        let attempt = self.count_attempt(&login, user, client.address, client.device.as_ref()).await?;
        let account = account.filter(|account| !account.is_disabled && account.password_hash.is_some());
        let hash = account.as_ref().and_then(|account| account.password_hash.clone());
        let of = if hash.is_some() { "account" } else { "nobody" };
        self.metrics.password_checks.get_or_create(&PasswordCheckLabels { of }).inc();
        let checked = self.passwords.check(password.clone(), hash.as_deref()).await;
        // An attempt whose password was not checked does not count.
        let is_right = checked.inspect_err(|_| self.attempts.give_back(&attempt))?;
        let user = account.filter(|_| is_right).map(|account| account.user);
        let user = user.ok_or(Problem::from(Code::WrongCredentials))?;
        self.attempts.give_back(&attempt);
        let hash = self.upgraded(user, &password, hash).await;
        self.begin_session(user, hash, client).await
    }

    /// Replaces a hash that the host has made by one of Parlor's, and returns the one in force. If that fails, the old
    /// one stays.
    async fn upgraded(&self, user: UserId, password: &str, hash: Option<String>) -> Option<String> {
        let from = hash?;
        if !passwords::is_foreign(&from) {
            return Some(from);
        }
        let hashed = self.passwords.hash(password.to_owned(), self.environment.random()).await;
        let upgraded = async {
            let to = hashed?;
            let change = Change::UpgradePassword { user, from: from.clone(), to: to.clone() };
            self.commit.submit(change).await.map(|_| to)
        };
        match upgraded.await {
            Ok(to) => Some(to),
            Err(problem) => {
                tracing::warn!(code = problem.code.name(), "a password hash of the host was not upgraded");
                Some(from)
            }
        }
    }

    /// Creates an account and signs in.
    pub(crate) async fn sign_up(
        &self,
        login: &str,
        name: String,
        password: String,
        client: Client,
    ) -> Result<StartedSession, Problem> {
        self.check_accounts()?;
        if !self.accounts.sign_up {
            return Err(Code::SignUpOff.into());
        }
        let login = login::validate(login)?;
        let addresses = &self.attempts.addresses;
        addresses.take(&client.address, self.environment.steady_ms()).map_err(too_many)?;
        let hash = self.hash_password(password).await.inspect_err(|_| addresses.give_back(&client.address))?;
        let change = Change::AddUser { login, name, password_hash: Some(hash.clone()) };
        match self.commit.submit(change).await? {
            Outcome::UserAdded(user) => self.begin_session(user, Some(hash), client).await,
            Outcome::Answer(_)
            | Outcome::Opened { .. }
            | Outcome::UserPut(_)
            | Outcome::Mirrored(_)
            | Outcome::Done => Err(Code::Internal.into()),
        }
    }

    /// Signs a user in without a password, for the links of the demo.
    pub(crate) async fn sign_in_as(&self, user: UserId, client: Client) -> Result<StartedSession, Problem> {
        self.begin_session(user, None, client).await
    }

    /// Sets a user's own password. All their other sessions end.
    pub(crate) async fn change_password(&self, actor: Actor, current: String, new: String) -> Result<(), Problem> {
        self.check_accounts()?;
        check_length(&current, &self.limits)?;
        check_new(&new, &self.limits)?;
        // Attempts are counted per session, so that wrong attempts elsewhere do not lock the user out here.
        let key = format!("session:{}", actor.session);
        let attempts = &self.attempts;
        attempts.strangers.take(&key, self.environment.steady_ms()).map_err(too_many)?;
        let checked = async {
            let hash = self.store.password_hash(actor.user).await?;
            self.passwords.check(current, hash.as_deref()).await
        };
        let checked = checked.await;
        // Only a wrong password counts as an attempt.
        if checked != Ok(false) {
            attempts.strangers.give_back(&key);
        }
        if !checked? {
            return Err(Code::WrongPassword.into());
        }
        let password_hash = self.hash_password(new).await?;
        self.commit.submit(Change::SetPassword { user: actor.user, password_hash, keep: Some(actor.session) }).await?;
        Ok(())
    }

    /// Checks a new password against the limits and hashes it.
    pub(crate) async fn hash_password(&self, password: String) -> Result<String, Problem> {
        check_new(&password, &self.limits)?;
        self.passwords.hash(password, self.environment.random()).await
    }

    async fn begin_session(
        &self,
        user: UserId,
        password_hash: Option<String>,
        client: Client,
    ) -> Result<StartedSession, Problem> {
        if let Some(previous) = client.previous {
            self.end_session(previous.user, previous.session).await?;
        }
        let token = Token::new(&self.environment);
        let new = sessions::NewSession {
            user,
            password_hash,
            token_hash: token.hash(),
            now_ms: self.environment.now_ms(),
            agent: kept_agent(&client.agent),
            expired_before: self.sessions_expired_before(),
            provider: ACCOUNTS,
        };
        let session = self.store.insert_session(new).await?;
        let session = session.ok_or(Problem::from(Code::WrongCredentials))?;
        let all = self.store.list_sessions(user, i64::MIN).await?;
        for oldest in all.iter().skip(self.limits.sessions_max as usize) {
            self.end_session(user, oldest.id).await?;
        }
        let device = client.device.unwrap_or_else(|| Token::new(&self.environment));
        self.remember_place(user, client.address, &device).await;
        Ok(StartedSession { actor: Actor { user, session }, token, device })
    }
}

/// Returns what is kept of the name that a client gives itself.
pub(super) fn kept_agent(agent: &str) -> String {
    agent.chars().filter(|character| !character.is_control()).take(AGENT_CHARS_MAX).collect()
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
    let min = limits.password_chars_min;
    if passwords::composed(password).chars().count() < min as usize {
        return Err(Problem::new(Code::InvalidField)
            .with_detail(format!("a password has at least {min} characters"))
            .with_limit(min.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::App, config::Config, environment::Environment, handover::Holding};
    use parlor_protocol::ids::SessionId;
    use std::{net::Ipv4Addr, sync::Arc};
    use tempfile::TempDir;

    const PASSWORD: &str = "correct horse";

    /// Starts a server without an edge, with one user.
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
        let app = App::start(config, Environment::real(), Holding::default()).await.expect("the server starts");
        let password_hash = Some(app.identity.hash_password(PASSWORD.to_owned()).await.expect("a hash"));
        let change = Change::AddUser { login: "ada".to_owned(), name: "Ada".to_owned(), password_hash };
        let Ok(Outcome::UserAdded(user)) = app.commit.submit(change).await else { panic!("Ada cannot be added") };
        (app, user, folder)
    }

    fn client() -> Client {
        Client { address: Ipv4Addr::LOCALHOST.into(), agent: String::new(), previous: None, device: None }
    }

    #[tokio::test]
    async fn a_sign_in_whose_password_is_not_checked_is_no_attempt() {
        let (app, user, _folder) = app().await;
        let identity = &app.identity;
        identity.passwords.take_all_turns();
        let (actor, password) = (Actor { user, session: SessionId(1) }, || PASSWORD.to_owned());
        for _ in 0..3 {
            let refusals = [
                identity.sign_in("ada", password(), client()).await.err(),
                identity.sign_up("ben", "Ben".to_owned(), password(), client()).await.err(),
                identity.change_password(actor, password(), "another horse".to_owned()).await.err(),
            ];
            assert_eq!(refusals.map(|refused| refused.map(|problem| problem.code)), [Some(Code::TooMany); 3]);
        }
        let now_ms = app.environment.steady_ms();
        for key in ["ada", "session:1"] {
            assert_eq!(identity.attempts.strangers.remaining(&key.to_owned(), now_ms).uses, 2, "{key}");
        }
        assert_eq!(identity.attempts.addresses.remaining(&client().address, now_ms).uses, 2);
        app.stop().await;
    }

    #[tokio::test]
    async fn the_last_use_of_a_session_moves_back_from_what_a_clock_that_was_ahead_wrote() {
        let (app, user, _folder) = app().await;
        let signed_in = app.identity.sign_in("ada", PASSWORD.to_owned(), client()).await;
        let session = signed_in.expect("signed in").actor.session;
        let now_ms = app.environment.now_ms();
        let day_ms = 24 * 60 * 60 * 1000;
        for (at, kept) in [
            (now_ms + 300 * day_ms, now_ms + 300 * day_ms),
            (now_ms + 60_000, now_ms + 60_000),
            // The clock of another node is a little behind.
            (now_ms + 50_000, now_ms + 60_000),
        ] {
            app.store.touch_sessions(vec![(session, at)]).await.expect("written");
            let listed = app.store.list_sessions(user, i64::MIN).await.expect("a list");
            assert_eq!(listed.iter().map(|listed| listed.seen_at).collect::<Vec<_>>(), [kept]);
        }
        app.stop().await;
    }
}
