//! Published vectors of the Sigma proofs draft, valid and adversarial, single and in
//! batches, and the ten checks of a relation.

use serde_json::Value;
use zkcredit_core::error::Error;
use zkcredit_core::generators::named;
use zkcredit_core::group::{G1Affine, Scalar};
use zkcredit_core::sigma::{
    BatchItem, Equation, Flavor, ImageTerm, LinearRelation, Term, prove, tag, verify, verify_batch,
};
use zkcredit_core::transcript::derive_session_id;

fn records(name: &str) -> Vec<Value> {
    let path = format!(
        "{}/../../tests/vectors/sigma/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).expect(&path);
    serde_json::from_str(&text).expect("a JSON list")
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_else(|| panic!("no {key}"))
}

fn bytes(record: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(record, key)).expect("hex")
}

fn flavor(record: &Value) -> Flavor {
    match text(record, "Flavor") {
        "batchable" => Flavor::Batchable,
        "compact" => Flavor::Compact,
        other => panic!("flavor {other}"),
    }
}

fn valid() -> Vec<Value> {
    records("sigma-proofs_Shake128_BLS12381")
}

fn verdict(record: &Value) -> Result<(), Error> {
    let relation = LinearRelation::from_bytes(&bytes(record, "Instance"))?;
    let tag = text(record, "Tag").as_bytes();
    verify(flavor(record), tag, &relation, &bytes(record, "NargString"))
}

#[test]
fn valid_vectors() {
    let records = valid();
    assert!(records.len() >= 14);
    for record in records {
        let id = text(&record, "Id");
        let instance = bytes(&record, "Instance");
        let relation = LinearRelation::from_bytes(&instance).expect(id);
        assert_eq!(relation.as_bytes(), instance, "{id}");
        let tag_bytes = tag(text(&record, "Relation"), flavor(&record));
        assert_eq!(tag_bytes, text(&record, "Tag").as_bytes(), "{id}");
        let session_id = bytes(&record, "SessionId");
        assert_eq!(derive_session_id(&tag_bytes).to_vec(), session_id, "{id}");
        assert_eq!(verdict(&record), Ok(()), "{id}");
    }
}

fn scalars(bytes: &[u8]) -> Vec<Scalar> {
    bytes
        .chunks(32)
        .map(|chunk| Scalar::from_bytes_be(chunk.try_into().expect("32 bytes")).expect("canonical"))
        .collect()
}

/// The seeded nonces of the draft's appendix; the seam is absent from release builds.
#[cfg(debug_assertions)]
#[test]
fn valid_vectors_are_made_byte_for_byte() {
    use zkcredit_core::sigma::{CIPHERSUITE, prove_with_nonces};
    use zkcredit_core::transcript::Sponge;

    for record in valid() {
        let id = text(&record, "Id");
        let relation = LinearRelation::from_bytes(&bytes(&record, "Instance")).expect(id);
        let seed = format!(
            "TestDRNG-SIGMA-PROOFS-{}-{CIPHERSUITE}-{}",
            flavor(&record).marker(),
            text(&record, "Relation")
        );
        let mut sponge = Sponge::new(&derive_session_id(seed.as_bytes()));
        let nonces: Vec<Scalar> = (0..relation.scalar_count())
            .map(|_| sponge.squeeze_scalar())
            .collect();
        let narg = prove_with_nonces(
            flavor(&record),
            text(&record, "Tag").as_bytes(),
            &relation,
            &scalars(&bytes(&record, "Witness")),
            &nonces,
        );
        assert_eq!(narg.as_ref(), Ok(&bytes(&record, "NargString")), "{id}");
    }
}

#[test]
fn adversarial_vectors() {
    let records = records("sigma-proofs-invalid_Shake128_BLS12381");
    assert!(records.len() >= 28);
    let mut accepted = 0;
    for record in records {
        let id = text(&record, "Id");
        let accept = match text(&record, "Expected") {
            "accept" => true,
            "reject" => false,
            other => panic!("expected {other}"),
        };
        assert_eq!(verdict(&record).is_ok(), accept, "{id}");
        accepted += usize::from(accept);
    }
    assert!(accepted >= 4, "the controls must be accepted");
}

/// A batchable record.
struct Case {
    tag: Vec<u8>,
    relation: LinearRelation,
    narg: Vec<u8>,
    valid: bool,
}

impl Case {
    fn item(&self) -> BatchItem<'_> {
        BatchItem {
            tag: &self.tag,
            relation: &self.relation,
            narg: &self.narg,
        }
    }
}

