//! The old sockets of the application beside Parlor: the protocols that its pages speak, as its profile declares them.
//!
//! Invariants: a socket belongs to a session, and the sender of a message is the session's user, whatever a frame says;
//! a message is stored in the host's table before a frame names it; messages reach sockets from the mirror only,
//! whichever way they were sent; nothing is sent that the profile does not declare.
//! Absent on purpose: anything about one application; presence (a page with an old socket makes nobody present).

mod commands;
mod connection;
mod conversation;
mod incoming;
mod own_rows;
mod render;

use crate::{
    app::App,
    host_pages::PageHeaders,
    host_side::HostSide,
    identity::actor::Actor,
    profile::{Profile, path_template::PathParts, sockets::SocketProfile},
    ws,
};
use commands::Person;
use hyper::upgrade::OnUpgrade;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// A path that is one of an old socket.
#[derive(Debug)]
pub(crate) struct Route {
    application: Arc<Profile>,
    /// Its place in the profile.
    index: usize,
    path: PathParts,
}

impl Route {
    /// Finds the socket that a request's path, with percent-encoded bytes, leads to.
    pub(crate) fn find(application: Option<&Arc<Profile>>, path: &str) -> Option<Self> {
        let application = application?;
        let path = decoded(path)?;
        let found = application.sockets.iter().enumerate();
        let (index, path) = { found }.find_map(|(index, socket)| Some((index, socket.path.matches(&path)?)))?;
        Some(Self { application: application.clone(), index, path })
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
    route: Route,
    (actor, ends): (Actor, u64),
    (id, page): (String, Option<PageHeaders>),
    upgrade: OnUpgrade,
) {
    if let Some(socket) = ws::upgraded(&app, upgrade).await {
        let me = Person { user: actor.user, id, page };
        connection::run((app, host), Arc::new(route), (actor, ends), me, socket).await;
    }
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
