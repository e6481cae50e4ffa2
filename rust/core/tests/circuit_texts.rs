//! Circuit texts that must not compile, and hostile ones that must not cost much: a
//! wallet compiles the texts of merchants.

use std::collections::BTreeMap;

use zkcredit_core::engine::{Circuit, compile};
use zkcredit_core::error::{Error, Result};

fn build(text: &str) -> Result<Circuit> {
    compile(
        &format!("name = \"t\"\nversion = 1\n{text}"),
        &BTreeMap::new(),
    )
}

fn secret(name: &str, more: &str) -> String {
    format!("[[secret]]\nname = {name:?}\nmeaning = \"\"\n{more}\n")
}

fn commitment(terms: &str) -> String {
    format!(
        "[[commitment]]\nid = \"c\"\npoint = \"y\"\nterms = {{ {terms} }}\nsubgroup = true\nreason = \"\"\n"
    )
}

fn assert(id: &str, text: &str) -> String {
    format!("[[constraint]]\nid = {id:?}\nassert = {text:?}\nreason = \"\"\n")
}

const OLD: &str =
    "[[signature]]\nid = \"s\"\nname = \"old\"\nmessages = [\"x\", \"y\"]\nreason = \"\"\n";

fn refusal(text: &str) -> String {
    match build(text) {
        Err(Error::Circuit(why)) => why,
        Err(other) => panic!("{other:?} for {text}"),
        Ok(_) => panic!("compiles: {text}"),
    }
}

#[test]
fn an_unbound_quadratic_variable_is_a_compile_error() {
    let two = secret("x", "") + &secret("y", "");
    let committed = secret("x", "committed = true") + &secret("y", "committed = true");
    let range = "[[constraint]]\nid = \"r\"\nrange = \"x\"\nbits = \"8\"\nreason = \"\"\n";
    let unbound = [
        // A signature's equation has bases that the prover chose: it binds nothing.
        two.clone() + OLD + &assert("q", "x * y == 1"),
        two.clone() + OLD + &assert("q", "x * x == x"),
        // Two secrets on one generator: only their sum is bound.
        two.clone() + &commitment("blinding = \"x + y\"") + &assert("q", "x * y == 1"),
        // Bound is what stands there, not what it is added to.
        two.clone() + OLD + &commitment("blinding = \"x\"") + &assert("q", "x * y == 1"),
        two.clone() + OLD + &commitment("blinding = \"x\"") + &assert("q", "x * x == y"),
        // Eliminating z leaves x and y, which are not bound either.
        two.clone()
            + &secret("z", "")
            + OLD
            + &assert("l", "z == x + y")
            + &assert("q", "z * z == 1"),
    ];
    for text in &unbound {
        assert!(refusal(text).contains("nothing binds"), "{text}");
    }
    let bound = [
        committed + OLD + &assert("q", "x * y == 1"),
        two.clone()
            + OLD
            + &commitment("blinding = \"x\", owner = \"y\"")
            + &assert("q", "x * y == 1"),
        // The bits of a range are committed, so what they define is bound.
        two.clone() + OLD + range + &assert("q", "x * x == x"),
    ];
    for text in &bound {
        build(text).expect(text);
    }
}

#[test]
fn constraints_that_say_nothing_or_what_cannot_be_are_refused() {
    let x = secret("x", "") + &commitment("blinding = \"x\"");
    for (constraint, why) in [
        ("x == x", "constrains no free secret"),
        ("0 == 0", "constrains no free secret"),
        ("1 == 2", "constrains no free secret"),
        ("x * x * x == 1", "degree above two"),
        ("x * (x * x) == 1", "degree above two"),
        ("x", "not an equation"),
        ("x == z", "not declared"),
        ("x[0] == 1", "unexpected"),
        ("x == 1 == 1", "unexpected"),
        ("x + == 1", "ends too early"),
        ("(x == 1", "ends too early"),
        ("x == 9223372036854775808", "too large"),
    ] {
        let said = refusal(&(x.clone() + &assert("a", constraint)));
        assert!(said.contains(why), "{constraint}: {said}");
    }
    let twice = x.clone() + &assert("a", "x == 1") + &assert("b", "x == 2");
    assert!(refusal(&twice).contains("constrains no free secret"));
    let unused = secret("x", "") + &secret("y", "") + &commitment("blinding = \"x\"");
    assert!(refusal(&unused).contains("nothing uses 'y'"));
}

