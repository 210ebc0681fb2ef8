//! Builds the served files from the folder of the sources.

use crate::{
    BundleError,
    bundle::Bundle,
    css,
    encodings::hash,
    minify::{self, Names, PrivateNames},
    names::LocalNames,
    tokenizer,
};
use std::{collections::BTreeMap, fmt::Write as _};

/// A served file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// `index.html`, `signed-out.html`, or its path below `/web/`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its name contains a hash of its bytes, so it may be cached forever.
    pub is_immutable: bool,
}

const PAGE: &str = "index.html";
const SIGNED_OUT: &str = "signed-out.html";
/// Scripts of service workers. Their addresses are fixed: a browser finds the next version at the address of the last.
const WORKERS: [&str; 2] = ["worker.js", "worker-off.js"];
const ROOT: &str = "<html lang=\"en\">";
/// The style sheet of the configured accent colour, which the server adds if there is one.
const THEME: &str = "<link rel=\"stylesheet\" href=\"/theme.css\">";

/// Builds the served files, by their paths: the page for signed-in users, the page for others, and everything they
/// reference, and the scripts of service workers. The page is a source in which each element of the head is on its own line; `/web/` and a path there
/// references a source.
///
/// # Errors
/// Returns the position of the first thing that cannot be joined.
pub fn build(sources: &BTreeMap<String, String>) -> Result<Vec<Asset>, BundleError> {
    let mut maker = SiteBuilder { sources, assets: Vec::new() };
    let page = maker.page()?;
    // The sign-in form is loaded later, but needed at once.
    let later = maker.assets.iter().find(|asset| asset.path.starts_with("later-"));
    let preload = later.map(|asset| format!("<link rel=\"modulepreload\" href=\"/web/{}\">\n</head>", asset.path));
    let door = signed_out(&page).replacen("</head>", preload.as_deref().unwrap_or("</head>"), 1);
    for (path, page) in [(PAGE, page), (SIGNED_OUT, door)] {
        maker.assets.push(Asset { path: path.to_owned(), bytes: page.into_bytes(), is_immutable: false });
    }
    for path in WORKERS {
        if let Some(source) = sources.get(path) {
            let bytes = plain_script(path, source)?.into_bytes();
            maker.assets.push(Asset { path: path.to_owned(), bytes, is_immutable: false });
        }
    }
    Ok(maker.assets)
}

/// The initial page without a session.
#[must_use]
pub fn signed_out(page: &str) -> String {
    page.replacen(ROOT, "<html lang=\"en\" data-signed-out>", 1)
}

/// The page with another style sheet after its own.
#[must_use]
pub fn with_style(page: &str, path: &str) -> String {
    page.replacen("</head>", &format!("<link rel=\"stylesheet\" href=\"{path}\">\n</head>"), 1)
}

struct SiteBuilder<'source> {
    sources: &'source BTreeMap<String, String>,
    assets: Vec<Asset>,
}

impl SiteBuilder<'_> {
    fn source(&self, path: &str, line: usize) -> Result<&str, BundleError> {
        let source =
            self.sources.get(path).ok_or_else(|| BundleError::new(PAGE, line, format!("there is no {path}")))?;
        Ok(source)
    }

    /// Adds a file under a name with the hash of its bytes. `name` has one dot.
    fn keep(&mut self, name: &str, text: String) -> String {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let path = format!("{stem}-{}.{extension}", hash(text.as_bytes()));
        self.assets.push(Asset { path: path.clone(), bytes: text.into_bytes(), is_immutable: true });
        path
    }

    fn page(&mut self) -> Result<String, BundleError> {
        let source = self.source(PAGE, 1)?.to_owned();
        for part in [ROOT, "</head>", THEME] {
            if source.matches(part).count() != 1 {
                return Err(BundleError::new(PAGE, 1, format!("there must be `{part}` once")));
            }
        }
        let (mut page, mut styles) = (String::new(), String::new());
        let mut lines = source.lines().zip(1..).peekable();
        while let Some((line, number)) = lines.next() {
            let line = line.trim();
            if line.is_empty() || line == THEME || (line.starts_with("<!--") && line.ends_with("-->")) {
                continue;
            }
            let Some((before, path, after)) = named(line) else {
                page.push_str(line);
                page.push('\n');
                continue;
            };
            if before.starts_with("<link rel=\"stylesheet\"") {
                styles.push_str(&css::shorten(path, self.source(path, number)?)?);
                let is_last = !lines.peek().is_some_and(|(next, _)| {
                    named(next.trim()).is_some_and(|(before, ..)| before.starts_with("<link rel=\"stylesheet\""))
                });
                if is_last {
                    let name = self.keep("inbox.css", std::mem::take(&mut styles));
                    let _ = writeln!(page, "{before}/web/{name}{after}");
                }
                continue;
            }
            let name = if before.starts_with("<script type=\"module\"") {
                self.script(path)?
            } else {
                self.single(path, number)?
            };
            let _ = writeln!(page, "{before}/web/{name}{after}");
        }
        Ok(page)
    }

    fn script(&mut self, entry: &str) -> Result<String, BundleError> {
        let bundle = Bundle::of(entry, self.sources)?;
        let later = bundle.later().map(|script| self.keep("later.js", script));
        let alone = bundle.alone().map(|(number, path, script)| {
            let name = path.rsplit('/').next().unwrap_or(path);
            (number, self.keep(name, script))
        });
        let alone = alone.collect();
        Ok(self.keep("main.js", bundle.main(later.as_deref(), &alone)))
    }

    /// A file that is referenced by itself: a script that is not a module, or an icon.
    fn single(&mut self, path: &str, line: usize) -> Result<String, BundleError> {
        let source = self.source(path, line)?;
        let text = if has_extension(path, "js") { plain_script(path, source)? } else { source.to_owned() };
        let name = path.rsplit('/').next().unwrap_or(path);
        Ok(self.keep(name, text))
    }
}

