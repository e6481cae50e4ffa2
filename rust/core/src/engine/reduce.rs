//! The second half of compilation: from variables to responses, and the checks of
//! the finished circuit.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::circuit::{
    Base, Circuit, CommitmentClause, Form, QuadraticForm, SignatureClause,
};
use crate::engine::compile::{Builder, MAX_EQUATIONS, RawSignature, Role, fail};
use crate::engine::expr::{Linear, Quadratic, Scope as _, VarId};
use crate::engine::source::{CommitmentSource, SignatureSource, Source};
use crate::error::Result;
use crate::group::Scalar;

/// Maps linear forms over variables to forms over responses.
struct Reducer<'a> {
    definitions: &'a BTreeMap<VarId, Linear>,
    positions: BTreeMap<VarId, usize>,
}

impl Reducer<'_> {
    fn form(&self, linear: &Linear) -> Form {
        let mut reduced = Linear {
            vars: BTreeMap::new(),
            ..linear.clone()
        };
        for (variable, coefficient) in &linear.vars {
            match self.definitions.get(variable) {
                Some(definition) => reduced.add_scaled(definition, *coefficient),
                None => reduced.add_scaled(&Linear::var(*variable), *coefficient),
            }
        }
        let position = |(v, k): (&VarId, &Scalar)| (self.positions[v], *k);
        Form::new(
            reduced.vars.iter().map(position).collect(),
            reduced.publics.into_iter().collect(),
            reduced.constant,
        )
    }

    fn signatures(
        &self,
        sources: Vec<SignatureSource>,
        raw: Vec<RawSignature>,
    ) -> Vec<SignatureClause> {
        let clause = |(source, raw): (SignatureSource, RawSignature)| {
            let [u, t, r] = raw.hidden.map(|v| self.positions[&v]);
            let messages = raw.messages.iter().map(|m| self.form(m)).collect();
            SignatureClause {
                id: source.id,
                name: source.name,
                messages,
                u,
                t,
                r,
            }
        };
        sources.into_iter().zip(raw).map(clause).collect()
    }

    fn commitments(
        &self,
        sources: Vec<CommitmentSource>,
        raw: Vec<Vec<(Base, Linear)>>,
    ) -> Vec<CommitmentClause> {
        let clause = |(source, terms): (CommitmentSource, Vec<(Base, Linear)>)| {
            let CommitmentSource {
                id,
                point,
                subgroup,
                ..
            } = source;
            let terms = terms.into_iter().map(|(b, l)| (b, self.form(&l))).collect();
            CommitmentClause {
                id,
                point,
                subgroup,
                terms,
            }
        };
        sources.into_iter().zip(raw).map(clause).collect()
    }

    fn quadratic(&self, id: &str, zero: &Quadratic) -> QuadraticForm {
        let product = |(l, r): &(Linear, Linear)| (self.form(l), self.form(r));
        QuadraticForm {
            id: id.into(),
            products: zero.products.iter().map(product).collect(),
            linear: self.form(&zero.linear),
        }
    }
}

