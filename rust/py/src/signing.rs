//! Issuer keys: signing commitments, and verifying token signatures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use rayon::prelude::*;
use zeroize::Zeroizing;
use zkcredit_core::bbs::token::{SignedCommitment, verify_commitments};
use zkcredit_core::bbs::{PublicKey, SecretKey, Signature, SigningContext, Suite, token};
use zkcredit_core::error::Error;
use zkcredit_core::group::{E1Affine, Scalar};

use crate::convert::{bytes, fixed, scalar, scalar_bytes};
use crate::errors::{MalformedInput, raise, refused};
use crate::secrets::Seed;

type Contexts = Mutex<HashMap<([u8; 96], Vec<u8>, usize), Arc<SigningContext>>>;

/// Most contexts kept.
const MAX_CONTEXTS: usize = 4096;

/// The context of (key, header, message count); cached per process.
fn context(key: &[u8; 96], header: &[u8], count: usize) -> PyResult<Arc<SigningContext>> {
    static CONTEXTS: OnceLock<Contexts> = OnceLock::new();
    let contexts = CONTEXTS.get_or_init(Contexts::default);
    let index = (*key, header.to_vec(), count);
    let known = contexts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&index)
        .cloned();
    if let Some(found) = known {
        return Ok(found);
    }
    let public = PublicKey::from_bytes(key).map_err(raise)?;
    let made = Arc::new(SigningContext::new(&public, count, header).map_err(raise)?);
    let mut entries = contexts.lock().unwrap_or_else(PoisonError::into_inner);
    if entries.len() >= MAX_CONTEXTS {
        entries.clear();
    }
    entries.insert(index, Arc::clone(&made));
    Ok(made)
}

fn not_on_curve() -> PyErr {
    MalformedInput::new_err("bytes are no point of the curve")
}

type Adjustments<'py> = Vec<(usize, Bound<'py, PyAny>)>;

fn adjustments(given: &Adjustments<'_>) -> PyResult<Vec<(usize, Scalar)>> {
    given
        .iter()
        .map(|(index, value)| Ok((*index, *scalar(value)?)))
        .collect()
}

/// A BBS key pair of one issuer, for the tokens of a period or the credentials of a schema.
#[pyclass(frozen, module = "zkcredit._native")]
pub struct IssuerKey {
    secret: SecretKey,
    public: PublicKey,
}

struct Order {
    context: Arc<SigningContext>,
    tweak: Scalar,
    adjustments: Vec<(usize, Scalar)>,
}

impl IssuerKey {
    /// `C_final` and the signature on it, encoded; a C′ outside the subgroup is signed too.
    fn sign(&self, order: &Order, point: Option<E1Affine>) -> PyResult<([u8; 48], [u8; 80])> {
        let point = point.ok_or_else(not_on_curve)?;
        token::sign_commitment(
            &self.secret,
            &order.context,
            &point,
            &order.tweak,
            &order.adjustments,
        )
        .map(|(end, signature)| (end.to_compressed(), signature.to_bytes()))
        .map_err(raise)
    }
}

#[pymethods]
impl IssuerKey {
    /// The key that a seed and public data give.
    #[staticmethod]
    fn derive(seed: &Seed, data: &[u8]) -> PyResult<Self> {
        let material: Zeroizing<[u8; 32]> = seed.derive("zkcredit v1 issuer key", data);
        let secret = SecretKey::generate(Suite::Sha256, material.as_slice(), b"", None);
        let secret = secret.map_err(raise)?;
        Ok(IssuerKey {
            public: secret.public_key().clone(),
            secret,
        })
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, self.public.as_bytes())
    }

    /// Signs commitments: (header, message count, C′, tweak, adjustments) each.
    #[allow(clippy::type_complexity)]
    fn sign_commitments<'py>(
        &self,
        py: Python<'py>,
        items: Vec<(
            PyBackedBytes,
            usize,
            PyBackedBytes,
            PyBackedBytes,
            Adjustments<'py>,
        )>,
    ) -> PyResult<Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
        let mut orders = Vec::with_capacity(items.len());
        let mut encoded = Vec::with_capacity(items.len());
        for (header, count, point, tweak, added) in &items {
            encoded.push(fixed(point, "a commitment")?);
            orders.push(Order {
                context: context(self.public.as_bytes(), header, *count)?,
                tweak: scalar_bytes(tweak)?,
                adjustments: adjustments(added)?,
            });
        }
        let signed: PyResult<Vec<_>> = py.detach(|| {
            let points = E1Affine::from_compressed_many(&encoded);
            let orders = orders.par_iter().zip(points);
            orders.map(|(o, point)| self.sign(o, point)).collect()
        });
        Ok(signed?
            .into_iter()
            .map(|(c, s)| (bytes(py, &c), bytes(py, &s)))
            .collect())
    }

    /// Signs lists of messages that the issuer knows, all under one header.
    fn sign_messages<'py>(
        &self,
        py: Python<'py>,
        header: &[u8],
        items: Vec<Vec<Bound<'py, PyAny>>>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let read = |item: &Vec<Bound<'py, PyAny>>| {
            let values = item.iter().map(|m| scalar(m).map(|s| *s));
            values
                .collect::<PyResult<Vec<Scalar>>>()
                .map(Zeroizing::new)
        };
        let messages = items.iter().map(read).collect::<PyResult<Vec<_>>>()?;
        let sign = |m: &Zeroizing<Vec<Scalar>>| token::sign_messages(&self.secret, header, m);
        let signed: Result<Vec<_>, _> = py.detach(|| messages.par_iter().map(sign).collect());
        let signed = signed.map_err(raise)?.into_iter();
        Ok(signed.map(|s| bytes(py, &s.to_bytes())).collect())
    }

    fn __repr__(&self) -> &'static str {
        "IssuerKey([REDACTED])"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(crate::errors::misuse(
            "keys are not pickled; keep the seed in a keystore",
        ))
    }
}

