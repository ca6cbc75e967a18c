//! Bodies that are not what an operation takes. The fields come from the OpenAPI document, so that a
//! new one is tried without a line here.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bonafide::directory::api_key::Scope;
use serde_json::{Value, json};

use super::harness::{Answer, Api};

/// An operation that takes a body, with the ids of what is there in its path.
struct Operation {
    method: Method,
    path: String,
    /// The fields of the body, and the kinds of JSON each may be.
    fields: Vec<(String, Vec<String>)>,
}

/// An API with a user and a group, and the operations on them.
async fn operations() -> (Api, Vec<Operation>) {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com", "phone_number": "+441514960453"})).await;
    let group = api.post("/api/groups", json!({"name": "group"})).await.json_of(StatusCode::CREATED);
    let key = api.key(&[Scope::UsersRead]).await;
    let document = api.get("/openapi.json").await.json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            // A body of many lines is read line by line.
            let Some(body) = operation.pointer("/requestBody/content/application~1json") else { continue };
            let schema = resolved(&document, &body["schema"]);
            let fields = schema["properties"].as_object().unwrap().iter();
            let of_path = if path.contains("/phones/") { "phone_numbers" } else { "emails" };
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path
                    .replace("{user_id}", user["user_id"].as_str().unwrap())
                    .replace("{identifier_id}", user[of_path][0]["id"].as_str().unwrap())
                    .replace("{group_id}", group["group_id"].as_str().unwrap())
                    .replace("{key_id}", &key[3..15]),
                fields: fields.map(|(name, field)| (name.clone(), kinds(&document, field))).collect(),
            });
        }
    }
    assert!(operations.len() >= 14, "{}", operations.len());
    (api, operations)
}

/// The schema that a reference, or a choice of null and a reference, leads to.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolved(document, document.pointer(reference.trim_start_matches('#')).unwrap());
    }
    let mut choices = schema["oneOf"].as_array().into_iter().flatten();
    let chosen = choices.find(|choice| choice["type"] != "null");
    chosen.map_or(schema, |chosen| resolved(document, chosen))
}

/// The kinds of JSON that a field may be.
fn kinds(document: &Value, field: &Value) -> Vec<String> {
    let of_schema = &resolved(document, field)["type"];
    let several =
        of_schema.as_array().into_iter().flatten().chain(of_schema.is_string().then_some(of_schema));
    several.map(|kind| kind.as_str().unwrap().to_owned()).collect()
}

impl Operation {
    async fn send(&self, api: &Api, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method(&self.method)
            .uri(&self.path)
            .header("x-api-key", &api.admin)
            .header("content-type", "application/json");
        api.send(request.body(body.into()).unwrap()).await
    }
}

