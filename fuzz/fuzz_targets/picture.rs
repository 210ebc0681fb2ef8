//! Any bytes as an uploaded picture.
#![no_main]
#![expect(dead_code, reason = "a target uses a part of these modules")]

#[path = "../../crates/server/src/files/videos/mod.rs"]
mod videos;
#[path = "../src/file_checks.rs"]
mod file_checks;
#[path = "../../crates/server/src/files/pictures/mod.rs"]
mod pictures;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| file_checks::picture(bytes));
