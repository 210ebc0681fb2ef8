//! Metrics, in one registry per server.
//!
//! Absent on purpose: labels with values from outside (names, addresses, paths with ids).

mod mirror;

use mirror::MirrorMetrics;
use parlor_protocol::close::Close;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use std::sync::atomic::AtomicU64;

/// All metrics. Cheap to update from anywhere.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Open sockets.
    pub connections: Gauge,
    /// Committed messages.
    pub messages: Counter,
    /// Changes per commit.
    pub commit_batch_size: Histogram,
    /// How long a commit takes, from its first statement until it is durable.
    pub commit_seconds: Histogram,
    /// Changes waiting for the next commit.
    pub commit_queue: Gauge,
    /// Sockets closed by the server, by cause.
    pub closes: Family<CloseLabels, Counter>,
    /// Answers to `session.resume` and to first polls.
    pub resumes: Family<ResumeLabels, Counter>,
    /// Events put into the outboxes of connections.
    pub events_delivered: Counter,
    /// Events that the channel layer did not take, which nodes read from the store. 0 within one process.
    pub events_dropped: Counter,
    /// Ranges of commits that were read from the store because the channel layer did not deliver them.
    pub commits_recovered: Counter,
    /// Whether deliveries between nodes work, in both directions: 1 or 0.
    pub channel_layer_connected: Gauge,
    /// How often the database's log was cleared of what was deleted or edited away.
    pub erasures: Counter,
    /// Uploads being received.
    pub uploads: Gauge,
    /// Bytes of files received.
    pub upload_bytes: Counter,
    /// Uploads refused or ended early, by error code.
    pub uploads_refused: Family<CodeLabels, Counter>,
    /// Bytes of files served.
    pub download_bytes: Counter,
    /// Files removed because they were deleted, canceled or abandoned.
    pub files_collected: Counter,
    /// Users who are present, as far as this node knows.
    pub present: Gauge,
    /// Presence changes sent to watchers.
    pub presence_told: Counter,
    /// How often the start or end of typing was sent to others.
    pub typing_told: Counter,
    /// HTTP responses, by method and status.
    pub requests: Family<RequestLabels, Counter>,
    /// How long a request takes until its response begins.
    pub request_seconds: Histogram,
    /// Connections refused before their first byte, because there were too many.
    pub connections_refused: Counter,
    /// Password checks, by whether the user can sign in: checks for unknown or disabled users cost the same.
    pub password_checks: Family<PasswordCheckLabels, Counter>,
    /// Sign-in attempts refused because there were too many.
    pub attempts_refused: Counter,
    /// Messages written to the search index.
    pub search_indexed: Counter,
    /// How often the search index was rebuilt for another database or format.
    pub search_rebuilds: Counter,
    /// How many versions the search index is behind, on the node that maintains it.
    pub search_lag_versions: Gauge,
    /// The age of the oldest message that is not in the search index.
    pub search_lag_seconds: Gauge<f64, AtomicU64>,
    /// How long a search takes.
    pub search_seconds: Histogram,
    /// Of the mirror.
    pub mirror: MirrorMetrics,
    /// Reads for users that are running.
    pub queries_under_way: Gauge,
    /// Changes by users that wait for their commit or are in it.
    pub changes_under_way: Gauge,
    /// Database connections in use.
    pub store_connections_busy: Gauge,
    /// Messages received from the channel layer of the site.
    pub bridge_received: Counter,
    /// Messages sent to groups of the channel layer of the site.
    pub bridge_sent: Counter,
    /// Messages between Parlor and the channel layer that were dropped, by reason.
    pub bridge_drops: Family<DropLabels, Counter>,
    /// Lines of the access log that were dropped because the disk was too slow or refused them.
    pub access_lines_dropped: Counter,
    /// Tasks of the runtime that have not ended.
    pub tasks: Gauge,
}

/// Labels for why a socket was closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CloseLabels {
    /// [`Close::name`].
    pub cause: &'static str,
}

impl From<Close> for CloseLabels {
    fn from(close: Close) -> Self {
        Self { cause: close.name() }
    }
}

/// Labels for how a resume ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResumeLabels {
    /// `resumed` or `reset`.
    pub result: &'static str,
}

/// Labels for an error code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CodeLabels {
    /// [`parlor_protocol::error::Code::name`].
    pub code: &'static str,
}

/// Labels for an HTTP response.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The method, or `other`.
    pub method: &'static str,
    /// The status.
    pub status: u16,
}

/// Labels for why a message of the bridge was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DropLabels {
    /// The reason.
    pub reason: &'static str,
}

