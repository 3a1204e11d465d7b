//! Suites that prove a store or a runtime of your own: the same cases that the built-in ones pass.
//!
//! Each suite is a macro that makes one test per case, and a list of the same cases for test programs that make
//! their tests at run time.

pub mod deployer;
pub mod store;
