//! The one command of this project: `cargo xtask build | run | test | check-dtb`.
//!
//! Everything that the commands need beyond a Rust compiler is installed, built or fetched by the
//! commands themselves, and cached below `target/`.
#![forbid(unsafe_code)]

mod bench;
mod check_dtb;
mod cli;
mod command;
mod conform;
mod debian;
mod docs;
mod guest_files;
mod headers;
mod host_tree;
mod image;
mod initramfs;
mod kernel;
mod layout;
mod packages;
mod paths;
mod progress;
mod qemu;
mod ready_tree;
mod run;
mod scenario;
mod terminal;
mod test;
mod toolchain;
mod tree_file;
mod unsafe_code;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().execute() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
