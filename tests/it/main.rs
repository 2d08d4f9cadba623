//! One binary for every test across crates: it links once.

mod bad_input;
mod calls;
mod clocks;
mod command;
mod coverage;
mod crowds;
mod deny;
mod foreign;
mod killed;
mod organizations;
mod pauses;
mod proxies;
mod readiness;
mod scenarios;
mod sync;
mod template;
mod tidy;
mod user_files;
mod why;
mod why_asks;
mod world;
