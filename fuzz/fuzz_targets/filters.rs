//! Texts read as filters and compiled.

#![no_main]

#[path = "../../tests/properties/filters.rs"]
mod filters;

libfuzzer_sys::fuzz_target!(|text: &str| filters::a_filter_reads_back_or_is_pointed_at(text));
