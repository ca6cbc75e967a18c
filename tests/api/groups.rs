//! Groups, and who is in them.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use bonafide::directory::api_key::Scope;
use bonafide::id::TenantId;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::harness::{Answer, Api, START};

impl Api {
    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, body).await
    }

    async fn group(&self, fields: Value) -> Value {
        self.post("/api/groups", fields).await.json_of(StatusCode::CREATED)
    }

    async fn named(&self, name: &str) -> Value {
        self.group(json!({"name": name})).await
    }

    async fn some_user(&self) -> Value {
        self.user(json!({"skip_conformance_checks": true})).await
    }

    async fn users_assigned(&self, group: &Value) -> Value {
        self.get(&path(group)).await.json()["users_assigned"].clone()
    }

    async fn kinds(&self) -> Vec<&'static str> {
        self.events().await.into_iter().map(|event| event.kind.as_str()).collect()
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().expect("a text")
}

fn path(group: &Value) -> String {
    format!("/api/groups/{}", text(group, "group_id"))
}

fn place(user: &Value, group: &Value) -> String {
    format!("/api/users/{}/groups/{}", text(user, "user_id"), text(group, "group_id"))
}

fn detail(problem: &Value) -> &str {
    text(problem, "detail")
}

#[tokio::test]
async fn a_created_group_is_found_by_its_location() {
    let api = Api::new().await;
    let fields = json!({"name": " Administrators ", "description": "All of them", "is_auto_assigned": true, "more": 1});
    let answer = api.post("/api/groups", fields).await;
    let group = answer.json_of(StatusCode::CREATED);
    let expected = json!({
        "group_id": group["group_id"], "type": "custom", "name": "Administrators",
        "description": "All of them", "is_auto_assigned": true, "users_assigned": 0, "clients_assigned": 0,
        "creation_time": START.0, "last_updated": START.0, "last_assigned": START.0
    });
    assert_eq!(group, expected);
    assert_eq!(text(&group, "group_id").len(), 36);
    assert_eq!(answer.header("location"), path(&group));
    assert_eq!(api.get(answer.header("location")).await.bytes, answer.bytes);
    let plain = api.named("plain").await;
    assert_eq!((&plain["description"], &plain["is_auto_assigned"]), (&Value::Null, &json!(false)));
    let nothing = api.group(json!({"name": "null", "description": null, "is_auto_assigned": null})).await;
    assert_eq!((&nothing["description"], &nothing["is_auto_assigned"]), (&Value::Null, &json!(false)));
    let event = &api.events().await[0];
    assert_eq!((event.kind.as_str(), event.user_id), ("group.created", None));
    assert_eq!(event.group_id.unwrap().to_string(), text(&group, "group_id"));
    assert_eq!(event.personal.address, None);
}

#[tokio::test]
async fn a_group_of_the_wrong_form_is_refused_and_every_field_named() {
    let api = Api::new().await;
    for wrong in [
        json!({}),
        json!({"name": null}),
        json!({"name": ""}),
        json!({"name": " \t\n "}),
        json!({"name": "x".repeat(101)}),
        json!({"name": "in\u{200b}visible"}),
        json!({"name": "right\u{202e}left"}),
        json!({"name": "a\u{0}b"}),
        json!({"name": 5}),
        json!({"name": ["a"]}),
    ] {
        assert_eq!(api.post("/api/groups", wrong.clone()).await.fields(), ["name"], "{wrong}");
    }
    let wrong = json!({"name": "", "description": "x".repeat(1001)});
    assert_eq!(api.post("/api/groups", wrong).await.fields(), ["name", "description"]);
    let wrong = json!({"name": "a", "description": {"text": 1}});
    assert_eq!(api.post("/api/groups", wrong).await.fields(), ["description"]);
    let wrong = json!({"name": "a", "is_auto_assigned": "yes"});
    assert_eq!(api.post("/api/groups", wrong).await.fields(), ["is_auto_assigned"]);
    api.post("/api/groups", Value::Null).await.problem(StatusCode::BAD_REQUEST);
    assert!(api.events().await.is_empty());
    api.group(json!({"name": "ж".repeat(100), "description": "ж\n".repeat(500)})).await;
}

