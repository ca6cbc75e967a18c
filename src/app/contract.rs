//! What the app does alike on every store when much happens at once. Run on each implementation, as
//! the suite of `store/contract/` is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::proofs::{Delivery, ProofView, Visitor};
use super::{App, Call};
use crate::directory::email::EmailAddress;
use crate::directory::event::{Context, Details, EventType, Method, Origin, Recorded};
use crate::directory::phone::PhoneNumber;
use crate::directory::proof::{AddressId, AddressKind};
use crate::directory::repeat::{Fingerprint, NamedRequest};
use crate::directory::settings::Choices;
use crate::directory::user::{NewUser, User};
use crate::error::Error;
use crate::id::{RequestId, SeededRandom, TenantId, UserId};
use crate::secret::{PlainKey, ServerSecret};
use crate::store::contract::until_told;
use crate::store::{EventList, Store};
use crate::time::{ManualClock, Timestamp};

/// Runs every test on the stores that `$open` makes: an async function without arguments that gives a
/// store and what must be kept alive beside it.
macro_rules! app_contract {
    ($open:path) => {
        $crate::app::contract::app_contract! { $open:
            after_an_unverify_nothing_issued_before_can_verify_whatever_happens_at_once
            a_link_that_is_followed_beside_an_unverify_leaves_the_address_unverified
            of_two_who_follow_a_link_at_once_one_verifies
            of_many_codes_tried_at_once_five_count
            of_many_requests_of_one_name_at_once_one_is_done_whichever_server_has_it
        }
    };
    ($open:path: $($name:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                let (store, _kept) = $open().await;
                $crate::app::contract::$name(store.clone()).await;
                store.close().await;
            }
        )+
    };
}
pub(crate) use app_contract;

mod on_sqlite {
    super::app_contract!(crate::store::contract::sqlite);
}

mod on_postgres {
    super::app_contract!(crate::store::contract::postgres);
}

/// Servers over one store, and users of it.
struct Scene {
    /// Two of them: they share the store and the secret, and know nothing else of each other.
    servers: [Arc<App>; 2],
    clock: Arc<ManualClock>,
    random: Arc<SeededRandom>,
}

impl Scene {
    async fn new(store: Arc<dyn Store>) -> Self {
        let random = Arc::new(SeededRandom::new(11));
        let clock = Arc::new(ManualClock::at(Timestamp(1_000)));
        let secret = ServerSecret::new(&*random);
        let most = "10000";
        let choices = [
            ("proof_means", "both"),
            ("proofs_per_address_and_minute", most),
            ("proofs_per_address_and_hour", most),
            ("proofs_per_user_and_hour", most),
        ];
        let choices = choices.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let choices = Choices::new(choices.to_vec()).unwrap();
        assert!(store.choose(&TenantId::default_tenant(), choices).await.unwrap());
        let server = || {
            let (clock, random) = (clock.clone(), random.clone());
            Arc::new(App::new(store.clone(), clock, random, secret.clone()))
        };
        Self { servers: [server(), server()], clock, random }
    }

    /// Where a call of its own comes from.
    fn origin(&self) -> Origin {
        Origin::of_key(TenantId::default_tenant(), PlainKey::new(&*self.random).id(), "app", &*self.random)
    }

    fn visitor(&self) -> Visitor {
        Visitor { request_id: RequestId::new(&*self.random), remote_address: None, user_agent: None }
    }

    /// A user with these emails, none of them verified.
    async fn user(&self, emails: &[&str]) -> User {
        let new = NewUser { skip_conformance_checks: true, ..NewUser::default() };
        let app = &self.servers[0];
        let (user_id, mut user) = app.create(&self.origin(), new).await.unwrap();
        for email in emails {
            let email = EmailAddress::parse(email).unwrap();
            user = app
                .change(&self.origin(), user_id, |user, ctx| user.add_email(email.clone(), false, ctx))
                .await
                .unwrap();
        }
        User::from_document(&user.document).unwrap()
    }

    /// The same user with a phone number, which is not verified.
    async fn with_phone(&self, user: &User, number: &str) -> User {
        let number = PhoneNumber::parse(number).unwrap();
        let origin = self.origin();
        let added = self.servers[0]
            .change(&origin, user.user_id, |user, ctx| user.add_phone(number.clone(), false, ctx));
        User::from_document(&added.await.unwrap().document).unwrap()
    }

