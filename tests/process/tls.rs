//! TLS: a certificate of the server's own, or one from files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reqwest::{Certificate, Version};

use super::client::{Client, trusting};
use super::dev;
use super::server::{Home, Server, eventually};

const CERTIFICATE: &str = "data/tls-self-signed.pem";
const KEY: &str = "data/tls-self-signed.key";

/// The certificate that the server says it can be trusted by.
fn told(home: &Home, server: &Server) -> Certificate {
    let told = "clients can trust this server by ";
    let path = eventually("the certificate's path", || {
        server.stdout().lines().find_map(|line| line.strip_prefix(told).map(str::to_owned))
    });
    let pem = fs::read(home.path(&path)).expect("the certificate can be read");
    Certificate::from_pem(&pem).expect("it is a certificate")
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_verifies_by_http_2_and_1() {
    let home = Home::new();
    let server = home.serve(&["--tls-self-signed"]);
    assert!(server.url.starts_with("https://127.0.0.1:"));
    let certificate = told(&home, &server);
    let key = home.key("users:write,users:read");
    for (settings, version) in [
        (trusting([certificate.clone()]), Version::HTTP_2),
        (trusting([certificate]).http1_only(), Version::HTTP_11),
    ] {
        let client = Client::over(settings, &server.url, &key);
        let user = client.create("ada@example.com").await;
        let answer = client.post(&user.path("verify"), None).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        assert!(client.is_verified(&user).await);
        assert_eq!(client.mark(&user, "unverify").await.unwrap(), 200);
    }
    let stranger = Client::over(trusting([]), &server.url, &key);
    assert!(stranger.get("/api/users").await.unwrap_err().is_connect());
}

#[test]
fn the_certificate_stays_the_same_and_its_key_private() {
    let home = Home::new();
    let files = || [CERTIFICATE, KEY].map(|file| fs::read(home.path(file)).unwrap());
    home.serve(&["--tls-self-signed"]).kill();
    let first = files();
    home.serve(&["--tls-self-signed"]).kill();
    assert!(first == files());
    assert_eq!(fs::metadata(home.path(KEY)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_certificate_can_come_from_files() {
    let maker = Home::new();
    let server = maker.serve(&["--tls-self-signed"]);
    let certificate = told(&maker, &server);
    server.kill();
    let home = Home::new();
    fs::copy(maker.path(CERTIFICATE), home.path("cert.pem")).unwrap();
    fs::copy(maker.path(KEY), home.path("key.pem")).unwrap();
    let server = home.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let client = Client::over(trusting([certificate]), &server.url, &home.key("users:read"));
    assert_eq!(client.list_status().await, 200);
}

#[test]
fn files_that_will_not_do_are_told_by_name() {
    let home = Home::new();
    let complaint = |certificate, key| {
        home.complains(&["serve", "--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key])
    };
    let missing = complaint("missing.pem", "missing.key");
    assert!(missing.contains("missing.pem") && missing.contains("cannot be read"), "{missing}");
    home.serve(&["--tls-self-signed"]).kill();
    let missing = complaint(CERTIFICATE, "missing.key");
    assert!(missing.contains("missing.key") && missing.contains("cannot be read"), "{missing}");
    fs::write(home.path("empty.pem"), "").unwrap();
    let empty = complaint("empty.pem", KEY);
    assert!(empty.contains("empty.pem"), "{empty}");
    let files = ["--tls-cert", CERTIFICATE, "--tls-key", KEY];
    let both =
        home.complains(&[&["serve", "--listen", "127.0.0.1:0", "--tls-self-signed"], &files[..]].concat());
    assert!(both.contains("--tls-self-signed and --tls-cert exclude each other"), "{both}");
    let mut command = home.command(&[&["serve", "--listen", "127.0.0.1:0"], &files[..]].concat());
    assert!(Server::start(command.env("BONAFIDE_TLS_SELF_SIGNED", "0")).url.starts_with("https://"));
    let alone = home.complains(&["serve", "--tls-cert", CERTIFICATE]);
    assert!(alone.contains("--tls-key"), "{alone}");
}

#[test]
fn the_printed_lines_work_over_tls() {
    let home = Home::new();
    let server = home.serve(&["--dev", "--tls-self-signed"]);
    let lines = dev::curl_lines(&server);
    assert_eq!(dev::run(&home, &lines[0])["emails"][0]["verified"], true);
}
