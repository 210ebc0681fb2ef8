//! A route: what the router serves on a path, and what `/openapi.json` says about it.

use super::Edge;
use axum::{
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};
use parlor_protocol::error::Code;
use serde_json::Value;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{RefOr, Schema, path::ParameterIn},
};

/// One method of one path.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) handler: MethodRouter<Edge>,
    pub(super) says: &'static str,
    /// Whether a session is required.
    pub(super) is_private: bool,
    pub(super) parameters: Value,
    pub(super) body: Option<BodyType>,
    /// The answer on success; none means 204.
    pub(super) answer: Option<BodyType>,
    pub(super) refusals: &'static [Code],
}

/// The type of a body.
pub(super) struct BodyType {
    pub(super) media_type: &'static str,
    /// The schema's name among the components; none for plain bytes.
    pub(super) schema: Option<String>,
    pub(super) components: Vec<(String, RefOr<Schema>)>,
    pub(super) example: Option<Value>,
}

impl BodyType {
    fn json<T: ToSchema>(example: Option<Value>) -> Self {
        let name = T::name().into_owned();
        let mut components = vec![(name.clone(), T::schema())];
        T::schemas(&mut components);
        Self { media_type: "application/json", schema: Some(name), components, example }
    }

    fn bytes(media_type: &'static str) -> Self {
        Self { media_type, schema: None, components: Vec::new(), example: None }
    }
}

fn route<H, T>(filter: MethodFilter, method: &'static str, path: &'static str, handler: H) -> Route
where
    H: Handler<T, Edge>,
    T: 'static,
{
    Route {
        path,
        method,
        handler: on(filter, handler),
        says: "",
        is_private: path.starts_with("/v1/"),
        parameters: Value::Array(Vec::new()),
        body: None,
        answer: None,
        refusals: &[],
    }
}

pub(super) fn get<H: Handler<T, Edge>, T: 'static>(path: &'static str, handler: H) -> Route {
    route(MethodFilter::GET, "get", path, handler)
}

pub(super) fn put<H: Handler<T, Edge>, T: 'static>(path: &'static str, handler: H) -> Route {
    route(MethodFilter::PUT, "put", path, handler)
}

pub(super) fn post<H: Handler<T, Edge>, T: 'static>(path: &'static str, handler: H) -> Route {
    route(MethodFilter::POST, "post", path, handler)
}

pub(super) fn patch<H: Handler<T, Edge>, T: 'static>(path: &'static str, handler: H) -> Route {
    route(MethodFilter::PATCH, "patch", path, handler)
}

pub(super) fn delete<H: Handler<T, Edge>, T: 'static>(path: &'static str, handler: H) -> Route {
    route(MethodFilter::DELETE, "delete", path, handler)
}

impl Route {
    pub(super) fn says(self, says: &'static str) -> Self {
        Self { says, ..self }
    }

    pub(super) fn for_anybody(self) -> Self {
        Self { is_private: false, ..self }
    }

    pub(super) fn query<P: IntoParams>(self) -> Self {
        let parameters = P::into_params(|| Some(ParameterIn::Query));
        Self { parameters: serde_json::to_value(parameters).expect("parameters have string keys only"), ..self }
    }

    pub(super) fn takes<T: ToSchema>(self, example: &str) -> Self {
        let example = serde_json::from_str(example).expect("the example is JSON: a test reads it");
        Self { body: Some(BodyType::json::<T>(Some(example))), ..self }
    }

    pub(super) fn takes_bytes(self, media_type: &'static str) -> Self {
        Self { body: Some(BodyType::bytes(media_type)), ..self }
    }

    /// Answers JSON. The example is that of the socket's reply, without its number.
    pub(super) fn answers<T: ToSchema>(self, fixture: &str) -> Self {
        Self { answer: Some(BodyType::json::<T>(example_of_reply(fixture))), ..self }
    }

    pub(super) fn answers_like<T: ToSchema>(self, example: &str) -> Self {
        let example = serde_json::from_str(example).expect("the example is JSON: a test reads it");
        Self { answer: Some(BodyType::json::<T>(Some(example))), ..self }
    }

    pub(super) fn answers_bytes(self, media_type: &'static str) -> Self {
        Self { answer: Some(BodyType::bytes(media_type)), ..self }
    }

    pub(super) fn refuses(self, refusals: &'static [Code]) -> Self {
        Self { refusals, ..self }
    }
}

/// The first example of a reply in the fixtures, without its number.
pub(super) fn example_of_reply(fixture: &str) -> Option<Value> {
    let mut frames: Value = serde_json::from_str(fixture).ok()?;
    let mut frame = frames.get_mut(0)?.get_mut("frame")?.take();
    frame.as_object_mut()?.remove("re");
    Some(frame)
}
