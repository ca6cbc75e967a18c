//! The headers of requests and answers that follow from what an operation is about.

use serde_json::{Value, json};

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
