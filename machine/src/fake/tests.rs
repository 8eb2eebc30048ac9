//! Tests of the fake machine itself.
