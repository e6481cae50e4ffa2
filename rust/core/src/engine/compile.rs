//! From a circuit text and parameters to a [`Circuit`].
//!
//! Linear constraints cost nothing: each defines one variable by the others
//! (elimination), so that it has no response of its own and cannot differ. What
//! is left are *responses*. Every variable of a quadratic constraint has to be
//! bound (the binding rule): it is committed in the vector commitment, or it
//! stands alone on a fixed generator of a commitment. An equation over bases that
//! the prover chooses, such as a signature's, does not bind.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::bbs::MAX_MESSAGES;
use crate::engine::circuit::{Base, Circuit, RangeClause, Secret};
use crate::engine::expr::{self, Linear, Quadratic, Scope, VarId};
use crate::engine::reduce::finish;
use crate::engine::source::{ConstraintSource, SecretSource, Source};
use crate::error::{Error, Result};
use crate::group::Scalar;

/// Largest number of variables of a circuit.
pub const MAX_VARIABLES: usize = 4096;
/// Largest width of a range in bits: sums of ranges stay far below the group order.
pub const MAX_RANGE_BITS: i64 = 128;
/// Most signatures of a circuit.
pub const MAX_SIGNATURES: usize = 16;
/// Most commitments of a circuit.
pub const MAX_COMMITMENTS: usize = 64;
/// Most equations of a circuit, each bit of a range counted as one.
pub const MAX_EQUATIONS: usize = 4096;
/// Most terms that compiling a text may work on: a second or two.
pub const MAX_WORK: usize = 1 << 22;
/// Fixed generators that a commitment may name.
pub const NAMED_BASES: [&str; 5] = ["account", "blinding", "due", "owner", "payee"];

/// Compiles a circuit text with the given parameters.
///
/// # Errors
/// [`Error::Circuit`] names what is wrong: unknown names or keys, a degree above
/// two, a variable that nothing uses, a violation of the binding rule.
pub fn compile(text: &str, parameters: &BTreeMap<String, i64>) -> Result<Circuit> {
    let source = Source::parse(text)?;
    let mut builder = Builder::new(&source, parameters)?;
    builder.declare(&source)?;
    for constraint in &source.constraints {
        builder.constraint(constraint)?;
    }
    let signatures = builder.signatures(&source)?;
    let commitments = builder.commitments(&source)?;
    let definitions = builder.eliminate()?;
    finish(source, builder, signatures, commitments, &definitions)
}

pub(super) fn fail<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::Circuit(what.into()))
}

pub(super) struct Names {
    pub(super) integers: BTreeMap<String, i64>,
    elements: BTreeMap<String, (Vec<Linear>, bool)>,
    spent: Cell<usize>,
}

impl Scope for Names {
    fn integer(&self, name: &str) -> Option<i64> {
        self.integers.get(name).copied()
    }

    fn elements(&self, name: &str) -> Option<(&[Linear], bool)> {
        self.elements
            .get(name)
            .map(|(e, is_array)| (e.as_slice(), *is_array))
    }

