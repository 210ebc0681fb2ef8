//! The table of routes, from which the router and `/openapi.json` are made.

use super::{
    assets, conversations, events,
    extract::Page,
    files, groups, health, host, me, messages, openapi, pictures, presence, reports,
    route::{Route, delete, get, patch, post, put},
    schema, search, sessions, socket, users,
};
use crate::config::Config;
use parlor_protocol::{
    error::Code::{
        Blocked, Cancelled, Conflict, ContextClosed, Draining, InvalidField, LimitReached, NameTaken, NotAllowed,
        NotFound, NotSignedIn, OwnRole, RangeNotSatisfiable, RoleVacant, SignUpOff, TextControl, TextEmpty,
        TextTooLong, TimedOut, TooLarge, TooLate, Unavailable, Unknown, UnsupportedType, UnsupportedVersion,
        UploadUnfinished, WrongCredentials, WrongOffset, WrongOrigin, WrongPassword,
    },
    http::{
        Health, PatchConversation, PatchMember, PatchMessage, PostForward, PostMembers, PostMessage, PostSettlement,
        PutMarker, PutPassword, PutTyping, Recheck, Sessions, SignIn, SignUp, SignedIn,
    },
    limits::LimitsAnswer,
    model::Upload,
    params::{DraftUpdate, MeUpdate, NewReport, Open, SettingsUpdate},
    reply::{
        Cancelled as CancelledAnswer, Changed, Changes, ConversationAnswer, ConversationPage, Done, DraftSaved, Found,
        Heads, Marked, MeAnswer, Members, MessageChanged, MessagePage, Opened, Reactions, Sent, Users, Watched,
    },
    report::{ReportAnswer, ReportSettled, Reported, Reports},
};

macro_rules! reply {
    ($name:literal) => {
        include_str!(concat!("../../../../fixtures/frames/reply.", $name, ".json"))
    };
}

/// Returns all routes but those of pages, the demo and the echo.
pub(super) fn all() -> Vec<Route> {
    let mut routes = of_users();
    routes.extend(of_reports());
    routes.extend(of_conversations());
    routes.extend(of_groups());
    routes.extend(of_messages());
    routes.extend(of_events());
    routes.extend(of_one_message());
    routes.extend(of_files());
    routes.extend(of_the_server());
    routes
}