/// The tweak that the signer adds to a serial.
#[pyfunction]
pub fn serial_tweak<'py>(
    py: Python<'py>,
    origin: &[u8],
    commitment: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let tweak = token::serial_tweak(origin, &fixed(commitment, "a commitment")?);
    Ok(bytes(py, &tweak.to_bytes_be()))
}

/// Verifies a signature on exactly these messages.
#[pyfunction]
pub fn verify_messages(
    py: Python<'_>,
    public_key: &[u8],
    header: &[u8],
    messages: Vec<Bound<'_, PyAny>>,
    signature: &[u8],
) -> PyResult<()> {
    let values = Zeroizing::new(
        messages
            .iter()
            .map(|m| scalar(m).map(|s| *s))
            .collect::<PyResult<Vec<Scalar>>>()?,
    );
    let key = fixed(public_key, "an issuer key")?;
    let signature = Signature::from_bytes(&fixed(signature, "a signature")?).map_err(raise)?;
    let public = PublicKey::from_bytes(&key).map_err(raise)?;
    py.detach(|| token::verify_messages(&public, header, &values, &signature))
        .map_err(raise)
}

/// Strict decoding and subgroup test of an issuer's public key.
#[pyfunction]
pub fn check_issuer_key(public_key: &[u8]) -> PyResult<()> {
    let key = fixed(public_key, "an issuer key")?;
    PublicKey::from_bytes(&key).map(|_| ()).map_err(raise)
}

/// Public key, header, message count, nullifier, C′, signature.
type SignedBytes = (
    PyBackedBytes,
    PyBackedBytes,
    usize,
    PyBackedBytes,
    PyBackedBytes,
    PyBackedBytes,
);

/// A signature with the commitment and the tweak that it should be on.
struct Signed {
    context: Arc<SigningContext>,
    commitment: E1Affine,
    tweak: Scalar,
    signature: Signature,
}

impl Signed {
    fn decode(
        (key, header, count, nullifier, encoded, _): &SignedBytes,
        point: Option<E1Affine>,
        signature: Result<Signature, Error>,
    ) -> PyResult<Self> {
        Ok(Signed {
            context: context(&fixed(key, "an issuer key")?, header, *count)?,
            commitment: point.ok_or_else(not_on_curve)?,
            tweak: token::serial_tweak(nullifier, &fixed(encoded, "a commitment")?),
            signature: signature.map_err(raise)?,
        })
    }
}

/// Smallest share of a batch that is worth a multi-pairing of its own.
const MIN_SHARE: usize = 64;

/// Verifies the public signatures of purchases and refreshes at once: each is on
/// `C′ + H(N ‖ C′)·H_serial`. (Public key, header, message count, nullifier, C′,
/// signature) each; what does not decode is a culprit like what does not verify.
#[pyfunction]
pub fn verify_public_signatures(py: Python<'_>, items: Vec<SignedBytes>) -> PyResult<()> {
    let culprits = py.detach(|| {
        let decoded = decode_all(&items);
        let share = items.len().div_ceil(rayon::current_num_threads());
        let share = share.max(MIN_SHARE);
        let parts = decoded.par_chunks(share).enumerate();
        let refused = parts.map(|(part, items)| {
            let refused = culprits_of(items)?;
            Ok(refused.into_iter().map(move |i| part * share + i).collect())
        });
        refused.collect::<Result<Vec<Vec<usize>>, Error>>()
    });
    let culprits = culprits.map_err(raise)?.concat();
    if culprits.is_empty() {
        Ok(())
    } else {
        Err(refused("token signatures", culprits))
    }
}

/// What decodes.
fn decode_all(items: &[SignedBytes]) -> Vec<Option<Signed>> {
    let encoded: Vec<&[u8]> = items.iter().map(|item| &*item.5).collect();
    let signatures = Signature::from_bytes_many(&encoded);
    let encoded: Vec<[u8; 48]> = items
        .iter()
        .map(|item| (*item.4).try_into().unwrap_or([0; 48]))
        .collect();
    let points = E1Affine::from_compressed_many(&encoded);
    items
        .par_iter()
        .zip(points)
        .zip(signatures)
        .map(|((item, point), signature)| Signed::decode(item, point, signature).ok())
        .collect()
}

fn culprits_of(items: &[Option<Signed>]) -> Result<Vec<usize>, Error> {
    let (mut bad, mut places, mut signed) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let Some(item) = item else {
            bad.push(index);
            continue;
        };
        places.push(index);
        signed.push(SignedCommitment {
            context: &item.context,
            commitment: &item.commitment,
            tweak: item.tweak,
            signature: &item.signature,
        });
    }
    let refused = verify_commitments(&signed)?;
    bad.extend(refused.into_iter().map(|i| places[i]));
    bad.sort_unstable();
    Ok(bad)
}
