//! Prints the hypervisor's answers.
#![no_std]
#![no_main]
#[unsafe(no_mangle)]
extern "C" fn guest_main(_tree: usize) -> ! {
    loop {
        support::call::power_off();
    }
}