fn of_users() -> Vec<Route> {
    let me = r#"{"id": 7, "name": "Ada Lovelace", "picture": null, "version": 31, "login": "ada", "receipts": true,
        "presence": true, "scope_version": 40}"#;
    vec![
        post("/v1/session", sessions::sign_in)
            .for_anybody()
            .says("Signs in. Sets the session cookie, or answers a bearer token where `token` is true.")
            .takes::<SignIn>(r#"{"login": "ada", "password": "correct horse battery staple"}"#)
            .answers_like::<SignedIn>(me)
            .refuses(&[WrongCredentials, WrongOrigin, TextTooLong, NotAllowed]),
        delete("/v1/session", sessions::sign_out)
            .for_anybody()
            .says("Signs out. A session of the host ends there only.")
            .refuses(&[WrongOrigin, NotAllowed]),
        post("/v1/users", users::sign_up)
            .for_anybody()
            .says("Creates an account, if the operator allows it, and signs in.")
            .takes::<SignUp>(r#"{"login": "ada", "name": "Ada Lovelace", "password": "correct horse battery staple"}"#)
            .answers_like::<SignedIn>(me)
            .refuses(&[SignUpOff, NotAllowed, NameTaken, WrongOrigin, TextEmpty, TextTooLong, TextControl]),
        get("/v1/me", me::get)
            .says("Returns the signed-in user.")
            .query::<me::HiddenSince>()
            .answers::<MeAnswer>(reply!("me.get")),
        patch("/v1/me", me::update)
            .says("Changes the user's own name or settings; absent fields stay.")
            .takes::<MeUpdate>(r#"{"name": "Ada King", "receipts": false}"#)
            .answers::<Changed>(reply!("me.update"))
            .refuses(&[NotAllowed, TextEmpty, TextTooLong, TextControl, Unknown]),
        put("/v1/me/password", me::put_password)
            .says("Sets the user's own password. All their other sessions end.")
            .takes::<PutPassword>(r#"{"current": "correct horse battery staple", "new": "nine lives of a cat"}"#)
            .refuses(&[WrongPassword, TextTooLong, Unknown]),
        put("/v1/me/picture", me::put_picture)
            .says("Sets the user's own picture from a PNG, JPEG or WebP. It is cropped to a square and encoded again.")
            .takes_bytes("image/*")
            .answers::<Changed>(reply!("me.update"))
            .refuses(&[TooLarge, UnsupportedType, TimedOut, LimitReached, Unknown]),
        delete("/v1/me/picture", me::delete_picture)
            .says("Removes the user's own picture.")
            .answers::<Changed>(reply!("me.update"))
            .refuses(&[Unknown]),
        get("/v1/me/sessions", sessions::list)
            .says("Lists the user's own sessions, the newest first.")
            .query::<Page>()
            .answers_like::<Sessions>(
                r#"{"sessions": [{"id": 3, "created_at": "2026-11-20T08:00:00.000Z", "seen_at":
                "2026-11-22T09:12:00.000Z", "agent": "Mozilla/5.0", "current": true}], "next": null}"#,
            ),
        delete("/v1/me/sessions/{id}", sessions::end)
            .says("Ends one of the user's own sessions.")
            .refuses(&[NotFound, NotAllowed]),
        get("/v1/me/blocks", me::list_blocks)
            .says("Lists the users whom the user has blocked, in the order of their names.")
            .query::<Page>()
            .answers::<Users>(reply!("user.blocks")),
        put("/v1/me/blocks/{id}", me::block)
            .says("Blocks a user: neither writes to the other any more.")
            .answers::<Changed>(reply!("user.block"))
            .refuses(&[NotFound, InvalidField, LimitReached, Unknown]),
        delete("/v1/me/blocks/{id}", me::unblock)
            .says("Ends a block of the user's own.")
            .answers::<Changed>(reply!("user.unblock"))
            .refuses(&[InvalidField, Unknown]),
        get("/v1/pictures/{id}", pictures::get)
            .says("Returns the picture of a user or a group.")
            .answers_bytes("image/*")
            .refuses(&[NotFound]),
    ]
}

