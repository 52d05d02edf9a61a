#![no_main]

libfuzzer_sys::fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (cuts, response) = input;
    fuzz::check_response(response, &cuts);
});
