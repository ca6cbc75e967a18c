//! What is said of each type of event that has a code: the words of the compatible vocabulary.

use serde::Serialize;
use utoipa::ToSchema;

use crate::directory::event::{Actor, EventType, names};

names! {
    /// What happened, in the compatible vocabulary. The order is that of the texts.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    #[schema(as = EventCodes)]
    LogCode {
        /// A mail could not be sent, and will not be tried again.
        EmailSendingFailed = "email_sending_failed",
        /// A group came to be.
        GroupCreated = "group_created",
        /// A group was removed.
        GroupDeleted = "group_deleted",
        /// A group was given other settings.
        GroupUpdated = "group_updated",
        /// A mail with a link to reset a password was sent.
        PasswordResetEmailSendingSucceeded = "password_reset_email_sending_succeeded",
        /// A block of a user was ended.
        UserAccountUnblocked = "user_account_unblocked",
        /// A user became a member of a group.
        UserAddedToGroup = "user_added_to_group",
        /// A user came to be.
        UserCreated = "user_created",
        /// A user was removed.
        UserDeleted = "user_deleted",
        /// The owner of an account has followed a link and given it another password.
        UserPasswordResetSucceeded = "user_password_reset_succeeded",
        /// A user is no longer a member of a group.
        UserRemovedFromGroup = "user_removed_from_group",
        /// A mail by which an email can be proved was sent to it.
        VerificationEmailSendingSucceeded = "verification_email_sending_succeeded",
    }
}

names! {
    /// What a log is about.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    #[schema(as = LogCategories)]
    LogCategory {
        /// Who is kept from signing in.
        Blocks = "blocks",
        /// Groups.
        Groups = "groups",
        /// Mail.
        Notifications = "notifications",
        /// Users, their passwords, and which groups they are in.
        Users = "users",
    }
}

names! {
    /// How it ended.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    #[schema(as = EventTypes)]
    LogType {
        /// It was not done: a mail was not sent. What was refused leaves no event.
        Failure = "failure",
        /// It was done.
        Success = "success",
    }
}

names! {
    /// What somebody is who did something.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    #[schema(as = ActorTypes)]
    ActorType {
        /// A service with a key of this API.
        ApiKey = "api_key",
        /// This server.
        System = "system",
        /// The owner of an address: who has what was sent to it.
        User = "user",
    }
}

impl ActorType {
    /// What whoever has done something is.
    pub(super) fn of(actor: &Actor) -> Self {
        match actor {
            Actor::Key { .. } => Self::ApiKey,
            Actor::Owner => Self::User,
            Actor::Server => Self::System,
        }
    }
}

names! {
    /// What something is that was acted on.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    #[schema(as = TargetTypes)]
    TargetType {
        /// A group.
        Group = "group",
        /// A user.
        User = "user",
    }
}

/// What is said of every event of one type.
#[derive(Debug)]
pub struct Wording {
    /// The type of the events.
    pub event: EventType,
    /// Their code.
    pub code: LogCode,
    /// What they are about.
    pub category: LogCategory,
    /// How they ended.
    pub r#type: LogType,
    /// By whom they are always done: so filters ask no event for its actor.
    pub actor: ActorType,
    /// The code in plain words. Names sort as their codes do.
    pub name: &'static str,
    /// A sentence that says what happened.
    pub description: &'static str,
    /// What they act on.
    pub targets: &'static [TargetType],
}

impl Wording {
    /// What is said of an event of this type, if it has a code.
    pub fn of(kind: EventType) -> Option<&'static Self> {
        WORDINGS.iter().find(|wording| wording.event == kind)
    }
}

/// The types of events that there are logs of, by code. An administrator who sets a password does
/// not reset it, and the vocabulary has no other code for that; so it is with all that is not here.
pub const WORDINGS: &[Wording] = &[
    Wording {
        event: EventType::EmailMailGivenUp,
        code: LogCode::EmailSendingFailed,
        category: LogCategory::Notifications,
        r#type: LogType::Failure,
        actor: ActorType::System,
        name: "Email sending failed",
        description: "A mail could not be sent, and will not be tried again.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::GroupCreated,
        code: LogCode::GroupCreated,
        category: LogCategory::Groups,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "Group created",
        description: "A group was created.",
        targets: &[TargetType::Group],
    },
    Wording {
        event: EventType::GroupDeleted,
        code: LogCode::GroupDeleted,
        category: LogCategory::Groups,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "Group deleted",
        description: "A group was deleted, with its memberships.",
        targets: &[TargetType::Group],
    },
    Wording {
        event: EventType::GroupUpdated,
        code: LogCode::GroupUpdated,
        category: LogCategory::Groups,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "Group updated",
        description: "The settings of a group were changed.",
        targets: &[TargetType::Group],
    },
    Wording {
        event: EventType::PasswordResetMailSent,
        code: LogCode::PasswordResetEmailSendingSucceeded,
        category: LogCategory::Notifications,
        r#type: LogType::Success,
        actor: ActorType::System,
        name: "Password reset email sending succeeded",
        description: "A mail with a link to reset a password was sent.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::UserUnblocked,
        code: LogCode::UserAccountUnblocked,
        category: LogCategory::Blocks,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "User account unblocked",
        description: "A user who was blocked may sign in again.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::GroupUserAdded,
        code: LogCode::UserAddedToGroup,
        category: LogCategory::Users,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "User added to group",
        description: "A user became a member of a group.",
        targets: &[TargetType::User, TargetType::Group],
    },
    Wording {
        event: EventType::UserCreated,
        code: LogCode::UserCreated,
        category: LogCategory::Users,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "User created",
        description: "A user was created.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::UserDeleted,
        code: LogCode::UserDeleted,
        category: LogCategory::Users,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "User deleted",
        description: "A user was deleted, with everything that was theirs.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::PasswordReset,
        code: LogCode::UserPasswordResetSucceeded,
        category: LogCategory::Users,
        r#type: LogType::Success,
        actor: ActorType::User,
        name: "User password reset succeeded",
        description: "A user who has followed a link to reset it was given another password.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::GroupUserRemoved,
        code: LogCode::UserRemovedFromGroup,
        category: LogCategory::Users,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "User removed from group",
        description: "A user is no longer a member of a group.",
        targets: &[TargetType::User, TargetType::Group],
    },
    Wording {
        event: EventType::EmailProofMailSent,
        code: LogCode::VerificationEmailSendingSucceeded,
        category: LogCategory::Notifications,
        r#type: LogType::Success,
        actor: ActorType::System,
        name: "Verification email sending succeeded",
        description: "A mail by which an email can be proved was sent to it.",
        targets: &[TargetType::User],
    },
];
