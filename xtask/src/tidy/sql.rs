//! SQL on Parlor's own store is in `store/` and the migrations only, SQL on the host's database in `host/` and `mirror/`
//! and where the people of the host are read. Tests may query a database themselves.

use super::{
    rust_source::Kind,
    source_tree::{Finding, Tree},
};

const SOURCES: &str = "crates/server/src/";
const PLACES: [&str; 4] = ["store/", "host/", "mirror/", "identity/providers/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in tree.rust() {
        let path = file.path.strip_prefix(SOURCES);
        let is_allowed = path.is_some_and(|path| PLACES.iter().any(|place| path.starts_with(place)));
        if is_allowed || !file.path.starts_with("crates/") {
            continue;
        }
        let texts = rust.tokens.iter().filter(|token| token.kind == Kind::Text && !token.in_test);
        for token in texts.filter(|token| is_sql(&token.text)) {
            findings.push(file.finding(token.line, format!("SQL is allowed in {} only", PLACES.join(", "))));
        }
    }
    findings
}

fn is_sql(text: &str) -> bool {
    let mut words = text.split(|sign: char| sign.is_whitespace() || sign == ';').filter(|word| !word.is_empty());
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    match first {
        "SELECT" | "WITH" | "UPDATE" | "PRAGMA" | "SAVEPOINT" | "VALUES" => second.is_some(),
        "INSERT" => matches!(second, Some("INTO" | "OR")),
        "DELETE" => second == Some("FROM"),
        "CREATE" | "ALTER" | "DROP" => {
            matches!(
                second,
                Some("TABLE" | "INDEX" | "UNIQUE" | "VIRTUAL" | "TRIGGER" | "VIEW" | "SCHEMA" | "DATABASE")
            )
        }
        "BEGIN" => matches!(second, None | Some("IMMEDIATE" | "TRANSACTION" | "ISOLATION" | "DEFERRED" | "READ")),
        "VACUUM" => matches!(second, None | Some("INTO")),
        "COMMIT" | "ROLLBACK" => matches!(second, None | Some("TO")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::source_tree::lines_found, *};

    const QUERIES: &str = "fn f() {\n\
        g(\"SELECT 1\");\n\
        h!(\"\\n  INSERT INTO t VALUES ($1)\");\n\
        g(\"UPDATE t SET a = 1\");\n\
        g(\"DELETE FROM t\");\n\
        g(\"WITH v(a) AS (VALUES (1)) SELECT a FROM v\");\n\
        g(\"CREATE TABLE t (a)\");\n\
        g(\"BEGIN IMMEDIATE\");\n\
        g(\"COMMIT\");\n\
        }\n";

    #[test]
    fn sql_outside_its_places_is_found() {
        for path in
            ["crates/server/src/http/users.rs", "crates/server/src/identity/login.rs", "crates/bench/src/host/x.rs"]
        {
            assert_eq!(lines_found(check, path, QUERIES), [2, 3, 4, 5, 6, 7, 8, 9]);
        }
    }

    #[test]
    fn sql_in_its_places_and_in_tests_is_not() {
        for place in ["store/users.rs", "host/columns.rs", "mirror/outbox.rs", "identity/providers/django.rs"] {
            assert_eq!(lines_found(check, &format!("crates/server/src/{place}"), QUERIES), [0; 0]);
        }
        assert_eq!(lines_found(check, "crates/server/tests/it/store.rs", QUERIES), [0; 0]);
    }

    #[test]
    fn text_that_only_resembles_sql_is_not_found() {
        let text =
            "/// SELECT 1\nfn f() { g(\"DELETE\"); g(\"DELETE /v1/session\"); g(\"Select a person\"); g(\"WITH\"); }";
        assert_eq!(lines_found(check, "crates/server/src/http/users.rs", text), [0; 0]);
    }
}
