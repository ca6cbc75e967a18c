//! Making users without a password, beside raw writes.

use std::path::Path;

use anyhow::{Result, ensure};
use bonafide::directory::event::EventType;
use serde_json::{Value, json};

use crate::bench::{Bench, MANY};
use crate::figures::{Figures, Pair, Series};
use crate::growth::Sized;
use crate::limit_creates;
use crate::people::newcomer;
use crate::wrk::Load;

/// How much of the limit it must reach, in the smallest directory.
const RATIO: f64 = 0.5;
/// More users than are made in one run.
const ROOM: u64 = 1_000_000;

/// The file of the limit.
const LIMIT: &str = "limit-creates.db";
/// The file of the request.
const CREATES: &str = "creates";

/// Makes the file of the limit, with the users of the smallest store, and writes the request.
pub(crate) fn prepare(bench: &Bench, smallest: &Path) -> Result<()> {
    limit_creates::prepare(smallest, &bench.file(LIMIT))?;
    let new = newcomer("NUMBER");
    let mut body = new.claims;
    body.insert("email".to_owned(), json!(new.email));
    body.insert("phone_number".to_owned(), json!(new.phone_number));
    Ok(std::fs::write(bench.file(CREATES), format!("POST\t/api/users\t\t{}\n", Value::Object(body)))?)
}

/// Measures it. The directories are larger afterwards.
pub(crate) fn measure(bench: &mut Bench, sizes: &[Sized]) -> Result<()> {
    for (place, sized) in sizes.iter().enumerate() {
        let mut series = Series::new(format!("create, {} users / raw writes", sized.users), MANY);
        for repetition in 0..bench.options.reps {
            let create = |bench: &mut Bench| create(bench, sized, u64::from(repetition) * ROOM);
            let pair = if place == 0 {
                bench.pair(
                    repetition,
                    |bench| bench.write_raw("limit-creates", &bench.file(LIMIT)),
                    create,
                )?
            } else {
                Pair { limit: None, server: create(bench)? }
            };
            series.pairs.push(pair);
        }
        if let Some(ratio) = series.ratio() {
            let text = format!("create at {MANY} connections is {ratio:.2} of raw writes, {RATIO} at least");
            bench.report.target(ratio >= RATIO, text);
        }
        bench.report.series.push(series);
    }
    Ok(())
}

/// Makes users, and makes sure that the store holds an event for each answer.
fn create(bench: &mut Bench, sized: &Sized, first: u64) -> Result<Figures> {
    let Sized { users, service } = sized;
    let before = service.directory.newest_event()?;
    let load = Load {
        connections: MANY,
        seconds: bench.options.seconds,
        answer_bytes: 1_000,
        first,
        ..service.load(bench.file(CREATES))
    };
    let figures = bench.drive(&format!("create, {users} users"), &load)?;
    let events = service.directory.events_since(before, [EventType::UserCreated; 2])?;
    // What was under way when wrk stopped is not in its count.
    ensure!(
        (figures.count..=figures.count + u64::from(MANY)).contains(&events),
        "{} requests to make a user were answered, by {MANY} connections, and {events} events kept",
        figures.count
    );
    Ok(figures)
}
