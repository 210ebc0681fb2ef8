//! The program that takes this one's place: which one it is, whether it can start, and becoming it.

use super::bundle::Bundle;
use std::{
    env,
    ffi::OsString,
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The flag with which a program starts that has a bundle as its standard input.
pub const TAKE_OVER: &str = "take-over";
/// The flag with which it only checks its configuration.
const CHECK: &str = "--check";
/// How long the check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// How much of its errors is shown.
const ERROR_BYTES_MAX: u64 = 2000;
/// What the system adds to the path of a running program whose file was replaced.
const DELETED: &str = " (deleted)";
/// The file that runs, whatever is at its path now.
const THIS_FILE: &str = "/proc/self/exe";

/// See the module documentation.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// Finds the path of this program, and its arguments. Called when it starts, before its file can be replaced: a
    /// link on the way to it may lead to another version later.
    ///
    /// # Errors
    /// The system does not know the path.
    pub fn current() -> io::Result<Self> {
        let running = without_suffix(env::current_exe()?);
        let mut words = env::args_os();
        let named = words.next().map(PathBuf::from).unwrap_or_default();
        let words: Vec<OsString> = words.collect();
        let is_take_over = |word: &OsString| *word == *format!("--{TAKE_OVER}");
        // The program before names the path to start, even if it had to start another file.
        let is_named = named.is_absolute() && words.iter().any(is_take_over);
        let is_this = |path: &PathBuf| path.canonicalize().is_ok_and(|found| found == running);
        let path = if is_named { named } else { candidates(&named).into_iter().find(is_this).unwrap_or(running) };
        let arguments = words.into_iter().filter(|word| !is_take_over(word)).collect();
        Ok(Self { path, arguments })
    }

    /// Checks that the program starts and accepts its configuration.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn check(&self) -> Result<(), String> {
        let program = self.clone();
        let checked = tokio::task::spawn_blocking(move || program.run_check()).await;
        checked.unwrap_or_else(|_| Err("the check failed".to_owned()))
    }

    fn run_check(&self) -> Result<(), String> {
        let shown = self.path.display();
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).arg(CHECK).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{shown} cannot be started: {error}"))?;
        let deadline = Instant::now() + CHECK_TIMEOUT;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => std::thread::sleep(CHECK_INTERVAL),
                waited => {
                    // It may have ended in the meantime.
                    _ = child.kill();
                    _ = child.wait();
                    let why = waited.err().map_or("it does not end".to_owned(), |error| error.to_string());
                    return Err(format!("{shown} was not checked: {why}"));
                }
            }
        };
        if status.success() {
            return Ok(());
        }
        let mut errors = Vec::new();
        if let Some(output) = child.stderr.take() {
            // It is only shown.
            _ = output.take(ERROR_BYTES_MAX).read_to_end(&mut errors);
        }
        Err(format!("{shown} refuses to start ({status}): {}", String::from_utf8_lossy(&errors).trim()))
    }

    /// Becomes the program, or the file that runs now if that cannot be started any more. Returns only if neither can.
    #[must_use]
    pub fn replace_this(&self, bundle: Option<Bundle>) -> io::Error {
        let bundle = bundle.map(Bundle::into_descriptor);
        let error = self.replace_with(&self.path, bundle.as_ref().and_then(|bundle| bundle.try_clone().ok()));
        tracing::error!(%error, program = %self.path.display(), "the program cannot be started; the old one starts again");
        self.replace_with(Path::new(THIS_FILE), bundle)
    }

    fn replace_with(&self, path: &Path, bundle: Option<std::os::fd::OwnedFd>) -> io::Error {
        let mut command = Command::new(path);
        command.arg0(&self.path).args(&self.arguments).arg(format!("--{TAKE_OVER}"));
        command.stdin(bundle.map_or_else(Stdio::null, Stdio::from));
        command.exec()
    }
}

/// Returns where a program may be that was started by this name.
fn candidates(named: &Path) -> Vec<PathBuf> {
    if named.components().count() > 1 {
        return std::path::absolute(named).into_iter().collect();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join(named)).collect()
}

fn without_suffix(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|path| path.strip_suffix(DELETED)) {
        Some(path) if !Path::new(path).as_os_str().is_empty() => PathBuf::from(path),
        _ => path,
    }
}
