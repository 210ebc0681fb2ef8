//! Joins modules into one script, and modules that are imported dynamically into another. A module that the first script
//! imports dynamically and that shares nothing with others, such as the texts of a language, becomes a script of its own,
//! together with its imports.
//!
//! Each module becomes a function called in place: `const $3=(()=>{const{b:c}=$1;…return{a}})();`. The order is the one
//! in which a browser runs them. The later script is a function of the modules in the first one, which are passed to it
//! when it is loaded.
//!
//! Invariants: every imported name is exported; the imports form no circle, so that all imports of a module exist when
//! it runs. (Therefore, and because an exported value never changes, a copy of it is as good as a binding.)

use crate::{
    BundleError,
    minify::{self, Names, PrivateNames},
    module::{Module, Piece},
    names::{self, LocalNames},
    tokenizer::Gap,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// The modules that an entry reaches.
pub(crate) struct Bundle<'source> {
    /// All modules, dependencies first.
    modules: Vec<Module<'source>>,
    numbers: BTreeMap<&'source str, usize>,
    /// The number of modules that run at once; the others are loaded later.
    first: usize,
    /// The modules that are scripts of their own, by number, with those that only they import, dependencies first.
    alone: BTreeMap<usize, Vec<usize>>,
    /// The modules that are imported dynamically and are no scripts of their own, by number.
    given: BTreeSet<usize>,
    private_names: PrivateNames<'source>,
    /// The short names of each module, by its number.
    local_names: Vec<LocalNames<'source>>,
}

struct ImportWalk<'source> {
    sources: &'source BTreeMap<String, String>,
    modules: Vec<Module<'source>>,
    numbers: BTreeMap<&'source str, usize>,
    /// The path of imports to the current module.
    path: Vec<&'source str>,
}

impl ImportWalk<'_> {
    /// Adds a module after everything that it imports. `from` is the importing module.
    fn add(&mut self, path: &str, from: (&str, usize)) -> Result<(), BundleError> {
        let Some((path, source)) = self.sources.get_key_value(path) else {
            return Err(BundleError::new(from.0, from.1, format!("there is no {path}")));
        };
        if self.path.contains(&path.as_str()) {
            let way: Vec<&str> = self.path.iter().copied().skip_while(|one| one != path).collect();
            let what = format!("these import each other, and one would run without the other: {}", way.join(", "));
            return Err(BundleError::new(from.0, from.1, what));
        }
        if self.numbers.contains_key(path.as_str()) {
            return Ok(());
        }
        let module = Module::read(path, source)?;
        self.path.push(path);
        for import in &module.imports {
            self.add(&import.from, (path, import.line))?;
            self.assert_exported(&module, import)?;
        }
        self.path.pop();
        self.numbers.insert(path, self.modules.len());
        self.modules.push(module);
        Ok(())
    }

    fn assert_exported(&self, module: &Module<'_>, import: &crate::module::Import<'_>) -> Result<(), BundleError> {
        let exports = &self.modules[self.numbers[import.from.as_str()]].exports;
        match import.names.iter().find(|(name, _)| !exports.contains(name)) {
            Some((name, _)) => {
                Err(BundleError::new(module.path, import.line, format!("{} does not export `{name}`", import.from)))
            }
            None => Ok(()),
        }
    }
}

impl<'source> Bundle<'source> {
    /// Follows the imports of an entry through the sources.
    pub(crate) fn of(entry: &str, sources: &'source BTreeMap<String, String>) -> Result<Self, BundleError> {
        let mut walk = ImportWalk { sources, modules: Vec::new(), numbers: BTreeMap::new(), path: Vec::new() };
        walk.add(entry, ("index.html", 1))?;
        let first = walk.modules.len();
        let mut at = 0;
        while at < walk.modules.len() {
            let path = walk.modules[at].path;
            let later: Vec<_> = walk.modules[at].later().map(|(to, line)| (to.to_owned(), line)).collect();
            for (to, line) in later {
                walk.add(&to, (path, line))?;
                if walk.numbers[to.as_str()] < first {
                    let what = format!("{to} is in the first script: import it at the top");
                    return Err(BundleError::new(path, line, what));
                }
            }
            at += 1;
        }
        let ImportWalk { modules, numbers, .. } = walk;
        let tokens: Vec<_> = modules.iter().flat_map(Module::tokens).collect();
        let private_names = minify::private_names(&tokens);
        let local_names = local_names(&modules);
        let alone = alone(&modules, &numbers, first);
        let later = modules.iter().flat_map(Module::later).map(|(path, _)| numbers[path]);
        let given = later.filter(|number| !alone.contains_key(number)).collect();
        Ok(Self { modules, numbers, first, alone, given, private_names, local_names })
    }

