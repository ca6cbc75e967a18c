//! Reading and marking, beside an older build of the program.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::bench::{Bench, MANY};
use crate::directory::{Directory, Service};
use crate::figures::{Figures, Pair, Series};
use crate::growth::back_to_back;
use crate::people::{Length, Person};
use crate::{gets, marks};

/// How much of the older program's rate must be reached.
const RATIO: f64 = 0.9;
/// How many users each of the two has.
const USERS: u64 = 10_000;
/// How many of them are made at once.
const AT_ONCE: u64 = 16;

/// Measures it. Both programs have the same users, each in a store of its own making.
pub(crate) fn measure(bench: &mut Bench, older: &Path, newer: &Path) -> Result<()> {
    eprintln!("making users with both programs");
    let programs = [make(older, bench.file("older.db"))?, make(newer, bench.file("newer.db"))?];
    compare(bench, &programs, "GET", gets::read)?;
    compare(bench, &programs, "verify, unverify", marks::mark)?;
    programs.into_iter().try_for_each(|service| service.server.stop())
}

/// Measures both programs right after each other, again and again.
fn compare(
    bench: &mut Bench,
    programs: &[Service; 2],
    name: &str,
    measure: fn(&mut Bench, &Service, u32) -> Result<Figures>,
) -> Result<()> {
    let mut series = Series { beside_a_limit: false, ..Series::new(format!("{name} / older program"), MANY) };
    for repetition in 0..bench.options.reps {
        let figures = back_to_back(programs, repetition, |service| measure(bench, service, MANY))?;
        series.pairs.push(Pair { limit: Some(figures[0]), server: figures[1] });
    }
    let ratio = series.ratio().unwrap_or(f64::NAN);
    let text = format!("{name} at {MANY} connections is {ratio:.2} of the older program, {RATIO} at least");
    bench.report.target(ratio >= RATIO, text);
    bench.report.series.push(series);
    Ok(())
}

/// Makes users through the API of a program, which may not know the schema of this one.
fn make(program: &Path, store: PathBuf) -> Result<Service> {
    let service = Directory::new(program, store, &[])?.serve()?;
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..AT_ONCE)
            .map(|maker| {
                let service = &service;
                scope.spawn(move || -> Result<()> {
                    for number in (maker..USERS).step_by(AT_ONCE as usize) {
                        let body = request(Person(number)).to_string();
                        service.server.ask("POST", "/api/users", &service.directory.key, &body)?;
                    }
                    Ok(())
                })
            })
            .collect();
        makers.into_iter().try_for_each(|maker| maker.join().map_err(|_| anyhow!("users were not made"))?)
    })?;
    Ok(service)
}

fn request(person: Person) -> Value {
    let new = person.new_user(Length::Long);
    let mut body = new.claims;
    body.remove("profile");
    body.insert("email".to_owned(), json!(new.email));
    body.insert("phone_number".to_owned(), json!(new.phone_number));
    body.insert("username".to_owned(), json!(new.username));
    Value::Object(body)
}
