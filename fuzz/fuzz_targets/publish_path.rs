#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cliprelay_fuzz::publish_path::check(data));
