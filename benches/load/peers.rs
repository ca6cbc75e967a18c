//! What people use today for the same two calls, on the same PostgreSQL. See `benches/peers/README.md`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bench::Bench;
use crate::cluster::Cluster;
use crate::directory::Service;
use crate::figures::{Figures, Series};
use crate::process::Server;
use crate::session::USERS;
use crate::wrk::Load;
use crate::{gets, kept, marks};

/// How many connections ask at once.
const CONNECTIONS: u32 = 16;
/// How many times as much the server must do: of reads and of changes.
const TIMES: (f64, f64) = (12.0, 8.0);
/// The key that both take.
const KEY: &str = "peer";
/// How many processes of gunicorn there are: twice as many as two cores, and one, as it advises.
const WORKERS: &str = "5";

/// A peer.
#[derive(Clone, Copy)]
enum Peer {
    BetterAuth,
    Allauth,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::BetterAuth => "better-auth",
            Self::Allauth => "django-allauth",
        }
    }

    /// The database, which a name in SQL must be good for.
    fn database(self) -> &'static str {
        match self {
            Self::BetterAuth => "better_auth",
            Self::Allauth => "allauth",
        }
    }

    /// Marks nobody verified.
    fn reset(self) -> &'static str {
        match self {
            Self::BetterAuth => "update \"user\" set \"emailVerified\" = false where \"emailVerified\"",
            Self::Allauth => "update account_emailaddress set verified = false where verified",
        }
    }

    /// How many are verified.
    fn verified(self) -> &'static str {
        match self {
            Self::BetterAuth => "select count(*) from \"user\" where \"emailVerified\"",
            Self::Allauth => "select count(*) from account_emailaddress where verified",
        }
    }
}

/// A peer with users in a database, and its files.
struct Installed<'a> {
    peer: Peer,
    cluster: &'a Cluster,
    /// Where its packages are.
    packages: PathBuf,
    /// Where its requests are.
    requests: PathBuf,
    url: String,
}

impl Installed<'_> {
    fn of<'a>(peer: Peer, cluster: &'a Cluster, packages: &Path, folder: &Path) -> Result<Installed<'a>> {
        eprintln!("making {USERS} users with {}", peer.name());
        let url = cluster.create(peer.database(), "template0")?;
        let requests = folder.join(peer.database());
        std::fs::create_dir_all(&requests)?;
        let installed = Installed { peer, cluster, packages: packages.join(peer.name()), requests, url };
        let seeded =
            installed.program().arg("seed").arg(USERS.to_string()).arg(&installed.requests).output()?;
        ensure!(
            seeded.status.success(),
            "{} made no users: {}",
            peer.name(),
            String::from_utf8_lossy(&seeded.stderr)
        );
        kept::run(&installed.url, &["vacuum analyze", "checkpoint"])?;
        Ok(installed)
    }

    /// Its program, in its folder and with its settings.
    fn program(&self) -> Command {
        match self.peer {
            Peer::BetterAuth => {
                let mut command = Command::new("node");
                command.arg("server.mjs");
                self.settled(command)
            }
            Peer::Allauth => {
                let mut command = Command::new(self.packages.join("venv/bin/python"));
                command.arg("project.py");
                self.settled(command)
            }
        }
    }

    fn settled(&self, mut command: Command) -> Command {
        command
            .current_dir(&self.packages)
            .env("NODE_ENV", "production")
            .env("DATABASE_URL", &self.url)
            .env("DATABASE_HOST", "127.0.0.1")
            .env("DATABASE_PORT", self.cluster.port.to_string())
            .env("DATABASE_NAME", self.peer.database());
        command
    }

    fn serve(&self) -> Result<Server> {
        let log = self.requests.join("log");
        match self.peer {
            Peer::BetterAuth => {
                let mut command = self.program();
                command.arg("serve").arg(&self.requests);
                Server::start(command, &log)
            }
            Peer::Allauth => {
                let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
                let mut command = Command::new(self.packages.join("venv/bin/gunicorn"));
                command.args(["--workers", WORKERS, "--bind", &address, "project:application"]);
                Server::start_silent(self.settled(command), &address, &log)
            }
        }
    }

    fn drive(&self, bench: &mut Bench, server: &Server, requests: &str) -> Result<Figures> {
        let load = Load {
            url: server.url().to_owned(),
            operations: self.requests.join(requests),
            key: KEY.to_owned(),
            connections: CONNECTIONS,
            seconds: bench.options.seconds,
            answer_bytes: 100,
            first: 0,
        };
        bench.drive(&format!("{}, {requests}", self.peer.name()), &load)
    }

    /// Marks users, and makes sure that so many are verified as were answered.
    fn mark(&self, bench: &mut Bench, server: &Server) -> Result<Figures> {
        kept::run(&self.url, &[self.peer.reset(), "vacuum analyze"])?;
        let figures = self.drive(bench, server, "marks")?;
        let verified = kept::number(&self.url, self.peer.verified())?.unsigned_abs();
        // Every second round takes back what the one before did.
        let (rounds, rest) = (figures.count / USERS, figures.count % USERS);
        let expected = if rounds.is_multiple_of(2) { rest } else { USERS - rest };
        ensure!(
            verified.abs_diff(expected) <= 2 * u64::from(CONNECTIONS),
            "{} answered {} changes, and {verified} users are verified in place of {expected}",
            self.peer.name(),
            figures.count
        );
        Ok(figures)
    }
}

/// Measures both, where they are installed.
pub(crate) fn measure(bench: &mut Bench, cluster: &Cluster, service: &Service) -> Result<()> {
    let Some(packages) = bench.options.peers.clone() else {
        bench.report.facts.push(("peers", "not measured: --peers does not say where they are".to_owned()));
        return Ok(());
    };
    let packages = packages.canonicalize().context("the peers are not where --peers says")?;
    for peer in [Peer::BetterAuth, Peer::Allauth] {
        let installed = Installed::of(peer, cluster, &packages, &bench.folder)?;
        let server = installed.serve()?;
        let beside = |what: &str| Series {
            beside_a_limit: false,
            ..Series::new(format!("{what} / {}", peer.name()), CONNECTIONS)
        };
        let (mut reads, mut changes) = (beside("GET"), beside("verify, unverify"));
        for repetition in 0..bench.options.reps {
            reads.pairs.push(bench.pair(
                repetition,
                |bench| installed.drive(bench, &server, "reads"),
                |bench| gets::read(bench, service, CONNECTIONS),
            )?);
            changes.pairs.push(bench.pair(
                repetition,
                |bench| installed.mark(bench, &server),
                |bench| {
                    // As the peer's tables are before it marks users.
                    kept::run(&service.directory.kept.url(), &["vacuum analyze"])?;
                    marks::mark(bench, service, CONNECTIONS)
                },
            )?);
        }
        server.stop()?;
        for (series, least) in [(reads, TIMES.0), (changes, TIMES.1)] {
            let ratio = series.ratio().unwrap_or(f64::NAN);
            let text = format!("{} is {ratio:.1}, {least} at least", series.name);
            bench.report.target(ratio >= least, text);
            bench.report.series.push(series);
        }
    }
    Ok(())
}
