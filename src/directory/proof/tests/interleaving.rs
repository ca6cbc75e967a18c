//! What must hold of an account in whatever order decisions about it are made and kept.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

/// What a store does with decisions, on one user: it keeps them if the version is the one they were
/// decided on, and knows generations and proofs.
struct Ledger {
    scene: Scene,
    user: User,
    version: u64,
    generations: HashMap<IdentifierId, i64>,
    proofs: HashMap<IdentifierId, KeptProof>,
    proved_at: Option<Timestamp>,
    /// Every proof that was ever issued, also those that have ended since.
    issued: Vec<Proof>,
    /// Those that nothing has ended since they were issued, by the words of the issue.
    must_live: HashSet<usize>,
}

/// A decision that waits to be kept.
struct Decided {
    version: u64,
    user: User,
    decision: Decision,
    /// The number of the proof that is used.
    uses: Option<usize>,
    /// The address that is unverified.
    unverifies: Option<IdentifierId>,
}

#[derive(Clone, Debug)]
enum Step {
    /// Decides to do something to one of the addresses.
    Decide(What, usize),
    /// Keeps one of the decisions that wait.
    Keep(usize),
    /// Lets seconds pass.
    Wait(i64),
}

#[derive(Clone, Copy, Debug)]
enum What {
    Start,
    Use,
    Verify,
    Unverify,
    Remove,
    Add,
}

fn step() -> impl Strategy<Value = Step> {
    use What::{Add, Remove, Start, Unverify, Use, Verify};
    let what =
        prop::sample::select(vec![Start, Start, Use, Use, Use, Verify, Unverify, Unverify, Remove, Add]);
    prop_oneof![
        5 => (what, 0..6_usize).prop_map(|(what, which)| Step::Decide(what, which)),
        5 => (0..3_usize).prop_map(Step::Keep),
        1 => (1..50_000_i64).prop_map(Step::Wait),
    ]
}

impl Ledger {
    fn new() -> Self {
        let scene = Scene::new();
        let user = scene.user(&["a@example.com", "b@example.com"]);
        let generations = user.emails.iter().map(|email| (email.id, 0)).collect();
        Self {
            scene,
            user,
            version: 0,
            generations,
            proofs: HashMap::new(),
            proved_at: None,
            issued: Vec::new(),
            must_live: HashSet::new(),
        }
    }

    fn kept(&self, proof: &Proof) -> Option<KeptProof> {
        let kept = self.proofs.get(&proof.address.id).filter(|kept| kept.proof.id == proof.id)?;
        let current_generation = self.generations.get(&proof.address.id).copied();
        Some(KeptProof { current_generation, ..kept.clone() })
    }

    fn standing(&self) -> Standing {
        let proofs = self.proofs.values().filter_map(|kept| self.kept(&kept.proof)).collect();
        Standing { proved_at: self.proved_at, proofs, ..Standing::default() }
    }

    fn decide(&self, what: What, which: usize) -> Option<Decided> {
        let ctx = self.scene.ctx();
        let mut user = self.user.clone();
        let address = email(&user, which.min(user.emails.len().checked_sub(1)?));
        let mut decided = Decided {
            version: self.version,
            user: user.clone(),
            decision: Decision::default(),
            uses: None,
            unverifies: None,
        };
        decided.decision = match what {
            What::Start => {
                let proof = self.scene.make(&user, address, &Settings::default()).proof;
                user.start_proof(proof, false, &Settings::default(), &ctx).unwrap()
            }
            What::Use => {
                let number = which % self.issued.len().max(1);
                let kept = self.kept(self.issued.get(number)?)?;
                if !kept.link_works(ctx.now) {
                    return None;
                }
                decided.uses = Some(number);
                user.prove(&kept.proof, &self.standing(), &Settings::default(), &ctx).unwrap()
            }
            What::Verify => user.verify_email(address.id, &ctx).unwrap(),
            What::Unverify => {
                decided.unverifies = Some(address.id);
                let events = user.unverify_email(address.id, &ctx).unwrap();
                if events.is_empty() {
                    user.end_proof(address, &self.standing().proofs, &ctx).unwrap()
                } else {
                    events.into()
                }
            }
            What::Remove => user.remove_email(address.id, &ctx).unwrap().into(),
            What::Add => {
                let text = ["a@example.com", "b@example.com", "c@example.com"][which % 3];
                user.add_email(EmailAddress::parse(text).unwrap(), false, &ctx).ok()?
            }
        };
        decided.user = user;
        Some(decided)
    }

