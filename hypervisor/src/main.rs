//! The hypervisor's binary: it ties the machine's entry to the library.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
mod bare {
    use abi::CpuId;
    use machine::Boot;
    use machine::lock::{Token, Unlocked};

    #[allow(unsafe_code, reason = "the machine's entry code finds these by name")]
    #[unsafe(no_mangle)]
    fn euxenite_boot(boot: Boot) -> ! {
        hypervisor::boot::boot(boot)
    }

    #[allow(unsafe_code, reason = "as above")]
    #[unsafe(no_mangle)]
    fn euxenite_secondary(cpu: CpuId, token: Token<Unlocked>) -> ! {
        hypervisor::boot::secondary(cpu, token)
    }

    #[allow(unsafe_code, reason = "as above")]
    #[unsafe(no_mangle)]
    fn euxenite_find_uart(tree: &[u8]) -> Option<u64> {
        hypervisor::boot::find_uart(tree)
    }
}

/// The bare-metal image is the product; on a host there is nothing to run.
#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("euxenite runs at EL2: build it with `cargo xtask build`");
}
