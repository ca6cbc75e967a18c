use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::directory::event::{Context, Event, Origin, Personal};
use crate::id::{GroupId, SeededRandom, TenantId, UserId};
use crate::secret::PlainKey;

fn with_context<T>(test: impl FnOnce(&Context) -> T) -> T {
    let random = SeededRandom::new(1);
    let origin = Origin {
        remote_address: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
        user_agent: Some("test/1".to_owned()),
        reason: Some("asked".to_owned()),
        ..Origin::of_key(TenantId::default_tenant(), PlainKey::new(&random).id(), "test", &random)
    };
    test(&Context { now: Timestamp(7), random: &random, origin: &origin })
}

fn system() -> LogSystem {
    LogSystem::new(5, [127, 0, 0, 1].into())
}

/// The JSON of the log of an event.
fn log(event: Event) -> serde_json::Value {
    serde_json::to_value(Log::of(LogId::of_position(255), event.into(), &system()).unwrap()).unwrap()
}

#[test]
fn a_log_says_in_the_vocabularys_words_what_its_event_says() {
    with_context(|ctx| {
        let (user, group) = (UserId::new(ctx.random), GroupId::new(ctx.random));
        let event = ctx.group_event(EventType::GroupUserAdded, group, Some(user));
        let Actor::Key { key_id, .. } = &ctx.origin.actor else { panic!("{:?}", ctx.origin.actor) };
        let nowhere = json!({
            "region": null, "region_code": null, "city": null, "country": null, "continent": null,
            "latitude": null, "longitude": null, "time_zone": null, "zip_code": null
        });
        let expected = json!({
            "id": "00000000000000ff",
            "time_stamp": 7,
            "category": "users",
            "name": "User added to group",
            "description": "A user became a member of a group.",
            "type": "success",
            "code": "user_added_to_group",
            "message": null,
            "system": {
                "activity_id": null,
                "process_id": 5,
                "local_ip": {"ip": "127.0.0.1", "version": "IPv4"}
            },
            "request": {
                "trace_id": ctx.origin.request_id.to_string(),
                "user_agent": "test/1",
                "remote_ip": {"ip": "2001:db8::1", "version": "IPv6"},
                "location": nowhere
            },
            "source": null,
            "actor": {
                "type": "api_key",
                "id": key_id.as_str(),
                "name": "test",
                "identifier": null,
                "session_id": null
            },
            "targets": [
                {"type": "user", "id": user.to_string(), "name": null, "identifier": null},
                {"type": "group", "id": group.to_string(), "name": null, "identifier": null}
            ],
            "client": null,
            "details": {
                "event_id": event.id.to_string(),
                "event_type": "user.group.added",
                "method": "admin_api",
                "reason": "asked"
            }
        });
        assert_eq!(log(event), expected);
    });
}

#[test]
fn what_is_personal_is_null_when_it_was_erased() {
    with_context(|ctx| {
        let mut event = ctx.event(EventType::UserCreated, UserId::new(ctx.random), None, None);
        event.personal = Personal::default();
        let log = log(event);
        assert_eq!(
            [&log["request"]["user_agent"], &log["request"]["remote_ip"], &log["details"]["reason"]],
            [&json!(null); 3]
        );
    });
}

#[test]
fn the_owner_of_an_address_and_the_server_have_no_id_and_no_name() {
    with_context(|ctx| {
        for (actor, kind, r#type) in [
            (Actor::Owner, EventType::PasswordReset, "user"),
            (Actor::Server, EventType::EmailMailGivenUp, "system"),
        ] {
            let event = ctx.event(kind, UserId::new(ctx.random), None, None);
            let log = log(Event { actor, ..event });
            let expected =
                json!({"type": r#type, "id": null, "name": null, "identifier": null, "session_id": null});
            assert_eq!(log["actor"], expected);
        }
    });
}

#[test]
fn there_is_no_log_of_what_has_no_code() {
    with_context(|ctx| {
        for kind in EventType::ALL {
            let event = ctx.event(*kind, UserId::new(ctx.random), None, None);
            let told = Log::of(LogId::of_position(1), event.into(), &system()).is_some();
            assert_eq!(told, WORDINGS.iter().any(|wording| wording.event == *kind), "{kind}");
        }
        for kind in [EventType::EmailVerified, EventType::PasswordSet, EventType::UserDisabled] {
            assert!(Wording::of(kind).is_none(), "{kind}");
        }
    });
}

#[test]
fn every_code_has_one_wording_and_names_sort_as_codes_do() {
    let events: BTreeSet<_> = WORDINGS.iter().map(|wording| wording.event).collect();
    assert_eq!(events.len(), WORDINGS.len());
    let codes: Vec<_> = WORDINGS.iter().map(|wording| wording.code).collect();
    assert_eq!(codes, LogCode::ALL);
    assert!(WORDINGS.is_sorted_by(|one, next| one.code.as_str() < next.code.as_str()));
    assert!(WORDINGS.is_sorted_by(|one, next| one.name < next.name));
    for wording in WORDINGS {
        assert_eq!(wording.name.to_lowercase().replace(' ', "_"), wording.code.as_str());
    }
}

#[test]
fn a_name_is_on_the_wire_as_it_is_in_the_vocabulary() {
    let wire = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    for wording in WORDINGS {
        assert_eq!(wire(json!(wording.code)), wording.code.as_str());
        assert_eq!(wire(json!(wording.category)), wording.category.as_str());
        assert_eq!(wire(json!(wording.r#type)), wording.r#type.as_str());
        assert_eq!(wire(json!(wording.actor)), wording.actor.as_str());
        for target in wording.targets {
            assert_eq!(wire(json!(target)), target.as_str());
        }
    }
}

#[test]
fn ids_sort_as_positions_do_and_have_one_form() {
    let positions = [1, 9, 10, 255, 256, 1 << 40, i64::MAX];
    let texts = positions.map(|position| LogId::of_position(position).to_string());
    assert!(texts.is_sorted());
    for (text, position) in texts.iter().zip(positions) {
        assert_eq!(text.parse::<LogId>().unwrap().position(), position);
    }
    for wrong in [
        "",
        "1",
        "00000000000000FF",
        "+000000000000001",
        "ffffffffffffffff",
        "00000000000000001",
        "000000000000000g",
    ] {
        assert!(wrong.parse::<LogId>().is_err(), "{wrong}");
        assert_eq!(LogId::from_path(wrong).position(), 0);
    }
}
