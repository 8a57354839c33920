//! Subscriptions are executed for several events at once.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use async_graphql::InputObject;
use graphql::{
    Batch, Call, Column, Context, Cost, Describe, Description, DocumentLimits, Engine, EngineRefusal, EngineSettings,
    FieldError, Inputs, NoArguments, Object, PageSizes, PreparedOperation, Request, Root, Row, Rows, TypeName,
};
use serde_json::json;

/// An event: the root of a subscription.
struct Event(i32);

impl Row for Event {
    fn type_name() -> TypeName {
        "Subscription".into()
    }
}

/// The subject of an event.
struct Film(i32);

impl Row for Film {
    fn type_name() -> TypeName {
        "Film".into()
    }
}

#[derive(InputObject)]
struct Events {
    about: Option<i32>,
    after: Option<String>,
}

/// The number of look-ups.
type LookUps = AtomicUsize;

struct Title;

impl Batch<Film> for Title {
    type Arguments = NoArguments;
    type Value = Result<String, FieldError>;

    async fn find(call: Call<'_, Film>) -> Result<Vec<Self::Value>, FieldError> {
        call.context.data::<LookUps>().fetch_add(1, Ordering::Relaxed);
        Ok(call
            .iter()
            .map(|Film(id)| if *id == 2 { Err(FieldError::plain("gone")) } else { Ok(format!("№ {id}")) })
            .collect())
    }
}

struct Films;

static DESCRIPTION: LazyLock<Arc<Description>> = LazyLock::new(|| {
    let mut description = Description::new();
    description.object(Object::<Root>::new("").value("nothing", "", |_| 0));
    description.object(Object::<Film>::new("").batch::<Title>("title", "").value("id", "", |film| film.0));
    description.object(Object::<Event>::new("").resolve_by::<Events>(
        "filmed",
        "",
        |_| "Film!".to_owned(),
        |call| {
            Box::pin(async move { Column::objects("Film", call.iter().map(|event: &Event| Film(event.0)).collect()) })
        },
    ));
    Arc::new(description)
});

impl Describe for Films {
    fn description() -> Arc<Description> {
        Arc::clone(&DESCRIPTION)
    }
}

fn engine() -> Engine {
    let most = u64::MAX;
    let cost_max = Cost {
        depth: most,
        root_fields: most,
        fields: most,
        values: most,
        introspection: most,
        introspection_levels: most,
    };
    let pages = PageSizes { default: 20, max: 100 };
    let settings = EngineSettings {
        limits: DocumentLimits::default(),
        pages,
        cost_max,
        cache_bytes: 1 << 20,
        introspection: true,
    };
    Engine::described::<Films>(settings).unwrap()
}

fn prepare(engine: &Engine, query: &str, variables: &serde_json::Value) -> PreparedOperation {
    let variables: &Inputs = variables.as_object().unwrap();
    engine.prepare(&Request { query, operation_name: None, variables }).unwrap()
}

#[tokio::test]
async fn each_event_has_its_own_response_and_all_share_look_ups() {
    let (engine, look_ups) = (engine(), Arc::new(LookUps::default()));
    let prepared = prepare(&engine, "subscription { it: filmed { id title } }", &json!({}));
    let context = Context::new(Arc::<LookUps>::clone(&look_ups));
    let events = Rows::new(vec![Event(1), Event(2), Event(3)]);
    let answers = engine.execute_events(&prepared, events, &context, 1_000).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| String::from_utf8(answer.unwrap().json).unwrap()).collect();
    assert_eq!(answers[0], r#"{"data":{"it":{"id":1,"title":"№ 1"}}}"#);
    assert!(answers[1].starts_with(r#"{"data":null,"errors":[{"message":"gone""#), "{}", answers[1]);
    assert_eq!(answers[2], r#"{"data":{"it":{"id":3,"title":"№ 3"}}}"#);
    assert_eq!(look_ups.load(Ordering::Relaxed), 1);
    let events = Rows::new(vec![Event(1), Event(2)]);
    let answers = engine.execute_events(&prepared, events, &context, 30).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(EngineRefusal::TooLarge(30)))), "{answers:?}");
}

#[test]
fn the_start_position_does_not_separate_executions() {
    let engine = engine();
    let key = |query, variables| prepare(&engine, query, &variables).sharing_key("after");
    let query = "subscription ($about: Int, $after: String) { filmed(about: $about, after: $after) { id } }";
    assert_eq!(key(query, json!({ "after": "x", "about": 1 })), key(query, json!({ "about": 1 })));
    assert_ne!(key(query, json!({ "about": 1 })), key(query, json!({ "about": 2 })));
    let prepared = prepare(&engine, query, &json!({ "after": "x", "about": 1 }));
    let arguments = engine.root_arguments::<Events>(&prepared).unwrap();
    assert_eq!((prepared.root_field(), arguments.about, arguments.after.as_deref()), ("filmed", Some(1), Some("x")));
    let fixed = "subscription { ...S } fragment S on Subscription { filmed(after: \"y\") { id } }";
    let arguments = engine.root_arguments::<Events>(&prepare(&engine, fixed, &json!({}))).unwrap();
    assert_eq!((arguments.about, arguments.after.as_deref()), (None, Some("y")));
}

#[test]
fn a_subscription_has_one_root_field() {
    let engine = engine();
    for query in [
        "subscription { a: filmed { id } b: filmed { id } }",
        "subscription { __typename }",
        "subscription ($x: Boolean = true) { filmed @include(if: $x) { id } }",
        "subscription ($x: Boolean = false) { ... @skip(if: $x) { filmed { id } } }",
    ] {
        let request = Request { query, operation_name: None, variables: &Inputs::new() };
        assert!(engine.prepare(&request).is_err(), "{query}");
    }
}

#[tokio::test]
async fn introspection_knows_the_root_types() {
    let engine = engine();
    let query = "{ __schema { subscriptionType { name fields { name } } mutationType { name } } }";
    let expected = r#"{"data":{"__schema":{"subscriptionType":{"name":"Subscription","fields":[{"name":"filmed"}]},"mutationType":null}}}"#;
    let context = Context::new(Arc::new(()));
    for _ in 0..2 {
        let answer = engine.execute(&prepare(&engine, query, &json!({})), &context, 10_000).await.unwrap();
        assert_eq!(String::from_utf8(answer.json).unwrap(), expected);
    }
}
