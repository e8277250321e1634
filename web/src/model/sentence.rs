//! What to say when something did not work: a sentence that also says what to do.

use crate::text;

/// The sentence for a stable error code of the client. An unknown one gets the general sentence.
pub(crate) fn sentence(code: &str) -> &'static str {
    match code {
        "not_initialized" => text::error::NOT_INITIALIZED,
        "offline" => text::error::OFFLINE,
        "timeout" => text::error::TIMEOUT,
        "unauthorized" => text::error::UNAUTHORIZED,
        "quota_exceeded" => text::error::QUOTA_EXCEEDED,
        "bad_invite" => text::error::BAD_INVITE,
        "invite_expired" => text::error::INVITE_EXPIRED,
        "invite_used" => text::error::INVITE_USED,
        "not_found" => text::error::NOT_FOUND,
        "bad_input" => text::error::BAD_INPUT,
        "crashed" => text::error::CRASHED,
        "insecure_context" => text::error::INSECURE_CONTEXT,
        "storage_lost" => text::error::STORAGE_LOST,
        "unsupported" => text::error::UNSUPPORTED,
        _ => text::error::OTHER,
    }
}

/// The same for who wants to join: there "no room" is said of the conversation.
pub(crate) fn joining(code: &str) -> &'static str {
    if code == "quota_exceeded" { text::error::TOPIC_FULL } else { sentence(code) }
}

/// The same for who makes an invite.
pub(crate) fn inviting(code: &str) -> &'static str {
    if code == "quota_exceeded" { text::error::INVITES_FULL } else { sentence(code) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harbor_wasm::OpenError;
    use harbor_wasm::proto::endpoint::CommandError;
    use harbor_wasm::proto::wire::{Reader, Wire};

    /// Every variant there is: the wire form is one byte.
    fn command_errors() -> Vec<CommandError> {
        (0..=u8::MAX).filter_map(|tag| CommandError::decode(&mut Reader::new(&[tag])).ok()).collect()
    }

    #[test]
    fn every_code_has_its_own_sentence() {
        let open = [
            OpenError::InsecureContext,
            OpenError::StorageLost,
            OpenError::QuotaExceeded,
            OpenError::Unsupported,
        ];
        let open = open.map(OpenError::code);
        let codes: Vec<_> = command_errors().into_iter().map(CommandError::code).chain(open).collect();
        assert!(codes.len() >= 14);
        for code in &codes {
            assert_ne!(sentence(code), text::error::OTHER, "{code}");
            assert!(sentence(code).ends_with('.'), "{code}");
        }
    }

    #[test]
    fn no_room_is_said_of_what_has_none() {
        assert_eq!(joining("quota_exceeded"), text::error::TOPIC_FULL);
        assert_eq!(inviting("quota_exceeded"), text::error::INVITES_FULL);
        for code in ["offline", "invite_used"] {
            assert_eq!((joining(code), inviting(code)), (sentence(code), sentence(code)));
        }
    }

    #[test]
    fn the_unknown_still_gets_an_answer() {
        assert_eq!(sentence("no_such_code"), text::error::OTHER);
    }
}
