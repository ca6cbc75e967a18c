//! Addresses of users: verified and not, added and removed, and mail that asks for a proof.

use super::super::server::until;
use super::{Desk, VIEWS, people};

#[tokio::test]
async fn an_address_is_verified_and_unverified_with_a_reason_that_its_history_tells() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        let user = people(&desk).await.remove(0);
        desk.visit(&format!("/users/{}", user.id), "Ada Lovelace active").await;
        desk.inspect("user").await;
        desk.browser.enter(".row input[name=reason]", "She called us").await;
        desk.browser.click("button[value=verify-email]").await;
        desk.told("The address is verified.").await;
        assert!(desk.client.is_verified(&user).await);
        desk.browser.enter(".row input[name=reason]", "It bounced").await;
        desk.browser.click("button[value=unverify-email]").await;
        desk.told("The address is not verified any more.").await;
        assert!(!desk.client.is_verified(&user).await);
        desk.browser.click(".row a").await;
        desk.browser.reads("History of ada@example.com").await;
        desk.shows(".list tr:nth-child(1) strong", "Email unverified").await;
        desk.shows(".list tr:nth-child(2) .quiet", "“She called us”").await;
        desk.inspect("history").await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn addresses_come_and_go_and_mail_asks_for_their_proof() {
    for (name, view) in VIEWS {
        let desk = Desk::signed_in(name, view).await;
        let user = people(&desk).await.remove(0);
        let document = async || desk.get(&format!("/api/users/{}", user.id)).await;
        desk.visit(&format!("/users/{}", user.id), "Ada Lovelace active").await;
        desk.browser.enter("#new-email", "ada@work.example").await;
        desk.browser.click("button[value=add-email]").await;
        desk.shows(".row:nth-of-type(2) .what bdi", "ada@work.example").await;
        desk.browser.click("button[value=primary-email]").await;
        desk.told("The address is the primary one.").await;
        assert_eq!(document().await["emails"][1]["primary"], true);
        desk.browser.click("button[value=send-mail]").await;
        desk.told("A mail is on its way.").await;
        until(1, async || std::fs::read_dir(desk.home.path("mail")).map_or(0, Iterator::count)).await;
        desk.open(".row .sure").await;
        desk.inspect("user-removing").await;
        desk.browser.click("button[value=remove-email]").await;
        desk.told("It was removed.").await;
        assert_eq!(document().await["emails"].as_array().unwrap().len(), 1);
        desk.browser.enter("#new-phone", "12").await;
        desk.browser.click("button[value=add-phone]").await;
        until(true, async || {
            let fault = desk.browser.text("[role=alert]").await;
            fault.is_some_and(|fault| fault.contains("A phone number is a +"))
        })
        .await;
        desk.browser.enter("#new-phone", "+441514960453").await;
        desk.browser.click("button[value=add-phone]").await;
        desk.told("It was added.").await;
        desk.browser.click("button[value=verify-phone]").await;
        desk.told("The address is verified.").await;
        assert_eq!(document().await["phone_numbers"][0]["verified"], true);
        desk.leave().await;
    }
}
