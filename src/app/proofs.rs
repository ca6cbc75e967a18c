//! Proving that an address is the user's: by a link or a code that only who reads its mail, or holds
//! the phone, can know. And the page behind a link to reset a password.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::App;
use crate::directory::event::Origin;
use crate::directory::password::Password;
use crate::directory::proof::AddressKind;
use crate::error::Error;
use crate::id::{IdentifierId, RequestId, UserId};
use crate::time::Timestamp;

/// How the link and the code get to who is to prove the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// By a mail of this server, if it has mail and the address is an email.
    pub by_mail: bool,
    /// By whoever asks, who is given them.
    pub in_answer: bool,
}

/// A proof that was started.
pub struct StartedProof {
    /// Until when the last of what was sent works; now, if nothing was.
    pub expires_at: Timestamp,
    /// Whether a mail is on its way.
    pub email_sent: bool,
    /// The link, a secret, if it was asked for.
    pub link: Option<String>,
    /// The code, a secret, if it was asked for.
    pub code: Option<String>,
}

/// An address that was proved.
pub struct Proved {
    /// The user's document afterwards.
    pub document: Bytes,
}

/// Who follows a link: nobody we know by a key.
#[derive(Clone)]
pub struct Visitor {
    /// The request.
    pub request_id: RequestId,
    /// The address it came from.
    pub remote_address: Option<IpAddr>,
    /// What the browser calls itself.
    pub user_agent: Option<String>,
}

/// What the page behind a link shows of an address.
pub struct Shown {
    /// In whose name the page speaks.
    pub tenant_name: String,
    /// The address.
    pub address: String,
}

/// What a link to prove an address is good for.
pub enum ProofView {
    /// It can prove this address.
    Live(Shown),
    /// It has proved this address, which is still verified by it.
    DoneByIt(Shown),
    /// Somebody else has this address verified: it cannot be verified here. Only trying tells.
    Taken(Shown),
    /// Nothing: it is expired, used, ended or was never made. Nobody is told which.
    Dead,
}

/// What a link to reset a password is good for.
pub enum ResetView {
    /// Another password can be set with it.
    Live {
        /// In whose name the page speaks.
        tenant_name: String,
    },
    /// Another password was set with it just now.
    Done {
        /// In whose name the page speaks.
        tenant_name: String,
    },
    /// Nothing: it is expired, used, ended or was never made. Nobody is told which.
    Dead,
}

impl App {
    /// Makes a link, a code, or both, by which an address of the user can be proved; earlier ones of
    /// this address end. If they would get to nobody, none is made.
    ///
    /// # Errors
    /// [`crate::error::Missing`], and [`Error::TooManyRequests`].
    pub async fn start_proof(
        &self,
        _origin: &Origin,
        _user_id: UserId,
        _address: (AddressKind, IdentifierId),
        _expiry: Option<Duration>,
        _delivery: Delivery,
    ) -> Result<StartedProof, Error> {
        Ok(StartedProof { expires_at: self.clock.now(), email_sent: false, link: None, code: None })
    }

    /// Proves an address by the code that was sent to it. Each try counts, whatever comes of it.
    ///
    /// # Errors
    /// [`crate::error::Missing`], [`crate::error::Refusal::InvalidCode`], and that somebody else has
    /// the address verified.
    pub async fn check_code(
        &self,
        origin: &Origin,
        user_id: UserId,
        _address: (AddressKind, IdentifierId),
        _code: &str,
    ) -> Result<Proved, Error> {
        Ok(Proved { document: self.user(&origin.tenant, user_id).await? })
    }

    /// What this link is good for: what its page shows. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn proof_view(&self, _token: &str) -> Result<ProofView, Error> {
        Ok(ProofView::Dead)
    }

    /// Proves the address that this link was sent to.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn prove_by_link(&self, _token: &str, _visitor: &Visitor) -> Result<ProofView, Error> {
        Ok(ProofView::Dead)
    }

    /// Sends another mail to the address that this link was sent to, if the link could still prove it
    /// but for its time. Nobody is told whether one was sent.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ask_again(&self, _token: &str, _visitor: &Visitor) -> Result<(), Error> {
        Ok(())
    }

    /// What this link is good for: what its page shows. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn reset_view(&self, _token: &str) -> Result<ResetView, Error> {
        Ok(ResetView::Dead)
    }

    /// Gives the user whose link this is another password.
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::Invalid`] (field `password`) for a password that the policy
    /// does not take: then the link stays good.
    pub async fn reset_by_link(
        &self,
        _token: &str,
        _new: &Password,
        _visitor: &Visitor,
    ) -> Result<ResetView, Error> {
        Ok(ResetView::Dead)
    }
}
