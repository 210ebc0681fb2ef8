//! Runs the WebSocket conformance suite kosoku against `/conformance/echo` of the built server: every case must pass
//! and close cleanly.
//!
//! Omitted are the cases of permessage-deflate (12 and 13), which is not negotiated.

use crate::command::{program, run as run_program};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const SUITE: &str = "kosoku==0.1.0";
/// Fewer cases than this are not the whole suite.
const CASES_MIN: usize = 289;
/// The timeout of the suite.
const TIME: Duration = Duration::from_mins(10);
/// Results that count as passed.
const GOOD: [&str; 2] = ["OK", "INFORMATIONAL"];
/// The cases send up to 16 MB in one message, and in fragments of 64 bytes.
const SETTINGS: [(&str, &str); 5] = [
    ("PARLOR_CONFORMANCE_ECHO", "true"),
    ("PARLOR_LIMITS_FRAME_BYTES_MAX", "20000000"),
    ("PARLOR_LIMITS_FRAMES_PER_SECOND_MAX", "1000000"),
    ("PARLOR_LIMITS_CONNECTION_QUEUE_BYTES_MAX", "100000000"),
    ("PARLOR_FILES_FREE_BYTES_MIN", "0"),
];

/// A server that is killed on drop.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Runs the suite against this binary. Everything it needs is below `target`.
pub(crate) fn run(root: &Path, target: &Path, binary: &Path) -> Result<(), String> {
    let folder = target.join("kosoku");
    let suite = install(root, &folder)?;
    let (_server, address) = serve(root, &folder, binary)?;
    let report = folder.join("report");
    remove(&report)?;
    let url = format!("ws://{address}/conformance/echo");
    let report_path = report.to_str().ok_or("the target directory has a name that is not UTF-8")?;
    let arguments = ["--exclude", "12.*", "--exclude", "13.*", "--parallelism", "4", "--outdir", report_path, &url];
    let mut suite = program(&suite, &arguments, root);
    within(suite.stdout(Stdio::null()), TIME)?;
    let index = report.join("index.json");
    let text = fs::read_to_string(&index).map_err(|error| format!("{}: {error}", index.display()))?;
    println!("{} cases end as they should", judge(&text)?);
    Ok(())
}

/// Installs the suite into a virtual environment, unless it is installed.
fn install(root: &Path, folder: &Path) -> Result<PathBuf, String> {
    let suite = folder.join("bin/kosoku");
    if !suite.is_file() {
        let name = folder.to_str().ok_or("the target directory has a name that is not UTF-8")?;
        run_program(&mut program("python3", &["-m", "venv", name], root))?;
        let pip = ["install", "--quiet", "--disable-pip-version-check", SUITE];
        run_program(&mut program(folder.join("bin/pip"), &pip, root))?;
    }
    Ok(suite)
}

fn remove(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(())
}

/// Starts the server on a free port, and returns its address.
fn serve(root: &Path, folder: &Path, binary: &Path) -> Result<(Server, String), String> {
    let data = folder.join("data");
    remove(&data)?;
    let name = data.to_str().ok_or("the target directory has a name that is not UTF-8")?;
    let mut command = program(binary, &["serve", "--listen", "127.0.0.1:0", "--data", name], root);
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("PARLOR_")) {
        command.env_remove(key);
    }
    let child = command.envs(SETTINGS).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
    let mut server = Server(child.map_err(|error| format!("the server could not be started: {error}"))?);
    let mut reader = BufReader::new(server.0.stdout.take().ok_or("the server printed nothing")?);
    let mut line = String::new();
    reader.read_line(&mut line).map_err(|error| format!("the server printed nothing: {error}"))?;
    let address = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next());
    let address = address.ok_or_else(|| format!("the server printed: {line}"))?.to_owned();
    // All further output is read, so that the server never blocks.
    thread::spawn(move || reader.read_to_end(&mut Vec::new()));
    Ok((server, address))
}

/// Runs a program with a timeout. A failing suite also exits with an error; the report says why.
fn within(command: &mut Command, time: Duration) -> Result<(), String> {
    let mut child = command.spawn().map_err(|error| format!("the suite could not be started: {error}"))?;
    let deadline = Instant::now() + time;
    loop {
        match child.try_wait().map_err(|error| format!("the suite: {error}"))? {
            Some(_) => return Ok(()),
            None if Instant::now() < deadline => thread::sleep(Duration::from_millis(100)),
            None => {
                // It may have ended just now.
                let _ended = child.kill();
                let _status = child.wait();
                return Err(format!("the suite did not end within {} s", time.as_secs()));
            }
        }
    }
}

/// Returns the number of cases, if all passed.
fn judge(index: &str) -> Result<usize, String> {
    let index: serde_json::Value = serde_json::from_str(index).map_err(|error| format!("index.json: {error}"))?;
    let agents = index.as_object().ok_or("index.json is no object")?.values();
    let cases: Vec<_> = agents.filter_map(|cases| cases.as_object()).flatten().collect();
    let is_good = |case: &serde_json::Value, field: &str| case[field].as_str().is_some_and(|end| GOOD.contains(&end));
    let bad = cases.iter().filter(|(_, case)| !is_good(case, "behavior") || !is_good(case, "behaviorClose"));
    let bad: Vec<String> =
        bad.map(|(name, case)| format!("{name}: {}, closed: {}", case["behavior"], case["behaviorClose"])).collect();
    if !bad.is_empty() {
        return Err(format!("{} of {} cases end badly:\n{}", bad.len(), cases.len(), bad.join("\n")));
    }
    if cases.len() < CASES_MIN {
        return Err(format!("only {} cases were run, and there are {CASES_MIN}", cases.len()));
    }
    Ok(cases.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(cases: usize, last: &str, closed: &str) -> String {
        let good = r#"{"behavior": "OK", "behaviorClose": "OK"}"#;
        let mut entries: Vec<String> = (1..cases).map(|number| format!("\"1.1.{number}\": {good}")).collect();
        entries.push(format!(r#""9.9.9": {{"behavior": "{last}", "behaviorClose": "{closed}"}}"#));
        format!(r#"{{"parlor": {{{}}}}}"#, entries.join(","))
    }

    #[test]
    fn every_case_must_be_present_and_pass_cleanly() {
        assert_eq!(judge(&index(289, "INFORMATIONAL", "INFORMATIONAL")), Ok(289));
        for (bad, closed) in [("FAILED", "OK"), ("NON-STRICT", "OK"), ("OK", "UNCLEAN"), ("UNIMPLEMENTED", "OK")] {
            assert!(judge(&index(289, bad, closed)).unwrap_err().contains("9.9.9"));
        }
        assert!(judge(&index(288, "OK", "OK")).is_err());
        assert!(judge("[]").is_err() && judge("{}").is_err());
    }
}
