//! What a subscription's document says of who may share its execution.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Request, ServerError, Value, Variables};

use crate::answer::Budget;
use crate::document::SharedDocument;
use crate::viewer::{Caller, Viewer};

/// By what listeners are told apart: those with the same share their results.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    document: Arc<str>,
    operation: Option<Arc<str>>,
    /// As JSON, without the one that only says where to begin.
    variables: Arc<str>,
    /// Who asks, where that makes a difference.
    viewer: Option<Viewer>,
}

/// A subscription's document, of which requests are made.
pub(super) struct Document {
    pub(super) key: Key,
    /// The cursor that the root field is given.
    pub(super) after: Option<String>,
    variables: Variables,
    parsed: ExecutableDocument,
    /// The document as the client wrote it, which results are completed from.
    written: Option<Arc<SharedDocument>>,
    caller: Option<Caller>,
    /// Whom executing it counts for.
    pub(super) client: IpAddr,
    /// What the transport allows for the answer.
    budget: Option<Arc<Budget>>,
}

/// The root field's argument that says where to begin.
const AFTER: &str = "after";

impl Document {
    /// Reads a prepared request.
    ///
    /// # Errors
    /// It has not exactly one root field.
    pub(super) fn read(mut request: Request, personal: &[&str]) -> Result<Self, ServerError> {
        let operation = request.operation_name.clone();
        let mut parsed = request.parsed_query()?.clone();
        select(&mut parsed, operation.as_deref());
        let caller = take::<Caller>(&request);
        let client = caller.as_ref().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |caller| caller.address);
        let written = take::<Arc<SharedDocument>>(&request);
        let budget = take::<Arc<Budget>>(&request);
        let (after, only_after) = match only_operation(&parsed) {
            Some(asked) => find_after(asked, root_field(asked)?, &request),
            // The executor says what is wrong.
            None => (None, None),
        };
        let names = field_names(&parsed);
        let viewer = caller.as_ref().and_then(|caller| caller.viewer);
        let viewer = viewer.filter(|_| personal.iter().any(|name| names.contains(*name)));
        // Nobody's rights but those in the key make a difference.
        let caller = match viewer {
            Some(_) => caller,
            None => Some(Caller::anonymous(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
        };
        let mut variables = request.variables.clone();
        if let Some(name) = only_after {
            variables.remove(&name);
        }
        let key = Key {
            document: request.query.as_str().into(),
            operation: operation.map(Into::into),
            variables: serde_json::to_string(&variables).unwrap_or_default().into(),
            viewer,
        };
        Ok(Self { key, after, variables: request.variables, parsed, written, caller, client, budget })
    }

    /// A request to execute it.
    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(&*self.key.document).variables(self.variables.clone());
        request.operation_name = self.key.operation.as_deref().map(str::to_owned);
        request.set_parsed_query(self.parsed.clone());
        if let Some(written) = &self.written {
            request.data.insert(Arc::clone(written));
        }
        if let Some(budget) = &self.budget {
            request.data.insert(budget.for_results());
        }
        if let Some(caller) = &self.caller {
            request.data.insert(caller.clone());
        }
        request
    }
}

pub(super) fn take<T: Clone + 'static>(request: &Request) -> Option<T> {
    request.data.get(&std::any::TypeId::of::<T>())?.downcast_ref().cloned()
}

/// Leaves the operation that is asked for alone in the document, with its root fields in its own
/// selection set: async-graphql 7.2.1 does not look for them in fragments. What is wrong with the
/// document stays for the executor to say.
fn select(parsed: &mut ExecutableDocument, asked: Option<&str>) {
    if let Some(operation) = only_operation(parsed)
        && operation.selection_set.node.items.iter().all(|item| matches!(item.node, Selection::Field(_)))
    {
        return;
    }
    let found =
        parsed.operations.iter().find(|(name, _)| asked.is_none_or(|asked| name.is_some_and(|name| name == asked)));
    let Some((_, operation)) = found else { return };
    let mut operation = operation.clone();
    let mut items = Vec::new();
    if !flatten(&operation.node.selection_set.node, parsed, &mut items, 0) {
        return;
    }
    operation.node.selection_set.node.items = items;
    let mut used = HashSet::new();
    find_fragments(&operation.node.selection_set.node, parsed, &mut used);
    parsed.fragments.retain(|name, _| used.contains(name));
    let name = asked.map(Name::new);
    parsed.operations = match name {
        Some(name) => DocumentOperations::Multiple([(name, operation)].into_iter().collect()),
        None => DocumentOperations::Single(operation),
    };
}

