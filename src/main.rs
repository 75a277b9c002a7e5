//! Parses the arguments and hands over to `cli`.

use std::process::ExitCode;

// A gateway allocates small things on many threads all day; this allocator takes a third less time for it than glibc's
// (see benches/README.md) and gives memory back after a burst.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    firstline::cli::run(std::env::args_os())
}
