//! Deliberately expensive documents.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A deliberately expensive operation.
pub struct Hostile {
    pub name: &'static str,
    query: String,
    variables: Value,
    operation: Option<&'static str>,
}

fn plain(name: &'static str, query: impl Into<String>) -> Hostile {
    Hostile { name, query: query.into(), variables: json!({}), operation: None }
}

fn with(name: &'static str, query: impl Into<String>, variables: Value) -> Hostile {
    Hostile { variables, ..plain(name, query) }
}

/// Fragments that each spread the next one several times. The last one contains `end`, or is missing.
fn bomb(on: &str, depth: usize, times: usize, end: Option<&str>) -> String {
    let mut text = String::new();
    for level in 0..depth {
        let spreads = format!("...f{} ", level + 1).repeat(times);
        let _ = writeln!(text, "fragment f{level} on {on} {{ {spreads} }}");
    }
    end.map_or(text.clone(), |end| format!("{text}fragment f{depth} on {on} {{ {end} }}"))
}

fn numbered(count: usize, make: impl Fn(usize) -> String) -> String {
    (0..count).map(make).collect::<Vec<_>>().join(" ")
}

/// Using fragments.
pub fn fragments() -> Vec<Hostile> {
    let spread = |root: &str, bomb: String| format!("{root} {{ ...f0 }} {bomb}");
    let id = "__typename";
    let sets = "fragment f0 on MovieConnection";
    vec![
        plain("4^29 spreads of what is missing", spread("", bomb("Query", 29, 4, None))),
        plain("4^29 spreads", spread("", bomb("Query", 29, 4, Some(id)))),
        plain("2^29 spreads of what is missing", spread("", bomb("Query", 29, 2, None))),
        plain("4^29 spreads in a mutation", spread("mutation", bomb("Mutation", 29, 4, None))),
        plain("4^29 spreads in a subscription", spread("subscription", bomb("Subscription", 29, 4, None))),
        plain("4^15 spreads in a subscription", spread("subscription", bomb("Subscription", 14, 4, None))),
        plain("spreads that nobody uses", format!("{{ __typename }} {}", bomb("Query", 29, 4, None))),
        plain(
            "spreads that are left out",
            spread("", bomb("Query", 29, 4, None)).replace("...f0", "...f0 @skip(if: true)"),
        ),
        Hostile {
            operation: Some("A"),
            ..plain(
                "spreads of another operation",
                format!("query A {{ __typename }} query B {{ ...f0 }} {}", bomb("Query", 29, 4, None)),
            )
        },
        Hostile {
            operation: Some("A"),
            ..plain(
                "spreads of a hundred operations",
                format!(
                    "query A {{ __typename }} {} {}",
                    numbered(100, |i| format!("query B{i} {{ ...f0 }}")),
                    bomb("Query", 13, 2, Some(id))
                ),
            )
        },
        plain("spreads within fields", format!("{{ movies {{ ...f0 }} }} {}", bomb("MovieConnection", 28, 4, None))),
        plain("fields within spreads", {
            let chain = (0..12).map(|i| {
                format!(
                    "fragment f{i} on Movie {{ staff {{ nodes {{ movie {{ ...f{0} ...f{0} ...f{0} }} }} }} }} ",
                    i + 1
                )
            });
            format!("{{ movies {{ nodes {{ ...f0 }} }} }} {}", chain.collect::<String>())
        }),
        plain("a circle", "{ ...f } fragment f on Query { ...f ...f ...f }"),
        plain("circles", format!("{{ ...f0 }} {}", bomb("Query", 29, 4, Some("...f0 ...f1 ...f2")))),
        plain(
            "a circle of fields",
            "{ movies { ...f } } fragment f on MovieConnection { nodes { staff { nodes { movie { ...g } } } } } fragment g on Movie { comments { nodes { ...h } } } fragment h on Comment { subject { ...g } }",
        ),
        plain("a chain of 280 fragments", spread("", bomb("Query", 280, 1, Some(id)))),
        plain(
            "spreads beside spreads",
            format!("{{ movies {{ {} }} }} {sets} {{ {} }}", "...f0 ".repeat(500), "totalCount ".repeat(480)),
        ),
        plain("conditions that are no types", format!("{{ {} }}", "... on Nope { a } ".repeat(280))),
        plain("inline fragments", format!("{{ {}__typename{} }}", "...{ ".repeat(30), " }".repeat(30))),
        plain(
            "inline fragments side by side",
            format!("{{ movies {{ {} }} }}", format!("{}totalCount{}", "...{ ".repeat(28), " }".repeat(28)).repeat(17)),
        ),
        plain(
            "all members of a union",
            format!(
                "{{ search(query: \"дом\", first: 100) {{ nodes {{ node {{ {} }} }} }} }}",
                numbered(60, |_| "... on Movie { id } ... on Person { id } ... on Publication { id }".to_owned())
            ),
        ),
    ]
}

