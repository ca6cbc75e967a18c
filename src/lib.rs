//! Bonafide: a self-hosted user directory in which *verified* means something.
//!
//! - [`directory`] holds the rules, as plain functions on plain types;
//! - [`store`] keeps documents and knows no rule;
//! - [`app`] brings both together: [`app::App::change`] is the one way to change a user;
//! - [`api`] turns requests into calls of the app, and results into answers;
//! - [`server`] accepts connections and hands their requests to the API;
//! - [`mail`] makes mails and sends them, [`pages`] are what their links lead to, and [`templates`] has
//!   what both say;
//! - [`metrics`] is what all of them count, for Prometheus;
//! - `console` is what operators see in the browser;
//! - [`cli`] is the command line, `bonafide serve` among it.

pub mod api;
pub mod app;
pub mod cli;
mod console;
pub mod directory;
pub mod error;
pub mod id;
mod import;
mod json;
pub mod mail;
pub mod metrics;
pub mod pages;
mod private_file;
pub mod secret;
pub mod server;
pub mod store;
pub mod templates;
pub mod time;
