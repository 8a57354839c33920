//! The example domain behaves like a domain of the server, and the guide shows its code unchanged.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use clap::Parser;
use futures_util::future::BoxFuture;
use graphql::{
    Abstract, Call, Column, Context, Describe, Description, Engine, EngineSettings, NoArguments, Object, Request, Root,
};
use sea_orm::ConnectionTrait;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::super::{PAGES, limits};
use super::objects::{Festival, Festivals, describe};
use super::{mutations, tables};
use crate::app::Application;
use crate::config::Cli;
use crate::http;
use crate::kit::Id;
use crate::kit::rows::{KEY, Missing, QueryObject, RequestData, Services, by_key};
use crate::viewer::{Caller, Role, Viewer};

struct Example;

static DESCRIPTION: LazyLock<Arc<Description>> = LazyLock::new(|| {
    let mut description = Description::new();
    let id = ("id", "An opaque id. It is globally unique and never changes.", "ID!");
    description.interface("Node", Abstract::interface("An object with an id.", vec![id]));
    describe(&mut description);
    description.object(
        Object::<Root>::new("The queries.")
            .find::<Festival>("festival", "The festival with this id. Null if it does not exist.")
            .list::<Festivals>("festivals", "The festivals.")
            .resolve_by::<NoArguments>("node", "No object.", |_| "Node".to_owned(), find_none),
    );
    let mutation = mutations::add_to_mutation(Object::new("The mutations."));
    description.object_named("Mutation".into(), mutation);
    Arc::new(description)
});

impl Describe for Example {
    fn description() -> Arc<Description> {
        Arc::clone(&DESCRIPTION)
    }
}

/// Makes `Node` a part of the schema: an interface that no field leads to is omitted.
fn find_none(call: Call<'_, Root>) -> BoxFuture<'_, Column> {
    let keys = vec![None; call.rows.len()];
    Box::pin(async move { by_key::<Festival>(call.context, keys, KEY, Missing::IsNull).await.into() })
}

/// The viewer's key.
const USER: i32 = 7;

/// An engine for the example, with its own database.
struct Server {
    engine: Engine,
    services: Arc<Services>,
    _app: Application,
    _folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("example.db").display());
        let line = ["kinoteka", "--listen", "127.0.0.1:0", "--database-url", &url];
        let app = Application::build(&Cli::try_parse_from(line).unwrap().serve, None).await.unwrap();
        let services = Arc::new(app.library().changes);
        let rows = "
            INSERT INTO users (id, username, password, email, fio, birthday)
            VALUES (7, 'editor', '', 'editor@example.org', 'E', '1990-01-01');
            INSERT INTO festivals (title, city, year) VALUES
                ('Окно', 'Омск', 2021), ('Амур', 'Хабаровск', 2022), ('Край света', 'Омск', 2023);
            INSERT INTO screenings (festival_id, film) VALUES (1, 'Солярис'), (1, 'Зеркало'), (3, 'Сталкер');";
        for statements in [tables::CREATE, rows] {
            services.writes.db.write.execute_unprepared(statements).await.unwrap();
        }
        let (limits, cost_max) = limits(&http::Limits::DEFAULT);
        let settings = EngineSettings { limits, pages: PAGES, cost_max, cache_bytes: 1 << 20, introspection: false };
        let engine = Engine::described::<Example>(settings).unwrap();
        Self { engine, services, _app: app, _folder: folder }
    }

    /// The response to a request of this role, or of an anonymous client.
    async fn ask(&self, role: Option<Role>, query: &str, variables: Json) -> Json {
        let viewer = role.map(|role| Viewer { user: USER, session: 1, role });
        let caller = Caller { viewer, ..Caller::anonymous(IpAddr::V4(Ipv4Addr::LOCALHOST)) };
        let data =
            RequestData { services: Arc::clone(&self.services), caller: Some(caller), budget: None, shared: None };
        let request = Request { query, operation_name: None, variables: variables.as_object().unwrap() };
        let prepared = self.engine.prepare(&request).unwrap();
        let answer = self.engine.execute(&prepared, &Context::new(Arc::new(data)), usize::MAX).await.unwrap();
        serde_json::from_slice(&answer.json).unwrap()
    }
}