    /// A link and a code for this address; for a phone number a code alone.
    async fn start(&self, server: usize, origin: &Origin, user_id: UserId, address: AddressId) -> Issued {
        let delivery = Delivery { by_mail: false, in_answer: true };
        let started = self.servers[server].start_proof(origin, user_id, address, None, delivery).await;
        let started = started.unwrap();
        let token = started.link.map(|link| link.rsplit_once('/').unwrap().1.to_owned());
        Issued { address, token, code: started.code.unwrap(), request: origin.request_id.to_string() }
    }

    /// Everything that happened, in the order in which it was kept.
    async fn events(&self) -> Vec<Recorded> {
        until_told(&*self.servers[0].store).await;
        let (mut events, mut after) = (Vec::new(), Some(0));
        while let Some(position) = after {
            let wanted = EventList { after: position, limit: 1_000, user_id: None, kind: None };
            let page = self.servers[0].store.events(&TenantId::default_tenant(), wanted).await.unwrap();
            events.extend(page.events.into_iter().map(|(_, event)| event));
            after = page.next;
        }
        events
    }
}

/// What was handed out to prove an address.
#[derive(Clone)]
struct Issued {
    address: AddressId,
    token: Option<String>,
    code: String,
    /// The request that asked for it, by which its event is found.
    request: String,
}

/// What one of those does who all act at once.
#[derive(Clone, Debug)]
enum Act {
    Start(usize),
    /// Follows one of the links handed out before the round.
    Follow(usize),
    /// Enters one of the codes.
    Enter(usize),
    Verify(usize),
    Unverify(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..3_usize).prop_map(Act::Start),
        3 => (0..8_usize).prop_map(Act::Follow),
        5 => (0..8_usize).prop_map(Act::Enter),
        1 => (0..3_usize).prop_map(Act::Verify),
        2 => (0..3_usize).prop_map(Act::Unverify),
    ]
}

/// Rounds of calls that all run at once, on two servers. The order in which the store kept what
/// happened is in its events: by these, what has verified an address must not have ended before.
async fn after_an_unverify_nothing_issued_before_can_verify_whatever_happens_at_once(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let rounds = prop::collection::vec(act(), 2..9);
    let mut proved = [0; KINDS.len()];
    for number in 0..60 {
        let user = scene.user(&[&format!("a{number}@example.com"), &format!("b{number}@example.com")]).await;
        let user = scene.with_phone(&user, &format!("+4415149604{number:02}")).await;
        let mut issued: Vec<Issued> = Vec::new();
        let mut tried_with: HashMap<String, Issued> = HashMap::new();
        // By the requests that asked for them: what an unverify has ended that was answered, whether or
        // not it left an event.
        let mut ended: HashSet<String> = HashSet::new();
        for turn in 0..6 {
            // The first round only hands out, so that there is something to use.
            let round = match turn {
                0 => vec![Act::Start(0), Act::Start(1), Act::Start(2)],
                _ => rounds.new_tree(&mut runner).unwrap().current(),
            };
            let acts =
                round.iter().enumerate().map(|(turn, act)| perform(&scene, turn % 2, &user, &issued, act));
            let done = join_all(acts).await;
            for tried in &done {
                if let Done::Tried { request, with, has_proved } = tried {
                    assert!(!has_proved || !ended.contains(&with.request), "it had ended before");
                    tried_with.insert(request.clone(), with.clone());
                }
            }
            for unverified in &done {
                if let Done::Unverified(address) = unverified {
                    let of_it = issued.iter().filter(|issued| issued.address == *address);
                    ended.extend(of_it.map(|issued| issued.request.clone()));
                }
            }
            issued.extend(done.into_iter().filter_map(|done| match done {
                Done::Issued(made) => Some(made),
                _ => None,
            }));
        }
        let events = scene.events().await;
        let events: Vec<&Recorded> =
            events.iter().filter(|event| event.user_id == Some(user.user_id)).collect();
        for (proved, kind) in proved.iter_mut().zip(KINDS) {
            *proved += check(&events, &kind, &tried_with);
        }
    }
    let [emails, phones] = proved;
    assert!(emails > 20 && phones > 5, "{emails} and {phones} were proved: too few to show anything");
}

/// What an act has come to.
enum Done {
    Issued(Issued),
    /// This request has tried to prove an address with this.
    Tried {
        request: String,
        with: Issued,
        has_proved: bool,
    },
    /// This address was unverified.
    Unverified(AddressId),
    Else,
}

