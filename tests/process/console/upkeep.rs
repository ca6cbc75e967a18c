//! Groups, keys, settings, mails and events.

use reqwest::StatusCode;
use serde_json::json;

use super::super::client::Client;
use super::super::server::until;
use super::{Desk, VIEWS, people};

#[tokio::test]
async fn groups_are_made_and_users_come_and_go() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        let user = people(&desk).await.remove(0);
        desk.browser.click("nav a[href$='/groups']").await;
        desk.browser.reads("Groups").await;
        desk.browser.enter("#name", "Support").await;
        desk.browser.enter("#description", "Those who answer").await;
        desk.browser.click("main section button").await;
        desk.browser.reads("Support").await;
        desk.browser.enter("#user", "nobody@example.com").await;
        desk.browser.click("button[value=add]").await;
        desk.shows("[role=alert] li", "Nobody has this email address.").await;
        desk.browser.enter("#user", "ada@example.com").await;
        desk.browser.click("button[value=add]").await;
        desk.shows(".list td a", "Ada Lovelace").await;
        desk.inspect("group").await;
        desk.visit("/groups", "Groups").await;
        desk.inspect("groups").await;
        desk.visit(&format!("/users/{}", user.id), "Ada Lovelace active").await;
        desk.shows(".plain-list a", "Support").await;
        desk.browser.click("button[value=leave]").await;
        desk.told("It was removed.").await;
        let group = desk.get("/api/groups").await[0].clone();
        assert_eq!((&group["name"], &group["users_assigned"]), (&json!("Support"), &json!(0)));
        desk.leave().await;
    }
}

#[tokio::test]
async fn keys_settings_mails_and_events_are_looked_after() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        people(&desk).await;
        desk.browser.click("nav a[href$='/keys']").await;
        desk.browser.reads("API keys").await;
        desk.browser.enter("#name", "sign-up").await;
        desk.browser.click("input[value='users:read']").await;
        desk.browser.click("button[value=create]").await;
        desk.browser.reads("The new key").await;
        desk.inspect("key").await;
        let key = desk.browser.property("#key", "value").await.unwrap();
        let reader = Client::new(&desk.server, key.as_str().unwrap());
        assert_eq!(reader.list_status().await, StatusCode::OK);
        desk.browser.click("main a.button").await;
        desk.browser.reads("API keys").await;
        desk.inspect("keys").await;
        let id = key.as_str().unwrap().split('_').nth(1).unwrap().to_owned();
        let rows = format!(
            "[...document.querySelectorAll('tbody tr')].findIndex(row => row.innerHTML.includes('{id}'))"
        );
        let row = desk.browser.evaluate(&format!("return {rows}")).await.as_u64().unwrap() + 1;
        let of_it = |form: &str| format!("tbody tr:nth-child({row}) .{form}");
        desk.open(&of_it("rotate")).await;
        desk.inspect("keys-rotating").await;
        desk.browser.click(&format!("{} button", of_it("rotate"))).await;
        desk.browser.reads("The new secret").await;
        let rotated = desk.browser.property("#key", "value").await.unwrap();
        let rotated = Client::new(&desk.server, rotated.as_str().unwrap());
        assert_eq!(
            (rotated.list_status().await, reader.list_status().await),
            (StatusCode::OK, StatusCode::OK)
        );
        desk.browser.click("main a.button").await;
        desk.browser.reads("API keys").await;
        desk.open(&of_it("revoke")).await;
        desk.browser.click(&format!("{} button", of_it("revoke"))).await;
        desk.told("The key is revoked.").await;
        for ended in [&reader, &rotated] {
            until(StatusCode::UNAUTHORIZED, async || ended.list_status().await).await;
        }

        desk.visit("/settings", "Settings of default").await;
        desk.inspect("settings").await;
        desk.browser.replace("#display_name", "Acme").await;
        desk.browser.replace("#link_expiry", "1").await;
        desk.browser.click("main button").await;
        desk.shows("[role=alert] li", "link_expiry: this is a number of seconds from 60 to 604800.").await;
        desk.browser.replace("#link_expiry", "7200").await;
        desk.browser.click("main button").await;
        desk.told("It was saved.").await;
        assert!(desk.home.prints(&["tenants", "show", "default"]).contains("display_name=Acme\n"));

        desk.visit("/mail", "Mail").await;
        desk.shows("section strong", "Verify your email address for Example").await;
        desk.inspect("mail").await;
        desk.visit("/events", "Events").await;
        desk.inspect("events").await;
        desk.visit("/events?type=user.email.verified", "Events").await;
        desk.shows(".list strong", "Email verified").await;
        assert_eq!(desk.browser.evaluate("return document.querySelectorAll('tbody tr').length").await, 2);
        desk.leave().await;
    }
}
