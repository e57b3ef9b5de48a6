//! The server binary: the runtime over the backend of the system it is built for.

use std::process::ExitCode;

use vireo_backend::Backend;

#[global_allocator]
static ALLOCATOR: vireo_server::alloc::Counted = vireo_server::alloc::Counted;

fn main() -> ExitCode {
    vireo_server::boot::main::<Backend>()
}
