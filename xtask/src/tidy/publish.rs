//! Only the commit and the layer itself call `publish` of the channel layer (I1), ephemeral events, and the mirror: rows
//! for old sockets, which are no events.

use super::{
    rust_source::find,
    source_tree::{Finding, Tree},
};

const PLACES: [&str; 5] = [
    "crates/server/src/commit/",
    "crates/server/src/channel_layer/",
    "crates/server/src/mirror/announce.rs",
    "crates/server/src/presence/",
    "crates/server/src/typing.rs",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in tree.rust() {
        if !file.path.starts_with("crates/server/src/") || PLACES.iter().any(|place| file.path.starts_with(place)) {
            continue;
        }
        for pattern in [[".", "publish", "("], [":", "publish", "("]] {
            for tokens in find(rust, &pattern).filter(|tokens| !tokens[0].in_test) {
                findings.push(file.finding(tokens[0].line, "only the commit publishes durable events"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::source_tree::lines_found, *};

    const CALLS: &str = "fn f() {\n layer.publish(topics, bytes);\n tokio::select! { _ = layer.publish(a) => {} }\n \
                         Layer::publish(&layer, a);\n}\n#[cfg(test)]\nmod tests { fn g() { layer.publish(a); } }\n";

    #[test]
    fn calls_outside_the_commit_are_found_even_in_macros() {
        let mut lines = lines_found(check, "crates/server/src/ws/mod.rs", CALLS);
        lines.sort_unstable();
        assert_eq!(lines, [2, 3, 4]);
    }

    #[test]
    fn the_commit_the_layer_and_tests_may_publish() {
        for path in [
            "crates/server/src/commit/mod.rs",
            "crates/server/src/channel_layer/memory.rs",
            "crates/server/tests/it/a.rs",
        ] {
            assert_eq!(lines_found(check, path, CALLS), [0; 0], "{path}");
        }
    }
}
