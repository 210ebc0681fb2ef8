//! Reads the layers: which keys exist, the value in each layer, and all errors.

use super::{
    Config, ConfigError, DEFAULTS, contradictions,
    setting::{Setting, SettingSource},
};
use serde_json::Value;
use std::{collections::BTreeMap, ops::Range, path::PathBuf};
use toml_edit::{Document, DocumentMut, Item, TableLike};

/// Variables with our prefix that are not keys: the path of the file, and what tests use.
const IGNORED_VARIABLES: [&str; 2] = ["PARLOR_CONFIG", "PARLOR_TEST_"];

/// The layers, from weakest to strongest.
#[derive(Debug, Default)]
pub struct Layers {
    /// The operator's file and its text.
    pub file: Option<(PathBuf, String)>,
    /// The environment variables.
    pub environment: Vec<(String, String)>,
    /// Flags: the key, the flag's name, the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

impl Layers {
    /// Merges the layers.
    ///
    /// # Errors
    /// Every unknown key, wrong type and value out of range, with its location; otherwise every contradiction.
    pub fn load(self) -> Result<(Config, Vec<Setting>), ConfigError> {
        let mut settings = reference();
        let mut errors = Vec::new();
        if let Some((path, text)) = self.file {
            read_file(&path, &text, &mut settings, &mut errors);
        }
        for (name, text) in self.environment.into_iter().filter(|(name, _)| name.starts_with("PARLOR_")) {
            if IGNORED_VARIABLES.iter().any(|known| name.starts_with(known)) {
                continue;
            }
            match settings.values_mut().find(|setting| setting.variable() == name) {
                Some(setting) => set_text(setting, &text, SettingSource::Environment(name), &mut errors),
                None => errors.push(format!("environment {name}: unknown key")),
            }
        }
        for (path, flag, text) in self.flags {
            match settings.get_mut(path) {
                Some(setting) => set_text(setting, &text, SettingSource::Flag(flag), &mut errors),
                None => errors.push(format!("flag {flag}: unknown key {path}")),
            }
        }
        for setting in settings.values() {
            check_range(setting, &mut errors);
        }
        if !errors.is_empty() {
            return Err(ConfigError(errors));
        }
        match serde_path_to_error::deserialize::<_, Config>(tree(&settings)) {
            Ok(config) => match contradictions::find(&config, &settings) {
                found if found.is_empty() => Ok((config, settings.into_values().collect())),
                found => Err(ConfigError(found)),
            },
            Err(error) => {
                let path = error.path().to_string();
                let source = settings.get(&path).map_or_else(String::new, |setting| format!("{}: ", setting.source));
                Err(ConfigError(vec![format!("{source}{path}: {}", error.inner())]))
            }
        }
    }
}

/// Returns the keys of the reference with their defaults and comments.
pub(super) fn reference() -> BTreeMap<String, Setting> {
    let document: DocumentMut = DEFAULTS.parse().expect("the compiled-in reference is valid TOML: a test reads it");
    let mut settings = BTreeMap::new();
    each_key(document.as_table(), "", &mut |path, table, name, item| {
        let prefix = table.key(name).and_then(|key| key.leaf_decor().prefix()?.as_str().map(str::to_owned));
        let lines = prefix.unwrap_or_default();
        let comment = lines.rsplit("\n\n").next().unwrap_or_default().lines();
        let comment =
            comment.map(|line| line.trim_start_matches('#').trim()).collect::<Vec<_>>().join(" ").trim().to_owned();
        let value = value_of(item).expect("the reference holds only simple values: a test reads it");
        settings.insert(path.clone(), Setting { path, value, source: SettingSource::Default, comment });
    });
    settings
}

fn each_key(table: &dyn TableLike, prefix: &str, each: &mut dyn FnMut(String, &dyn TableLike, &str, &Item)) {
    for (name, item) in table.iter() {
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        match item.as_table_like() {
            Some(inner) => each_key(inner, &path, each),
            None => each(path, table, name, item),
        }
    }
}

fn read_file(path: &std::path::Path, text: &str, settings: &mut BTreeMap<String, Setting>, errors: &mut Vec<String>) {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let line = line_of(text, error.span());
            errors.push(format!("{}:{line}: {}", path.display(), error.message()));
            return;
        }
    };
    let sections: Vec<_> =
        settings.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section.to_owned()).collect();
    // The name of a section without keys may be wrong as well.
    for (name, item) in document.as_table().iter().filter(|(_, item)| item.is_table_like()) {
        if !sections.iter().any(|known| known == name) {
            let line = line_of(text, item.span());
            errors.push(format!("{}:{line}: unknown section [{name}]", path.display()));
        }
    }
    each_key(document.as_table(), "", &mut |key, table, name, item| {
        let line = line_of(text, table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span()));
        let source = SettingSource::File(path.to_owned(), line);
        let known_section =
            key.split_once('.').is_none_or(|(section, _)| sections.iter().any(|known| known == section));
        match (settings.get_mut(&key), value_of(item)) {
            (Some(setting), Some(value)) => set(setting, value, source, errors),
            (Some(setting), None) => errors.push(wrong_type(setting, &source)),
            (None, _) if known_section => errors.push(format!("{source}: unknown key {key}")),
            (None, _) => {}
        }
    });
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let end = span.map_or(0, |span| span.start.min(text.len()));
    text.get(..end).map_or(0, |before| before.matches('\n').count()) + 1
}

