//! Batches: every culprit is named wherever it stands, and no errors cancel.

use zkcredit_core::engine::{Statement, verify, verify_batch};
use zkcredit_core::error::Error;
use zkcredit_core::group::Scalar;
use zkcredit_core::weights::Weights;

use crate::scenario::{DEFAULT, NAMES, Scenario, Size, number};
use crate::small_spend;

/// Adds a number to one response (counted from the end if negative).
fn shift(proof: &mut [u8], from_end: usize, difference: Scalar) {
    let at = proof.len() - 32 * (from_end + 1);
    let bytes = proof[at..at + 32].try_into().expect("32 bytes");
    let value = Scalar::from_bytes_be(&bytes).expect("a scalar") + difference;
    proof[at..at + 32].copy_from_slice(&value.to_bytes_be());
}

fn in_pool<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("a pool").install(run)
}

#[test]
fn responses_that_are_off_by_opposite_errors_do_not_cancel() {
    // z stands on one generator in one equation, and is not part of the transcript.
    let proofs = [small_spend().prove(), small_spend().prove()];
    for threads in [1, 2, 3] {
        let mut bad = proofs.clone();
        shift(&mut bad[0].1, 0, Scalar::ONE);
        shift(&mut bad[1].1, 0, -Scalar::ONE);
        let items: Vec<_> = bad.iter().map(|(s, p)| (s, p.as_slice())).collect();
        let verdict = in_pool(threads, || verify_batch(&items));
        assert_eq!(verdict, Ok(vec![0, 1]), "{threads} threads");
        // The same two with honest ones between them, on one thread and on many.
        let honest = (&proofs[0].0, proofs[0].1.as_slice());
        let items = [items[0], honest, honest, honest, items[1], honest];
        let verdict = in_pool(threads, || verify_batch(&items));
        assert_eq!(verdict, Ok(vec![0, 4]), "{threads} threads");
    }
}

#[test]
fn equations_of_one_proof_have_weights_of_their_own() {
    // The blindings of the old and the next token both stand on H_0, with opposite
    // signs: equal weights would let equal errors cancel.
    let s = small_spend();
    let (statement, mut proof) = s.prove();
    let position = |name: &str| {
        let secret = s.circuit.secrets.iter().find(|s| s.name == name);
        let variable = secret.expect("a secret").first;
        let found = s.circuit.responses.iter().position(|v| *v == variable);
        s.circuit.responses.len() - found.expect("a response")
    };
    for name in ["blind", "blind_next"] {
        shift(&mut proof, position(name), Scalar::ONE);
    }
    let refused = Err(Error::Refused("the proof does not verify"));
    assert_eq!(verify(&statement, &proof), refused);
}

/// A settlement's proof is the smallest: one equation.
fn small(n: usize) -> Vec<(Statement, Vec<u8>)> {
    let s = Scenario::new("settle", DEFAULT);
    let prover = s.prover().expect("true");
    (0..n).map(|_| s.finish(&prover)).collect()
}

#[test]
fn a_culprit_is_named_at_any_place_of_any_batch() {
    let mut good = small(129);
    for n in [0usize, 1, 2, 3, 7, 64, 65, 129] {
        let items = |list: &[(Statement, Vec<u8>)]| -> Result<Vec<usize>, Error> {
            let items: Vec<_> = list[..n].iter().map(|(s, p)| (s, p.as_slice())).collect();
            verify_batch(&items)
        };
        assert_eq!(items(&good), Ok(vec![]), "{n}");
        let places = [
            0,
            1,
            n / 2,
            n.div_ceil(2),
            n / 4,
            3 * n / 4,
            n.div_ceil(3),
            n,
        ];
        let mut places: Vec<usize> = places
            .iter()
            .flat_map(|p| [p.wrapping_sub(1), *p])
            .collect();
        places.retain(|p| *p < n);
        places.sort_unstable();
        places.dedup();
        for place in &places {
            shift(&mut good[*place].1, 0, Scalar::ONE);
            assert_eq!(items(&good), Ok(vec![*place]), "{place} of {n}");
            shift(&mut good[*place].1, 0, -Scalar::ONE);
        }
        places
            .iter()
            .for_each(|p| shift(&mut good[*p].1, 0, Scalar::ONE));
        assert_eq!(items(&good), Ok(places.clone()), "{n}");
        places
            .iter()
            .for_each(|p| shift(&mut good[*p].1, 0, -Scalar::ONE));
    }
}

#[test]
fn a_batch_mixes_circuits_sizes_and_issuers() {
    let sizes = [(1, 0, 8), (3, 2, 8), (1, 1, 16)];
    let sizes = sizes.map(|(k, m, bits)| Size { k, m, bits });
    let mut proofs: Vec<(Statement, Vec<u8>)> = Vec::new();
    for name in NAMES {
        for (i, size) in sizes.into_iter().enumerate() {
            let circuit = crate::scenario::circuit(name, size);
            let mut s = Scenario::with(circuit, size, i as u8 + 1);
            if name == "spend" {
                // 10,000 does not fit into eight bits.
                let price = if size.k == 1 { 250 } else { 18 };
                s.old[4] = number(price + 1);
                s.set("available", 0, number(price + 1));
                s.set("available_next", 0, number(1));
            }
            proofs.push(s.prove());
        }
    }
    let run = |list: &[(Statement, Vec<u8>)]| {
        let items: Vec<_> = list.iter().map(|(s, p)| (s, p.as_slice())).collect();
        let verdict = verify_batch(&items).expect("a random source");
        // One by one gives the same.
        let alone = list.iter().enumerate();
        let alone = alone.filter(|(_, (s, p))| verify(s, p).is_err());
        assert_eq!(verdict, alone.map(|(i, _)| i).collect::<Vec<_>>());
        verdict
    };
    assert_eq!(run(&proofs), Vec::<usize>::new());
    let last = proofs.len() - 1;
    shift(&mut proofs[last].1, 0, Scalar::ONE);
    proofs[3].1.pop();
    proofs[4].0.context[0] ^= 1;
    let (a, b) = (proofs[7].0.clone(), proofs[8].0.clone());
    (proofs[7].0, proofs[8].0) = (b, a);
    assert_eq!(run(&proofs), [3, 4, 7, 8, last]);
}

#[test]
fn weights_are_long_and_cannot_be_foreseen() {
    let draw = || -> Vec<u128> {
        let mut weights = Weights::new().expect("a random source");
        (0..200).map(|_| weights.draw()).collect()
    };
    let mut all = [draw(), draw()].concat();
    assert!(all.iter().all(|w| *w != 0));
    // Every bit occurs.
    assert_eq!(all.iter().fold(0, |bits, w| bits | w), u128::MAX);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 400);
}
