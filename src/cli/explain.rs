//! `bonafide explain`.

use anyhow::Result;
use clap::Args;

use super::print;
use super::store::StoreOption;
use crate::directory::filter::{self, Expression};
use crate::id::TenantId;
use crate::store::search::Search;
use crate::store::search::users::{self, UserSearch};
use crate::store::ways::{Counted, Explanation, Way};
use crate::store::{List, Place, SortKey};

/// How many users the page has that is looked for, as in an answer that was asked for no more.
const SIZE: u32 = 10;

#[derive(Args)]
pub(super) struct Options {
    /// What the users must match, as in the query parameter `filter`
    #[arg(env = "BONAFIDE_FILTER")]
    filter: String,
    /// What they are sorted by, as in the query parameter `sort`
    #[arg(long, value_name = "KEY:DIRECTION", env = "BONAFIDE_SORT", default_value = "creation_time:-1", allow_hyphen_values = true, value_parser = sort)]
    sort: (SortKey, bool),
    /// The tenant whose users they are
    #[arg(long, env = "BONAFIDE_TENANT", default_value = "default")]
    tenant: TenantId,
    #[command(flatten)]
    store: StoreOption,
}

fn sort(text: &str) -> Result<(SortKey, bool), String> {
    let parsed = text.split_once(':').and_then(|(key, direction)| match direction {
        "1" => Some((SortKey::from_name(key)?, false)),
        "-1" => Some((SortKey::from_name(key)?, true)),
        _ => None,
    });
    parsed.ok_or_else(|| {
        let keys: Vec<&str> = SortKey::ALL.iter().map(|key| key.as_str()).collect();
        format!("it is a key and a direction, like creation_time:-1; the keys are {}", keys.join(", "))
    })
}

pub(super) async fn run(options: &Options) -> Result<()> {
    let Options { filter, sort: (sort, descending), tenant, store } = options;
    let place = Place::Sorted { sort: *sort, descending: *descending, offset: 0 };
    let list = List { filter: users::parse(filter)?, place, limit: SIZE };
    let expression = filter::parse(filter)?.unwrap_or(Expression::All);
    let parts = parts(&expression)?;
    let (texts, searches): (Vec<String>, Vec<UserSearch>) = parts.into_iter().unzip();
    let found = store.explain(tenant, &list, &searches).await?;
    let direction = if *descending { "largest first" } else { "smallest first" };
    print(&format!(
        "Filter: {expression}\nOrder: {sort}, {direction}\nUsers of the tenant: {}\n\n{}{}\n{}\n\n{}\n\n{}\n",
        found.users,
        counts(&texts, &found.parts),
        way(found.way),
        total(&found),
        found.statement,
        found.plan.join("\n")
    ))
}

/// The conditions of a filter, each once, with what they search for.
fn parts(expression: &Expression) -> Result<Vec<(String, UserSearch)>> {
    let mut parts: Vec<(String, UserSearch)> = Vec::new();
    let mut left = vec![expression];
    while let Some(next) = left.pop() {
        match next {
            Expression::All => {}
            Expression::And(inner) | Expression::Or(inner) => left.extend(inner.iter().rev()),
            Expression::Not(inner) => left.push(inner),
            Expression::Clause(_) => {
                let text = next.to_string();
                if parts.iter().all(|(known, _)| *known != text) {
                    let search = users::parse(&text)?.unwrap_or(Search::All);
                    parts.push((text, search));
                }
            }
        }
    }
    Ok(parts)
}

/// What each condition finds by itself, a line each, and an empty one.
fn counts(texts: &[String], counted: &[Counted]) -> String {
    if texts.is_empty() {
        return String::new();
    }
    let line = |(text, counted): (&String, &Counted)| match counted {
        Counted::Exactly(count) => format!("  {text}: {count}\n"),
        Counted::MoreThan(count) => format!("  {text}: more than {count}\n"),
        Counted::NotLookedUp => format!("  {text}: no index finds these, each user is asked\n"),
    };
    let lines: String = texts.iter().zip(counted).map(line).collect();
    format!("How many users each condition finds by itself:\n{lines}\n")
}

/// What was done, and why.
fn way(way: Way) -> String {
    match way {
        Way::Everybody => "Everybody matches, so the page is cut from the index of the order.".to_owned(),
        Way::Page(count) => format!(
            "No more than {count} can match, which a page holds: these were fetched by the condition that finds the \
             fewest, and asked for the rest."
        ),
        Way::Few(count) => format!(
            "No more than {count} can match, which is few: these were fetched by the condition that finds the fewest, \
             asked for the rest, and sorted."
        ),
        Way::Walk(most) => format!(
            "Many may match, so the index of the order was walked and each user on the way asked: the page was full, or \
             nobody left, within {most} users."
        ),
        Way::Read(most) => format!(
            "Many may match a range of values, and all of them would have to be gathered. So the first {most} users were \
             read and asked instead: the page was full, or nobody left."
        ),
        Way::Many(count) => format!(
            "Many may match, but few of the first do: the page was not full after a walk along the index of the order. \
             So those whom the least common condition finds, about {count}, were fetched, asked for the rest, and sorted."
        ),
        Way::WalkOn => {
            "Many may match, but not among the first, and the least common condition would find more users than the walk \
             passes: so the index of the order was walked until the page was full."
                .to_owned()
        }
        Way::AskEverybody => {
            "Few may match, and no index finds them: so everybody was asked, in the order that is least work, and those \
             who match were sorted."
                .to_owned()
        }
    }
}

/// How many match.
fn total(found: &Explanation) -> String {
    let (total, about) = (found.page.total, if found.page.total_is_estimate { "about " } else { "" });
    format!("Users who match: {about}{total}")
}
