//! A module: its imports, its exports, and the tokens in between.
//!
//! Invariant: wrapping a module in a function changes nothing observable. Only these forms are accepted:
//!
//! - `import './a.js';` and `import { a, b as c } from './a.js';`, at the top,
//! - `import('./a.js')`, anywhere, with a literal path,
//! - `export function`, `export async function`, `export class`, and `export const` of one name.
//!
//! Refused are all other imports and exports (mutable names, whole modules), top-level `await`, `import.meta`, and
//! names that start with `$`, which the wrapper uses.

use crate::{
    BundleError, declarations, names,
    tokenizer::{Gap, Kind, Token, tokens},
};
use std::collections::{BTreeMap, BTreeSet};

/// An import statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import<'source> {
    /// The module, relative to the folder of the sources.
    pub(crate) from: String,
    /// The imported names, with their local names.
    pub(crate) names: Vec<(&'source str, &'source str)>,
    pub(crate) line: usize,
}

/// A piece of a module's own code.
#[derive(Debug)]
pub(crate) enum Piece<'source> {
    Tokens(Vec<Token<'source>>),
    /// `import('./a.js')`, and its line.
    Later(String, usize),
}

#[derive(Debug)]
pub(crate) struct Module<'source> {
    pub(crate) path: &'source str,
    pub(crate) imports: Vec<Import<'source>>,
    pub(crate) exports: Vec<&'source str>,
    pub(crate) pieces: Vec<Piece<'source>>,
    /// The names that it declares, imported ones too.
    pub(crate) declared: declarations::Declared<'source>,
    /// The names that it uses where it does not declare them.
    pub(crate) foreign: BTreeSet<&'source str>,
}

impl<'source> Module<'source> {
    /// Parses a module. Its path is relative to the folder of the sources.
    pub(crate) fn read(path: &'source str, source: &'source str) -> Result<Self, BundleError> {
        let mut tokens = tokens(source).map_err(|(line, what)| BundleError::new(path, line, what))?;
        names::set_roles(&mut tokens).map_err(|(line, what)| BundleError::new(path, line, what))?;
        let declarations = declarations::declared(&tokens);
        let foreign = declarations.foreign(&tokens);
        let declared = declarations.names;
        let module = Self { path, imports: Vec::new(), exports: Vec::new(), pieces: Vec::new(), declared, foreign };
        let mut reader = ModuleParser { tokens, at: 0, module, piece: Vec::new() };
        while reader.at < reader.tokens.len() {
            reader.step()?;
        }
        reader.end_piece();
        for (_, here) in reader.module.imports.iter().flat_map(|import| &import.names) {
            reader.module.declared.insert(here, true);
            reader.module.foreign.remove(here);
        }
        Ok(reader.module)
    }

    /// The names that it uses. Imports and exports count.
    pub(crate) fn uses(&self) -> BTreeMap<&'source str, names::Usage> {
        let mut uses = BTreeMap::new();
        for tokens in self.tokens() {
            names::count(tokens, &mut uses);
        }
        let imported = self.imports.iter().flat_map(|import| &import.names).map(|(_, here)| *here);
        for name in imported.chain(self.exports.iter().copied()) {
            uses.entry(name).or_default().count += 1;
        }
        uses
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = &[Token<'source>]> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Tokens(tokens) => Some(tokens.as_slice()),
            Piece::Later(..) => None,
        })
    }

    /// The modules that it imports dynamically.
    pub(crate) fn later(&self) -> impl Iterator<Item = (&str, usize)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Later(path, line) => Some((path.as_str(), *line)),
            Piece::Tokens(_) => None,
        })
    }
}

struct ModuleParser<'source> {
    tokens: Vec<Token<'source>>,
    at: usize,
    module: Module<'source>,
    piece: Vec<Token<'source>>,
}

