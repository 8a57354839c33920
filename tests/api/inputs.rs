//! Every mutation of the schema with its input, from introspection.

use serde_json::{Value, json};

use crate::app::TestApp;

/// A mutation.
#[derive(Debug)]
pub struct Mutation {
    pub name: String,
    /// The input's type and fields; None without input.
    pub input: Option<(String, Vec<Field>)>,
}

/// A field of an input.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    /// The type without `!` and `[]`: `ID`.
    pub kind: String,
    pub required: bool,
    pub list: bool,
    /// The first value of an enum.
    choice: Option<String>,
}

const QUERY: &str = "{ __schema { mutationType { fields { name args { type { ...T } } } }
    types { name inputFields { name type { ...T } } enumValues { name } } } }
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// All mutations, by name.
pub async fn mutations(app: &TestApp) -> Vec<Mutation> {
    let data = app.data(QUERY, json!({})).await;
    let types = data["__schema"]["types"].as_array().unwrap();
    let find = |name: &str| types.iter().find(|ty| ty["name"] == name).unwrap();
    let fields = data["__schema"]["mutationType"]["fields"].as_array().unwrap();
    let mut mutations: Vec<_> = fields
        .iter()
        .map(|field| {
            let arguments = field["args"].as_array().unwrap();
            assert!(arguments.len() <= 1, "{field}");
            let input = arguments.first().map(|argument| {
                let name = innermost(&argument["type"]);
                let fields = find(&name)["inputFields"].as_array().unwrap();
                (name, fields.iter().map(|field| read(field, &find)).collect())
            });
            Mutation { name: field["name"].as_str().unwrap().to_owned(), input }
        })
        .collect();
    mutations.sort_by(|one, other| one.name.cmp(&other.name));
    mutations
}

fn read<'a>(field: &Value, find: &impl Fn(&str) -> &'a Value) -> Field {
    let ty = &field["type"];
    let required = ty["kind"] == "NON_NULL";
    let inner = if required { &ty["ofType"] } else { ty };
    let kind = innermost(ty);
    let choice = find(&kind)["enumValues"][0]["name"].as_str().map(str::to_owned);
    Field { name: field["name"].as_str().unwrap().to_owned(), list: inner["kind"] == "LIST", required, kind, choice }
}

fn innermost(ty: &Value) -> String {
    ty["name"].as_str().map_or_else(|| innermost(&ty["ofType"]), str::to_owned)
}

impl Field {
    /// A value of the right type that is otherwise invalid.
    pub fn sample(&self) -> Value {
        let value = match (&self.choice, self.kind.as_str()) {
            (Some(choice), _) => json!(choice),
            (_, "Int") => json!(1),
            (_, "Boolean") => json!(true),
            (_, "Date") => json!("1990-01-01"),
            (_, "DateTime") => json!("1990-01-01T00:00:00Z"),
            (_, "Decimal") => json!("1.00"),
            (_, "BigInt") => json!("1"),
            _ => json!("x"),
        };
        if self.list { json!([value]) } else { value }
    }
}

impl Mutation {
    pub fn fields(&self) -> &[Field] {
        self.input.as_ref().map_or(&[], |(_, fields)| fields)
    }

    /// An input that the schema allows, but that no mutation accepts.
    pub fn sample(&self) -> Value {
        let fields = self.fields().iter().map(|field| (field.name.clone(), field.sample()));
        Value::Object(fields.collect())
    }

    /// The document, whose payload is `it`.
    pub fn document(&self) -> String {
        let name = &self.name;
        match &self.input {
            Some((ty, _)) => format!(
                "mutation($input: {ty}!) {{ it: {name}(input: $input) {{ __typename errors {{ code field message }} }} }}"
            ),
            None => format!("mutation {{ it: {name} {{ __typename errors {{ code field message }} }} }}"),
        }
    }
}
