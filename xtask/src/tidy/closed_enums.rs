//! A `match` over a closed enum names every variant, so that a new one does not compile until it has its place.

use super::source_tree::{Finding, Tree};
use std::collections::BTreeSet;
use syn::{Arm, ExprMatch, Item, ItemImpl, Pat, Type, spanned::Spanned as _, visit::Visit};

const CLOSED: [&str; 4] = ["Command", "Change", "Event", "Code"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in tree.rust().filter(|(file, _)| file.path.starts_with("crates/") && file.path.contains("/src/"))
    {
        let mut matches = CatchAlls::default();
        matches.visit_file(&rust.items);
        findings.extend(matches.lines.into_iter().map(|line| file.finding(line, "this catches all other variants")));
    }
    findings
}

/// The lines of arms that catch all other variants of a closed enum.
#[derive(Default)]
struct CatchAlls {
    /// The code is that of a closed enum, whose variants are `Self::…`.
    is_in_closed: bool,
    lines: BTreeSet<usize>,
}

impl CatchAlls {
    /// Whether a pattern names a variant of a closed enum.
    fn is_variant(&self, pattern: &Pat) -> bool {
        let path = match pattern {
            Pat::Or(either) => return either.cases.iter().any(|case| self.is_variant(case)),
            Pat::Paren(inner) => return self.is_variant(&inner.pat),
            Pat::Reference(inner) => return self.is_variant(&inner.pat),
            Pat::Ident(binding) => return binding.subpat.as_ref().is_some_and(|(_, inner)| self.is_variant(inner)),
            Pat::Path(path) => &path.path,
            Pat::Struct(pattern) => &pattern.path,
            Pat::TupleStruct(pattern) => &pattern.path,
            _ => return false,
        };
        let enums = path.segments.iter().rev().skip(1).take(1).map(|segment| segment.ident.to_string());
        enums.into_iter().any(|name| CLOSED.contains(&name.as_str()) || (self.is_in_closed && name == "Self"))
    }
}

/// Whether an arm matches everything. An arm with a guard has another kind of pattern.
fn catches_all(arm: &Arm) -> bool {
    match &arm.pat {
        Pat::Wild(_) => true,
        // A constant would be in capitals.
        Pat::Ident(binding) => {
            binding.subpat.is_none() && binding.ident.to_string().chars().all(|letter| !letter.is_uppercase())
        }
        _ => false,
    }
}

impl<'ast> Visit<'ast> for CatchAlls {
    fn visit_item(&mut self, item: &'ast Item) {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
        };
        if !matches!(item, Item::Mod(module) if module.attrs.iter().any(is_test)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let is_closed = |kind: &Type| matches!(kind, Type::Path(kind) if kind.path.segments.last().is_some_and(|last| CLOSED.contains(&last.ident.to_string().as_str())));
        let before = std::mem::replace(&mut self.is_in_closed, is_closed(&item.self_ty));
        syn::visit::visit_item_impl(self, item);
        self.is_in_closed = before;
    }

    fn visit_expr_match(&mut self, expression: &'ast ExprMatch) {
        if expression.arms.iter().any(|arm| self.is_variant(&arm.pat)) {
            let catching = expression.arms.iter().filter(|arm| catches_all(arm));
            self.lines.extend(catching.map(|arm| arm.pat.span().start().line));
        }
        syn::visit::visit_expr_match(self, expression);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::source_tree::lines_found, *};

    #[test]
    fn a_wildcard_and_a_binding_over_a_closed_enum_are_found() {
        let text = "fn f(command: Command) {\n match command {\n Command::Send { .. } => {}\n _ => {}\n }\n \
                    match code {\n Code::A | Code::B => {}\n other => {}\n }\n}\nimpl Event {\n fn g(&self) {\n \
                    match self {\n &Self::A(_) => {}\n _ => {}\n }\n }\n}\n";
        assert_eq!(lines_found(check, "crates/server/src/a.rs", text), [4, 8, 15]);
    }

    #[test]
    fn whole_matches_other_enums_guards_and_tests_are_fine() {
        let text = "fn f() {\n match change {\n Change::A => {}\n Change::B { .. } => {}\n }\n match kind {\n Kind::A => {}\n \
                    _ => {}\n }\n match code {\n Code::A => {}\n other if x => {}\n Code::B => {}\n }\n}\n\
                    #[cfg(test)]\nmod tests { fn g() { match code { Code::A => {} _ => {} } } }\n";
        assert_eq!(lines_found(check, "crates/server/src/a.rs", text), [0; 0]);
        assert_eq!(
            lines_found(check, "crates/server/tests/it/a.rs", "fn f() { match c { Code::A => {} _ => {} } }"),
            [0; 0]
        );
    }
}
