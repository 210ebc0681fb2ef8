//! No leftovers: unfinished work, debug output, tests switched off without a reason, blanket exceptions.

use super::{
    rust_source::{Kind, Rust, find},
    source_tree::{Finding, Tree},
};
use regex_lite::Regex;

const CODE_EXTENSIONS: [&str; 10] = ["rs", "js", "mjs", "css", "html", "toml", "sql", "sh", "yml", "py"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in tree.rust() {
        findings.extend(in_rust(rust).into_iter().map(|(line, what)| file.finding(line, what)));
    }
    let expression = |text: &str| Regex::new(text).expect("a regular expression");
    let unfinished = expression(r"\b(FIXME|TODO|XXX)\b");
    let in_scripts = [
        (expression(r"\bconsole\.(log|debug|dir|table)\("), "debug output"),
        (expression(r"\bdebugger;"), "debug output"),
        (expression(r"\b(test|it|describe|suite)\.only\(|\bonly: true"), "only some of the tests run"),
        (expression(r"\b(test|it|describe|suite)\.(skip|todo)\("), "a test is switched off without a reason"),
        (
            expression(r#"\bt\.skip\(\s*(\)|[^"'`\s)]|""|''|``)|\bskip: true"#),
            "a test is switched off without a reason",
        ),
        (expression(r"@ts-(ignore|nocheck)|eslint-disable"), "a check is switched off"),
    ];
    for file in tree.files.iter().filter(|file| file.path != "xtask/src/tidy/leftovers.rs") {
        for (number, line) in file.lines() {
            if file.has_extension(&CODE_EXTENSIONS) && unfinished.is_match(line) {
                findings.push(file.finding(number, "unfinished work"));
            }
            if file.has_extension(&["js", "mjs"]) {
                let found = in_scripts.iter().filter(|(pattern, _)| pattern.is_match(line));
                findings.extend(found.map(|(_, what)| file.finding(number, *what)));
            }
        }
    }
    findings
}

fn in_rust(rust: &Rust) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (pattern, what) in [
        (["todo", "!"].as_slice(), "something unfinished"),
        (&["unimplemented", "!"], "something unfinished"),
        (&["dbg", "!"], "debug output"),
        (&["#", "[", "ignore", "]"], "a test switched off without a reason: #[ignore = \"…\"]"),
        (
            &["#", "[", "allow", "("],
            "a blanket allowance; #[expect(…, reason = \"…\")] says when it is no longer needed",
        ),
    ] {
        found.extend(find(rust, pattern).map(|tokens| (tokens[0].line, what)));
    }
    for tokens in find(rust, &["#", "[", "expect", "("]) {
        let mut inside = tokens.iter().take_while(|token| token.kind != Kind::Sign || token.text != "]");
        if !inside.any(|token| token.kind == Kind::Word && token.text == "reason") {
            found.push((tokens[0].line, "an exception without a reason"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::source_tree::lines_found, *};

    #[test]
    fn leftovers_in_rust_are_found() {
        let text = "#![allow(dead_code)]\nfn f() { todo!() }\nfn g() { unimplemented!(\"x\") }\nfn h() { dbg!(1); }\n\
                    #[test]\n#[ignore]\nfn i() {}\n#[allow(unused)]\nfn j() {}\n#[expect(unused)]\nfn k() {}\n// FIXME\n// XXX: x\n";
        let mut lines = lines_found(check, "crates/x/src/x.rs", text);
        lines.sort_unstable();
        assert_eq!(lines, [1, 2, 3, 4, 6, 8, 10, 12, 13]);
    }

    #[test]
    fn exceptions_with_a_reason_are_not_found() {
        let text = "/// todo!()\n#[ignore = \"needs an hour\"]\nfn f() {}\n#[expect(unused, reason = \"x\")]\nfn g() { a.iter().skip(1); }\n";
        assert_eq!(lines_found(check, "crates/x/src/x.rs", text), [0; 0]);
    }

    #[test]
    fn leftovers_in_scripts_are_found() {
        let text = "console.log(1);\ntest.only('x', f);\nit.skip('x', f);\nt.skip();\ntest('x', { skip: true }, f);\n// @ts-ignore\n/* TODO */\n";
        assert_eq!(lines_found(check, "web/test/x.js", text), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(
            lines_found(check, "web/test/x.js", "t.skip('mounting is not possible here');\nconsole.error(1);\n"),
            [0; 0]
        );
    }
}
