//! What an operator is told of a filter.

use super::client::Client;
use super::server::Home;
use crate::postgres::Database;

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_explained_beside_a_running_server() {
    let home = Home::new();
    let server = home.serve(&[]);
    let client = Client::new(&server, &home.key("users:write,emails:verify"));
    let ada = client.create("ada@example.com").await;
    client.create("grace@example.com").await;
    client.verify(&ada).await;
    let explain = |arguments: &[&str]| {
        tokio::task::block_in_place(|| home.prints(&[&["explain"][..], arguments].concat()))
    };
    let told = explain(&["example emails.verified:true disabled:false", "--sort", "last_updated:1"]);
    let beginning = "Filter: example AND emails.verified:true AND disabled:false\n\
                     Order: last_updated, smallest first\n\
                     Users of the tenant: 2\n\
                     \n\
                     How many users each condition finds by itself:\n  \
                     example: 2\n  \
                     emails.verified:true: 1\n  \
                     disabled:false: no index finds these, each user is asked\n\
                     \n\
                     No more than 1 can match, which a page holds";
    assert!(told.starts_with(beginning), "{told}");
    assert!(told.contains("\nUsers who match: 1\n\nselect u.document"), "{told}");
    assert!(told.contains("t.field = 'emails.verified' and t.value = 'true'"), "{told}");
    assert!(told.contains("SEARCH t USING PRIMARY KEY"), "{told}");
    let all = explain(&[""]);
    assert!(all.starts_with("Filter: *:*\nOrder: creation_time, largest first\n"), "{all}");
    assert!(all.contains("Everybody matches") && all.contains("\nUsers who match: 2\n"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_explained_on_postgresql() {
    let (home, database) = (Home::new(), Database::empty().await);
    let server = home.serve(&["--store", &database.url, "--secret-file", "secret"]);
    let run = |arguments: &[&str]| {
        tokio::task::block_in_place(|| home.prints(&[arguments, &["--store", &database.url]].concat()))
    };
    let key = run(&["keys", "create", "--name", "test", "--scopes", "users:write,emails:verify"]);
    let client = Client::new(&server, key.trim_end());
    let ada = client.create("ada@example.com").await;
    client.create("grace@example.com").await;
    client.verify(&ada).await;
    let told = run(&["explain", "example emails.verified:true disabled:false", "--sort", "last_updated:1"]);
    let beginning = "Filter: example AND emails.verified:true AND disabled:false\n\
                     Order: last_updated, smallest first\n\
                     Users of the tenant: 2\n\
                     \n\
                     How many users each condition finds by itself:\n  \
                     example: 2\n  \
                     emails.verified:true: 1\n  \
                     disabled:false: no index finds these, each user is asked\n\
                     \n\
                     No more than 1 can match, which a page holds";
    assert!(told.starts_with(beginning), "{told}");
    assert!(told.contains("\nUsers who match: 1\n\nwith matching as"), "{told}");
    assert!(told.contains("t.field = 'emails.verified' and t.value = 'true'"), "{told}");
    assert!(told.contains("using index_terms_pkey on index_terms t"), "{told}");
    let all = run(&["explain", ""]);
    assert!(all.starts_with("Filter: *:*\nOrder: creation_time, largest first\n"), "{all}");
    assert!(all.contains("Everybody matches") && all.contains("\nUsers who match: 2\n"), "{all}");
    let complaint = tokio::task::block_in_place(|| {
        home.complains(&["explain", "a", "--tenant", "nobody", "--store", &database.url])
    });
    assert!(complaint.contains("bonafide tenants list"), "{complaint}");
}

#[test]
fn what_cannot_be_explained_is_told() {
    let home = Home::new();
    let nothing = home.complains(&["explain", "a"]);
    assert!(nothing.contains("there is no store data/bonafide.db"), "{nothing}");
    home.key("admin");
    let filter = home.complains(&["explain", "a AND shoe_size:9"]);
    assert!(filter.contains("The filter is wrong at character 7. There is no such field."), "{filter}");
    let sort = home.complains(&["explain", "a", "--sort", "shoe_size:1"]);
    assert!(sort.contains("the keys are failure_count"), "{sort}");
    let tenant = home.complains(&["explain", "a", "--tenant", "nobody"]);
    assert!(tenant.contains("bonafide tenants list"), "{tenant}");
}
