//! Files have at most 500 lines, Rust functions at most 70.

use super::source_tree::{Finding, Tree};
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn, visit::Visit};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.has_extension(&["rs", "js", "mjs", "css", "py"])) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            findings.push(file.finding(1, format!("{lines} lines; at most {FILE_LINES_MAX}")));
        }
    }
    for (file, rust) in tree.rust() {
        let mut functions = Functions::default();
        functions.visit_file(&rust.items);
        for (name, line, lines) in functions.long {
            findings.push(file.finding(line, format!("`{name}` has {lines} lines; at most {FUNCTION_LINES_MAX}")));
        }
    }
    findings
}

#[derive(Default)]
struct Functions {
    long: Vec<(String, usize, usize)>,
}

impl Functions {
    fn measure(&mut self, signature: &Signature, block: &Block) {
        let first = signature.fn_token.span.start().line;
        let lines = block.brace_token.span.close().end().line - first + 1;
        if lines > FUNCTION_LINES_MAX {
            self.long.push((signature.ident.to_string(), first, lines));
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.measure(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::source_tree::lines_found, *};

    #[test]
    fn a_file_of_501_lines_is_found_and_one_of_500_is_not() {
        for path in ["crates/x/src/lib.rs", "web/src/x.js", "web/src/x.css", "examples/x.py"] {
            assert_eq!(lines_found(check, path, &"\n".repeat(501)), [1], "{path}");
            assert_eq!(lines_found(check, path, &"\n".repeat(500)), [0; 0], "{path}");
        }
        assert_eq!(lines_found(check, "docs/x.md", &"\n".repeat(501)), [0; 0]);
    }

    #[test]
    fn a_function_of_71_lines_is_found_anywhere() {
        let body = |lines: usize| format!("fn f() {{{}}}\n", "\n".repeat(lines - 1));
        let inside = |outer: &str, lines| format!("{outer} {{\n{}}}\n", body(lines));
        for outer in ["impl X", "trait X", "mod x", "fn outer()"] {
            assert!(lines_found(check, "crates/x/src/x.rs", &inside(outer, 71)).contains(&2), "{outer}");
            assert!(!lines_found(check, "crates/x/src/x.rs", &inside(outer, 70)).contains(&2), "{outer}");
        }
        assert_eq!(lines_found(check, "crates/x/src/x.rs", &body(71)), [1]);
    }
}
