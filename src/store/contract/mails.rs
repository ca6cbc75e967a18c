//! Mail that is to be sent.

use futures_util::future::join_all;

use super::*;
use crate::directory::mail::{MailChange, MailKind};
use crate::directory::password::Decision;
use crate::directory::settings::Settings;

/// A user, whose version is 2, for whom a mail waits, and that mail.
async fn waiting(store: &dyn Store, maker: &Maker) -> (User, Mail) {
    let (user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let change = maker.start(&user, 1, &maker.proof(&user, 0), &[]);
    let MailChange::Send(mail) = change.mail.clone() else { panic!("{:?}", change.mail) };
    store.keep(change).await.unwrap();
    (user, mail)
}

async fn due(store: &dyn Store, now: i64) -> Vec<Mail> {
    store.due_mails(Timestamp(now), 10).await.unwrap()
}

async fn claim(store: &dyn Store, mail: &Mail, now: i64, until: i64) -> bool {
    store.claim_mail(mail, Timestamp(now), Timestamp(until)).await.unwrap()
}

pub(crate) async fn a_mail_waits_with_the_change_that_sends_it(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, mail) = waiting(store, &maker).await;
    assert_eq!((mail.kind, mail.email, mail.attempts), (MailKind::Verify, user.emails[0].id, 0));
    assert_eq!(due(store, 999).await, []);
    assert_eq!(due(store, 1_000).await, std::slice::from_ref(&mail));
    // One that is not kept leaves none.
    let late = maker.start(&user, 1, &maker.proof(&user, 0), &[]);
    assert!(matches!(store.keep(late).await, Err(KeepError::Conflict)));
    assert_eq!(due(store, 1_000).await, std::slice::from_ref(&mail));

    let token = maker.token();
    let verified = maker.change(&mut user, 2, verify);
    store.keep(verified).await.unwrap();
    // The proof was asked for at the same moment.
    let settings = Settings { proofs_per_address_and_minute: 2, ..Settings::default() };
    let decision = user.start_password_reset(&token, Timestamp(5_000), true, &settings, &maker.context());
    store.keep(maker.beside(&user, 3, decision)).await.unwrap();
    let both = due(store, 1_000).await;
    assert_eq!(both.len(), 2);
    let reset = both.iter().find(|mail| mail.kind == MailKind::Reset).unwrap();
    assert_eq!((reset.token, reset.user_id, &reset.tenant), (token.id(), user.user_id, &default()));
    assert_eq!(store.due_mails(Timestamp(1_000), 1).await.unwrap().len(), 1);
    store.remove_mail(&default(), mail.id).await.unwrap();
    assert_eq!(due(store, 1_000).await.len(), 1);
}

pub(crate) async fn a_mail_is_claimed_by_one_and_comes_back_when_its_time_is_over(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (_, mail) = waiting(store, &maker).await;
    assert!(!claim(store, &mail, 999, 1_500).await);
    let claims = join_all((0..6).map(|_| claim(store, &mail, 1_000, 1_100))).await;
    assert_eq!(claims.into_iter().filter(|claimed| *claimed).count(), 1);
    assert_eq!(due(store, 1_099).await, []);
    let tried = Mail { attempts: 1, ..mail.clone() };
    assert!(!claim(store, &tried, 1_099, 1_500).await);
    // Whoever had it is gone. Only who has read it since can have it.
    assert_eq!(due(store, 1_100).await, std::slice::from_ref(&tried));
    assert!(!claim(store, &mail, 1_100, 1_200).await);
    assert!(claim(store, &tried, 1_100, 1_200).await);
    store.postpone_mail(&tried, Timestamp(1_115)).await.unwrap();
    assert_eq!(due(store, 1_114).await, []);
    let tried = Mail { attempts: 2, due_at: Timestamp(1_115), ..mail.clone() };
    assert!(!claim(store, &tried, 1_114, 1_500).await);
    assert_eq!(due(store, 1_115).await, std::slice::from_ref(&tried));
    assert!(claim(store, &tried, 1_115, 1_200).await);
    store.remove_mail(&default(), mail.id).await.unwrap();
    assert!(!claim(store, &Mail { attempts: 3, ..mail.clone() }, 9_999, 10_000).await);
    assert_eq!(due(store, 9_999).await, []);
}

pub(crate) async fn a_mail_is_kept_for_longer_by_who_has_it_and_touched_by_nobody_who_had_it_before(
    store: &dyn Store,
) {
    let maker = Maker::new(&default());
    let (_, mail) = waiting(store, &maker).await;
    let renew = async |mail: &Mail, until| store.renew_mail(mail, Timestamp(until)).await.unwrap();
    assert!(!renew(&mail, 9_000).await);
    assert!(claim(store, &mail, 1_000, 1_030).await);
    assert!(renew(&mail, 1_060).await);
    assert_eq!(due(store, 1_059).await, []);
    let read_by_another = due(store, 1_060).await.remove(0);
    assert!(claim(store, &read_by_another, 1_060, 1_090).await);
    // Who had it before says too late what became of it.
    assert!(!renew(&mail, 9_000).await);
    store.postpone_mail(&mail, Timestamp(1_061)).await.unwrap();
    assert_eq!(due(store, 1_089).await, []);
    assert_eq!(due(store, 1_090).await[0].due_at, Timestamp(1_000));
    store.remove_mail(&default(), mail.id).await.unwrap();
    assert!(!renew(&read_by_another, 9_000).await);
}

pub(crate) async fn what_waits_is_due_at_once_when_it_is_hurried_unless_it_is_being_tried(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (user, waits) = waiting(store, &maker).await;
    let tried = Mail { id: MailId::new(&maker.random), due_at: Timestamp(1_001), ..waits.clone() };
    let sent = Decision { mail: MailChange::Send(tried.clone()), ..Decision::default() };
    store.keep(maker.beside(&user, 2, sent)).await.unwrap();
    assert!(claim(store, &waits, 1_000, 1_030).await);
    store.postpone_mail(&waits, Timestamp(9_000)).await.unwrap();
    assert!(claim(store, &tried, 1_001, 1_031).await);
    store.hurry_mails(Timestamp(1_010)).await.unwrap();
    let hurried = Mail { attempts: 1, due_at: Timestamp(1_010), ..waits };
    assert_eq!(due(store, 1_010).await, [hurried]);
    // What is due stays so for as long as it was.
    store.hurry_mails(Timestamp(1_020)).await.unwrap();
    assert_eq!(due(store, 1_020).await[0].due_at, Timestamp(1_010));
    assert_eq!(due(store, 1_031).await.len(), 2);
}

pub(crate) async fn a_mail_that_was_sent_or_is_given_up_goes_with_an_event(store: &dyn Store) {
    let maker = Maker::new(&default());
    for kind in [EventType::EmailProofMailSent, EventType::EmailMailGivenUp] {
        let (user, mail) = waiting(store, &maker).await;
        let event = maker.context().event(kind, user.user_id, Some(mail.email), None);
        let ended = || Decision { mail: MailChange::Remove(mail.id), ..Decision::from(vec![event.clone()]) };
        // One that is not kept leaves the mail.
        let late = store.keep(maker.beside(&user, 1, ended())).await;
        assert!(matches!(late, Err(KeepError::Conflict)));
        assert_eq!(due(store, 9_999).await, std::slice::from_ref(&mail));
        store.keep(maker.beside(&user, 2, ended())).await.unwrap();
        assert_eq!(due(store, 9_999).await, []);
        assert_eq!(events(store, EVERYTHING).await.pop().unwrap().1, event.into());
    }
}
