//! Runs named steps: a heading and a duration for each, a table at the end.

use std::{
    fmt::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: &'static str,
    outcome: Outcome,
}

enum Outcome {
    Ok(Duration),
    Failed(Duration, String),
    NotRun(String),
}

impl Steps {
    /// Runs a step, even after failed ones, and returns whether it succeeded.
    pub(crate) fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<(), String>) -> bool {
        println!("\n==== {name}");
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        let outcome = match result {
            Ok(()) => Outcome::Ok(took),
            Err(why) => {
                println!("{why}");
                Outcome::Failed(took, why.lines().next().unwrap_or_default().to_owned())
            }
        };
        let succeeded = matches!(outcome, Outcome::Ok(_));
        println!("---- {name}: {} in {}", if succeeded { "ok" } else { "FAILED" }, seconds(took));
        self.done.push(Step { name, outcome });
        succeeded
    }

    /// Notes that a step could not run because an earlier one failed.
    pub(crate) fn cannot_run(&mut self, name: &'static str, why: &str) {
        self.done.push(Step { name, outcome: Outcome::NotRun(why.to_owned()) });
    }

    /// Prints the table; the first failure is named last.
    pub(crate) fn finish(self) -> ExitCode {
        let (table, failed) = self.table();
        print!("{table}");
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn table(&self) -> (String, bool) {
        let mut text = "\n==== all steps\n".to_owned();
        let (mut passed, mut first_failed) = (0, None);
        for Step { name, outcome } in &self.done {
            let line = match outcome {
                Outcome::Ok(took) => format!("ok       {:>9}  {name}", seconds(*took)),
                Outcome::Failed(took, why) => format!("FAILED   {:>9}  {name}: {why}", seconds(*took)),
                Outcome::NotRun(why) => format!("not run  {:>9}  {name}: {why}", ""),
            };
            writeln!(text, "{line}").expect("a text can be written to");
            match outcome {
                Outcome::Ok(_) => passed += 1,
                Outcome::Failed(..) => first_failed = first_failed.or(Some(*name)),
                Outcome::NotRun(_) => {}
            }
        }
        let failed = self.done.len() - passed;
        writeln!(text, "steps: {passed} passed, {failed} failed").expect("as above");
        if let Some(name) = first_failed {
            writeln!(text, "failed first: {name}").expect("as above");
        }
        (text, failed > 0)
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failed_step_is_named_last_and_counts() {
        let mut steps = Steps::default();
        assert!(steps.run("one", || Ok(())));
        assert!(!steps.run("two", || Err("it broke\nlong story".to_owned())));
        assert!(!steps.run("three", || Err("this too".to_owned())));
        steps.cannot_run("four", "two failed");
        let (table, failed) = steps.table();
        assert!(failed);
        assert!(table.contains("two: it broke\n") && table.contains("four: two failed\n"), "{table}");
        assert!(table.ends_with("steps: 1 passed, 3 failed\nfailed first: two\n"), "{table}");
    }

    #[test]
    fn a_run_without_failures_succeeds() {
        let mut steps = Steps::default();
        steps.run("one", || Ok(()));
        let (table, failed) = steps.table();
        assert!(!failed && table.ends_with("steps: 1 passed, 0 failed\n"), "{table}");
    }
}
