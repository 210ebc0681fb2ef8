use super::*;
use crate::profile::write_view::FormValue;

#[derive(Debug, Deserialize)]
struct SocketsOfProfile {
    sockets: Vec<SocketProfile>,
}

const SMALL: &str = r#"
[[sockets]]
path = "ws/{item}-{other}/"
context = "item"
other = "other"
time_format = "%H:%M"

[[sockets.receive]]
action = "send"
text = "message"

[[sockets.send]]
on = "message"
to = ["recipient"]
frame = { text = "$text" }
"#;

/// Returns the message and the line of an error.
fn error(text: &str) -> (String, usize) {
    let error = toml::from_str::<SocketsOfProfile>(text).expect_err(text);
    let start = error.span().map_or(0, |span| span.start);
    (error.message().to_owned(), text[..start].matches('\n').count() + 1)
}

#[test]
fn what_is_wrong_is_refused_with_its_line() {
    toml::from_str::<SocketsOfProfile>(SMALL).expect("the example is right");
    for (right, wrong, message, line) in [
        ("time_format", "time_fromat", "unknown field `time_fromat`", 6),
        ("%H:%M", "%!", "is no time format", 6),
        ("time_format = \"%H:%M\"", "time_zone = \"Mars/Olympus\"", "Mars/Olympus", 6),
        ("time_format = \"%H:%M\"", "close = { restarting = 1006 }", "1006", 6),
        ("time_format = \"%H:%M\"", "close = { restart = 1012 }", "unknown field `restart`", 6),
        ("time_format = \"%H:%M\"", "errors = { frame = { a = \"$text\" } }", "has no value here", 2),
        ("ws/{item}-{other}/", "ws/{item}{other}/", "after a part", 3),
        ("context = \"item\"", "context = \"thing\"", "no part {thing}", 2),
        ("other = \"other\"", "", "names the other person", 2),
        ("action = \"send\"", "action = \"sent\"", "unknown variant `sent`", 9),
        ("text = \"message\"", "", "`text` is missing", 8),
        ("text = \"message\"", "text = \"message\"\nmessage = \"id\"", "`message` has no meaning", 8),
        ("text = \"message\"", "text = \"message\"\nallow = \"somebody\"", "begins with SELECT", 11),
        ("text = \"message\"", "text = \"message\"\nanswer = { a = \"$error\" }", "has no value here", 8),
        ("text = \"message\"", "text = \"message\"\nwrite = \"post\"", "unknown variant `post`", 11),
        ("text = \"message\"", "text = \"message\"\nwrite = \"view\"", "`view` is missing", 8),
        (
            "text = \"message\"",
            "text = \"message\"\nview = { path = \"/x/\", form = {} }",
            "without write = \"view\"",
            8,
        ),
        ("on = \"message\"", "on = \"massage\"", "unknown variant `massage`", 13),
        ("to = [\"recipient\"]", "to = []", "names nobody", 12),
        ("$text", "$texts", "$texts does not exist", 15),
        ("$text", "$unread_count", "has no value here", 12),
    ] {
        assert!(SMALL.contains(right), "{right}");
        let (found, at) = error(&SMALL.replacen(right, wrong, 1));
        assert!(found.contains(message), "{wrong}: {found}");
        assert_eq!(at, line, "{wrong}: {found}");
    }
}

#[test]
fn a_socket_without_the_other_person_in_its_path_needs_a_recipient_in_its_frames() {
    let path = SMALL.replace("ws/{item}-{other}/", "ws/").replace("context = \"item\"\nother = \"other\"\n", "");
    assert!(error(&path).0.contains("`recipient` is missing"));
    let with = path.replace("text = \"message\"", "text = \"message\"\nrecipient = \"to\"");
    toml::from_str::<SocketsOfProfile>(&with).expect("a right file");
}

#[test]
fn times_are_written_by_the_format_in_the_zone() {
    let format = |text: &str| TimeFormat(Some(text.to_owned()));
    let manila = TimeZone::get("Asia/Manila").expect("a zone");
    let morning = 1_795_926_000_000;
    assert_eq!(format("%b. %d, %Y, %I:%M %p").write(morning, &TimeZone::UTC), "Nov. 29, 2026, 04:20 AM");
    assert_eq!(format("%Y-%m-%d %H:%M").write(morning, &manila), "2026-11-29 12:20");
    assert_eq!(TimeFormat(None).write(morning, &manila), "2026-11-29T04:20:00.000Z");
}

#[test]
fn a_view_has_a_path_and_a_form_of_what_is_sent() {
    let with = |view: &str| {
        SMALL.replace("text = \"message\"", &format!("text = \"message\"\nwrite = \"view\"\nview = {view}"))
    };
    let right =
        with("{ path = \"/send/\", form = { to = \"$recipient.id\", price = \"$$5\" }, headers = { X-A = \"b\" } }");
    let file = toml::from_str::<SocketsOfProfile>(&right).expect("it is right");
    let Action::Send(send) = &file.sockets[0].receive[0].action else { panic!("it sends") };
    let view = send.view.as_ref().expect("a view");
    assert_eq!((view.path.as_str(), view.csrf_cookie.as_str()), ("/send/", "csrftoken"));
    let form = [("price", FormValue::Constant("$5".to_owned())), ("to", FormValue::Recipient)];
    assert_eq!(view.form, form.map(|(name, value)| (name.to_owned(), value)));
    assert!(send.needs_cookies() && file.sockets[0].needs_cookies());
    for (wrong, message) in [
        ("{ path = \"send/\", form = {} }", "does not begin with one /"),
        ("{ path = \"//evil.example/\", form = {} }", "does not begin with one /"),
        ("{ path = \"/send/\" }", "missing field `form`"),
        ("{ path = \"/send/\", form = { a = \"$id\" } }", "has no value in a form"),
        ("{ path = \"/send/\", form = {}, headers = { \"a b\" = \"c\" } }", "is no header"),
        ("{ path = \"/send/\", form = {}, csrf_cookie = \"a;b\" }", "is no name of a cookie"),
        ("{ path = \"/send/\", form = {}, method = \"PUT\" }", "unknown field `method`"),
    ] {
        let (found, _) = error(&with(wrong));
        assert!(found.contains(message), "{wrong}: {found}");
    }
}
