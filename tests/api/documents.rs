//! The OpenAPI document, the reference page, and the documents of the repository that must agree
//! with them.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::Value;

use super::harness::Api;

async fn without_key(api: &Api, path: &str) -> super::harness::Answer {
    api.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_document_is_served_and_the_kept_one_is_current() {
    let api = Api::new().await;
    let served = without_key(&api, "/openapi.json").await;
    assert_eq!(served.json()["openapi"], "3.1.0");
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap();
    assert!(served.text() == kept, "docs/openapi.json is stale: run `make openapi`");
}

#[tokio::test]
async fn the_reference_page_needs_nothing_from_elsewhere() {
    let api = Api::new().await;
    let page = without_key(&api, "/docs/").await;
    assert_eq!(page.status, StatusCode::OK);
    for path in ["index.css", "swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert_eq!(without_key(&api, &format!("/docs/{path}")).await.status, StatusCode::OK, "{path}");
    }
    assert!(!page.text().contains("http://") && !page.text().contains("https://"));
    let start = without_key(&api, "/docs/swagger-initializer.js").await;
    assert!(start.text().contains("/openapi.json") && start.text().contains("\"validatorUrl\": \"none\""));
}

#[tokio::test]
async fn the_server_says_that_it_lives_and_that_the_store_answers() {
    let api = Api::new().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(without_key(&api, path).await.json()["status"], "ok");
    }
    api.app.store.close().await;
    without_key(&api, "/healthz").await.json();
}

#[tokio::test]
async fn the_table_of_scopes_in_the_api_design_is_that_of_the_document() {
    let api = Api::new().await;
    let document = without_key(&api, "/openapi.json").await.json();
    let mut documented = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if let Some(scope) = operation["security"][0]["ApiKey"][0].as_str() {
                let call = format!("`{} {path}`", method.to_uppercase());
                documented.insert(
                    format!("`{}`", operation["operationId"].as_str().unwrap()),
                    (call, format!("`{scope}`")),
                );
            }
        }
    }
    let design = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API-DESIGN.md")).unwrap();
    let table: BTreeMap<_, _> = design
        .lines()
        .skip_while(|line| !line.starts_with("| Operation"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            (cells[0].to_owned(), (cells[1].to_owned(), cells[2].to_owned()))
        })
        .collect();
    assert_eq!(table, documented);
}

#[tokio::test]
async fn the_table_of_operations_in_the_readme_is_that_of_the_document() {
    let api = Api::new().await;
    let document = without_key(&api, "/openapi.json").await.json();
    let mut documented = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let [id, summary] = ["operationId", "summary"].map(|name| operation[name].as_str().unwrap());
            if operation["security"].is_array() {
                documented.push(format!("| `{id}` | `{} {path}` | {summary} |", method.to_uppercase()));
            }
        }
    }
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let lines = readme.lines().skip_while(|line| !line.starts_with("| Operation")).skip(2);
    let mut table: Vec<_> = lines.take_while(|line| line.starts_with('|')).map(str::to_owned).collect();
    documented.sort_unstable();
    table.sort_unstable();
    assert_eq!(table, documented);
}

#[test]
fn the_table_of_logs_in_the_api_design_is_that_of_the_code() {
    use bonafide::directory::log::WORDINGS;
    let design = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API-DESIGN.md")).unwrap();
    let lines = design.lines().skip_while(|line| !line.starts_with("| Event | `code`")).skip(2);
    let table: Vec<_> = lines.take_while(|line| line.starts_with('|')).map(str::to_owned).collect();
    let told = WORDINGS.iter().map(|wording| {
        let targets: Vec<_> = wording.targets.iter().map(|target| format!("`{target}`")).collect();
        let (event, code, category, actor) = (wording.event, wording.code, wording.category, wording.actor);
        format!("| `{event}` | `{code}` | `{category}` | `{actor}` | {} |", targets.join(", "))
    });
    assert_eq!(table, told.collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_phone_number_needs_and_what_refuses_it_is_in_the_document() {
    let api = Api::new().await;
    let document = without_key(&api, "/openapi.json").await.json();
    let start = &document["paths"]["/v1/users/{user_id}/phones/{identifier_id}/verify/start"]["post"];
    assert_eq!(start["security"], serde_json::json!([{"ApiKey": ["users:write", "proofs:read"]}]));
    let verify = &document["paths"]["/api/users/{user_id}/phones/{identifier_id}/verify"]["post"];
    assert!(verify["responses"]["422"].is_object());
}

#[tokio::test]
async fn every_operation_documents_its_answers_problems_and_examples() {
    let api = Api::new().await;
    let document = without_key(&api, "/openapi.json").await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{name}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
            for (status, response) in responses {
                let response = resolve(&document, response);
                assert!(response["description"].is_string(), "{name} {status}");
                assert!(response["headers"]["x-request-id"].is_object(), "{name} {status}");
                if status == "304" {
                    assert!(response["content"].is_null(), "{name}");
                } else if !status.starts_with('2') {
                    let examples = &response["content"]["application/problem+json"]["examples"];
                    assert!(examples["example1"]["value"]["traceId"].is_string(), "{name} {status}");
                } else if path.starts_with("/api") && status != "204" {
                    assert!(!response["content"]["application/json"]["example"].is_null(), "{name} {status}");
                }
            }
        }
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            document.pointer(reference.trim_start_matches('#')).expect("the reference leads somewhere")
        }
        None => value,
    }
}
