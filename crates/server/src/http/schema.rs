//! `/schema.json`: the socket's frames for machines (JSON Schema 2020-12), made from the protocol's types.

use super::{
    Edge,
    errors::Refusal,
    openapi::{mend, problem_components},
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use parlor_protocol::{command::Command, event::Event, ids::ID_MAX, reply::Answer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

pub(super) async fn serve(State(edge): State<Edge>) -> Result<Response, Refusal> {
    let document = super::document(|state| &state.schema, edge, document).await?;
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], document).into_response())
}

/// Returns the whole document. `$defs` has `CommandFrame`, `ReplyFrame` and `EventFrame`, and all that they consist of.
pub(super) fn document() -> String {
    let mut definitions = BTreeMap::new();
    collect::<Command>(&mut definitions);
    collect::<Answer>(&mut definitions);
    collect::<Event>(&mut definitions);
    definitions.extend(problem_components());
    let id = json!({"type": "integer", "minimum": 0, "maximum": ID_MAX});
    definitions.insert(
        "CommandFrame".to_owned(),
        json!({
            "description": "What a client sends.",
            "required": ["id"], "properties": {"id": id},
            "allOf": [{"$ref": "#/components/schemas/Command"}],
            "unevaluatedProperties": false,
        }),
    );
    definitions.insert(
        "ReplyFrame".to_owned(),
        json!({
            "description": "The answer to a command. `re` is null when no `id` could be read.",
            "type": "object", "required": ["re"],
            "properties": {"re": {"anyOf": [id, {"type": "null"}]}},
            "anyOf": [
                {"required": ["error"], "properties": {"error": {"$ref": "#/components/schemas/Problem"}}},
                {"$ref": "#/components/schemas/Answer"},
            ],
        }),
    );
    definitions.insert("EventFrame".to_owned(), json!({"$ref": "#/components/schemas/Event"}));
    // Different answers may look alike: the command tells them apart.
    if let Some(answer) = definitions.get_mut("Answer").and_then(Value::as_object_mut)
        && let Some(kinds) = answer.remove("oneOf")
    {
        answer.insert("anyOf".to_owned(), kinds);
    }
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Frames of Parlor's socket, parlor.v1",
        "description": "A text frame is one of these, or the heartbeat {}.",
        "anyOf": [
            {"$ref": "#/components/schemas/CommandFrame"},
            {"$ref": "#/components/schemas/ReplyFrame"},
            {"$ref": "#/components/schemas/EventFrame"},
            {"type": "object", "maxProperties": 0},
        ],
        "components": {"schemas": definitions},
    });
    mend(&mut document);
    let definitions = document["components"]["schemas"].take();
    if let Some(root) = document.as_object_mut() {
        root.remove("components");
        root.insert("$defs".to_owned(), definitions);
    }
    let text = serde_json::to_string_pretty(&document).expect("a value is JSON");
    text.replace("#/components/schemas/", "#/$defs/")
}

fn collect<T: ToSchema>(definitions: &mut BTreeMap<String, Value>) {
    let mut components = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut components);
    definitions.extend(components.into_iter().map(|(name, schema)| (name, json!(schema))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use boon::{Compiler, SchemaIndex, Schemas};
    use std::{fs, path::PathBuf};

    fn compiled(definition: &str) -> (Schemas, SchemaIndex) {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let document = serde_json::from_str(&document()).expect("JSON");
        compiler.add_resource("http://parlor/schema.json", document).expect("a document");
        let index = compiler
            .compile(&format!("http://parlor/schema.json#/$defs/{definition}"), &mut schemas)
            .expect("a valid JSON Schema");
        (schemas, index)
    }

    fn fixtures(kind: &str) -> Vec<(String, Value)> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/frames");
        let files = fs::read_dir(folder).expect("the fixtures").map(|file| file.expect("a file").path());
        let files = files.filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(kind)));
        files
            .flat_map(|file| {
                let text = fs::read_to_string(&file).expect("a fixture");
                let list: Vec<Value> = serde_json::from_str(&text).expect("a list");
                list.into_iter().map(move |example| (file.display().to_string(), example["frame"].clone()))
            })
            .collect()
    }

    #[test]
    fn every_frame_of_the_fixtures_fits() {
        for (kind, definition) in [("command.", "CommandFrame"), ("reply.", "ReplyFrame"), ("event.", "EventFrame")] {
            let (schemas, index) = compiled(definition);
            let frames = fixtures(kind);
            assert!(frames.len() > 5, "{kind}");
            for (file, frame) in frames {
                if let Err(error) = schemas.validate(&frame, index) {
                    panic!("{file}: {frame}: {error}");
                }
            }
        }
    }

    #[test]
    fn frames_with_unknown_or_missing_fields_do_not_fit() {
        let (schemas, index) = compiled("CommandFrame");
        for frame in [
            json!({}),
            json!({"type": "me.get"}),
            json!({"id": 1, "type": "me.get", "more": 1}),
            json!({"id": -1, "type": "me.get"}),
            json!({"id": 1, "type": "message.send", "conversation": 12}),
            json!({"id": 1, "type": "message.forget"}),
        ] {
            assert!(schemas.validate(&frame, index).is_err(), "{frame}");
        }
    }
}
