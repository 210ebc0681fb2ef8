//! Any bytes as a film that somebody sends.
#![no_main]
#![expect(dead_code, reason = "of what looks at files only a part is asked")]

#[path = "../../crates/server/src/files/videos/mod.rs"]
mod videos;
#[path = "../src/looks.rs"]
mod looks;
#[path = "../../crates/server/src/files/pictures/mod.rs"]
mod pictures;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| looks::film(bytes));
