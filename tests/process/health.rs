//! `bonafide health`, as it is asked in a container.

use tokio::net::TcpListener;

use super::own_postgres::OwnPostgres;
use super::server::{Home, eventually};

#[test]
fn a_server_that_is_ready_is_found_by_its_own_settings() {
    let home = Home::new();
    let complaint = home.complains(&["health", "--listen", "127.0.0.1:1"]);
    assert!(complaint.contains("http://127.0.0.1:1 cannot be asked"), "{complaint}");
    let server = home.serve(&[]);
    for asked in [&["--listen", server.address()][..], &["--url", &server.url]] {
        let printed = home.prints(&[&["health"], asked].concat());
        assert_eq!(printed, format!("the server at {} is ready\n", server.url));
    }
    std::fs::write(home.path("bonafide.toml"), format!("listen = \"{}\"\n", server.address())).unwrap();
    assert_eq!(home.prints(&["health"]), format!("the server at {} is ready\n", server.url));
    let complaint = home.complains(&["health", "--url", &format!("{}/elsewhere", server.url)]);
    assert!(complaint.contains("answers 404"), "{complaint}");
    let complaint = home.complains(&["health", "--url", "https://ada:tellnobody@localhost"]);
    assert!(complaint.contains("a user or a password") && !complaint.contains("tellnobody"), "{complaint}");
}

#[test]
fn a_server_with_tls_is_asked_whatever_the_name_in_its_certificate() {
    let home = Home::new();
    let server = home.serve(&["--tls-self-signed"]);
    let port = server.address().rsplit_once(':').unwrap().1;
    let printed = home.prints(&["health", "--listen", &format!("0.0.0.0:{port}"), "--tls-self-signed"]);
    assert_eq!(printed, format!("the server at https://127.0.0.1:{port} is ready\n"));
    assert_eq!(server.stderr().lines().count(), 1, "{}", server.stderr());
}

#[test]
fn a_server_whose_store_is_away_is_not_ready() {
    let home = Home::new();
    let postgres = OwnPostgres::start();
    eventually("PostgreSQL", || {
        home.run(&["migrate", "--store", &postgres.url]).status.success().then_some(())
    });
    let server = home.serve(&["--store", &postgres.url, "--secret-file", "secret"]);
    let ask = || home.run(&["health", "--url", &server.url]);
    eventually("that it is ready", || ask().status.success().then_some(()));
    drop(postgres);
    let told = eventually("that it is not ready", || {
        let output = ask();
        (output.status.code() == Some(1)).then(|| String::from_utf8(output.stderr).unwrap())
    });
    assert!(told.contains("is not ready: its store does not answer"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_the_connection_and_says_nothing_is_not_waited_for() {
    let home = Home::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let complaint = home.complains(&["health", "--listen", &address]);
    assert!(complaint.contains("does not answer within 5s"), "{complaint}");
}
