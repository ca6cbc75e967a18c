//! The OpenAPI document against the facts of the published clients of the Management API.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::harness::Api;

/// What the published clients know: the operations on users, groups and logs, the fields of each model
/// with their types, and the values of each enum. A field with a `?` may be left out.
pub(crate) fn facts() -> Value {
    serde_json::from_str(include_str!("facts.json")).unwrap()
}

/// The operations that come with sign-in.
const LATER: [&str; 17] = [
    "externalAuthenticatorDisconnect",
    "findUserSession",
    "getAllAuthorizationCodes",
    "getAllBlockedIps",
    "getAllReferenceTokens",
    "getAllRefreshTokens",
    "getAllUserClientGrants",
    "getAllUserConsents",
    "getAllUserSessions",
    "removePasskey",
    "revokeAuthorizationCode",
    "revokeReferenceToken",
    "revokeRefreshToken",
    "revokeUserClientGrants",
    "revokeUserConsent",
    "revokeUserSession",
    "unblockIp",
];

/// Query parameters that no client knows, each with its operation. None is needed, and without it the
/// operation does what clients know.
const OURS: [(&str, &str); 1] = [("deleteUser", "erase")];

/// The operations of the facts, those that come later or the others.
fn operations(facts: &Value, later: bool) -> impl Iterator<Item = &Value> {
    let all = facts["operations"].as_array().unwrap().iter();
    all.filter(move |operation| LATER.contains(&operation["operation"].as_str().unwrap()) == later)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn what_needs_sign_in_is_not_there_and_not_in_the_document() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.json();
    let user = api.user(json!({"email": "user@example.com"})).await;
    let facts = facts();
    let later: Vec<_> = operations(&facts, true).collect();
    assert_eq!(later.len(), LATER.len());
    for operation in later {
        let (method, path) = (text(&operation["method"]), text(&operation["path"]));
        assert_eq!(document["paths"].get(path), None, "{path}");
        let parts = path.replace("{user_id}", text(&user["user_id"]));
        let parts = parts.split('/').map(|part| if part.starts_with('{') { "some" } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let problem = api.call(method, &path, json!({})).await.problem(StatusCode::NOT_FOUND);
        assert!(text(&problem["detail"]).starts_with("Nothing answers at this path."), "{path}: {problem}");
    }
}

#[tokio::test]
async fn the_document_says_of_each_operation_what_the_clients_know() {
    let document = Api::new().await.get("/openapi.json").await.json();
    let clients = Clients { facts: facts(), document };
    let mut compared = BTreeSet::new();
    for operation in operations(&clients.facts, false) {
        let faults = clients.faults(operation);
        assert!(faults.is_empty(), "{}: {faults:#?}", operation["operation"]);
        compared.insert((text(&operation["path"]), text(&operation["method"]).to_lowercase()));
    }
    for (path, item) in clients.document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|_| path.starts_with("/api/")) {
            assert!(compared.contains(&(path.as_str(), method.clone())), "no client knows {method} {path}");
        }
    }
}

#[tokio::test]
async fn a_document_that_says_something_else_is_told() {
    let document = Api::new().await.get("/openapi.json").await.json();
    let user = "/components/schemas/User/properties";
    let add = "/components/schemas/AddEmailRequest";
    for (operation, pointer, wrong) in [
        ("addEmail", "/paths/~1api~1users~1{user_id}~1emails/post/operationId".to_owned(), json!("add")),
        ("getAllUsers", "/paths/~1api~1users/get/parameters/0/name".to_owned(), json!("number")),
        ("getAllUsers", "/paths/~1api~1users/get/responses/200/headers".to_owned(), json!({})),
        ("deleteUser", "/paths/~1api~1users~1{user_id}/delete/responses".to_owned(), json!({"200": {}})),
        ("addEmail", format!("{add}/required"), json!([])),
        ("addEmail", format!("{add}/properties/email/type"), json!("integer")),
        ("addEmail", format!("{add}/properties/is_verified"), json!({"type": "string"})),
        ("findUserById", format!("{user}/disabled/type"), json!(["boolean", "null"])),
        ("findUserById", format!("{user}/creation_time/type"), json!("number")),
        ("findUserById", format!("{user}/emails/type"), json!("object")),
        ("findUserById", "/components/schemas/User/required".to_owned(), json!(["user_id"])),
        ("findUserById", user.to_owned(), json!({})),
        ("findUserById", "/components/schemas/Provider/enum/0".to_owned(), json!("acme")),
        ("findLogById", "/components/schemas/EventCodes/enum/0".to_owned(), json!("email_lost")),
    ] {
        let mut clients = Clients { facts: facts(), document: document.clone() };
        let operation = operations(&clients.facts, false).find(|known| known["operation"] == operation);
        let operation = operation.unwrap().clone();
        assert_eq!(clients.faults(&operation), Vec::<String>::new());
        *clients.document.pointer_mut(&pointer).unwrap() = wrong;
        assert_ne!(clients.faults(&operation), Vec::<String>::new(), "{pointer}");
    }
}

/// Which way a value goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From a client: the server takes what clients know, and may take more.
    In,
    /// To a client: the server gives nothing but what clients know.
    Out,
}

/// What clients know, and the document that is measured by it.
struct Clients {
    facts: Value,
    document: Value,
}

