//! Weights of batch verification: the one place they come from.
//!
//! A batch is fixed first, then [`Weights::new`] draws a key from the system's random
//! source: whoever made the batch could not know the weights. The linear-relation
//! proofs alone follow their draft, which hashes weights from the batch itself.

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// An endless supply of non-zero 128-bit weights, one per equation, keyed by the
/// system's random source after all proofs are fixed. Not reproducible.
pub struct Weights(blake3::OutputReader);

impl Weights {
    /// Draws a fresh key.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the system's random source fails.
    pub fn new() -> Result<Self> {
        let mut key = Zeroizing::new([0u8; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(|_| Error::Misuse("no random source"))?;
        Ok(Weights(blake3::Hasher::new_keyed(&key).finalize_xof()))
    }

    /// The next weight.
    pub fn draw(&mut self) -> u128 {
        loop {
            let mut bytes = [0u8; 16];
            self.0.fill(&mut bytes);
            let weight = u128::from_le_bytes(bytes);
            if weight != 0 {
                return weight;
            }
        }
    }
}