#[tokio::test]
async fn example_is_queried() {
    let server = Server::start().await;
    let query = "query ($id: ID!) {
        festival(id: $id) { title year place screenings { totalCount nodes { film festival { title } } } }
        festivals(filter: { city: \"Омск\", year: { from: 2022 } }) { nodes { title } }
    }";
    let answer = server.ask(None, query, json!({ "id": Id::<Festival>::new(1).encode() })).await;
    let of = json!({ "title": "Окно" });
    let films = json!([{ "film": "Солярис", "festival": of }, { "film": "Зеркало", "festival": of }]);
    let festival = json!({
        "title": "Окно", "year": 2021, "place": "Омск, Russia",
        "screenings": { "totalCount": 2, "nodes": films },
    });
    let festivals = json!({ "nodes": [{ "title": "Край света" }] });
    assert_eq!(answer, json!({ "data": { "festival": festival, "festivals": festivals } }));
    let wrong = "{ festivals(filter: { year: { from: 2, to: 1 } }) { totalCount } }";
    let answer = server.ask(None, wrong, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["field"], "filter.year", "{answer}");
}

#[tokio::test]
async fn example_is_read_page_by_page() {
    let server = Server::start().await;
    let query = "query ($after: String) {
        festivals(orderBy: YEAR_DESC, first: 2, after: $after) {
            nodes { year screenings(first: 1) { nodes { film } } }
            pageInfo { hasNextPage endCursor }
        }
    }";
    let answer = server.ask(None, query, json!({})).await;
    let page = &answer["data"]["festivals"];
    let years = json!([
        { "year": 2023, "screenings": { "nodes": [{ "film": "Сталкер" }] } },
        { "year": 2022, "screenings": { "nodes": [] } },
    ]);
    assert_eq!((&page["nodes"], &page["pageInfo"]["hasNextPage"]), (&years, &json!(true)), "{answer}");
    let answer = server.ask(None, query, json!({ "after": page["pageInfo"]["endCursor"] })).await;
    let page = &answer["data"]["festivals"];
    let years = json!([{ "year": 2021, "screenings": { "nodes": [{ "film": "Солярис" }] } }]);
    assert_eq!((&page["nodes"], &page["pageInfo"]["hasNextPage"]), (&years, &json!(false)), "{answer}");
}

const ADD: &str = "mutation ($input: AddScreeningInput!) {
    addScreening(input: $input) { screening { film festival { title } } errors { code field } }
}";

#[tokio::test]
async fn example_is_changed_within_its_rules() {
    let server = Server::start().await;
    let amur = Id::<Festival>::new(2).encode();
    let input = json!({ "input": { "festivalId": amur, "film": "Солярис" } });
    let refused = server.ask(None, ADD, input.clone()).await;
    assert_eq!(refused["data"], json!({ "addScreening": null }), "{refused}");
    assert_eq!(refused["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{refused}");
    let done = server.ask(Some(Role::Member), ADD, input.clone()).await;
    let screening = json!({ "film": "Солярис", "festival": { "title": "Амур" } });
    assert_eq!(done, json!({ "data": { "addScreening": { "screening": screening, "errors": [] } } }));
    let again = server.ask(Some(Role::Member), ADD, input).await;
    let errors = json!([{ "code": "CONFLICT", "field": "input.film" }]);
    assert_eq!(again, json!({ "data": { "addScreening": { "screening": null, "errors": errors } } }));
    let wrong = json!({ "input": { "festivalId": Id::<Festival>::new(9).encode(), "film": "" } });
    let wrong = server.ask(Some(Role::Member), ADD, wrong).await;
    let fields: Vec<_> = wrong["data"]["addScreening"]["errors"].as_array().unwrap().iter().collect();
    let expected = [
        &json!({ "code": "NOT_FOUND", "field": "input.festivalId" }),
        &json!({ "code": "BAD_USER_INPUT", "field": "input.film" }),
    ];
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn example_is_edited_by_editors() {
    let server = Server::start().await;
    let create = "mutation ($input: CreateFestivalInput!) {
        createFestival(input: $input) { festival { title screenings { totalCount } } errors { code field } }
    }";
    let input = json!({ "input": { "title": "Окно", "city": "Омск", "year": 2024 } });
    let refused = server.ask(Some(Role::Member), create, input.clone()).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "{refused}");
    let done = server.ask(Some(Role::Editor), create, input.clone()).await;
    let festival = json!({ "title": "Окно", "screenings": { "totalCount": 0 } });
    assert_eq!(done, json!({ "data": { "createFestival": { "festival": festival, "errors": [] } } }));
    let again = server.ask(Some(Role::Editor), create, input).await;
    let errors = json!([{ "code": "CONFLICT", "field": "input.title" }]);
    assert_eq!(again["data"]["createFestival"]["errors"], errors, "{again}");
    let delete = "mutation ($id: ID!) { deleteFestival(input: { id: $id }) { deletedId errors { code } } }";
    let used = server.ask(Some(Role::Editor), delete, json!({ "id": Id::<Festival>::new(1).encode() })).await;
    assert_eq!(used["data"]["deleteFestival"]["errors"], json!([{ "code": "CONFLICT" }]), "{used}");
}

/// Words without the space between them.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn example_is_what_the_guide_shows() {
    let sources = [
        include_str!("tables.rs"),
        include_str!("objects.rs"),
        include_str!("inputs.rs"),
        include_str!("mutations.rs"),
        include_str!("service.rs"),
        include_str!("tests.rs"),
    ];
    let sources = sources.map(words);
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/adding-a-domain.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let blocks: Vec<_> = guide.split("```").skip(1).step_by(2).collect();
    assert!(blocks.len() > 4, "the guide shows the example");
    for block in blocks {
        let (_, code) = block.split_once('\n').unwrap();
        assert!(sources.iter().any(|source| source.contains(&words(code))), "the example has no such code:\n{code}");
    }
}
