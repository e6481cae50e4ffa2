//! The interfaces of the BBS drafts: what an `api_id` separates from all others.
//!
//! An [`Interface`] is a suite with one of three sets of hashes and generators: the
//! core draft's, Blind BBS -02 and pseudonyms -02. The latter two have a second list of
//! generators, `Q_2, J_1, …`, for what the prover commits to. Both lists grow as needed
//! in caches of the process.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::{EXPAND_LEN, MAX_MESSAGES, PublicKey, Suite};
use crate::error::{Error, Result};
use crate::group::{E1, E1Affine, FixedBaseTable, G1Affine, Scalar, SecretBases, msm};

/// Generators of each list that get a table for public scalars (about 130 kB each).
const TABLE_LIMIT: usize = 34;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Core,
    Blind02,
    Pseudonym02,
}

/// A suite together with an `api_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    suite: Suite,
    kind: Kind,
}

impl Interface {
    /// draft-irtf-cfrg-bbs-signatures: `H2G_HM2S_`.
    pub(crate) const fn core(suite: Suite) -> Self {
        let kind = Kind::Core;
        Interface { suite, kind }
    }

    /// draft-irtf-cfrg-bbs-blind-signatures-02: `BLIND_H2G_HM2S_`.
    pub(crate) const fn blind02(suite: Suite) -> Self {
        let kind = Kind::Blind02;
        Interface { suite, kind }
    }

    /// draft-irtf-cfrg-bbs-per-verifier-linkability-02: `H2G_HM2S_PSEUDONYM_`.
    pub(crate) const fn pseudonym02(suite: Suite) -> Self {
        let kind = Kind::Pseudonym02;
        Interface { suite, kind }
    }

    pub(crate) const fn suite(self) -> Suite {
        self.suite
    }

    /// `api_id`: the suite's id and the interface's own name.
    pub(crate) const fn api_id(self) -> &'static str {
        match (self.suite, self.kind) {
            (Suite::Sha256, Kind::Core) => "BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_H2G_HM2S_",
            (Suite::Sha256, Kind::Blind02) => "BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_BLIND_H2G_HM2S_",
            (Suite::Sha256, Kind::Pseudonym02) => {
                "BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_H2G_HM2S_PSEUDONYM_"
            }
            (Suite::Shake256, Kind::Core) => "BBS_BLS12381G1_XOF:SHAKE-256_SSWU_RO_H2G_HM2S_",
            (Suite::Shake256, Kind::Blind02) => {
                "BBS_BLS12381G1_XOF:SHAKE-256_SSWU_RO_BLIND_H2G_HM2S_"
            }
            (Suite::Shake256, Kind::Pseudonym02) => {
                "BBS_BLS12381G1_XOF:SHAKE-256_SSWU_RO_H2G_HM2S_PSEUDONYM_"
            }
        }
    }

    /// `api_id ‖ suffix`.
    fn tag(self, suffix: &str) -> String {
        [self.api_id(), suffix].concat()
    }

    /// `hash_to_scalar` under `api_id ‖ suffix`.
    pub(crate) fn hash_to_scalar(self, msg: &[u8], suffix: &str) -> Scalar {
        Scalar::from_wide_be(&self.suite.expand(msg, self.tag(suffix).as_bytes()))
    }

    /// `hash_to_scalar` under the interface's usual tag, `api_id ‖ "H2S_"`.
    pub(crate) fn hash_to_scalar_h2s(self, msg: &[u8]) -> Scalar {
        self.hash_to_scalar(msg, "H2S_")
    }

    /// `hash_to_curve_g1` under `api_id` itself.
    pub(crate) fn hash_to_curve(self, msg: &[u8]) -> G1Affine {
        self.suite.hash_to_curve(msg, self.api_id().as_bytes())
    }

    /// `messages_to_scalars` (`MapMessageToScalarAsHash`) of octet messages.
    pub(crate) fn messages_to_scalars<M: AsRef<[u8]>>(self, messages: &[M]) -> Vec<Scalar> {
        let dst = self.tag("MAP_MSG_TO_SCALAR_AS_HASH_");
        messages
            .iter()
            .map(|m| Scalar::from_wide_be(&self.suite.expand(m.as_ref(), dst.as_bytes())))
            .collect()
    }

    /// The first `count` generators `Q1, H_1, …` or, if `blind`, `Q_2, J_1, …`.
    pub(crate) fn generators(self, count: usize, blind: bool) -> Result<Vec<G1Affine>> {
        self.with_chain(count, blind, |chain| chain.points[..count].to_vec())
    }

    /// Tables of at least the first `count` generators, for secret scalars.
    fn secret_bases(self, count: usize, blind: bool) -> Result<Arc<SecretBases>> {
        let ready = |chain: &Chain| chain.secret.clone().filter(|bases| bases.len() >= count);
        if let Some(bases) = self.with_chain(count, blind, ready)? {
            return Ok(bases);
        }
        let rounded = count.next_power_of_two().min(MAX_MESSAGES + 1);
        let points = self.generators(rounded, blind)?;
        let bases = Arc::new(SecretBases::new(&points));
        let mut chain = self
            .cache(blind)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        chain.secret = Some(Arc::clone(&bases));
        Ok(bases)
    }

    /// The table of one generator, for public scalars.
    pub(crate) fn table(self, index: usize, blind: bool) -> Result<Arc<FixedBaseTable>> {
        let ready = |chain: &Chain| chain.tables.get(index).cloned().flatten();
        if let Some(table) = self.with_chain(index + 1, blind, ready)? {
            return Ok(table);
        }
        let point = self.with_chain(index + 1, blind, |chain| chain.points[index])?;
        let table = Arc::new(FixedBaseTable::new(&point));
        let mut chain = self
            .cache(blind)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if chain.tables.len() <= index {
            chain.tables.resize(index + 1, None);
        }
        chain.tables[index] = Some(Arc::clone(&table));
        Ok(table)
    }

    fn cache(self, blind: bool) -> &'static RwLock<Chain> {
        static CHAINS: [OnceLock<RwLock<Chain>>; 12] = [const { OnceLock::new() }; 12];
        let slot = (self.suite as usize * 3 + self.kind as usize) * 2 + usize::from(blind);
        CHAINS[slot].get_or_init(|| {
            let prefix = if blind { "BLIND_" } else { "" };
            RwLock::new(Chain::new(self.suite, [prefix, self.api_id()].concat()))
        })
    }

    /// Reads the cached chain, grown to at least `count` points.
    fn with_chain<T>(self, count: usize, blind: bool, read: impl Fn(&Chain) -> T) -> Result<T> {
        check_count(count)?;
        let cache = self.cache(blind);
        {
            let chain = cache.read().unwrap_or_else(PoisonError::into_inner);
            if chain.points.len() >= count {
                return Ok(read(&chain));
            }
        }
        let mut chain = cache.write().unwrap_or_else(PoisonError::into_inner);
        chain.extend(count);
        Ok(read(&chain))
    }
}

