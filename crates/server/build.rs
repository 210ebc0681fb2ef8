//! Writes down the files of `web/src`, so that the binary carries the pages. Without that folder it carries none.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../web/src");
    let mut files = Vec::new();
    if root.is_dir() {
        println!("cargo::rerun-if-changed={}", root.display());
        walk(&root, &mut files)?;
    } else {
        println!("cargo::rerun-if-changed={}", root.join("..").display());
    }
    files.sort();
    let mut list = String::from("static BUILT_IN: &[(&str, &[u8])] = &[\n");
    for file in files {
        let path = file.strip_prefix(&root)?.to_str().ok_or("a file of web/src has a name that is not UTF-8")?;
        let file = fs::canonicalize(&file)?;
        let file = file.to_str().ok_or("the folder's path is not UTF-8")?;
        writeln!(list, "    ({path:?}, include_bytes!({file:?})),")?;
    }
    list.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("pages.rs"), list)?;
    Ok(())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
