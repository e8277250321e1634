//! Every word the page says, in one place, so that it can be said in another language.

pub(crate) const APP: &str = "Harbor";

// Days
pub(crate) const TODAY: &str = "Today";
pub(crate) const YESTERDAY: &str = "Yesterday";
pub(crate) const TODAY_INLINE: &str = "today";
pub(crate) const YESTERDAY_INLINE: &str = "yesterday";
pub(crate) const TOMORROW: &str = "tomorrow";
pub(crate) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

// General
pub(crate) const CLOSE: &str = "Close";
pub(crate) const CANCEL: &str = "Cancel";
pub(crate) const BACK: &str = "Back to conversations";
pub(crate) const DISMISS: &str = "Dismiss";
pub(crate) const RELOAD: &str = "Reload";
pub(crate) const OPENING: &str = "Opening…";
pub(crate) const YOU: &str = "You";
pub(crate) const YOURSELF: &str = "yourself";
pub(crate) const SOMEONE: &str = "Someone";

/// The window's title.
pub(crate) fn title(unread: u32, place: &str) -> String {
    let place = if place.is_empty() { APP.into() } else { format!("{place} · {APP}") };
    if unread == 0 { place } else { format!("({unread}) {place}") }
}

pub(crate) mod start {
    pub(crate) const HEADING: &str = "Welcome aboard";
    pub(crate) const LEAD: &str = "Pick the name others will see. That is all it takes: no e-mail, no phone number, \
                                   no account.";
    pub(crate) const NAME: &str = "Your name";
    pub(crate) const START: &str = "Start";
    pub(crate) const POINTS: [(&str, &str); 3] = [
        ("Browser to browser", "Messages take the direct way whenever both of you are there."),
        (
            "Kept sealed while you are away",
            "Otherwise they wait, encrypted, on a node that cannot read them.",
        ),
        ("Yours alone", "Your keys and your history stay in this browser."),
    ];
    pub(crate) const NAME_EMPTY: &str = "Type a name first. One letter is enough.";
    pub(crate) const NAME_LONG: &str = "That name is too long. Shorten it a little.";
}

pub(crate) mod list {
    pub(crate) const HEADING: &str = "Conversations";
    pub(crate) const NEW_DM: &str = "New chat";
    pub(crate) const NEW_ROOM: &str = "New room";
    pub(crate) const SETTINGS: &str = "Settings";
    pub(crate) const EMPTY: &str = "No conversations yet";
    pub(crate) const EMPTY_HINT: &str = "Start a chat with one person or a room for several, then send them the \
                                         invite link. Did somebody invite you? Open their link here.";
    pub(crate) const NO_MESSAGES: &str = "No messages yet";
    pub(crate) const JOINING: &str = "Waiting to be let in";
    pub(crate) const LEFT: &str = "You left";
    pub(crate) const REMOVED: &str = "You were removed";
    pub(crate) const FAILED: &str = "Could not join";
    pub(crate) const UNNAMED_DM: &str = "New chat";
    pub(crate) const UNNAMED_ROOM: &str = "Room";
    pub(crate) const PICK: &str = "Pick a conversation";
    pub(crate) const PICK_HINT: &str = "Or start a new one. Whatever you write is encrypted before it leaves this \
                                        browser.";

    pub(crate) fn unread(n: u32) -> String {
        if n == 1 { "1 unread message".into() } else { format!("{n} unread messages") }
    }
}

pub(crate) mod room {
    pub(crate) const HEADING: &str = "New room";
    pub(crate) const LEAD: &str = "A room is for several people. Only those you invite can come in.";
    pub(crate) const TITLE: &str = "What is it called?";
    pub(crate) const PLACEHOLDER: &str = "Weekend trip";
    pub(crate) const CREATE: &str = "Create room";
    pub(crate) const EMPTY: &str = "Give the room a name, so that those you invite know what it is.";
    pub(crate) const LONG: &str = "That name is too long. Shorten it a little.";
}

pub(crate) mod status {
    pub(crate) const SYNCED: &str = "All synced";
    pub(crate) const CATCHING_UP: &str = "Catching up…";
    pub(crate) const CONNECTING: &str = "Connecting…";
    pub(crate) const OFFLINE: &str = "Offline";
    pub(crate) const NO_NETWORK: &str = "This device has no network.";
    pub(crate) const NO_NODE: &str = "The Harbor node cannot be reached.";
    pub(crate) const CHECK: &str = "Check your network; Harbor keeps trying.";
    pub(crate) const READ_AND_WRITE: &str = "You can read and write meanwhile.";

