//! Suites that prove a store or a runtime of your own.

pub mod deployer;