fn value_of(item: &Item) -> Option<Value> {
    match item.as_value()? {
        toml_edit::Value::String(text) => Some(Value::from(text.value().as_str())),
        toml_edit::Value::Integer(number) => Some(Value::from(*number.value())),
        toml_edit::Value::Boolean(yes) => Some(Value::from(*yes.value())),
        toml_edit::Value::Array(list) => {
            list.iter().map(|entry| entry.as_str().map(Value::from)).collect::<Option<Vec<_>>>().map(Value::from)
        }
        _ => None,
    }
}

fn set(setting: &mut Setting, value: Value, source: SettingSource, errors: &mut Vec<String>) {
    if std::mem::discriminant(&setting.value) == std::mem::discriminant(&value) {
        setting.value = value;
        setting.source = source;
    } else {
        errors.push(wrong_type(setting, &source));
    }
}

fn set_text(setting: &mut Setting, text: &str, source: SettingSource, errors: &mut Vec<String>) {
    let value = match &setting.value {
        Value::Number(_) => text.trim().parse::<i64>().ok().map(Value::from),
        Value::Bool(_) => text.trim().parse::<bool>().ok().map(Value::from),
        Value::Array(_) => {
            Some(text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(Value::from).collect())
        }
        _ => Some(Value::from(text)),
    };
    match value {
        Some(value) => set(setting, value, source, errors),
        None => errors.push(wrong_type(setting, &source)),
    }
}

fn wrong_type(setting: &Setting, source: &SettingSource) -> String {
    let expected = match setting.value {
        Value::Number(_) => "a whole number",
        Value::Bool(_) => "true or false",
        Value::Array(_) => "a list of strings",
        _ => "a string",
    };
    format!("{source}: {}: expected {expected}", setting.path)
}

fn check_range(setting: &Setting, errors: &mut Vec<String>) {
    let Some((least, most)) = setting.range() else { return };
    let measured = match &setting.value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => i64::try_from(text.chars().count()).ok(),
        _ => return,
    };
    if !measured.is_some_and(|measured| (least..=most).contains(&measured)) {
        let unit = if setting.value.is_string() { " characters" } else { "" };
        errors.push(format!("{}: {}: expected {least} to {most}{unit}", setting.source, setting.path));
    }
}

