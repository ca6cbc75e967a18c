//! The examples of the OpenAPI document, and real answers, against the document's own schemas.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::harness::Api;

/// What is wrong with `value` by `schema`, of which every keyword must be known here.
fn faults(document: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let Some(keywords) = schema.as_object() else { panic!("{path}: {schema} is no schema") };
    let fits = |schema: &Value, value: &Value, path: &str| faults(document, schema, value, path);
    let is_a = |kind: &Value| kind == kind_of(value) || (kind == "number" && kind_of(value) == "integer");
    let length = value.as_str().map(|text| text.chars().count() as u64);
    let mut found = Vec::new();
    for (keyword, says) in keywords {
        let told =
            |holds: bool| if holds { Vec::new() } else { vec![format!("{path}: {value}, {keyword} {says}")] };
        found.extend(match keyword.as_str() {
            "description" | "example" | "default" | "format" => Vec::new(),
            "$ref" => match document.pointer(says.as_str().unwrap().trim_start_matches('#')) {
                Some(schema) => fits(schema, value, path),
                None => vec![format!("{path}: {says} leads nowhere")],
            },
            "allOf" => says.as_array().unwrap().iter().flat_map(|part| fits(part, value, path)).collect(),
            "oneOf" => {
                let fitting =
                    says.as_array().unwrap().iter().filter(|choice| fits(choice, value, path).is_empty());
                told(fitting.count() == 1)
            }
            "type" => told(says.as_array().map_or_else(|| is_a(says), |kinds| kinds.iter().any(is_a))),
            "enum" => told(says.as_array().unwrap().contains(value)),
            "minimum" => told(value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap())),
            "maximum" => told(value.as_f64().is_none_or(|number| number <= says.as_f64().unwrap())),
            "minLength" => told(length.is_none_or(|length| length >= says.as_u64().unwrap())),
            "maxLength" => told(length.is_none_or(|length| length <= says.as_u64().unwrap())),
            "pattern" => told(value.as_str().is_none_or(|text| is_id(text, says))),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items.flat_map(|(number, item)| fits(says, item, &format!("{path}[{number}]"))).collect()
            }
            "required" => {
                let is_missing =
                    |name: &&Value| value.is_object() && value.get(name.as_str().unwrap()).is_none();
                let missing = says.as_array().unwrap().iter().filter(is_missing);
                missing.map(|name| format!("{path}.{name} is missing")).collect()
            }
            "properties" => {
                let known =
                    value.as_object().into_iter().flatten().filter_map(|(name, item)| {
                        Some(fits(says.get(name)?, item, &format!("{path}.{name}")))
                    });
                known.flatten().collect()
            }
            "additionalProperties" => {
                let others = value.as_object().into_iter().flatten();
                let others = others.filter(|(name, _)| schema["properties"].get(name).is_none());
                others.flat_map(|(name, item)| fits(says, item, &format!("{path}.{name}"))).collect()
            }
            "propertyNames" => {
                let names = value.as_object().into_iter().flatten().map(|(name, _)| json!(name));
                names.flat_map(|name| fits(says, &name, path)).collect()
            }
            other => panic!("{path}: what {other} asks for is not looked at here"),
        });
    }
    found
}

/// The type of a value, as schemas name it.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether a text is of the form of the one pattern that schemas have.
fn is_id(text: &str, pattern: &Value) -> bool {
    assert_eq!(pattern, "^[A-Za-z0-9_-]{21}$");
    text.len() == 21 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
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
    // Each of them, and what stands beside them, must fit.
    let both = json!({"allOf": [{"type": "string"}, {"enum": ["a", 5]}], "maxLength": 3});
    for (value, count) in [(json!("a"), 0), (json!("b"), 1), (json!(5), 1), (json!("long"), 2), (json!(6), 2)]
    {
        assert_eq!(faults(&document, &both, &value, "").len(), count, "{value}");
    }
    let never = json!({"allOf": [{"type": "string"}, {"type": "object"}]});
    for value in [json!("a"), json!({})] {
        assert_eq!(faults(&document, &never, &value, "").len(), 1, "{value}");
    }
}

#[test]
#[should_panic(expected = "multipleOf")]
fn a_keyword_that_is_not_looked_at_is_told() {
    faults(&json!({}), &json!({"multipleOf": 5}), &json!(5), "");
}

/// Which defaults below are not what their own schemas say.
fn wrong_defaults(document: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(object) = value.as_object() {
        if let Some(default) = object.get("default").filter(|_| object.contains_key("type")) {
            found.extend(faults(document, value, default, path));
        }
        found.extend(
            object.iter().flat_map(|(name, item)| wrong_defaults(document, item, &format!("{path}/{name}"))),
        );
    }
    found
        .extend(value.as_array().into_iter().flatten().flat_map(|item| wrong_defaults(document, item, path)));
    found
}

#[tokio::test]
async fn every_default_is_what_its_schema_says() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.json();
    assert_eq!(wrong_defaults(&document, &document, ""), Vec::<String>::new());
    let wrong = json!({"properties": {"name": {"type": "string", "default": null}}});
    assert_eq!(wrong_defaults(&document, &wrong, "").len(), 1);
}
