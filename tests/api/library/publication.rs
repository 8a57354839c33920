//! Publications and their kinds.

use serde_json::{Value, json};

use super::asker::Beside;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    publications_are_answered_alike,
    pages_of_publications_are_answered_alike,
    filters_of_publications_are_answered_alike,
    excerpts_are_answered_alike,
    publications_cost_no_more_statements,
);

/// All fields of a publication.
const PUBLICATION: &str = "fragment P on Publication { __typename id title createdAt changedAt text excerpt
    short: excerpt(length: 20) category { __typename id title } tags author { id username fullName } canEdit
    userRating { average count histogram } viewerRating
    comments(first: 2) { totalCount nodes { text author { username } canEdit } } }";

const PAGE: &str =
    "totalCount pageInfo { hasPreviousPage hasNextPage startCursor endCursor } edges { cursor node { id title } }";

async fn publications_are_answered_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, editor] = beside.askers().await;
    let text =
        json!({ "title": "Ё", "text": "Т", "categoryId": global_id("PublicationCategory", 1), "tags": ["Драма"] });
    let own = ann.user.done("createPublication", text, "publication { id }").await["publication"]["id"].clone();
    ann.user.done("rate", json!({ "subjectId": own, "rating": 4 }), "rating { id }").await;
    ann.user.done("updatePublication", json!({ "id": own, "title": "Е" }), "publication { id }").await;
    let mut ids = beside.ids("Publication", "SELECT id FROM publications ORDER BY id LIMIT 40").await;
    ids.extend(
        beside
            .ids(
                "Publication",
                "SELECT p.id FROM publications p JOIN users u ON u.id = p.author
                 WHERE u.deleted_at IS NOT NULL ORDER BY p.id LIMIT 5",
            )
            .await,
    );
    ids.extend([own.clone(), json!(global_id("Publication", i32::MAX))]);
    let one = format!("query($id: ID!) {{ publication(id: $id) {{ ...P }} }} {PUBLICATION}");
    let all = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ...P }} }} {PUBLICATION}");
    for asker in [&nobody, &ann, &editor] {
        for id in [&own, &ids[0], ids.last().unwrap()] {
            beside.data(asker, &one, &json!({ "id": id })).await;
        }
        beside.data(asker, &all, &json!({ "ids": ids })).await;
    }
    let shown = beside.data(&ann, &all, &json!({ "ids": ids })).await;
    let authors = shown["nodes"].as_array().unwrap().iter().filter(|node| node["author"].is_null());
    assert!(authors.count() > 1, "some authors are gone");
    for id in ["", "nonsense", &global_id("Movie", 1)] {
        beside.errors(&nobody, &one, &json!({ "id": id })).await;
    }
    let query =
        "{ a: publication(id: \"\") { id } b: publicationCategories(first: 2) { totalCount nodes { id title } } }";
    beside.errors(&nobody, query, &json!({})).await;
    let category = "query($id: ID!) { node(id: $id) { __typename id ... on PublicationCategory { title } } }";
    for key in [1, 2, i32::MAX] {
        beside.data(&nobody, category, &json!({ "id": global_id("PublicationCategory", key) })).await;
    }
}