/// The one operation of a document.
fn only_operation(parsed: &ExecutableDocument) -> Option<&OperationDefinition> {
    let mut operations = parsed.operations.iter();
    let (_, operation) = operations.next()?;
    operations.next().is_none().then_some(&operation.node)
}

/// Fragments within fragments at most: they may not be circles, which validation says.
const DEPTH_MAX: u32 = 16;

fn flatten(
    set: &SelectionSet,
    parsed: &ExecutableDocument,
    items: &mut Vec<Positioned<Selection>>,
    depth: u32,
) -> bool {
    depth < DEPTH_MAX
        && set.items.iter().all(|item| match &item.node {
            Selection::Field(_) => {
                items.push(item.clone());
                true
            }
            Selection::InlineFragment(fragment) => {
                fragment.node.directives.is_empty()
                    && flatten(&fragment.node.selection_set.node, parsed, items, depth + 1)
            }
            Selection::FragmentSpread(spread) => {
                let fragment = parsed.fragments.get(&spread.node.fragment_name.node);
                spread.node.directives.is_empty()
                    && fragment
                        .is_some_and(|fragment| flatten(&fragment.node.selection_set.node, parsed, items, depth + 1))
            }
        })
}

fn find_fragments(set: &SelectionSet, parsed: &ExecutableDocument, used: &mut HashSet<Name>) {
    for item in &set.items {
        let inner = match &item.node {
            Selection::Field(field) => Some(&field.node.selection_set.node),
            Selection::InlineFragment(fragment) => Some(&fragment.node.selection_set.node),
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                let fragment = parsed.fragments.get(name).filter(|_| used.insert(name.clone()));
                fragment.map(|fragment| &fragment.node.selection_set.node)
            }
        };
        if let Some(inner) = inner {
            find_fragments(inner, parsed, used);
        }
    }
}

/// The specification allows one, no introspection, and nothing that may leave it out.
fn root_field(operation: &OperationDefinition) -> Result<&Field, ServerError> {
    let items = &operation.selection_set.node.items;
    match items.as_slice() {
        [item] => match &item.node {
            Selection::Field(field) if field.node.directives.is_empty() && !field.node.name.node.starts_with("__") => {
                Ok(&field.node)
            }
            _ => Err(refuse("a subscription's root field stands without directives, and is not of introspection")),
        },
        _ => Err(refuse("a subscription has exactly one root field; start several subscriptions instead")),
    }
}

fn refuse(message: &str) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", "GRAPHQL_VALIDATION_FAILED");
    error
}

/// The cursor in the root field's arguments, and the variable that serves for nothing else.
fn find_after(operation: &OperationDefinition, field: &Field, request: &Request) -> (Option<String>, Option<Name>) {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    let Some(argument) = field.get_argument(AFTER) else { return (None, None) };
    let async_graphql_value::Value::Variable(name) = &argument.node else {
        return (argument.node.clone().into_const().as_ref().and_then(text), None);
    };
    let definition = operation.variable_definitions.iter().find(|definition| definition.node.name.node == *name);
    let default = definition.and_then(|definition| definition.node.default_value.as_ref()).map(|value| &value.node);
    let given = request.variables.get(name).or(default).and_then(text);
    // Once where it is defined, and here.
    let only = mentions(&request.query, name) == 2;
    (given, only.then(|| name.clone()))
}

/// How often a variable is mentioned in a document, at least.
fn mentions(query: &str, name: &str) -> usize {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    query
        .split('$')
        .skip(1)
        .filter(|rest| rest.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_name)))
        .count()
}

