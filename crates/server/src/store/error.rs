//! What clients are told when the store fails. All edges use this one mapping; the cause goes to the log.

use super::StoreError;
use parlor_protocol::error::{Code, Problem};

impl From<StoreError> for Problem {
    fn from(cause: StoreError) -> Self {
        if cause.is_outage() {
            tracing::warn!(%cause, "the store is not available");
            return Code::Unavailable.into();
        }
        tracing::error!(%cause, "the store failed");
        Code::Internal.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_retryable_and_corruption_is_not() {
        let silent = Problem::from(StoreError::Timeout);
        assert_eq!((silent.code, silent.retry_after_ms.is_some()), (Code::Unavailable, true));
        let fault = Problem::from(StoreError::Corrupt("a row".to_owned()));
        assert_eq!((fault.code, fault.retry_after_ms), (Code::Internal, None));
    }
}