#[tokio::test]
async fn a_field_of_another_type_is_named_by_every_operation() {
    let (api, operations) = operations().await;
    let events = api.events().await.len();
    let mut tried = 0;
    for operation in &operations {
        for (name, kinds) in &operation.fields {
            for (kind, wrong) in [
                ("string", json!("x")),
                ("integer", json!(5)),
                ("number", json!(1.5)),
                ("boolean", json!(true)),
                ("array", json!([])),
                ("array", json!([null])),
                ("object", json!({})),
            ] {
                let fits = kinds.iter().any(|allowed| allowed == kind);
                if fits {
                    continue;
                }
                let answer = operation.send(&api, json!({name: wrong}).to_string()).await;
                assert_eq!(answer.fields(), [name.as_str()], "{} {wrong}", operation.path);
                assert!(answer.text().contains("This is not of the right type: expected a"), "{answer:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried}");
    assert_eq!(api.events().await.len(), events);
}

#[tokio::test]
async fn fields_that_nobody_knows_are_passed_over() {
    let (api, operations) = operations().await;
    for operation in &operations {
        let with = operation.send(&api, "{\"no_such_field\": [{\"a\": 5}]}").await;
        // Some of them are not answered twice at once.
        api.clock.advance(3_600);
        let without = operation.send(&api, "{}").await;
        assert_eq!(with.status, without.status, "{}", operation.path);
        assert!(!with.text().contains("no_such_field"), "{with:?}");
    }
    let known = json!({"email": "ada@example.com", "no_such_field": true, "user_id": "x", "disabled": true});
    let user = api.user(known).await;
    assert_eq!((&user["emails"][0]["email"], &user["disabled"]), (&json!("ada@example.com"), &json!(false)));
}

/// Issue 3: the bodies of data and claims took the last of the values, and the first was lost.
#[tokio::test]
async fn a_key_that_stands_twice_is_refused_wherever_it_stands() {
    let (api, operations) = operations().await;
    let events = api.events().await.len();
    for operation in &operations {
        for (name, _) in &operation.fields {
            let body = format!("{{\"{name}\": null,\n \"{name}\": null}}");
            let problem = operation.send(&api, body).await.problem(StatusCode::BAD_REQUEST);
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("has a key twice, at line 2,") && !detail.contains(name), "{detail}");
        }
        for body in [
            "{\"private_data\": {\"a\": 1, \"a\": 1}}",
            "{\"public_data\": {\"a\": [{\"b\": 1, \"c\": 2, \"b\": 3}]}}",
            "{\"unknown\": 1, \"unknown\": 2}",
            "{\"a\": 1, \"\\u0061\": 2}",
            "{\"address\": {\"country\": \"UK\", \"country\": \"FR\"}}",
        ] {
            operation.send(&api, body).await.problem(StatusCode::BAD_REQUEST);
        }
    }
    assert_eq!(api.events().await.len(), events);
}

#[tokio::test]
async fn numbers_out_of_range_are_refused_and_never_wrapped() {
    let (api, operations) = operations().await;
    let events = api.events().await.len();
    let ending = |end: &str| operations.iter().find(|operation| operation.path.ends_with(end)).unwrap();
    let reset = ending("/password/reset");
    for wrong in [
        "-1",
        "-3600",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "3600.0",
        "3600.5",
        "3.6e3",
        "1e300",
        "-0.0",
    ] {
        let answer = reset.send(&api, format!("{{\"expiry\": {wrong}}}")).await;
        assert_eq!(answer.fields(), ["expiry"], "{wrong}");
    }
    for operation in &operations {
        for (name, _) in &operation.fields {
            for beyond in ["1e400", "-1e400", &"9".repeat(400)] {
                let answer = operation.send(&api, format!("{{\"{name}\": {beyond}}}")).await;
                let problem = answer.problem(StatusCode::BAD_REQUEST);
                assert!(problem["detail"].as_str().unwrap().contains("number out of range, at line 1,"));
            }
        }
        for no_number in ["01", "+1", ".5", "1.", "0x10", "NaN", "Infinity", "1e", "--1"] {
            let answer = operation.send(&api, format!("{{\"private_data\": {{\"a\": {no_number}}}}}")).await;
            answer.problem(StatusCode::BAD_REQUEST);
        }
    }
    assert_eq!(api.events().await.len(), events);
}

#[tokio::test]
async fn numbers_of_64_bits_are_kept_exactly() {
    let (api, operations) = operations().await;
    for name in ["private_data", "public_data"] {
        let data = operations.iter().find(|operation| operation.path.ends_with(name)).unwrap();
        for number in [
            "0",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "0.1",
            "-2.5e-7",
            "1.7976931348623157e+308",
            "5e-324",
        ] {
            let body = format!("{{\"{name}\":{{\"n\":{number}}}}}");
            assert_eq!(data.send(&api, body.clone()).await.text(), body);
            assert_eq!(api.get(&data.path).await.text(), body);
        }
        // One more than 64 bits hold: the nearest float.
        let beyond = format!("{{\"{name}\":{{\"n\":18446744073709551616}}}}");
        assert_eq!(data.send(&api, beyond).await.json()[name]["n"], json!(18_446_744_073_709_551_616.0));
    }
}

#[tokio::test]
async fn deep_nesting_is_refused_and_the_server_lives() {
    let (api, operations) = operations().await;
    for operation in &operations {
        for (name, _) in &operation.fields {
            let nested = |open: &str, close: &str| {
                format!("{{\"{name}\": {}1{}}}", open.repeat(100_000), close.repeat(100_000))
            };
            for body in [
                nested("[", "]"),
                nested("{\"a\":", "}"),
                nested("[{\"a\":", "}]"),
                "[".repeat(1024 * 1024),
                format!("{{\"no_such_field\": {}", "[".repeat(900_000)),
            ] {
                let problem = operation.send(&api, body).await.problem(StatusCode::BAD_REQUEST);
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains("recursion limit exceeded"), "{detail}");
            }
        }
    }
    // What is as deep as can be is kept, found and listed.
    let data = operations.iter().find(|operation| operation.path.ends_with("private_data")).unwrap();
    let nested =
        |lists: usize| format!("{{\"private_data\":{{\"a\":{}{}}}}}", "[".repeat(lists), "]".repeat(lists));
    let deepest = nested(125);
    assert_eq!(data.send(&api, deepest.clone()).await.text(), deepest);
    assert_eq!(api.get(&data.path).await.text(), deepest);
    data.send(&api, nested(126)).await.problem(StatusCode::BAD_REQUEST);
    assert_eq!(api.get("/api/users").await.json().as_array().unwrap().len(), 1);
    let user = data.path.trim_end_matches("/private_data");
    assert_eq!(api.post(&format!("{user}/disable"), Value::Null).await.json()["disabled"], true);
}

#[tokio::test]
async fn what_is_not_json_in_utf_8_is_a_bad_request_that_says_where() {
    let (api, operations) = operations().await;
    for operation in &operations {
        for (body, place) in [
            (&b"{\"a\": \"\xff\"}"[..], "line 1, column 8"),
            (b"{\"a\": \"\xed\xa0\x80\"}", "line 1, column 8"),
            (b"{\"a\": \"\\ud800\"}", "line 1, column 14"),
            (b"{\"a\": \"\\udc00\\ud800\"}", "line 1, column 13"),
            (b"\xef\xbb\xbf{}", "line 1, column 1"),
            (b"\xff\xfe{\0}\0", "line 1, column 1"),
            (b"{\"a\": \"line\nbreak\"}", "line 2, column 0"),
            (b"{'a': 1}", "line 1, column 2"),
            (b"{\"a\": 1,}", "line 1, column 9"),
            (b"{\"a\": 1} // more", "line 1, column 10"),
            (b"{\"a\": undefined}", "line 1, column 7"),
            (b"\0", "line 1, column 1"),
        ] {
            let problem = operation.send(&api, body).await.problem(StatusCode::BAD_REQUEST);
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.ends_with(&format!("at {place}.")), "{body:?} {detail}");
        }
    }
}