impl<'source> ModuleParser<'source> {
    fn peek(&self, ahead: usize) -> Option<&Token<'source>> {
        self.tokens.get(self.at + ahead)
    }

    fn fault(&self, what: impl Into<String>) -> BundleError {
        let line = self.peek(0).or(self.tokens.last()).map_or(1, |token| token.line);
        BundleError::new(self.module.path, line, what)
    }

    fn step(&mut self) -> Result<(), BundleError> {
        let token = self.tokens[self.at];
        let is_member = self.at > 0 && self.tokens[self.at - 1].is(".");
        if is_own_name(&token) {
            return Err(self.fault("names that begin with `$` belong to the joined script"));
        }
        if token.kind == Kind::Word && !is_member {
            match token.text {
                "import" => return self.import(token),
                "export" if token.depth == 0 => return self.export(),
                "await" if token.depth == 0 => {
                    let what =
                        "`await` outside of braces: a module may not wait, and a short function is written with braces";
                    return Err(self.fault(what));
                }
                _ => {}
            }
        }
        self.piece.push(token);
        self.at += 1;
        Ok(())
    }

    fn end_piece(&mut self) {
        let piece = std::mem::take(&mut self.piece);
        if !piece.is_empty() {
            self.module.pieces.push(Piece::Tokens(piece));
        }
    }

    /// A statement is omitted here: what follows starts a line.
    fn left_out(&mut self) {
        if let Some(next) = self.tokens.get_mut(self.at) {
            next.gap = Gap::Line;
        }
    }

    fn import(&mut self, token: Token<'source>) -> Result<(), BundleError> {
        if self.peek(1).is_some_and(|next| next.is("(")) {
            return self.later(token);
        }
        if token.depth > 0 || self.peek(1).is_some_and(|next| next.is(".")) {
            return Err(self.fault("`import.meta` and imports inside of something cannot be joined"));
        }
        self.at += 1;
        let mut names = Vec::new();
        if self.peek(0).is_some_and(|next| next.is("{")) {
            names = self.names()?;
            self.expect("from")?;
        }
        let from = self.path()?;
        self.expect(";")?;
        self.module.imports.push(Import { from, names, line: token.line });
        self.left_out();
        Ok(())
    }

    fn later(&mut self, token: Token<'source>) -> Result<(), BundleError> {
        self.at += 2;
        let path = self.path()?;
        self.expect(")")?;
        // The token before determines the gap, so it is written together with the replacement.
        self.piece.push(Token { text: "", kind: Kind::Word, ..token });
        self.end_piece();
        self.module.pieces.push(Piece::Later(path, token.line));
        Ok(())
    }

    /// The names in the braces of an import, with their local names.
    fn names(&mut self) -> Result<Vec<(&'source str, &'source str)>, BundleError> {
        self.expect("{")?;
        let mut names = Vec::new();
        while !self.peek(0).is_some_and(|next| next.is("}")) {
            let name = self.name()?;
            let mut here = name;
            if self.peek(0).is_some_and(|next| next.is("as")) {
                self.at += 1;
                here = self.name()?;
            }
            names.push((name, here));
            if self.peek(0).is_some_and(|next| next.is(",")) {
                self.at += 1;
            }
        }
        self.expect("}")?;
        Ok(names)
    }

    fn export(&mut self) -> Result<(), BundleError> {
        self.at += 1;
        // A module that only contains types exports nothing, to count as a module.
        if [0, 1, 2].map(|ahead| self.peek(ahead).map(|token| token.text)) == ["{", "}", ";"].map(Some) {
            self.at += 3;
            self.left_out();
            return Ok(());
        }
        let kind = self.peek(0).map_or("", |token| token.text);
        let skipped = match kind {
            "function" if self.peek(1).is_some_and(|next| next.is("*")) => 2,
            "async" if self.peek(1).is_some_and(|next| next.is("function")) => {
                2 + usize::from(self.peek(2).is_some_and(|next| next.is("*")))
            }
            "function" | "class" | "const" => 1,
            _ => {
                return Err(
                    self.fault("only functions, classes and constants can be exported, where they are declared")
                );
            }
        };
        let name = self.peek(skipped).filter(|token| token.kind == Kind::Word).copied();
        let Some(name) = name else { return Err(self.fault("what is exported needs one name")) };
        if kind == "const" {
            self.assert_single(name.line)?;
        }
        self.module.exports.push(name.text);
        self.left_out();
        Ok(())
    }

    /// Refuses `export const a = 1, b = 2`.
    fn assert_single(&self, line: usize) -> Result<(), BundleError> {
        let statement = self.tokens[self.at..].iter().take_while(|token| !(token.depth == 0 && token.is(";")));
        if statement.clone().any(|token| token.depth == 0 && token.is(",")) {
            return Err(BundleError::new(self.module.path, line, "an export declares one constant, and ends with `;`"));
        }
        Ok(())
    }

    fn name(&mut self) -> Result<&'source str, BundleError> {
        let name = self.peek(0).filter(|token| token.kind == Kind::Word).map(|token| token.text);
        let Some(name) = name else { return Err(self.fault("a name is expected")) };
        self.at += 1;
        Ok(name)
    }

    fn expect(&mut self, text: &str) -> Result<(), BundleError> {
        if !self.peek(0).is_some_and(|token| token.is(text)) {
            return Err(
                self.fault(format!("`{text}` is expected; see crates/bundler/src/module.rs for what can be joined"))
            );
        }
        self.at += 1;
        Ok(())
    }

    /// The path of an imported module, relative to the folder of the sources.
    fn path(&mut self) -> Result<String, BundleError> {
        let text =
            self.peek(0).filter(|token| token.kind == Kind::Text).map(|token| &token.text[1..token.text.len() - 1]);
        let path = text.and_then(|text| resolve(self.module.path, text));
        let Some(path) = path else {
            return Err(self.fault("the path of a module is expected, in quotes, beginning with `./` or `../`"));
        };
        self.at += 1;
        Ok(path)
    }
}

