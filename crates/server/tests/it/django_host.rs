//! A real Django beside the server: its users, sessions and databases.

use crate::harness::{folder, tool};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
};
use tempfile::TempDir;

/// `SECRET_KEY` of every host of the tests.
pub(crate) const SECRET_KEY: &str = "a key of the tests with ünicode";

/// A running Django, which ends when it is dropped.
pub(crate) struct DjangoHost {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    folder: TempDir,
    /// For `host.database`.
    pub(crate) url: String,
}

static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Returns a Python that has Django 5.2; none where it cannot be installed, which CI does not accept.
fn python() -> Option<PathBuf> {
    PYTHON
        .get_or_init(|| {
            let installed = install();
            if let Err(why) = &installed {
                assert!(std::env::var_os("CI").is_none(), "CI needs Django: {why}");
                eprintln!("skipped: Django cannot be installed ({why})");
            }
            installed.ok()
        })
        .clone()
}

/// Other processes of tests may install it at the same time.
fn install() -> Result<PathBuf, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("django-5.2");
    let lock = File::create(folder.with_extension("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let (python, done) = (folder.join("bin/python"), folder.join("done"));
    if !done.exists() {
        let path = folder.display().to_string();
        tool("python3", &["-m", "venv", "--clear", &path])?;
        let pip = folder.join("bin/pip").display().to_string();
        let packages = ["django>=5.2,<5.3", "argon2-cffi", "bcrypt", "psycopg[binary]", "pymysql"];
        tool(&pip, &[&["install", "--quiet", "--disable-pip-version-check"], packages.as_slice()].concat())?;
        File::create(done).map_err(|error| error.to_string())?;
    }
    Ok(python)
}

impl DjangoHost {
    /// Starts one on SQLite.
    pub(crate) fn start(engine: &str) -> Option<Self> {
        let folder = folder();
        let file = folder.path().join("host.sqlite3");
        let database = json!({"ENGINE": "django.db.backends.sqlite3", "NAME": file, "OPTIONS": {"timeout": 20}});
        let url = format!("sqlite:{}", file.display());
        Self::on(folder, &database, url, engine)
    }

    /// Starts one on a database of PostgreSQL or MariaDB.
    pub(crate) fn on_server(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (account, place) = rest.split_once('@')?;
        let (address, name) = place.split_once('/')?;
        let (host, port) = address.split_once(':')?;
        let (user, password) = account.split_once(':').unwrap_or((account, ""));
        let kind = if scheme == "mysql" { "mysql" } else { "postgresql" };
        let engine = format!("django.db.backends.{kind}");
        let database = json!({"ENGINE": engine, "NAME": name, "USER": user, "PASSWORD": password, "HOST": host,
            "PORT": port});
        Self::on(folder(), &database, url.to_owned(), "db")
    }

    fn on(folder: TempDir, database: &Value, url: String, engine: &str) -> Option<Self> {
        let python = python()?;
        let options = json!({"database": database, "engine": engine, "folder": folder.path(), "secret": SECRET_KEY});
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/django/host.py");
        let mut child = Command::new(python)
            .args(["-W", "ignore", script, &options.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut host = Self { child, input, output, folder, url };
        host.run("migrate", &json!({}));
        Some(host)
    }

    /// Returns the folder of its database and files.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Runs a command of `fixtures/django/host.py`.
    pub(crate) fn run(&mut self, command: &str, arguments: &Value) -> Value {
        writeln!(self.input, "{}", json!([command, arguments])).expect("Django listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("Django answers");
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{command}: {line:?}"));
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer["ok"].take()
    }

    /// Adds a user and returns the primary key.
    pub(crate) fn user(&mut self, username: &str) -> i64 {
        self.run("create", &json!({"username": username})).as_i64().expect("a number")
    }

    /// Signs a user in and returns the cookie's value.
    pub(crate) fn sign_in(&mut self, username: &str) -> String {
        self.run("sign_in", &json!({"username": username})).as_str().expect("a key").to_owned()
    }
}

impl Drop for DjangoHost {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