    pub(crate) fn missing(n: u32) -> String {
        format!("{n} missing")
    }

    pub(crate) const MISSING_HINT: &str = "These messages were sent and are not here yet. They come when their \
                                           sender or a node that keeps them can be reached.";

    pub(crate) fn queue(n: u32) -> String {
        match n {
            0 => READ_AND_WRITE.into(),
            1 => "1 message waits here and goes out by itself.".into(),
            _ => format!("{n} messages wait here and go out by themselves."),
        }
    }
}

pub(crate) mod path {
    pub(crate) const DIRECT: &str = "Direct";
    pub(crate) const RELAYED: &str = "Relayed";
    pub(crate) const STORED: &str = "Stored";
    pub(crate) const DIRECT_NOW: &str = "Messages go straight from browser to browser.";
    pub(crate) const RELAYED_NOW: &str = "Messages pass through a node at once; it cannot read them.";
    pub(crate) const STORED_NOW: &str = "Messages wait, encrypted, on a node until they are picked up.";
    pub(crate) const DIRECT_WAS: &str = "Travelled straight from browser to browser.";
    pub(crate) const RELAYED_WAS: &str = "Passed through a node, which could not read it.";
    pub(crate) const STORED_WAS: &str = "Waited, encrypted, on a node.";
}

pub(crate) mod message {
    use harbor_wasm::proto::endpoint::State;

    pub(crate) const QUEUED: &str = "Queued";
    pub(crate) const SENDING: &str = "Sending";
    pub(crate) const DELIVERED: &str = "Delivered";
    pub(crate) const FAILED: &str = "Not sent";
    pub(crate) const RETRY: &str = "Try again";
    pub(crate) const NEW: &str = "New messages";
    pub(crate) const DELETED: &str = "This message was deleted";
    pub(crate) const EDITED: &str = "edited";
    pub(crate) const ACTIONS: &str = "Message actions";
    pub(crate) const REACT: &str = "React with";
    pub(crate) const REPLY: &str = "Reply";
    pub(crate) const EDIT: &str = "Edit";
    pub(crate) const DELETE: &str = "Delete";
    pub(crate) const DELETE_ASK: &str = "Delete this message for everyone?";
    pub(crate) const DELETE_HINT: &str = "It disappears here and on every device that hears of it. Whoever has read or copied it may still know it.";
    pub(crate) const QUOTE_GONE: &str = "A message that is not on this device";
    pub(crate) const REPLYING: &str = "Replying to ";
    pub(crate) const EDITING: &str = "Editing your message";

    /// What a screen reader says of a reaction.
    pub(crate) fn reacted(emoji: &str, n: usize, mine: bool) -> String {
        format!("{emoji}: {n}{}", if mine { ", one of them yours" } else { "" })
    }

    pub(crate) const BYTES: &str = "This message is for an application and cannot be shown here.";

    /// How far an own message got.
    pub(crate) fn state(state: State) -> String {
        match state {
            State::Queued => QUEUED.into(),
            State::Sending => SENDING.into(),
            State::Stored { nodes } => stored(nodes),
            State::Delivered => DELIVERED.into(),
            State::Failed => FAILED.into(),
        }
    }

    /// "On 2 nodes".
    fn stored(nodes: u8) -> String {
        if nodes == 1 { "On 1 node".into() } else { format!("On {nodes} nodes") }
    }

    /// What a screen reader says when a message comes.
    pub(crate) fn spoken(author: &str, body: &str) -> String {
        format!("{author}: {body}")
    }

    /// The same for a conversation that is not open.
    pub(crate) fn spoken_elsewhere(author: &str, place: &str, body: &str) -> String {
        format!("{author}, {place}: {body}")
    }
}

