//! What a guest sees of each architecture's own interfaces.

pub mod arm64;
