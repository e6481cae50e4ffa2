//! Circuit texts: whatever the text, an error of the closed set or a circuit, soon.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use zkcredit_core::engine::compile;
use zkcredit_core::error::Error;

fuzz_target!(|text: &str| {
    let parameters = BTreeMap::from([("K", 1), ("M", 1), ("bits", 16)]);
    let parameters = parameters
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect();
    for parameters in [BTreeMap::new(), parameters] {
        match compile(text, &parameters) {
            Ok(circuit) => {
                let again = compile(text, &parameters).expect("the same text compiles again");
                assert_eq!(circuit.digest(), again.digest());
                assert_eq!(circuit.describe(), again.describe());
            }
            Err(error) => assert!(matches!(error, Error::Circuit(_)), "{error:?}"),
        }
    }
});