/// Using fields, names, arguments, directives and introspection.
pub fn fields() -> Vec<Hostile> {
    let arguments = numbered(300, |i| format!("a{i}: 1"));
    let under = |inner: String| format!("{{ movies(first: 1) {{ nodes {{ {inner} }} }} }}");
    vec![
        plain("one field 1900 times", under("title ".repeat(1900))),
        plain("one list 300 times", under("staff { nodes { id } } ".repeat(300))),
        plain("one field with other arguments", under(format!("staff({arguments}) {{ id }} {}", "staff ".repeat(900)))),
        plain("conflicts through fragments", {
            let fragment = format!("fragment f on Movie {{ staff({arguments}) {{ id }} {} }}", "staff ".repeat(400));
            format!("{} {fragment}", under("id staff { nodes { movie { ...f } } } ".repeat(45)))
        }),
        plain("conflicts of long names", {
            let (long, other) = ("n".repeat(900), "m".repeat(900));
            under(format!(
                "staff({}) {{ id }} {}",
                numbered(300, |i| format!("{long}{i}: 1")),
                format!("{other} staff ").repeat(300)
            ))
        }),
        plain("names that nobody knows", under(numbered(900, |i| format!("{}{i}", "titel".repeat(200))))),
        plain("a name of 900,000 letters", under("n".repeat(900_000))),
        plain("20 names of 45,000 letters", under(numbered(20, |i| format!("{}{i}", "n".repeat(45_000))))),
        plain("arguments of a long name", under(format!("{}({arguments})", "n".repeat(300_000)))),
        plain("100 aliases", format!("{{ {} }}", numbered(100, |i| format!("a{i}: __typename")))),
        plain(
            "aliases of pages",
            format!("{{ {} }}", numbered(20, |i| format!("a{i}: movies(first: 100) {{ nodes {{ title }} }}"))),
        ),
        plain(
            "empty pages",
            format!(
                "{{ {} }}",
                numbered(20, |_| format!(
                    "movies(first: 0) {{ nodes {{ {} }} }}",
                    "staff(first: 0) { nodes { id } } ".repeat(9)
                ))
            ),
        ),
        plain("empty lists of ids", format!("{{ {} }}", numbered(20, |_| "nodes(ids: []) { id }".to_owned()))),
        plain("directives", format!("{{ {} }}", "__typename @include(if: true) ".repeat(300))),
        plain("directives that nobody knows", format!("{{ __typename {} }}", numbered(900, |i| format!("@d{i}")))),
        plain("introspection", under_schema(&"name ".repeat(1900))),
        plain(
            "introspection from type to type",
            under_schema(&format!("fields {{ type {{ fields {{ {} }} }} }}", "name ".repeat(1500))),
        ),
        plain(
            "introspection by aliases",
            format!(
                "{{ {} }}",
                numbered(20, |i| format!(
                    "a{i}: __schema {{ types {{ fields {{ args {{ name type {{ name }} }} type {{ fields {{ name }} }} }} }} }}"
                ))
            ),
        ),
        plain(
            "introspection of one type",
            format!(
                "{{ {} }}",
                numbered(20, |i| format!(
                    "a{i}: __type(name: \"Query\") {{ fields {{ type {{ fields {{ args {{ {} }} }} }} }} }}",
                    "name ".repeat(60)
                ))
            ),
        ),
        plain(
            "members of types",
            under_schema(&format!(
                "possibleTypes {{ interfaces {{ {} }} }} enumValues {{ {} }}",
                "name ".repeat(500),
                "name ".repeat(500)
            )),
        ),
    ]
}

fn under_schema(inner: &str) -> String {
    format!("{{ __schema {{ types {{ {inner} }} }} }}")
}