/// Whether the bundle may use this name itself.
fn is_own_name(token: &Token<'_>) -> bool {
    token.kind == Kind::Word && token.text.starts_with('$')
}

/// Resolves a relative path in a module.
fn resolve(module: &str, relative: &str) -> Option<String> {
    if !relative.starts_with("./") && !relative.starts_with("../") || relative.contains('\\') {
        return None;
    }
    let mut parts: Vec<&str> = module.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(source: &str) -> String {
        Module::read("inbox/a.js", source).map(|module| format!("{module:?}")).expect_err(source).to_string()
    }

    #[test]
    fn imports_and_exports_are_found() {
        let source = "import './b.js';\nimport { c, d as e, } from '../sdk/f.js';\nexport class G {}\n\
                      export async function* h() {}\nexport const i = [1, 2];\nexport {};\nj.import(k).export;\n";
        let module = Module::read("inbox/a.js", source).expect("it can be joined");
        assert_eq!(
            module.imports,
            [
                Import { from: "inbox/b.js".to_owned(), names: vec![], line: 1 },
                Import { from: "sdk/f.js".to_owned(), names: vec![("c", "c"), ("d", "e")], line: 2 },
            ]
        );
        assert_eq!(module.exports, ["G", "h", "i"]);
    }

    #[test]
    fn dynamic_imports_are_found_anywhere() {
        let source = "const a = async () => {\n  (await import('./b.js')).c();\n};";
        let module = Module::read("inbox/a.js", source).expect("it can be joined");
        assert_eq!(module.later().collect::<Vec<_>>(), [("inbox/b.js", 2)]);
    }

    #[test]
    fn sources_that_cannot_be_joined_are_refused_with_their_position() {
        for source in [
            "import a from './b.js';",
            "import * as a from './b.js';",
            "import { a } from 'b';",
            "import { a } from './b.js'",
            "import { a } from './b.js' with { type: 'json' };",
            "import(a);",
            "import.meta.url;",
            "export default 1;",
            "export * from './b.js';",
            "export { a } from './b.js';",
            "export { a };",
            "export let a = 1;",
            "export var a = 1;",
            "export const { a } = b;",
            "export const a = 1, b = 2;",
            "await a;",
            "const $1 = 2;",
            "$ = 2;",
        ] {
            let error = refused(&format!("a;\n{source}"));
            assert!(error.starts_with("web/src/inbox/a.js:2: "), "{source}: {error}");
        }
        assert!(refused("import { a } from '../../b.js';").contains("path"));
    }
}
