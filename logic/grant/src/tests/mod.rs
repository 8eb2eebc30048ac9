//! Tests. `bench` has the table's frames and pages that count their holders.

mod bench;
mod maptrack;
mod pins;
mod random;
mod request;
