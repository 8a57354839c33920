//! Nulls and errors, by section 6.4.4: where they are written, and how far they propagate.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod world;

use graphql::input::Inputs;
use serde_json::{Value as Json, json};
use world::{World, execute, settings};

/// A value whose resolver fails.
fn error() -> Json {
    json!({"error": "failed"})
}

/// The data and the paths of the errors, with `null` for a forbidden null.
fn answer(sdl: &str, root: &Json, query: &str) -> (String, Vec<String>) {
    let (engine, context) = World::engine(sdl, &json!({"root": root, "objects": {}}), settings());
    let answer = execute((&engine, &context), query, &Inputs::new(), usize::MAX).unwrap();
    let parsed: Json = serde_json::from_str(&answer).unwrap();
    let errors = parsed["errors"].as_array().cloned().unwrap_or_default();
    let path = |error: &Json| {
        let kind = if error["message"] == "failed" { "error" } else { "null" };
        format!("{kind} {}", error["path"])
    };
    let data = answer.strip_prefix("{\"data\":").unwrap();
    let data = data.split_once(",\"errors\":").map_or_else(|| data.strip_suffix('}').unwrap(), |(data, _)| data);
    (data.to_owned(), errors.iter().map(path).collect())
}

/// The type of a field, its value, the data and the errors.
type Case = (&'static str, Json, &'static str, &'static [&'static str]);

fn leaves() -> Vec<Case> {
    vec![
        ("Int", json!(1), "1", &[]),
        ("Int", json!(null), "null", &[]),
        ("Int", error(), "null", &["error [\"f\"]"]),
        ("Int!", json!(null), "", &["null [\"f\"]"]),
        ("Int!", error(), "", &["error [\"f\"]"]),
        ("[Int]", json!([]), "[]", &[]),
        ("[Int]", json!([1, null, 2]), "[1,null,2]", &[]),
        ("[Int]", json!([error(), 1, error()]), "[null,1,null]", &["error [\"f\",0]", "error [\"f\",2]"]),
        ("[Int]", json!(null), "null", &[]),
        ("[Int]!", json!([null]), "[null]", &[]),
        ("[Int]!", json!([error()]), "[null]", &["error [\"f\",0]"]),
        ("[Int]!", json!(null), "", &["null [\"f\"]"]),
        ("[Int!]", json!([1, null]), "null", &["null [\"f\",1]"]),
        ("[Int!]", json!([error(), error()]), "null", &["error [\"f\",0]"]),
        ("[Int!]!", json!([1]), "[1]", &[]),
        ("[Int!]!", json!([1, null]), "", &["null [\"f\",1]"]),
        ("[Int!]!", json!([1, error()]), "", &["error [\"f\",1]"]),
        ("[[Int]]", json!([[1, null], null, []]), "[[1,null],null,[]]", &[]),
        ("[[Int!]]", json!([[1], [null], [2]]), "[[1],null,[2]]", &["null [\"f\",1,0]"]),
        ("[[Int!]]", json!([[error()], null]), "[null,null]", &["error [\"f\",0,0]"]),
        ("[[Int]!]", json!([[1], null]), "null", &["null [\"f\",1]"]),
        ("[[Int!]!]", json!([[1], [2, null]]), "null", &["null [\"f\",1,1]"]),
        ("[[Int!]!]!", json!([[1], [2, 3]]), "[[1],[2,3]]", &[]),
        ("[[Int!]!]!", json!([[1], [2, null]]), "", &["null [\"f\",1,1]"]),
        ("[[Int!]!]!", json!([[1], error()]), "", &["error [\"f\",1]"]),
        ("[[[Int!]]!]", json!([[[1], [null]], []]), "[[[1],null],[]]", &["null [\"f\",0,1,0]"]),
    ]
}

/// A type, its value and the selections, the data and the errors.
fn objects() -> Vec<Case> {
    let healthy = json!({"n": 1, "s": 2});
    let lacking = json!({"n": 1, "s": null});
    let failing = json!({"n": error(), "s": error()});
    vec![
        ("O", healthy.clone(), r#"{"n":1,"s":2}"#, &[]),
        ("O", lacking.clone(), "null", &[r#"null ["f","s"]"#]),
        ("O", failing.clone(), "null", &[r#"error ["f","n"]"#, r#"error ["f","s"]"#]),
        ("O!", lacking.clone(), "", &[r#"null ["f","s"]"#]),
        ("[O]", json!([healthy, lacking, healthy]), r#"[{"n":1,"s":2},null,{"n":1,"s":2}]"#, &[r#"null ["f",1,"s"]"#]),
        ("[O]", json!([lacking, lacking]), "[null,null]", &[r#"null ["f",0,"s"]"#, r#"null ["f",1,"s"]"#]),
        (
            "[O]",
            json!([healthy, error(), lacking]),
            r#"[{"n":1,"s":2},null,null]"#,
            &[r#"error ["f",1]"#, r#"null ["f",2,"s"]"#],
        ),
        ("[O!]", json!([healthy, lacking]), "null", &[r#"null ["f",1,"s"]"#]),
        ("[O!]", json!([healthy, null]), "null", &[r#"null ["f",1]"#]),
        ("[O]!", json!([failing]), "[null]", &[r#"error ["f",0,"n"]"#, r#"error ["f",0,"s"]"#]),
        ("[O!]!", json!([healthy, lacking, lacking]), "", &[r#"null ["f",1,"s"]"#]),
        ("[[O!]!]!", json!([[healthy], []]), r#"[[{"n":1,"s":2}],[]]"#, &[]),
        ("[[O!]!]!", json!([[healthy], [healthy, lacking]]), "", &[r#"null ["f",1,1,"s"]"#]),
        ("[[O!]]!", json!([[lacking], [healthy]]), r#"[null,[{"n":1,"s":2}]]"#, &[r#"null ["f",0,0,"s"]"#]),
        // The siblings of the null are omitted with it.
        ("P", json!({"o": null, "n": 1}), "null", &[r#"null ["f","o"]"#]),
        ("P", json!({"o": lacking, "n": 1}), "null", &[r#"null ["f","o","s"]"#]),
        ("P", json!({"o": {"n": 1, "s": error()}, "n": 1}), "null", &[r#"error ["f","o","s"]"#]),
        (
            "[P]",
            json!([{"o": healthy, "n": 1}, {"o": lacking, "n": 2}]),
            r#"[{"o":{"n":1,"s":2},"n":1},null]"#,
            &[r#"null ["f",1,"o","s"]"#],
        ),
    ]
}

fn compare(cases: &[Case], types: &str, selections: &str) {
    let mut wrong = Vec::new();
    for (of, value, data, errors) in cases {
        let selections = if of.contains('P') { "{o{n s} n}" } else { selections };
        let sdl = format!("type Query {{ before: Int f: {of} after: Int }} {types}");
        let root = json!({"before": 1, "f": value, "after": 2});
        let ours = answer(&sdl, &root, &format!("{{ before f{selections} after }}"));
        let data = match *data {
            "" => "null".to_owned(),
            data => format!("{{\"before\":1,\"f\":{data},\"after\":2}}"),
        };
        if ours != (data.clone(), errors.iter().map(|&error| error.to_owned()).collect()) {
            wrong.push(format!("{of} {value}\n  is     {ours:?}\n  and not {data} {errors:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nulls_of_leaves_go_up_to_what_may_be_null() {
    compare(&leaves(), "", "");
}

#[test]
fn nulls_of_objects_go_up_to_what_may_be_null() {
    compare(&objects(), "type O { n: Int s: Int! } type P { o: O! n: Int }", "{n s}");
}
