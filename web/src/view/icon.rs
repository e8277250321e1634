//! Line icons, 24 by 24, drawn with the colour of the text around them.

use leptos::prelude::*;

/// The outline of an icon: SVG path data.
pub(crate) type Icon = &'static str;

pub(crate) const HARBOR: Icon = "M12 8v13M12 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM7.5 11h9M4 13.5c0 4.2 3.4 7.5 8 7.5s8-3.3 8-7.5M4 13.5l-1.5 2M4 13.5l2.3 1.2M20 13.5l1.5 2M20 13.5l-2.3 1.2";
pub(crate) const BACK: Icon = "M15 5l-7 7 7 7";
pub(crate) const CLOSE: Icon = "M6 6l12 12M18 6L6 18";
pub(crate) const SETTINGS: Icon = "M4 7h9M19 7h1M4 17h1M11 17h9M16 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM8 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z";
pub(crate) const CHAT: Icon =
    "M20 11.5a7.5 7 0 0 1-10.9 6.2L4.5 19l1.3-3.9A6.6 6.6 0 0 1 5 11.5a7.5 7 0 0 1 15 0Z";
pub(crate) const ROOM: Icon = "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c.4-3.6 3-5.5 6.5-5.5s6.1 1.9 6.5 5.5M16 4.4a3.5 3.5 0 0 1 0 6.2M18 14.9c2 .7 3.2 2.4 3.5 5.1";
pub(crate) const INVITE: Icon = "M10 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM3.5 20c.4-3.6 3-5.5 6.5-5.5 1.6 0 3 .4 4.1 1.2M18 14v7M14.5 17.5h7";
pub(crate) const MORE: Icon = "M12 4a1 1 0 1 0 0 2 1 1 0 0 0 0-2ZM12 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2ZM12 18a1 1 0 1 0 0 2 1 1 0 0 0 0-2Z";
pub(crate) const SEND: Icon = "M4.5 12h7M4.5 12L3 4.5 21 12 3 19.5 4.5 12Z";
pub(crate) const COPY: Icon =
    "M9 9h9.5a1.5 1.5 0 0 1 1.5 1.5V20H10.5a1.5 1.5 0 0 1-1.5-1.5V9ZM5.5 15H4V5.5A1.5 1.5 0 0 1 5.5 4H15v1.5";
pub(crate) const SHARE: Icon = "M12 15V3.5M8 7l4-3.5L16 7M6 11H5v9.5h14V11h-1";
pub(crate) const DOWN: Icon = "M12 5v13M6.5 12.5L12 18l5.5-5.5";
pub(crate) const CHECK: Icon = "M5 12.5l4.5 4.5L19 7.5";
pub(crate) const CHECKS: Icon = "M2.5 12.5l4.2 4.2L15 8M11.5 16.2l.5.5L21.5 7.5";
pub(crate) const CLOCK: Icon = "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM12 7.5V12l3 2";
pub(crate) const UP: Icon = "M12 19V6M6.5 11.5L12 6l5.5 5.5";
pub(crate) const NODE: Icon = "M4.5 4.5h15v6h-15zM4.5 13.5h15v6h-15zM8 7.5v.01M8 16.5v.01";
pub(crate) const ALERT: Icon = "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM12 7.5v5.5M12 16.3v.01";
pub(crate) const DIRECT: Icon = "M3.5 12h17M7 8.5L3.5 12 7 15.5M17 8.5l3.5 3.5-3.5 3.5";
pub(crate) const RELAYED: Icon =
    "M2.5 16.5c2.5-6 5-8.5 9.5-8.5s7 2.5 9.5 8.5M12 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM21.5 12v4.5H17";
pub(crate) const STORED: Icon =
    "M3.5 14.5h4l1.5 2.5h6l1.5-2.5h4M3.5 14.5V19.5h17v-5M3.5 14.5L6.5 4.5h11l3 10";
pub(crate) const OFFLINE: Icon =
    "M3 3l18 18M8.5 8.4A6 6 0 0 0 6.6 11 4.2 4.2 0 0 0 7 19.5h10.5M12 6a6 6 0 0 1 5.5 5 4.3 4.3 0 0 1 3 6.3";
pub(crate) const REPLY: Icon = "M9.5 6L4 11.5 9.5 17M4 11.5h9.5c4 0 6.5 2.4 6.5 6.5";
pub(crate) const EDIT: Icon = "M4 20l1-4.5L16 4.5l3.5 3.5L8.5 19 4 20ZM13.5 7L17 10.5";
pub(crate) const DELETE: Icon = "M4.5 7h15M9.5 7V4h5v3M6.5 7l1 13h9l1-13M10 11v5.5M14 11v5.5";
pub(crate) const LOCK: Icon = "M6 10.5h12v9.5H6zM8.5 10.5V7.5a3.5 3.5 0 0 1 7 0v3M12 14v2.5";

/// An icon that says nothing by itself: words stand beside it, or on its button.
pub(crate) fn icon(path: Icon) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d=path></path>
        </svg>
    }
}
