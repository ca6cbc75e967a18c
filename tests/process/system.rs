//! What logs say of the process that tells them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::Client;
use super::server::{Home, Server};

#[tokio::test]
async fn a_log_names_the_process_that_tells_it_and_where_that_listens() {
    let home = Home::new();
    for (listen, ip, version) in [("127.0.0.1:0", "127.0.0.1", "IPv4"), ("0.0.0.0:0", "0.0.0.0", "IPv4")] {
        let server = Server::start(home.command(&["serve", "--listen", listen]));
        let client = Client::new(&server, &home.key("users:write,logs:read"));
        client.create("user@example.com").await;
        let answer = client.get("/api/logs?size=1").await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let logs: Value = answer.json().await.unwrap();
        let expected = json!({
            "activity_id": null, "process_id": server.id(), "local_ip": {"ip": ip, "version": version}
        });
        assert_eq!(logs[0]["system"], expected);
        assert_eq!(logs[0]["request"]["remote_ip"], json!({"ip": "127.0.0.1", "version": "IPv4"}));
    }
}