    fn charge(&self, terms: usize) -> Result<()> {
        self.spent.set(self.spent.get().saturating_add(terms));
        if self.spent.get() > MAX_WORK {
            return fail("the circuit has too many terms");
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    Named,
    Committed,
    /// Responses of their own whatever the constraints say: u, t.
    Kept,
    Bit,
}

pub(super) struct RawSignature {
    pub(super) messages: Vec<Linear>,
    pub(super) hidden: [VarId; 3],
}

pub(super) struct Builder {
    pub(super) names: Names,
    pub(super) roles: Vec<Role>,
    pub(super) secrets: Vec<Secret>,
    pub(super) clauses: Vec<(String, String)>,
    pub(super) linear: Vec<(String, Linear)>,
    pub(super) quadratic: Vec<(String, Quadratic)>,
    pub(super) ranges: Vec<RangeClause>,
}

impl Builder {
    fn new(source: &Source, parameters: &BTreeMap<String, i64>) -> Result<Self> {
        let declared: BTreeSet<&str> = source.parameters.iter().map(String::as_str).collect();
        let given: BTreeSet<&str> = parameters.keys().map(String::as_str).collect();
        if declared != given {
            return fail(format!(
                "'{}' takes the parameters {declared:?}",
                source.name
            ));
        }
        if parameters.values().any(|v| !(0..=4096).contains(v)) {
            return fail("a parameter is outside 0..=4096");
        }
        let names = Names {
            integers: parameters.clone(),
            elements: BTreeMap::new(),
            spent: Cell::new(0),
        };
        Ok(Builder {
            names,
            roles: Vec::new(),
            secrets: Vec::new(),
            clauses: Vec::new(),
            linear: Vec::new(),
            quadratic: Vec::new(),
            ranges: Vec::new(),
        })
    }

    fn allocate(&mut self, role: Role) -> Result<VarId> {
        if self.roles.len() == MAX_VARIABLES {
            return fail(format!("more than {MAX_VARIABLES} variables"));
        }
        self.roles.push(role);
        Ok(self.roles.len() - 1)
    }

    fn name(&mut self, name: &str, elements: Vec<Linear>, is_array: bool) -> Result<()> {
        let taken = self.names.integers.contains_key(name);
        if taken
            || self
                .names
                .elements
                .insert(name.into(), (elements, is_array))
                .is_some()
        {
            return fail(format!("'{name}' is declared twice"));
        }
        Ok(())
    }

    fn exists(&self, when: Option<&String>) -> Result<bool> {
        when.map_or(Ok(true), |w| expr::condition(w, &self.names))
    }

    fn declare(&mut self, source: &Source) -> Result<()> {
        for (index, public) in source.publics.iter().enumerate() {
            self.name(&public.name, vec![Linear::public(index)], false)?;
        }
        for secret in &source.secrets {
            if self.exists(secret.when.as_ref())? {
                self.declare_secret(secret)?;
            }
        }
        Ok(())
    }

    fn declare_secret(&mut self, secret: &SecretSource) -> Result<()> {
        let size = match &secret.size {
            Some(text) => self.count(text)?,
            None => 1,
        };
        let role = if secret.committed {
            Role::Committed
        } else {
            Role::Named
        };
        let first = self.roles.len();
        let mut elements = Vec::new();
        for _ in 0..size {
            elements.push(Linear::var(self.allocate(role)?));
        }
        let is_array = secret.size.is_some();
        self.name(&secret.name, elements, is_array)?;
        self.secrets.push(Secret {
            name: secret.name.clone(),
            first,
            size,
            is_array,
        });
        Ok(())
    }

    fn count(&self, text: &str) -> Result<usize> {
        let value = expr::integer(text, &self.names)?;
        let in_range = usize::try_from(value).ok().filter(|v| *v <= MAX_VARIABLES);
        in_range.ok_or_else(|| Error::Circuit(format!("'{text}' is {value}: not a size")))
    }

    fn clause(&mut self, id: &str, reason: &str) -> Result<()> {
        if self.clauses.iter().any(|(known, _)| known == id) {
            return fail(format!("the id '{id}' is used twice"));
        }
        self.clauses.push((id.into(), reason.into()));
        Ok(())
    }

    fn constraint(&mut self, source: &ConstraintSource) -> Result<()> {
        if !self.exists(source.when.as_ref())? {
            return Ok(());
        }
        let Some(each) = &source.each else {
            self.clause(&source.id, &source.reason)?;
            return self.one_constraint(source);
        };
        let Some((variable, count)) = each.split_once(" in ") else {
            return fail(format!("'{each}' is not 'name in count'"));
        };
        let count = self.count(count)?;
        if count > 0 {
            self.clause(&source.id, &source.reason)?;
        }
        let variable = variable.trim().to_owned();
        if self.names.integer(&variable).is_some() || self.names.elements(&variable).is_some() {
            return fail(format!("'{variable}' is declared and cannot be a loop's"));
        }
        for value in 0..count {
            self.names.integers.insert(variable.clone(), value as i64);
            self.one_constraint(source)?;
        }
        self.names.integers.remove(&variable);
        Ok(())
    }

    fn one_constraint(&mut self, source: &ConstraintSource) -> Result<()> {
        if self.linear.len() + self.quadratic.len() > MAX_EQUATIONS {
            return fail(format!("more than {MAX_EQUATIONS} equations"));
        }
        match (&source.assert, &source.range, &source.bits) {
            (Some(text), None, None) => {
                let zero = expr::equation(text, &self.names)?;
                if zero.products.is_empty() {
                    self.linear.push((source.id.clone(), zero.linear));
                } else {
                    self.quadratic.push((source.id.clone(), zero));
                }
                Ok(())
            }
            (None, Some(text), Some(bits)) => self.range(&source.id, text, bits),
            _ => fail(format!(
                "'{}' needs 'assert', or 'range' and 'bits'",
                source.id
            )),
        }
    }

    fn range(&mut self, id: &str, text: &str, bits: &str) -> Result<()> {
        let value = linear(expr::polynomial(text, &self.names)?, text)?;
        let width = expr::integer(bits, &self.names)?;
        if !(1..=MAX_RANGE_BITS).contains(&width) {
            return fail(format!("'{id}' has a width outside 1..={MAX_RANGE_BITS}"));
        }
        let mut difference = value.clone();
        let mut variables = Vec::new();
        let mut weight = -Scalar::ONE;
        for _ in 0..width {
            let bit = self.allocate(Role::Bit)?;
            difference.add_scaled(&Linear::var(bit), weight);
            weight += weight;
            self.quadratic.push((id.into(), is_binary(bit)));
            variables.push(bit);
        }
        self.linear.push((id.into(), difference));
        self.ranges.push(RangeClause {
            id: id.into(),
            value,
            bits: variables,
        });
        Ok(())
    }

    fn messages(&self, names: &[String]) -> Result<Vec<Linear>> {
        let mut messages = Vec::new();
        for name in names {
            match self.names.elements(name) {
                Some((elements, _)) => messages.extend(elements.iter().cloned()),
                None => return fail(format!("the message '{name}' is not declared")),
            }
        }
        if messages.len() > MAX_MESSAGES {
            return fail(format!("more than {MAX_MESSAGES} messages"));
        }
        Ok(messages)
    }

    fn signatures(&mut self, source: &Source) -> Result<Vec<RawSignature>> {
        if source.signatures.len() > MAX_SIGNATURES {
            return fail(format!("more than {MAX_SIGNATURES} signatures"));
        }
        let mut signatures = Vec::new();
        for signature in &source.signatures {
            self.clause(&signature.id, &signature.reason)?;
            let messages = self.messages(&signature.messages)?;
            let u = self.allocate(Role::Committed)?;
            let t = self.allocate(Role::Kept)?;
            let r = self.allocate(Role::Committed)?;
            let product = (Linear::var(u), Linear::var(r));
            let linear = Linear::constant(-Scalar::ONE);
            let inverse = Quadratic {
                products: vec![product],
                linear,
            };
            self.quadratic.push((signature.id.clone(), inverse));
            signatures.push(RawSignature {
                messages,
                hidden: [u, t, r],
            });
        }
        Ok(signatures)
    }

    fn commitments(&mut self, source: &Source) -> Result<Vec<Vec<(Base, Linear)>>> {
        if source.commitments.len() > MAX_COMMITMENTS {
            return fail(format!("more than {MAX_COMMITMENTS} commitments"));
        }
        let mut commitments = Vec::new();
        for commitment in &source.commitments {
            self.clause(&commitment.id, &commitment.reason)?;
            let mut terms = Vec::new();
            for (i, message) in self.messages(&commitment.messages)?.into_iter().enumerate() {
                terms.push((Base::Message(i), message));
            }
            for (name, text) in &commitment.terms {
                let base = named_base(name, source)?;
                terms.push((base, linear(expr::polynomial(text, &self.names)?, text)?));
            }
            commitments.push(terms);
        }
        Ok(commitments)
    }

    /// Solves the linear constraints one after the other for one variable each.
    fn eliminate(&self) -> Result<BTreeMap<VarId, Linear>> {
        let mut definitions: BTreeMap<VarId, Linear> = BTreeMap::new();
        for (id, constraint) in &self.linear {
            let mut zero = constraint.clone();
            for (variable, definition) in &definitions {
                if zero.substitute(*variable, definition) {
                    self.names.charge(definition.size())?;
                }
            }
            self.names.charge(zero.size())?;
            let Some(pivot) = self.pivot(&zero) else {
                return fail(format!("'{id}' constrains no free secret"));
            };
            let coefficient = zero.vars.remove(&pivot).unwrap_or_default();
            let Some(inverse) = coefficient.invert() else {
                return fail(format!("'{id}' has a vanishing coefficient"));
            };
            let solved = zero.scaled(-inverse);
            for definition in definitions.values_mut() {
                if definition.substitute(pivot, &solved) {
                    self.names.charge(solved.size())?;
                }
            }
            definitions.insert(pivot, solved);
        }
        Ok(definitions)
    }

    /// The named secret declared last, or else the least significant bit.
    fn pivot(&self, zero: &Linear) -> Option<VarId> {
        let of = |role: Role| zero.vars.keys().filter(move |v| self.roles[**v] == role);
        of(Role::Named)
            .next_back()
            .or_else(|| of(Role::Bit).next())
            .copied()
    }
}

fn linear(polynomial: Quadratic, text: &str) -> Result<Linear> {
    if polynomial.products.is_empty() {
        Ok(polynomial.linear)
    } else {
        fail(format!("'{text}' is not linear"))
    }
}

/// `b·(b − 1)`.
fn is_binary(bit: VarId) -> Quadratic {
    let mut less_one = Linear::var(bit);
    less_one.constant = -Scalar::ONE;
    Quadratic {
        products: vec![(Linear::var(bit), less_one)],
        linear: Linear::default(),
    }
}

fn named_base(name: &str, source: &Source) -> Result<Base> {
    if let Some(index) = source.labels.iter().position(|l| l.name == name) {
        return Ok(Base::Label(index));
    }
    if NAMED_BASES.contains(&name) {
        return Ok(Base::Named(name.into()));
    }
    fail(format!("'{name}' is neither a label nor a fixed generator"))
}