pub(crate) mod chat {
    pub(crate) const LOG: &str = "Messages";
    pub(crate) const INVITE: &str = "Invite";
    pub(crate) const DETAILS: &str = "Conversation details";
    pub(crate) const WRITE: &str = "Write a message";
    pub(crate) const SEND: &str = "Send";
    pub(crate) const NEWEST: &str = "Newest";
    pub(crate) const OLDER: &str = "Loading older messages…";
    pub(crate) const BEGINNING: &str = "The conversation begins here.";
    pub(crate) const LONG: &str = "That message is too long. Send it in parts.";
    pub(crate) const ALONE: &str = "Nobody else is here yet";
    pub(crate) const ALONE_DM: &str = "Make an invite link and send it to the person you want to write to. You can \
                                       write already: your messages wait for them.";
    pub(crate) const ALONE_ROOM: &str = "Make an invite link for each person you want in this room. Every link lets \
                                         one person in.";
    pub(crate) const MAKE_LINK: &str = "Make an invite link";
    pub(crate) const SAY_HELLO: &str = "Say hello";
    pub(crate) const SAY_HELLO_HINT: &str = "Everyone is here. What you write can be read by the members and nobody \
                                             else.";
    pub(crate) const WAITING: &str = "Waiting for a member to let you in";
    pub(crate) const WAITING_HINT: &str = "Your request is on its way. As soon as somebody who may invite opens \
                                           Harbor, you are in. You can close this page meanwhile.";
    pub(crate) const LEFT: &str = "You left this conversation. Its history stays here until you forget it.";
    pub(crate) const REMOVED: &str = "An admin removed you from this room. What you have of it stays here until you \
                                      forget it. To come back, ask for a new invite.";
    pub(crate) const FAILED: &str = "You could not join";
    pub(crate) const GONE: &str = "This conversation is not on this device";
    pub(crate) const GONE_HINT: &str = "It was forgotten here, or the address belongs to another browser.";

    pub(crate) fn members(n: usize) -> String {
        if n == 1 { "1 member".into() } else { format!("{n} members") }
    }

    pub(crate) fn unseen(n: usize) -> String {
        if n == 1 { "1 new message".into() } else { format!("{n} new messages") }
    }
}

pub(crate) mod person {
    pub(crate) const SAFETY: &str = "Safety number";
    pub(crate) fn compare(name: &str) -> String {
        format!(
            "Compare it with what {name} sees, in person or on a call. If both are the same, nobody is between you."
        )
    }
    pub(crate) const VERIFY: &str = "They are the same";
    pub(crate) const UNVERIFY: &str = "Forget that I compared";
    pub(crate) const VERIFIED: &str = "Verified by you";
}

pub(crate) mod details {
    pub(crate) const MEMBERS: &str = "Members";
    pub(crate) const ADMIN: &str = "Admin";
    pub(crate) const OWNER: &str = "Owner";
    pub(crate) const INVITES: &str = "Open invites";
    pub(crate) const TAKE_BACK: &str = "Take back";
    pub(crate) fn invite_until(until: &str) -> String {
        format!("One person, until {until}")
    }
    pub(crate) fn take_back(until: &str) -> String {
        format!("Take back the invite that works until {until}")
    }
    pub(crate) const MAKE_ADMIN: &str = "Make admin";
    pub(crate) const DISMISS: &str = "Dismiss as admin";
    pub(crate) const REMOVE: &str = "Remove";
    pub(crate) fn about(name: &str) -> String {
        format!("About {name}: safety number and more")
    }
    pub(crate) fn remove_ask(name: &str) -> String {
        format!("Remove {name} from this room?")
    }
    pub(crate) const REMOVE_HINT: &str = "The room gets new keys, and nothing written from now on can be read with the old ones. What was said stays \
         with everybody who has it.";
    pub(crate) const LEAVE: &str = "Leave conversation";
    pub(crate) const LEAVE_HINT: &str =
        "The others are told, and you receive nothing more. Your history stays here.";
    pub(crate) const LEAVE_LAST_ADMIN: &str = "You are the only admin: after you nobody can invite or remove. Make somebody else an admin first, or leave \
         all the same. Your history stays here.";
    pub(crate) const LEAVE_ASK: &str = "Leave this conversation?";
    pub(crate) const LEAVE_YES: &str = "Leave";
    pub(crate) const FORGET: &str = "Forget conversation";
    pub(crate) const FORGET_HINT: &str =
        "Erases it and its whole history from this browser. This cannot be undone.";
    pub(crate) const FORGET_ASK: &str = "Forget this conversation?";
    pub(crate) const FORGET_YES: &str = "Forget";
}

