#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| abanico_fuzz_libfuzzer::run("webm", data));