async fn perform(scene: &Scene, server: usize, user: &User, issued: &[Issued], act: &Act) -> Done {
    // On a thread of its own, so that acts truly run at once.
    let (app, user_id) = (scene.servers[server].clone(), user.user_id);
    let address = |number: usize| match user.emails.get(number) {
        Some(email) => AddressId::email(email.id),
        None => AddressId::phone(user.phone_numbers[0].id),
    };
    let origin = scene.origin();
    match act {
        Act::Start(number) => Done::Issued(scene.start(server, &origin, user_id, address(*number)).await),
        Act::Follow(number) => {
            let Some(with) = issued.get(*number % issued.len().max(1)).cloned() else { return Done::Else };
            let (visitor, Some(token)) = (scene.visitor(), with.token.clone()) else { return Done::Else };
            let request = visitor.request_id.to_string();
            let followed = tokio::spawn(async move { app.prove_by_link(&token, &visitor).await.unwrap() });
            let has_proved = matches!(followed.await.unwrap(), ProofView::DoneByIt(_));
            Done::Tried { request, with, has_proved }
        }
        Act::Enter(number) => {
            let Some(with) = issued.get(*number % issued.len().max(1)).cloned() else { return Done::Else };
            let request = origin.request_id.to_string();
            let tried = with.clone();
            let entered =
                tokio::spawn(
                    async move { app.check_code(&origin, user_id, tried.address, &tried.code).await },
                );
            let entered = entered.await.unwrap();
            assert!(matches!(entered, Ok(_) | Err(Error::Refused(_))));
            Done::Tried { request, with, has_proved: entered.is_ok() }
        }
        Act::Verify(number) => {
            let AddressId { kind, id } = address(*number);
            tokio::spawn(async move {
                let verify = |user: &mut User, ctx: &Context| match kind {
                    AddressKind::Email => user.verify_email(id, ctx),
                    AddressKind::Phone => user.verify_phone(id, ctx),
                };
                app.vouch(&origin, user_id, verify).await
            })
            .await
            .unwrap()
            .unwrap();
            Done::Else
        }
        Act::Unverify(number) => {
            let address = address(*number);
            let unverified =
                tokio::spawn(async move { app.unverify(&origin, user_id, address, || Ok(())).await });
            unverified.await.unwrap().unwrap();
            Done::Unverified(address)
        }
    }
}

/// What the events of a kind of address are called.
struct Kinds {
    verified: EventType,
    unverified: EventType,
    started: EventType,
    ended: EventType,
}

const KINDS: [Kinds; 2] = [
    Kinds {
        verified: EventType::EmailVerified,
        unverified: EventType::EmailUnverified,
        started: EventType::EmailProofStarted,
        ended: EventType::EmailProofEnded,
    },
    Kinds {
        verified: EventType::PhoneVerified,
        unverified: EventType::PhoneUnverified,
        started: EventType::PhoneProofStarted,
        ended: EventType::PhoneProofEnded,
    },
];

/// Checks each verification by a link or a code against what happened before, and tells how many there
/// were.
fn check(events: &[&Recorded], kinds: &Kinds, tried_with: &HashMap<String, Issued>) -> usize {
    let mut verifications = 0;
    let mut spent = HashSet::new();
    for (place, event) in events.iter().enumerate() {
        if event.kind != kinds.verified || event.method == Method::AdminApi {
            continue;
        }
        verifications += 1;
        let with = &tried_with[&event.request_id.to_string()];
        assert_eq!(event.identifier_id, Some(with.address.id));
        assert!(spent.insert(with.request.clone()), "a proof was used twice");
        let started = events
            .iter()
            .position(|event| event.kind == kinds.started && event.request_id.to_string() == with.request)
            .expect("what was handed out was started");
        assert!(started < place, "a proof was used before it was started");
        for between in &events[started + 1..place] {
            let is_of_it = between.identifier_id == event.identifier_id;
            let ends_its_own =
                [kinds.unverified, kinds.ended, kinds.started].iter().any(|kind| between.kind == *kind);
            let ended_elsewhere =
                between.details.as_ref().and_then(Details::read).and_then(Details::unproven);
            let is_named = ended_elsewhere.is_some_and(|unproven| {
                unproven.ended_proofs.iter().any(|id| Some(*id) == event.identifier_id)
            });
            let has_ended = is_of_it && ends_its_own || is_named;
            assert!(!has_ended, "{} came in between: {:?} by {:?}", between.kind, between.id, event.id);
        }
    }
    verifications
}

