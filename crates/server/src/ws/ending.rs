//! How a connection refuses commands, and how it closes.

use super::{Socket, frames, wire::Stop};
use crate::app::App;
use parlor_protocol::{close::Close, error::Problem};
use std::time::Duration;
use tracing::{Instrument as _, Span, debug, info_span, warn};

/// How long a connection that is closed for a client error may still answer the commands that it has read.
pub(super) const FINISHING: Duration = Duration::from_secs(1);

/// Why the connection ends.
pub(super) enum End {
    /// The server closes it.
    Close(Close),
    /// The client closes it, with this code.
    Closed(Option<u16>),
    /// It has ended.
    Gone,
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        stop.reason().map_or(Self::Gone, Self::Close)
    }
}

/// Returns how long a connection that is closed for this reason may still answer commands.
pub(super) fn time_to_finish(why: Close, app: &App) -> Duration {
    match why {
        Close::Restarting | Close::Expired => Duration::from_millis(app.config.stop.grace_ms / 2),
        Close::TooFast | Close::Unsupported | Close::TooLarge | Close::ProtocolError | Close::NotUtf8 => FINISHING,
        // The client is gone, or may learn nothing more.
        Close::SlowReader | Close::Silent | Close::Failed | Close::SessionEnded | Close::Disabled => Duration::ZERO,
    }
}

/// Closes with a reason.
pub(super) async fn close(app: &App, wire: Socket, why: Close) {
    let is_broken = matches!(why, Close::ProtocolError | Close::NotUtf8 | Close::TooLarge | Close::TooFast);
    wire.close(Some(why.code()), &frames::reason(why, retry_after_ms(app)), is_broken).await;
}

/// Returns a delay that differs for each connection.
fn retry_after_ms(app: &App) -> u64 {
    let stop = &app.config.stop;
    stop.retry_after_min_ms + app.environment.jitter(stop.retry_after_max_ms.saturating_sub(stop.retry_after_min_ms))
}

/// Returns a new request id.
pub(super) fn request_id(app: &App) -> String {
    format!("{:016x}", u64::from_le_bytes(app.environment.random()))
}

/// Runs the work of a command. What it logs has the request id, and so has its refusal.
pub(super) async fn traced<T>(
    request_id: String,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    work.instrument(span(&request_id)).await.map_err(|problem| with_id(problem, &request_id))
}

/// Returns the span of a command in the log.
pub(super) fn span(request_id: &str) -> Span {
    info_span!("command", id = request_id)
}

/// Gives a refusal the request id under which its cause was logged.
pub(super) fn with_id(problem: Problem, request_id: &str) -> Problem {
    Problem { request_id: Some(request_id.to_owned()), ..problem }
}

/// Gives a refusal a request id, unless it has one, and logs it.
pub(super) fn named(app: &App, mut problem: Problem) -> Problem {
    let request_id = problem.request_id.take().unwrap_or_else(|| request_id(app));
    let code = problem.code.name();
    if problem.status >= 500 {
        warn!(request_id, code, "a command was refused");
    } else {
        debug!(request_id, code, "a command was refused");
    }
    problem.request_id = Some(request_id);
    problem
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_protocol::error::Code;

    #[tokio::test]
    async fn a_failed_command_is_logged_under_the_id_in_its_refusal() {
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry());
        let mut span = None;
        let work = async {
            span = Span::current().metadata().map(tracing::Metadata::name);
            Err::<(), _>(Problem::from(Code::Unavailable))
        };
        let refusal = traced("00ff".to_owned(), work).await.expect_err("it failed");
        assert_eq!((refusal.request_id.as_deref(), span), (Some("00ff"), Some("command")));
    }
}
