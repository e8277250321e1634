//! The place in the app that the address names, after `#`.

use super::look::{hex, unhex};
use harbor_wasm::proto::id::TopicUid;

/// A view of the app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Route {
    /// The list of conversations; on a wide screen beside an empty place.
    #[default]
    Home,
    Topic(TopicUid),
    /// The code of an invite; `None` once it was taken out of the address, where it must not stay.
    Join(Option<String>),
    Settings,
}

impl Route {
    /// Reads `location.hash`. What it does not know is the list.
    pub(crate) fn parse(hash: &str) -> Self {
        let path = hash.trim_start_matches('#').trim_matches('/');
        match path.split_once('/').unwrap_or((path, "")) {
            ("t", uid) => unhex(uid).map_or(Self::Home, |uid| Self::Topic(TopicUid(uid))),
            ("join", code) => Self::Join((!code.is_empty()).then(|| code.to_owned())),
            ("settings", _) => Self::Settings,
            _ => Self::Home,
        }
    }

    /// The hash to write into the address; never with an invite's code.
    pub(crate) fn hash(&self) -> String {
        match self {
            Self::Home => "#/".into(),
            Self::Topic(uid) => format!("#/t/{}", hex(uid.as_bytes())),
            Self::Join(_) => "#/join".into(),
            Self::Settings => "#/settings".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_reads_its_own_hash() {
        let uid = TopicUid(core::array::from_fn(|i| i as u8));
        for route in [Route::Home, Route::Topic(uid), Route::Join(None), Route::Settings] {
            assert_eq!(Route::parse(&route.hash()), route);
        }
    }

    #[test]
    fn codes_are_read_and_never_written() {
        let route = Route::parse("#/join/AbC-_9");
        assert_eq!(route, Route::Join(Some("AbC-_9".into())));
        assert_eq!(route.hash(), "#/join");
    }

    #[test]
    fn the_unknown_is_the_list() {
        for hash in ["", "#", "#/t/xyz", "#/nowhere", "#/t/"] {
            assert_eq!(Route::parse(hash), Route::Home, "{hash}");
        }
    }
}
