//! Random valid arguments of `echo`: literals, variables at all positions of literals, and defaults.

use std::fmt::Write;

use graphql::Schema;
use graphql::document::OperationKind;
use graphql::schema::{InputValue, NameIndex, Scalar, TypeId, TypeKind, TypeRef};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value as Json, json};

/// Maximum nesting of input objects.
const DEPTH: usize = 3;

/// `count` operations with their variables, as the judge reads them.
pub fn random(schema: &Schema, seed: u64, count: usize) -> String {
    let mut lines = String::new();
    for i in 0..count {
        let random = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(i as u64));
        let mut writer = Writer { schema, random, declared: String::new(), variables: Map::new(), count: 0 };
        let echo = schema.field(schema.root(OperationKind::Query).unwrap(), "echo").unwrap();
        let fields: String = (0..2).map(|i| format!(" e{i}: echo{}", writer.arguments(&echo.arguments))).collect();
        let Writer { declared, variables, .. } = writer;
        let declared = if declared.is_empty() { declared } else { format!("({declared})") };
        let document = format!("query Q{declared} {{{fields} }}");
        let name = format!("random arguments {i} of seed {seed}");
        writeln!(lines, "{}", json!({"name": name, "document": document, "variables": variables})).unwrap();
    }
    lines
}

struct Writer<'s> {
    schema: &'s Schema,
    random: ChaCha8Rng,
    declared: String,
    variables: Map<String, Json>,
    count: usize,
}

/// What is allowed at a position, besides values of its type.
#[derive(Clone, Copy)]
struct Place {
    variables: bool,
    null: bool,
    depth: usize,
}

