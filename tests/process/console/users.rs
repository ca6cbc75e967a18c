//! Finding, making, disabling and deleting users, and what is known of them.

use reqwest::StatusCode;
use serde_json::json;

use super::super::client::trusting;
use super::super::server::until;
use super::{Desk, VIEWS, people};

#[tokio::test]
async fn users_are_found_by_words_and_by_conditions() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        people(&desk).await;
        for number in 0..30 {
            desk.client.create(&format!("person{number}@work.example")).await;
        }
        desk.browser.click("nav a[href$='/users']").await;
        desk.browser.reads("Users").await;
        desk.shows(".pager .quiet", "1–25 of 34").await;
        desk.inspect("users").await;
        desk.browser.click("a[rel=next]").await;
        desk.shows(".pager .quiet", "26–34 of 34").await;
        // Exchanged, and the address with it.
        assert!(desk.browser.url().await.contains("page=2"));
        desk.browser.replace("#filter", "hopper").await;
        desk.browser.click(".search button").await;
        desk.shows(".pager .quiet", "1–1 of 1").await;
        desk.shows(".list td a", "Grace Hopper").await;
        desk.browser.replace("#filter", "emails.verified:maybe").await;
        desk.browser.click(".search button").await;
        until(true, async || {
            let fault = desk.browser.text("[role=alert]").await;
            fault.is_some_and(|fault| fault.contains("The filter is wrong at character"))
        })
        .await;
        desk.open(".help").await;
        desk.inspect("users-fault").await;
        desk.browser.replace("#filter", "emails.domain:example.com emails.verified:false\u{e007}").await;
        desk.shows(".pager .quiet", "1–2 of 2").await;
        desk.browser.click(".list td a").await;
        // They came within the same second, so either may be the first.
        until(true, async || {
            let heading = desk.browser.text("h1").await;
            heading.is_some_and(|name| ["Ada Lovelace active", "Katherine Johnson active"].contains(&&*name))
        })
        .await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn a_user_is_made_by_the_keyboard_and_what_is_wrong_is_told_beside_the_field() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        people(&desk).await;
        desk.visit("/users", "Users").await;
        desk.browser.click(".search a").await;
        desk.browser.reads("New user").await;
        desk.inspect("new-user").await;
        // Enter sends the form.
        desk.browser.enter("#email", "grace@example.com").await;
        desk.browser.click("input[name=email_verified]").await;
        desk.browser.enter("#phone_number", "12\u{e007}").await;
        until(true, async || {
            let fault = desk.browser.text("#phone_number-fault").await;
            fault.is_some_and(|fault| fault.contains("A phone number is a +"))
        })
        .await;
        assert_eq!(desk.browser.evaluate("return document.activeElement.id").await, "phone_number");
        desk.browser.replace("#phone_number", "+441514960453\u{e007}").await;
        desk.shows("#email-fault", "This email address is already taken.").await;
        desk.inspect("new-user-fault").await;
        desk.browser.replace("#email", "mary@example.com").await;
        desk.browser.enter("#name", "Mary Jackson\u{e007}").await;
        desk.browser.reads("Mary Jackson active").await;
        desk.told("The user was created.").await;
        assert_eq!(desk.get("/api/users?filter=mary").await[0]["emails"][0]["verified"], true);
        desk.leave().await;
    }
}

#[tokio::test]
async fn a_user_is_disabled_given_a_link_for_a_password_and_deleted() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        let user = people(&desk).await.remove(0);
        desk.visit(&format!("/users/{}", user.id), "Ada Lovelace active").await;
        desk.browser.click("button[value=disable]").await;
        desk.browser.reads("Ada Lovelace disabled").await;
        desk.browser.click("button[value=enable]").await;
        desk.browser.reads("Ada Lovelace active").await;
        desk.browser.click("button[value=reset-link]").await;
        let link = async || desk.browser.property("#link", "value").await;
        until(true, async || link().await.is_some_and(|link| link.as_str().unwrap().contains("/reset/")))
            .await;
        desk.inspect("user-reset-link").await;
        let link = link().await.unwrap();
        let page = trusting([]).build().unwrap().get(link.as_str().unwrap()).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);

        let confirm = async |text: &str| {
            desk.open("section[aria-labelledby=delete]").await;
            desk.browser.enter("#confirmation", text).await;
            desk.browser.click("button[value=delete]").await;
        };
        confirm("Ada Lovelace").await;
        let told = "What was typed is not what is asked for, and nothing was deleted.";
        desk.shows("[role=alert] li", told).await;
        confirm("ada@example.com").await;
        desk.browser.reads("Users").await;
        desk.told("It was deleted.").await;
        let gone = desk.client.get(&format!("/api/users/{}", user.id)).await.unwrap();
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
        desk.visit(&format!("/users/{}", user.id), "This did not work").await;
        desk.inspect("user-gone").await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn claims_and_data_are_edited_as_a_form_and_as_json() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        let user = people(&desk).await.remove(0);
        let document = async || desk.get(&format!("/api/users/{}", user.id)).await;
        desk.visit(&format!("/users/{}", user.id), "Ada Lovelace active").await;
        desk.open("section[aria-labelledby=claims]").await;
        desk.inspect("user-claims").await;
        desk.browser.enter("#claim-birthdate", "soon").await;
        desk.browser.click("button[value=claims]").await;
        let told = "birthdate: This is not a date of the form YYYY-MM-DD.";
        desk.shows("[role=alert] li", told).await;
        desk.open("section[aria-labelledby=claims]").await;
        desk.browser.enter("#claim-birthdate", "1815-12-10").await;
        desk.browser.click("button[value=claims]").await;
        desk.told("It was saved.").await;
        assert_eq!(document().await["claims"]["birthdate"], "1815-12-10");
        desk.browser.replace("#json-claims", "{\"name\": ").await;
        desk.browser.click("button[value=claims-json]").await;
        until(true, async || {
            let fault = desk.browser.text("[role=alert] li").await;
            fault.is_some_and(|fault| fault.contains("line 1, column 9"))
        })
        .await;
        desk.browser.replace("#json-claims", "{\"name\": \"Countess\"}").await;
        desk.browser.click("button[value=claims-json]").await;
        desk.browser.reads("Countess active").await;
        assert_eq!(document().await["claims"], json!({"name": "Countess"}));
        desk.browser.enter("#private-entry input[name=key]", "seats").await;
        desk.browser.enter("#private-entry input[name=value]", "5").await;
        desk.browser.click("button[value=private]").await;
        desk.shows("section[aria-labelledby=private] li code", "seats").await;
        assert_eq!(document().await["private_data"], json!({"seats": 5}));
        desk.leave().await;
    }
}
