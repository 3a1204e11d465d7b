//! Tests of the whole, one module for each story.

#![expect(clippy::unwrap_used, reason = "all of it is test code, also what stands outside a test function")]

mod arrows;