async fn pages_of_publications_are_answered_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ..] = beside.askers().await;
    let query = format!(
        "query($first: Int, $after: String, $last: Int, $before: String, $order: PublicationOrder! = NEWEST) {{
         publications(first: $first, after: $after, last: $last, before: $before, orderBy: $order) {{ {PAGE} }} }}"
    );
    for order in ["NEWEST", "OLDEST", "TITLE", "TITLE_DESC", "USER_RATING", "USER_RATING_DESC"] {
        let mut page = json!({ "order": order });
        for _ in 0..3 {
            let shown = beside.data(&nobody, &query, &page).await;
            let end = &shown["publications"]["pageInfo"]["endCursor"];
            page = json!({ "order": order, "first": 37, "after": end });
        }
        let mut page = json!({ "order": order, "last": 37 });
        for _ in 0..3 {
            let shown = beside.data(&nobody, &query, &page).await;
            let start = &shown["publications"]["pageInfo"]["startCursor"];
            page = json!({ "order": order, "last": 7, "before": start });
        }
        page["order"] = json!(if order == "TITLE" { "NEWEST" } else { "TITLE" });
        beside.errors(&nobody, &query, &page).await;
    }
    for page in [
        json!({ "first": 0 }),
        json!({ "last": 0 }),
        json!({ "first": 100 }),
        json!({ "first": 101 }),
        json!({ "last": -1 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "after": "" }),
        json!({ "before": "nonsense" }),
    ] {
        beside.alike(&nobody, &query, &page).await;
    }
    let kinds = format!(
        "query($first: Int, $after: String, $last: Int, $before: String) {{
         publicationCategories(first: $first, after: $after, last: $last, before: $before) {{ {PAGE} }} }}"
    );
    let shown = beside.data(&nobody, &kinds, &json!({ "first": 2 })).await;
    let info = &shown["publicationCategories"]["pageInfo"];
    for page in [
        json!({}),
        json!({ "last": 2 }),
        json!({ "first": 2, "after": info["endCursor"] }),
        json!({ "last": 2, "before": info["endCursor"] }),
        json!({ "first": 101 }),
    ] {
        beside.alike(&nobody, &kinds, &page).await;
    }
}

async fn filters_of_publications_are_answered_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ..] = beside.askers().await;
    let author = beside.ids("User", "SELECT author FROM publications ORDER BY id LIMIT 1").await.remove(0);
    let query = format!(
        "query($filter: PublicationFilter, $order: PublicationOrder! = NEWEST) {{
         publications(filter: $filter, orderBy: $order, first: 5) {{ {PAGE} }} }}"
    );
    for filter in [
        Value::Null,
        json!({}),
        json!({ "categoryId": global_id("PublicationCategory", 1) }),
        json!({ "categoryId": global_id("PublicationCategory", i32::MAX) }),
        json!({ "categoryId": global_id("Movie", 1) }),
        json!({ "tags": { "any": ["Драма", "Комедия"] } }),
        json!({ "tags": { "all": ["Драма"], "any": [] } }),
        json!({ "tags": { "all": ["Нет такого"] } }),
        json!({ "authorId": author }),
        json!({ "authorId": global_id("User", i32::MAX) }),
        json!({ "authorId": "nonsense" }),
        json!({ "createdFrom": "2020-01-01T00:00:00Z" }),
        json!({ "createdBefore": "2020-01-01T00:00:00+03:00", "categoryId": global_id("PublicationCategory", 2) }),
        json!({ "createdFrom": "2021-01-01T00:00:00Z", "createdBefore": "2020-01-01T00:00:00Z" }),
    ] {
        for order in ["NEWEST", "TITLE", "USER_RATING_DESC"] {
            beside.alike(&nobody, &query, &json!({ "filter": filter, "order": order })).await;
        }
    }
}

async fn excerpts_are_answered_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ..] = beside.askers().await;
    let query = "query($length: Int!) { publications(first: 20) { nodes { id excerpt(length: $length) } } }";
    for length in [1, 2, 3, 50, 299, 300, 999, 1000] {
        beside.data(&nobody, query, &json!({ "length": length })).await;
    }
    for length in [0, -1, 1001, i32::MAX] {
        let expected = format!("BAD_USER_INPUT length: {length} is out of range; ask for 1 to 1000");
        let one = "query($length: Int!) { publications(first: 1) { nodes { id excerpt(length: $length) } } }";
        assert_eq!(beside.errors(&nobody, one, &json!({ "length": length })).await, [expected]);
    }
}

async fn publications_cost_no_more_statements(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, _] = beside.askers().await;
    let query = "query($first: Int!) { publications(first: $first) { totalCount nodes { title text excerpt tags canEdit
        category { title } author { username } userRating { average } viewerRating
        comments(first: 2) { totalCount nodes { text isDeleted } } } } }";
    for asker in [&nobody, &ann] {
        let mut costs = Vec::new();
        for first in [1, 50] {
            let [old, new] = beside.tables(asker, query, &json!({ "first": first })).await;
            assert!(new.len() <= old.len(), "old: {old:?}\nnew: {new:?}");
            costs.push(new);
        }
        assert_eq!(costs[0], costs[1]);
    }
}
