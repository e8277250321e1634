//! Dark or light: by the device, or as the person says.

use super::browser;

/// Where the choice is remembered; `boot.js` reads it before the first paint.
const KEY: &str = "harbor-theme";

/// `auto`, `light` or `dark`.
pub(crate) fn current() -> String {
    browser::recall(KEY).filter(|t| t == "light" || t == "dark").unwrap_or_else(|| "auto".into())
}

/// Applies and remembers a choice.
pub(crate) fn choose(theme: &str) {
    browser::remember(KEY, theme);
    browser::set_root("theme", (theme != "auto").then_some(theme));
}
