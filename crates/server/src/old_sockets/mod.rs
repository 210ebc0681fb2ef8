//! The old sockets of the application beside Parlor: the protocols that its pages speak, as its profile declares them.
//!
//! Invariants: a socket belongs to a session, and the sender of a message is the session's user, whatever a frame says;
//! a message is stored in the host's table before a frame names it; messages reach sockets from the mirror only,
//! whichever way they were sent; nothing is sent that the profile does not declare.
//! Absent on purpose: anything about one application; presence (an old socket does not make its user present).

mod commands;
mod connection;
mod conversation;
mod incoming;
mod own_rows;
mod render;

use crate::{
    app::App,
    handover::HeldSocket,
    host_pages::PageHeaders,
    host_side::HostSide,
    identity::actor::Actor,
    listener::ConnectionSlots,
    profile::{Profile, path_template::PathParts, sockets::SocketProfile},
    ws::{
        self,
        wire::{Bounds, Wire, WireParts},
    },
};
use bytes::Bytes;
use commands::SocketUser;
use connection::Past;
use jiff::tz::TimeZone;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// The code for a socket that the configuration no longer has: the server restarts.
const CLOSED_WITHOUT_ROUTE: u16 = 1012;

/// A path that is one of an old socket.
#[derive(Debug)]
pub(crate) struct OldSocketRoute {
    application: Arc<Profile>,
    /// Its place in the profile.
    index: usize,
    path: PathParts,
    /// The path of the request.
    request_path: String,
}

impl OldSocketRoute {
    /// Finds the socket that a request's path, with percent-encoded bytes, leads to.
    pub(crate) fn find(application: Option<&Arc<Profile>>, request_path: &str) -> Option<Self> {
        let application = application?;
        let path = decoded(request_path)?;
        let found = application.sockets.iter().enumerate();
        let (index, path) = { found }.find_map(|(index, socket)| Some((index, socket.path.matches(&path)?)))?;
        Some(Self { application: application.clone(), index, path, request_path: request_path.to_owned() })
    }

    /// Returns whether the host is asked with the cookies of the page.
    pub(crate) fn needs_cookies(&self) -> bool {
        self.profile().needs_cookies()
    }

    fn profile(&self) -> &SocketProfile {
        &self.application.sockets[self.index]
    }

    fn zone(&self) -> TimeZone {
        let of_application = || TimeZone::get(&self.application.time_zone).unwrap_or(TimeZone::UTC);
        self.profile().time_zone.clone().unwrap_or_else(of_application)
    }
}

/// Serves a socket until it ends. Its Origin was checked, and its session, when the hub had counted `ends`. `id` is the
/// host's id of the session's user, and `page` is there if the socket needs it.
pub(crate) async fn serve(
    (app, host): (Arc<App>, Arc<dyn HostSide>),
    route: OldSocketRoute,
    (actor, ends): (Actor, u64),
    (id, page): (String, Option<PageHeaders>),
    upgrade: ws::Upgrade,
) {
    if let Some(socket) = ws::upgraded(&app, upgrade).await {
        let me = SocketUser { user: actor.user, id, page };
        connection::run((app, host), Arc::new(route), (actor, ends), me, socket).await;
    }
}

/// Goes on serving a socket that the program before held. It is closed if its path is no longer one of an old socket.
pub(crate) async fn resume(app: Arc<App>, held: HeldSocket, slots: Arc<ConnectionSlots>) {
    let HeldSocket { stream, record, attached } = held;
    let Ok(stream) = slots.resume(&app.config, stream) else { return };
    let life =
        ws::life(&app).map(|most| record.life_left_ms.map_or(most, |left| most.min(Duration::from_millis(left))));
    let end = life.map(|life| Instant::now() + life);
    let parts = WireParts { stream, input: record.input, output: record.output, end };
    let wire = Wire::resumed(parts, Bounds::of(&app.config));
    let (Some(host), Some(route)) =
        (app.host_side.get().cloned(), OldSocketRoute::find(app.profile.as_ref(), &record.path))
    else {
        return wire.close(Some(CLOSED_WITHOUT_ROUTE), "", false).await;
    };
    let page = record.page.filter(|_| route.needs_cookies());
    let me = SocketUser { user: record.user, id: record.external_id, page };
    let actor = Actor { user: record.user, session: record.session };
    let past = Past { shown: record.shown, rows: record.rows.into_iter().map(Bytes::from).collect() };
    connection::resume((app, host), Arc::new(route), (actor, attached), me, (wire, past)).await;
}

/// Decodes the percent-encoded bytes of a path; none if the result is not UTF-8.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = match (first, after) {
            (b'%', [high, low, ..]) => {
                let digits = [*high, *low];
                let digits = str::from_utf8(&digits).ok().filter(|digits| !digits.starts_with('+'));
                digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
