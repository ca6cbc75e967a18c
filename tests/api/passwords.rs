//! Passwords: set, removed, changed and reset, and never shown.

use axum::http::{Method, StatusCode};
use bonafide::directory::api_key::Scope;
use bonafide::directory::password::{MAX_TRIES, Password};
use bonafide::id::{TenantId, UserId};
use bonafide::secret::PlainToken;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::harness::{Answer, Api, START};

const OLD: &str = "correct horse battery";
const NEW: &str = "staple of the stable";
/// "correct horse" by another implementation of bcrypt, at cost 4.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";

fn path(user: &Value, action: &str) -> String {
    format!("/api/users/{}/password{action}", user["user_id"].as_str().unwrap())
}

fn id(user: &Value) -> UserId {
    user["user_id"].as_str().unwrap().parse().unwrap()
}

async fn put(api: &Api, path: &str, body: Value) -> Answer {
    api.call(Method::PUT, path, body).await
}

async fn user(api: &Api) -> Value {
    api.user(json!({"email": "user@example.com", "email_verified": true})).await
}

async fn user_with(api: &Api, password: &str) -> Value {
    let user = user(api).await;
    put(api, &path(&user, ""), json!({"password": password})).await.json()
}

async fn change(api: &Api, user: &Value, old: &str, new: &str) -> Answer {
    put(api, &path(user, "/change"), json!({"old_password": old, "new_password": new})).await
}

/// The hash that is kept.
async fn kept(api: &Api, user: &Value) -> Option<String> {
    let kept = api.app.store.password(&TenantId::default_tenant(), id(user)).await.unwrap();
    kept.map(|hash| hash.to_stored().to_owned())
}

/// Whether the password is the user's.
async fn works(api: &Api, user: &Value, password: &str) -> bool {
    let tenant = TenantId::default_tenant();
    api.app.check_password(&tenant, id(user), &Password::new(password)).await.unwrap().is_some()
}

async fn link(api: &Api, user: &Value, body: Value) -> String {
    let answer = api.post(&path(user, "/reset"), body).await.json();
    answer["link"].as_str().unwrap().to_owned()
}

/// Whether a link can still be used.
async fn is_outstanding(api: &Api, link: &str) -> bool {
    let token: PlainToken = link.rsplit_once('/').unwrap().1.parse().unwrap();
    let kept = api.app.store.reset_token(token.id()).await.unwrap();
    kept.is_some_and(|kept| kept.hash.matches_token(&token))
}

async fn kinds(api: &Api) -> Vec<&'static str> {
    api.events().await.into_iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn a_set_password_is_kept_as_argon2id_and_told_of_in_the_user() {
    let api = Api::new().await;
    let made = user(&api).await;
    api.clock.advance(5);
    let set = put(&api, &path(&made, ""), json!({"password": OLD, "revoke_sessions": true})).await.json();
    let mut expected = made.clone();
    expected["has_password"] = json!(true);
    expected["password_updated_at"] = json!(START.0 + 5);
    expected["last_updated"] = json!(START.0 + 5);
    expected["emails"][0]["authenticators"] = json!(["password", "email"]);
    assert_eq!(set, expected);
    let hash = kept(&api, &set).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(works(&api, &set, OLD).await && !works(&api, &set, NEW).await);
    let temporary = json!({"password": OLD, "is_temporary_password": true});
    let set = put(&api, &path(&made, ""), temporary).await.json();
    assert_eq!(set["force_password_reset"], json!(true));
    assert_ne!(kept(&api, &set).await.unwrap(), hash);
    let set = put(&api, &path(&made, ""), json!({"password": NEW})).await.json();
    assert_eq!(set["force_password_reset"], json!(false));
    assert_eq!(kinds(&api).await[3..], ["user.password.set"; 3]);
}