    /// The modules that are scripts of their own: the number, the path and the script of each.
    pub(crate) fn alone(&self) -> impl Iterator<Item = (usize, &'source str, String)> {
        self.alone.iter().map(|(number, parts)| {
            let mut script = String::new();
            for part in parts {
                self.write(&self.modules[*part], &mut script);
            }
            let module = &self.modules[*number];
            script.push_str("export default");
            self.write_value(module, &mut script);
            (*number, module.path, script)
        })
    }

    /// The modules of the later script.
    fn joined_later(&self) -> impl Iterator<Item = &Module<'source>> {
        let later = self.modules.iter().enumerate().skip(self.first);
        let is_apart =
            |number: &usize| self.alone.iter().any(|(alone, parts)| alone == number || parts.contains(number));
        later.filter(move |(number, _)| !is_apart(number)).map(|(_, module)| module)
    }

    /// The script of the modules loaded later, if there are any.
    pub(crate) fn later(&self) -> Option<String> {
        self.joined_later().next()?;
        let taken = listed(self.taken().iter().map(|number| format!("${number}")));
        let given = listed(self.given.iter().map(|number| format!("${number}")));
        let mut script = format!("export default({taken})=>{{\n");
        for module in self.joined_later() {
            self.write(module, &mut script);
        }
        script.push_str("return");
        script.push_str(&given);
        script.push_str("};\n");
        Some(script)
    }

    /// The script that runs at once. `later` is the name of the other one, `alone` are those of the modules that are
    /// scripts of their own, all in the same folder.
    pub(crate) fn main(&self, later: Option<&str>, alone: &BTreeMap<usize, String>) -> String {
        let mut script = String::new();
        if let Some(later) = later {
            let taken = listed(self.taken().iter().map(|number| format!("${number}")));
            // A browser may cache the failure of a path, so a retry uses another one.
            script = format!(
                "let $,$n=0;const $l=()=>$??=import(\"./{later}\"+($n?\"?\"+$n:\"\")).then(l=>l.default({taken}),\
                 e=>{{$=void 0;$n++;throw e}});\n"
            );
        }
        if !alone.is_empty() {
            let names = alone.iter().map(|(number, name)| format!("{number}:\"./{name}\""));
            let _ = writeln!(
                script,
                "const $a={},$m={{}},$i=n=>import($a[n]+($m[n]?\"?\"+$m[n]:\"\")).then(l=>l.default,\
                 e=>{{$m[n]=($m[n]??0)+1;throw e}});",
                listed(names)
            );
        }
        for module in &self.modules[..self.first] {
            self.write(module, &mut script);
        }
        script
    }

    /// The modules of the first script that later ones import, by number.
    fn taken(&self) -> BTreeSet<usize> {
        let imports = self.joined_later().flat_map(|module| &module.imports);
        let numbers =
            imports.filter(|import| !import.names.is_empty()).map(|import| self.numbers[import.from.as_str()]);
        numbers.filter(|number| *number < self.first).collect()
    }

    /// The name under which a module hands over what it exports. Code that imports it dynamically uses the original one.
    fn export_name(&self, path: &str, name: &str) -> String {
        let number = self.numbers[path];
        let place = self.modules[number].exports.iter().position(|export| *export == name);
        match place {
            Some(place) if !self.alone.contains_key(&number) && !self.given.contains(&number) => minify::short(place),
            _ => name.to_owned(),
        }
    }

    fn write(&self, module: &Module<'_>, into: &mut String) {
        let number = self.numbers[module.path];
        if !module.exports.is_empty() {
            let _ = write!(into, "const ${number}=");
        }
        self.write_value(module, into);
    }

    /// Writes the function of a module and its call, whose value is what the module exports.
    fn write_value(&self, module: &Module<'_>, into: &mut String) {
        let names = Names { private: &self.private_names, local: &self.local_names[self.numbers[module.path]] };
        let pair = |exporter: &str, name: &str, here: &str| {
            let here = names.local.get(here).map_or(here, String::as_str);
            let name = self.export_name(exporter, name);
            if name == here { name } else { format!("{name}:{here}") }
        };
        into.push_str("(()=>{");
        for import in module.imports.iter().filter(|import| !import.names.is_empty()) {
            let pairs = import.names.iter().map(|(name, here)| pair(&import.from, name, here));
            let _ = write!(into, "const{}=${};", listed(pairs), self.numbers[import.from.as_str()]);
        }
        for (at, piece) in module.pieces.iter().enumerate() {
            match piece {
                Piece::Tokens(tokens) => {
                    if at > 0 {
                        into.push_str(match tokens[0].gap {
                            Gap::Nothing => "",
                            Gap::Space => " ",
                            Gap::Line => "\n",
                        });
                    }
                    minify::print(tokens, names, into);
                }
                Piece::Later(path, _) => {
                    let number = self.numbers[path.as_str()];
                    let from = if self.alone.contains_key(&number) {
                        format!("$i({number})")
                    } else if self.numbers[module.path] < self.first {
                        format!("$l().then(l=>l.${number})")
                    } else {
                        // The later script itself is running, so all of them exist.
                        format!("Promise.resolve().then(()=>${number})")
                    };
                    into.push_str(&from);
                }
            }
        }
        if !module.exports.is_empty() {
            let _ = write!(into, "\nreturn{}", listed(module.exports.iter().map(|name| pair(module.path, name, name))));
        }
        into.push_str("})();\n");
    }
}

