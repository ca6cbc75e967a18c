//! Every operation of the OpenAPI document, called in all the ways that must be refused. A new
//! operation is swept without a line here.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::harness::{Answer, Api};

struct Operation {
    method: Method,
    path: String,
    takes_body: bool,
    guarded: bool,
}

async fn operations(api: &Api) -> Vec<Operation> {
    let document = api.get("/openapi.json").await.json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                // A body of many lines is never broken as a whole: each line is refused for itself.
                takes_body: operation.pointer("/requestBody/content/application~1json").is_some(),
                guarded: operation.get("security").is_some(),
            });
        }
    }
    assert!(operations.iter().filter(|operation| operation.guarded).count() >= 9);
    operations
}

impl Operation {
    async fn call(&self, api: &Api, key: Option<&str>, body: &'static str) -> Answer {
        let path = self
            .path
            .replace("{user_id}", "UOtBaOybB6dTpIJNrnkRw")
            .replace("{identifier_id}", "6cec8047-6149-4d9b-8d99-91c83c22a9dc")
            .replace("{group_id}", "8c8ee7ee-6c6f-4f3c-9b1c-0a3f5a3f2d11")
            .replace("{log_id}", "0000000000000001")
            .replace("{key_id}", "AAAAAAAAAAAA");
        let mut request =
            Request::builder().method(&self.method).uri(path).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        api.send(request.body(Body::from(body)).unwrap()).await
    }
}

#[tokio::test]
async fn only_the_servers_own_operations_need_no_key() {
    let api = Api::new().await;
    for operation in operations(&api).await {
        let answer = operation.call(&api, None, "").await;
        if operation.guarded {
            answer.problem(StatusCode::UNAUTHORIZED);
        } else {
            assert!(
                !operation.path.starts_with("/api") && !operation.path.starts_with("/v1"),
                "{}",
                operation.path
            );
            answer.json();
        }
    }
}

#[tokio::test]
async fn a_key_without_scopes_is_forbidden_everything() {
    let api = Api::new().await;
    let powerless = api.key(&[]).await;
    for operation in operations(&api).await.into_iter().filter(|operation| operation.guarded) {
        // A body that is broken, too large or wrong is not looked at before the key.
        for body in ["", "{"] {
            operation.call(&api, Some(&powerless), body).await.problem(StatusCode::FORBIDDEN);
        }
    }
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    let api = Api::new().await;
    for operation in operations(&api).await.into_iter().filter(|operation| operation.path.contains('{')) {
        let body = if operation.takes_body { "{}" } else { "" };
        operation.call(&api, Some(&api.admin), body).await.problem(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_broken_body_is_a_bad_request() {
    let api = Api::new().await;
    for operation in operations(&api).await.into_iter().filter(|operation| operation.takes_body) {
        for body in ["{", "[]", "5", "{\"a\":}", "\u{0}", "{}}"] {
            operation.call(&api, Some(&api.admin), body).await.problem(StatusCode::BAD_REQUEST);
        }
    }
}

#[tokio::test]
async fn a_path_refuses_the_methods_that_the_document_does_not_name() {
    let api = Api::new().await;
    let operations = operations(&api).await;
    for operation in &operations {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let known = operations.iter().any(|other| other.path == operation.path && other.method == method);
            if !known {
                let unknown =
                    Operation { method, path: operation.path.clone(), takes_body: false, guarded: false };
                unknown.call(&api, None, "").await.problem(StatusCode::METHOD_NOT_ALLOWED);
            }
        }
    }
}

/// The example of each answer in the document has just the fields of a real one.
#[tokio::test]
async fn the_examples_have_the_fields_of_real_answers() {
    let api = Api::new().await;
    let user = api
        .user(json!({"email": "user@example.com", "username": "username", "phone_number": "+441514960453"}))
        .await;
    let document = api.get("/openapi.json").await.json();
    let example = |path: &str, method: &str, status: &str| {
        document["paths"][path][method]["responses"][status]["content"]["application/json"]["example"].clone()
    };
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&example("/api/users", "post", "201")), keys(&user));
    let row = api.get("/api/users").await.json()[0].clone();
    assert_eq!(keys(&example("/api/users", "get", "200")[0]), keys(&row));
    let group = api.post("/api/groups", json!({"name": "group"})).await.json_of(StatusCode::CREATED);
    assert_eq!(keys(&example("/api/groups", "post", "201")), keys(&group));
    let [user, group] = [&user["user_id"], &group["group_id"]].map(|id| id.as_str().unwrap());
    let membership = api.post(&format!("/api/users/{user}/groups/{group}"), Value::Null).await.json();
    let path = "/api/users/{user_id}/groups/{group_id}";
    assert_eq!(keys(&example(path, "post", "200")), keys(&membership));
    let log = api.get("/api/logs").await.json()[0].clone();
    assert_eq!(keys(&example("/api/logs", "get", "200")[0]), keys(&log));
    assert_eq!(keys(&example("/api/logs/{log_id}", "get", "200")), keys(&log));
}