impl Clients {
    /// What the document says of an operation that is not as clients know it.
    fn faults(&self, operation: &Value) -> Vec<String> {
        let method = text(&operation["method"]).to_lowercase();
        let documented = &self.document["paths"][text(&operation["path"])][method];
        let mut found = Vec::new();
        if documented["operationId"] != operation["operation"] {
            found.push(format!("it is called {}", documented["operationId"]));
        }
        let parameters = documented["parameters"].as_array().into_iter().flatten();
        let query = parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| text(&parameter["name"]));
        let known = operation["query"].as_array().into_iter().flatten().map(text);
        let ours = OURS.iter().filter(|(named, _)| operation["operation"] == *named);
        let known = known.chain(ours.map(|(_, parameter)| *parameter));
        if query.collect::<BTreeSet<_>>() != known.collect() {
            found.push("it has other query parameters".to_owned());
        }
        if let Some(body) = operation["body"].as_str() {
            let schema = &documented["requestBody"]["content"]["application/json"]["schema"];
            found.extend(self.compare(Way::In, body, schema, "body"));
        }
        let answers = documented["responses"].as_object().into_iter().flatten();
        let answers: Vec<_> = answers.filter(|(status, _)| status.starts_with('2')).collect();
        match (operation["result"].as_str(), answers.as_slice()) {
            (None, [(status, _)]) if *status == "204" => {}
            (Some(result), [(_, answer)]) => {
                let schema = &answer["content"]["application/json"]["schema"];
                found.extend(self.compare(Way::Out, result, schema, "answer"));
                if (operation["paged"] == true) != answer["headers"].get("x-pagination").is_some() {
                    found.push("it has pages, or none".to_owned());
                }
            }
            _ => found.push("it has other answers".to_owned()),
        }
        found
    }

    /// What a schema says that is not as clients know a type.
    fn compare(&self, way: Way, known: &str, schema: &Value, path: &str) -> Vec<String> {
        let (schema, may_be_null) = self.resolved(schema);
        let fault = |what: &str| vec![format!("{path}, a {known}: {what}: {schema}")];
        let (kind, null_is_known) = match known.strip_suffix(" | null") {
            Some(kind) => (kind, true),
            None => (known, false),
        };
        match way {
            Way::In if null_is_known && !may_be_null => return fault("it may not be null"),
            Way::Out if may_be_null && !null_is_known => return fault("it may be null"),
            _ => {}
        }
        let is_a = |name: &str| match &schema["type"] {
            Value::Array(several) => several.iter().all(|kind| kind == name || kind == "null"),
            one => one == name,
        };
        if let Some(item) = kind.strip_suffix("[]") {
            return if is_a("array") {
                self.compare(way, item, &schema["items"], &format!("{path}[]"))
            } else {
                fault("it is no array")
            };
        }
        if let Some(values) = self.facts["enums"][kind].as_array() {
            let ours: BTreeSet<_> = schema["enum"].as_array().into_iter().flatten().map(text).collect();
            let known: BTreeSet<_> = values.iter().map(text).collect();
            let fits = match way {
                Way::In => known.is_subset(&ours),
                Way::Out => !ours.is_empty() && ours.is_subset(&known),
            };
            return if fits { Vec::new() } else { fault("it has other values") };
        }
        if let Some(fields) = self.facts["models"][kind].as_object() {
            return fields
                .iter()
                .flat_map(|(name, known)| self.field(way, name, text(known), schema, path))
                .collect();
        }
        let expected = match kind {
            "string" | "boolean" | "object" => kind,
            "number" => "integer",
            "Record<string, any>" => "object",
            other => panic!("{other} is no type of the facts"),
        };
        if is_a(expected) { Vec::new() } else { fault("it is of another type") }
    }

    /// What a schema says of a field that is not as clients know it.
    fn field(&self, way: Way, name: &str, known: &str, object: &Value, path: &str) -> Vec<String> {
        let (name, may_be_left_out) = (name.trim_end_matches('?'), name.ends_with('?'));
        let path = format!("{path}.{name}");
        // There are no applications: it is null wherever it is.
        if known == "LogClient | null" {
            return Vec::new();
        }
        let Some(schema) = object["properties"].get(name) else {
            return vec![format!("{path} is not there")];
        };
        let mut found = self.compare(way, known, schema, &path);
        let is_required =
            object["required"].as_array().into_iter().flatten().any(|required| required == name);
        let fits = match way {
            Way::In => is_required != may_be_left_out,
            Way::Out => is_required || may_be_left_out,
        };
        if !fits {
            found.push(format!("{path} may be left out, or not"));
        }
        found
    }

    /// A schema without references and choices, and whether it also takes null.
    fn resolved<'a>(&'a self, schema: &'a Value) -> (&'a Value, bool) {
        if let Some(place) = schema["$ref"].as_str() {
            return self.resolved(self.document.pointer(place.trim_start_matches('#')).unwrap());
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let (nulls, others): (Vec<_>, Vec<_>) =
                choices.iter().partition(|choice| choice["type"] == "null");
            let [other] = others.as_slice() else { panic!("{schema} has several choices") };
            let (schema, may_be_null) = self.resolved(other);
            return (schema, may_be_null || !nulls.is_empty());
        }
        let may_be_null = schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null")));
        (schema, may_be_null)
    }
}