/// Returns a script that is not a module, without comments and needless spaces.
fn plain_script(path: &str, source: &str) -> Result<String, BundleError> {
    let tokens = tokenizer::tokens(source).map_err(|(line, what)| BundleError::new(path, line, what))?;
    let mut text = String::new();
    let names = Names { private: &PrivateNames::new(), local: &LocalNames::new() };
    minify::print(&tokens, names, &mut text);
    text.push('\n');
    Ok(text)
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, end)| end == extension)
}

/// The source that a line of the page references, with the text before and after.
fn named(line: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = line.split_once("\"/web/")?;
    let (path, _) = rest.split_once('"')?;
    Some((&line[..=before.len()], path, &rest[path.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<script src=\"/web/b/theme.js\"></script>\n\
                        <link rel=\"stylesheet\" href=\"/web/b/a.css\">\n<link rel=\"stylesheet\" href=\"/web/b/b.css\">\n\
                        <link rel=\"stylesheet\" href=\"/theme.css\">\n<script type=\"module\" src=\"/web/b/main.js\"></script>\n</head>\n";

    fn sources(page: &str) -> BTreeMap<String, String> {
        let files = [
            (PAGE, page),
            ("b/theme.js", "// Early.\nd();\n"),
            ("b/a.css", ".a { b: c; }"),
            ("b/b.css", ".d { e: f; }"),
            ("b/main.js", "import('./c.js');"),
            ("b/c.js", "g();"),
        ];
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn the_page_references_the_bundle_by_its_hash() {
        let assets = build(&sources(HEAD)).expect("it can be joined");
        let page = assets.iter().find(|asset| asset.path == PAGE).expect("there is a page");
        let page = String::from_utf8(page.bytes.clone()).expect("it is text");
        let others: Vec<_> = assets.iter().filter(|asset| asset.is_immutable).collect();
        let stems: Vec<_> = others.iter().map(|asset| asset.path.split('-').next().expect("a name")).collect();
        assert_eq!(stems, ["theme", "inbox", "later", "main"]);
        for asset in others {
            assert!(asset.path.contains(&hash(&asset.bytes)), "{}", asset.path);
            assert_eq!(page.contains(&format!("\"/web/{}\"", asset.path)), !asset.path.starts_with("later"), "{page}");
        }
        assert_eq!(page.matches("stylesheet").count(), 1, "{page}");
        assert!(!page.contains("/theme.css") && !page.contains("/web/b/"), "{page}");
        let out = assets.iter().find(|asset| asset.path == SIGNED_OUT).expect("there is another page");
        let out = String::from_utf8(out.bytes.clone()).expect("it is text");
        assert!(out.contains("<html lang=\"en\" data-signed-out>") && !page.contains("data-signed-out"), "{out}");
        let later = assets.iter().find(|asset| asset.path.starts_with("later-")).expect("there is a later script");
        assert!(out.contains(&format!("modulepreload\" href=\"/web/{}\"", later.path)), "{out}");
        assert!(with_style(&page, "/c.css").contains("<link rel=\"stylesheet\" href=\"/c.css\">\n</head>"));
        assert!(assets.iter().any(|asset| asset.bytes == b".a{b:c}\n.d{e:f}\n"));
    }

    #[test]
    fn a_service_worker_keeps_its_address_and_loses_its_comments() {
        let mut sources = sources(HEAD);
        sources.insert("worker.js".to_owned(), "// Early.\n(() => { d(); })();\n".to_owned());
        let assets = build(&sources).expect("it can be joined");
        let worker = assets.iter().find(|asset| asset.path == "worker.js").expect("there is a worker");
        assert!(!worker.is_immutable);
        assert_eq!(worker.bytes, b"(()=>{d();})();\n");
    }

    #[test]
    fn a_changed_byte_in_any_source_changes_the_file_names() {
        let before = build(&sources(HEAD)).expect("it can be joined");
        for path in ["b/theme.js", "b/a.css", "b/main.js", "b/c.js"] {
            let mut sources = sources(HEAD);
            sources.get_mut(path).expect("it exists").push(' ');
            assert_eq!(build(&sources).expect("it can be joined"), before, "a space in {path} changes nothing");
            sources.get_mut(path).expect("it exists").push_str(if path.ends_with("css") { ".x{y:z}" } else { "x" });
            let after = build(&sources).expect("it can be joined");
            assert_ne!(after.last().map(|page| &page.bytes), before.last().map(|page| &page.bytes), "{path}");
        }
    }

    #[test]
    fn a_page_that_references_a_missing_source_is_refused() {
        for line in ["<link rel=\"stylesheet\" href=\"/web/x.css\">", "<link href=\"/web/x.svg\">"] {
            let error = build(&sources(&format!("{HEAD}{line}\n"))).expect_err("it cannot be joined").to_string();
            assert!(error.contains(":10: there is no x."), "{error}");
        }
    }
}