/// `P1` of a suite with its table.
fn p1_table(suite: Suite) -> &'static FixedBaseTable {
    static TABLES: [OnceLock<FixedBaseTable>; 2] = [const { OnceLock::new() }; 2];
    TABLES[suite as usize].get_or_init(|| FixedBaseTable::new(&suite.p1()))
}

/// Refuses more generators than [`MAX_MESSAGES`] + 1.
pub(super) fn check_count(count: usize) -> Result<()> {
    if count > MAX_MESSAGES + 1 {
        return Err(Error::Misuse("more messages than the limit"));
    }
    Ok(())
}

/// Generators of one identifier as far as they were needed yet, the state from which
/// the next one follows, and tables of some.
pub(super) struct Chain {
    suite: Suite,
    api_id: String,
    state: [u8; EXPAND_LEN],
    pub(super) points: Vec<G1Affine>,
    secret: Option<Arc<SecretBases>>,
    tables: Vec<Option<Arc<FixedBaseTable>>>,
}

impl Chain {
    /// `create_generators` for an identifier, with none made yet.
    pub(super) fn new(suite: Suite, api_id: String) -> Self {
        let seed = [api_id.as_bytes(), b"MESSAGE_GENERATOR_SEED"].concat();
        Self::seeded(suite, api_id, &seed)
    }

    /// The same from another seed.
    pub(super) fn seeded(suite: Suite, api_id: String, seed: &[u8]) -> Self {
        let seed_dst = [api_id.as_bytes(), b"SIG_GENERATOR_SEED_"].concat();
        Chain {
            suite,
            state: suite.expand(seed, &seed_dst),
            api_id,
            points: Vec::new(),
            secret: None,
            tables: Vec::new(),
        }
    }

    /// Makes the points up to `count`.
    pub(super) fn extend(&mut self, count: usize) {
        let seed_dst = [self.api_id.as_bytes(), b"SIG_GENERATOR_SEED_"].concat();
        let point_dst = [self.api_id.as_bytes(), b"SIG_GENERATOR_DST_"].concat();
        while self.points.len() < count {
            let number = self.points.len() as u64 + 1;
            let input = [self.state.as_slice(), &number.to_be_bytes()].concat();
            self.state = self.suite.expand(&input, &seed_dst);
            self.points
                .push(self.suite.hash_to_curve(&self.state, &point_dst));
        }
    }
}

