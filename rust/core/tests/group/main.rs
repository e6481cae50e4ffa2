//! Tests of the group module.

#[path = "../support/mod.rs"]
mod support;

mod encoding;
mod hash_to_curve;
mod large_sums;
mod multiplication;
mod pairing;
mod scalar;
mod subgroup;
