//! Checks every answer that the tests see against `/openapi.json`: status, headers, media type, body, and the code of
//! a refusal.

use boon::{Compiler, Schemas};
use http::{HeaderMap, Method};
use parlor_client::http::Response;
use serde_json::Value;
use std::sync::OnceLock;

/// Headers that every answer may have, and those of the connection.
const UNLISTED: [&str; 5] = ["content-type", "content-length", "date", "transfer-encoding", "connection"];

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(&parlor::http::openapi_document()).expect("JSON"))
}

/// The observer of the tests' HTTP clients.
pub(crate) fn check(method: &Method, path: &str, answer: &Response) {
    let (status, headers) = (answer.status.as_u16(), &answer.headers);
    if let Err(why) = validate_answer(method.as_str(), path, status, headers, &answer.body) {
        panic!("{method} {path} was answered {status}, which /openapi.json does not say: {why}");
    }
}

/// Whether the document allows an answer.
pub(crate) fn validate_answer(
    method: &str,
    path: &str,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), String> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let Some(methods) = template(path) else { return Ok(()) };
    let method = method.to_ascii_lowercase();
    let (method, is_head) = if method == "head" { ("get", true) } else { (method.as_str(), false) };
    let operation = &methods[method];
    if operation.is_null() {
        return if status >= 400 { Ok(()) } else { Err("it does not list the method".to_owned()) };
    }
    let response = &operation["responses"][status.to_string()];
    if response.is_null() {
        return Err("it does not list the status".to_owned());
    }
    for name in headers.keys().map(http::HeaderName::as_str).filter(|name| !UNLISTED.contains(name)) {
        let listed = response["headers"].as_object().into_iter().flatten();
        if listed.filter(|(listed, _)| listed.eq_ignore_ascii_case(name)).count() != 1 {
            return Err(format!("it does not list the header {name}"));
        }
    }
    if is_head || body.is_empty() {
        return Ok(());
    }
    let came = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let came = came.split(';').next().unwrap_or_default().trim();
    let media = response["content"].as_object().into_iter().flatten().find(|(listed, _)| takes(listed, came));
    let Some((_, media)) = media else { return Err(format!("it does not list the media type {came:?}")) };
    let Some(reference) = media["schema"]["$ref"].as_str() else { return Ok(()) };
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    validate(reference, &body)?;
    if let Some(codes) = response["x-codes"].as_array()
        && !codes.contains(&body["code"])
    {
        return Err(format!("it does not list the code {}", body["code"]));
    }
    Ok(())
}

/// A listed media type may end in `*`; files may have any type.
fn takes(listed: &str, came: &str) -> bool {
    let is_problem = came == "application/problem+json" || came == "application/json";
    listed == came
        || listed.strip_suffix('*').is_some_and(|start| came.starts_with(start))
        || (listed == "application/octet-stream" && !is_problem)
}

fn template(path: &str) -> Option<&'static Value> {
    let parts: Vec<_> = path.split('/').collect();
    let matches = |template: &str| {
        let wanted: Vec<_> = template.split('/').collect();
        wanted.len() == parts.len()
            && wanted.iter().zip(&parts).all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
    };
    let paths = document()["paths"].as_object().expect("paths");
    // Paths without parameters come first: `/v1/uploads` does not match `/v1/{…}`.
    paths.get(path).or_else(|| paths.iter().find(|(template, _)| matches(template)).map(|(_, methods)| methods))
}

fn validate(reference: &str, body: &Value) -> Result<(), String> {
    thread_local! {
        static SCHEMAS: std::cell::RefCell<(Compiler, Schemas)> = {
            let mut compiler = Compiler::new();
            compiler.add_resource("http://parlor/openapi.json", document().clone()).expect("a document");
            std::cell::RefCell::new((compiler, Schemas::new()))
        };
    }
    SCHEMAS.with_borrow_mut(|(compiler, schemas)| {
        let index = compiler.compile(&format!("http://parlor/openapi.json{reference}"), schemas);
        let index = index.map_err(|error| error.to_string())?;
        schemas.validate(body, index).map_err(|error| format!("{error:#}: {body}"))
    })
}

#[test]
fn an_answer_that_openapi_does_not_describe_is_reported() {
    let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    };
    let json = headers(&[("content-type", "application/json")]);
    let check_livez =
        |status, headers: &HeaderMap, body: &str| validate_answer("GET", "/livez", status, headers, body.as_bytes());
    assert_eq!(check_livez(200, &json, r#"{"status": "ok"}"#), Ok(()));
    assert!(check_livez(201, &json, r#"{"status": "ok"}"#).is_err_and(|why| why.contains("status")));
    assert!(check_livez(200, &json, r#"{"status": 5}"#).is_err(), "a body of another form");
    let text = headers(&[("content-type", "text/plain")]);
    assert!(check_livez(200, &text, "ok").is_err_and(|why| why.contains("media type")));
    let more = headers(&[("content-type", "application/json"), ("x-more", "1")]);
    assert!(check_livez(200, &more, r#"{"status": "ok"}"#).is_err_and(|why| why.contains("x-more")));
}
