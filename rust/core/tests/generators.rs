//! The named generators, derived again from their public strings.

use zkcredit_core::generators::{
    ACCOUNT, BLINDING, CROSS_FAMILY, DST, DUE, OWNER, PAYEE, SECRET_FAMILY, VECTOR_BLINDING,
    derived, named, vector,
};
use zkcredit_core::group::{G1Affine, hash_to_g1};

fn again(name: &str) -> G1Affine {
    hash_to_g1(format!("zkcredit generator v1:{name}").as_bytes(), DST)
}

#[test]
fn named_generators_are_hashes_of_their_names() {
    for name in [
        BLINDING,
        OWNER,
        ACCOUNT,
        DUE,
        PAYEE,
        VECTOR_BLINDING,
        "G/0",
        "K/7",
    ] {
        assert_eq!(named(name), again(name));
        assert_eq!(named(name), again(name), "and again from the cache");
    }
    assert_eq!(
        derived(b"label"),
        hash_to_g1(b"zkcredit derived v1:label", DST)
    );
}

#[test]
fn families_extend_without_changing() {
    let short = vector(SECRET_FAMILY, 3);
    let long = vector(SECRET_FAMILY, 40);
    assert_eq!(short, long[..3]);
    assert_eq!(vector(SECRET_FAMILY, 3), short);
    assert_eq!(long[39], again("G/39"));
    assert!(vector(SECRET_FAMILY, 0).is_empty());
    assert_eq!(vector(CROSS_FAMILY, 2)[1], again("K/1"));
}

#[test]
fn no_two_generators_are_equal() {
    let mut all: Vec<[u8; 48]> = [BLINDING, OWNER, ACCOUNT, DUE, PAYEE, VECTOR_BLINDING]
        .map(|name| named(name).to_compressed())
        .to_vec();
    all.push(derived(b"blinding").to_compressed());
    all.push(G1Affine::generator().to_compressed());
    all.extend(
        vector(SECRET_FAMILY, 64)
            .iter()
            .map(G1Affine::to_compressed),
    );
    all.extend(vector(CROSS_FAMILY, 64).iter().map(G1Affine::to_compressed));
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}
