//! The declarative form of a circuit, as written in `circuits/*.toml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::{Error, Result};

/// A circuit text before its parameters are known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name of the relation.
    pub name: String,
    /// Version of the relation; part of the digest.
    pub version: u32,
    /// Names of the integer parameters.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// Public scalars.
    #[serde(default, rename = "public")]
    pub publics: Vec<PublicSource>,
    /// Public strings from which generators are derived.
    #[serde(default, rename = "label")]
    pub labels: Vec<LabelSource>,
    /// Secret scalars and arrays.
    #[serde(default, rename = "secret")]
    pub secrets: Vec<SecretSource>,
    /// Signatures whose possession is proved.
    #[serde(default, rename = "signature")]
    pub signatures: Vec<SignatureSource>,
    /// Commitments in the statement whose opening is proved.
    #[serde(default, rename = "commitment")]
    pub commitments: Vec<CommitmentSource>,
    /// Constraints between the secrets.
    #[serde(default, rename = "constraint")]
    pub constraints: Vec<ConstraintSource>,
}

/// A public scalar.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicSource {
    /// Name in expressions.
    pub name: String,
    /// One line of meaning.
    pub meaning: String,
}

/// A public string that names a derived generator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelSource {
    /// Name in the `terms` of commitments.
    pub name: String,
    /// One line of meaning.
    pub meaning: String,
}

/// A secret scalar, or an array of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSource {
    /// Name in expressions.
    pub name: String,
    /// Integer expression; absent for a single scalar.
    pub size: Option<String>,
    /// Condition under which the secret exists.
    pub when: Option<String>,
    /// Whether the secret is committed in the vector commitment.
    #[serde(default)]
    pub committed: bool,
    /// One line of meaning.
    pub meaning: String,
}

/// Possession of an issuer's signature on messages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureSource {
    /// Identifier of the clause.
    pub id: String,
    /// Name of the signature; prefixes its hidden variables.
    pub name: String,
    /// Secrets, arrays of secrets or publics in message order.
    pub messages: Vec<String>,
    /// Why the clause is there.
    pub reason: String,
}

/// A commitment of the statement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitmentSource {
    /// Identifier of the clause.
    pub id: String,
    /// Name of the statement's point.
    pub point: String,
    /// Messages over the signature's message generators, in order.
    #[serde(default)]
    pub messages: Vec<String>,
    /// Expressions by generator: a fixed name or a label.
    #[serde(default)]
    pub terms: BTreeMap<String, String>,
    /// Whether the point is tested to lie in the prime-order subgroup.
    pub subgroup: bool,
    /// Why the clause is there.
    pub reason: String,
}

/// An equation or a range.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstraintSource {
    /// Identifier of the clause.
    pub id: String,
    /// An equation of degree at most two.
    pub assert: Option<String>,
    /// An expression that lies in `[0, 2^bits)`.
    pub range: Option<String>,
    /// Integer expression: the width of the range.
    pub bits: Option<String>,
    /// `name in count`: repeats the constraint for name = 0, 1, …, count − 1.
    #[serde(rename = "for")]
    pub each: Option<String>,
    /// Condition under which the constraint exists.
    pub when: Option<String>,
    /// Why the clause is there.
    pub reason: String,
}

/// Longest circuit text in bytes.
pub const MAX_TEXT: usize = 256 * 1024;

impl Source {
    /// Reads a circuit text; unknown keys are refused, and so are names that are no
    /// identifiers or stand for two things: the digest is a hash of lines of names.
    pub fn parse(text: &str) -> Result<Source> {
        if text.len() > MAX_TEXT {
            return Err(Error::Circuit("the text is too long".into()));
        }
        let source: Source = toml::from_str(text).map_err(|e| Error::Circuit(e.to_string()))?;
        source.check_names()?;
        Ok(source)
    }

    fn check_names(&self) -> Result<()> {
        let own = std::iter::once(self.name.as_str());
        let values = self.publics.iter().map(|p| p.name.as_str());
        let values = values.chain(self.secrets.iter().map(|s| s.name.as_str()));
        let values = values.chain(self.parameters.iter().map(String::as_str));
        let labels = self.labels.iter().map(|l| l.name.as_str());
        let signatures = self.signatures.iter().map(|s| s.name.as_str());
        let points = self.commitments.iter().map(|c| c.point.as_str());
        distinct("name", own, is_name)?;
        // Two secrets or constraints may share a name if their conditions exclude
        // each other: the compiler sees to it.
        for value in values {
            distinct("name", [value], |n| is_name(n) && n != "sum")?;
        }
        distinct("label", labels, |n| {
            is_name(n) && !super::compile::NAMED_BASES.contains(&n)
        })?;
        distinct("signature", signatures, is_name)?;
        distinct("point", points, is_name)?;
        let ids = self.signatures.iter().map(|s| s.id.as_str());
        let ids = ids.chain(self.commitments.iter().map(|c| c.id.as_str()));
        let ids = ids.chain(self.constraints.iter().map(|c| c.id.as_str()));
        for id in ids {
            distinct("id", [id], is_id)?;
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

fn distinct<'a>(
    what: &str,
    names: impl IntoIterator<Item = &'a str>,
    valid: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !valid(name) {
            return Err(Error::Circuit(format!("{name:?} may not be a {what}")));
        }
        if !seen.insert(name) {
            return Err(Error::Circuit(format!(
                "the {what} '{name}' is declared twice"
            )));
        }
    }
    Ok(())
}
