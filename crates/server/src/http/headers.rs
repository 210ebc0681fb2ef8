//! The headers of answers, as `/openapi.json` lists them for each path and status.

use super::route::Route;
use serde_json::{Map, Value, json};

/// Each header, and what it says.
const ALL: [(&str, &str); 17] = [
    ("Accept-Ranges", "That ranges of bytes are served."),
    ("Cache-Control", "Who may keep the answer, and for how long."),
    ("Content-Disposition", "Whether to show or save the file, and its name."),
    ("Content-Range", "Which bytes these are, of how many; of a refused range, how many there are."),
    ("Content-Security-Policy", "What a page may load; of a file, that nothing in it runs."),
    ("Cross-Origin-Opener-Policy", "That pages of other origins get no handle on this one."),
    ("Cross-Origin-Resource-Policy", "That pages of other origins cannot embed the file."),
    ("ETag", "The state of what was sent, for `If-None-Match` and `If-Range`."),
    ("RateLimit", "How many requests are left (`r`), and in how many seconds all of them are there again (`t`)."),
    ("RateLimit-Policy", "How many requests may be made (`q`) in how many seconds (`w`)."),
    ("Referrer-Policy", "What browsers tell other sites of this address."),
    ("Retry-After", "After how many seconds to try again."),
    ("Set-Cookie", "The session cookie, set or taken away."),
    ("Strict-Transport-Security", "That browsers use https only, if `tls.hsts_s` says so."),
    ("Vary", "Which headers of the request the answer depends on."),
    ("WWW-Authenticate", "How to say who asks: `Bearer`."),
    ("X-Content-Type-Options", "That browsers believe the `Content-Type`: `nosniff`."),
];

/// The headers as components of the document.
pub(super) fn components() -> Value {
    let header = |(name, says): &(&str, &str)| {
        let schema =
            if *name == "Retry-After" { json!({"type": "integer", "minimum": 1}) } else { json!({"type": "string"}) };
        ((*name).to_owned(), json!({"description": says, "schema": schema}))
    };
    ALL.iter().map(header).collect::<Map<_, _>>().into()
}

/// Those that an answer of a route may have.
pub(super) fn of(route: &Route, status: u16) -> Value {
    let is_api = route.path.starts_with("/v1/");
    let is_file = route.path.starts_with("/v1/files/");
    let is_picture = route.path == "/v1/pictures/{id}";
    let is_evidence = route.path == "/v1/reports/{id}/evidence";
    let is_theme = route.path == "/theme.css";
    let has = |name: &str| match name {
        "RateLimit" | "RateLimit-Policy" => is_api,
        "Retry-After" => [408, 429, 503].contains(&status),
        "WWW-Authenticate" => status == 401,
        "Set-Cookie" => status < 300 && ["/v1/session", "/v1/users"].contains(&route.path) && route.method != "get",
        "ETag" => (is_file || is_picture || is_theme) && status < 400,
        "Vary" => is_theme && status < 400,
        "Cross-Origin-Resource-Policy" | "Accept-Ranges" => is_file && status < 400,
        "Content-Disposition" => is_file && [200, 206].contains(&status) || is_evidence && status == 200,
        "Content-Range" => is_file && [206, 416].contains(&status),
        _ => true,
    };
    let reference = |name: &str| (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    ALL.iter().map(|(name, _)| *name).filter(|name| has(name)).map(reference).collect::<Map<_, _>>().into()
}