async fn of_two_who_follow_a_link_at_once_one_verifies(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    for number in 0..10 {
        let user = scene.user(&[&format!("a{number}@example.com")]).await;
        let address = AddressId::email(user.emails[0].id);
        let issued = scene.start(0, &scene.origin(), user.user_id, address).await;
        let before = scene.events().await.len();
        let visits = (0..6).map(|number| {
            let (app, visitor, token) =
                (scene.servers[number % 2].clone(), scene.visitor(), issued.token.clone().unwrap());
            tokio::spawn(async move { app.prove_by_link(&token, &visitor).await.unwrap() })
        });
        for view in join_all(visits).await {
            assert!(matches!(view.unwrap(), ProofView::DoneByIt(_)));
        }
        let events = scene.events().await;
        assert_eq!(events.len(), before + 1);
        assert!(events[before].kind == EventType::EmailVerified && events[before].method == Method::Link);
    }
}

/// Whichever comes first: the unverify ends the link, or takes the trust that it gave.
async fn a_link_that_is_followed_beside_an_unverify_leaves_the_address_unverified(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let user = scene.user(&["a@example.com"]).await;
    let (user_id, address) = (user.user_id, AddressId::email(user.emails[0].id));
    for round in 0..200 {
        let issued = scene.start(0, &scene.origin(), user_id, address).await;
        let (following, unverifying) = (scene.servers[0].clone(), scene.servers[1].clone());
        let (visitor, token, origin) = (scene.visitor(), issued.token.unwrap(), scene.origin());
        let followed = tokio::spawn(async move { following.prove_by_link(&token, &visitor).await });
        // At another moment each time.
        for _ in 0..20 * round {
            tokio::task::yield_now().await;
        }
        let unverified = unverifying.unverify(&origin, user_id, address, || Ok(())).await;
        unverified.unwrap();
        followed.await.unwrap().unwrap();
        let kept = scene.servers[0].current(&TenantId::default_tenant(), user_id).await.unwrap();
        assert!(!User::from_document(&kept.document).unwrap().emails[0].verified);
        // Only so many may be under way of one address in a time.
        scene.clock.advance(1);
    }
}

async fn of_many_codes_tried_at_once_five_count(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let user = scene.user(&["a@example.com"]).await;
    let address = AddressId::email(user.emails[0].id);
    let issued = scene.start(0, &scene.origin(), user.user_id, address).await;
    let right: u32 = issued.code.parse().unwrap();
    let tries = (1..=20).map(|number| {
        let (app, origin) = (scene.servers[number as usize % 2].clone(), scene.origin());
        let wrong = format!("{:06}", (right + number) % 1_000_000);
        let user_id = user.user_id;
        tokio::spawn(async move { app.check_code(&origin, user_id, address, &wrong).await.is_err() })
    });
    assert!(join_all(tries).await.into_iter().all(|refused| refused.unwrap()));
    // The right one comes too late, and a new one works.
    let origin = scene.origin();
    assert!(scene.servers[0].check_code(&origin, user.user_id, address, &issued.code).await.is_err());
    scene.clock.advance(1);
    let next = scene.start(1, &scene.origin(), user.user_id, address).await;
    assert!(scene.servers[0].check_code(&origin, user.user_id, address, &next.code).await.is_ok());
}

/// What only the store can see to: neither server knows what the other is doing.
async fn of_many_requests_of_one_name_at_once_one_is_done_whichever_server_has_it(store: Arc<dyn Store>) {
    let scene = Scene::new(store).await;
    let key_id = PlainKey::new(&*scene.random).id();
    for number in 0..10 {
        let user = scene.user(&[&format!("a{number}@example.com")]).await;
        let (user_id, email) = (user.user_id, user.emails[0].id);
        let named = Arc::new(NamedRequest {
            tenant: TenantId::default_tenant(),
            key_id,
            name: format!("name {number}").parse().unwrap(),
            fingerprint: Fingerprint::new(&scene.servers[0].secret, "/path", None, b""),
        });
        let before = scene.events().await.len();
        let asked = (0..8).map(|number| {
            let (app, origin, named) = (scene.servers[number % 2].clone(), scene.origin(), named.clone());
            tokio::spawn(async move {
                let call = Call { named: Some(&named), ..(&origin).into() };
                app.vouch(call, user_id, |user, ctx| user.verify_email(email, ctx)).await
            })
        });
        let mut done = Vec::new();
        for answer in join_all(asked).await {
            match answer.unwrap() {
                Ok(current) => done.push(current),
                Err(error) => assert!(matches!(error, Error::UnderWay), "{error}"),
            }
        }
        assert_eq!((done.len(), scene.events().await.len()), (1, before + 1));
        for app in &scene.servers {
            let kept = app.earlier(&named).await.unwrap().unwrap();
            assert_eq!((kept.version, kept.body), (Some(done[0].version), done[0].document.clone()));
        }
    }
}