fn tree(settings: &BTreeMap<String, Setting>) -> Value {
    let mut root = serde_json::Map::new();
    for setting in settings.values() {
        match setting.path.split_once('.') {
            None => {
                root.insert(setting.path.clone(), setting.value.clone());
            }
            Some((section, name)) => {
                root.entry(section).or_insert_with(|| Value::Object(serde_json::Map::new()))[name] =
                    setting.value.clone();
            }
        }
    }
    Value::Object(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn load(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)]) -> Layers {
        Layers {
            file: Some((PathBuf::from("parlor.toml"), file.to_owned())),
            environment: environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
            flags: flags.iter().map(|(path, flag, text)| (*path, *flag, (*text).to_owned())).collect(),
        }
    }

    fn errors(file: &str) -> Vec<String> {
        load(file, &[], &[]).load().expect_err("something is wrong with it").0
    }

    #[test]
    fn the_reference_is_complete_and_every_default_is_within_its_range() {
        let (_, settings) = Layers::default().load().expect("the defaults are valid");
        for setting in &settings {
            assert!(setting.comment.len() > 10, "{} has no comment", setting.path);
            assert!(!setting.value.is_number() || setting.range().is_some(), "{} has no range", setting.path);
        }
        assert!(settings.len() > 70);
    }

    #[test]
    fn flags_override_the_environment_which_overrides_the_file() {
        let file = "listen = \"127.0.0.1:1\"\nname = \"File\"\n[limits]\ntext_chars_max = 1\npage_rows = 7\n";
        let environment = [("PARLOR_LIMITS_TEXT_CHARS_MAX", "2"), ("PARLOR_LISTEN", "127.0.0.1:2"), ("HOME", "/")];
        let (config, settings) =
            load(file, &environment, &[("listen", "--listen", "127.0.0.1:3")]).load().expect("all is right");
        let listen: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["127.0.0.1:3"]);
        assert_eq!((config.limits.text_chars_max, config.limits.page_rows), (2, 7));
        let source =
            |path: &str| settings.iter().find(|setting| setting.path == path).map(|setting| setting.source.to_string());
        assert_eq!(source("listen").as_deref(), Some("flag --listen"));
        assert_eq!(source("limits.text_chars_max").as_deref(), Some("environment PARLOR_LIMITS_TEXT_CHARS_MAX"));
        assert_eq!(source("limits.page_rows").as_deref(), Some("parlor.toml:5"));
        assert_eq!(source("data").as_deref(), Some("default"));
    }

    #[test]
    fn all_errors_are_reported_together_with_their_locations() {
        let file = "\nlisten = 5\nlisen = \"x\"\n\n[limits]\ntext_chars_max = 0\nfoo = 1\n[limts]\nbar = 1\n";
        assert_eq!(
            errors(file),
            [
                "parlor.toml:8: unknown section [limts]",
                "parlor.toml:2: listen: expected a string",
                "parlor.toml:3: unknown key lisen",
                "parlor.toml:7: unknown key limits.foo",
                "parlor.toml:6: limits.text_chars_max: expected 1 to 1000000",
            ]
        );
        assert_eq!(errors("a = \n").len(), 1);
        assert_eq!(errors("data.x = 1"), ["parlor.toml:1: unknown section [data]"]);
        assert!(errors("accent = \"blue\"")[0].starts_with("parlor.toml:1: accent: "));
        assert!(errors("who_may_write = \"all\"")[0].starts_with("parlor.toml:1: who_may_write: "));
        let unknown = load("", &[("PARLOR_LISTN", "x"), ("PARLOR_TEST_POSTGRES", "x")], &[]).load();
        assert_eq!(unknown.expect_err("a wrong name").0, ["environment PARLOR_LISTN: unknown key"]);
    }

    #[test]
    fn every_limit_goes_down_to_one() {
        let (_, settings) = Layers::default().load().expect("the defaults");
        for setting in settings.iter().filter(|setting| setting.path.starts_with("limits.")) {
            assert_eq!(setting.range().map(|(least, _)| least), Some(1), "{}", setting.path);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let file = "[store]\nurl = \"postgres://ada:se@cret@db/x\"\n[metrics]\ntoken = \"secret\"\n\
                    [files]\ns3_access_key_id = \"id\"\ns3_secret_access_key = \"secret\"\n\
                    [host]\ndatabase = \"mysql://ada:se@cret@db/x\"\n\
                    [bridge]\nredis = \"redis://:se@cret@a/1, unix:///b?pass=secret\"\nencryption_keys = [\"secret\"]\n\
                    [channel_layer]\nurl = \"redis://:se@cret@a/1\"\nencryption_keys = [\"secret\"]\n\
                    [identity]\nrecheck_secret = \"secret\"\n\
                    [django]\nsecret_key = \"secret\"\nsecret_key_fallbacks = [\"secret\"]\n\
                    [callback]\nurl = \"http://ada:se@cret@site/x?key=secret\"\n";
        let (config, settings) = load(file, &[], &[]).load().expect("all is right");
        let shown: Vec<_> = settings.iter().map(Setting::display_value).collect();
        assert!(shown.iter().all(|text| !text.contains("cret")), "{shown:?}");
        assert!(shown.contains(&"\"postgres://ada:(hidden)@db/x\"".to_owned()));
        assert!(shown.contains(&"\"redis://:(hidden)@a/1, unix:///b?(hidden)\"".to_owned()), "{shown:?}");
        assert!(!format!("{config:?}").contains("cret"));
    }

    /// The expected content of `docs/reference/configuration.md`.
    fn page() -> String {
        let mut page = String::from(
            "# The configuration\n\nMade from `parlor.default.toml` by a test; edit that file. How the layers work: \
             [Configure](../operate/configure.md).\n",
        );
        let settings: Vec<_> = reference().into_values().collect();
        let mut sections: Vec<_> =
            settings.iter().map(|setting| setting.path.split_once('.').map(|path| path.0)).collect();
        sections.sort_unstable();
        sections.dedup();
        for section in sections {
            page.push_str(
                &section.map_or_else(|| "\n## Without a section\n".to_owned(), |name| format!("\n## `[{name}]`\n")),
            );
            page.push_str("\n| key | default | meaning |\n|---|---|---|\n");
            for setting in settings.iter().filter(|found| found.path.split_once('.').map(|path| path.0) == section) {
                let (path, value, comment) = (&setting.path, &setting.value, &setting.comment);
                writeln!(page, "| `{path}` | `{value}` | {comment} |").expect("writing into a String");
            }
        }
        page
    }

    #[test]
    fn the_configuration_page_matches_the_reference() {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/configuration.md");
        if std::env::var_os("PARLOR_TEST_WRITE").is_some() {
            std::fs::write(&file, page()).expect("written");
        }
        let found = std::fs::read_to_string(file).expect("the page");
        assert_eq!(found, page(), "regenerate it with PARLOR_TEST_WRITE=1");
    }
}
