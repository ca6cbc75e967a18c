//! Texts read as email addresses.

#![no_main]

#[path = "../../tests/properties/addresses.rs"]
mod addresses;

libfuzzer_sys::fuzz_target!(|text: &str| addresses::an_address_has_one_canonical_form(text));
