mod interleaving;

use super::*;
use crate::directory::email::EmailAddress;
use crate::directory::event::{Actor, Details, Method, Origin};
use crate::directory::password::PasswordHash;
use crate::directory::phone::PhoneNumber;
use crate::directory::settings::Means;
use crate::directory::user::NewUser;
use crate::id::{RequestId, SeededRandom};

/// Where everything of a test comes from.
struct Scene {
    random: SeededRandom,
    origin: Origin,
    secret: ServerSecret,
    now: Timestamp,
}

impl Scene {
    fn new() -> Self {
        let random = SeededRandom::new(5);
        let origin = Origin {
            tenant: TenantId::default_tenant(),
            actor: Actor::Owner,
            method: Method::Link,
            request_id: RequestId::new(&random),
            remote_address: None,
            user_agent: None,
            reason: None,
        };
        let secret = ServerSecret::new(&random);
        Self { random, origin, secret, now: Timestamp(1_000) }
    }

    fn ctx(&self) -> Context<'_> {
        Context { now: self.now, random: &self.random, origin: &self.origin }
    }

    /// A user with these emails, none of them verified.
    fn user(&self, emails: &[&str]) -> User {
        let new = NewUser { skip_conformance_checks: true, ..NewUser::default() };
        let (mut user, _) = User::create(new, &self.ctx()).unwrap();
        for email in emails {
            user.add_email(EmailAddress::parse(email).unwrap(), false, &self.ctx()).unwrap();
        }
        user
    }

    fn make(&self, user: &User, address: AddressId, settings: &Settings) -> Made {
        user.make_proof(address, None, settings, &self.secret, &self.ctx()).unwrap()
    }

    /// A proof of this address as a store keeps it.
    fn kept(&self, user: &User, address: AddressId) -> KeptProof {
        let proof = self.make(user, address, &Settings::default()).proof;
        KeptProof { proof, generation: 3, current_generation: Some(3), used_at: None }
    }
}

