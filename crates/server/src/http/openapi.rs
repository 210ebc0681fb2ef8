//! `/openapi.json`: the HTTP API for machines (OpenAPI 3.1), made from the table of paths.

use super::{
    Edge,
    errors::Refusal,
    headers,
    route::{BodyType, Route},
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::ID_MAX,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::{PartialSchema as _, ToSchema};

pub(super) async fn serve(State(edge): State<Edge>) -> Result<Response, Refusal> {
    let document = super::document(|state| &state.openapi, edge, super::openapi_document).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document).into_response())
}

/// Returns the whole document.
pub(super) fn document(routes: &[Route]) -> String {
    let mut components = BTreeMap::new();
    let mut paths = Map::new();
    for route in routes {
        for content in route.body.iter().chain(&route.answer) {
            for (name, schema) in &content.components {
                components.insert(name.clone(), json!(schema));
            }
        }
        paths.entry(route.path).or_insert_with(|| json!({}))[route.method] = operation(route);
    }
    for (name, schema) in problem_components() {
        components.insert(name, schema);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Parlor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Messaging for the users of a web application. The live socket is at /v1/socket; \
                            its frames are described by /schema.json.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": headers::components(),
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": "parlor_session",
                           "description": "Set by signing in; named __Host-parlor_session on https, or below a root path __Secure-parlor_session."},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    });
    mend(&mut document);
    serde_json::to_string_pretty(&document).expect("a value is JSON")
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.says,
        "parameters": parameters(route),
        "responses": responses(route),
        "security": if route.is_private { json!([{"cookie": []}, {"bearer": []}]) } else { json!([]) },
    });
    if let Some(body) = &route.body {
        operation["requestBody"] = json!({"required": true, "content": {body.media_type: media(body)}});
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/v1").replace(['{', '}'], "");
    let words = path.split(['/', '.']).filter(|word| !word.is_empty());
    words.fold(route.method.to_owned(), |id, word| format!("{id}_{word}"))
}

fn media(content: &BodyType) -> Value {
    let mut media = match &content.schema {
        Some(name) => json!({"schema": {"$ref": format!("#/components/schemas/{name}")}}),
        None => json!({}),
    };
    if let Some(example) = &content.example {
        media["example"] = example.clone();
    }
    media
}

fn parameters(route: &Route) -> Value {
    let mut parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let is_number = route.path.starts_with("/v1/") && name != "client_id" && !route.path.contains("/pictures/");
            let schema = if is_number {
                json!({"type": "integer", "format": "int64", "minimum": 1, "maximum": ID_MAX})
            } else {
                json!({"type": "string"})
            };
            let example = if is_number { json!(12) } else { json!("4f1c") };
            json!({"name": name, "in": "path", "required": true, "schema": schema, "example": example})
        })
        .collect();
    parameters.extend(route.parameters.as_array().into_iter().flatten().cloned());
    if route.is_private {
        parameters.push(json!({
            "name": "Parlor-User", "in": "header", "required": false, "example": 7,
            "description": "Whose page asks. When another person is signed in the answer is `wrong_user`.",
            "schema": {"type": "integer", "format": "int64", "minimum": 1, "maximum": ID_MAX},
        }));
    }
    Value::Array(parameters)
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    match &route.answer {
        Some(answer) => {
            responses.insert("200".to_owned(), done(route, 200, "It is done.", Some(answer)));
            if route.path.starts_with("/v1/files/") {
                responses.insert("206".to_owned(), done(route, 206, "The range of it.", Some(answer)));
            }
            if route.path.starts_with("/v1/files/") || ["/v1/pictures/{id}", "/theme.css"].contains(&route.path) {
                responses.insert("304".to_owned(), done(route, 304, "The client's copy is up to date.", None));
            }
        }
        None if route.path == "/v1/socket" => {
            responses.insert("101".to_owned(), done(route, 101, "The socket is open.", None));
        }
        None => {
            responses.insert("204".to_owned(), done(route, 204, "It is done.", None));
        }
    }
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in refusals(route) {
        by_status.entry(code.status()).or_default().push(code);
    }
    for (status, codes) in by_status {
        let titles: Vec<_> = codes.iter().map(|code| format!("`{}`: {}", code.name(), code.title())).collect();
        responses.insert(
            status.to_string(),
            json!({
                "description": titles.join(" "),
                "x-codes": codes.iter().map(|code| code.name()).collect::<Vec<_>>(),
                "headers": headers::of(route, status),
                "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": Problem::new(codes[0]),
                }},
            }),
        );
    }
    if route.path == "/readyz" {
        responses.insert(
            "503".to_owned(),
            json!({"description": "It stops, or has no store.", "headers": headers::of(route, 503),
                "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/Health"}, "example": {"status": "draining"}}}}),
        );
    }
    Value::Object(responses)
}

fn done(route: &Route, status: u16, says: &str, content: Option<&BodyType>) -> Value {
    let mut response = json!({"description": says, "headers": headers::of(route, status)});
    if let Some(content) = content {
        response["content"] = json!({content.media_type: media(content)});
    }
    response
}

