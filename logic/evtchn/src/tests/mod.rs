//! Tests. `bench` has the guest's memory and two domains; the others use it.

mod bench;
mod two_level;