#[tokio::test]
async fn a_name_is_taken_whatever_its_case_and_form() {
    let api = Api::new().await;
    let first = api.named("Große Gruppe").await;
    for same in ["Große Gruppe", "GROSSE GRUPPE", " grosse gruppe ", "Ｇroße Gruppe"] {
        assert_eq!(api.post("/api/groups", json!({"name": same})).await.codes(), ["DuplicateGroupName"]);
    }
    let other = api.named("Große  Gruppe").await;
    let before = api.get(&path(&other)).await;
    let taken = api.patch(&path(&other), json!({"name": "GROSSE gruppe", "description": "x"})).await;
    assert_eq!(taken.codes(), ["DuplicateGroupName"]);
    assert_eq!(api.get(&path(&other)).await.bytes, before.bytes);
    // Its own name in another case is free, and so is one that was given up.
    assert_eq!(
        api.patch(&path(&first), json!({"name": "GROSSE GRUPPE"})).await.json()["name"],
        "GROSSE GRUPPE"
    );
    api.patch(&path(&first), json!({"name": "a"})).await.json();
    api.patch(&path(&other), json!({"name": "Große Gruppe"})).await.json();
    api.delete(&path(&first)).await;
    api.named("A").await;
    assert_ne!(api.named("résumé").await, api.named("resume").await);
    // An o that looks like another is another.
    api.named("R\u{43e}ot").await;
    api.named("Root").await;
}

#[tokio::test]
async fn a_name_that_many_want_at_once_is_given_to_one() {
    let api = Api::new().await;
    let create = |number: usize| {
        let name = if number.is_multiple_of(2) { "the one" } else { "THE ONE" };
        api.call(Method::POST, "/api/groups", json!({ "name": name }))
    };
    let answers = join_all((0..20).map(create)).await;
    let (made, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == StatusCode::CREATED);
    assert_eq!(made.len(), 1);
    assert!(refused.iter().all(|answer| answer.codes() == ["DuplicateGroupName"]));
    assert_eq!(api.get("/api/groups").await.json(), json!([made[0].json_of(StatusCode::CREATED)]));
    assert_eq!(api.kinds().await, ["group.created"]);

    let others = join_all((0..8).map(|number| api.group(json!({"name": format!("g{number}")})))).await;
    let renames =
        others.iter().map(|group| async { api.patch(&path(group), json!({"name": "wanted"})).await });
    let answers = join_all(renames).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::OK).count(), 1);
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_removes_the_description() {
    let api = Api::new().await;
    let group = api.group(json!({"name": "a", "description": "old"})).await;
    api.clock.advance(5);
    let renamed = api.patch(&path(&group), json!({"name": " b "})).await.json();
    let mut expected = group.clone();
    expected["name"] = json!("b");
    expected["last_updated"] = json!(START.0 + 5);
    assert_eq!(renamed, expected);
    api.clock.advance(5);
    let removed = api.patch(&path(&group), json!({"description": null})).await.json();
    assert_eq!((&removed["description"], &removed["last_updated"]), (&Value::Null, &json!(START.0 + 10)));
    let automatic = api.patch(&path(&group), json!({"is_auto_assigned": true})).await.json();
    assert_eq!(automatic["is_auto_assigned"], true);
    assert_eq!(api.kinds().await, ["group.created", "group.updated", "group.updated", "group.updated"]);
}

#[tokio::test]
async fn a_patch_that_changes_nothing_writes_nothing() {
    let api = Api::new().await;
    let group = api.group(json!({"name": "a", "description": "b"})).await;
    api.clock.advance(5);
    for same in [
        json!({}),
        json!({"name": " a"}),
        json!({"description": "b", "is_auto_assigned": false}),
        json!({"type": "built_in", "users_assigned": 7}),
    ] {
        assert_eq!(api.patch(&path(&group), same).await.json(), group);
    }
    assert_eq!(api.kinds().await, ["group.created"]);
}