fn email(user: &User, number: usize) -> AddressId {
    AddressId::email(user.emails[number].id)
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

/// The account's own user sets another password.
fn change_password(user: &mut User, hash: &str, scene: &Scene) {
    let hash = PasswordHash::from_stored(hash.to_owned());
    user.change_password(hash, Some(SetBy::Owner), &scene.ctx()).unwrap();
}

const PURGING: fn() -> Settings = || Settings { purge_unproven: true, ..Settings::default() };

#[test]
fn an_email_is_proved_by_what_the_tenant_has_chosen_and_a_phone_number_by_a_code() {
    let scene = Scene::new();
    let mut user = scene.user(&["a@example.com"]);
    user.add_phone(PhoneNumber::parse("+441514960453").unwrap(), false, &scene.ctx()).unwrap();
    for (means, link, code) in
        [(Means::Link, true, false), (Means::Code, false, true), (Means::Both, true, true)]
    {
        let settings = Settings { proof_means: means, ..Settings::default() };
        let made = scene.make(&user, email(&user, 0), &settings);
        assert_eq!((made.token.is_some(), made.code.is_some()), (link, code));
        assert_eq!((made.proof.link.is_some(), made.proof.code.is_some()), (link, code));
        assert_eq!(made.proof.canonical, "a@example.com");
        let phone = scene.make(&user, AddressId::phone(user.phone_numbers[0].id), &settings);
        assert!(phone.token.is_none() && phone.code.is_some());
    }
}

#[test]
fn a_link_works_for_a_day_and_a_code_for_ten_minutes_unless_it_is_said_otherwise() {
    let scene = Scene::new();
    let user = scene.user(&["a@example.com"]);
    let settings = Settings { proof_means: Means::Both, ..Settings::default() };
    let kept = |expiry: Option<u64>| {
        let expiry = expiry.map(Duration::from_secs);
        let made = user.make_proof(email(&user, 0), expiry, &settings, &scene.secret, &scene.ctx()).unwrap();
        let expires_at = made.expires_at();
        let kept = KeptProof { proof: made.proof, generation: 0, current_generation: Some(0), used_at: None };
        (kept, expires_at)
    };
    let at = |seconds: i64| Timestamp(scene.now.0 + seconds);
    let (proof, expires_at) = kept(None);
    assert_eq!(expires_at, at(86_400));
    assert!(proof.code_works(at(599)) && !proof.code_works(at(600)));
    assert!(proof.link_works(at(86_399)) && !proof.link_works(at(86_400)));
    assert!(proof.works(at(86_399)) && !proof.works(at(86_400)));
    let (proof, expires_at) = kept(Some(60));
    assert_eq!(expires_at, at(60));
    assert!(proof.works(at(59)) && !proof.works(at(60)));
}

#[test]
fn an_expiry_is_a_minute_to_seven_days() {
    assert_eq!(expiry(None).unwrap(), None);
    for good in [60, 604_800] {
        assert_eq!(expiry(Some(good)).unwrap(), Some(Duration::from_secs(good.unsigned_abs())));
    }
    for wrong in [59, 604_801, 0, -60, i64::MIN, i64::MAX] {
        assert!(expiry(Some(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn a_proof_counts_once_and_while_its_address_is_what_it_was() {
    let scene = Scene::new();
    let user = scene.user(&["a@example.com"]);
    let proof = scene.kept(&user, email(&user, 0));
    assert!(proof.is_open() && proof.link_works(scene.now));
    for over in [
        KeptProof { used_at: Some(scene.now), ..proof.clone() },
        KeptProof { current_generation: Some(4), ..proof.clone() },
        KeptProof { current_generation: None, ..proof.clone() },
    ] {
        assert!(!over.is_open() && !over.works(scene.now));
    }
    // By a used one the address is verified, until it loses its trust.
    assert!(KeptProof { used_at: Some(scene.now), ..proof.clone() }.is_bound());
    assert!(!KeptProof { used_at: Some(scene.now), current_generation: Some(4), ..proof }.is_bound());
}

#[test]
fn a_proof_verifies_its_address_and_nothing_else() {
    let scene = Scene::new();
    let mut user = scene.user(&["a@example.com", "b@example.com"]);
    let proof = scene.kept(&user, email(&user, 1)).proof;
    let standing = Standing { proved_at: Some(Timestamp(1)), ..Standing::default() };
    let decision = user.prove(&proof, &standing, &Settings::default(), &scene.ctx()).unwrap();
    assert_eq!(kinds(&decision.events), ["user.email.verified"]);
    assert_eq!((decision.events[0].method, &decision.events[0].actor), (Method::Link, &Actor::Owner));
    assert_eq!(decision.events[0].details, None);
    assert!(matches!(decision.proof, ProofChange::Use(id) if id == proof.id));
    assert_eq!(user.emails.iter().map(|email| email.verified).collect::<Vec<_>>(), [false, true]);
    assert_eq!(user.emails[1].verification_source, Some(Provider::Monocloud));
    assert!(user.emails[0].primary);
}

#[test]
fn a_proof_of_an_address_that_is_verified_already_is_on_record_and_who_vouched_for_it_stays() {
    let scene = Scene::new();
    let mut user = scene.user(&["a@example.com"]);
    user.verify_email(user.emails[0].id, &scene.ctx()).unwrap();
    user.emails[0].verification_source = Some(Provider::Google);
    let (before, proof) = (user.clone(), scene.kept(&user, email(&user, 0)).proof);
    let decision = user.prove(&proof, &Standing::default(), &Settings::default(), &scene.ctx()).unwrap();
    assert_eq!(kinds(&decision.events), ["user.email.verified"]);
    assert_eq!(user, before);
}

#[test]
fn a_proof_of_an_address_that_is_gone_proves_nothing() {
    let scene = Scene::new();
    let mut user = scene.user(&["a@example.com"]);
    let proof = scene.kept(&user, email(&user, 0)).proof;
    user.remove_email(user.emails[0].id, &scene.ctx()).unwrap();
    user.add_email(EmailAddress::parse("a@example.com").unwrap(), false, &scene.ctx()).unwrap();
    let before = user.clone();
    let refused = user.prove(&proof, &Standing::default(), &Settings::default(), &scene.ctx());
    assert!(matches!(refused, Err(Error::NotFound(crate::error::Missing::Email))));
    assert_eq!(user, before);
}

/// The paper's "trojan identifier": the attacker, who knows the password of an account made with the
/// victim's address, has an address of their own on it, too.
#[test]
fn the_first_proof_ends_the_proof_of_a_trojan_identifier_and_distrusts_its_password() {
    let scene = Scene::new();
    let mut user = scene.user(&["victim@example.com", "attacker@example.org"]);
    change_password(&mut user, "the attacker's", &scene);
    let [victims, attackers] = [0, 1].map(|number| scene.kept(&user, email(&user, number)));
    let standing = Standing {
        password_set_by: Some(SetBy::Owner),
        proofs: vec![victims.clone(), attackers.clone()],
        ..Standing::default()
    };
    let decision = user.prove(&victims.proof, &standing, &Settings::default(), &scene.ctx()).unwrap();
    assert!(matches!(decision.proof, ProofChange::UseFirst(id) if id == victims.proof.id));
    assert!(matches!(decision.secret, SecretChange::Distrust));
    assert_eq!(kinds(&decision.events), ["user.email.verified", "user.password.reset_required"]);
    assert_eq!(
        decision.events[0].details.clone().and_then(Details::unproven),
        Some(Unproven {
            ended_proofs: vec![attackers.proof.address.id],
            ended_reset: false,
            password: Some(UnprovenPassword::ResetRequired),
            removed_identifiers: vec![],
        })
    );
    assert!(user.force_password_reset && user.has_password);
    assert_eq!(user.emails.len(), 2);
}

/// The paper's "unexpired change of the address": the attacker has asked for a proof of an address of
/// theirs, and waits with it until the account is the victim's.
#[test]
fn the_first_proof_ends_an_unexpired_change_of_the_address_and_a_later_one_does_not() {
    let scene = Scene::new();
    let mut user = scene.user(&["victim@example.com", "attacker@example.org"]);
    let [victims, attackers] = [0, 1].map(|number| scene.kept(&user, email(&user, number)));
    let proofs = vec![victims.clone(), attackers.clone()];
    let standing = Standing { proofs: proofs.clone(), ..Standing::default() };
    let decision = user.clone().prove(&victims.proof, &standing, &Settings::default(), &scene.ctx()).unwrap();
    assert!(matches!(decision.proof, ProofChange::UseFirst(id) if id == victims.proof.id));
    assert_eq!(
        decision.events[0].details.clone().and_then(Details::unproven),
        Some(Unproven { ended_proofs: vec![attackers.proof.address.id], ..Unproven::default() })
    );
    // On an account that is its owner's already it is the owner's own change.
    let standing = Standing { proved_at: Some(Timestamp(1)), proofs, ..Standing::default() };
    let decision = user.prove(&victims.proof, &standing, &Settings::default(), &scene.ctx()).unwrap();
    assert!(matches!(decision.proof, ProofChange::Use(_)));
}

#[test]
fn the_first_proof_ends_a_link_to_reset_the_password_and_names_it_while_it_works() {
    let scene = Scene::new();
    let mut user = scene.user(&["a@example.com"]);
    let proof = scene.kept(&user, email(&user, 0)).proof;
    for (until, works) in [(scene.now.0 + 1, true), (scene.now.0, false)] {
        let standing = Standing { reset_until: Some(Timestamp(until)), ..Standing::default() };
        let decision = user.clone().prove(&proof, &standing, &Settings::default(), &scene.ctx()).unwrap();
        assert_eq!(matches!(decision.secret, SecretChange::EndReset), works);
        let named = works.then(|| Unproven { ended_reset: true, ..Unproven::default() });
        assert_eq!(decision.events[0].details.clone().and_then(Details::unproven), named);
    }
    let standing = Standing {
        proved_at: Some(Timestamp(1)),
        reset_until: Some(Timestamp(9_999)),
        ..Standing::default()
    };
    let decision = user.prove(&proof, &standing, &Settings::default(), &scene.ctx()).unwrap();
    assert!(matches!(decision.secret, SecretChange::Keep));
}

#[test]
fn knowing_a_password_that_is_not_trusted_sets_no_other_and_an_administrator_can_vouch_for_it() {
    let scene = Scene::new();
    let mut user = scene.user(&["a@example.com"]);
    change_password(&mut user, "the attacker's", &scene);
    let proof = scene.kept(&user, email(&user, 0)).proof;
    let standing = Standing { password_set_by: Some(SetBy::Owner), ..Standing::default() };
    user.prove(&proof, &standing, &Settings::default(), &scene.ctx()).unwrap();
    let before = user.clone();
    let new = || PasswordHash::from_stored("another".to_owned());
    let refused = user.change_password(new(), Some(SetBy::Untrusted), &scene.ctx());
    let Err(Error::Refused(refusals)) = refused else { panic!("it was taken") };
    assert_eq!((refusals, &user), (vec![crate::error::Refusal::PasswordNotTrusted], &before));
    assert!(matches!(
        user.clone().reset_password(new(), &scene.ctx()).secret,
        SecretChange::Set(_, SetBy::Owner)
    ));
    let vouched = user.set_password_reset_required(false, &scene.ctx());
    assert!(matches!(vouched.secret, SecretChange::Vouch));
}

#[test]
fn a_tenant_that_purges_drops_the_password_and_the_trojan_identifiers() {
    let scene = Scene::new();
    let mut user = scene.user(&["attacker@example.org", "victim@example.com", "vouched@example.com"]);
    user.verify_email(user.emails[2].id, &scene.ctx()).unwrap();
    user.add_phone(PhoneNumber::parse("+441514960453").unwrap(), false, &scene.ctx()).unwrap();
    change_password(&mut user, "the attacker's", &scene);
    let proof = scene.kept(&user, email(&user, 1));
    let removed = vec![user.emails[0].id, user.phone_numbers[0].id];
    let standing = Standing { password_set_by: Some(SetBy::Owner), ..Standing::default() };
    let decision = user.prove(&proof.proof, &standing, &PURGING(), &scene.ctx()).unwrap();
    assert_eq!(
        kinds(&decision.events),
        ["user.email.verified", "user.password.removed", "user.email.removed", "user.phone.removed"]
    );
    assert!(matches!(decision.secret, SecretChange::Remove));
    assert_eq!(
        decision.events[0].details.clone().and_then(Details::unproven),
        Some(Unproven {
            ended_proofs: vec![],
            ended_reset: false,
            password: Some(UnprovenPassword::Removed),
            removed_identifiers: removed,
        })
    );
    assert!(!user.has_password && user.phone_numbers.is_empty());
    let left: Vec<_> = user.emails.iter().map(|email| (email.email.as_str(), email.primary)).collect();
    assert_eq!(left, [("victim@example.com", true), ("vouched@example.com", false)]);
}

#[test]
fn what_an_administrator_has_set_is_vouched_for_and_stays() {
    let scene = Scene::new();
    for (set_by, settings) in
        [(Some(SetBy::Admin), Settings::default()), (Some(SetBy::Admin), PURGING()), (None, PURGING())]
    {
        let mut user = scene.user(&["a@example.com"]);
        user.set_password(PasswordHash::from_stored("given".to_owned()), false, &scene.ctx());
        let proof = scene.kept(&user, email(&user, 0)).proof;
        let standing = Standing { password_set_by: set_by, ..Standing::default() };
        let decision = user.prove(&proof, &standing, &settings, &scene.ctx()).unwrap();
        assert_eq!(kinds(&decision.events), ["user.email.verified"]);
        assert_eq!(decision.events[0].details, None);
        assert!(user.has_password && !user.force_password_reset);
    }
}

#[test]
fn after_the_first_proof_an_account_is_its_owners_and_nothing_more_is_distrusted() {
    let scene = Scene::new();
    let mut user = scene.user(&["a@example.com", "b@example.com", "c@example.com"]);
    change_password(&mut user, "the owner's", &scene);
    let proofs: Vec<_> = (0..2).map(|number| scene.kept(&user, email(&user, number))).collect();
    let standing = Standing {
        proved_at: Some(Timestamp(1)),
        password_set_by: Some(SetBy::Owner),
        proofs: proofs.clone(),
        ..Standing::default()
    };
    let decision = user.prove(&proofs[0].proof, &standing, &PURGING(), &scene.ctx()).unwrap();
    assert!(matches!(decision.proof, ProofChange::Use(_)));
    assert_eq!((kinds(&decision.events), user.emails.len()), (vec!["user.email.verified"], 3));
    assert!(user.has_password && !user.force_password_reset);
}

/// An administrator's word about one address of a prepared account is none about the others.
#[test]
fn an_administrators_verify_on_a_prepared_account_ends_the_proofs_of_its_other_addresses() {
    let scene = Scene::new();
    let mut user = scene.user(&["victim@example.com", "attacker@example.org"]);
    let [victims, attackers] = [0, 1].map(|number| scene.kept(&user, email(&user, number)));
    let proofs = [victims.clone(), attackers.clone()];
    let decision = user.clone().verify_email(user.emails[0].id, &scene.ctx()).unwrap();
    let decision = decision.naming(&proofs, scene.now);
    assert!(matches!(decision.proof, ProofChange::EndOthers(id) if id == user.emails[0].id));
    assert_eq!(
        decision.events[0].details.clone().and_then(Details::unproven),
        Some(Unproven { ended_proofs: vec![attackers.proof.address.id], ..Unproven::default() })
    );
    // One that is only too old could be asked for again: it ends, and was under way no more.
    let later = Timestamp(scene.now.0 + 100_000);
    let decision = user.clone().verify_email(user.emails[0].id, &scene.ctx()).unwrap();
    let decision = decision.naming(&proofs, later);
    assert!(matches!(decision.proof, ProofChange::EndOthers(_)));
    assert_eq!(decision.events[0].details, None);
    // Where nothing is under way nothing ends.
    let decision = user.verify_email(user.emails[0].id, &scene.ctx()).unwrap();
    let decision = decision.naming(std::slice::from_ref(&victims), scene.now);
    assert!(matches!(decision.proof, ProofChange::Keep));
    assert_eq!(decision.events[0].details, None);
    // From then on the account is known to be somebody's, who may prove more of it.
    let decision = user.verify_email(user.emails[1].id, &scene.ctx()).unwrap();
    assert!(matches!(decision.naming(&proofs, scene.now).proof, ProofChange::Keep));
    // What was set there before anything was proved is not trusted for all that.
    change_password(&mut user, "the attacker's", &scene);
    let proof = scene.kept(&user, email(&user, 0)).proof;
    let standing = Standing { password_set_by: Some(SetBy::Owner), ..Standing::default() };
    user.prove(&proof, &standing, &Settings::default(), &scene.ctx()).unwrap();
    assert!(user.force_password_reset);
}

#[test]
fn unverifying_what_is_unverified_ends_what_is_under_way_and_nothing_where_nothing_is() {
    let scene = Scene::new();
    let user = scene.user(&["a@example.com", "b@example.com"]);
    let proof = scene.kept(&user, email(&user, 0));
    let end =
        |number, proofs: &[KeptProof]| user.end_proof(email(&user, number), proofs, &scene.ctx()).unwrap();
    let ended = end(0, std::slice::from_ref(&proof));
    assert_eq!(kinds(&ended.events), ["user.email.proof_ended"]);
    assert!(matches!(ended.proof, ProofChange::End(id) if id == user.emails[0].id));
    assert!(end(1, std::slice::from_ref(&proof)).is_nothing());
    assert!(end(0, &[]).is_nothing());
    assert!(end(0, &[KeptProof { used_at: Some(scene.now), ..proof }]).is_nothing());
}

#[test]
fn no_debug_print_of_a_proof_shows_its_address_or_what_checks_it() {
    let scene = Scene::new();
    let user = scene.user(&["alice@example.com"]);
    let made =
        scene.make(&user, email(&user, 0), &Settings { proof_means: Means::Both, ..Settings::default() });
    let (token, code) = (made.token.clone().unwrap().reveal(), made.code.clone().unwrap().reveal());
    let proof = made.proof;
    let kept = KeptProof { proof: proof.clone(), generation: 0, current_generation: None, used_at: None };
    let shown = format!("{proof:?} {kept:?} {:?}", ProofChange::Start(Box::new(proof.clone()), Vec::new()));
    for hidden in ["alice", token.split_once('_').unwrap().1, &code] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}
