//! Turns `web/src` into the files that the binary contains: the bundled and compressed page and its assets, and the
//! unbundled sources under their own paths. Without that folder there are none.

use parlor_bundler::{Encoded, build};
use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../web/src");
    let mut list = String::from("static BUILT_IN: &[BuiltIn] = &[\n");
    if root.is_dir() {
        println!("cargo::rerun-if-changed={}", root.display());
        let mut sources = BTreeMap::new();
        walk(&root, &root, &mut sources)?;
        let out = PathBuf::from(env::var("OUT_DIR")?);
        let assets = build(&sources).map_err(|fault| format!("the web client cannot be bundled: {fault}"))?;
        for asset in assets {
            add(&mut list, &out, &asset.path, asset.bytes, asset.is_immutable)?;
        }
        for (path, text) in sources.into_iter().filter(|(path, _)| path.contains('/')) {
            add(&mut list, &out, &path, text.into_bytes(), false)?;
        }
    } else {
        println!("cargo::rerun-if-changed={}", root.join("..").display());
    }
    list.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("pages.rs"), list)?;
    Ok(())
}

/// Writes a file in each of its encodings, and the line that includes it.
fn add(list: &mut String, out: &Path, path: &str, bytes: Vec<u8>, is_immutable: bool) -> Result<(), Box<dyn Error>> {
    let encoded = Encoded::of(bytes);
    let stem = path.replace('/', "__");
    write!(list, "    BuiltIn {{ path: {path:?}, is_immutable: {is_immutable}")?;
    for (field, bytes) in [("plain", encoded.plain), ("brotli", encoded.brotli), ("gzip", encoded.gzip)] {
        let file = out.join(format!("{stem}.{field}"));
        fs::write(&file, bytes)?;
        let file = file.to_str().ok_or("the folder's path is not UTF-8")?;
        write!(list, ", {field}: include_bytes!({file:?})")?;
    }
    writeln!(list, " }},")?;
    Ok(())
}

/// Reads all files below a folder, keyed by their path from the root.
fn walk(root: &Path, folder: &Path, sources: &mut BTreeMap<String, String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(root, &path, sources)?;
        } else {
            let name = path.strip_prefix(root)?.to_str().ok_or("a file of web/src has a name that is not UTF-8")?;
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            sources.insert(name.to_owned(), text);
        }
    }
    Ok(())
}
