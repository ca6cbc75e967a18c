//! Exporting and importing users by the command line, and over a connection.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::client::trusting;
use super::server::Home;

/// "correct horse" by Python's PBKDF2, as Keycloak writes it.
const VALUE: &str =
    "cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4NQEC0GVAwWLSUGWbcye1xU+dO7fZFld1DsscNlAN1uxw==";

fn auth0() -> String {
    let users = [
        json!({"user_id": "auth0|1", "email": "ada@example.com", "email_verified": true, "name": "Ada", "created_at": "2021-12-31T18:30:00Z"}),
        json!({"user_id": "auth0|2", "email": "bob@example.com", "email_verified": false, "password_hash": "$2b$10$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"}),
        json!({"user_id": "auth0|3", "email": "ADA@example.com", "email_verified": true}),
    ];
    users.map(|user| user.to_string() + "\n").concat()
}

fn keycloak() -> String {
    let secret = json!({"value": VALUE, "salt": "MDEyMzQ1Njc4OWFiY2RlZg=="}).to_string();
    let data = json!({"hashIterations": 1000, "algorithm": "pbkdf2-sha256"}).to_string();
    let credentials = json!([{"type": "password", "secretData": secret, "credentialData": data}]);
    let users = json!([
        {"id": "1", "username": "ada", "email": "ada@example.com", "emailVerified": true, "credentials": credentials, "groups": ["/staff"]},
        {"id": "2", "username": "bob"},
    ]);
    serde_json::to_string_pretty(&json!({"realm": "acme", "users": users})).unwrap()
}

#[test]
fn an_export_is_imported_into_another_store_and_exported_as_the_same_bytes() {
    let home = Home::new();
    fs::write(home.path("realm.json"), keycloak()).unwrap();
    let done = home.prints(&["import", "realm.json"]);
    assert_eq!(done, "imported: users 2, groups 1; rows there already 0, refused 0\n");
    let again = home.prints(&["import", "realm.json"]);
    assert_eq!(again, "imported: users 0, groups 0; rows there already 2, refused 0\n");

    assert_eq!(home.prints(&["export", "--with-hashes", "--to", "users.ndjson"]), "");
    let lines = fs::read_to_string(home.path("users.ndjson")).unwrap();
    assert!(lines.contains("$pbkdf2-sha256$i=1000$") && lines.contains("\"name\":\"staff\""), "{lines}");
    let mode = fs::metadata(home.path("users.ndjson")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "what holds hashes is for its owner only");
    let there = home.complains(&["export", "--to", "users.ndjson"]);
    assert!(there.contains("users.ndjson is there already"), "{there}");
    assert!(!home.prints(&["export"]).contains("pbkdf2"));

    let other = ["--store", "sqlite:other/users.db"];
    let done = home.prints(&[&["import", "users.ndjson"][..], &other].concat());
    assert_eq!(done, "imported: users 2, groups 1; rows there already 0, refused 0\n");
    assert_eq!(home.prints(&[&["export", "--with-hashes"][..], &other].concat()), lines);
}

#[test]
fn a_dry_run_writes_nothing_also_where_there_is_no_store() {
    let home = Home::new();
    fs::write(home.path("realm.json"), keycloak()).unwrap();
    let import = ["import", "realm.json", "--dry-run"];
    let dry = home.run(&import);
    assert_eq!(
        String::from_utf8_lossy(&dry.stdout),
        "would be imported: users 2, groups 1; rows there already 0, refused 0\n"
    );
    let told = String::from_utf8_lossy(&dry.stderr);
    assert!(dry.status.success() && told.contains("there is no store yet"), "{told}");
    assert!(!home.path("data").exists(), "a dry run writes nothing");

    home.prints(&["import", "realm.json"]);
    let before = home.prints(&["export"]);
    let dry = home.prints(&import);
    assert_eq!(dry, "would be imported: users 0, groups 0; rows there already 2, refused 0\n");
    assert_eq!(home.prints(&["export"]), before);
}

#[test]
fn a_row_of_a_realm_is_told_by_its_line_and_its_place() {
    let home = Home::new();
    let users = json!([{"username": "ada"}, {"username": "a b"}]);
    fs::write(home.path("realm.json"), json!({"realm": "acme", "users": users}).to_string()).unwrap();
    let output = home.run(&["import", "realm.json"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.starts_with("line 1: ") && told.contains(": In number 2 of `users`: "), "{told}");
}

#[test]
fn refused_rows_are_told_and_the_rest_is_imported() {
    let home = Home::new();
    fs::write(home.path("auth0.json"), auth0()).unwrap();
    let output = home.run(&["import", "auth0.json"]);
    let (told, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert_eq!(
        told,
        "line 3: DuplicateEmail: This email address is already taken.\n\
         imported: users 2, groups 0; rows there already 0, refused 1\n"
    );
    assert!(complaint.contains("1 of 3 rows of auth0.json were refused"), "{complaint}");
    fs::write(home.path("users.csv"), "email,private_data.plan\ncarl@example.com,gold\nnobody,\n").unwrap();
    let output = home.run(&["import", "users.csv"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.starts_with("line 3: Invalid: email: "), "{told}");
    assert!(told.ends_with("imported: users 1, groups 0; rows there already 0, refused 1\n"), "{told}");
    let lines = home.prints(&["export"]);
    let users: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut kept: Vec<&Value> = users.iter().map(|line| &line["user"]["private_data"]).collect();
    kept.sort_by_key(ToString::to_string);
    assert_eq!(
        kept,
        [
            &json!({"auth0_user_id": "auth0|1"}),
            &json!({"auth0_user_id": "auth0|2"}),
            &json!({"plan": "gold"})
        ]
    );
}

#[test]
fn what_cannot_be_imported_is_told() {
    let home = Home::new();
    let nothing = home.complains(&["import", "nothing.csv"]);
    assert!(nothing.contains("nothing.csv cannot be read"), "{nothing}");
    assert!(!home.path("data").exists(), "no store is made before there is something to import");
    fs::write(home.path("users.csv"), "email,shoe_size\n").unwrap();
    let header = home.complains(&["import", "users.csv"]);
    assert!(header.contains("`shoe_size`, which is no field") && header.contains("users.csv"), "{header}");
    let tenant = home.complains(&["import", "users.csv", "--tenant", "nobody"]);
    assert!(tenant.contains("bonafide tenants create nobody"), "{tenant}");
    let tenant = home.complains(&["export", "--tenant", "nobody"]);
    assert!(tenant.contains("bonafide tenants create nobody"), "{tenant}");
}

/// The answer comes while lines are still sent, and a client that reads it late is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn many_lines_are_imported_over_a_connection_while_others_are_served() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("admin");
    let lines: String = (0..6_000)
        .map(|number| json!({"email": format!("user{}@example.com", number / 2), "email_verified": true, "name": number.to_string()}).to_string() + "\n")
        .collect();
    let client = trusting([]).build().unwrap();
    let call = |method: reqwest::Method, path: &str| {
        client.request(method, format!("{}{path}", server.url)).header("x-api-key", &key)
    };
    let answer = call(reqwest::Method::POST, "/v1/import").body(lines).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    assert_eq!(text.lines().count(), 3_001);
    let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(summary["summary"]["users"], 3_000);
    assert_eq!(
        [&summary["summary"]["refused"], &summary["summary"]["is_complete"]],
        [&json!(3_000), &json!(true)]
    );
    let export = call(reqwest::Method::GET, "/v1/export").send().await.unwrap().text().await.unwrap();
    assert_eq!(export.lines().count(), 3_000);
}
