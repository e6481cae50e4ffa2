//! Compiled circuits: what prover and verifier run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::engine::expr::{Linear, Quadratic, VarId};
use crate::group::{MOST_DIGITS, Scalar, from_binary};
use crate::hash;

/// A linear form over responses (by position), publics and a constant.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// `(response position, coefficient)`.
    pub terms: Vec<(usize, Scalar)>,
    /// `(public position, coefficient)`.
    pub publics: Vec<(usize, Scalar)>,
    /// The constant term.
    pub constant: Scalar,
    /// `terms` once more, for evaluation.
    chains: Vec<Chain>,
}

/// Terms of which each has twice the coefficient of the one before, as the digits of a
/// range have: shifts and additions evaluate them. At most [`MOST_DIGITS`] terms.
#[derive(Clone, Debug)]
struct Chain {
    /// Coefficient of the first term.
    coefficient: Scalar,
    /// Response positions.
    positions: Vec<usize>,
}

impl Chain {
    fn evaluate(&self, values: &[Scalar]) -> Scalar {
        let sum = match self.positions.as_slice() {
            [position] => values[*position],
            positions => from_binary(positions.iter().rev().map(|p| &values[*p])),
        };
        match self.coefficient == Scalar::ONE {
            true => sum,
            false => sum * self.coefficient,
        }
    }
}

impl Form {
    /// A form of these terms, publics and constant.
    pub fn new(
        terms: Vec<(usize, Scalar)>,
        publics: Vec<(usize, Scalar)>,
        constant: Scalar,
    ) -> Self {
        let mut chains: Vec<Chain> = Vec::new();
        let mut expected = None;
        for (position, coefficient) in &terms {
            match chains.last_mut() {
                Some(chain)
                    if expected == Some(*coefficient) && chain.positions.len() < MOST_DIGITS =>
                {
                    chain.positions.push(*position);
                }
                _ => chains.push(Chain {
                    coefficient: *coefficient,
                    positions: vec![*position],
                }),
            }
            expected = Some(*coefficient + coefficient);
        }
        Form {
            terms,
            publics,
            constant,
            chains,
        }
    }

    /// The part without secrets under the statement's publics.
    pub fn shown(&self, publics: &[Scalar]) -> Scalar {
        let sum: Scalar = self.publics.iter().map(|(p, k)| publics[*p] * *k).sum();
        sum + self.constant
    }

    /// The secret part under values of the responses' variables.
    pub fn hidden(&self, values: &[Scalar]) -> Scalar {
        match self.chains.as_slice() {
            [chain] => chain.evaluate(values),
            chains => chains.iter().map(|chain| chain.evaluate(values)).sum(),
        }
    }

    /// Whether this is the constant 0.
    fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.publics.is_empty() && self.constant.is_zero()
    }

    /// The homogenised form `hidden(f) + c·shown`.
    pub fn homogeneous(&self, responses: &[Scalar], c: Scalar, publics: &[Scalar]) -> Scalar {
        let hidden = self.hidden(responses);
        match (self.publics.as_slice(), self.constant) {
            ([], constant) if constant.is_zero() => hidden,
            ([], constant) if constant == Scalar::MINUS_ONE => hidden - c,
            _ => hidden + c * self.shown(publics),
        }
    }
}

/// `Σ left·right + linear = 0` over responses.
#[derive(Clone, Debug)]
pub struct QuadraticForm {
    /// Identifier of the clause it belongs to.
    pub id: String,
    /// Products of two linear forms.
    pub products: Vec<(Form, Form)>,
    /// The terms of degree one and zero.
    pub linear: Form,
}

impl QuadraticForm {
    /// `q̂(f, c)`: degree two as is, linear terms times c, constants times c².
    pub fn homogeneous(&self, responses: &[Scalar], c: Scalar, publics: &[Scalar]) -> Scalar {
        let value = |form: &Form| form.homogeneous(responses, c, publics);
        let products = match self.products.as_slice() {
            [(left, right)] => value(left) * value(right),
            products => products.iter().map(|(l, r)| value(l) * value(r)).sum(),
        };
        if self.linear.is_empty() {
            return products;
        }
        products + c * value(&self.linear)
    }
}

/// A generator of a linear equation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// Message generator `H_i` of the signature suite.
    Message(usize),
    /// A fixed generator by name.
    Named(String),
    /// A generator derived from the statement's label number `i`.
    Label(usize),
}

/// Possession of a signature; `u`, `t`, `r` are positions of responses.
#[derive(Clone, Debug)]
pub struct SignatureClause {
    /// Identifier of the clause.
    pub id: String,
    /// Name of the signature.
    pub name: String,
    /// Messages in order; those without secrets are shown.
    pub messages: Vec<Form>,
    /// Position of `u = 1/r`.
    pub u: usize,
    /// Position of `t = u·e`.
    pub t: usize,
    /// Position of `r`.
    pub r: usize,
}

/// Opening of a point of the statement.
#[derive(Clone, Debug)]
pub struct CommitmentClause {
    /// Identifier of the clause.
    pub id: String,
    /// Name of the point.
    pub point: String,
    /// Whether the verifier tests subgroup membership.
    pub subgroup: bool,
    /// `Σ form·base`.
    pub terms: Vec<(Base, Form)>,
}

/// A range clause: `value` lies in `[0, 2^bits.len())`.
#[derive(Clone, Debug)]
pub struct RangeClause {
    /// Identifier of the clause.
    pub id: String,
    /// The value over all variables.
    pub value: Linear,
    /// The bit variables, least significant first.
    pub bits: Vec<VarId>,
}