pub(crate) mod invite {
    pub(crate) const HEADING: &str = "Invite someone";
    pub(crate) const MAKING: &str = "Making a link…";
    pub(crate) const LINK: &str = "Invite link";
    pub(crate) const COPY: &str = "Copy link";
    pub(crate) const COPIED: &str = "Copied";
    pub(crate) const COPY_FAILED: &str = "The browser would not copy. Select the link and copy it by hand.";
    pub(crate) const SHARE: &str = "Share…";
    pub(crate) const QR: &str = "Invite link as a QR code";
    pub(crate) const QR_HINT: &str = "Or let them point a camera here.";
    pub(crate) const AGAIN: &str = "Make another link";
    pub(crate) const SECRET: &str = "Whoever opens it first gets in, so send it to nobody else.";
    pub(crate) const SHARE_TEXT: &str = "Join me on Harbor:";

    /// Names the end of its time.
    pub(crate) fn once(until: &str) -> String {
        format!("Works once, for one person, until {until}.")
    }
}

pub(crate) mod join {
    pub(crate) const READING: &str = "Reading the invite…";
    pub(crate) const JOIN: &str = "Join";
    pub(crate) const NO_CODE: &str = "Open the invite link again";
    pub(crate) const NO_CODE_HINT: &str = "The secret part of an invite is removed from the address as soon as it is \
                                           read. To use it, open the link you were sent once more.";
    pub(crate) const BROKEN: &str = "This invite does not work";
    pub(crate) const ALREADY: &str = "You are a member already.";
    pub(crate) const OPEN: &str = "Open conversation";
    pub(crate) const RETRY: &str = "Try again";
    pub(crate) const HOME: &str = "To my conversations";
    pub(crate) const TO_DM: &str = "invites you to a private chat";
    pub(crate) const TO_ROOM: &str = "invites you to";
    pub(crate) const NAME: &str = "Your name, as they will see it";
    pub(crate) const CHECK: &str = "Join only if you expected this invite: a name can be chosen by anyone.";

    pub(crate) fn expires(until: &str) -> String {
        format!("The invite works once, until {until}.")
    }
}

pub(crate) mod settings {
    pub(crate) const HEADING: &str = "Settings";
    pub(crate) const PROFILE: &str = "Your name";
    pub(crate) const PROFILE_HINT: &str = "The members of your conversations see it.";
    pub(crate) const SAVE: &str = "Save";
    pub(crate) const SAVED: &str = "Saved";
    pub(crate) const PRIVACY: &str = "Privacy";
    pub(crate) const HIDE_IP: &str = "Hide my IP address";
    pub(crate) const HIDE_IP_HINT: &str = "Direct connections show your network address to the other members. When \
                                           hidden, everything goes through a node: a little slower, just as \
                                           encrypted.";
    pub(crate) const LOOK: &str = "Appearance";
    pub(crate) const THEMES: [(&str, &str); 3] =
        [("auto", "Like the device"), ("light", "Light"), ("dark", "Dark")];
    pub(crate) const SECURITY: &str = "How you are protected";
    pub(crate) const SECURITY_POINTS: [&str; 4] = [
        "Messages are encrypted end to end and signed, with a key agreement made to withstand quantum computers. \
         Nodes see neither names nor members nor text.",
        "Your identity and your history live in this browser only. Erasing its site data erases them; nobody can \
         bring them back.",
        "Whoever serves this page could serve a changed one. Use a Harbor you or somebody you trust runs.",
        "The design is new and has not been reviewed by outsiders. Do not stake a life on it yet.",
    ];
    pub(crate) const CONNECTION: &str = "Connection";
    pub(crate) const OWNER: &str = "This tab runs your conversations. Other tabs work through it.";
    pub(crate) const NOT_OWNER: &str = "Another tab runs your conversations; this one works through it.";

    pub(crate) fn nodes(linked: u32, all: u32) -> String {
        format!("Linked to {linked} of {all} {}", if all == 1 { "node" } else { "nodes" })
    }

    pub(crate) fn peers(n: u32) -> String {
        if n == 1 { "1 direct connection".into() } else { format!("{n} direct connections") }
    }

    pub(crate) fn version(version: &str) -> String {
        format!("Harbor {version}")
    }
}

