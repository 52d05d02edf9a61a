#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (lengths, response) = input.split_at(input.len().min(8));
    fuzz::check_response(response, lengths);
});
