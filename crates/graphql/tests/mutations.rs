//! Mutations are executed in order, until the data is null.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::{Arc, Mutex};

use async_graphql::registry::Registry;
use graphql::input::Inputs;
use graphql::{
    Call, Cell, Cells, Column, Context, Cost, Description, DocumentLimits, Engine, EngineSettings, FieldError,
    NoArguments, Object, PageSizes, Part, Request, Resolve, Root, Row, Rows, Schema, TypeName,
};

const SDL: &str = "type Query { a: Int } type Mutation { a: Int b: Int maybe: Int sure: Int! object: O! objects: [O] }
    type O { sure: Int! }";

/// The mutations that were executed.
type Log = Mutex<Vec<String>>;

/// The name of a mutation determines its result.
struct Change;

impl Resolve<Root> for Change {
    type Arguments = NoArguments;

    fn type_name(_: &mut Registry) -> String {
        String::new()
    }

    async fn resolve(call: Call<'_, Root>) -> Column {
        let name = call.selected.coordinate().trim_start_matches("Mutation.");
        call.context.data::<Log>().lock().unwrap().push(name.to_owned());
        // Concurrent mutations would run here.
        tokio::task::yield_now().await;
        match name {
            "maybe" | "sure" => Column::Failed(FieldError::plain("failed")),
            "object" => Column::objects("O", vec![O]),
            "objects" => {
                let part = Part { of: "O".into(), rows: Rows::new(vec![O, O]) };
                let cells = vec![Cell::Objects { from: 0, len: 2 }];
                Column::Cells(Cells { cells, parts: vec![part], ..Cells::default() })
            }
            _ => Column::Leaves(Box::new(vec![1])),
        }
    }
}

struct O;

impl Row for O {
    fn type_name() -> TypeName {
        "O".into()
    }
}

struct Failing;

impl Resolve<O> for Failing {
    type Arguments = NoArguments;

    fn type_name(_: &mut Registry) -> String {
        String::new()
    }

    async fn resolve(_: Call<'_, O>) -> Column {
        Column::Failed(FieldError::plain("failed below"))
    }
}

fn engine() -> Engine {
    let fields = ["a", "b", "maybe", "sure", "object", "objects"];
    let mut description = Description::new();
    let mutation = fields.into_iter().fold(Object::<Root>::new(""), |object, name| object.resolve::<Change>(name, ""));
    description.object_named("Mutation".into(), mutation);
    description.object(Object::<O>::new("").resolve::<Failing>("sure", ""));
    let most = u64::MAX;
    let settings = EngineSettings {
        limits: DocumentLimits::default(),
        pages: PageSizes { default: 20, max: 100 },
        cost_max: Cost {
            depth: most,
            root_fields: most,
            fields: most,
            values: most,
            introspection: most,
            introspection_levels: most,
        },
        cache_bytes: 1 << 20,
        introspection: false,
    };
    Engine::of_schema(Schema::from_sdl(SDL).unwrap(), description, settings)
}

#[test]
fn mutations_are_executed_in_order_until_the_data_is_null() {
    let cases = [
        ("{ a b }", "a b", r#"{"data":{"a":1,"b":1}"#),
        ("{ b x: a b a }", "b a a", r#"{"data":{"b":1,"x":1,"a":1}"#),
        ("{ a maybe b }", "a maybe b", r#"{"data":{"a":1,"maybe":null,"b":1}"#),
        ("{ a sure b }", "a sure", r#"{"data":null"#),
        ("{ a object { sure } b }", "a object", r#"{"data":null"#),
        ("{ a objects { sure } b }", "a objects b", r#"{"data":{"a":1,"objects":[null,null],"b":1}"#),
        ("{ a object { __typename } b }", "a object b", r#"{"data":{"a":1,"object":{"__typename":"O"},"b":1}"#),
    ];
    let engine = engine();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (selections, log, begin) in cases {
        let query = &format!("mutation {selections}");
        let changes = Arc::new(Log::default());
        let context = Context::new(Arc::<Log>::clone(&changes));
        let request = Request { query, operation_name: None, variables: &Inputs::new() };
        let prepared = engine.prepare(&request).unwrap();
        let answer = runtime.block_on(engine.execute(&prepared, &context, 1 << 20)).unwrap();
        assert_eq!(changes.lock().unwrap().join(" "), log, "{query}");
        let answer = String::from_utf8(answer.json).unwrap();
        assert!(answer.starts_with(begin), "{query}: {answer}");
    }
}
