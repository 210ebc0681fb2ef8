//! `parlor config`: prints the configuration in force, as a usable file, with the source of each value.

use super::print_line;
use crate::config::{Setting, SettingSource};
use std::fmt::Write as _;

pub(super) fn print(settings: &[Setting]) {
    print_line(&text(settings));
}

fn text(settings: &[Setting]) -> String {
    let mut text = String::new();
    let section_of = |setting: &Setting| setting.path.split_once('.').map(|(section, _)| section.to_owned());
    let mut sections: Vec<_> = settings.iter().filter_map(section_of).collect();
    sections.dedup();
    for section in std::iter::once(None).chain(sections.into_iter().map(Some)) {
        if let Some(name) = &section {
            let _ = writeln!(text, "\n[{name}]");
        }
        for setting in settings.iter().filter(|setting| section_of(setting) == section) {
            let name = setting.path.rsplit('.').next().unwrap_or_default();
            let line = format!("{name} = {}", setting.display_value());
            let _ = match setting.source {
                SettingSource::Default => writeln!(text, "{line}"),
                _ => writeln!(text, "{line:<48} # {}", setting.source),
            };
        }
    }
    text.push_str("\n# Values without a source are defaults.");
    text
}

#[cfg(test)]
mod tests {
    use crate::config::Layers;

    #[test]
    fn the_printed_configuration_can_be_read_back_and_names_its_sources() {
        let mut layers = Layers::default();
        layers.environment.push(("PARLOR_LIMITS_PAGE_ROWS".to_owned(), "7".to_owned()));
        layers.flags.push(("listen", "--listen", "127.0.0.1:1".to_owned()));
        let (_, settings) = layers.load().expect("all is right");
        let text = super::text(&settings);
        let has = |start: &str, end: &str| text.lines().any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(has("page_rows = 7", "# environment PARLOR_LIMITS_PAGE_ROWS"), "{text}");
        assert!(has("listen = \"127.0.0.1:1\"", "# flag --listen"), "{text}");
        let again = Layers { file: Some(("printed".into(), text)), ..Layers::default() };
        let (config, _) = again.load().expect("it is a configuration");
        assert_eq!(config.limits.page_rows, 7);
    }
}
