//! The demo's responses match docs/queries.md, docs/search.md and README.md.

use std::path::Path;

use reqwest::Url;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    worked_queries_have_the_documented_responses,
    worked_queries_have_the_same_responses_on_an_older_database,
    refusals_are_as_documented,
);

/// The pages, and the minimum number of worked queries in each.
const PAGES: &[(&str, usize)] = &[("docs/queries.md", 22), ("docs/search.md", 1), ("README.md", 1)];

/// Marks a text or a list that the page cuts.
const CUT: &str = "[…]";

async fn worked_queries_have_the_documented_responses(backend: Backend) {
    expect_documented_answers(&TestApp::seeded(backend).await).await;
}

/// On a database without the steps from 0014 on, as in an upgrade.
async fn worked_queries_have_the_same_responses_on_an_older_database(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    let new = migration::STEPS.iter().filter(|step| step.name >= "0014").count();
    migration::down(&db, new.try_into().unwrap()).await.unwrap();
    migration::up(&db, None).await.unwrap();
    db.close().await.unwrap();
    expect_documented_answers(&TestApp::start(database, &[]).await).await;
}

async fn expect_documented_answers(app: &TestApp) {
    let mut wrong = Vec::new();
    for (page, least) in PAGES {
        let text = read(page);
        let queries = worked_queries(&text).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(queries.len() >= *least, "found {} queries in {page}, fewer than {least}", queries.len());
        for (parameters, documented) in queries {
            let url = Url::parse_with_params(&format!("{}/graphql", app.origin), &parameters).unwrap();
            let given: Value = app.client.get(url).send().await.unwrap().json().await.unwrap();
            if !agrees(&documented, &given) {
                wrong.push(format!("{page}: {parameters:#?}\nis said to give {documented:#}\nand gives {given:#}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The rows of the table of refusals that begin with a field in code.
async fn refusals_are_as_documented(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let text = read("docs/queries.md");
    let rows: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")).collect();
    assert!(rows.len() >= 4, "only found {rows:#?}");
    for row in rows {
        let cells: Vec<_> = row.split(" | ").collect();
        let [asked, code, message] = cells[..] else { panic!("not three cells: {row}") };
        let query = format!("{{ {} {{ __typename }} }}", asked.trim_matches('`'));
        let documented = format!("{} {}", code.trim_matches('`'), message.replace("\\`", "`"));
        let given = app.query(&query, json!({})).await.errors();
        assert!(
            agrees(&json!([documented]), &json!(given)),
            "{query}\nis said to give {documented}\nand gives {given:?}"
        );
    }
}

fn read(page: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap()
}

/// The body that curl sends, and the response.
type WorkedQuery<'a> = (Vec<(&'a str, &'a str)>, Value);

/// The queries of a page, each with the response in the following block.
fn worked_queries(page: &str) -> Result<Vec<WorkedQuery<'_>>, String> {
    let mut blocks = page.split("```").skip(1).step_by(2);
    let mut found = Vec::new();
    while let Some(block) = blocks.next() {
        if block.contains("--data-urlencode") {
            let quoted = block.split("--data-urlencode '").skip(1).filter_map(|rest| rest.split('\'').next());
            let parameters = quoted.filter_map(|parameter| parameter.split_once('=')).collect();
            let answer = blocks.next().and_then(|block| block.strip_prefix("json\n"));
            let answer = answer.ok_or_else(|| format!("a query without an answer: {block}"))?;
            found.push((parameters, serde_json::from_str(answer).map_err(|error| format!("{error} in {answer}"))?));
        } else if block.starts_with("json") {
            return Err(format!("an answer without a query: {block}"));
        }
    }
    Ok(found)
}

/// Compares a response with the documented one, which may be cut.
fn agrees(documented: &Value, given: &Value) -> bool {
    match (documented, given) {
        (Value::String(text), Value::String(given)) => match text.strip_suffix(CUT) {
            Some(beginning) => given.strip_prefix(beginning.trim_end()).is_some_and(|rest| !rest.is_empty()),
            None => text == given,
        },
        (Value::Array(list), Value::Array(given)) => {
            let shown = list.strip_suffix(&[json!(CUT)]);
            let fits = if shown.is_some() { list.len() <= given.len() } else { list.len() == given.len() };
            fits && shown.unwrap_or(list).iter().zip(given).all(|(documented, given)| agrees(documented, given))
        }
        (Value::Object(fields), Value::Object(given)) => {
            let same = |(name, value)| given.get(name).is_some_and(|given| agrees(value, given));
            fields.len() == given.len() && fields.iter().all(same)
        }
        _ => documented == given,
    }
}

#[test]
fn only_cut_values_may_be_longer() {
    for (documented, given, expected) in [
        (json!({"a": 1}), json!({"a": 1}), true),
        (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
        (json!({"a": null}), json!({}), false),
        (json!("Кино"), json!("Кино и мы"), false),
        (json!("Кино […]"), json!("Кино и мы"), true),
        (json!("Кино […]"), json!("Кино"), false),
        (json!([1]), json!([1, 2]), false),
        (json!([1, CUT]), json!([1, 2]), true),
        (json!([1, CUT]), json!([1]), false),
        (json!([2, CUT]), json!([1, 2]), false),
    ] {
        assert_eq!(agrees(&documented, &given), expected, "{documented} {given}");
    }
}

#[test]
fn queries_are_paired_with_responses() {
    let (query, answer) = ("```sh\ncurl --data-urlencode 'query={ a }'\n```\n", "```json\n{}\n```\n");
    let page = [query, answer].concat();
    assert_eq!(worked_queries(&page).unwrap(), [(vec![("query", "{ a }")], json!({}))]);
    for page in [[query, query, answer].concat(), query.to_owned(), answer.to_owned()] {
        worked_queries(&page).unwrap_err();
    }
}