/// Finds the modules that become scripts of their own: the first script imports them dynamically, and nothing else uses
/// them or what they import.
fn alone(modules: &[Module<'_>], numbers: &BTreeMap<&str, usize>, first: usize) -> BTreeMap<usize, Vec<usize>> {
    let importers = |wanted: usize| {
        let all = modules.iter().enumerate();
        all.filter(move |(_, module)| module.imports.iter().any(|import| numbers[import.from.as_str()] == wanted))
    };
    let roots: BTreeSet<usize> =
        modules[..first].iter().flat_map(Module::later).map(|(path, _)| numbers[path]).collect();
    let with_parts = roots.iter().map(|root| {
        let mut all = BTreeSet::from([*root]);
        let mut pending = vec![*root];
        while let Some(number) = pending.pop() {
            let imports = modules[number].imports.iter().map(|import| numbers[import.from.as_str()]);
            pending.extend(imports.filter(|import| all.insert(*import)));
        }
        (*root, all)
    });
    let shares_nothing = |(root, all): &(usize, BTreeSet<usize>)| {
        let is_own = |number: &usize| {
            let module = &modules[*number];
            let is_imported_outside = importers(*number).any(|(importer, _)| !all.contains(&importer));
            let is_given =
                number != root && modules.iter().flat_map(Module::later).any(|(to, _)| numbers[to] == *number);
            *number >= first && module.later().next().is_none() && !is_imported_outside && !is_given
        };
        !modules[*root].exports.is_empty() && all.iter().all(is_own)
    };
    // Numbers are in the order of dependencies.
    with_parts
        .filter(shares_nothing)
        .map(|(root, all)| (root, all.into_iter().filter(|number| *number != root).collect()))
        .collect()
}

/// Short names for what each module declares.
fn local_names<'source>(modules: &[Module<'source>]) -> Vec<LocalNames<'source>> {
    let uses: Vec<_> = modules.iter().map(Module::uses).collect();
    let kept: BTreeSet<&str> = modules.iter().flat_map(|module| module.foreign.iter().copied()).collect();
    modules.iter().zip(&uses).map(|(module, uses)| names::shorten(uses, &module.declared, &kept)).collect()
}

