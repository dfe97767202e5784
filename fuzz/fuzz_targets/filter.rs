//! Filters and order clauses of every search.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| tracking::fuzzing::search(text));
