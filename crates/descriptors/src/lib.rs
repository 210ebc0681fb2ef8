//! Takes over descriptors with which the process was started: sockets of systemd or of another supervisor.
//!
//! This is a package of its own because it contains the only `unsafe` of the server: Rust cannot know who owns a number.

use std::{
    collections::BTreeSet,
    io, mem,
    os::fd::{AsFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
    sync::{Mutex, PoisonError},
};

/// Standard input, output and errors belong to the standard library.
const FIRST: RawFd = 3;

static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// Takes over an inherited descriptor, once, if it is what `check` expects. Programs that this process starts do not
/// inherit it.
///
/// To be called when the process starts, before it opens descriptors of the same kind itself: those would be taken for
/// inherited ones.
///
/// # Errors
/// The number is below 3, is not open, was taken before, or `check` refuses it. Then the descriptor is left as it is.
pub fn adopt(number: RawFd, check: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>) -> io::Result<OwnedFd> {
    if number < FIRST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "inherited descriptors begin at 3"));
    }
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if taken.contains(&number) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the descriptor is in use already"));
    }
    // SAFETY: the descriptor was inherited, so nothing in this process owns it, and `TAKEN` lets it be taken once. It is
    // forgotten below, and not closed, if it turns out to be none.
    #[expect(unsafe_code, reason = "only the caller knows which numbers were inherited")]
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    let checked = rustix::io::fcntl_getfd(&descriptor).map_err(io::Error::from).and_then(|flags| {
        check(descriptor.as_fd())?;
        Ok(rustix::io::fcntl_setfd(&descriptor, flags | rustix::io::FdFlags::CLOEXEC)?)
    });
    if let Err(error) = checked {
        mem::forget(descriptor);
        return Err(error);
    }
    taken.insert(number);
    Ok(descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, os::fd::IntoRawFd as _};

    #[test]
    fn a_descriptor_is_taken_once_and_only_if_it_is_what_is_expected() {
        let number = TcpListener::bind("127.0.0.1:0").expect("a port").into_raw_fd();
        let refused = adopt(number, |_| Err(io::Error::other("something else"))).expect_err("refused");
        assert_eq!(refused.to_string(), "something else");
        let listener = TcpListener::from(adopt(number, |_| Ok(())).expect("it is still open"));
        assert!(listener.local_addr().is_ok());
        assert_eq!(adopt(number, |_| Ok(())).expect_err("in use").kind(), io::ErrorKind::AlreadyExists);
        assert!(adopt(2, |_| Ok(())).is_err() && adopt(100_000, |_| Ok(())).is_err());
    }
}
