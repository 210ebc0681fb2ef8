//! Settings that are each valid but contradict each other. The server refuses to start with them, and names them.

use super::{Config, ProviderKind, SessionEngine, Setting, SettingSource};
use std::collections::BTreeMap;

/// The minimum ratio of silence to heartbeat interval, in fifths: the reply needs time to arrive.
const SILENCE_FIFTHS: u64 = 6;
/// At least how many clock checks a commit is remembered for.
const CLOCK_CHECKS: u64 = 3;

/// Whether two settings contradict each other, their keys, and the reason.
type Conflict = (bool, &'static str, &'static str, &'static str);

/// Returns one line for each contradiction.
pub(super) fn find(config: &Config, settings: &BTreeMap<String, Setting>) -> Vec<String> {
    let describe = |path: &str| {
        let setting = settings.get(path);
        setting.map_or_else(
            || path.to_owned(),
            |setting| format!("{path} = {} ({})", setting.display_value(), setting.source),
        )
    };
    let is_set = |path: &str| settings.get(path).is_some_and(|setting| setting.source != SettingSource::Default);
    let pairs = identity_conflicts(config)
        .into_iter()
        .chain(time_conflicts(config))
        .chain(limit_conflicts(config, is_set))
        .chain(location_conflicts(config));
    let found = pairs.filter(|(is_contradiction, ..)| *is_contradiction);
    found
        .map(|(_, one, other, why)| format!("{} and {} contradict each other: {why}", describe(one), describe(other)))
        .collect()
}

fn identity_conflicts(config: &Config) -> [Conflict; 6] {
    let (identity, django) = (&config.identity, &config.django);
    let providers = "identity.providers";
    let has = |kind: ProviderKind| identity.providers.contains(&kind);
    let has_django = has(ProviderKind::DjangoSession);
    let is_unknown = |backend: &String| !django.backends.contains(backend);
    [
        (
            identity.providers.is_empty(),
            providers,
            "identity.sign_in_url",
            "nobody could sign in; name at least one provider",
        ),
        (
            has_django && django.secret_key.is_empty(),
            providers,
            "django.secret_key",
            "without the key of the application nothing of its sessions can be believed",
        ),
        (
            has_django && config.host.database.is_none(),
            providers,
            "host.database",
            "people are read from the host's database",
        ),
        (
            has(ProviderKind::Callback) && (config.callback.url.is_empty() || config.callback.cookies.is_empty()),
            providers,
            "callback.url",
            "a URL and the names of the cookies are needed to ask the host",
        ),
        (
            has_django && django.session_engine == SessionEngine::File && django.session_folder.is_none(),
            "django.session_engine",
            "django.session_folder",
            "sessions in files are in a folder",
        ),
        (
            django.backends_inactive.iter().any(is_unknown),
            "django.backends_inactive",
            "django.backends",
            "a backend of the first is not among the second",
        ),
    ]
}

fn time_conflicts(config: &Config) -> [Conflict; 3] {
    let (socket, stop, sync) = (&config.socket, &config.stop, &config.sync);
    [
        (
            socket.silence_ms.saturating_mul(5) < socket.ping_interval_ms.saturating_mul(SILENCE_FIFTHS),
            "socket.ping_interval_ms",
            "socket.silence_ms",
            "a client that answers every heartbeat would be disconnected; the silence must be at least a fifth longer",
        ),
        (
            stop.retry_after_min_ms > stop.retry_after_max_ms,
            "stop.retry_after_min_ms",
            "stop.retry_after_max_ms",
            "the shortest time is longer than the longest",
        ),
        (
            sync.commits_kept_ms < sync.clock_check_ms.saturating_mul(CLOCK_CHECKS),
            "sync.commits_kept_ms",
            "sync.clock_check_ms",
            "commits would be forgotten before they are checked; they must be kept for at least three checks",
        ),
    ]
}

fn limit_conflicts(config: &Config, is_set: impl Fn(&str) -> bool) -> [Conflict; 3] {
    let limits = &config.limits;
    // A small frame or body alone just limits texts as well; only an explicit text limit that fits into neither is an
    // error.
    let never_fits = |bytes: u32, path: &str| {
        is_set("limits.text_chars_max") && !is_set(path) && limits.text_chars_max.saturating_mul(4) > bytes
    };
    let why = "a text with four bytes per character would not fit";
    let (frame, body) = ("limits.frame_bytes_max", "limits.body_bytes_max");
    [
        (never_fits(limits.frame_bytes_max, frame), "limits.text_chars_max", frame, why),
        (never_fits(limits.body_bytes_max, body), "limits.text_chars_max", body, why),
        (
            limits.password_chars_min > limits.password_chars_max,
            "limits.password_chars_min",
            "limits.password_chars_max",
            "no password would be accepted",
        ),
    ]
}

fn location_conflicts(config: &Config) -> [Conflict; 8] {
    let files = &config.files;
    [
        (
            files.folder.is_some() && files.s3_bucket.is_some(),
            "files.folder",
            "files.s3_bucket",
            "files are stored in one place only",
        ),
        (
            files.s3_endpoint.is_some() && files.s3_bucket.is_none(),
            "files.s3_endpoint",
            "files.s3_bucket",
            "there is an address but no bucket",
        ),
        (
            config.tls.certificate.is_some() != config.tls.key.is_some(),
            "tls.certificate",
            "tls.key",
            "a certificate is of use with its key only",
        ),
        (
            config.tls.certificate.is_some() && config.public_url.as_ref().is_some_and(|public| !public.is_https),
            "tls.certificate",
            "public_url",
            "with TLS the address that users open begins with https://",
        ),
        (
            files.s3_access_key_id.is_empty() != files.s3_secret_access_key.is_empty(),
            "files.s3_access_key_id",
            "files.s3_secret_access_key",
            "a key has an id and a secret",
        ),
        (
            config.public_url.as_ref().is_some_and(|public| config.allowed_origins.contains(public)),
            "public_url",
            "allowed_origins",
            "the first is always allowed; remove it from the second",
        ),
        (
            config.bridge.rooms.is_some() && config.bridge.redis.is_empty(),
            "bridge.rooms",
            "bridge.redis",
            "rooms hear what is sent to groups of a channel layer, and there is none",
        ),
        (
            config.channel_layer.url.is_some() && config.store.url.is_none(),
            "channel_layer.url",
            "store.url",
            "several nodes need a store that they share, and SQLite has one node",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    type Contradiction = (&'static [(&'static str, &'static str)], [&'static str; 2]);

    #[test]
    fn contradicting_settings_are_refused_by_name_and_sound_ones_are_not() {
        let contradictions: &[Contradiction] = &[
            (&[("identity.providers", "")], ["identity.providers", "identity.sign_in_url"]),
            (&[("identity.providers", "django_session")], ["identity.providers", "django.secret_key"]),
            (
                &[("identity.providers", "django_session,accounts"), ("django.secret_key", "x")],
                ["identity.providers", "host.database"],
            ),
            (&[("identity.providers", "callback")], ["identity.providers", "callback.url"]),
            (&[("django.backends_inactive", "a.B")], ["django.backends_inactive", "django.backends"]),
            (
                &[("socket.ping_interval_ms", "60000")],
                ["socket.ping_interval_ms = 60000 (", "socket.silence_ms = 35000 (default)"],
            ),
            (&[("socket.silence_ms", "25000")], ["socket.ping_interval_ms", "socket.silence_ms = 25000"]),
            (&[("stop.retry_after_min_ms", "5000")], ["stop.retry_after_min_ms", "stop.retry_after_max_ms"]),
            (&[("stop.retry_after_max_ms", "10")], ["stop.retry_after_min_ms", "stop.retry_after_max_ms"]),
            (&[("sync.clock_check_ms", "600000")], ["sync.commits_kept_ms", "sync.clock_check_ms"]),
            (&[("sync.commits_kept_ms", "1")], ["sync.commits_kept_ms", "sync.clock_check_ms"]),
            (&[("limits.password_chars_min", "300")], ["limits.password_chars_min", "limits.password_chars_max"]),
            (&[("limits.text_chars_max", "100000")], ["limits.text_chars_max", "limits.frame_bytes_max"]),
            (&[("files.folder", "/a"), ("files.s3_bucket", "b")], ["files.folder", "files.s3_bucket"]),
            (&[("bridge.rooms", "r.toml")], ["bridge.rooms", "bridge.redis"]),
            (
                &[("channel_layer.url", "redis://:secret@a")],
                ["channel_layer.url = \"redis://:(hidden)@a\"", "store.url"],
            ),
            (&[("tls.key", "k.pem")], ["tls.certificate", "tls.key"]),
            (
                &[("tls.certificate", "c"), ("tls.key", "k"), ("public_url", "http://a.example")],
                ["tls.certificate", "public_url"],
            ),
            (&[("files.s3_endpoint", "http://a")], ["files.s3_endpoint", "files.s3_bucket"]),
            (
                &[("files.s3_bucket", "b"), ("files.s3_access_key_id", "a")],
                ["files.s3_access_key_id", "files.s3_secret_access_key"],
            ),
            (
                &[("public_url", "https://a.example"), ("allowed_origins", "https://b.example,https://a.example")],
                ["public_url", "allowed_origins"],
            ),
        ];
        for (settings, names) in contradictions {
            let error = Config::with(settings).expect_err("a contradiction").to_string();
            assert!(names.iter().all(|name| error.contains(name)), "{settings:?}: {error}");
        }
        let sound: &[&[(&'static str, &str)]] = &[
            &[],
            &[("socket.ping_interval_ms", "100"), ("socket.silence_ms", "120")],
            &[("limits.frame_bytes_max", "1")],
            &[("limits.text_chars_max", "40000")],
            &[
                ("limits.text_chars_max", "100000"),
                ("limits.frame_bytes_max", "500000"),
                ("limits.body_bytes_max", "500000"),
            ],
            &[("allowed_origins", "https://b.example")],
        ];
        for settings in sound {
            assert!(Config::with(settings).is_ok(), "{settings:?}");
        }
    }
}
