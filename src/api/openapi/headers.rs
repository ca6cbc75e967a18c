//! The headers of requests and answers that follow from what an operation is about.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};
use utoipa::openapi::path::{ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{OpenApi, RefOr, Required};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::app::App;

/// The header by which a client names a request.
const NAME: &str = "Idempotency-Key";

/// The schemas that show a version of a user, whole or in part.
const OF_A_USER: [&str; 4] = ["User", "UserPublicData", "UserPrivateData", "ProvedAnswer"];

/// Adds the tags of users to an operation, and gives the statuses of the problems that come with them.
pub(super) fn add_tags(method: &str, path: &str, operation: &mut Value) -> Vec<&'static str> {
    let shows_a_user = shows_a_user(operation);
    if shows_a_user {
        for status in ["200", "201"] {
            if let Some(answer) = operation["responses"].get_mut(status) {
                answer["headers"]["etag"] = tag();
            }
        }
    }
    if method == "get" {
        if shows_a_user {
            add(
                operation,
                "If-None-Match",
                "The tags of what one has already, or `*`: then the answer is 304 without a body if nothing is newer.",
            );
            operation["responses"]["304"] = json!({
                "description": "What one has already is what is there.",
                "headers": {"etag": tag()},
            });
        }
        return Vec::new();
    }
    if !changes_a_user(path) {
        return Vec::new();
    }
    add(operation, "If-Match", "The tag that the user must have for this to be done, or several, or `*`.");
    vec!["412"]
}

/// Says of an operation that its requests can be named.
pub(crate) fn take_names(routes: UtoipaMethodRouter<Arc<App>>) -> UtoipaMethodRouter<Arc<App>> {
    let (schemas, mut paths, methods) = routes;
    let name = ParameterBuilder::new()
        .name(NAME)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "What the client calls this request: made again within 24 hours, by the same API key and with the same body, it changes nothing and is answered as the first.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255))))
        .example(Some(json!("8e03978e-40d5-43dd-bc93-6894a57f9324")))
        .build();
    for operation in paths.paths.values_mut().filter_map(|item| item.post.as_mut()) {
        operation.parameters.get_or_insert_default().push(RefOr::T(name.clone()));
    }
    (schemas, paths, methods)
}

/// The paths of the operations whose requests can be named.
pub(crate) fn nameable(document: &OpenApi) -> HashSet<String> {
    let takes_names = |item: &PathItem| {
        let parameters = item.post.as_ref().and_then(|operation| operation.parameters.as_ref());
        parameters.is_some_and(|all| {
            all.iter().any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == NAME))
        })
    };
    let nameable = document.paths.paths.iter().filter(|(_, item)| takes_names(item));
    nameable.map(|(path, _)| path.clone()).collect()
}

/// Adds what comes with names of requests to an operation that takes them, and gives the statuses of the
/// problems.
pub(super) fn add_replays(path: &str, operation: &mut Value) -> Vec<&'static str> {
    let mut parameters = operation["parameters"].as_array().into_iter().flatten();
    if !parameters.any(|parameter| parameter["name"] == NAME) {
        return Vec::new();
    }
    for status in ["200", "201"] {
        if let Some(answer) = operation["responses"].get_mut(status) {
            answer["headers"]["idempotent-replayed"] = json!({"description": "`true` where the answer was given before, to the first request of this name.", "schema": {"type": "string"}});
        }
    }
    // A user who was made and is gone again takes the answer along.
    let gone = (path == "/api/users").then_some("404");
    ["400", "408", "409", "413", "422"].into_iter().chain(gone).collect()
}

/// Adds the headers that come with the problem of a status.
pub(super) fn add_to_problem(status: &str, response: &mut Value) {
    let said = match status {
        "401" => Some(("www-authenticate", "ApiKey header=\"X-API-KEY\"")),
        "405" => Some(("allow", "GET,HEAD,POST")),
        _ => None,
    };
    if let Some((header, example)) = said {
        response["headers"][header] = json!({"schema": {"type": "string"}, "example": example});
    }
    if matches!(status, "409" | "429" | "503") {
        response["headers"]["retry-after"] =
            json!({"description": "After how many seconds to try again.", "schema": {"type": "integer"}});
    }
    if status != "429" {
        return;
    }
    for (header, description, example) in [
        (
            "ratelimit-policy",
            "The limit on the key: how many requests (`q`) in how many seconds (`w`). In every answer to a key that has a limit.",
            "\"key\";q=600;w=60",
        ),
        (
            "ratelimit",
            "How many requests there may still be (`r`) until it begins anew in so many seconds (`t`). Likewise.",
            "\"key\";r=0;t=42",
        ),
    ] {
        response["headers"][header] =
            json!({"description": description, "schema": {"type": "string"}, "example": example});
    }
}

/// Whether an answer of this operation shows one user.
fn shows_a_user(operation: &Value) -> bool {
    ["200", "201"].iter().any(|status| {
        let schema = &operation["responses"][status]["content"]["application/json"]["schema"]["$ref"];
        let name = schema.as_str().and_then(|schema| schema.strip_prefix("#/components/schemas/"));
        name.is_some_and(|name| OF_A_USER.contains(&name))
    })
}

/// Whether what changes something at this path changes a user. A membership is no part of one.
fn changes_a_user(path: &str) -> bool {
    let of_a_user = ["/api/users/{user_id}", "/v1/users/{user_id}"];
    of_a_user.iter().any(|start| path.starts_with(start)) && !path.contains("/groups/")
}

/// The header `ETag`.
fn tag() -> Value {
    json!({"description": "The tag of the user: its version in quotes.", "schema": {"type": "string"}, "example": "\"7\""})
}

/// Adds a header that a request may have.
fn add(operation: &mut Value, name: &str, description: &str) {
    let header = json!({
        "name": name,
        "in": "header",
        "description": description,
        "required": false,
        "schema": {"type": "string"},
        "example": "\"7\"",
    });
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(header),
        None => operation["parameters"] = json!([header]),
    }
}
