//! Moving a whole store to another place.

use super::client::Client;
use super::server::Home;

#[tokio::test]
async fn a_copy_serves_the_same_users_to_the_same_keys() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write,users:read");
    let client = Client::new(&server, &key);
    let user = client.create("ada@example.com").await;
    client.verify(&user).await;
    drop(server);

    let copied = home.run(&["copy", "--from", "sqlite:data/bonafide.db", "--to", "sqlite:new/copy.db"]);
    let told = String::from_utf8_lossy(&copied.stderr);
    assert!(copied.status.success(), "{told}");
    assert_eq!(String::from_utf8_lossy(&copied.stdout), "the copy is complete\n");
    assert!(told.contains("users: 1 rows are the same on both sides"), "{told}");

    let server = home.serve(&["--store", "sqlite:new/copy.db"]);
    let client = Client::new(&server, &key);
    assert!(client.is_verified(&user).await);
    client.create("new@example.com").await;
}

#[test]
fn a_store_is_not_copied_into_itself_or_from_nowhere() {
    let home = Home::new();
    home.key("admin");
    let store = "sqlite:data/bonafide.db";
    let itself = home.complains(&["copy", "--from", store, "--to", store]);
    assert!(itself.contains("into itself"), "{itself}");
    let nowhere = home.complains(&["copy", "--from", "sqlite:none.db", "--to", "sqlite:copy.db"]);
    assert!(nowhere.contains("none.db"), "{nowhere}");
    assert!(!home.path("copy.db").exists(), "nothing is made before there is something to copy");
}