/// `{a,b}`.
fn listed(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
    format!("{{{}}}", names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    fn refused(files: &[(&str, &str)]) -> String {
        Bundle::of("a.js", &sources(files)).err().expect("it cannot be joined").to_string()
    }

    #[test]
    fn modules_run_once_and_after_their_imports() {
        let sources = sources(&[
            ("a.js", "import './b.js';\nimport { d as e } from './c.js';\ne(); // done\n"),
            ("b.js", "import { d } from './c.js';\nd();\n"),
            ("c.js", "/** Does it. */\nexport function d() {\n  return 1;\n}\n"),
            ("unused.js", "export * from 'nowhere';"),
        ]);
        let bundle = Bundle::of("a.js", &sources).expect("it can be joined");
        assert_eq!(
            bundle.main(None, &BTreeMap::new()),
            "const $0=(()=>{function a(){return 1;}\nreturn{a}})();\n\
             (()=>{const{a}=$0;a();})();\n(()=>{const{a}=$0;a();})();\n"
        );
        assert_eq!(bundle.later(), None);
    }

    #[test]
    fn later_modules_receive_their_imports() {
        let sources = sources(&[
            ("a.js", "import { b } from './b.js';\nconst c = async () => (await import('./c.js')).d(b);\n"),
            ("b.js", "export const b = 1;\n"),
            ("c.js", "import { b } from './b.js';\nimport { e } from './e.js';\nexport const d = () => b + e;\n"),
            ("e.js", "export const e = 2;\n"),
        ]);
        let bundle = Bundle::of("a.js", &sources).expect("it can be joined");
        let main = bundle.main(Some("later-1.js"), &BTreeMap::new());
        assert!(main.contains("import(\"./later-1.js\""), "{main}");
        assert!(main.contains("default({$0})"), "{main}");
        assert!(
            main.ends_with(
                "const $0=(()=>{const a=1;\nreturn{a}})();\n\
                 (()=>{const{a}=$0;const b=async()=>(await $l().then(l=>l.$3)).d(a);})();\n"
            ),
            "{main}"
        );
        assert_eq!(
            bundle.later().as_deref(),
            Some(
                "export default({$0})=>{\nconst $2=(()=>{const a=2;\nreturn{a}})();\n\
             const $3=(()=>{const{a}=$0;const{a:c}=$2;const b=()=>a+c;\nreturn{d:b}})();\nreturn{$3}};\n"
            )
        );
    }

    #[test]
    fn a_module_that_imports_nothing_is_a_script_of_its_own() {
        let sources = sources(&[
            ("a.js", "import { b } from './b.js';\nimport('./c.js');\nimport('./d.js');\n"),
            ("b.js", "export const b = 1;\n"),
            ("c.js", "export function c() {\n  return 2;\n}\n"),
            ("d.js", "import { b } from './b.js';\nimport('./e.js');\nexport const d = b;\n"),
            ("e.js", "export const e = 3;\n"),
        ]);
        let bundle = Bundle::of("a.js", &sources).expect("it can be joined");
        let alone: Vec<_> = bundle.alone().collect();
        let script = "export default(()=>{function a(){return 2;}\nreturn{c:a}})();\n";
        assert_eq!(alone, [(2, "c.js", script.to_owned())], "the later script imports e.js, which is part of it");
        let main = bundle.main(Some("later-1.js"), &BTreeMap::from([(2, "c-1.js".to_owned())]));
        assert!(main.contains("$a={2:\"./c-1.js\"}") && main.contains("$i(2);"), "{main}");
        let later = bundle.later().expect("there is a later script");
        assert!(later.contains("const a=3") && !later.contains("return 2"), "{later}");
    }

    #[test]
    fn a_script_of_its_own_has_what_only_it_imports() {
        let sources = sources(&[
            ("a.js", "import('./b.js');\nimport('./d.js');\nimport('./f.js');\n"),
            ("b.js", "import { c } from './c.js';\nexport const b = c;\n"),
            ("c.js", "export const c = 1;\n"),
            ("d.js", "import { e } from './e.js';\nexport const d = e;\n"),
            ("e.js", "export const e = 3;\n"),
            ("f.js", "import { e } from './e.js';\nexport const f = e;\n"),
        ]);
        let bundle = Bundle::of("a.js", &sources).expect("it can be joined");
        let alone: Vec<_> = bundle.alone().collect();
        let script = "const $1=(()=>{const a=1;\nreturn{a}})();\n\
                      export default(()=>{const{a:b}=$1;const a=b;\nreturn{b:a}})();\n";
        assert_eq!(alone, [(2, "b.js", script.to_owned())], "d.js and f.js share e.js");
        let later = bundle.later().expect("there is a later script");
        assert!(later.contains("const a=3") && !later.contains("const a=1"), "{later}");
    }

    #[test]
    fn modules_that_would_not_run_are_refused_with_their_position() {
        for (files, wanted) in [
            (&[("a.js", "\nimport './b.js';")][..], "a.js:2: there is no b.js"),
            (&[("a.js", "import { c } from './b.js';"), ("b.js", "")], "a.js:1: b.js does not export `c`"),
            (
                &[("a.js", "import './b.js';"), ("b.js", "import './c.js';"), ("c.js", "import './b.js';")],
                "c.js:1: these import each other, and one would run without the other: b.js, c.js",
            ),
            (&[("a.js", "import './b.js';\nimport('./b.js');"), ("b.js", "")], "a.js:2: b.js is in the first script"),
            (&[("a.js", "import './b.js';"), ("b.js", "a(;")], "b.js:1: a bracket is not closed"),
        ] {
            let error = refused(files);
            assert!(error.contains(wanted), "{error}");
        }
    }
}
