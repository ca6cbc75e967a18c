//! The OpenAPI document: what the handlers say of themselves, completed by what all of them share.
//! Its examples are made by the code that makes the answers.

mod examples;
mod headers;
mod keys;
mod person;

use std::sync::LazyLock;

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::SecurityRequirement;

use super::problem::Problem;
use crate::directory::api_key::Scope;
use examples::Examples;
pub(super) use headers::{nameable, take_names};

const KEY_SCHEME: &str = "ApiKey";

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let mut json = serde_json::to_vec_pretty(&complete(super::operations().split_for_parts().1))
        .expect("a document is JSON");
    json.push(b'\n');
    json.into()
});

/// The document, as `bonafide openapi` prints and `docs/openapi.json` keeps it.
pub fn document() -> Bytes {
    DOCUMENT.clone()
}

/// This document
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "server", responses((status = OK, description = "The OpenAPI document", body = Object, content_type = "application/json")))]
pub(super) async fn serve() -> impl IntoResponse {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], document())
}

/// Notes which scope the operations of a path need.
pub(super) fn require_scope(item: &mut PathItem, scope: Scope) {
    let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
    for operation in operations.into_iter().flatten() {
        operation.security = Some(vec![SecurityRequirement::new(KEY_SCHEME, [scope.as_str()])]);
    }
}

fn complete(generated: utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(generated).expect("a document is JSON");
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Bonafide",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "A user directory in which verified means something. `/api` is compatible with the published clients of the Management API; times are whole seconds since the Unix epoch.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["tags"] = json!([
        {"name": "users", "description": "Users and their addresses."},
        {"name": "groups", "description": "Groups of users."},
        {"name": "emails", "description": "Many emails at once: the project's own surface."},
        {"name": "bulk", "description": "Many users at once: the project's own surface."},
        {"name": "proofs", "description": "Proving addresses: the project's own surface."},
        {"name": "logs", "description": "What happened, in the words of the Management API."},
        {"name": "events", "description": "What happened: the project's own surface."},
        {"name": "keys", "description": "API keys: the project's own surface."},
        {"name": "server", "description": "The server itself; no key needed."},
    ]);
    let examples = Examples::make();
    let components = &mut document["components"];
    components["securitySchemes"] = json!({
        KEY_SCHEME: {"type": "apiKey", "in": "header", "name": "X-API-KEY", "description": "An API key; `API-Key` is a second name of the header. The scopes named are the smallest that will do, and all of them are needed: `users:write` includes `emails:verify`, and `admin` includes all."},
    });
    components["schemas"]["Problem"] = serde_json::to_value(Problem::schema()).expect("a schema is JSON");
    components["schemas"]["Problem"]["properties"]["errors"] = json!({
        "description": "With 422 only: messages by field for `#validation-error`, a list for `#identity-validation-error`.",
        "oneOf": [
            {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
            {"type": "array", "items": {
                "type": "object",
                "required": ["code", "description"],
                "properties": {"code": {"type": "string"}, "description": {"type": "string"}},
            }},
        ],
    });
    complete_schemas(&mut components["schemas"]);
    components["responses"] = examples.problem_responses();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete_operation(method, path, operation, &examples);
        }
    }
    document
}

/// Says what the types cannot: what lists leave out, and which providers are not this server.
fn complete_schemas(schemas: &mut Value) {
    for schema in schemas.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for property in properties.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
            // Of a field that is not given nothing is known: that is no default, and may not be null.
            property.retain(|keyword, value| keyword != "default" || !value.is_null());
        }
    }
    let mut others = schemas["Provider"].clone();
    others["description"] = json!("An identity provider.");
    if let Some(names) = others["enum"].as_array_mut() {
        names.retain(|name| name != "monocloud");
    }
    schemas["ExternalAuthenticators"] = others;
    schemas["UserExternalProvider"]["properties"]["authenticator"]["$ref"] =
        json!("#/components/schemas/ExternalAuthenticators");
    schemas["UserExternalProviderSummary"] = without(&schemas["UserExternalProvider"], &["claims"]);
    let mut summary = without(&schemas["User"], &["private_data", "public_data"]);
    summary["description"] = json!("A user as a row of a list: without data and provider claims.");
    summary["properties"]["external_providers"]["items"] =
        json!({"$ref": "#/components/schemas/UserExternalProviderSummary"});
    schemas["UserSummary"] = summary;
}

