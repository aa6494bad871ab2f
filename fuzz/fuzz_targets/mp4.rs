#![no_main]

/// A file of a few kilobytes must not make us allocate more than this at once; beyond it the fuzzer stops.
#[global_allocator]
static MEMORY: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, 512 * 1024 * 1024);

libfuzzer_sys::fuzz_target!(|data: &[u8]| cliprelay_fuzz::mp4::check(data));
