//! Parses the arguments and hands over to `cli`.

use std::process::ExitCode;

// A gateway allocates small things on many threads all day, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    firstline::cli::run(std::env::args_os())
}
