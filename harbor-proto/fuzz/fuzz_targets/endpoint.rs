#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| harbor_proto_fuzz::endpoint::run(input));
