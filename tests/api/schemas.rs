//! The examples of the OpenAPI document, and real answers, against the document's own schemas.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::harness::Api;

/// What is wrong with `value` by `schema`, as far as our schemas say anything.
fn faults(document: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#'));
        return schema.map_or_else(
            || vec![format!("{path}: {reference} leads nowhere")],
            |schema| faults(document, schema, value, path),
        );
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fitting =
            choices.iter().filter(|choice| faults(document, choice, value, path).is_empty()).count();
        return if fitting == 1 { Vec::new() } else { vec![format!("{path}: {fitting} of the choices fit")] };
    }
    let mut found = Vec::new();
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    if !allowed.contains(&kind) {
        found.push(format!("{path}: {kind}, not {allowed:?}"));
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        found.push(format!("{path}: {value} is none of the choices"));
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(document, &schema["items"], item, &format!("{path}[{number}]")));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.is_object() && value.get(name).is_none() {
            found.push(format!("{path}.{name} is missing"));
        }
    }
    for (name, item) in value.as_object().into_iter().flatten() {
        let of_name = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
        found.extend(faults(document, of_name, item, &format!("{path}.{name}")));
    }
    found
}

#[tokio::test]
async fn every_example_is_what_its_schema_says() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.json();
    let mut examples = 0;
    let mut check = |place: &str, content: &Value| {
        let several =
            content["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
        for example in several.chain(content.get("example")) {
            let faults = faults(&document, &content["schema"], example, place);
            assert!(faults.is_empty(), "{faults:#?}");
            examples += 1;
        }
    };
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                for content in
                    response["content"].as_object().into_iter().flatten().map(|(_, content)| content)
                {
                    check(&format!("{method} {path} {status}"), content);
                }
            }
        }
    }
    for (status, response) in document["components"]["responses"].as_object().unwrap() {
        for (_, content) in response["content"].as_object().unwrap() {
            check(status, content);
        }
    }
    assert!(examples > 20, "{examples}");
}

#[tokio::test]
async fn real_answers_are_what_the_schemas_say() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.json();
    let fits = |name: &str, value: &Value| {
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        let faults = faults(&document, &schema, value, name);
        assert!(faults.is_empty(), "{faults:#?}");
    };
    let user = api
        .user(json!({"email": "user@example.com", "email_verified": true, "phone_number": "+441514960453", "username": "username"}))
        .await;
    fits("User", &user);
    fits("User", &api.user(json!({"skip_conformance_checks": true})).await);
    for row in api.get("/api/users").await.json().as_array().unwrap() {
        fits("UserSummary", row);
    }
    fits("Events", &api.get("/v1/events").await.json());
    for log in api.get("/api/logs").await.json().as_array().unwrap() {
        fits("Log", log);
    }
    let taken = api.post("/api/users", json!({"email": "user@example.com", "email_verified": true})).await;
    fits("Problem", &taken.problem(StatusCode::UNPROCESSABLE_ENTITY));
    let wrong = api.post("/api/users", json!({"email": "x"})).await;
    fits("Problem", &wrong.problem(StatusCode::UNPROCESSABLE_ENTITY));
    fits("Problem", &api.get("/api/users/x").await.problem(StatusCode::NOT_FOUND));
}

#[test]
fn a_value_that_does_not_fit_is_told() {
    let document = json!({});
    let schema = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "array", "items": {"type": "integer"}}}});
    for (value, count) in [
        (json!({"a": null, "b": [1]}), 0),
        (json!({"a": 5}), 1),
        (json!({}), 1),
        (json!([]), 1),
        (json!({"a": "x", "b": [1, "x", true]}), 2),
    ] {
        assert_eq!(faults(&document, &schema, &value, "").len(), count, "{value}");
    }
}
