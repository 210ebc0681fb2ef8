//! Any bytes as a text frame of a client.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::frame(bytes));