#[tokio::test]
async fn a_user_is_created_with_a_password_that_is_temporary_unless_told_otherwise() {
    let api = Api::new().await;
    let made = api.user(json!({"username": "ada", "password": OLD})).await;
    assert_eq!((&made["has_password"], &made["force_password_reset"]), (&json!(true), &json!(true)));
    assert_eq!(made["password_updated_at"], json!(START.0));
    assert_eq!(made["username"]["authenticators"], json!(["password"]));
    assert!(works(&api, &made, OLD).await);
    assert_eq!(kinds(&api).await, ["user.created", "user.password.set"]);
    let fields = json!({
        "username": "eve", "password_hash": BCRYPT, "password_hash_algorithm": "b_crypt", "is_temporary_password": false
    });
    let made = api.user(fields).await;
    assert_eq!((&made["has_password"], &made["force_password_reset"]), (&json!(true), &json!(false)));
    assert!(works(&api, &made, "correct horse").await);
    let short = json!({"username": "bob", "password": "x", "skip_password_policy_checks": true});
    api.user(short).await;
    // A user who is not made has no password.
    let taken = json!({"username": "BOB", "password": OLD});
    assert_eq!(api.post("/api/users", taken).await.codes(), ["DuplicateUserName"]);
}

#[tokio::test]
async fn the_policy_refuses_and_can_be_skipped_but_not_for_nothing() {
    let api = Api::new().await;
    let user = user(&api).await;
    for short in ["", "seven77"] {
        let refused = put(&api, &path(&user, ""), json!({"password": short})).await;
        assert_eq!(refused.codes(), ["PasswordTooShort"]);
    }
    let skip = |password: &str| json!({"password": password, "skip_password_policy_checks": true});
    assert_eq!(put(&api, &path(&user, ""), skip("")).await.codes(), ["PasswordTooShort"]);
    put(&api, &path(&user, ""), skip("7")).await.json();
    assert_eq!(change(&api, &user, "7", "seven77").await.codes(), ["PasswordTooShort"]);
    assert!(works(&api, &user, "7").await);
}