/// All batchable records whose relation is valid.
fn batchable() -> Vec<Case> {
    let mut all = valid();
    all.extend(records("sigma-proofs-invalid_Shake128_BLS12381"));
    all.iter()
        .filter(|record| flavor(record) == Flavor::Batchable)
        .filter_map(|record| {
            Some(Case {
                tag: text(record, "Tag").as_bytes().to_vec(),
                relation: LinearRelation::from_bytes(&bytes(record, "Instance")).ok()?,
                narg: bytes(record, "NargString"),
                valid: record["Expected"] == "accept",
            })
        })
        .collect()
}

#[test]
fn batches_accept_the_valid_and_name_the_others() {
    let all = batchable();
    let everything: Vec<BatchItem<'_>> = all.iter().map(Case::item).collect();
    let (good, bad): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|&i| all[i].valid);
    assert!(good.len() >= 9 && bad.len() >= 8);
    for mask in 0u32..1 << 7 {
        let subset: Vec<BatchItem<'_>> = (0..7)
            .filter(|i| mask >> i & 1 == 1)
            .map(|i| everything[good[i]])
            .collect();
        assert!(verify_batch(&subset).is_empty());
    }
    assert_eq!(verify_batch(&everything), bad);
    for culprit in bad {
        for position in [0, 3, good.len()] {
            let mut batch: Vec<BatchItem<'_>> = good.iter().map(|&i| everything[i]).collect();
            batch.insert(position, everything[culprit]);
            assert_eq!(verify_batch(&batch), [position]);
        }
    }
}

fn image(element: u32, coefficient: u64) -> ImageTerm {
    ImageTerm {
        element,
        coefficient: Scalar::from_u64(coefficient),
    }
}

fn term(scalar: u32, element: u32, coefficient: u64) -> Term {
    Term {
        scalar,
        element,
        coefficient: Scalar::from_u64(coefficient),
    }
}

fn equation(image: Vec<ImageTerm>, terms: Vec<Term>) -> Equation {
    Equation { image, terms }
}

fn member(point: zkcredit_core::group::E1) -> G1Affine {
    point.to_g1().expect("in G1")
}

/// `C = m·G + r·H` with m = 5, r = 7.
fn opening() -> (Vec<G1Affine>, Vec<Equation>, Vec<Scalar>) {
    let (generator, base) = (G1Affine::generator(), named("sigma test"));
    let witness = vec![Scalar::from_u64(5), Scalar::from_u64(7)];
    let point = member(generator.mul(&witness[0]) + base.mul(&witness[1]));
    let equations = vec![equation(
        vec![image(2, 1)],
        vec![term(0, 0, 1), term(1, 1, 1)],
    )];
    (vec![generator, base, point], equations, witness)
}

fn minus(element: u32) -> ImageTerm {
    ImageTerm {
        element,
        coefficient: -Scalar::ONE,
    }
}

fn negated(scalar: u32, element: u32) -> Term {
    Term {
        coefficient: -Scalar::ONE,
        ..term(scalar, element, 1)
    }
}

#[test]
fn every_check_of_one_equation_bites() {
    let (elements, good, _) = opening();
    assert!(LinearRelation::new(elements.clone(), good).is_ok());
    let left = || vec![image(2, 1)];
    let right = || vec![term(0, 0, 1), term(1, 1, 1)];
    let cancelling = vec![term(0, 0, 1), term(1, 1, 1), negated(1, 1)];
    let refused = [
        ("empty side", vec![], right()),
        ("empty side", left(), vec![]),
        ("element index", vec![image(3, 1)], right()),
        ("element index", left(), vec![term(0, 9, 1), term(1, 1, 1)]),
        ("unused element", left(), vec![term(0, 0, 1)]),
        ("skipped scalar", left(), vec![term(0, 0, 1), term(2, 1, 1)]),
        ("skipped scalar", left(), vec![term(u32::MAX, 1, 1)]),
        (
            "image is the identity",
            vec![image(2, 1), minus(2)],
            right(),
        ),
        ("image is the identity", vec![image(2, 0)], right()),
        ("unbound scalar", left(), vec![term(0, 0, 1), term(1, 1, 0)]),
        ("unbound scalar", left(), cancelling),
    ];
    for (what, image, terms) in refused {
        let result = LinearRelation::new(elements.clone(), vec![equation(image, terms)]);
        let Err(Error::Malformed(reason)) = result else {
            panic!("{what}: {result:?}");
        };
        assert_eq!(reason, format!("relation: {what}"));
    }
}