/// The generators of one signature: `Q1, H_1 … H_L` and, for what a prover committed
/// to, `Q_2, J_1 … J_M`. Message i has generator i + 1.
pub(crate) struct GeneratorSet {
    interface: Interface,
    own: usize,
    points: Vec<G1Affine>,
}

impl GeneratorSet {
    /// `own` generators (with Q1) and `blind` ones (with Q_2).
    ///
    /// # Errors
    /// [`Error::Misuse`] for more than [`MAX_MESSAGES`] + 1 of all.
    pub(crate) fn new(interface: Interface, own: usize, blind: usize) -> Result<Self> {
        check_count(own.saturating_add(blind))?;
        let mut points = interface.generators(own, false)?;
        points.extend(interface.generators(blind, true)?);
        Ok(GeneratorSet {
            interface,
            own,
            points,
        })
    }

    /// Number of messages the set is for.
    pub(crate) fn message_count(&self) -> usize {
        self.points.len() - 1
    }

    pub(crate) fn interface(&self) -> Interface {
        self.interface
    }

    /// `calculate_domain`.
    pub(crate) fn domain(&self, key: &PublicKey, header: &[u8]) -> Scalar {
        let api_id = self.interface.api_id();
        let mut input = Vec::with_capacity(96 + 80 + 48 * self.points.len() + header.len());
        input.extend_from_slice(key.as_bytes());
        input.extend_from_slice(&(self.message_count() as u64).to_be_bytes());
        for generator in &self.points {
            input.extend_from_slice(&generator.to_compressed());
        }
        input.extend_from_slice(api_id.as_bytes());
        input.extend_from_slice(&(header.len() as u64).to_be_bytes());
        input.extend_from_slice(header);
        self.interface.hash_to_scalar_h2s(&input)
    }

    /// `P1 + domain·Q1 + Σ m_i·H_i` over all messages, constant time in them.
    pub(crate) fn message_point(&self, domain: &Scalar, messages: &[Scalar]) -> Result<E1> {
        debug_assert_eq!(messages.len(), self.message_count());
        let (own, blind) = messages.split_at((self.own - 1).min(messages.len()));
        let mut scalars = zeroize::Zeroizing::new(Vec::with_capacity(self.own));
        scalars.push(*domain);
        scalars.extend_from_slice(own);
        let bases = self.interface.secret_bases(self.own, false)?;
        let mut sum = E1::from(self.interface.suite().p1()) + bases.msm(&scalars);
        if !blind.is_empty() {
            sum += self.interface.secret_bases(blind.len(), true)?.msm(blind);
        }
        Ok(sum)
    }

    /// `Σ scalars[i]·H_{messages[i]}` over ascending message indexes, constant time in
    /// the scalars.
    pub(crate) fn secret_sum(&self, messages: &[usize], scalars: &[Scalar]) -> Result<E1> {
        debug_assert_eq!(messages.len(), scalars.len());
        let split = messages.partition_point(|index| index + 1 < self.own);
        let own: Vec<usize> = messages[..split].iter().map(|i| i + 1).collect();
        let blind: Vec<usize> = messages[split..].iter().map(|i| i + 1 - self.own).collect();
        let mut sum = E1::identity();
        for (indexes, factors, second) in [
            (own, &scalars[..split], false),
            (blind, &scalars[split..], true),
        ] {
            if let Some(last) = indexes.last() {
                let bases = self.interface.secret_bases(last + 1, second)?;
                sum += bases.msm_subset(&indexes, factors);
            }
        }
        Ok(sum)
    }

    /// `p1·P1 + Σ scalars[i]·generators[i] + Σ further`: public scalars, variable time.
    /// With `tables` set, tables are made and kept; worth it for many sums.
    pub(crate) fn public_sum(
        &self,
        p1: &Scalar,
        scalars: &[Scalar],
        further: &[(E1Affine, Scalar)],
        tables: bool,
    ) -> Result<E1> {
        let suite = self.interface.suite();
        let (mut points, mut factors): (Vec<E1Affine>, Vec<Scalar>) =
            further.iter().copied().unzip();
        let mut sum = E1::identity();
        if tables {
            sum += p1_table(suite).mul(p1);
        } else {
            points.push(*suite.p1().as_e1());
            factors.push(*p1);
        }
        for (position, (point, scalar)) in self.points.iter().zip(scalars).enumerate() {
            let blind = position >= self.own;
            let index = if blind { position - self.own } else { position };
            if tables && index < TABLE_LIMIT {
                sum += self.interface.table(index, blind)?.mul(scalar);
            } else {
                points.push(*point.as_e1());
                factors.push(*scalar);
            }
        }
        Ok(sum + msm(&points, &factors))
    }
}
