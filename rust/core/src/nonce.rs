//! Nonces of provers, hedged: hashed from fresh randomness, the secrets and what is
//! proven together. A weak or repeated random source then still gives different nonces
//! for different statements, and a strong one hides even if the hash's other inputs
//! are known.

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::group::Scalar;

/// `count` secret scalars under a BLAKE3 context. `public` are the parts of the
/// statement, `secrets` the witness; both are absorbed with their lengths.
///
/// # Errors
/// [`Error::Misuse`] if the system's random source fails.
pub(crate) fn hedged_scalars(
    context: &str,
    public: &[&[u8]],
    secrets: &[Scalar],
    count: usize,
) -> Result<Zeroizing<Vec<Scalar>>> {
    let mut fresh = Zeroizing::new([0u8; 32]);
    getrandom::fill(fresh.as_mut_slice())
        .map_err(|_| Error::Misuse("the system's random source fails"))?;
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(fresh.as_slice());
    for part in public {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.update(&(secrets.len() as u64).to_be_bytes());
    for secret in secrets {
        hasher.update(Zeroizing::new(secret.to_bytes_be()).as_slice());
    }
    let mut stream = hasher.finalize_xof();
    let mut wide = Zeroizing::new([0u8; 64]);
    // At full capacity at once: a growing vector would leave copies behind.
    let mut scalars = Zeroizing::new(Vec::with_capacity(count));
    for _ in 0..count {
        stream.fill(wide.as_mut_slice());
        scalars.push(Scalar::from_wide_be(wide.as_slice()));
    }
    Ok(scalars)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_fresh_and_distinct() {
        let secrets = [Scalar::from_u64(1)];
        let draw = || hedged_scalars("zkcredit test", &[b"statement"], &secrets, 3);
        let (first, second) = (draw().expect("random"), draw().expect("random"));
        assert_eq!(first.len(), 3);
        let mut all: Vec<[u8; 32]> = first
            .iter()
            .chain(second.iter())
            .map(Scalar::to_bytes_be)
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
    }
}