/// Returns the refusals of a path, and those of all paths of its kind.
fn refusals(route: &Route) -> Vec<Code> {
    let mut codes = route.refusals.to_vec();
    // Any request may be malformed: without a `Host`, or with a head that is too large.
    codes.extend([Code::InvalidField, Code::TooLarge, Code::Internal]);
    if route.path.starts_with("/v1/") {
        codes.extend([Code::TooMany, Code::Unavailable, Code::Draining]);
    }
    if route.is_private {
        codes.extend([Code::NotSignedIn, Code::WrongUser]);
        if route.method != "get" {
            codes.push(Code::WrongOrigin);
        }
    }
    if route.body.as_ref().is_some_and(|body| body.schema.is_some()) {
        codes.extend([Code::InvalidJson, Code::UnsupportedType, Code::TimedOut]);
    }
    // An invalid id in a path does not exist.
    if route.path.contains('{') && !route.path.contains("{client_id}") {
        codes.push(Code::NotFound);
    }
    codes.sort_by_key(|code| (code.status(), code.name()));
    codes.dedup();
    codes
}

/// Returns the schema of problems, and all that it refers to.
pub(super) fn problem_components() -> Vec<(String, Value)> {
    let mut components = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut components);
    let mut components: Vec<_> = components.into_iter().map(|(name, schema)| (name, json!(schema))).collect();
    // The generator takes the names of the variants in Rust.
    let names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    let description = "A stable code. These keep their names and meanings; others may come, of which `status` and \
                       `retryable` say what to make.";
    components.retain(|(name, _)| *name != <Code as ToSchema>::name());
    components.push((
        <Code as ToSchema>::name().into_owned(),
        json!({"description": description, "anyOf": [{"type": "string", "enum": names}, {"type": "string"}]}),
    ));
    components
}

/// Fixes what the generator gets wrong: the range of ids (it writes the maximum as the minimum), and schemas that
/// forbid further fields although another schema adds some.
pub(super) fn mend(document: &mut Value) {
    let mut extended = Vec::new();
    each_object(document, &mut |object| {
        if object.get("minimum") == Some(&json!(ID_MAX)) {
            object.insert("minimum".to_owned(), json!(0));
            object.insert("maximum".to_owned(), json!(ID_MAX));
        }
        for part in object.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            extended.extend(part.get("$ref").and_then(Value::as_str).map(str::to_owned));
        }
    });
    for reference in extended {
        let pointer = reference.trim_start_matches('#');
        if let Some(schema) = document.pointer_mut(pointer).and_then(Value::as_object_mut) {
            schema.remove("additionalProperties");
        }
    }
}

fn each_object(value: &mut Value, each: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            each(object);
            object.values_mut().for_each(|value| each_object(value, each));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| each_object(value, each)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes;

    fn parsed() -> Value {
        serde_json::from_str(&document(&routes::all())).expect("JSON")
    }

    #[test]
    fn every_path_is_in_it_with_a_summary_and_examples() {
        let document = parsed();
        for route in routes::all() {
            let operation = &document["paths"][route.path][route.method];
            assert!(operation["summary"].as_str().is_some_and(|says| !says.is_empty()), "{}", route.path);
            let contents = [&operation["requestBody"]["content"], &operation["responses"]["200"]["content"]];
            for content in contents {
                if let Some(json) = content.get("application/json").filter(|json| json.get("schema").is_some()) {
                    assert!(json.get("example").is_some(), "{} {} has no example", route.method, route.path);
                }
            }
        }
    }

    #[test]
    fn every_example_fits_its_schema() {
        let document = parsed();
        let mut compiler = boon::Compiler::new();
        compiler.add_resource("http://parlor/openapi.json", document.clone()).expect("a document");
        let mut schemas = boon::Schemas::new();
        let mut fitted = 0;
        for operation in document["paths"].as_object().expect("paths").values().filter_map(Value::as_object) {
            for operation in operation.values() {
                let answers = operation["responses"].as_object().expect("responses").values();
                for content in answers.chain([&operation["requestBody"]]).filter_map(|body| body["content"].as_object())
                {
                    for media in content.values().filter(|media| media.get("schema").is_some()) {
                        let reference = media["schema"]["$ref"].as_str().expect("a reference");
                        let schema = compiler.compile(&format!("http://parlor/openapi.json{reference}"), &mut schemas);
                        let fits = schemas.validate(&media["example"], schema.expect("a schema"));
                        fits.unwrap_or_else(|error| panic!("{reference}: {error}"));
                        fitted += 1;
                    }
                }
            }
        }
        assert!(fitted > 100, "{fitted}");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_name_is_one_operation() {
        let document = parsed();
        let text = document.to_string();
        for (position, _) in text.match_indices("\"$ref\":\"#") {
            let pointer = text[position + 9..].split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        let mut ids: Vec<_> = routes::all().iter().map(operation_id).collect();
        ids.sort();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn ids_have_their_range() {
        let user = &parsed()["components"]["schemas"]["UserId"];
        assert_eq!((&user["minimum"], &user["maximum"]), (&json!(0), &json!(ID_MAX)));
    }
}
