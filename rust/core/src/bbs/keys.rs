//! BBS keys: a secret scalar `x` and `W = x·P2` in G2.

use std::fmt;
use std::sync::{Arc, OnceLock};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Suite;
use crate::error::{Error, Result};
use crate::group::{G2Affine, PreparedG2, Scalar};

/// The signer's secret `x`, 0 < x < r, with its public key. Wiped on drop, never
/// printed or copied.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretKey {
    scalar: Scalar,
    #[zeroize(skip)]
    public: PublicKey,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([REDACTED])")
    }
}

impl SecretKey {
    /// `KeyGen` of the draft: a key from at least 32 secret random bytes, some
    /// public information to tell keys apart, and a domain separation tag
    /// (default `ciphersuite_id ‖ "KEYGEN_DST_"` — the published vectors use
    /// `api_id ‖ "KEYGEN_DST_"` and pass it).
    ///
    /// # Errors
    /// [`Error::Misuse`] for less than 32 bytes of material, more than 65,535 of
    /// information or more than 255 of tag.
    pub fn generate(
        suite: Suite,
        key_material: &[u8],
        key_info: &[u8],
        key_dst: Option<&[u8]>,
    ) -> Result<Self> {
        if key_material.len() < 32 {
            return Err(Error::Misuse("key material shorter than 32 bytes"));
        }
        let info_len = u16::try_from(key_info.len())
            .map_err(|_| Error::Misuse("key information longer than 65,535 bytes"))?;
        let default_dst = [suite.id().as_bytes(), b"KEYGEN_DST_"].concat();
        let dst = key_dst.unwrap_or(&default_dst);
        // Allocated at full size at once: a growing buffer would leave copies behind.
        let mut input = Zeroizing::new(Vec::with_capacity(key_material.len() + 2 + key_info.len()));
        input.extend_from_slice(key_material);
        input.extend_from_slice(&info_len.to_be_bytes());
        input.extend_from_slice(key_info);
        Self::from_scalar(suite.hash_to_scalar(&input, dst)?)
    }

    /// The key with these 32 bytes (big-endian).
    ///
    /// # Errors
    /// [`Error::Malformed`] for zero or a number not below the group order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self> {
        Scalar::from_bytes_be(bytes)
            .ok_or(Error::Malformed("secret key"))
            .and_then(Self::from_scalar)
    }

    fn from_scalar(scalar: Scalar) -> Result<Self> {
        if scalar.is_zero() {
            return Err(Error::Malformed("secret key"));
        }
        let point = G2Affine::generator().mul(&scalar).to_affine();
        let public = point.map(PublicKey::from_point);
        Ok(SecretKey {
            scalar,
            public: public.ok_or(Error::Malformed("secret key"))?,
        })
    }

    /// The 32 bytes of the key, wiped when dropped: for key files only.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.scalar.to_bytes_be())
    }

    pub(crate) fn scalar(&self) -> &Scalar {
        &self.scalar
    }

    /// `SkToPk`: `W = x·P2`, computed in constant time when the key was made.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

/// The signer's public key `W` in G2 with its 96-byte encoding. Cheap to clone; the
/// lines of its Miller loop are computed at first use and shared by clones made later.
#[derive(Clone)]
pub struct PublicKey {
    point: G2Affine,
    bytes: [u8; 96],
    prepared: OnceLock<Arc<PreparedG2>>,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        for byte in self.bytes {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

impl PublicKey {
    fn from_point(point: G2Affine) -> Self {
        PublicKey {
            bytes: point.to_compressed(),
            point,
            prepared: OnceLock::new(),
        }
    }

    /// `octets_to_pubkey`: decodes 96 bytes, with subgroup test; refuses the identity.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything but the canonical encoding of a point of G2.
    pub fn from_bytes(bytes: &[u8; 96]) -> Result<Self> {
        G2Affine::from_compressed(bytes)
            .map(Self::from_point)
            .ok_or(Error::Malformed("public key"))
    }

    /// The 96-byte compressed encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 96] {
        &self.bytes
    }

    /// `W` with the lines of its Miller loop.
    pub(crate) fn prepared(&self) -> &PreparedG2 {
        self.prepared
            .get_or_init(|| Arc::new(PreparedG2::new(&self.point)))
    }

    /// The point `W`.
    #[must_use]
    pub fn point(&self) -> &G2Affine {
        &self.point
    }
}

/// `P2`, the generator of G2, with the lines of its Miller loop.
pub(crate) fn prepared_generator() -> &'static PreparedG2 {
    static GENERATOR: OnceLock<PreparedG2> = OnceLock::new();
    GENERATOR.get_or_init(|| PreparedG2::new(&G2Affine::generator()))
}
