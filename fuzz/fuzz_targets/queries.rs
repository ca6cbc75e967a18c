//! Texts as the query parameters of lists: pages, sort keys, filters. The first byte says of which list.

#![no_main]

#[path = "../../tests/api/harness.rs"]
#[expect(dead_code, reason = "the tests of the API ask more of it")]
mod harness;
mod home;
#[path = "../../tests/properties/requests.rs"]
#[expect(dead_code, reason = "there is a target for bodies")]
mod requests;

use std::sync::LazyLock;

use requests::Directory;

static DIRECTORY: LazyLock<Directory> = LazyLock::new(Directory::new);

libfuzzer_sys::fuzz_target!(|input: (u8, &str)| DIRECTORY.a_query_is_answered(input.0, input.1));
