//! What holds of every request: it is answered, and never by a fault of the server.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::harness::{Answer, Api};

/// A directory with a user in a group, and what can be asked of it.
pub(crate) struct Directory {
    runtime: Runtime,
    api: Api,
    /// The operations that take a body.
    pub(crate) bodies: Vec<Operation>,
    /// The lists, with the ids of what is there.
    lists: Vec<String>,
}

/// An operation that takes a body.
#[derive(Debug)]
pub(crate) struct Operation {
    method: Method,
    /// With the ids of what is there.
    path: String,
    /// The names of the body's fields.
    pub(crate) fields: Vec<String>,
}

impl Directory {
    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime can be started");
        let (api, bodies, lists) = runtime.block_on(operations());
        Self { runtime, api, bodies, lists }
    }

    /// Sends these bytes as the body of one of the operations that take one.
    pub(crate) fn a_body_is_answered(&self, choice: u8, body: &[u8]) {
        let operation = &self.bodies[usize::from(choice) % self.bodies.len()];
        self.send(&operation.method, &operation.path, body);
    }

    /// Asks for one of the lists by these query parameters.
    pub(crate) fn a_query_is_answered(&self, choice: u8, query: &str) {
        let path = &self.lists[usize::from(choice) % self.lists.len()];
        let Some(answer) = self.send(&Method::GET, &format!("{path}?{query}"), &[]) else { return };
        assert!(matches!(answer.status, StatusCode::OK | StatusCode::BAD_REQUEST), "{query:?} {answer:?}");
        let Ok(pagination) = serde_json::from_str::<Value>(answer.header("x-pagination")) else { return };
        let rows = answer.json().as_array().expect("a list is an array").len() as u64;
        let number = |name: &str| pagination[name].as_u64().expect("a number");
        let (page, size, total) = (number("current_page"), number("page_size"), number("total_count"));
        assert!(page >= 1 && (1..=1000).contains(&size) && rows <= size && rows <= total, "{query:?}");
        assert_eq!(pagination["has_next"], json!((page - 1) * size + rows < total && rows > 0), "{query:?}");
    }

    /// The answer, which is no fault of the server's; nothing where the target is none of HTTP's.
    fn send(&self, method: &Method, target: &str, body: &[u8]) -> Option<Answer> {
        let request = Request::builder().method(method).uri(target).header("x-api-key", &self.api.admin);
        let request = request.body(Body::from(body.to_vec())).ok()?;
        let answer = self.runtime.block_on(self.api.send(request));
        assert!(!answer.status.is_server_error(), "{target}: {answer:?}");
        if !answer.status.is_success() {
            answer.problem(answer.status);
        }
        Some(answer)
    }
}

/// The operations of the OpenAPI document that take a body, and those that take query parameters.
async fn operations() -> (Api, Vec<Operation>, Vec<String>) {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let group = api.post("/api/groups", json!({"name": "group"})).await.json_of(StatusCode::CREATED);
    let [user_id, group_id] = [&user["user_id"], &group["group_id"]].map(|id| id.as_str().expect("an id"));
    api.post(&format!("/api/users/{user_id}/groups/{group_id}"), Value::Null).await.json();
    let document = api.get("/openapi.json").await.json();
    let (mut bodies, mut lists) = (Vec::new(), Vec::new());
    for (path, item) in document["paths"].as_object().expect("paths") {
        let path = path
            .replace("{user_id}", user_id)
            .replace("{identifier_id}", user["emails"][0]["id"].as_str().expect("an id"))
            .replace("{group_id}", group_id);
        for (method, operation) in item.as_object().expect("operations") {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let mut choices = schema["oneOf"].as_array().into_iter().flatten().chain([schema]);
            if let Some(reference) = choices.find_map(|choice| choice["$ref"].as_str()) {
                let schema = document.pointer(reference.trim_start_matches('#')).expect("it leads somewhere");
                let fields = schema["properties"].as_object().expect("fields").keys().cloned().collect();
                let method = method.to_uppercase().parse().expect("a method");
                bodies.push(Operation { method, path: path.clone(), fields });
            }
            let mut parameters = operation["parameters"].as_array().into_iter().flatten();
            if method == "get" && parameters.any(|parameter| parameter["in"] == "query") {
                lists.push(path.clone());
            }
        }
    }
    assert!(bodies.len() >= 14 && lists.len() >= 6, "{bodies:?} {lists:?}");
    (api, bodies, lists)
}