#[tokio::test]
async fn a_patch_of_the_wrong_form_is_refused_and_its_fields_named() {
    let api = Api::new().await;
    let group = api.named("a").await;
    for (wrong, fields) in [
        (json!({"name": null}), vec!["name"]),
        (json!({"name": " "}), vec!["name"]),
        (json!({"name": 1}), vec!["name"]),
        (json!({"is_auto_assigned": null}), vec!["is_auto_assigned"]),
        (json!({"is_auto_assigned": 0}), vec!["is_auto_assigned"]),
        (json!({"description": false}), vec!["description"]),
        (json!({"name": "", "description": "x".repeat(1001)}), vec!["name", "description"]),
    ] {
        assert_eq!(api.patch(&path(&group), wrong).await.fields(), fields);
    }
    assert_eq!(api.get(&path(&group)).await.json(), group);
    // Who is not there is told before what is wrong.
    api.patch("/api/groups/nothing", json!({"name": null})).await.problem(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn patches_that_race_all_count() {
    let api = Api::new().await;
    let group = api.named("a").await;
    let user = api.some_user().await;
    let (path, place) = (path(&group), place(&user, &group));
    let descriptions = join_all(
        (0..20).map(|number| api.call(Method::PATCH, &path, json!({"description": format!("{number}")}))),
    );
    let (described, automatic, renamed, assigned) = tokio::join!(
        descriptions,
        api.patch(&path, json!({"is_auto_assigned": true})),
        api.patch(&path, json!({"name": "b"})),
        api.post(&place, Value::Null),
    );
    assert!(described.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!(
        (automatic.json()["is_auto_assigned"].clone(), renamed.json()["name"].clone()),
        (json!(true), json!("b"))
    );
    assigned.json();
    let after = api.get(&path).await.json();
    assert_eq!(
        (&after["name"], &after["is_auto_assigned"], &after["users_assigned"]),
        (&json!("b"), &json!(true), &json!(1))
    );
    let updates = api.kinds().await.into_iter().filter(|kind| *kind == "group.updated").count();
    assert_eq!(updates, 22);
}

#[tokio::test]
async fn an_assigned_user_is_a_member_since_the_first_time() {
    let api = Api::new().await;
    let (user, group) = (api.some_user().await, api.named("a").await);
    api.clock.advance(5);
    let assigned = api.post(&place(&user, &group), Value::Null).await;
    let expected = json!({
        "group_id": group["group_id"], "user_id": user["user_id"], "creation_time": START.0 + 5, "group_name": "a"
    });
    assert_eq!(assigned.json(), expected);
    let event = api.events().await.pop().unwrap();
    assert_eq!(event.kind.as_str(), "user.group.added");
    assert_eq!(event.user_id.unwrap().to_string(), text(&user, "user_id"));
    assert_eq!(event.group_id.unwrap().to_string(), text(&group, "group_id"));
    api.clock.advance(5);
    let events = api.events().await.len();
    assert_eq!(api.post(&place(&user, &group), Value::Null).await.bytes, assigned.bytes);
    assert_eq!(api.get(&place(&user, &group)).await.bytes, assigned.bytes);
    assert_eq!(api.events().await.len(), events);
    let after = api.get(&path(&group)).await.json();
    assert_eq!((&after["users_assigned"], &after["last_assigned"]), (&json!(1), &json!(START.0 + 5)));
    assert_eq!(after["last_updated"], group["last_updated"]);
    // The user is as before, and a new name of the group is seen at once.
    assert_eq!(api.get(&format!("/api/users/{}", text(&user, "user_id"))).await.json(), user);
    api.patch(&path(&group), json!({"name": "b"})).await.json();
    assert_eq!(api.get(&place(&user, &group)).await.json()["group_name"], "b");
}

#[tokio::test]
async fn a_removed_user_is_no_member_and_cannot_be_removed_again() {
    let api = Api::new().await;
    let (user, group) = (api.some_user().await, api.named("a").await);
    let place = place(&user, &group);
    api.post(&place, Value::Null).await.json();
    let removed = api.delete(&place).await;
    assert_eq!((removed.status, removed.bytes.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(api.users_assigned(&group).await, 0);
    let events = api.kinds().await;
    assert_eq!(events.last(), Some(&"user.group.removed"));
    assert!(detail(&api.delete(&place).await.problem(StatusCode::NOT_FOUND)).contains("membership"));
    assert!(detail(&api.get(&place).await.problem(StatusCode::NOT_FOUND)).contains("membership"));
    assert_eq!(api.kinds().await, events);
    assert_eq!(api.get(&format!("/api/users/{}/groups", text(&user, "user_id"))).await.json(), json!([]));
}

#[tokio::test]
async fn the_user_is_missed_before_the_group_and_the_group_before_the_membership() {
    let api = Api::new().await;
    let (user, group) = (api.some_user().await, api.named("a").await);
    let nobody = json!({"user_id": "nobody"});
    let nothing = json!({"group_id": "8c8ee7ee-6c6f-4f3c-9b1c-0a3f5a3f2d11"});
    let odd = json!({"group_id": "not%20an%20id"});
    for method in [Method::GET, Method::POST, Method::DELETE] {
        for (path, missing) in [
            (place(&nobody, &nothing), "The user"),
            (place(&nobody, &group), "The user"),
            (place(&user, &nothing), "The group"),
            (place(&user, &odd), "The group"),
        ] {
            let problem = api.call(method.clone(), &path, Value::Null).await.problem(StatusCode::NOT_FOUND);
            assert!(detail(&problem).starts_with(missing), "{problem}");
        }
    }
    let list = api.get("/api/users/nobody/groups").await.problem(StatusCode::NOT_FOUND);
    assert!(detail(&list).starts_with("The user"));
    for (method, path) in [
        (Method::GET, path(&nothing)),
        (Method::DELETE, path(&nothing)),
        (Method::GET, format!("/api/users/groups/{}/assigned", text(&nothing, "group_id"))),
    ] {
        let problem = api.call(method, &path, Value::Null).await.problem(StatusCode::NOT_FOUND);
        assert!(detail(&problem).starts_with("The group"), "{problem}");
    }
    assert_eq!(api.kinds().await, ["user.created", "group.created"]);
}

#[tokio::test]
async fn a_deleted_group_is_gone_with_its_memberships_and_its_name_is_free() {
    let api = Api::new().await;
    let (user, group) = (api.some_user().await, api.named("a").await);
    let kept = api.named("kept").await;
    for group in [&group, &kept] {
        api.post(&place(&user, group), Value::Null).await.json();
    }
    let deleted = api.delete(&path(&group)).await;
    assert_eq!((deleted.status, deleted.bytes.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(api.kinds().await.last(), Some(&"group.deleted"));
    api.get(&path(&group)).await.problem(StatusCode::NOT_FOUND);
    api.delete(&path(&group)).await.problem(StatusCode::NOT_FOUND);
    let groups = api.get(&format!("/api/users/{}/groups", text(&user, "user_id"))).await.json();
    assert_eq!(groups.as_array().unwrap().len(), 1);
    assert_eq!(groups[0]["group_name"], "kept");
    assert_eq!(api.named("a").await["users_assigned"], 0);
}

#[tokio::test]
async fn a_deleted_user_is_in_no_group_and_counted_in_none() {
    let api = Api::new().await;
    let (user, other) = (api.some_user().await, api.some_user().await);
    let groups = [api.named("a").await, api.named("b").await];
    for group in &groups {
        api.post(&place(&user, group), Value::Null).await.json();
    }
    api.post(&place(&other, &groups[0]), Value::Null).await.json();
    assert_eq!(
        api.delete(&format!("/api/users/{}", text(&user, "user_id"))).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(api.users_assigned(&groups[0]).await, 1);
    assert_eq!(api.users_assigned(&groups[1]).await, 0);
    let members = api.get(&format!("/api/users/groups/{}/assigned", text(&groups[0], "group_id"))).await;
    assert_eq!(members.json().as_array().unwrap().len(), 1);
    api.get(&place(&user, &groups[0])).await.problem(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn users_assigned_is_exact_whatever_happens_at_once() {
    let api = Api::new().await;
    let group = api.named("a").await;
    let users = join_all((0..30).map(|_| api.some_user())).await;
    let assigns = users.iter().cycle().take(90).map(|user| async {
        let answer = api.post(&place(user, &group), Value::Null).await;
        answer.json();
    });
    join_all(assigns).await;
    assert_eq!(api.users_assigned(&group).await, 30);
    let added = api.kinds().await.into_iter().filter(|kind| *kind == "user.group.added").count();
    assert_eq!(added, 30);

    // Ten are removed, ten deleted, and all are assigned anew meanwhile.
    let work = users.iter().enumerate().map(|(number, user)| {
        let group = &group;
        let api = &api;
        async move {
            let place = place(user, group);
            let user = format!("/api/users/{}", text(user, "user_id"));
            let away = match number % 3 {
                0 => api.delete(&place).await,
                1 => api.delete(&user).await,
                _ => api.get(&place).await,
            };
            assert!(away.status.is_success());
        }
    });
    let again = users.iter().map(|user| async {
        let answer = api.post(&place(user, &group), Value::Null).await;
        if answer.status != StatusCode::OK {
            assert!(detail(&answer.problem(StatusCode::NOT_FOUND)).starts_with("The user"));
        }
    });
    tokio::join!(join_all(work), join_all(again));
    let members = api.get(&format!("/api/users/groups/{}/assigned?size=100", text(&group, "group_id"))).await;
    let ids: BTreeSet<_> =
        members.json().as_array().unwrap().iter().map(|user| text(user, "user_id").to_owned()).collect();
    let mut expected = BTreeSet::new();
    for user in &users {
        if api.get(&place(user, &group)).await.status == StatusCode::OK {
            expected.insert(text(user, "user_id").to_owned());
        }
    }
    assert_eq!(ids, expected);
    assert_eq!(api.users_assigned(&group).await, ids.len());
    let kinds = api.kinds().await;
    let count = |wanted: &str| kinds.iter().filter(|kind| **kind == wanted).count();
    let gone = users.len() / 3;
    let still = count("user.group.added") - count("user.group.removed");
    assert!((ids.len()..=ids.len() + gone).contains(&still), "{still} of {}", ids.len());
}

#[tokio::test]
async fn an_auto_assigned_group_takes_every_user_from_then_on() {
    let api = Api::new().await;
    let before = api.some_user().await;
    let automatic = api.group(json!({"name": "a", "is_auto_assigned": true})).await;
    let plain = api.named("b").await;
    let user = api.some_user().await;
    api.get(&place(&before, &automatic)).await.problem(StatusCode::NOT_FOUND);
    assert_eq!(api.get(&place(&user, &automatic)).await.json()["creation_time"], START.0);
    api.get(&place(&user, &plain)).await.problem(StatusCode::NOT_FOUND);
    let events = api.events().await;
    let [created, added] = &events[events.len() - 2..] else { unreachable!() };
    assert_eq!((created.kind.as_str(), added.kind.as_str()), ("user.created", "user.group.added"));
    assert_eq!((added.user_id, added.request_id), (created.user_id, created.request_id));
    assert_eq!(added.group_id.unwrap().to_string(), text(&automatic, "group_id"));

    api.patch(&path(&plain), json!({"is_auto_assigned": true})).await.json();
    api.patch(&path(&automatic), json!({"is_auto_assigned": false})).await.json();
    let last = api.some_user().await;
    api.get(&place(&last, &automatic)).await.problem(StatusCode::NOT_FOUND);
    api.get(&place(&last, &plain)).await.json();
    assert_eq!(
        (api.users_assigned(&automatic).await, api.users_assigned(&plain).await),
        (json!(1), json!(1))
    );
    // A user who is refused joins nothing.
    api.user(json!({"username": "username"})).await;
    api.post("/api/users", json!({"username": "USERNAME"})).await.problem(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(api.users_assigned(&plain).await, 2);
}

#[tokio::test]
async fn users_made_while_auto_assigned_groups_come_and_go_are_all_made_and_counted() {
    let api = Api::new().await;
    let group = api.group(json!({"name": "stays", "is_auto_assigned": true})).await;
    let users = join_all((0..20).map(|_| async { api.some_user().await }));
    let groups = join_all((0..10).map(|number| {
        let api = &api;
        async move {
            let fields = json!({"name": format!("g{number}"), "is_auto_assigned": true});
            let made = api.group(fields).await;
            api.delete(&path(&made)).await;
        }
    }));
    let (users, _) = tokio::join!(users, groups);
    assert_eq!(api.users_assigned(&group).await, users.len());
    for user in &users {
        let groups = api.get(&format!("/api/users/{}/groups", text(user, "user_id"))).await.json();
        assert_eq!(groups.as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn groups_are_listed_by_page_and_sort() {
    let api = Api::new().await;
    for name in ["b", "A", "c"] {
        api.named(name).await;
        api.clock.advance(1);
    }
    let names = |answer: &Answer| -> String {
        answer.json().as_array().unwrap().iter().map(|group| text(group, "name").to_owned()).collect()
    };
    let user = api.some_user().await;
    let all = api.get("/api/groups").await;
    assert_eq!(names(&all), "cAb");
    api.post(&place(&user, &all.json()[1]), Value::Null).await.json();
    api.clock.advance(1);
    api.patch(&path(&all.json()[2]), json!({"description": "x"})).await.json();
    for (query, expected) in [
        ("sort=name:1", "Abc"),
        ("sort=name:-1&size=2", "cb"),
        ("sort=users_assigned:-1&size=1", "A"),
        ("sort=last_assigned:-1&size=1", "A"),
        ("sort=last_updated:-1&size=1", "b"),
        ("sort=creation_time:1", "bAc"),
        ("page=2&size=2", "b"),
        ("filter=", "cAb"),
        ("filter=name:a+OR+c&sort=name:-1", "cA"),
        ("filter=-users_assigned:0", "A"),
        ("filter=description:X", "b"),
    ] {
        assert_eq!(names(&api.get(&format!("/api/groups?{query}")).await), expected, "{query}");
    }
    for key in ["type", "clients_assigned"] {
        let up = api.get(&format!("/api/groups?sort={key}:1")).await.json();
        let mut down = api.get(&format!("/api/groups?sort={key}:-1")).await.json();
        down.as_array_mut().unwrap().reverse();
        assert_eq!(up, down);
    }
    let pagination: Value =
        serde_json::from_str(api.get("/api/groups?page=2&size=2").await.header("x-pagination")).unwrap();
    let expected =
        json!({"page_size": 2, "current_page": 2, "total_count": 3, "has_previous": true, "has_next": false});
    assert_eq!(pagination, expected);
    for wrong in ["page=0", "size=1001", "sort=shoe_size:1", "sort=name", "sort=group_id:1", "filter=a:b"] {
        api.get(&format!("/api/groups?{wrong}")).await.problem(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn the_users_of_a_group_and_the_groups_of_a_user_are_listed_by_page_and_sort() {
    let api = Api::new().await;
    let group = api.named("a").await;
    let mut users = Vec::new();
    for number in 0..5 {
        users.push(api.user(json!({"email": format!("user{number}@example.com")})).await);
        api.clock.advance(1);
    }
    for user in users.iter().rev().skip(1) {
        api.post(&place(user, &group), Value::Null).await.json();
    }
    let assigned = format!("/api/users/groups/{}/assigned", text(&group, "group_id"));
    let page = api.get(&format!("{assigned}?size=3")).await;
    let mut expected = users[3].clone();
    for left_out in ["private_data", "public_data"] {
        expected.as_object_mut().unwrap().shift_remove(left_out);
    }
    assert_eq!(page.json()[0], expected);
    let addresses = |answer: &Answer| -> String {
        let rows = answer.json();
        let address = |user: &Value| text(&user["emails"][0], "email")[4..5].to_owned();
        rows.as_array().unwrap().iter().map(address).collect()
    };
    assert_eq!(addresses(&page), "321");
    assert!(page.header("x-pagination").contains("\"total_count\":4"));
    assert!(page.header("x-pagination").contains("\"has_next\":true"));
    assert_eq!(addresses(&api.get(&format!("{assigned}?sort=creation_time:1&size=2&page=2")).await), "23");
    assert_eq!(addresses(&api.get(&format!("{assigned}?sort=name:1&filter=user3@example.com")).await), "3");
    assert_eq!(addresses(&api.get(&format!("{assigned}?filter=user0@example.com+OR+-example")).await), "0");
    assert_eq!(addresses(&api.get(&format!("{assigned}?filter=user4@example.com")).await), "");
    for wrong in ["page=0", "sort=name:1x", "filter=a:b", "sort=type:1"] {
        api.get(&format!("{assigned}?{wrong}")).await.problem(StatusCode::BAD_REQUEST);
    }

    for name in ["b", "c"] {
        api.clock.advance(1);
        let group = api.named(name).await;
        api.post(&place(&users[0], &group), Value::Null).await.json();
    }
    let groups = format!("/api/users/{}/groups", text(&users[0], "user_id"));
    let names = |answer: &Answer| -> String {
        answer.json().as_array().unwrap().iter().map(|group| text(group, "group_name").to_owned()).collect()
    };
    let page = api.get(&format!("{groups}?size=2")).await;
    assert_eq!(names(&page), "cb");
    assert!(page.header("x-pagination").contains("\"total_count\":3"));
    assert_eq!(names(&api.get(&format!("{groups}?sort=creation_time:1")).await), "abc");
    for wrong in ["size=0", "sort=last_updated:1", "filter=a"] {
        api.get(&format!("{groups}?{wrong}")).await.problem(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn each_operation_on_groups_has_its_scope() {
    let api = Api::new().await;
    let (user, group) = (api.some_user().await, api.named("a").await);
    let place = place(&user, &group);
    let of_user = format!("/api/users/{}/groups", text(&user, "user_id"));
    let assigned = format!("/api/users/groups/{}/assigned", text(&group, "group_id"));
    let calls = [
        (Method::GET, "/api/groups".to_owned(), Scope::GroupsRead),
        (Method::GET, path(&group), Scope::GroupsRead),
        (Method::GET, of_user, Scope::GroupsRead),
        (Method::POST, place.clone(), Scope::GroupsWrite),
        (Method::GET, place.clone(), Scope::GroupsRead),
        (Method::DELETE, place, Scope::GroupsWrite),
        (Method::GET, assigned, Scope::UsersRead),
        (Method::POST, "/api/groups".to_owned(), Scope::GroupsWrite),
        (Method::PATCH, path(&group), Scope::GroupsWrite),
        (Method::DELETE, path(&group), Scope::GroupsWrite),
    ];
    let all = [Scope::UsersRead, Scope::UsersWrite, Scope::GroupsRead, Scope::GroupsWrite];
    let mut keys = Vec::new();
    for scope in all {
        keys.push((scope, api.key(&[scope]).await));
    }
    for (method, path, needed) in calls {
        for (scope, key) in keys.iter().filter(|(scope, _)| *scope != needed) {
            let refused = api.call_as(key, method.clone(), &path, Value::Null).await;
            let problem = refused.problem(StatusCode::FORBIDDEN);
            assert!(detail(&problem).contains(needed.as_str()), "{scope} {method} {path}");
        }
        let (_, key) = keys.iter().find(|(scope, _)| *scope == needed).unwrap();
        let body = match (&method, path.as_str()) {
            (&Method::POST, "/api/groups") => json!({"name": "b"}),
            (&Method::PATCH, _) => json!({}),
            _ => Value::Null,
        };
        assert!(api.call_as(key, method, &path, body).await.status.is_success());
    }
}

#[tokio::test]
async fn a_tenants_key_sees_and_changes_its_own_groups_only() {
    let api = Api::new().await;
    let acme: TenantId = "acme".parse().unwrap();
    api.app.store.create_tenant(&acme, START).await.unwrap();
    let theirs = api.key_of(&acme, &[Scope::Admin], None).await;
    let group = api.group(json!({"name": "a", "is_auto_assigned": true})).await;
    let user = api.some_user().await;
    let foreign = api
        .call_as(&theirs, Method::POST, "/api/users", json!({"skip_conformance_checks": true}))
        .await
        .json_of(StatusCode::CREATED);
    let same = api.call_as(&theirs, Method::POST, "/api/groups", json!({"name": "A"})).await;
    let same = same.json_of(StatusCode::CREATED);
    for (method, path) in [
        (Method::GET, path(&group)),
        (Method::PATCH, path(&group)),
        (Method::DELETE, path(&group)),
        (Method::GET, format!("/api/users/groups/{}/assigned", text(&group, "group_id"))),
        (Method::GET, format!("/api/users/{}/groups", text(&user, "user_id"))),
        (Method::GET, place(&user, &group)),
        (Method::DELETE, place(&user, &group)),
        (Method::POST, place(&foreign, &group)),
        (Method::POST, place(&user, &same)),
    ] {
        let body = if method == Method::PATCH { json!({"name": "stolen"}) } else { Value::Null };
        api.call_as(&theirs, method, &path, body).await.problem(StatusCode::NOT_FOUND);
    }
    let listed = api.call_as(&theirs, Method::GET, "/api/groups", Value::Null).await.json();
    assert_eq!(listed, json!([same]));
    let of_theirs = format!("/api/users/{}/groups", text(&foreign, "user_id"));
    assert_eq!(api.call_as(&theirs, Method::GET, &of_theirs, Value::Null).await.json(), json!([]));
    assert_eq!(api.get("/api/groups").await.json().as_array().unwrap().len(), 1);
    assert_eq!(api.users_assigned(&group).await, 1);
}