#[test]
fn every_check_of_the_whole_relation_bites() {
    let (elements, good, _) = opening();
    let refused = |elements: &[G1Affine], equations: &[Equation]| {
        let result = LinearRelation::new(elements.to_vec(), equations.to_vec());
        assert!(matches!(result, Err(Error::Malformed(_))), "{result:?}");
    };
    refused(&elements, &[]);
    refused(&[], &good);
    refused(&[elements[1], elements[0], elements[2]], &good);
    // A secret that cancels in one equation is fine if another binds it.
    let mut both = good;
    both.push(equation(
        vec![image(1, 1)],
        vec![term(0, 0, 1), negated(0, 0)],
    ));
    assert!(LinearRelation::new(elements, both).is_ok());
}

#[test]
fn relation_decoding_is_strict() {
    let (elements, equations, _) = opening();
    let relation = LinearRelation::new(elements, equations).expect("valid");
    let good = relation.as_bytes().to_vec();
    assert_eq!(LinearRelation::from_bytes(&good), Ok(relation));
    for len in 0..good.len() {
        assert!(LinearRelation::from_bytes(&good[..len]).is_err(), "{len}");
    }
    let mut longer = good.clone();
    longer.push(0);
    assert!(LinearRelation::from_bytes(&longer).is_err());
    // Counts far beyond the input must neither be believed nor allocated.
    for position in [0, 4, 44] {
        let mut counts = good.clone();
        counts[position..position + 4].copy_from_slice(&[0xff; 4]);
        assert!(LinearRelation::from_bytes(&counts).is_err(), "{position}");
    }
    let mut element = good.clone();
    element[8..12].copy_from_slice(&[0xff; 4]);
    assert!(LinearRelation::from_bytes(&element).is_err());
    let mut coefficient = good;
    coefficient[12..44].copy_from_slice(&[0xff; 32]);
    assert!(LinearRelation::from_bytes(&coefficient).is_err());
}

#[test]
fn proofs_round_trip_and_every_byte_counts() {
    let (elements, equations, witness) = opening();
    let relation = LinearRelation::new(elements, equations).expect("valid");
    for flavor in [Flavor::Batchable, Flavor::Compact] {
        let tag = tag("test-V01", flavor);
        let narg = prove(flavor, &tag, &relation, &witness).expect("proves");
        assert_ne!(prove(flavor, &tag, &relation, &witness), Ok(narg.clone()));
        assert_eq!(verify(flavor, &tag, &relation, &narg), Ok(()));
        for position in 0..narg.len() {
            let mut changed = narg.clone();
            changed[position] ^= 1;
            assert!(verify(flavor, &tag, &relation, &changed).is_err());
            if flavor == Flavor::Batchable {
                let item = BatchItem {
                    tag: &tag,
                    relation: &relation,
                    narg: &changed,
                };
                assert_eq!(verify_batch(&[item]), [0]);
            }
        }
        assert!(verify(flavor, &tag, &relation, &narg[1..]).is_err());
        assert!(verify(flavor, &tag, &relation, &[]).is_err());
        assert!(verify(flavor, b"other tag", &relation, &narg).is_err());
        let wrong = [witness[1], witness[0]];
        let result = prove(flavor, &tag, &relation, &wrong);
        assert_eq!(result, Err(Error::Unsatisfied("equation 0".into())));
        assert!(prove(flavor, &tag, &relation, &witness[..1]).is_err());
    }
}

#[test]
fn opposite_errors_do_not_cancel_in_a_batch() {
    let (elements, equations, witness) = opening();
    let relation = LinearRelation::new(elements, equations).expect("valid");
    let tag = tag("test-V01", Flavor::Batchable);
    let shifted = |delta: Scalar| {
        let mut narg = prove(Flavor::Batchable, &tag, &relation, &witness).expect("proves");
        let response = scalars(&narg[48..80])[0] + delta;
        narg[48..80].copy_from_slice(&response.to_bytes_be());
        narg
    };
    let (plus, minus) = (shifted(Scalar::ONE), shifted(-Scalar::ONE));
    let item = |narg| BatchItem {
        tag: &tag,
        relation: &relation,
        narg,
    };
    assert_eq!(verify_batch(&[item(&plus), item(&minus)]), [0, 1]);
}
