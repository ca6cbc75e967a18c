//! The command line: what it prints, and what it says when something is wrong.

use super::server::Home;

#[test]
fn the_first_line_tells_where_the_server_listens_and_nothing_follows() {
    let home = Home::new();
    let server = home.serve(&[]);
    let port: u16 = server.url.strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap();
    assert_eq!(server.stdout(), format!("listening on http://127.0.0.1:{port}\n"));
}

#[test]
fn a_new_key_is_printed_and_nothing_else() {
    let printed = Home::new().prints(&["keys", "create", "--name", "test", "--scopes", "admin"]);
    let key = printed.strip_suffix('\n').unwrap();
    let parts: Vec<&str> = key.split('_').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    assert_eq!((parts[0], lengths), ("bf", vec![2, 12, 43]));
    assert!(parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_alphanumeric())), "{key}");
}

#[test]
fn a_list_of_keys_shows_all_but_the_secret() {
    let home = Home::new();
    let create = ["keys", "create", "--name", "test", "--scopes", "emails:verify,users:read,emails:verify"];
    let key = home.prints(&[&create[..], &["--expires", "1d"]].concat());
    let [id, secret] = [3..15, 16..59].map(|part| key[part].to_owned());
    let list = home.prints(&["keys", "list"]);
    let (header, line) = list.trim_end().split_once('\n').unwrap();
    assert_eq!(header, "ID\tTENANT\tSTATE\tSCOPES\tNAME\tCREATED\tEXPIRES\tLAST USED\tLIMIT\tFROM");
    let beginning = format!("{id}\tdefault\tactive\tusers:read,emails:verify\t\"test\"\t");
    let dates: Vec<&str> = line.strip_prefix(&beginning).unwrap().split('\t').collect();
    let [created, expires] = [dates[0], dates[1]].map(|date| date.parse::<jiff::Timestamp>().unwrap());
    assert_eq!((expires - created).get_seconds(), 86_400);
    assert!(dates[0].ends_with('Z') && dates[0].len() == 20, "{list}");
    assert_eq!(dates[2..], ["never", "none", "anywhere"]);
    assert!(!list.contains(&secret));
    home.prints(&["keys", "revoke", &id]);
    assert!(home.prints(&["keys", "list"]).contains("\trevoked\t"));
}

#[test]
fn mistakes_are_told_with_what_would_be_right() {
    let home = Home::new();
    let create = ["keys", "create", "--name", "test"];
    let scope = home.complains(&[&create[..], &["--scopes", "users:fly"]].concat());
    assert!(scope.contains("users:fly") && scope.contains("the scopes are users:read"), "{scope}");
    let duration = home.complains(&[&create[..], &["--scopes", "admin", "--expires", "soon"]].concat());
    assert!(duration.contains("soon") && duration.contains("like 30d"), "{duration}");
    let tenant = home.complains(&[&create[..], &["--scopes", "admin", "--tenant", "nobody"]].concat());
    assert!(tenant.contains("bonafide tenants create nobody"), "{tenant}");
    let id = home.complains(&["keys", "revoke", "AAAAAAAAAAAA"]);
    assert!(id.contains("AAAAAAAAAAAA") && id.contains("bonafide keys list"), "{id}");
    let store = home.complains(&["keys", "list", "--store", "mysql://here"]);
    assert!(store.contains("mysql://here") && store.contains("sqlite:data/bonafide.db"), "{store}");
    assert_eq!(home.prints(&["keys", "list"]).lines().count(), 1);
}

#[test]
fn a_store_of_a_newer_program_is_left_alone() {
    let home = Home::new();
    home.key("admin");
    let store = home.path("data/bonafide.db");
    rusqlite::Connection::open(&store).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = std::fs::read(&store).unwrap();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["keys", "list"]] {
        let complaint = home.complains(arguments);
        assert!(complaint.contains("newer bonafide") && complaint.contains("bonafide.db"), "{complaint}");
    }
    assert_eq!(before, std::fs::read(&store).unwrap());
}

#[test]
fn a_store_that_is_not_there_is_told_and_not_made() {
    let home = Home::new();
    for arguments in [&["keys", "list"][..], &["keys", "revoke", "AAAAAAAAAAAA"], &["tenants", "list"]] {
        let complaint = home.complains(arguments);
        assert!(complaint.contains("there is no store data/bonafide.db"), "{complaint}");
    }
    assert!(!home.path("data").exists());
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let home = Home::new();
    let path = home.path("notes.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("create table notes (text text)").unwrap();
    let before = std::fs::read(&path).unwrap();
    for arguments in
        [&["serve", "--listen", "127.0.0.1:0"][..], &["tenants", "create", "acme"], &["keys", "list"]]
    {
        let complaint = home.complains(&[arguments, &["--store", "sqlite:notes.db"]].concat());
        assert!(complaint.contains("notes.db") && complaint.contains("another program"), "{complaint}");
    }
    assert!(before == std::fs::read(&path).unwrap());
}

#[test]
fn an_address_that_is_taken_is_told() {
    let home = Home::new();
    let server = home.serve(&[]);
    let complaint = home.complains(&["serve", "--listen", server.address()]);
    assert!(
        complaint.contains(server.address()) && complaint.contains("cannot be listened on"),
        "{complaint}"
    );
}

#[test]
fn a_tenant_is_made_once() {
    let home = Home::new();
    assert_eq!(home.prints(&["tenants", "create", "acme"]), "acme\n");
    assert_eq!(home.prints(&["tenants", "list"]), "acme\t0 users\ndefault\t0 users\n");
    let complaint = home.complains(&["tenants", "create", "acme"]);
    assert!(complaint.contains("there is a tenant `acme` already"), "{complaint}");
}