/// An object without some of its fields.
fn without(object: &Value, left_out: &[&str]) -> Value {
    let mut object = object.clone();
    if let Some(properties) = object["properties"].as_object_mut() {
        properties.retain(|name, _| !left_out.contains(&name.as_str()));
    }
    if let Some(required) = object["required"].as_array_mut() {
        required.retain(|name| name.as_str().is_none_or(|name| !left_out.contains(&name)));
    }
    object
}

/// Adds the problems, headers and examples that follow from what an operation is.
fn complete_operation(method: &str, path: &str, operation: &mut Value, examples: &Examples) {
    let guarded = operation.get("security").is_some();
    // A body of many lines is taken whatever is in it: each line is refused for itself.
    let takes_body = operation.pointer("/requestBody/content/application~1json").is_some();
    let lists = operation["parameters"]
        .as_array()
        .is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query"));
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let mut problems = vec!["405", "500", "503"];
    problems.extend(headers::add_tags(method, path, operation));
    problems.extend(headers::add_replays(path, operation));
    if guarded {
        problems.extend(["401", "403", "429"]);
    }
    if path.contains('{') {
        problems.push("404");
    }
    if lists || takes_body {
        problems.push("400");
    }
    if takes_body {
        problems.extend(["408", "413", "415", "422"]);
    }
    if id == "setPhoneVerified" {
        // The only one without a body that a rule of the directory refuses.
        problems.push("422");
    }
    let all_of = |scopes: &[Scope]| scopes.iter().map(|scope| scope.as_str()).collect::<Value>();
    match id.as_str() {
        "startPhoneProof" => {
            operation["security"][0][KEY_SCHEME] = all_of(&[Scope::UsersWrite, Scope::ProofsRead]);
        }
        "exportUser" => {
            let needed = [Scope::UsersRead, Scope::GroupsRead, Scope::EventsRead];
            operation["security"][0][KEY_SCHEME] = all_of(&needed);
        }
        "exportUsers" => {
            operation["security"][0][KEY_SCHEME] = all_of(&[Scope::UsersRead, Scope::GroupsRead]);
        }
        _ => {}
    }
    let request_id = json!({"description": "The id of the request, as in the server's log.", "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}});
    if let Some(location) = operation.pointer_mut("/responses/201/headers/location") {
        location["example"] = json!(match id.as_str() {
            "createGroup" => &examples.group_path,
            "createKey" => &examples.keys.path,
            _ => &examples.path,
        });
    }
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (_, response) in responses.iter_mut() {
        response["headers"]["x-request-id"] = request_id.clone();
        if let Some(content) =
            response.get_mut("content").and_then(|content| content.get_mut("application/json"))
        {
            if let Some(example) = examples.answer(&id) {
                content["example"] = example;
            }
            if id == "walkUsers" {
                content["schema"] = json!({
                    "type": "object",
                    "required": ["users", "next"],
                    "properties": {
                        "users": {"type": "array", "items": {"$ref": "#/components/schemas/UserSummary"}},
                        "next": {"type": ["string", "null"], "description": "What to give as `after` for those that follow; `null` at the end."},
                    },
                });
            }
            if content["schema"]["items"]["$ref"] == "#/components/schemas/User" {
                content["schema"]["items"] = json!({"$ref": "#/components/schemas/UserSummary"});
            }
            if response["headers"].get("x-pagination").is_some() {
                response["headers"]["x-pagination"]["example"] = json!(
                    "{\"page_size\":10,\"current_page\":1,\"total_count\":1,\"has_previous\":false,\"has_next\":false}"
                );
            }
        }
    }
    problems.sort_unstable();
    for status in problems {
        responses.insert(status.to_owned(), json!({"$ref": format!("#/components/responses/{status}")}));
    }
}