/// Labels for a password check.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PasswordCheckLabels {
    /// `account`, or `nobody` when a dummy was checked.
    pub of: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Creates all metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("parlor"),
            connections: Gauge::default(),
            messages: Counter::default(),
            commit_batch_size: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            commit_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            commit_queue: Gauge::default(),
            closes: Family::default(),
            resumes: Family::default(),
            events_delivered: Counter::default(),
            events_dropped: Counter::default(),
            commits_recovered: Counter::default(),
            channel_layer_connected: Gauge::default(),
            erasures: Counter::default(),
            uploads: Gauge::default(),
            upload_bytes: Counter::default(),
            uploads_refused: Family::default(),
            download_bytes: Counter::default(),
            files_collected: Counter::default(),
            present: Gauge::default(),
            presence_told: Counter::default(),
            typing_told: Counter::default(),
            requests: Family::default(),
            request_seconds: Histogram::new(exponential_buckets(0.0002, 2.0, 16)),
            connections_refused: Counter::default(),
            password_checks: Family::default(),
            attempts_refused: Counter::default(),
            search_indexed: Counter::default(),
            search_rebuilds: Counter::default(),
            search_lag_versions: Gauge::default(),
            search_lag_seconds: Gauge::default(),
            search_seconds: Histogram::new(exponential_buckets(0.0002, 2.0, 16)),
            mirror: MirrorMetrics::default(),
            queries_under_way: Gauge::default(),
            changes_under_way: Gauge::default(),
            store_connections_busy: Gauge::default(),
            bridge_received: Counter::default(),
            bridge_sent: Counter::default(),
            bridge_drops: Family::default(),
            access_lines_dropped: Counter::default(),
            tasks: Gauge::default(),
        };
        metrics.register();
        metrics.register_mirror();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("connections", "Open sockets", self.connections.clone());
        registry.register("messages", "Messages committed", self.messages.clone());
        registry.register("commit_batch_size", "Changes in one commit", self.commit_batch_size.clone());
        registry.register_with_unit("commit", "Time of a commit", Unit::Seconds, self.commit_seconds.clone());
        registry.register("commit_queue", "Changes waiting for the next commit", self.commit_queue.clone());
        registry.register("closes", "Sockets closed by the server", self.closes.clone());
        registry.register("resumes", "Answers to session.resume", self.resumes.clone());
        registry.register("events_delivered", "Events queued for connections", self.events_delivered.clone());
        registry.register("events_dropped", "Events that went to no other node", self.events_dropped.clone());
        registry.register("commits_recovered", "Commits recovered from the store", self.commits_recovered.clone());
        registry.register(
            "channel_layer_connected",
            "Whether deliveries between nodes work",
            self.channel_layer_connected.clone(),
        );
        registry.register("erasures", "Times the log was cleared of deleted data", self.erasures.clone());
        registry.register("uploads", "Uploads being received", self.uploads.clone());
        registry.register("upload_bytes", "Bytes of files received", self.upload_bytes.clone());
        registry.register("uploads_refused", "Uploads refused or ended early", self.uploads_refused.clone());
        registry.register("download_bytes", "Bytes of files served", self.download_bytes.clone());
        registry.register("files_collected", "Files removed", self.files_collected.clone());
        registry.register("present", "Users who are present", self.present.clone());
        registry.register("presence_told", "Presence changes sent to watchers", self.presence_told.clone());
        registry.register("typing_told", "Typing changes sent to members", self.typing_told.clone());
        registry.register("requests", "HTTP answers", self.requests.clone());
        registry.register_with_unit("request", "Time of a request", Unit::Seconds, self.request_seconds.clone());
        registry.register("connections_refused", "Connections over a limit", self.connections_refused.clone());
        registry.register("password_checks", "Passwords checked", self.password_checks.clone());
        registry.register("attempts_refused", "Sign-ins refused as too many", self.attempts_refused.clone());
        registry.register("search_indexed", "Messages written to the search index", self.search_indexed.clone());
        registry.register("search_rebuilds", "Rebuilds of the search index", self.search_rebuilds.clone());
        let lag = self.search_lag_versions.clone();
        registry.register("search_lag_versions", "Versions that the search index is behind", lag);
        let lag = self.search_lag_seconds.clone();
        registry.register_with_unit("search_lag", "Age of the oldest message not in the index", Unit::Seconds, lag);
        registry.register_with_unit("search", "Time of a search", Unit::Seconds, self.search_seconds.clone());
        registry.register("queries_under_way", "Reads for users that are running", self.queries_under_way.clone());
        registry.register("changes_under_way", "Changes by users that are under way", self.changes_under_way.clone());
        let busy = self.store_connections_busy.clone();
        registry.register("store_connections_busy", "Connections to the database in use", busy);
        registry.register("bridge_received", "Messages from the channel layer", self.bridge_received.clone());
        registry.register("bridge_sent", "Messages to the channel layer", self.bridge_sent.clone());
        registry.register("bridge_drops", "Messages of the bridge that were dropped", self.bridge_drops.clone());
        let dropped = self.access_lines_dropped.clone();
        registry.register("access_lines_dropped", "Lines of the access log that were dropped", dropped);
        registry.register("tasks", "Tasks that have not ended", self.tasks.clone());
    }

    /// Counts a message of the bridge that was dropped.
    pub fn bridge_dropped(&self, reason: &'static str) {
        self.bridge_dropped_many(reason, 1);
    }

    /// Counts messages of the bridge that were dropped.
    pub fn bridge_dropped_many(&self, reason: &'static str, count: u64) {
        self.bridge_drops.get_or_create(&DropLabels { reason }).inc_by(count);
    }

    fn register_mirror(&mut self) {
        let (registry, mirror) = (&mut self.registry, &self.mirror);
        let help = "Whether the mirror runs and the host's database answers";
        registry.register("mirror_connected", help, mirror.connected.clone());
        registry.register("mirror_rows", "Rows of the host that became messages", mirror.rows.clone());
        registry.register("mirror_removed", "Messages whose rows the host deleted", mirror.removed.clone());
        let help = "Times a row of the host could not be mirrored";
        registry.register("mirror_rows_refused", help, mirror.rows_refused.clone());
        registry.register("mirror_written", "Rows inserted into the host's table", mirror.written.clone());
        registry.register("mirror_refused", "Changes that the host's database refused", mirror.refused.clone());
        registry.register("mirror_repaired", "Rows that a scan found to be different", mirror.repaired.clone());
    }

    /// Returns all metrics in the `OpenMetrics` text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing into a String does not fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_appear_under_their_names() {
        let metrics = Metrics::new();
        metrics.messages.inc();
        metrics.closes.get_or_create(&Close::SlowReader.into()).inc();
        let text = metrics.text();
        for line in
            ["parlor_messages_total 1", "parlor_events_dropped_total 0", "parlor_closes_total{cause=\"slow_reader\"} 1"]
        {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
