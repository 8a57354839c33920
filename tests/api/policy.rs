//! Rights: every mutation of the schema with every role.

use std::collections::BTreeMap;

use kinoteka::library;
use kinoteka::policy::Rule;
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::inputs::{self, Mutation};
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    every_mutation_checks_rights,
    rights_are_checked_before_the_input,
    objects_of_others_are_protected,
    changes_of_roles_take_effect_immediately,
);

/// The role that a mutation requires: none, member, editor, admin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Anyone,
    Member,
    Editor,
    Admin,
}
use Who::{Admin, Anyone, Editor, Member};

/// The role for each mutation, independently of the code. A new mutation must be added here.
const TABLE: &[(&str, Who)] = &[
    ("addComment", Member),
    ("changePassword", Member),
    ("createCinema", Editor),
    ("createFilmAward", Editor),
    ("createFilmAwardNomination", Editor),
    ("createMovie", Editor),
    ("createMovieAward", Editor),
    ("createPerson", Editor),
    ("createPersonPosition", Editor),
    ("createPublication", Member),
    ("createPublicationCategory", Editor),
    ("createStaffMember", Editor),
    ("createTag", Editor),
    ("deleteAccount", Member),
    ("deleteCinema", Editor),
    ("deleteComment", Member),
    ("deleteFilmAward", Editor),
    ("deleteFilmAwardNomination", Editor),
    ("deleteMovie", Editor),
    ("deleteMovieAward", Editor),
    ("deletePerson", Editor),
    ("deletePersonPosition", Editor),
    ("deletePublication", Member),
    ("deletePublicationCategory", Editor),
    ("deleteStaffMember", Editor),
    ("deleteTag", Editor),
    ("deleteUser", Admin),
    ("editComment", Member),
    ("grantRole", Admin),
    ("hideComment", Editor),
    ("logIn", Anyone),
    ("logOut", Member),
    ("logOutEverywhere", Member),
    ("orderMovie", Member),
    ("rate", Member),
    ("removeAvailability", Editor),
    ("removeRating", Member),
    ("revokeRole", Admin),
    ("revokeSession", Member),
    ("setAvailability", Editor),
    ("signUp", Anyone),
    ("updateCinema", Editor),
    ("updateFilmAward", Editor),
    ("updateFilmAwardNomination", Editor),
    ("updateMovie", Editor),
    ("updateMovieAward", Editor),
    ("updatePerson", Editor),
    ("updatePersonPosition", Editor),
    ("updateProfile", Member),
    ("updatePublication", Member),
    ("updatePublicationCategory", Editor),
    ("updateStaffMember", Editor),
    ("updateTag", Editor),
];

/// The role for mutations of other users' objects.
const OF_OTHERS: [(&str, Option<Who>); 4] = [
    ("deleteComment", Some(Editor)),
    ("deletePublication", Some(Editor)),
    ("editComment", None),
    ("updatePublication", Some(Editor)),
];

/// The code of a top-level error, or `-`.
fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("-")
}

async fn ask(user: &User, mutation: &Mutation, input: &Value) -> Value {
    let variables = if mutation.input.is_some() { json!({ "input": input }) } else { json!({}) };
    user.query(&mutation.document(), variables).await.0
}

async fn every_mutation_checks_rights(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let mutations = inputs::mutations(&app).await;
    let table: BTreeMap<_, _> = TABLE.iter().copied().collect();
    let named: Vec<_> = mutations.iter().map(|mutation| mutation.name.as_str()).collect();
    assert_eq!(named, table.keys().copied().collect::<Vec<_>>(), "TABLE and the schema name different mutations");
    let ruled: std::collections::BTreeSet<_> = library::rules().into_iter().map(|(name, _)| name).collect();
    assert_eq!(named, ruled.into_iter().collect::<Vec<_>>(), "the policy and the schema name different mutations");

    for mutation in &mutations {
        let name = mutation.name.as_str();
        let least = table[name];
        // Invalid input, so that sessions and accounts of others do not change.
        let input = mutation.sample();
        for (who, user) in [
            (Anyone, app.anonymous()),
            (Member, app.sign_in(&format!("{name}.member"), "member").await),
            (Editor, app.sign_in(&format!("{name}.editor"), "editor").await),
            (Admin, app.sign_in(&format!("{name}.admin"), "admin").await),
        ] {
            let answer = ask(&user, mutation, &input).await;
            let expected = match who {
                _ if who >= least => "-",
                Anyone => "UNAUTHENTICATED",
                _ => "FORBIDDEN",
            };
            assert_eq!(code(&answer), expected, "{name} as {who:?}: {answer:#}");
            assert_eq!(expected != "-", answer["data"]["it"].is_null(), "{name} as {who:?}: {answer:#}");
        }
        let gone = app.sign_in(&format!("{name}.gone"), "admin").await;
        mark_deleted(&app, gone.id).await;
        let answer = ask(&gone, mutation, &input).await;
        assert_eq!(code(&answer), "UNAUTHENTICATED", "{name} with an ended session: {answer:#}");
        assert!(answer.get("data").is_none(), "{answer:#}");
    }
}

async fn mark_deleted(app: &TestApp, user: i32) {
    use entity::users;
    use sea_orm::sea_query::Expr;
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
    let today = kinoteka::clock::now().date_naive();
    users::Entity::update_many()
        .col_expr(users::Column::DeletedAt, Expr::value(today))
        .filter(users::Column::Id.eq(user))
        .exec(&app.sql().await)
        .await
        .unwrap();
}