fn of_reports() -> Vec<Route> {
    vec![
        post("/v1/reports", reports::report)
            .says("Reports a message of another user to the moderators, with a copy of it and of those near it.")
            .takes::<NewReport>(
                r#"{"conversation": 12, "seq": 4, "reason": "fraud", "note": "They want money first."}"#,
            )
            .answers::<Reported>(reply!("message.report"))
            .refuses(&[NotFound, NotAllowed, TooLate, LimitReached, TextTooLong, TextControl, Unknown]),
        get("/v1/reports", reports::list)
            .says("Lists reports. Moderators only.")
            .query::<reports::ReportQuery>()
            .answers::<Reports>(reply!("report.list"))
            .refuses(&[NotAllowed]),
        get("/v1/reports/{id}", reports::get)
            .says("Returns a report with its copies. Moderators only.")
            .answers::<ReportAnswer>(reply!("report.get"))
            .refuses(&[NotAllowed, NotFound]),
        post("/v1/reports/{id}/settlement", reports::settle)
            .says("Settles an open report: removes the message, warns its sender, both, or neither. Moderators only.")
            .takes::<PostSettlement>(r#"{"remove": true, "warn": true, "note": "The second time."}"#)
            .answers::<ReportSettled>(reply!("report.settle"))
            .refuses(&[NotAllowed, NotFound, TooLate, LimitReached, TextTooLong, TextControl, Unknown]),
        get("/v1/reports/{id}/evidence", reports::evidence)
            .says("Returns an open report with its copies as one file. Moderators only.")
            .answers_bytes("application/json")
            .refuses(&[NotAllowed, NotFound, TooLate]),
        post("/v1/warnings/{id}/read", reports::read_warning)
            .says("Says that the user has seen a warning of a moderator.")
            .answers::<Changed>(reply!("warning.read"))
            .refuses(&[Unknown]),
    ]
}

fn of_conversations() -> Vec<Route> {
    vec![
        get("/v1/users", users::list)
            .says("Lists users to whom the user may write; each word of `query` is a prefix of a word of their name.")
            .query::<users::UserQuery>()
            .answers::<Users>(reply!("user.list")),
        get("/v1/conversations", conversations::list)
            .says("Lists the user's conversations, the one with the newest activity first.")
            .query::<Page>()
            .answers::<ConversationPage>(reply!("conversation.list")),
        post("/v1/conversations", conversations::open)
            .says("Finds or opens a direct conversation, or opens a group.")
            .takes::<Open>(r#"{"client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b51", "user": 9}"#)
            .answers::<Opened>(reply!("conversation.open"))
            .refuses(&[
                Blocked,
                NotFound,
                NotAllowed,
                ContextClosed,
                OwnRole,
                RoleVacant,
                Conflict,
                Cancelled,
                LimitReached,
                TextEmpty,
                TextTooLong,
                TextControl,
                Unknown,
            ]),
        get("/v1/conversations/{id}", conversations::get)
            .says("Returns a conversation.")
            .answers::<ConversationAnswer>(reply!("conversation.get"))
            .refuses(&[NotFound]),
        patch("/v1/conversations/{id}/settings", conversations::update_settings)
            .says("Changes how the user keeps a conversation in their own list: pinned, archived, muted, marked as unread.")
            .takes::<SettingsUpdate>(r#"{"pinned": true}"#)
            .answers::<Changed>(reply!("conversation.settings"))
            .refuses(&[NotFound, LimitReached, Unknown]),
        put("/v1/conversations/{id}/cleared", conversations::clear)
            .says("Clears a conversation for the user alone, for good: they no longer see its messages up to one, which count as read.")
            .takes::<PutMarker>(r#"{"seq": 3}"#)
            .answers::<Changed>(reply!("conversation.clear"))
            .refuses(&[NotFound, Unknown]),
        put("/v1/conversations/{id}/draft", conversations::save_draft)
            .says("Saves what the user is writing in a conversation, unless their draft there has changed since a version.")
            .takes::<DraftUpdate>(r#"{"text": "On tram 18, under", "since": 0}"#)
            .answers::<DraftSaved>(reply!("draft.save"))
            .refuses(&[NotFound, LimitReached, TextTooLong, TextControl, Unknown]),
        get("/v1/conversations/{id}/changes", conversations::changes)
            .says("Returns what changed in a conversation since a version.")
            .query::<conversations::ChangesSince>()
            .answers::<Changes>(reply!("conversation.changes"))
            .refuses(&[NotFound]),
    ]
}

fn of_groups() -> Vec<Route> {
    vec![
        patch("/v1/conversations/{id}", groups::update)
            .says("Renames a group. Owners and moderators.")
            .takes::<PatchConversation>(r#"{"title": "The lost umbrellas"}"#)
            .answers::<Changed>(reply!("conversation.update"))
            .refuses(&[NotFound, NotAllowed, TextEmpty, TextTooLong, TextControl, Unknown]),
        put("/v1/conversations/{id}/picture", groups::put_picture)
            .says("Sets a group's picture from a PNG, JPEG or WebP, like a user's. Owners and moderators.")
            .takes_bytes("image/*")
            .answers::<Changed>(reply!("conversation.update"))
            .refuses(&[NotFound, NotAllowed, TooLarge, UnsupportedType, TimedOut, LimitReached, Unknown]),
        delete("/v1/conversations/{id}/picture", groups::delete_picture)
            .says("Removes a group's picture. Owners and moderators.")
            .answers::<Changed>(reply!("conversation.update"))
            .refuses(&[NotFound, NotAllowed, Unknown]),
        get("/v1/conversations/{id}/members", groups::members)
            .says("Lists the members of a conversation by id, with their current markers.")
            .query::<Page>()
            .answers::<Members>(reply!("member.list"))
            .refuses(&[NotFound]),
        post("/v1/conversations/{id}/members", groups::add_members)
            .says("Adds users to a group. Owners and moderators.")
            .takes::<PostMembers>(r#"{"users": [9, 10], "history": "from_start"}"#)
            .answers::<Changed>(reply!("member.add"))
            .refuses(&[Blocked, NotFound, NotAllowed, LimitReached, Unknown]),
        patch("/v1/conversations/{id}/members/{user}", groups::update_member)
            .says("Changes the role of a group's member. Owners only; the last owner stays one.")
            .takes::<PatchMember>(r#"{"role": "moderator"}"#)
            .answers::<Changed>(reply!("member.update"))
            .refuses(&[NotFound, NotAllowed, Unknown]),
        delete("/v1/conversations/{id}/members/{user}", groups::remove_member)
            .says("Removes a member from a group (owners; moderators only plain members), or leaves it.")
            .answers::<Changed>(reply!("member.remove"))
            .refuses(&[NotFound, NotAllowed, Unknown]),
    ]
}

fn of_messages() -> Vec<Route> {
    vec![
        get("/v1/conversations/{id}/messages", messages::list)
            .says("Lists messages by `seq`; at most one of `before`, `after` and `around`.")
            .query::<messages::Messages>()
            .answers::<MessagePage>(reply!("message.list"))
            .refuses(&[NotFound]),
        post("/v1/conversations/{id}/messages", messages::send)
            .says("Sends a message. A repeat with the same `client_id` gets the first answer.")
            .takes::<PostMessage>(r#"{"client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b52", "text": "Is it yours?"}"#)
            .answers::<Sent>(reply!("message.send"))
            .refuses(&[
                Blocked,
                NotFound,
                NotAllowed,
                ContextClosed,
                Conflict,
                Cancelled,
                TextEmpty,
                TextTooLong,
                TextControl,
                UploadUnfinished,
                LimitReached,
                Unknown,
            ]),
        post("/v1/conversations/{id}/forwards", messages::forward)
            .says("Forwards a message that the user can see to this conversation.")
            .takes::<PostForward>(
                r#"{"client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b54", "from": {"conversation": 12, "seq": 3}}"#,
            )
            .answers::<Sent>(reply!("message.forward"))
            .refuses(&[Blocked, NotFound, NotAllowed, ContextClosed, Conflict, Cancelled, Unknown]),
        put("/v1/conversations/{id}/read", conversations::read)
            .says("Moves the user's own marker: read up to here.")
            .takes::<PutMarker>(r#"{"seq": 3}"#)
            .answers::<Marked>(reply!("conversation.mark"))
            .refuses(&[NotFound, Unknown]),
        put("/v1/conversations/{id}/delivered", conversations::delivered)
            .says("Moves the user's own marker: received up to here.")
            .takes::<PutMarker>(r#"{"seq": 3}"#)
            .answers::<Marked>(reply!("conversation.mark"))
            .refuses(&[NotFound, Unknown]),
        post("/v1/sends/{client_id}/cancel", messages::cancel)
            .says("Cancels a send whose outcome is unknown: it has happened, or never will. Deletes no message.")
            .answers::<CancelledAnswer>(reply!("message.cancel"))
            .refuses(&[InvalidField, Conflict, Unknown]),
        get("/v1/search", search::get)
            .says("Searches all messages that the user can see, the newest first.")
            .query::<search::SearchQuery>()
            .answers::<Found>(reply!("message.search"))
            .refuses(&[NotFound, NotAllowed, InvalidField, TextTooLong, LimitReached]),
    ]
}

fn of_events() -> Vec<Route> {
    vec![
        put("/v1/conversations/{id}/typing", presence::set_typing)
            .says("Sets whether the user is typing. Clients repeat it every three seconds.")
            .takes::<PutTyping>(r#"{"typing": true}"#)
            .answers::<Done>(reply!("conversation.typing"))
            .refuses(&[NotFound]),
        get("/v1/presence", presence::get)
            .says("Returns the presence of users that share a conversation with the user.")
            .query::<presence::PresenceQuery>()
            .answers::<Watched>(reply!("presence.watch"))
            .refuses(&[LimitReached]),
        get("/v1/events", events::events)
            .says("Returns what changed since the cursor; waits for a change up to `wait` seconds.")
            .query::<events::Events>()
            .answers::<Heads>(reply!("session.resume")),
        get("/v1/socket", socket::open)
            .says("Opens the socket (a WebSocket with the subprotocol `parlor.v1`); its frames are in `/schema.json`.")
            .refuses(&[InvalidField, WrongOrigin, UnsupportedVersion, Draining]),
    ]
}

fn of_one_message() -> Vec<Route> {
    vec![
        patch("/v1/conversations/{id}/messages/{seq}", messages::edit)
            .says("Edits the user's own message; absent fields stay, null removes the subject.")
            .takes::<PatchMessage>(r#"{"text": "Is it really yours?"}"#)
            .answers::<MessageChanged>(reply!("message.edit"))
            .refuses(&[
                Blocked,
                NotFound,
                NotAllowed,
                TooLate,
                ContextClosed,
                TextEmpty,
                TextTooLong,
                TextControl,
                Unknown,
            ]),
        delete("/v1/conversations/{id}/messages/{seq}", messages::delete)
            .says("Deletes a message for everyone: the user's own, or as owner or moderator of a group another's.")
            .answers::<MessageChanged>(reply!("message.delete"))
            .refuses(&[NotFound, NotAllowed, TooLate, Unknown]),
        post("/v1/conversations/{id}/messages/{seq}/hide", messages::hide)
            .says("Hides a message from the user, for good.")
            .answers::<Changed>(reply!("message.hide"))
            .refuses(&[NotFound, Unknown]),
        get("/v1/conversations/{id}/messages/{seq}/reactions", messages::reactions)
            .says("Lists who reacted to a message, with their names.")
            .query::<Page>()
            .answers::<Reactions>(reply!("message.reactions"))
            .refuses(&[NotFound]),
        put("/v1/conversations/{id}/messages/{seq}/reactions/{emoji}", messages::react)
            .says("Adds the user's own reaction to a message.")
            .answers::<MessageChanged>(reply!("message.react"))
            .refuses(&[Blocked, NotFound, NotAllowed, InvalidField, LimitReached, TooLate, ContextClosed, Unknown]),
        delete("/v1/conversations/{id}/messages/{seq}/reactions/{emoji}", messages::take_back)
            .says("Removes the user's own reaction.")
            .answers::<MessageChanged>(reply!("message.react"))
            .refuses(&[Blocked, NotFound, NotAllowed, InvalidField, TooLate, ContextClosed, Unknown]),
    ]
}

fn of_files() -> Vec<Route> {
    let under_way = r#"{"id": 31, "client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b53", "name": "umbrella.jpg",
        "bytes": 48213, "received": 16384, "attachment": null}"#;
    let there = r#"{"id": 31, "client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b53", "name": "umbrella.jpg",
        "bytes": 48213, "received": 48213, "attachment": {"id": 31, "name": "umbrella.jpg",
        "media_type": "image/jpeg", "bytes": 47102, "url": "/v1/files/31", "width": 1200, "height": 900,
        "blur_hash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj", "preview": "/v1/files/31/preview"}}"#;
    vec![
        post("/v1/uploads", files::begin)
            .says("Starts an upload; the body is the file, or the first part of it. Finished when all bytes are there.")
            .query::<files::NewUpload>()
            .takes_bytes("application/octet-stream")
            .answers_like::<Upload>(there)
            .refuses(&[TooLarge, LimitReached, Conflict, UnsupportedType, UploadUnfinished, TimedOut, Unavailable]),
        get("/v1/uploads/{client_id}", files::get)
            .says("Returns how much of an upload is stored: where to resume.")
            .answers_like::<Upload>(under_way)
            .refuses(&[NotFound]),
        patch("/v1/uploads/{client_id}", files::go_on)
            .says("Resumes an upload; the body is the file from `offset` on.")
            .query::<files::Offset>()
            .takes_bytes("application/octet-stream")
            .answers_like::<Upload>(there)
            .refuses(&[
                NotFound,
                WrongOffset,
                TooLarge,
                Conflict,
                UnsupportedType,
                UploadUnfinished,
                TimedOut,
                Unavailable,
            ]),
        delete("/v1/uploads/{client_id}", files::give_up)
            .says("Cancels an upload, or deletes a file that was not sent.")
            .refuses(&[NotFound]),
        get("/v1/files/{id}", files::file)
            .says(
                "Returns a file, or one range of it: for users that can see its message, or its uploader before that.",
            )
            .answers_bytes("application/octet-stream")
            .refuses(&[NotFound, RangeNotSatisfiable]),
        get("/v1/files/{id}/preview", files::preview)
            .says("Returns the preview of an image.")
            .answers_bytes("image/jpeg")
            .refuses(&[NotFound, RangeNotSatisfiable]),
    ]
}

fn of_the_server() -> Vec<Route> {
    let ok = r#"{"status": "ok"}"#;
    vec![
        get("/v1/limits", health::limits)
            .for_anybody()
            .says("Returns the limits, and other settings that clients need.")
            .answers_like::<LimitsAnswer>(
                &serde_json::to_string(&health::in_force(&Config::default())).expect("limits have string keys only"),
            ),
        get("/v1/site", health::site)
            .for_anybody()
            .says("Returns the name of the site.")
            .answers_like::<health::Site>(
                r#"{"name": "Parlor", "sign_up": false, "session_days": 30, "accounts": true, "sign_in_url": null,
                    "sign_out_url": null}"#,
            ),
        post("/v1/host/recheck", host::recheck)
            .for_anybody()
            .says(
                "Checks sessions of the host at once, of these users or of all, with the secret of the configuration as \
                 bearer token. An empty body means all.",
            )
            .takes::<Recheck>(r#"{"users": [7, "8"]}"#)
            .refuses(&[NotFound, NotSignedIn, Unavailable]),
        get("/livez", health::live).says("Returns whether the server runs.").answers_like::<Health>(ok),
        get("/readyz", health::ready)
            .says("Returns whether the server can serve: 503 while it stops or has no store.")
            .answers_like::<Health>(ok),
        get("/metrics", health::metrics)
            .says("Returns metrics in the OpenMetrics format, with the operator's token.")
            .answers_bytes("application/openmetrics-text")
            .refuses(&[NotFound, NotSignedIn]),
        get("/openapi.json", openapi::serve).says("Returns this document.").answers_bytes("application/json"),
        get("/schema.json", schema::serve)
            .says("Returns the socket's frames, as JSON Schema.")
            .answers_bytes("application/schema+json"),
        get("/errors/{code}", assets::error_page)
            .says("Explains an error code or close code.")
            .answers_bytes("text/html")
            .refuses(&[NotFound]),
        get("/theme.css", assets::theme).says("Returns the colours of the site.").answers_bytes("text/css"),
    ]
}