/// Assembles the circuit and checks it.
pub(super) fn finish(
    source: Source,
    builder: Builder,
    signatures: Vec<RawSignature>,
    commitments: Vec<Vec<(Base, Linear)>>,
    definitions: &BTreeMap<VarId, Linear>,
) -> Result<Circuit> {
    let variables = builder.roles.len();
    let responses: Vec<VarId> = (0..variables)
        .filter(|v| !definitions.contains_key(v))
        .collect();
    check_expansion(&builder, &signatures, &commitments, definitions)?;
    let positions = responses.iter().enumerate().map(|(p, v)| (*v, p)).collect();
    let reducer = Reducer {
        definitions,
        positions,
    };
    let in_vector = |p: &usize| {
        let role = builder.roles[responses[*p]];
        matches!(role, Role::Committed | Role::Bit)
    };
    let vector = (0..responses.len()).filter(in_vector).collect();
    let parameters = builder.names.integers.into_iter();
    let mut circuit = Circuit {
        name: source.name,
        version: source.version,
        parameters: parameters
            .filter(|(n, _)| source.parameters.contains(n))
            .collect(),
        publics: source.publics.into_iter().map(|p| p.name).collect(),
        labels: source.labels.into_iter().map(|l| l.name).collect(),
        clauses: builder.clauses,
        secrets: builder.secrets,
        signatures: reducer.signatures(source.signatures, signatures),
        commitments: reducer.commitments(source.commitments, commitments),
        ranges: builder.ranges,
        linear: builder.linear,
        quadratic_forms: builder
            .quadratic
            .iter()
            .map(|(id, q)| reducer.quadratic(id, q))
            .collect(),
        quadratic: builder.quadratic,
        variables,
        responses,
        vector,
        digest: [0; 32],
    };
    if circuit.quadratic_forms.len() > MAX_EQUATIONS {
        return fail(format!("more than {MAX_EQUATIONS} quadratic equations"));
    }
    check_bound(&circuit)?;
    check_used(&circuit)?;
    circuit.digest = circuit.compute_digest();
    Ok(circuit)
}

/// Eliminated variables are written out wherever they occur: refuses texts that grow
/// without bounds by it.
fn check_expansion(
    builder: &Builder,
    signatures: &[RawSignature],
    commitments: &[Vec<(Base, Linear)>],
    definitions: &BTreeMap<VarId, Linear>,
) -> Result<()> {
    let factors = builder.quadratic.iter().flat_map(|(_, q)| {
        let products = q.products.iter().flat_map(|(l, r)| [l, r]);
        products.chain(std::iter::once(&q.linear))
    });
    let shown = signatures.iter().flat_map(|s| &s.messages);
    let opened = commitments.iter().flatten().map(|(_, form)| form);
    for form in factors.chain(shown).chain(opened) {
        let written = |v| definitions.get(v).map_or(1, Linear::size);
        let terms = form.vars.keys().map(written).sum::<usize>();
        builder.names.charge(terms + form.publics.len())?;
    }
    Ok(())
}

/// The binding rule.
fn check_bound(circuit: &Circuit) -> Result<()> {
    let mut bound: BTreeSet<usize> = circuit.vector.iter().copied().collect();
    for (_, form) in circuit.commitments.iter().flat_map(|c| &c.terms) {
        if let [(position, _)] = form.terms[..] {
            bound.insert(position);
        }
    }
    for q in &circuit.quadratic_forms {
        let products = q.products.iter().flat_map(|(l, r)| [l, r]);
        let forms = products.chain(std::iter::once(&q.linear));
        if forms
            .flat_map(|f| &f.terms)
            .any(|(p, _)| !bound.contains(p))
        {
            return fail(format!(
                "'{}' has a variable that nothing binds: commit it",
                q.id
            ));
        }
    }
    Ok(())
}

/// A response that no clause uses is a mistake of the text.
fn check_used(circuit: &Circuit) -> Result<()> {
    let mut used: BTreeSet<usize> = circuit.vector.iter().copied().collect();
    for s in &circuit.signatures {
        used.insert(s.t);
        used.extend(s.messages.iter().flat_map(|f| &f.terms).map(|(p, _)| *p));
    }
    let terms = circuit.commitments.iter().flat_map(|c| &c.terms);
    used.extend(terms.flat_map(|(_, f)| &f.terms).map(|(p, _)| *p));
    match (0..circuit.responses.len()).find(|p| !used.contains(p)) {
        Some(position) => {
            let variable = circuit.responses[position];
            let owner = circuit
                .secrets
                .iter()
                .find(|s| (s.first..s.first + s.size).contains(&variable));
            fail(format!(
                "nothing uses '{}'",
                owner.map_or("?", |s| s.name.as_str())
            ))
        }
        None => Ok(()),
    }
}