fn texts() -> Vec<Hostile> {
    let long = "\u{44f}".repeat(450_000);
    let lines = "  x\n".repeat(200_000);
    let search = |text: &str| format!("{{ search(query: \"{text}\") {{ totalCount }} }}");
    vec![
        plain("a megabyte of comments", format!("{{ __typename }} {}", "# x\n".repeat(250_000))),
        plain("a megabyte of commas", format!("{{ __typename {} }}", ",".repeat(1_000_000))),
        plain("a megabyte of line ends", format!("{{ __typename {} }}", "\r".repeat(900_000))),
        plain("a megabyte of braces", "{".repeat(1_000_000)),
        plain("a megabyte of quotes", "\"".repeat(900_000)),
        plain("a text without an end", format!("{{ a(b: \"\"\"{} ", lines)),
        plain("a block text of 200,000 lines", search("").replace("\"\"", &format!("\"\"\"{lines}\"\"\""))),
        plain("a long word to search", search(&long)),
        plain("many words to search", search(&"\u{44f} ".repeat(300_000))),
        plain("a long part of a title", format!("{{ movies(filter: {{ title: \"{long}\" }}) {{ totalCount }} }}")),
        plain("a long id", format!("{{ movie(id: \"{}\") {{ id }} }}", "QUJD".repeat(225_000))),
        plain("a long cursor", format!("{{ movies(after: \"{}\") {{ nodes {{ id }} }} }}", "QUJD".repeat(225_000))),
        with(
            "a long cursor for each row",
            "query($c: String) { movies(first: 100) { nodes { comments(after: $c) { nodes { id } } staff(after: $c) { nodes { id } } } } }",
            json!({ "c": "QUJD".repeat(200_000) }),
        ),
        plain("a long username", format!("{{ user(username: \"{long}\") {{ id }} }}")),
        plain("a long enum", format!("{{ movies(orderBy: {}) {{ totalCount }} }}", "N".repeat(900_000))),
        plain("a number of 900,000 digits", format!("{{ movies(first: {}) {{ totalCount }} }}", "1".repeat(900_000))),
        plain(
            "a fraction of 900,000 digits",
            format!("{{ movies(first: 0.{}) {{ totalCount }} }}", "1".repeat(900_000)),
        ),
        plain("a large exponent", "{ movies(first: 1e999999999) { totalCount } }"),
        with("a number in a variable", "query($n: Int) { movies(first: $n) { totalCount } }", json!({ "n": u64::MAX })),
    ]
}

fn inputs() -> Vec<Hostile> {
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let lists = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let ids = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    vec![
        plain("lists in lists", format!("{{ nodes(ids: {}) {{ id }} }}", nested("[", "]", 29))),
        plain("objects in objects", format!("{{ movies(filter: {}) {{ totalCount }} }}", nested("{ year: ", " }", 29))),
        plain("lists side by side", format!("{{ nodes(ids: [{}]) {{ id }} }}", "[] ".repeat(900))),
        plain("1900 items", format!("{{ nodes(ids: [{}]) {{ id }} }}", "1 ".repeat(1900))),
        plain(
            "an object of 600 fields",
            format!("{{ movies(filter: {{ {} }}) {{ totalCount }} }}", numbered(600, |i| format!("f{i}: 1"))),
        ),
        with("lists in a variable", ids, json!({ "ids": lists(100) })),
        with("1000 lists of 100", ids, json!({ "ids": vec![vec![0; 100]; 1000] })),
        with("100,000 lists", ids, json!({ "ids": vec![json!([0]); 100_000] })),
        with(
            "a list that is used 300 times",
            {
                let uses = "nodes(ids: $ids) { id } ".repeat(300);
                format!("query($ids: [ID!]!) {{ {uses} }}")
            },
            json!({ "ids": vec!["TW92aWU6MQ"; 1000] }),
        ),
        with(
            "a filter that is used 20 times",
            {
                let uses = numbered(20, |i| format!("a{i}: movies(filter: {{ ageRating: $r }}) {{ totalCount }}"));
                format!("query($r: [AgeRating!]) {{ {uses} }}")
            },
            json!({ "r": vec!["R18"; 1000] }),
        ),
        with(
            "900 variables",
            format!("query({}) {{ __typename }}", numbered(480, |i| format!("$v{i}: Int"))),
            json!({}),
        ),
        plain("variables that are not defined", {
            let uses = numbered(500, |i| format!("$v{i}"));
            let operations = numbered(130, |i| format!("query q{i} {{ ...f }}"));
            format!("{operations} fragment f on Query {{ nodes(ids: [{uses}]) {{ id }} }}")
        }),
        plain("280 operations", numbered(280, |i| format!("query q{i} {{ __typename }}"))),
        plain(
            "280 operations with variables",
            numbered(150, |i| format!("query q{i}($a: Int) {{ movies(first: $a) {{ totalCount }} }}")),
        ),
        plain(
            "defaults",
            format!(
                "query({}) {{ __typename }}",
                numbered(60, |i| format!("$v{i}: [Int] = [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20]"))
            ),
        ),
    ]
}

/// All known kinds.
pub fn all() -> Vec<Hostile> {
    [fragments(), fields(), texts(), inputs()].into_iter().flatten().collect()
}

impl Hostile {
    /// The request body.
    pub fn body(&self) -> Value {
        json!({ "query": self.query, "variables": self.variables, "operationName": self.operation })
    }
}