fn field_names(parsed: &ExecutableDocument) -> HashSet<&str> {
    fn add<'a>(set: &'a SelectionSet, names: &mut HashSet<&'a str>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    names.insert(field.node.name.node.as_str());
                    add(&field.node.selection_set.node, names);
                }
                Selection::InlineFragment(fragment) => add(&fragment.node.selection_set.node, names),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    let mut names = HashSet::new();
    for (_, operation) in parsed.operations.iter() {
        add(&operation.node.selection_set.node, &mut names);
    }
    for fragment in parsed.fragments.values() {
        add(&fragment.node.selection_set.node, &mut names);
    }
    names
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::viewer::Role;
    use serde_json::json;

    fn read(query: &str, variables: serde_json::Value, user: Option<i32>) -> Result<Document, ServerError> {
        let mut caller = Caller::anonymous(IpAddr::V4(Ipv4Addr::LOCALHOST));
        caller.viewer = user.map(|user| Viewer { user, session: 1, role: Role::Member });
        let request = Request::new(query).variables(Variables::from_json(variables)).data(caller);
        Document::read(request, &["viewerRating"])
    }

    fn key(query: &str, variables: serde_json::Value, user: Option<i32>) -> Key {
        read(query, variables, user).unwrap_or_else(|error| panic!("{error}")).key
    }

    const PLAIN: &str =
        "subscription ($s: ID, $after: String) { commentAdded(subjectId: $s, after: $after) { cursor } }";

    #[test]
    fn where_to_begin_tells_nobody_apart() {
        let one = read(PLAIN, json!({ "s": "a", "after": "x" }), None).unwrap();
        let other = read(PLAIN, json!({ "s": "a" }), Some(7)).unwrap();
        assert!(one.key == other.key);
        assert_eq!((one.after.as_deref(), other.after), (Some("x"), None));
        assert!(one.key != key(PLAIN, json!({ "s": "b" }), None));
    }

    #[test]
    fn a_variable_with_another_use_tells_apart() {
        let query = "subscription ($after: String) {
            commentAdded(after: $after) { comment { replies(after: $after) { totalCount } } } }";
        assert!(key(query, json!({ "after": "x" }), None) != key(query, json!({ "after": "y" }), None));
        assert_eq!(mentions("($a: Int, $ab: Int) { f(x: $a) }", "a"), 2);
    }

    #[test]
    fn who_asks_tells_apart_only_where_it_matters() {
        let personal = "subscription { commentAdded { comment { subject { ... on Movie { viewerRating } } } } }";
        assert!(key(personal, json!({}), Some(1)) != key(personal, json!({}), Some(2)));
        assert!(key(PLAIN, json!({}), Some(1)) == key(PLAIN, json!({}), None));
        let hidden = "subscription { ...A } fragment A on Subscription { commentAdded { ...B } }
            fragment B on NewComment { comment { subject { ... on Movie { viewerRating } } } }";
        assert!(key(hidden, json!({}), Some(1)) != key(hidden, json!({}), None));
    }

    #[test]
    fn the_cursor_is_found_wherever_it_stands() {
        for (query, variables, after) in [
            ("subscription { commentAdded(after: \"x\") { cursor } }", json!({}), Some("x")),
            ("subscription { commentAdded(after: null) { cursor } }", json!({}), None),
            ("subscription ($a: String = \"d\") { commentAdded(after: $a) { cursor } }", json!({}), Some("d")),
            ("subscription ($a: String = \"d\") { commentAdded(after: $a) { cursor } }", json!({ "a": null }), None),
            (
                "subscription { ...A } fragment A on Subscription { commentAdded(after: \"x\") { cursor } }",
                json!({}),
                Some("x"),
            ),
            ("subscription { ... on Subscription { commentAdded(after: \"x\") { cursor } } }", json!({}), Some("x")),
        ] {
            assert_eq!(read(query, variables, None).unwrap().after.as_deref(), after, "{query}");
        }
    }

    #[test]
    fn other_than_one_root_field_is_refused() {
        for query in [
            "subscription { commentAdded { cursor } commentChanged { cursor } }",
            "subscription { ...A commentAdded { cursor } } fragment A on Subscription { b: commentAdded { cursor } }",
            "subscription { __typename }",
            "subscription { commentAdded @include(if: true) { cursor } }",
            "subscription { ... @skip(if: false) { commentAdded { cursor } } }",
        ] {
            assert!(read(query, json!({}), None).is_err(), "{query}");
        }
    }

    #[test]
    fn results_are_completed_from_what_the_transport_has_parsed() {
        let mut request = Request::new(PLAIN);
        let shared = Arc::new(SharedDocument::new(request.parsed_query().unwrap().clone()));
        let document = Document::read(request.data(Arc::clone(&shared)), &[]).unwrap();
        let passed_on = take::<Arc<SharedDocument>>(&document.request()).unwrap();
        assert!(Arc::ptr_eq(&passed_on, &shared));
    }

    #[test]
    fn a_fragment_at_the_root_is_taken_apart() {
        let query = "query Q { comment(id: \"a\") { ...C } } subscription S { ...A }
            fragment A on Subscription { commentAdded { comment { ...C } } } fragment C on Comment { text }";
        let mut request = Request::new(query);
        request.operation_name = Some("S".to_owned());
        let document = Document::read(request, &[]).unwrap();
        let operation = only_operation(&document.parsed).unwrap();
        assert_eq!(root_field(operation).unwrap().name.node, "commentAdded");
        assert_eq!(document.parsed.fragments.keys().map(Name::as_str).collect::<Vec<_>>(), ["C"]);
    }
}
