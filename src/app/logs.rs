//! Reading the logs.

use super::App;
use crate::directory::log::{Log, LogId};
use crate::error::{Error, Missing};
use crate::id::TenantId;
use crate::store::search::logs::LogSearch;
use crate::store::{LogSortKey, Page, Sorted};

impl App {
    /// A page of the tenant's logs.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn logs(
        &self,
        tenant: &TenantId,
        filter: Option<LogSearch>,
        list: Sorted<LogSortKey>,
    ) -> Result<Page<Log>, Error> {
        let Page { documents, total, total_is_estimate, has_next } =
            self.store.logs(tenant, filter, list).await?;
        let logs = documents.into_iter().filter_map(|(id, event)| Log::of(id, event, &self.system));
        Ok(Page { documents: logs.collect(), total, total_is_estimate, has_next })
    }

    /// The log of this id.
    ///
    /// # Errors
    /// [`Missing::Log`], also where there is an event of a type that has no code.
    pub async fn log(&self, tenant: &TenantId, id: LogId) -> Result<Log, Error> {
        let event = self.store.log(tenant, id).await?;
        event.and_then(|event| Log::of(id, event, &self.system)).ok_or(Error::NotFound(Missing::Log))
    }
}