/// Resolvers read custom scalars, so rights must be checked before them too.
async fn rights_are_checked_before_the_input(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let member = app.sign_in("somebody", "member").await;
    let query = "mutation($input: CreatePersonInput!) { createPerson(input: $input) { errors { code } } }";
    let bad = json!({ "input": { "firstName": "\u{0}", "lastName": "", "country": "", "birthday": "9999-01-01" } });
    let answer = app.anonymous().query(query, bad.clone()).await;
    assert_eq!(answer.errors(), ["UNAUTHENTICATED sign in first: send the header Authorization: Bearer TOKEN"]);
    assert_eq!(member.query(query, bad.clone()).await.errors(), ["FORBIDDEN only editors can do this"]);
    let editor = app.sign_in("an.editor", "editor").await;
    let refused = editor.data(query, bad).await;
    assert_eq!(refused["createPerson"]["errors"].as_array().unwrap().len(), 4, "{refused}");
    // Input that its type refuses is invalid for every role.
    let wrong = json!({ "input": { "firstName": "a", "lastName": "b", "country": "c", "birthday": "no date at all" } });
    assert!(app.anonymous().query(query, wrong).await.errors()[0].starts_with("BAD_USER_INPUT "));
    // A refused mutation does not prevent others of its document.
    let query = "mutation($subject: ID!) {
        no: deleteUser(input: { id: \"x\" }) { deletedId }
        yes: rate(input: { subjectId: $subject, rating: 5 }) { errors { code } } }";
    let answer = member.query(query, json!({ "subject": global_id("Movie", 1) })).await;
    assert_eq!(answer.errors(), ["FORBIDDEN only admins can do this"]);
    assert_eq!(answer.0["data"], json!({ "no": null, "yes": { "errors": [] } }));
}

/// Creates the object of a mutation as `owner`, and returns the input. Other fields than the id are
/// invalid, which must not matter to users without the right.
async fn owned(owner: &User, mutation: &str) -> Value {
    let subject = global_id("Movie", 1);
    match mutation {
        "editComment" | "deleteComment" => {
            let made = owner.done("addComment", json!({ "subjectId": subject, "text": "Моё" }), "comment { id }").await;
            let id = &made["comment"]["id"];
            if mutation == "editComment" { json!({ "id": id, "text": "\u{0}" }) } else { json!({ "id": id }) }
        }
        "updatePublication" | "deletePublication" => {
            let category = global_id("PublicationCategory", 1);
            let input = json!({ "title": "Моё", "text": "Моё", "categoryId": category });
            let made = owner.done("createPublication", input, "publication { id }").await;
            let id = &made["publication"]["id"];
            if mutation == "updatePublication" { json!({ "id": id, "title": "\u{0}" }) } else { json!({ "id": id }) }
        }
        other => panic!("add the object of {other} here"),
    }
}

async fn objects_of_others_are_protected(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let owned_ones = library::rules().into_iter().filter(|(_, rule)| matches!(rule, Rule::Owner | Rule::OwnerOr(_)));
    let mut owned_ones: Vec<_> = owned_ones.map(|(mutation, _)| mutation).collect();
    owned_ones.sort_unstable();
    assert_eq!(owned_ones, OF_OTHERS.map(|(mutation, _)| mutation), "add the role for objects of others");
    for (mutation, others) in OF_OTHERS {
        for (role, who) in [("member", Member), ("editor", Editor), ("admin", Admin)] {
            let owner = app.sign_in(&format!("{mutation}.{role}.owner"), "member").await;
            let other = app.sign_in(&format!("{mutation}.{role}.other"), role).await;
            let input = owned(&owner, mutation).await;
            let answer = other.send(mutation, input.clone(), "").await.0;
            let may = others.is_some_and(|least| who >= least);
            assert_eq!(code(&answer), if may { "-" } else { "FORBIDDEN" }, "{mutation} as {role}: {answer:#}");
            if !may {
                let answer = owner.send(mutation, input, "").await.0;
                assert_eq!(code(&answer), "-", "{mutation} as the owner: {answer:#}");
            }
        }
    }
}

async fn changes_of_roles_take_effect_immediately(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let admin = app.sign_in("chief", "admin").await;
    let anna = app.sign_in("anna", "member").await;
    let anna_id = global_id("User", anna.id);
    let may = async |user: &User| code(&user.send("createTag", json!({ "title": "" }), "").await.0) == "-";
    assert!(!may(&anna).await);
    let editor = json!({ "userId": anna_id, "role": "EDITOR" });
    for _ in 0..2 {
        let done = admin.done("grantRole", editor.clone(), "user { role }").await;
        assert_eq!(done["user"]["role"], "EDITOR");
        assert!(may(&anna).await);
    }
    let done = admin.done("revokeRole", editor.clone(), "user { role }").await;
    assert_eq!(done["user"]["role"], "MEMBER");
    assert!(!may(&anna).await);
    let refused = admin.refused("revokeRole", editor).await;
    assert_eq!(refused, ["NOT_FOUND input.role: the user does not have this role"]);
    let refused = admin.refused("grantRole", json!({ "userId": anna_id, "role": "MEMBER" })).await;
    assert_eq!(refused, ["BAD_USER_INPUT input.role: every user has MEMBER; use EDITOR or ADMIN"]);
    let refused = admin.refused("grantRole", json!({ "userId": global_id("User", 1_000_000), "role": "ADMIN" })).await;
    assert_eq!(refused, ["NOT_FOUND input.userId: the user does not exist; it may have been deleted"]);
}