pub(crate) mod erase {
    pub(crate) const HEADING: &str = "This device";
    pub(crate) const HINT: &str = "Your identity, your keys and all conversations are in this browser. You can erase \
                                   them. What the others received stays with them; to them you simply stop answering.";
    pub(crate) const ERASE: &str = "Erase everything…";
    pub(crate) const ASK: &str = "Erase everything?";
    pub(crate) const ASK_HINT: &str = "Your name and identity, your keys, and the history of every conversation go, in \
                                       all tabs of this browser. Nobody can bring them back, and no invite leads back \
                                       into a conversation as who you were. This cannot be undone.";
    pub(crate) const YES: &str = "Erase everything";
    pub(crate) const ERASING: &str = "Erasing…";
    pub(crate) const ERASING_HINT: &str = "If this takes long, close the other tabs of Harbor.";
    pub(crate) const OVER: &str = "Harbor has ended here";
    pub(crate) const ELSEWHERE: &str =
        "Everything on this device was erased in another tab. Reload the page to start anew.";
    pub(crate) const FAILED: &str = "The browser did not let Harbor erase its data. Erase this site's data in the \
                                     browser's settings instead.";
}

pub(crate) mod export {
    pub(crate) const HEADING: &str = "Export history";
    pub(crate) const HINT: &str = "Saves what this device has of the conversation as a file. The file is not encrypted: \
                                   whoever gets it can read it.";
    pub(crate) const HTML: &str = "HTML, to read";
    pub(crate) const JSON: &str = "JSON";
    pub(crate) const BUSY: &str = "Exporting…";
    pub(crate) const FAILED: &str = "The history could not be exported. Free some space and try again.";
    pub(crate) const WARNING: &str = "This file is not encrypted: whoever gets it can read it.";
    pub(crate) const BYTES: &str = "Data of an application";

    /// Under the heading of an exported file.
    pub(crate) fn made(at: &str, members: usize, messages: usize) -> String {
        format!("Exported from Harbor on {at} · {members} members · {messages} messages")
    }

    pub(crate) fn missing(n: u32) -> String {
        format!("{n} messages were known to exist and not on this device.")
    }
}

pub(crate) mod fatal {
    pub(crate) const HEADING: &str = "Harbor cannot start here";
}

pub(crate) mod error {
    pub(crate) const NOT_INITIALIZED: &str = "Choose a name first; then try again.";
    pub(crate) const OFFLINE: &str = "This needs the Harbor node, which cannot be reached. Check your connection and \
                                      try again.";
    pub(crate) const TIMEOUT: &str = "The Harbor node did not answer in time. Try again in a moment.";
    pub(crate) const UNAUTHORIZED: &str =
        "You may not do this here. Ask the person who made the conversation.";
    pub(crate) const QUOTA_EXCEEDED: &str = "There is no room for that: the storage of this device is full, or too \
                                             many messages wait to go out. Free some space, or connect so that what \
                                             waits can leave, and try again. What was saved before is safe.";
    pub(crate) const TOPIC_FULL: &str = "This conversation is full. Ask the person who invited you whether somebody \
                                         leaves, or for another room.";
    pub(crate) const INVITES_FULL: &str = "Too many invites wait to be used, or the storage of this device is full. \
                                           Use or let expire what you have, then try again.";
    pub(crate) const BAD_INVITE: &str = "This invite link is broken: a part of it is missing or was changed. Copy the \
                                         whole link again, or ask for a new one.";
    pub(crate) const INVITE_EXPIRED: &str =
        "This invite has expired. Ask the person who sent it for a new one.";
    pub(crate) const INVITE_USED: &str = "This invite was used already or taken back. Every link lets one person in: \
                                          ask for your own.";
    pub(crate) const NOT_FOUND: &str = "That is not here any more. Go back to the list and open it again.";
    pub(crate) const BAD_INPUT: &str = "That is empty or too long. Change it and try again.";
    pub(crate) const CRASHED: &str = "This device could not save that; its storage may be full. Free some space, then \
                                      reload the page. What was saved before is safe.";
    pub(crate) const INSECURE_CONTEXT: &str = "This page came over plain http, and browsers switch off encryption \
                                               there. Open it with https:// instead, or on the node's own machine at \
                                               http://localhost.";
    pub(crate) const STORAGE_LOST: &str = "The browser erased a part of what Harbor had saved, so your identity cannot \
                                           be read. Reload the page; if that does not help, erase what is left.";
    pub(crate) const UNSUPPORTED: &str = "This browser lacks what Harbor needs, or forbids it in a private window. Use \
                                          a current Firefox, Chrome, Edge or Safari in a normal window.";
    pub(crate) const OTHER: &str = "Something went wrong. Reload the page and try again.";
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_title_counts_what_is_unread() {
        assert_eq!(super::title(0, ""), "Harbor");
        assert_eq!(super::title(3, "Ana"), "(3) Ana · Harbor");
    }
}
