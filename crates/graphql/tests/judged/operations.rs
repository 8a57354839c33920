//! Random valid operations over the theatre: fields, aliases, fragments of every kind, and conditions.

use std::collections::BTreeMap;
use std::fmt::Write;

use graphql::Schema;
use graphql::document::OperationKind;
use graphql::schema::{TypeId, TypeKind};
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};

/// The variables of conditions.
const CONDITIONS: [&str; 3] = ["a", "b", "c"];

/// Maximum number of fields of an operation: each level multiplies the work of graphql-js.
const FIELDS_MAX: usize = 60;

/// `count` operations with their variables, as the judge reads them.
pub fn random(schema: &Schema, seed: u64, count: usize) -> String {
    let mut lines = String::new();
    for i in 0..count {
        let mut writer = Writer {
            schema,
            random: ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(i as u64)),
            fields_left: FIELDS_MAX,
            fragments: BTreeMap::new(),
        };
        let (document, variables) = writer.operation();
        let name = format!("random operation {i} of seed {seed}");
        writeln!(lines, "{}", json!({"name": name, "document": document, "variables": variables})).unwrap();
    }
    lines
}

struct Writer<'s> {
    schema: &'s Schema,
    random: ChaCha8Rng,
    fields_left: usize,
    /// Complete fragments by name, with their types.
    fragments: BTreeMap<String, (TypeId, String)>,
}

impl Writer<'_> {
    fn operation(&mut self) -> (String, Json) {
        let kind = if self.random.random_ratio(1, 8) { OperationKind::Mutation } else { OperationKind::Query };
        let root = self.schema.root(kind).unwrap();
        let mut body = String::new();
        self.selections(root, 5, &mut body);
        let fragments: String = self.fragments.values().map(|(_, text)| text.as_str()).collect();
        let text = body.clone() + &fragments;
        let used: Vec<&str> = CONDITIONS.into_iter().filter(|name| text.contains(&format!("${name})"))).collect();
        let declared: String = used.iter().map(|name| format!("${name}: Boolean! = true ")).collect();
        let declared = if used.is_empty() { String::new() } else { format!("({declared})") };
        let mut variables = json!({});
        for name in used {
            // Some variables keep their defaults.
            if self.random.random_ratio(2, 3) {
                variables[name] = Json::Bool(self.random.random());
            }
        }
        let keyword = if kind == OperationKind::Mutation { "mutation" } else { "query" };
        (format!("{keyword} Q{declared} {body}{fragments}"), variables)
    }

    /// A selection set of this type.
    fn selections(&mut self, of: TypeId, depth: usize, out: &mut String) {
        out.push_str("{ __typename");
        for _ in 0..self.random.random_range(1..6) {
            match self.random.random_range(0..10) {
                0 if depth > 0 => self.inline(of, depth - 1, out),
                1 | 2 if depth > 0 => self.spread(of, depth - 1, out),
                _ => self.field(of, depth, out),
            }
        }
        out.push_str(" }");
    }

    fn field(&mut self, of: TypeId, depth: usize, out: &mut String) {
        let schema = self.schema;
        let (TypeKind::Object { fields, .. } | TypeKind::Interface { fields, .. }) = &schema.get(of).kind else {
            return self.inline(of, depth, out);
        };
        let fields: Vec<_> = fields.iter().collect();
        let Some(field) = fields.choose(&mut self.random) else { return };
        let is_composite = schema.is_composite(*field.of.name());
        if self.fields_left == 0 || (is_composite && depth == 0) || field.name == "echo" {
            return;
        }
        self.fields_left -= 1;
        // A response name means one field, so repeated selections merge.
        match self.random.random_range(0..4) {
            0 => write!(out, " x_{0}: {0}", field.name).unwrap(),
            1 => write!(out, " y_{0}: {0}", field.name).unwrap(),
            _ => write!(out, " {}", field.name).unwrap(),
        }
        self.condition(out);
        if is_composite {
            out.push(' ');
            self.selections(*field.of.name(), depth - 1, out);
        }
    }

    fn condition(&mut self, out: &mut String) {
        let directive = if self.random.random() { "include" } else { "skip" };
        match self.random.random_range(0..8) {
            0 => {
                let name = CONDITIONS.choose(&mut self.random).unwrap();
                write!(out, " @{directive}(if: ${name})").unwrap();
            }
            1 => write!(out, " @{directive}(if: {})", self.random.random::<bool>()).unwrap(),
            _ => {}
        }
    }

    /// A type that objects of this type may also have.
    fn overlapping(&mut self, of: TypeId) -> TypeId {
        let schema = self.schema;
        let names = schema.types().map(|of| schema.find(&of.name).unwrap());
        let types: Vec<TypeId> =
            names.filter(|other| schema.is_composite(*other) && schema.overlap(of, *other)).collect();
        *types.choose(&mut self.random).unwrap()
    }

    fn inline(&mut self, of: TypeId, depth: usize, out: &mut String) {
        if self.fields_left == 0 {
            return;
        }
        self.fields_left -= 1;
        let on = self.overlapping(of);
        match on == of && self.random.random() {
            true => out.push_str(" ..."),
            false => write!(out, " ... on {}", self.schema.get(on).name).unwrap(),
        }
        self.condition(out);
        out.push(' ');
        self.selections(on, depth, out);
    }

    /// A new fragment, or a complete one.
    fn spread(&mut self, of: TypeId, depth: usize, out: &mut String) {
        let schema = self.schema;
        let known: Vec<String> = self
            .fragments
            .iter()
            .filter(|(_, (on, text))| schema.overlap(of, *on) && !text.is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        let name = match known.choose(&mut self.random) {
            Some(name) if self.random.random() => name.clone(),
            _ if self.fields_left == 0 => return,
            _ => {
                let on = self.overlapping(of);
                let name = format!("F{}", self.fragments.len());
                self.fragments.insert(name.clone(), (on, String::new()));
                let mut text = format!(" fragment {name} on {} ", schema.get(on).name);
                self.selections(on, depth, &mut text);
                self.fragments.insert(name.clone(), (on, text));
                name
            }
        };
        write!(out, " ...{name}").unwrap();
        self.condition(out);
    }
}
