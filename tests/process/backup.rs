//! Copies of a store that is in use.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::client::Client;
use super::server::{Home, assert_whole};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_under_load_has_all_that_was_answered_before_and_is_a_store_of_its_own() {
    let home = Home::new();
    let server = home.serve(&[]);
    let key = home.key("users:write,users:read");
    let client = Client::new(&server, &key);
    let user = client.create("ada@example.com").await;
    client.verify(&user).await;

    let loaded = Arc::new(AtomicBool::new(true));
    let load = tokio::spawn({
        let (client, loaded) = (client.clone(), loaded.clone());
        async move {
            let mut number = 0;
            while loaded.load(Ordering::Relaxed) {
                client.create(&format!("user{number}@example.com")).await;
                number += 1;
            }
        }
    });
    let printed = tokio::task::block_in_place(|| home.prints(&["backup", "--to", "copy.db"]));
    loaded.store(false, Ordering::Relaxed);
    load.await.unwrap();
    assert_eq!(printed, "copy.db\n");
    let mode = fs::metadata(home.path("copy.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a copy of personal data is for its owner only");
    assert_whole(&Connection::open(home.path("copy.db")).unwrap());
    drop(server);

    let restored = home.serve(&["--store", "sqlite:copy.db"]);
    let client = Client::new(&restored, &key);
    assert!(client.is_verified(&user).await);
    client.create("new@example.com").await;
}

#[test]
fn a_backup_takes_no_other_files_place_and_leaves_nothing_when_it_fails() {
    let home = Home::new();
    home.key("admin");
    fs::write(home.path("notes.txt"), "dear diary").unwrap();
    let refused = home.complains(&["backup", "--to", "notes.txt"]);
    assert!(refused.contains("notes.txt is there already"), "{refused}");
    assert_eq!(fs::read_to_string(home.path("notes.txt")).unwrap(), "dear diary");
    let nowhere = home.complains(&["backup", "--to", "no/such/folder/copy.db"]);
    assert!(nowhere.contains("no/such/folder/copy.db"), "{nowhere}");
    let nothing = home.complains(&["backup", "--to", "copy.db", "--store", "sqlite:none.db"]);
    assert!(nothing.contains("there is no store none.db"), "{nothing}");
    let other = home.complains(&["backup", "--to", "copy.db", "--store", "sqlite:notes.txt"]);
    assert!(other.contains("notes.txt"), "{other}");
    assert!(!home.path("copy.db").exists());
    let left: Vec<_> =
        fs::read_dir(home.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
