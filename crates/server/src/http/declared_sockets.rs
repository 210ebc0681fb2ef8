//! The paths of sockets that the profile of the application beside Parlor declares: old sockets and broadcast rooms.
//! Nothing is at any other path without a route.

use super::{Edge, assets, old_sockets, rooms};
use axum::{
    extract::{Request, State},
    response::Response,
};

/// Returns whether the profile declares a socket at this path.
pub(super) fn is_declared(edge: &Edge, path: &str) -> bool {
    old_sockets::is_old_socket(edge, path) || rooms::is_room(&edge.app, path)
}

/// Opens a declared socket, or answers that nothing is at this path.
pub(super) async fn open_or_other(State(edge): State<Edge>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let path = parts.uri.path();
    if old_sockets::is_old_socket(&edge, path) {
        return old_sockets::open(edge, &mut parts).await.unwrap_or_else(|refusal| refusal);
    }
    if rooms::is_room(&edge.app, path) {
        return rooms::open(&edge, &mut parts).await.unwrap_or_else(|refusal| refusal);
    }
    assets::other(&edge.app.config.http.root_path, &parts.method, &parts.uri, &parts.headers)
}
