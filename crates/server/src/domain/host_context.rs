//! What is shown of a thing of the host that messages are about. The host's program and its users may write what no title
//! can be, so a text is never the reason to refuse a thing: what cannot be shown is left out, and what is too long is
//! cut.

use super::{contexts::valid, text, visible};
use parlor_protocol::{
    error::Problem,
    model::{Context, ContextKey},
};

/// The longest text that a context shows, in characters: the host's texts may be longer than names can be.
const CHARS_MAX: u32 = 100;

/// Returns a context as `Change::PutContext` takes it. A title of which nothing can be seen is the key.
///
/// # Errors
/// Its key cannot be one: it is longer than `chars_max`, the limit of names, or has signs that cannot be seen.
pub fn shown(host: &Context, chars_max: u32) -> Result<Context, Problem> {
    let line = |text: &str| title(text, chars_max.min(CHARS_MAX));
    let link = |url: &Option<String>| url.clone().filter(|url| text::is_link(url));
    let ContextKey { kind, id } = &host.key;
    let fallback = || line(&format!("{kind} {id}")).unwrap_or_else(|| "…".to_owned());
    let context = Context {
        key: host.key.clone(),
        title: line(&host.title).unwrap_or_else(fallback),
        detail: host.detail.as_deref().and_then(line),
        url: link(&host.url),
        image: link(&host.image),
        status: host.status.as_deref().and_then(line),
        tone: host.tone,
        closed: host.closed,
    };
    valid(&context, chars_max)
}

/// Returns the beginning of a text as a title; none if nothing of it can be seen.
fn title(text: &str, chars_max: u32) -> Option<String> {
    let plain: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    let seen = text::spaced(&visible::strip_invisible(&plain));
    let cut: String = seen.chars().take(chars_max as usize).collect();
    text::title(&cut, chars_max).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_protocol::model::Tone;

    fn item(title: &str) -> Context {
        Context {
            key: ContextKey { kind: "item".to_owned(), id: "5".to_owned() },
            title: title.to_owned(),
            detail: None,
            url: None,
            image: None,
            status: None,
            tone: Tone::Plain,
            closed: false,
        }
    }

    #[test]
    fn any_text_of_the_host_is_shown_or_left_out() {
        for (text, expected) in [
            ("Black umbrella", "Black umbrella"),
            ("", "item 5"),
            ("\u{2800}\u{3164}\u{200b}", "item 5"),
            ("\u{7}\u{0}", "item 5"),
            ("two\r\nlines\u{200b}", "two lines"),
            ("Je\u{301}re\u{301}mie", "Jérémie"),
        ] {
            let item = Context { detail: Some(text.to_owned()), status: Some(text.to_owned()), ..item(text) };
            let shown = shown(&item, 200).expect("shown");
            assert_eq!(shown.title, expected, "{text:?}");
            assert_eq!(shown.detail, shown.status);
            assert_eq!(shown.detail.is_none(), expected == "item 5", "{text:?}");
            assert_eq!(super::shown(&shown, 200).as_ref(), Ok(&shown), "what is shown stays as it is");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_what_is_no_link_is_left_out() {
        // U+0958 becomes two characters when it is composed.
        for text in ["x".repeat(1000), "\u{958}".repeat(1000), format!("{} {}", "x".repeat(99), "y".repeat(99))] {
            for chars_max in [4, 10, 200] {
                let title = shown(&item(&text), chars_max).expect("shown").title;
                assert!((1..=chars_max.min(100) as usize).contains(&title.chars().count()), "{title}");
            }
        }
        let links = Context { url: Some("javascript:1".to_owned()), image: Some("//x".to_owned()), ..item("x") };
        let shown = shown(&links, 200).expect("shown");
        assert_eq!((shown.url, shown.image), (None, None));
        let hidden = ContextKey { kind: "item".to_owned(), id: "5\u{200b}".to_owned() };
        assert!(super::shown(&Context { key: hidden, ..item("x") }, 200).is_err(), "another thing could look the same");
    }
}
