//! Dependencies come from crates.io or npm, under an allowed licence. Nothing from npm reaches the browser.

use super::{
    licences,
    source_tree::{File, Finding, Tree},
};
use crate::command::{cargo, output};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM: &str = "https://registry.npmjs.org/";

/// Checks every crate in `Cargo.lock`. Two versions of one crate are reported, but allowed.
pub(super) fn check_crates(root: &Path) -> Result<Vec<Finding>, String> {
    let metadata = ["metadata", "--format-version", "1", "--locked"];
    // The sources of built crates are on the machine; a fresh clone must download them.
    let text = output(&mut cargo(&[metadata.as_slice(), &["--offline"]].concat(), root))
        .or_else(|_| output(&mut cargo(&metadata, root)))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    let workspace = metadata["workspace_root"].as_str().ok_or("cargo metadata names no workspace")?;
    tell_duplicates(packages);
    Ok(packages.iter().flat_map(|package| crate_findings(package, workspace)).collect())
}

fn crate_findings(package: &Value, workspace: &str) -> Vec<Finding> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let finding = |what: String| Finding {
        path: "Cargo.lock".to_owned(),
        line: 1,
        what: format!("{} {}: {what}", text("name"), text("version")),
    };
    let mut findings = Vec::new();
    match package["source"].as_str() {
        Some(CRATES_IO) => {}
        Some(source) => findings.push(finding(format!("it comes from {source} and not from crates.io"))),
        None if Path::new(text("manifest_path")).starts_with(workspace) => {}
        None => findings.push(finding("it is a folder outside of the workspace".to_owned())),
    }
    findings.extend(licences::refused(package["license"].as_str()).map(finding));
    findings
}

fn tell_duplicates(packages: &[Value]) {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        if let (Some(name), Some(version)) = (package["name"].as_str(), package["version"].as_str()) {
            versions.entry(name).or_default().insert(version);
        }
    }
    let twice = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
    let lines: Vec<_> = twice
        .map(|(name, versions)| format!("{name} {}", versions.into_iter().collect::<Vec<_>>().join(" and ")))
        .collect();
    if !lines.is_empty() {
        println!("note: in several versions: {}", lines.join("; "));
    }
}

/// Checks every package in a `package-lock.json`.
pub(super) fn check_npm(tree: &Tree) -> Vec<Finding> {
    let locks = tree.files.iter().filter(|file| file.path.ends_with("package-lock.json"));
    locks.flat_map(lock_findings).collect()
}

fn lock_findings(file: &File) -> Vec<Finding> {
    let Ok(lock) = serde_json::from_str::<Value>(&file.text) else { return vec![file.finding(1, "this is not JSON")] };
    let Some(packages) = lock["packages"].as_object() else { return vec![file.finding(1, "it lists no packages")] };
    let mut findings = Vec::new();
    for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
        let line = file.lines().find(|(_, line)| line.contains(&format!("\"{name}\""))).map_or(1, |(number, _)| number);
        let mut refuse = |what: String| findings.push(file.finding(line, format!("{name}: {what}")));
        if package["dev"].as_bool() != Some(true) && package["devOptional"].as_bool() != Some(true) {
            refuse("it is a dependency and not a development dependency".to_owned());
        }
        if package["resolved"].as_str().is_some_and(|source| !source.starts_with(NPM)) {
            refuse("it does not come from npm's own registry".to_owned());
        }
        if package["integrity"].as_str().is_none() {
            refuse("it has no checksum".to_owned());
        }
        if let Some(why) = licences::refused(package["license"].as_str()) {
            refuse(why);
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_crate_from_elsewhere_or_under_another_licence_is_found() {
        let package = |source: Option<&str>, licence: Option<&str>, path: &str| json!({"name": "a", "version": "1.0.0", "source": source, "license": licence, "manifest_path": path});
        let count = |package: Value| crate_findings(&package, "/ws").len();
        assert_eq!(count(package(Some(CRATES_IO), Some("MIT"), "/elsewhere/a/Cargo.toml")), 0);
        assert_eq!(count(package(None, Some("MIT"), "/ws/a/Cargo.toml")), 0);
        assert_eq!(count(package(None, Some("MIT"), "/elsewhere/a/Cargo.toml")), 1);
        assert_eq!(count(package(Some("git+https://x.example/a"), Some("MIT"), "/elsewhere/a/Cargo.toml")), 1);
        assert_eq!(count(package(Some(CRATES_IO), Some("GPL-3.0-only"), "/elsewhere/a/Cargo.toml")), 1);
        assert_eq!(count(package(Some(CRATES_IO), None, "/elsewhere/a/Cargo.toml")), 1);
    }

    #[test]
    fn an_npm_package_that_ships_or_comes_from_elsewhere_is_found() {
        let good = json!({"dev": true, "license": "MIT", "integrity": "sha512-x", "resolved": format!("{NPM}a/-/a-1.0.0.tgz")});
        let count = |key: &str, value: Value| {
            let mut package = good.clone();
            package[key] = value;
            let lock = json!({"packages": {"": {"name": "x"}, "node_modules/a": package}}).to_string();
            check_npm(&Tree::of(&[("web/package-lock.json", &lock)])).len()
        };
        assert_eq!(count("dev", json!(true)), 0);
        assert_eq!(count("dev", json!(false)), 1);
        assert_eq!(count("license", json!("GPL-3.0-only")), 1);
        assert_eq!(count("resolved", json!("https://mirror.example/a.tgz")), 1);
        assert_eq!(count("integrity", json!(null)), 1);
        assert_eq!(check_npm(&Tree::of(&[("web/package-lock.json", "{}")])).len(), 1);
    }
}
