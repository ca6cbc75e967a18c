//! From a row to what is to be kept of it, before the store is asked.

use tokio::sync::mpsc;

use super::{Fault, Numbered, TOGETHER};
use crate::app::App;
use crate::directory::event::{Context, Origin};
use crate::directory::group::Group;
use crate::directory::import::{NewRow, Row, imported};
use crate::directory::password::{Decision, PasswordHash, SecretChange, SetBy};
use crate::directory::user::User;
use crate::directory::whole::WholeUser;
use crate::error::Error;
use crate::store::{Arrival, UserChange};

/// A row that was decided on.
pub(super) struct Decided {
    pub(super) line: u64,
    pub(super) what: Result<What, Fault>,
}

/// What is to be kept of a row.
pub(super) enum What {
    /// A group as it was exported.
    Group(Box<Group>),
    /// A group of this name, if there is none.
    GroupNamed(String),
    /// A user.
    User(Box<Arriving>),
}

/// A user who is to be kept.
pub(super) struct Arriving {
    pub(super) user: User,
    /// What is to be kept, but for the groups.
    pub(super) change: UserChange,
    pub(super) groups: Joining,
}

/// Which groups a user joins.
pub(super) enum Joining {
    /// These and no others: the user is as they were exported.
    Exactly(Arrival),
    /// Those of these names, and those that take every new user.
    Named(Vec<String>),
}

/// Takes the rows that wait, and decides on each. There are none at the end only.
pub(super) async fn next(
    app: &App,
    origin: &Origin,
    rows: &mut mpsc::Receiver<Numbered>,
) -> Result<Vec<Decided>, Error> {
    let mut taken = Vec::with_capacity(TOGETHER);
    rows.recv_many(&mut taken, TOGETHER).await;
    let mut decided = Vec::with_capacity(taken.len());
    for Numbered { line, row } in taken {
        let what = match row {
            Ok(row) => decide(app, origin, row).await,
            Err(error) => Err(error),
        };
        let what = match what {
            Ok(what) => Ok(what),
            Err(error) => Err(Fault::of(error)?),
        };
        decided.push(Decided { line, what });
    }
    Ok(decided)
}

async fn decide(app: &App, origin: &Origin, row: Row) -> Result<What, Error> {
    Ok(match row {
        Row::Group(group) => What::Group(Box::new(group.group()?)),
        Row::GroupNamed(name) => What::GroupNamed(name),
        Row::Whole(whole) => What::User(Box::new(decide_whole(app, origin, *whole)?)),
        Row::New(new) => What::User(Box::new(decide_new(app, origin, *new).await?)),
    })
}

/// Decides on a user as they were exported.
fn decide_whole(app: &App, origin: &Origin, whole: WholeUser) -> Result<Arriving, Error> {
    let arrival = Arrival {
        automatic: None,
        groups: whole.groups.iter().map(|member| (member.group_id, member.creation_time)).collect(),
        proved_at: whole.proved_at,
    };
    let (user, password) = whole.restored()?;
    Ok(arriving(app, origin, user, password, Joining::Exactly(arrival)))
}

/// Decides on a user who is made here. The ids follow from the row.
async fn decide_new(app: &App, origin: &Origin, mut new: NewRow) -> Result<Arriving, Error> {
    let wanted = new.wanted()?;
    let names = std::mem::take(&mut new.groups);
    let ids = app.secret.for_import(&origin.tenant, &new.known_by);
    let user = new.user(wanted.is_some(), &Context { now: app.clock.now(), random: &ids, origin })?;
    let password = match wanted {
        Some(wanted) => Some((app.hash_password(wanted).await?, SetBy::Admin)),
        None => None,
    };
    Ok(arriving(app, origin, user, password, Joining::Named(names)))
}

fn arriving(
    app: &App,
    origin: &Origin,
    mut user: User,
    password: Option<(PasswordHash, SetBy)>,
    groups: Joining,
) -> Arriving {
    let event = imported(&user, &app.context(origin, app.clock.now()));
    let secret = password.map_or(SecretChange::Keep, |(hash, set_by)| SecretChange::Set(hash, set_by));
    let decision = Decision { secret, ..Decision::from(vec![event]) };
    let change = UserChange::arrive(&origin.tenant, &mut user, Arrival::default(), decision);
    Arriving { user, change, groups }
}
