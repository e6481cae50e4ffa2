//! BBS signatures (A, e): codec, `Sign` and `Verify` of the draft on octet messages.

use rayon::prelude::*;

use super::interface::{GeneratorSet, Interface};
use super::keys::prepared_generator;
use super::{PublicKey, SecretKey, Suite};
use crate::error::{Error, Result};
use crate::group::{E1, E1Affine, G1Affine, Scalar, all_in_subgroup, pairing_product_is_one};

/// Bytes of an encoded signature: `A` compressed (48) and `e` (32).
pub const SIGNATURE_LEN: usize = 80;

const MALFORMED: Error = Error::Malformed("signature");

/// A signature: `A = 1/(x + e)·B` in G1, not the identity, and `e ≠ 0`.
///
/// Decoding is strict, so a value of this type always has these properties; that
/// it verifies is another matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    a: G1Affine,
    e: Scalar,
}

impl Signature {
    pub(crate) fn new(a: G1Affine, e: Scalar) -> Result<Self> {
        if e.is_zero() {
            return Err(Error::Misuse("signature with e = 0"));
        }
        Ok(Signature { a, e })
    }

    /// `octets_to_signature`.
    ///
    /// # Errors
    /// [`Error::Malformed`] unless `A` is the canonical compression of a point of G1
    /// other than the identity and `0 < e < r`. Membership in G1 matters to holders:
    /// a torsion part in `A` would mark them in every presentation.
    pub fn from_bytes(bytes: &[u8; SIGNATURE_LEN]) -> Result<Self> {
        let (a, e) = bytes.split_first_chunk::<48>().ok_or(MALFORMED)?;
        let a = E1Affine::from_compressed(a).ok_or(MALFORMED)?;
        let a = a.to_g1().ok_or(MALFORMED)?;
        let e = e.try_into().ok().and_then(scalar).ok_or(MALFORMED)?;
        Ok(Signature { a, e })
    }

    /// [`Self::from_bytes`] of many encodings on all threads, membership in G1 tested for
    /// all at once ([`all_in_subgroup`]). Variable time, all inputs public.
    ///
    /// # Errors
    /// Each as of [`Self::from_bytes`], [`Error::Malformed`] also for another length.
    #[must_use]
    pub fn from_bytes_many(encoded: &[&[u8]]) -> Vec<Result<Self>> {
        let head = |bytes: &&[u8]| bytes.first_chunk().copied().unwrap_or([0; 48]);
        let heads: Vec<[u8; 48]> = encoded.iter().map(head).collect();
        let points = E1Affine::from_compressed_many(&heads);
        let known: Vec<E1Affine> = points.iter().flatten().copied().collect();
        let tested = all_in_subgroup(&known);
        let whole = encoded.par_iter().zip(points).map(|(bytes, point)| {
            let (_, e) = bytes.split_first_chunk::<48>()?;
            let e = scalar(e.try_into().ok()?)?;
            let a = match tested {
                true => point?.to_g1_tested(),
                false => point?.to_g1()?,
            };
            Some(Signature { a, e })
        });
        whole.map(|found| found.ok_or(MALFORMED)).collect()
    }

    /// `signature_to_octets`: `A` compressed and `e` big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SIGNATURE_LEN] {
        let mut out = [0u8; SIGNATURE_LEN];
        out[..48].copy_from_slice(&self.a.to_compressed());
        out[48..].copy_from_slice(&self.e.to_bytes_be());
        out
    }

    /// The point `A`.
    #[must_use]
    pub fn a(&self) -> &G1Affine {
        &self.a
    }

    /// The scalar `e`.
    #[must_use]
    pub fn e(&self) -> &Scalar {
        &self.e
    }
}

/// `e`, which is not 0.
fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_bytes_be(bytes).filter(|e| !e.is_zero())
}

/// `A = 1/(x + e)·B` for a `B` in G1, constant time.
pub(super) fn sign_point(key: &SecretKey, point: &E1, e: Scalar) -> Result<Signature> {
    let exponent = zeroize::Zeroizing::new(*key.scalar() + e);
    let inverse = exponent
        .invert()
        .map(zeroize::Zeroizing::new)
        .ok_or(Error::Misuse("this key cannot sign these messages"))?;
    let a = point
        .to_g1_trusted()
        .and_then(|base| base.mul(&inverse).to_g1_trusted())
        .ok_or(Error::Misuse("messages whose commitment is the identity"))?;
    Signature::new(a, e)
}

/// `e(A, W)·e(e·A − B, P2) = 1` for a `B` in G1.
pub(super) fn pairing_holds(key: &PublicKey, signature: &Signature, point: &E1) -> bool {
    let right = signature.a.mul(&signature.e) - *point;
    pairing_product_is_one(&[
        (E1::from(signature.a), key.prepared()),
        (right, prepared_generator()),
    ])
}

/// `CoreSign` on scalar messages under the draft's interface of the suite.
///
/// Constant time in key and messages. Deterministic: `e` is hashed from key,
/// messages and domain.
///
/// # Errors
/// [`Error::Misuse`] for too many messages, or in the practically impossible case
/// that `x + e = 0`, `e = 0` or `B` is the identity.
pub fn sign_scalars(
    suite: Suite,
    key: &SecretKey,
    header: &[u8],
    messages: &[Scalar],
) -> Result<Signature> {
    let interface = Interface::core(suite);
    let set = GeneratorSet::new(interface, messages.len().saturating_add(1), 0)?;
    let domain = set.domain(key.public_key(), header);
    let mut input = zeroize::Zeroizing::new(Vec::with_capacity(32 * (messages.len() + 2)));
    input.extend_from_slice(&*key.to_bytes());
    for message in messages {
        input.extend_from_slice(&message.to_bytes_be());
    }
    input.extend_from_slice(&domain.to_bytes_be());
    let e = interface.hash_to_scalar_h2s(&input);
    sign_point(key, &set.message_point(&domain, messages)?, e)
}

/// `CoreVerify` on scalar messages: one pairing product, constant time in the messages.
///
/// # Errors
/// [`Error::Refused`] if the signature does not verify, [`Error::Misuse`] for too
/// many messages.
pub fn verify_scalars(
    suite: Suite,
    key: &PublicKey,
    header: &[u8],
    messages: &[Scalar],
    signature: &Signature,
) -> Result<()> {
    let set = GeneratorSet::new(Interface::core(suite), messages.len().saturating_add(1), 0)?;
    core_verify(&set, key, header, messages, signature)
}

/// `CoreVerify` under any interface; as many messages as the set is for.
pub(super) fn core_verify(
    set: &GeneratorSet,
    key: &PublicKey,
    header: &[u8],
    messages: &[Scalar],
    signature: &Signature,
) -> Result<()> {
    let point = set.message_point(&set.domain(key, header), messages)?;
    if pairing_holds(key, signature, &point) {
        Ok(())
    } else {
        Err(Error::Refused("signature"))
    }
}

/// `Sign` of the draft's interface: octet messages, any header.
///
/// # Errors
/// As [`sign_scalars`].
pub fn sign<M: AsRef<[u8]>>(
    suite: Suite,
    key: &SecretKey,
    header: &[u8],
    messages: &[M],
) -> Result<Signature> {
    sign_scalars(suite, key, header, &suite.messages_to_scalars(messages))
}

/// `Verify` of the draft's interface: octet messages, any header.
///
/// # Errors
/// As [`verify_scalars`].
pub fn verify<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    header: &[u8],
    messages: &[M],
    signature: &Signature,
) -> Result<()> {
    let scalars = suite.messages_to_scalars(messages);
    verify_scalars(suite, key, header, &scalars, signature)
}