impl Writer<'_> {
    fn chance(&mut self, one_of: u32) -> bool {
        self.random.random_ratio(1, one_of)
    }

    fn arguments(&mut self, known: &NameIndex<InputValue>) -> String {
        let place = Place { variables: true, null: true, depth: DEPTH };
        let fields = self.fields(known, place);
        if fields.is_empty() { fields } else { format!("({fields})") }
    }

    fn fields(&mut self, known: &NameIndex<InputValue>, place: Place) -> String {
        let mut text = String::new();
        for input in known {
            if input.is_required() || self.chance(4) {
                // A variable may be null where there is a default.
                let value = match &input.of {
                    TypeRef::NonNull(of) if input.default.is_some() && place.variables && self.chance(3) => {
                        self.variable(of)
                    }
                    of => self.literal(of, place),
                };
                write!(text, "{}: {value} ", input.name).unwrap();
            }
        }
        text
    }

    fn literal(&mut self, of: &TypeRef, place: Place) -> String {
        if place.variables && self.chance(4) {
            return self.variable(of);
        }
        let below = Place { variables: place.variables, null: true, ..place };
        match of {
            TypeRef::NonNull(of) => self.literal(of, Place { null: false, variables: false, ..place }),
            _ if place.null && self.chance(8) => "null".to_owned(),
            // A single value for a list; a variable must be a list.
            TypeRef::List(item) if self.chance(4) => {
                self.literal(item, Place { null: false, variables: false, ..place })
            }
            TypeRef::List(item) => {
                let items: Vec<String> =
                    (0..self.random.random_range(0..3)).map(|_| self.literal(item, below)).collect();
                format!("[{}]", items.join(", "))
            }
            TypeRef::Named(id) => self.named(*id, place),
        }
    }

    fn named(&mut self, id: TypeId, place: Place) -> String {
        let schema = self.schema;
        let number = self.random.random_range(-3..300);
        match &schema.get(id).kind {
            TypeKind::Scalar(Scalar::Int) => number.to_string(),
            TypeKind::Scalar(Scalar::Float) if self.chance(2) => format!("{number}.25e1"),
            TypeKind::Scalar(Scalar::Float | Scalar::Id) => number.to_string(),
            TypeKind::Scalar(Scalar::Boolean) => (number % 2 == 0).to_string(),
            TypeKind::Scalar(_) if self.chance(4) => format!("\"\"\"\n  block {number}\n    \\\"\"\" \"\"\""),
            TypeKind::Scalar(_) => format!("\"text {number} \\u{{1F3AD}} \\\" \\n\""),
            TypeKind::Enum(values) => values[self.random.random_range(0..values.len())].clone(),
            TypeKind::Input { fields, is_one_of: true } => {
                let field = fields.iter().nth(self.random.random_range(0..fields.iter().len())).unwrap();
                let of = field.of.clone().non_null();
                let place = Place { variables: place.depth == DEPTH, null: false, ..place };
                format!("{{{}: {}}}", field.name, self.literal(&of, place))
            }
            TypeKind::Input { fields, .. } if place.depth > 0 => {
                let place = Place { variables: true, null: true, depth: place.depth - 1 };
                format!("{{{}}}", self.fields(fields, place))
            }
            TypeKind::Input { .. } => "{row: 1}".to_owned(),
            other => panic!("{other:?} is no input"),
        }
    }

    /// A new variable of this type.
    fn variable(&mut self, of: &TypeRef) -> String {
        let name = format!("v{}", self.count);
        self.count += 1;
        // A variable may be stricter than its position.
        let of = if self.chance(4) && !of.is_non_null() { of.clone().non_null() } else { of.clone() };
        write!(self.declared, "${name}: {}", self.schema.display(&of)).unwrap();
        let has_default = self.chance(3);
        if has_default {
            let place = Place { variables: false, null: !of.is_non_null(), depth: 0 };
            let default = self.literal(of.nullable(), place);
            write!(self.declared, " = {default}").unwrap();
        }
        self.declared.push(' ');
        let is_absent = (has_default || !of.is_non_null()) && self.chance(3);
        if !is_absent {
            let value = self.value(&of, DEPTH);
            self.variables.insert(name.clone(), value);
        }
        format!("${name}")
    }

    fn value(&mut self, of: &TypeRef, depth: usize) -> Json {
        match of {
            TypeRef::NonNull(of) => match self.value(of, depth) {
                Json::Null => self.value(&TypeRef::NonNull(of.clone()), depth),
                value => value,
            },
            _ if self.chance(6) => Json::Null,
            TypeRef::List(item) if self.chance(4) => match self.value(item, depth) {
                Json::Null => json!([]),
                value => value,
            },
            TypeRef::List(item) => (0..self.random.random_range(0..3)).map(|_| self.value(item, depth)).collect(),
            TypeRef::Named(id) => {
                let schema = self.schema;
                let number = self.random.random_range(-3..300);
                match &schema.get(*id).kind {
                    TypeKind::Scalar(Scalar::Int) => json!(number),
                    TypeKind::Scalar(Scalar::Float) => json!(f64::from(number) / 4.0),
                    TypeKind::Scalar(Scalar::Boolean) => json!(number % 2 == 0),
                    TypeKind::Scalar(Scalar::Id) if self.chance(2) => json!(number),
                    TypeKind::Scalar(_) => json!(format!("text {number} \u{1F3AD} \" \n")),
                    TypeKind::Enum(values) => json!(values[self.random.random_range(0..values.len())]),
                    TypeKind::Input { fields, is_one_of } => self.object(fields, *is_one_of, depth),
                    other => panic!("{other:?} is no input"),
                }
            }
        }
    }

    fn object(&mut self, fields: &NameIndex<InputValue>, is_one_of: bool, depth: usize) -> Json {
        let mut object = Map::new();
        let only = is_one_of.then(|| self.random.random_range(0..fields.iter().len()));
        for (i, input) in fields.iter().enumerate() {
            let is_there = match only {
                Some(only) => only == i,
                None => input.is_required() || (depth > 0 && self.chance(3)),
            };
            if is_there {
                let of = if is_one_of { input.of.clone().non_null() } else { input.of.clone() };
                object.insert(input.name.clone(), self.value(&of, depth.saturating_sub(1)));
            }
        }
        Json::Object(object)
    }
}
