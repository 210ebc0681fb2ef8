//! SQL is in `crates/server/src/store/` and the migrations only. Tests may query a store's file themselves.

use super::{
    rust_source::Kind,
    source_tree::{Finding, Tree},
};

const PLACE: &str = "crates/server/src/store/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in tree.rust() {
        if !file.path.starts_with("crates/") || file.path.starts_with(PLACE) {
            continue;
        }
        let texts = rust.tokens.iter().filter(|token| token.kind == Kind::Text && !token.in_test);
        for token in texts.filter(|token| is_sql(&token.text)) {
            findings.push(file.finding(token.line, format!("SQL is allowed in {PLACE} only")));
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
    fn sql_outside_the_store_is_found() {
        assert_eq!(lines_found(check, "crates/server/src/http/users.rs", QUERIES), [2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn sql_in_the_store_and_in_tests_is_not() {
        assert_eq!(lines_found(check, "crates/server/src/store/users.rs", QUERIES), [0; 0]);
        assert_eq!(lines_found(check, "crates/server/tests/it/store.rs", QUERIES), [0; 0]);
    }

    #[test]
    fn text_that_only_resembles_sql_is_not_found() {
        let text =
            "/// SELECT 1\nfn f() { g(\"DELETE\"); g(\"DELETE /v1/session\"); g(\"Select a person\"); g(\"WITH\"); }";
        assert_eq!(lines_found(check, "crates/server/src/http/users.rs", text), [0; 0]);
    }
}