    /// Keeps a decision, and says which proof it has used.
    fn keep(&mut self, decided: Decided) -> Option<usize> {
        if decided.decision.is_nothing() && decided.version == self.version {
            // Nothing is under way for it, so nothing may verify it.
            if let Some(address) = decided.unverifies {
                self.end(|id| id == address);
            }
        }
        if decided.version != self.version || decided.decision.is_nothing() {
            return None;
        }
        if let ProofChange::Use(id) | ProofChange::UseFirst(id) = &decided.decision.proof {
            let kept = self.proofs.values().find(|kept| kept.proof.id == *id);
            let kept = kept.and_then(|kept| self.kept(&kept.proof))?;
            if !kept.is_open() {
                return None;
            }
        }
        for before in self.user.emails.clone() {
            match decided.user.emails.iter().find(|after| after.id == before.id) {
                Some(after) if before.verified && !after.verified => {
                    *self.generations.get_mut(&before.id).unwrap() += 1;
                }
                Some(_) => {}
                None => {
                    self.generations.remove(&before.id);
                    self.proofs.remove(&before.id);
                    self.end(|id| id == before.id);
                }
            }
        }
        for after in &decided.user.emails {
            self.generations.entry(after.id).or_insert(0);
        }
        if let Some(address) = decided.unverifies {
            self.end(|id| id == address);
        }
        self.keep_proofs(decided.decision.proof);
        self.user = decided.user;
        self.version += 1;
        decided.uses
    }

    fn keep_proofs(&mut self, change: ProofChange) {
        match change {
            ProofChange::Keep => {}
            ProofChange::Start(proof, _) => {
                let address = proof.address.id;
                self.end(|id| id == address);
                self.must_live.insert(self.issued.len());
                self.issued.push((*proof).clone());
                let generation = self.generations[&address];
                let kept = KeptProof { proof: *proof, generation, current_generation: None, used_at: None };
                self.proofs.insert(address, kept);
            }
            ProofChange::Use(used) | ProofChange::UseFirst(used) => {
                let now = self.scene.now;
                let is_first = self.proved_at.is_none();
                self.proved_at.get_or_insert(now);
                self.proofs.retain(|_, kept| !is_first || kept.proof.id == used);
                let kept = self.proofs.values_mut().find(|kept| kept.proof.id == used).unwrap();
                kept.used_at = Some(now);
                let address = kept.proof.address.id;
                if is_first {
                    self.end(|id| id != address);
                }
            }
            ProofChange::End(address) => {
                self.proofs.remove(&address);
            }
            ProofChange::EndOthers(address) => {
                self.proofs.retain(|id, kept| *id == address || kept.used_at.is_some());
                self.end(|id| id != address);
            }
        }
    }

    /// Nothing that was issued for these addresses may verify one from now on.
    fn end(&mut self, of: impl Fn(IdentifierId) -> bool) {
        let issued = &self.issued;
        self.must_live.retain(|number| !of(issued[*number].address.id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Decisions are made and kept in any order, each on what was so when it was made.
    #[test]
    fn after_an_unverify_nothing_issued_before_can_verify_in_any_interleaving(steps in prop::collection::vec(step(), 1..60)) {
        let mut ledger = Ledger::new();
        let mut waiting: Vec<Decided> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(seconds) => ledger.scene.now.0 += seconds,
                Step::Decide(what, which) => waiting.extend(ledger.decide(what, which)),
                Step::Keep(_) if waiting.is_empty() => {}
                Step::Keep(which) => {
                    let decided = waiting.remove(which.min(waiting.len() - 1));
                    if let Some(number) = ledger.keep(decided) {
                        prop_assert!(
                            ledger.must_live.remove(&number),
                            "proof {number} has verified although it was used or something had ended it"
                        );
                    }
                }
            }
        }
    }
}