/// A named secret: a scalar or an array of consecutive variables.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Name in expressions and witnesses.
    pub name: String,
    /// First variable.
    pub first: VarId,
    /// Number of variables.
    pub size: usize,
    /// Whether a witness gives a list.
    pub is_array: bool,
}

/// A circuit with its parameters filled in.
///
/// Compiled once by [`crate::engine::compile()`]; prover and verifier share it.
#[derive(Debug)]
pub struct Circuit {
    /// Name of the relation.
    pub name: String,
    /// Version of the relation.
    pub version: u32,
    /// Parameter values.
    pub parameters: BTreeMap<String, i64>,
    /// Names of the public scalars.
    pub publics: Vec<String>,
    /// Names of the labels.
    pub labels: Vec<String>,
    /// Identifiers and reasons of all clauses.
    pub clauses: Vec<(String, String)>,
    /// Named secrets.
    pub secrets: Vec<Secret>,
    /// Signatures in order.
    pub signatures: Vec<SignatureClause>,
    /// Commitments in order; their points are the statement's points.
    pub commitments: Vec<CommitmentClause>,
    /// Ranges.
    pub ranges: Vec<RangeClause>,
    /// Linear constraints over all variables, for checking witnesses.
    pub linear: Vec<(String, Linear)>,
    /// Quadratic constraints over all variables, for checking witnesses.
    pub quadratic: Vec<(String, Quadratic)>,
    /// The same over responses.
    pub quadratic_forms: Vec<QuadraticForm>,
    /// Number of variables, named and hidden.
    pub variables: usize,
    /// The variables that have a response, in order.
    pub responses: Vec<VarId>,
    /// Positions of the responses that are committed in the vector commitment.
    pub vector: Vec<usize>,
    pub(crate) digest: [u8; 32],
}

/// Bytes of an uncompressed point on the wire.
pub const POINT_LEN: usize = 96;
/// Bytes of a scalar on the wire.
pub const SCALAR_LEN: usize = 32;

impl Circuit {
    /// Digest of the instantiated circuit (32 bytes); part of every transcript.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Number of points of the prover beyond those of the statement.
    pub fn message_points(&self) -> usize {
        3 * self.signatures.len() + self.commitments.len() + 2 * usize::from(self.has_vector())
    }

    /// Whether there is a vector commitment.
    pub fn has_vector(&self) -> bool {
        !self.quadratic_forms.is_empty()
    }

    /// Exact length of a proof in bytes, the statement's points included.
    pub fn proof_length(&self) -> usize {
        let points = self.commitments.len() + self.message_points();
        let scalars = self.responses.len() + usize::from(self.has_vector());
        points * POINT_LEN + scalars * SCALAR_LEN
    }

    /// The canonical text of the instantiated circuit, whose hash is the digest.
    pub fn describe(&self) -> String {
        let mut text = format!("circuit {} {}\n", self.name, self.version);
        let names = (&self.publics, &self.labels);
        for (name, value) in &self.parameters {
            line(&mut text, format_args!("parameter {name} {value}"));
        }
        for name in names.0 {
            line(&mut text, format_args!("public {name}"));
        }
        for name in names.1 {
            line(&mut text, format_args!("label {name}"));
        }
        line(
            &mut text,
            format_args!("responses {}", self.responses.len()),
        );
        let vector: Vec<String> = self.vector.iter().map(usize::to_string).collect();
        line(&mut text, format_args!("vector {}", vector.join(" ")));
        for s in &self.signatures {
            line(
                &mut text,
                format_args!("signature {} u={} t={} r={}", s.name, s.u, s.t, s.r),
            );
            for (i, form) in s.messages.iter().enumerate() {
                line(&mut text, format_args!("  H/{i} {}", form_text(form)));
            }
        }
        for c in &self.commitments {
            line(
                &mut text,
                format_args!("commitment {} subgroup={}", c.point, c.subgroup),
            );
            for (base, form) in &c.terms {
                line(
                    &mut text,
                    format_args!("  {} {}", base_text(base), form_text(form)),
                );
            }
        }
        for q in &self.quadratic_forms {
            line(
                &mut text,
                format_args!("quadratic {} {}", q.id, form_text(&q.linear)),
            );
            for (left, right) in &q.products {
                line(
                    &mut text,
                    format_args!("  ({})*({})", form_text(left), form_text(right)),
                );
            }
        }
        text
    }

    pub(crate) fn compute_digest(&self) -> [u8; 32] {
        hash::derive_key("zkcredit v1 circuit", self.describe().as_bytes())
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{arguments}");
}

fn base_text(base: &Base) -> String {
    match base {
        Base::Message(i) => format!("H/{i}"),
        Base::Named(name) => format!("named/{name}"),
        Base::Label(i) => format!("label/{i}"),
    }
}

/// `f3*01 + p0*01 + 02`: coefficients in hexadecimal without leading zeros.
fn form_text(form: &Form) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(
        form.terms
            .iter()
            .map(|(i, k)| format!("f{i}*{}", scalar_text(k))),
    );
    parts.extend(
        form.publics
            .iter()
            .map(|(i, k)| format!("p{i}*{}", scalar_text(k))),
    );
    if !form.constant.is_zero() || parts.is_empty() {
        parts.push(scalar_text(&form.constant));
    }
    parts.join(" + ")
}

fn scalar_text(scalar: &Scalar) -> String {
    let bytes = scalar.to_bytes_be();
    let first = bytes
        .iter()
        .position(|b| *b != 0)
        .unwrap_or(bytes.len() - 1);
    bytes[first..].iter().map(|b| format!("{b:02x}")).collect()
}
