//! Fiat–Shamir transcripts over SHAKE128.
//!
//! Two layers. [`Sponge`] is the duplex sponge of draft-irtf-cfrg-fiat-shamir
//! (suite SHAKE128), byte for byte: a 32-byte session identifier padded to one
//! rate block, then everything absorbed, without separators; [`codec`] holds the
//! draft's encodings. [`Transcript`] is what the proof engine uses on top of it:
//! labelled, length-prefixed messages and exactly one challenge, which consumes
//! the transcript, so nothing can be absorbed after it by mistake.
//!
//! Everything that enters a transcript is public; nothing here is constant-time
//! in the values (SHAKE128 itself has no data-dependent branches).

pub mod codec;
#[cfg(target_arch = "x86_64")]
pub(crate) mod lanes;

use sha3::digest::{ExtendableOutput, Update, XofReader};
use sha3::{Shake128, Shake128Reader};

#[cfg(target_arch = "x86_64")]
use crate::group::Ifma;
use crate::group::Scalar;

/// Rate of SHAKE128 in bytes: the block the session identifier is padded to.
const RATE: usize = 168;

/// Domain separator of [`derive_session_id`], itself used as a session identifier.
const SESSION_DERIVATION_ID: &[u8; 32] = b"irtf-cfrg-fiat-shamir/session-id";

/// Bytes squeezed for one scalar challenge: 32 of the field and 16 against bias.
pub const CHALLENGE_LEN: usize = 48;

/// From this many transcripts on, eight lanes are faster than one after the other.
#[cfg(target_arch = "x86_64")]
const LANES_FROM: usize = 3;

/// The XOF duplex sponge of draft-irtf-cfrg-fiat-shamir with SHAKE128.
#[derive(Clone)]
pub struct Sponge {
    absorbed: Shake128,
    reader: Option<Shake128Reader>,
}

impl Sponge {
    /// `Init`: a sponge that has absorbed the session identifier and 136 zero bytes.
    #[must_use]
    pub fn new(session_id: &[u8; 32]) -> Self {
        let mut absorbed = Shake128::default();
        absorbed.update(&first_block(session_id));
        Sponge {
            absorbed,
            reader: None,
        }
    }

    /// `Absorb`: append bytes to the input. Absorbing is associative, and the
    /// empty string changes nothing (a running squeeze goes on).
    pub fn absorb(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.absorbed.update(bytes);
            self.reader = None;
        }
    }

    /// `Squeeze`: the next bytes of the output over all that was absorbed so far.
    /// Squeezing twice without absorbing goes on in the same output stream.
    pub fn squeeze(&mut self, out: &mut [u8]) {
        if self.reader.is_none() && out.is_empty() {
            return;
        }
        let absorbed = &self.absorbed;
        self.reader
            .get_or_insert_with(|| absorbed.clone().finalize_xof())
            .read(out);
    }

    /// `DecodeField(Squeeze(48), r, 1)`: the next scalar challenge.
    #[must_use]
    pub fn squeeze_scalar(&mut self) -> Scalar {
        let mut wide = [0u8; CHALLENGE_LEN];
        self.squeeze(&mut wide);
        Scalar::from_wide_le(&wide)
    }
}

/// The session identifier and 136 zero bytes.
fn first_block(session_id: &[u8; 32]) -> [u8; RATE] {
    let mut block = [0; RATE];
    block[..32].copy_from_slice(session_id);
    block
}

/// `DeriveSessionID`: 32 bytes that stand for an application's tag. The tag must
/// name protocol, version, hash, curve and use without ambiguity.
#[must_use]
pub fn derive_session_id(tag: &[u8]) -> [u8; 32] {
    let mut sponge = Sponge::new(SESSION_DERIVATION_ID);
    sponge.absorb(tag);
    let mut id = [0u8; 32];
    sponge.squeeze(&mut id);
    id
}

/// What a transcript absorbs for a labelled message, in parts.
fn framed(label: &'static str, bytes: &[u8], mut absorb: impl FnMut(&[u8])) {
    let label_len = u16::try_from(label.len()).expect("a label is a short literal");
    absorb(&label_len.to_be_bytes());
    absorb(label.as_bytes());
    absorb(&(bytes.len() as u64).to_be_bytes());
    absorb(bytes);
}