#[test]
fn a_name_stands_for_one_thing() {
    let x = secret("x", "") + &commitment("blinding = \"x\"");
    let label = |name: &str| format!("[[label]]\nname = {name:?}\nmeaning = \"\"\n");
    let public = |name: &str| format!("[[public]]\nname = {name:?}\nmeaning = \"\"\n");
    for bad in [
        // Lines of names are hashed to the digest.
        public("a\nlabel b"),
        public("a b"),
        public(""),
        public("1"),
        public("sum"),
        public("x"),
        secret("x", ""),
        label("blinding"),
        label("b") + &label("b"),
        assert("a quadratic", "x == 1"),
        assert("c", "x == 1"),
    ] {
        refusal(&(x.clone() + &bad));
    }
    let looped =
        "[[constraint]]\nid = \"l\"\nfor = \"x in 2\"\nassert = \"x == 1\"\nreason = \"\"\n";
    assert!(refusal(&(x + looped)).contains("cannot be a loop's"));
    assert!(compile("name = \"a b\"\nversion = 1\n", &BTreeMap::new()).is_err());
}

#[test]
fn sizes_have_limits() {
    let many = |n: usize, part: &dyn Fn(usize) -> String| (0..n).map(part).collect::<String>();
    let x = secret("x", "") + &secret("y", "") + &commitment("blinding = \"x\"");
    let signatures = x.clone()
        + &many(17, &|i| {
            OLD.replace("\"s\"", &format!("\"s{i}\""))
                .replace("old", &format!("old{i}"))
        });
    assert!(refusal(&signatures).contains("16 signatures"));
    let commitments = secret("x", "")
        + &many(65, &|i| {
            commitment("blinding = \"x\"")
                .replace("\"c\"", &format!("\"c{i}\""))
                .replace("\"y\"", &format!("\"y{i}\""))
        });
    assert!(refusal(&commitments).contains("64 commitments"));
    for size in ["4097", "0 - 1", "9223372036854775807 + 1", "4096 * 4096"] {
        refusal(&secret("x", &format!("size = {size:?}")));
    }
    for bits in ["0", "129", "0 - 1"] {
        let range =
            format!("[[constraint]]\nid = \"r\"\nrange = \"x\"\nbits = {bits:?}\nreason = \"\"\n");
        assert!(refusal(&(x.clone() + &range)).contains("width"));
    }
    assert!(refusal(&format!("# {}", "x".repeat(300_000))).contains("too long"));
}

/// Compiles on a small stack, as threads of a pool have.
fn refused_on_a_small_stack(text: String) {
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let refused = thread
        .spawn(move || build(&text).is_err())
        .expect("a thread")
        .join()
        .expect("no panic");
    assert!(refused);
}

#[test]
fn deep_nesting_ends_in_an_error() {
    let x = secret("x", "") + &commitment("blinding = \"x\"");
    for depth in [100, 250, 255, 256, 400, 10_000] {
        let round = format!("y == {}x{}", "(".repeat(depth), ")".repeat(depth));
        let open = format!("y == {}x", "(".repeat(depth));
        let minus = format!("y == {}x", "-".repeat(depth));
        for text in [round, open, minus] {
            refused_on_a_small_stack(x.clone() + &assert("a", &text));
        }
    }
    refused_on_a_small_stack(format!("x = {}", "[".repeat(100_000)));
    refused_on_a_small_stack(format!("x = {}", "{a=".repeat(80_000)));
    refused_on_a_small_stack(format!("[{}a]", "a.".repeat(100_000)));
}

#[test]
fn texts_that_would_grow_without_bounds_end_in_an_error() {
    let arrays = secret("a", "size = \"2000\"\ncommitted = true")
        + &secret("b", "size = \"2000\"")
        + &commitment("blinding = \"sum(b)\"");
    let each = |text: &str| {
        format!(
            "[[constraint]]\nid = \"e\"\nfor = \"i in 2000\"\nassert = {text:?}\nreason = \"\"\n"
        )
    };
    refused_on_a_small_stack(arrays.clone() + &each("sum(a) * sum(a) == a[i]"));
    refused_on_a_small_stack(
        arrays.clone()
            + &each(&format!(
                "a[i] * a[i] == a[i]{}",
                " + sum(a) - sum(a)".repeat(30)
            )),
    );
    // Elimination that fills in.
    refused_on_a_small_stack(
        arrays.clone() + &each("b[i] + sum(a) + i * sum(b) + i * i * b[i] == 0"),
    );
    // Definitions of two thousand terms, written out two thousand times.
    refused_on_a_small_stack(
        secret("a", "size = \"2000\"\ncommitted = true")
            + &secret("z", "")
            + &commitment("blinding = \"z\"")
            + &assert("z", "z == sum(a)")
            + &each("z * a[i] == z"),
    );
    let block = |i: usize| each("a[i] * a[i] == a[i]").replace("\"e\"", &format!("\"e{i}\""));
    refused_on_a_small_stack(arrays + &(0..1000).map(block).collect::<String>());
}