#[tokio::test]
async fn a_password_or_a_hash_of_one_is_needed_and_not_both() {
    let api = Api::new().await;
    let user = user(&api).await;
    let long = "x".repeat(1_025);
    for (body, field) in [
        (json!({}), "password"),
        (json!({"password": null, "password_hash": null}), "password"),
        (json!({"password": 12_345_678}), "password"),
        (json!({"password": long, "skip_password_policy_checks": true}), "password"),
        (json!({"password": OLD, "password_hash": BCRYPT}), "password_hash"),
        (json!({"password_hash": ""}), "password_hash"),
        (json!({"password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}), "password_hash"),
        (json!({"password_hash": BCRYPT.replacen("$04$", "$16$", 1)}), "password_hash"),
        (json!({"password_hash": BCRYPT.replacen("$2b$", "$2x$", 1)}), "password_hash"),
        (json!({"password_hash": BCRYPT, "password_hash_algorithm": "md5"}), "password_hash_algorithm"),
        (json!({"password": OLD, "is_temporary_password": "yes"}), "is_temporary_password"),
    ] {
        let answer = put(&api, &path(&user, ""), body.clone()).await;
        assert_eq!(answer.fields(), [field], "{body}");
        for secret in [OLD, BCRYPT, "12345678", "5f4dcc"] {
            assert!(!answer.text().contains(secret), "{}", answer.text());
        }
    }
    for (body, field) in [
        (json!({"new_password": NEW}), "old_password"),
        (json!({"old_password": OLD}), "new_password"),
        (json!({"old_password": long, "new_password": NEW}), "old_password"),
        (json!({"old_password": OLD, "new_password": NEW, "new_password_hash": BCRYPT}), "new_password_hash"),
        (json!({"old_password": OLD, "new_password_hash": "x"}), "new_password_hash"),
    ] {
        assert_eq!(put(&api, &path(&user, "/change"), body.clone()).await.fields(), [field], "{body}");
    }
    put(&api, &path(&user, ""), json!({"password": "x".repeat(1_024)})).await.json();
}

#[tokio::test]
async fn an_unknown_user_is_told_before_what_is_wrong_with_the_fields() {
    let api = Api::new().await;
    let nobody = json!({"user_id": "UOtBaOybB6dTpIJNrnkRw"});
    for (method, action, body) in [
        (Method::PUT, "", json!({"password": "x"})),
        (Method::PUT, "", json!({"password": OLD})),
        (Method::DELETE, "", Value::Null),
        (Method::POST, "/force_reset", Value::Null),
        (Method::DELETE, "/force_reset", Value::Null),
        (Method::PUT, "/change", json!({"old_password": 5})),
        (Method::PUT, "/change", json!({"old_password": OLD, "new_password": NEW})),
        (Method::POST, "/reset", json!({"expiry": 5})),
        (Method::POST, "/reset", Value::Null),
    ] {
        api.call(method, &path(&nobody, action), body).await.problem(StatusCode::NOT_FOUND);
    }
    assert!(api.events().await.is_empty());
}

#[tokio::test]
async fn a_removed_password_is_gone_and_so_is_the_need_to_set_another() {
    let api = Api::new().await;
    let made = user(&api).await;
    put(&api, &path(&made, ""), json!({"password": OLD, "is_temporary_password": true})).await.json();
    let removed = api.delete(&path(&made, "")).await;
    assert_eq!((removed.status, removed.bytes.len()), (StatusCode::NO_CONTENT, 0));
    let found = api.get(&format!("/api/users/{}", id(&made))).await;
    assert_eq!(found.json(), made);
    assert_eq!(kept(&api, &made).await, None);
    api.clock.advance(1);
    assert_eq!(api.delete(&path(&made, "")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&format!("/api/users/{}", id(&made))).await.bytes, found.bytes);
    assert_eq!(kinds(&api).await[3..], ["user.password.set", "user.password.removed"]);
}

/// Issue 3: the link stayed, and with it a way to set a password that was to be none.
#[tokio::test]
async fn removing_a_password_that_is_not_there_ends_a_link_and_changes_nothing_else() {
    let api = Api::new().await;
    let made = user(&api).await;
    let link = link(&api, &made, Value::Null).await;
    let address = format!("/api/users/{}", id(&made));
    let before = (api.get(&address).await.bytes, kinds(&api).await);
    api.clock.advance(1);
    for _ in 0..2 {
        let removed = api.delete(&path(&made, "")).await;
        assert_eq!((removed.status, removed.bytes.len()), (StatusCode::NO_CONTENT, 0));
        assert!(!is_outstanding(&api, &link).await);
        assert_eq!((api.get(&address).await.bytes, kinds(&api).await), before);
    }
}

#[tokio::test]
async fn a_deleted_users_password_is_gone() {
    let api = Api::new().await;
    let user = user_with(&api, OLD).await;
    let link = link(&api, &user, Value::Null).await;
    api.delete(&format!("/api/users/{}", id(&user))).await;
    assert_eq!(kept(&api, &user).await, None);
    assert!(!is_outstanding(&api, &link).await);
}

#[tokio::test]
async fn another_password_is_required_until_one_is_set_or_it_is_taken_back() {
    let api = Api::new().await;
    let user = user_with(&api, OLD).await;
    let forced = api.post(&path(&user, "/force_reset"), Value::Null).await;
    assert_eq!(forced.json()["force_password_reset"], json!(true));
    api.clock.advance(1);
    assert_eq!(api.post(&path(&user, "/force_reset"), Value::Null).await.bytes, forced.bytes);
    let freed = api.delete(&path(&user, "/force_reset")).await;
    assert_eq!(freed.json()["force_password_reset"], json!(false));
    assert_eq!(api.delete(&path(&user, "/force_reset")).await.bytes, freed.bytes);
    api.post(&path(&user, "/force_reset"), Value::Null).await.json();
    assert_eq!(change(&api, &user, OLD, NEW).await.json()["force_password_reset"], json!(false));
    assert_eq!(
        kinds(&api).await[4..],
        [
            "user.password.reset_required",
            "user.password.reset_not_required",
            "user.password.reset_required",
            "user.password.changed",
        ]
    );
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_the_old_one() {
    let api = Api::new().await;
    let user = user_with(&api, OLD).await;
    let before = kept(&api, &user).await;
    let wrong = change(&api, &user, NEW, OLD).await;
    assert_eq!(wrong.codes(), ["PasswordMismatch"]);
    assert_eq!(kept(&api, &user).await, before);
    api.clock.advance(5);
    let changed = change(&api, &user, OLD, NEW).await.json();
    assert_eq!(changed["password_updated_at"], json!(START.0 + 5));
    assert!(works(&api, &user, NEW).await && !works(&api, &user, OLD).await);
    let by_hash =
        json!({"old_password": NEW, "new_password_hash": BCRYPT, "new_password_hash_algorithm": "bcrypt"});
    put(&api, &path(&user, "/change"), by_hash).await.json();
    assert_eq!(kept(&api, &user).await.as_deref(), Some(BCRYPT));
    assert_eq!(kinds(&api).await[4..], ["user.password.changed"; 2]);
}

#[tokio::test]
async fn a_user_without_a_password_cannot_change_it() {
    let api = Api::new().await;
    let user = user(&api).await;
    assert_eq!(change(&api, &user, OLD, NEW).await.codes(), ["PasswordMismatch"]);
}

#[tokio::test]
async fn of_changes_with_the_same_old_password_at_once_one_wins() {
    let api = Api::new().await;
    let user = user_with(&api, OLD).await;
    let changes = (0..6).map(|number| {
        let (api, user) = (&api, &user);
        async move { change(api, user, OLD, &format!("{NEW}{number}")).await }
    });
    let answers = join_all(changes).await;
    let won: Vec<_> = (0..6).filter(|number| answers[*number].status == StatusCode::OK).collect();
    assert_eq!(won.len(), 1);
    assert!(works(&api, &user, &format!("{NEW}{}", won[0])).await);
    for answer in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
        assert_eq!(answer.codes(), ["PasswordMismatch"]);
    }
}

#[tokio::test]
async fn a_bcrypt_hash_is_kept_as_it_is_and_replaced_when_its_password_is_seen() {
    let api = Api::new().await;
    let user = user(&api).await;
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let hash = BCRYPT.replacen("$2b$", prefix, 1);
        put(&api, &path(&user, ""), json!({"password_hash": hash})).await.json();
        assert_eq!(kept(&api, &user).await.as_deref(), Some(hash.as_str()));
        assert!(!works(&api, &user, "wrong horse").await);
        assert_eq!(kept(&api, &user).await.as_deref(), Some(hash.as_str()));
        let before = (api.get(&format!("/api/users/{}", id(&user))).await.bytes, api.events().await.len());
        assert!(works(&api, &user, "correct horse").await);
        assert!(kept(&api, &user).await.unwrap().starts_with("$argon2id$"));
        assert!(works(&api, &user, "correct horse").await);
        let after = (api.get(&format!("/api/users/{}", id(&user))).await.bytes, api.events().await.len());
        assert_eq!(before, after);
    }
    put(&api, &path(&user, ""), json!({"password_hash": BCRYPT})).await.json();
    change(&api, &user, "correct horse", NEW).await.json();
    assert!(works(&api, &user, NEW).await);
}

#[tokio::test]
async fn wrong_passwords_are_bounded_by_the_hour_for_each_user() {
    let api = Api::new().await;
    let user = user_with(&api, OLD).await;
    let other = api.user(json!({"username": "other", "password": OLD})).await;
    api.clock.advance(100);
    change(&api, &user, NEW, NEW).await.codes();
    api.clock.advance(50);
    // All at once: each is counted before it is compared.
    let tries = join_all((0..MAX_TRIES + 5).map(|_| change(&api, &user, NEW, NEW))).await;
    let bounded = tries.iter().filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(bounded.count(), 6);
    // The right one, too.
    let answer = change(&api, &user, OLD, NEW).await;
    answer.problem(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "3550");
    change(&api, &other, OLD, NEW).await.json();
    // What is wrong with the fields is told first, and does not count.
    assert_eq!(change(&api, &user, OLD, "short").await.codes(), ["PasswordTooShort"]);
    api.clock.advance(3_549);
    change(&api, &user, OLD, NEW).await.problem(StatusCode::TOO_MANY_REQUESTS);
    api.clock.advance(1);
    change(&api, &user, OLD, NEW).await.json();
    // The right one has cleared them.
    for _ in 0..MAX_TRIES {
        assert_eq!(change(&api, &user, OLD, NEW).await.codes(), ["PasswordMismatch"]);
    }
    change(&api, &user, NEW, OLD).await.problem(StatusCode::TOO_MANY_REQUESTS);
    put(&api, &path(&user, ""), json!({"password": NEW})).await.json();
    change(&api, &user, NEW, OLD).await.json();
}

#[tokio::test]
async fn a_reset_answers_with_a_link_that_ends_with_the_next_password() {
    let api = Api::new().await;
    let user = user_with(&api, OLD).await;
    let answer = api.post(&path(&user, "/reset"), Value::Null).await.json();
    let first = answer["link"].as_str().unwrap().to_owned();
    assert_eq!(answer, json!({"link": first, "expires_at": START.0 + 3_600, "email_sent": false}));
    let token = first.strip_prefix("http://localhost/reset/").unwrap();
    assert!(token.len() >= 43 && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    assert!(is_outstanding(&api, &first).await && works(&api, &user, OLD).await);

    let answer = api.post(&path(&user, "/reset"), json!({"send_email": true, "expiry": 60})).await.json();
    assert_eq!((&answer["expires_at"], &answer["email_sent"]), (&json!(START.0 + 60), &json!(false)));
    let second = answer["link"].as_str().unwrap().to_owned();
    assert!(!is_outstanding(&api, &first).await && is_outstanding(&api, &second).await);
    put(&api, &path(&user, ""), json!({"password": OLD})).await.json();
    assert!(!is_outstanding(&api, &second).await);
    let third = link(&api, &user, json!({"expiry": null})).await;
    change(&api, &user, OLD, NEW).await.json();
    assert!(!is_outstanding(&api, &third).await);
    let fourth = link(&api, &user, json!({"expiry": 604_800})).await;
    api.delete(&path(&user, "")).await;
    assert!(!is_outstanding(&api, &fourth).await);
    for expiry in [json!(59), json!(604_801), json!(-1), json!("3600")] {
        let refused = api.post(&path(&user, "/reset"), json!({"expiry": expiry})).await;
        assert_eq!(refused.fields(), ["expiry"]);
    }
    assert_eq!(kinds(&api).await.iter().filter(|kind| **kind == "user.password.reset_started").count(), 4);
}

#[tokio::test]
async fn passwords_need_a_scope_of_their_own() {
    let api = Api::new().await;
    let user = user(&api).await;
    let writer = api.key(&[Scope::UsersRead, Scope::UsersWrite]).await;
    let both = api.key(&[Scope::UsersWrite, Scope::PasswordsWrite]).await;
    let passwords = api.key(&[Scope::PasswordsWrite]).await;
    for (method, action, body) in [
        (Method::PUT, "", json!({"password": OLD})),
        (Method::DELETE, "", Value::Null),
        (Method::POST, "/force_reset", Value::Null),
        (Method::DELETE, "/force_reset", Value::Null),
        (Method::PUT, "/change", json!({"old_password": OLD, "new_password": NEW})),
        (Method::POST, "/reset", Value::Null),
    ] {
        let refused = api.call_as(&writer, method.clone(), &path(&user, action), body.clone()).await;
        let problem = refused.problem(StatusCode::FORBIDDEN);
        assert!(problem["detail"].as_str().unwrap().contains("passwords:write"), "{problem}");
        let answer = api.call_as(&passwords, method, &path(&user, action), body).await;
        assert_ne!(answer.status, StatusCode::FORBIDDEN);
    }
    for secret in [json!({"password": "x"}), json!({"password_hash": BCRYPT}), json!({"password_hash": "x"})]
    {
        let mut fields = secret;
        fields["username"] = json!("ada");
        let refused = api.call_as(&writer, Method::POST, "/api/users", fields.clone()).await;
        let problem = refused.problem(StatusCode::FORBIDDEN);
        assert!(problem["detail"].as_str().unwrap().contains("passwords:write"), "{problem}");
        let refused = api.call_as(&passwords, Method::POST, "/api/users", fields).await;
        let problem = refused.problem(StatusCode::FORBIDDEN);
        assert!(problem["detail"].as_str().unwrap().contains("users:write"), "{problem}");
    }
    for (key, fields) in [
        (&writer, json!({"username": "ada", "is_temporary_password": true, "password": null})),
        (&both, json!({"username": "eve", "password": OLD})),
    ] {
        api.call_as(key, Method::POST, "/api/users", fields).await.json_of(StatusCode::CREATED);
    }
}

#[tokio::test]
async fn another_tenants_passwords_are_out_of_reach() {
    let api = Api::new().await;
    let acme: TenantId = "acme".parse().unwrap();
    api.app.store.create_tenant(&acme, START).await.unwrap();
    let theirs = api.key_of(&acme, &[Scope::Admin], None).await;
    let user = user_with(&api, OLD).await;
    for (method, action, body) in [
        (Method::PUT, "", json!({"password": NEW})),
        (Method::DELETE, "", Value::Null),
        (Method::POST, "/force_reset", Value::Null),
        (Method::PUT, "/change", json!({"old_password": OLD, "new_password": NEW})),
        (Method::POST, "/reset", Value::Null),
    ] {
        api.call_as(&theirs, method, &path(&user, action), body).await.problem(StatusCode::NOT_FOUND);
    }
    assert!(works(&api, &user, OLD).await);
}

/// Everything the API says, and all that is kept of events, after everything was done to passwords.
#[tokio::test]
async fn nothing_shows_a_password_a_hash_or_a_token() {
    let api = Api::new().await;
    let made =
        api.user(json!({"email": "user@example.com", "password": OLD, "is_temporary_password": false})).await;
    let mut hashes = vec![kept(&api, &made).await.unwrap()];
    let mut said = vec![made.to_string()];
    let link = link(&api, &made, Value::Null).await;
    let answers = [
        change(&api, &made, "wrong password", NEW).await,
        change(&api, &made, OLD, NEW).await,
        put(&api, &path(&made, ""), json!({"password": OLD, "password_hash": BCRYPT})).await,
        put(&api, &path(&made, ""), json!({"password_hash": BCRYPT})).await,
        api.post(&path(&made, "/force_reset"), Value::Null).await,
        api.get("/api/users").await,
        api.get(&format!("/api/users/{}", id(&made))).await,
    ];
    said.extend(answers.iter().map(|answer| format!("{} {:?}", answer.text(), answer.headers)));
    said.extend(api.events().await.iter().map(|event| {
        let personal = &event.personal;
        format!("{event:?} {:?} {:?} {:?}", personal.address, personal.user_agent, personal.reason)
    }));
    hashes.push(BCRYPT.to_owned());
    let token = link.rsplit_once('/').unwrap().1;
    let secret = token.split_once('_').unwrap().1;
    let tails = hashes.iter().map(|hash| &hash[hash.len() - 20..]);
    for hidden in [OLD, NEW, "wrong password", secret, "argon2", "$2b$"].into_iter().chain(tails) {
        assert!(said.iter().all(|text| !text.contains(hidden)), "{hidden} was shown");
    }
}