/// The proof engine's transcript: labelled messages in, one challenge out.
///
/// A message is absorbed as `u16-be(len label) ‖ label ‖ u64-be(len bytes) ‖ bytes`,
/// so the absorbed stream parses in one way only.
#[derive(Clone)]
pub struct Transcript {
    sponge: Sponge,
}

impl Transcript {
    /// A transcript of the protocol with this tag (see [`derive_session_id`]).
    #[must_use]
    pub fn new(protocol: &str) -> Self {
        Transcript {
            sponge: Sponge::new(&derive_session_id(protocol.as_bytes())),
        }
    }

    /// Absorb one labelled message; its length is part of what is absorbed.
    ///
    /// # Panics
    /// If the label is longer than 65,535 bytes; labels are literals of this crate.
    pub fn absorb(&mut self, label: &'static str, bytes: &[u8]) {
        Absorb::absorb(self, label, bytes);
    }

    /// The challenge over everything absorbed. It consumes the transcript: a
    /// protocol with several challenges absorbs the first one into a new one.
    #[must_use]
    pub fn challenge(mut self) -> Scalar {
        self.sponge.squeeze_scalar()
    }
}

/// A [`Transcript`] that is written down first, so that many are hashed at once.
#[derive(Clone)]
pub(crate) struct Recording(Vec<u8>);

/// What takes labelled messages.
pub(crate) trait Absorb {
    /// See [`Transcript::absorb`].
    fn absorb(&mut self, label: &'static str, bytes: &[u8]);
}

impl Absorb for Transcript {
    fn absorb(&mut self, label: &'static str, bytes: &[u8]) {
        framed(label, bytes, |part| self.sponge.absorb(part));
    }
}

impl Absorb for Recording {
    fn absorb(&mut self, label: &'static str, bytes: &[u8]) {
        framed(label, bytes, |part| self.0.extend_from_slice(part));
    }
}

impl Recording {
    /// See [`Transcript::new`].
    pub(crate) fn new(protocol: &str) -> Self {
        Recording(first_block(&derive_session_id(protocol.as_bytes())).to_vec())
    }

    /// The challenge of each; what [`Transcript::challenge`] gives.
    pub(crate) fn challenges(recordings: &[Recording]) -> Vec<Scalar> {
        recordings.chunks(8).flat_map(Self::eight).collect()
    }

    /// Challenges of up to eight, in one go if the processor can and they are of one length.
    fn eight(recordings: &[Recording]) -> Vec<Scalar> {
        #[cfg(target_arch = "x86_64")]
        if let (Some(ifma), [first, ..]) = (Ifma::detect(), recordings) {
            let length = first.0.len();
            if recordings.len() >= LANES_FROM && recordings.iter().all(|r| r.0.len() == length) {
                let message = |lane: usize| recordings.get(lane).unwrap_or(first).0.as_slice();
                let wide = ifma.shake128(std::array::from_fn(message));
                let own = wide.iter().take(recordings.len());
                return own.map(|wide| Scalar::from_wide_le(wide)).collect();
            }
        }
        let one = |recording: &Recording| {
            let mut wide = [0; CHALLENGE_LEN];
            let mut hasher = Shake128::default();
            hasher.update(&recording.0);
            hasher.finalize_xof().read(&mut wide);
            Scalar::from_wide_le(&wide)
        };
        recordings.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_have_the_challenges_of_transcripts() {
        for count in 0..20 {
            for same_length in [true, false] {
                let (mut recordings, mut expected) = (Vec::new(), Vec::new());
                for i in 0..count {
                    let mut recording = Recording::new("test");
                    let mut transcript = Transcript::new("test");
                    let length = if same_length { 500 } else { 100 * i };
                    for (label, bytes) in [("a", vec![i as u8; length]), ("b", vec![7; 32])] {
                        recording.absorb(label, &bytes);
                        transcript.absorb(label, &bytes);
                    }
                    recordings.push(recording);
                    expected.push(transcript.challenge());
                }
                assert_eq!(Recording::challenges(&recordings), expected);
            }
        }
    }
}
