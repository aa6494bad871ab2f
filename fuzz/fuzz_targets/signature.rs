#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cliprelay_fuzz::signature::check(data));
