//! Makes results what the GraphQL specification says, where async-graphql 7.2.1 does not.
//!
//! It puts the fields of an object in the order in which they complete, leaves out a field
//! that has failed, and makes null of an object without fields. [`Completer`] restores the order
//! of the selections (section 3.2, "Serialized Map Ordering") and puts null for what failed,
//! or for the nearest ancestor that may be null (section 6.4.4). Names no domain.
//!
//! Known limits: the type of an object is not known here, so that keys which fragments for
//! different members of a union select in different orders come in the order of the first;
//! and a nullable object none of whose fragments applies stays null.

use std::any::TypeId;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{
    BaseType, Directive, FieldDefinition, OperationDefinition, OperationType, Selection, SelectionSet, Type, TypeKind,
    TypeSystemDefinition,
};
use async_graphql::parser::{self, parse_schema};
use async_graphql::{Name, PathSegment, Pos, Positioned, Request, Response, ServerError, Value};

use crate::document::SharedDocument;

/// Completes responses; knows which fields of the schema may be null.
#[derive(Debug)]
pub struct Completer {
    fields: HashMap<Name, HashMap<Name, Type>>,
    query: Name,
    mutation: Name,
    subscription: Name,
}

/// What a request selects, kept for when it has been executed.
#[derive(Debug)]
pub struct Asked {
    document: Arc<SharedDocument>,
    operation_name: Option<String>,
    /// The variables that are true: `@skip` and `@include` depend on them.
    truths: HashSet<Name>,
}

impl Asked {
    /// Keeps the request's document, whose execution consumes it: the shared one that the
    /// transport may have put into the request's data, else a copy.
    ///
    /// # Errors
    /// The query does not parse.
    pub fn of(request: &mut Request) -> Result<Self, ServerError> {
        let shared = request.data.get(&TypeId::of::<Arc<SharedDocument>>());
        let document = match shared.and_then(|shared| shared.downcast_ref()) {
            Some(shared) => Arc::clone(shared),
            None => Arc::new(SharedDocument::new(request.parsed_query()?.clone())),
        };
        let is_true = |(name, value): (&Name, &Value)| (*value == Value::Boolean(true)).then(|| name.clone());
        let truths = request.variables.iter().filter_map(is_true).collect();
        Ok(Self { document, operation_name: request.operation_name.clone(), truths })
    }

    /// What kind of operation is asked for; `None` when the document has no such operation.
    pub fn kind(&self) -> Option<OperationType> {
        self.operation().map(|operation| operation.ty)
    }

    fn operation(&self) -> Option<&OperationDefinition> {
        let name = self.operation_name.as_deref();
        let mut operations = self.document.parsed.operations.iter();
        let found = operations.find(|(found, _)| name.is_none() || found.map(Name::as_str) == name);
        found.map(|(_, operation)| &operation.node)
    }

    /// What the operation selects twice at the root: a field, by its name in the answer, or a fragment. async-graphql
    /// resolves it twice and merges the answers, where the specification wants one (section 6.3.2): a
    /// mutation would be done twice.
    pub fn repeated_root_field(&self) -> Option<&Name> {
        let operation = self.operation()?;
        let (mut seen, mut spread) = (HashSet::new(), HashSet::new());
        let mut sets = vec![&operation.selection_set.node];
        while let Some(set) = sets.pop() {
            for item in &set.items {
                match &item.node {
                    Selection::Field(field) => {
                        let key = &field.node.response_key().node;
                        if key != "__typename" && !seen.insert(key) {
                            return Some(key);
                        }
                    }
                    Selection::InlineFragment(fragment) => sets.push(&fragment.node.selection_set.node),
                    Selection::FragmentSpread(fragment) => {
                        let name = &fragment.node.fragment_name.node;
                        if !spread.insert(name) {
                            return Some(name);
                        }
                        let fragment = self.document.parsed.fragments.get(name);
                        sets.extend(fragment.map(|fragment| &fragment.node.selection_set.node));
                    }
                }
            }
        }
        None
    }

    /// Whether the document has passed validation before.
    pub fn is_valid(&self) -> bool {
        self.document.is_valid()
    }

    /// Notes that the document has passed validation, if it has: errors of validation have no path.
    pub fn note_validity(&self, response: &Response) {
        if !self.is_valid() && response.errors.iter().all(|error| !error.path.is_empty()) {
            self.document.note_valid();
        }
    }

    /// The name of the argument that stands, or whose value stands, at a position of the document.
    pub fn argument_at(&self, position: Pos) -> Option<&Name> {
        let operations =
            self.document.parsed.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
        let fragments = self.document.parsed.fragments.values().map(|fragment| &fragment.node.selection_set.node);
        operations.chain(fragments).find_map(|set| find_argument(set, position))
    }
}

fn find_argument(set: &SelectionSet, position: Pos) -> Option<&Name> {
    set.items.iter().find_map(|item| {
        let (arguments, set) = match &item.node {
            Selection::Field(field) => (field.node.arguments.as_slice(), Some(&field.node.selection_set.node)),
            Selection::InlineFragment(fragment) => (&[][..], Some(&fragment.node.selection_set.node)),
            Selection::FragmentSpread(_) => (&[][..], None),
        };
        let here = arguments.iter().find(|(name, value)| name.pos == position || value.pos == position);
        here.map(|(name, _)| &name.node).or_else(|| find_argument(set?, position))
    })
}

impl Completer {
    /// Reads a schema definition.
    ///
    /// # Errors
    /// The text is no SDL.
    pub fn new(sdl: &str) -> Result<Self, parser::Error> {
        let [mut query, mut mutation, mut subscription] = ["Query", "Mutation", "Subscription"].map(Name::new);
        let mut fields: HashMap<Name, HashMap<Name, Type>> = HashMap::new();
        for definition in parse_schema(sdl)?.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    query = schema.node.query.map_or(query, |name| name.node);
                    mutation = schema.node.mutation.map_or(mutation, |name| name.node);
                    subscription = schema.node.subscription.map_or(subscription, |name| name.node);
                }
                TypeSystemDefinition::Type(definition) => {
                    let defined = match definition.node.kind {
                        TypeKind::Object(object) => object.fields,
                        TypeKind::Interface(interface) => interface.fields,
                        _ => continue,
                    };
                    let typed = |field: Positioned<FieldDefinition>| (field.node.name.node, field.node.ty.node);
                    fields.entry(definition.node.name.node).or_default().extend(defined.into_iter().map(typed));
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        Ok(Self { fields, query, mutation, subscription })
    }

    /// Puts nulls where fields failed, and every object into the order of its selections.
    pub fn complete(&self, asked: &Asked, response: &mut Response) {
        let Response { data, errors, .. } = response;
        // Without a path it is the request that failed: nothing was executed.
        let paths = || errors.iter().map(|error| error.path.as_slice()).filter(|path| !path.is_empty());
        if *data == Value::Null && paths().next().is_none() {
            if errors.is_empty() {
                *data = Value::Object(IndexMap::new());
            }
            return;
        }
        let Some(operation) = asked.operation() else { return };
        let root = match operation.ty {
            OperationType::Query => &self.query,
            OperationType::Mutation => &self.mutation,
            OperationType::Subscription => &self.subscription,
        };
        let plan = Plan { completer: self, asked };
        let selected = plan.collect(&[(&operation.selection_set.node, Some(root))]);
        // First all objects that came as null, so that further nulls are those put here.
        paths().for_each(|path| restore_objects(data, path));
        for path in paths() {
            if let Some(nullable) = plan.find_nullable(&selected, data, path) {
                put_null(data, nullable);
            }
        }
        if let Value::Object(map) = data {
            plan.order(map, &selected);
        }
    }
}

/// An operation's selections by response key; each set is collected once, when data for it is met.
struct Plan<'a> {
    completer: &'a Completer,
    asked: &'a Asked,
}

/// The fields of an object in the order that section 6.3.2, "Field Collection", gives them.
type Keys<'a> = IndexMap<&'a str, Selected<'a>>;

/// A field, or the same field at several places.
#[derive(Default)]
struct Selected<'a> {
    /// Unknown for introspection.
    ty: Option<&'a Type>,
    /// What is selected of its objects, with the name of their type. Empty for leaves.
    sets: Vec<(&'a SelectionSet, Option<&'a Name>)>,
    keys: OnceCell<Keys<'a>>,
}

impl<'a> Plan<'a> {
    fn keys<'s>(&self, selected: &'s Selected<'a>) -> &'s Keys<'a> {
        selected.keys.get_or_init(|| self.collect(&selected.sets))
    }

    fn collect(&self, sets: &[(&'a SelectionSet, Option<&'a Name>)]) -> Keys<'a> {
        let mut keys = Keys::new();
        let mut visited = HashSet::new();
        for (set, parent) in sets {
            self.visit(set, *parent, &mut visited, &mut keys);
        }
        keys
    }

    fn visit(
        &self,
        set: &'a SelectionSet,
        parent: Option<&'a Name>,
        visited: &mut HashSet<&'a str>,
        keys: &mut Keys<'a>,
    ) {
        for item in set.items.iter().filter(|item| !self.is_skipped(item.node.directives())) {
            match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let ty = parent.and_then(|parent| self.completer.fields.get(parent)?.get(&field.name.node));
                    let selected = keys.entry(field.response_key().node.as_str()).or_default();
                    selected.ty = selected.ty.or(ty);
                    if !field.selection_set.node.items.is_empty() {
                        selected.sets.push((&field.selection_set.node, ty.map(innermost)));
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.asked.document.parsed.fragments.get(name)
                        && visited.insert(name)
                    {
                        let parent = &fragment.node.type_condition.node.on.node;
                        self.visit(&fragment.node.selection_set.node, Some(parent), visited, keys);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                    self.visit(&fragment.node.selection_set.node, condition.or(parent), visited, keys);
                }
            }
        }
    }

    /// As async-graphql decides: a variable that is not given is false.
    fn is_skipped(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().any(|directive| {
            let skipped = match directive.node.name.node.as_str() {
                "skip" => true,
                "include" => false,
                _ => return false,
            };
            let resolve = |name: Name| Ok::<_, ()>(Value::Boolean(self.asked.truths.contains(&name)));
            let condition = directive.node.get_argument("if").map(|value| value.node.clone().into_const_with(resolve));
            condition == Some(Ok(Value::Boolean(skipped)))
        })
    }

    /// The path to what must become null: what failed if it may be null, else the nearest
    /// ancestor that may.
    fn find_nullable<'p>(&self, root: &Keys<'a>, data: &Value, path: &'p [PathSegment]) -> Option<&'p [PathSegment]> {
        let mut value = data;
        let mut selected: Option<&Selected<'a>> = None;
        let mut ty = None;
        let mut nullable: &[PathSegment] = &[];
        for (depth, segment) in path.iter().enumerate() {
            let found = match (value, segment) {
                (Value::Object(map), PathSegment::Field(key)) => {
                    let keys = if depth == 0 { Some(root) } else { selected.map(|selected| self.keys(selected)) };
                    selected = keys.and_then(|keys| keys.get(key.as_str()));
                    ty = selected.and_then(|selected| selected.ty);
                    map.get(key.as_str())
                }
                (Value::List(items), PathSegment::Index(index)) => {
                    ty = item_type(ty);
                    Some(items.get(*index)?)
                }
                // A list that was lost for one of its items.
                (Value::Null, PathSegment::Index(_)) => return Some(nullable),
                _ => return None,
            };
            if ty.is_none_or(|ty| ty.nullable) {
                nullable = &path[..=depth];
            }
            match found {
                Some(found) => value = found,
                None => return Some(nullable),
            }
        }
        (*value == Value::Null && nullable.len() < path.len()).then_some(nullable)
    }

    fn order(&self, map: &mut IndexMap<Name, Value>, keys: &Keys<'a>) {
        let mut next = 0;
        for (key, selected) in keys {
            // Mostly it stands here already.
            let at = match map.get_index(next) {
                Some((here, _)) if here == key => Some(next),
                Some(_) => map.get_index_of(*key),
                None => return,
            };
            let Some(at) = at else { continue };
            // Moves two entries, hashes nothing, and leaves what nobody selected at the end.
            map.swap_indices(at, next);
            if !selected.sets.is_empty()
                && let Some((_, value)) = map.get_index_mut(next)
            {
                self.order_within(value, selected, selected.ty);
            }
            next += 1;
        }
    }

    fn order_within(&self, value: &mut Value, selected: &Selected<'a>, ty: Option<&Type>) {
        match value {
            Value::Object(map) => self.order(map, self.keys(selected)),
            Value::List(items) => items.iter_mut().for_each(|item| self.order_within(item, selected, item_type(ty))),
            // An object that cannot be null: none of its selections applied to it.
            Value::Null if matches!(ty, Some(Type { base: BaseType::Named(_), nullable: false })) => {
                *value = Value::Object(IndexMap::new());
            }
            _ => {}
        }
    }
}

/// Makes objects of the nulls above a failed field: an object whose fields have all failed comes as null.
fn restore_objects(mut value: &mut Value, path: &[PathSegment]) {
    for segment in path {
        if let (Value::Null, PathSegment::Field(_)) = (&*value, segment) {
            *value = Value::Object(IndexMap::new());
        }
        match step(value, segment) {
            Some(found) => value = found,
            None => return,
        }
    }
}

fn put_null(data: &mut Value, path: &[PathSegment]) {
    let Some((last, parents)) = path.split_last() else {
        *data = Value::Null;
        return;
    };
    match (parents.iter().try_fold(data, step), last) {
        (Some(Value::Object(map)), PathSegment::Field(key)) => {
            map.insert(Name::new(key), Value::Null);
        }
        (Some(Value::List(items)), PathSegment::Index(index)) if *index < items.len() => items[*index] = Value::Null,
        _ => {}
    }
}

fn step<'v>(value: &'v mut Value, segment: &PathSegment) -> Option<&'v mut Value> {
    match (value, segment) {
        (Value::Object(map), PathSegment::Field(key)) => map.get_mut(key.as_str()),
        (Value::List(items), PathSegment::Index(index)) => items.get_mut(*index),
        _ => None,
    }
}

fn item_type(ty: Option<&Type>) -> Option<&Type> {
    match &ty?.base {
        BaseType::List(item) => Some(item),
        BaseType::Named(_) => None,
    }
}

fn innermost(ty: &Type) -> &Name {
    match &ty.base {
        BaseType::List(item) => innermost(item),
        BaseType::Named(name) => name,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    const SDL: &str = "
        type Root { film(id: ID): Film films: Films! found: [Found!]! grid: [[Film!]]! json: Json }
        type Change { rename: Film! }
        type Films { nodes: [Film!]! total: Int! maybe: [Film] }
        type Film implements Titled { title: String! year: Int maker: Maker! next: Film tags: [String!] }
        type Maker { name: String! age: Int }
        interface Titled { title: String! }
        union Found = Film | Maker
        scalar Json
        schema { query: Root mutation: Change }";

    /// The completed `data`; `errors` are paths such as `films.nodes.0.title`.
    fn complete(query: &str, data: &str, errors: &[&str]) -> String {
        complete_with(Request::new(query), data, errors)
    }

    fn complete_with(mut request: Request, data: &str, errors: &[&str]) -> String {
        let asked = Asked::of(&mut request).unwrap();
        let mut response = Response::new(serde_json::from_str::<Value>(data).unwrap());
        for path in errors {
            let mut error = ServerError::new("broken", None);
            let segment =
                |name: &str| name.parse().map_or_else(|_| PathSegment::Field(name.into()), PathSegment::Index);
            error.path = path.split_terminator('.').map(segment).collect();
            response.errors.push(error);
        }
        Completer::new(SDL).unwrap().complete(&asked, &mut response);
        serde_json::to_string(&response.data).unwrap()
    }

    #[test]
    fn objects_follow_the_selections() {
        let query = "query { films { total all: nodes { ...F year maker { age ... { name } } title } }
                ... on Root { film { __typename year } films { maybe { title } } } }
            fragment F on Film { ... on Titled { title } maker { name } y: year }";
        let item = r#"{"year":1,"y":1,"maker":{"age":2,"name":"n"},"title":"t"}"#;
        let data = format!(
            r#"{{"film":{{"year":1,"__typename":"Film"}},"films":{{"maybe":[null],"all":[{item},{item}],"total":0}}}}"#
        );
        let item = r#"{"title":"t","maker":{"name":"n","age":2},"y":1,"year":1}"#;
        let ordered = format!(
            r#"{{"films":{{"total":0,"all":[{item},{item}],"maybe":[null]}},"film":{{"__typename":"Film","year":1}}}}"#
        );
        assert_eq!(complete(query, &data, &[]), ordered);
    }

    #[test]
    fn skipped_selections_have_no_place() {
        let query = "query($all: Boolean!, $few: Boolean!) { film { ...All @include(if: $all) year @skip(if: $few)
            title @skip(if: true) next { year } title year } } fragment All on Film { title next { title } }";
        for (all, ordered) in [
            (true, r#"{"film":{"title":1,"next":{},"year":2}}"#),
            (false, r#"{"film":{"next":{},"title":1,"year":2}}"#),
        ] {
            let variables = async_graphql::Variables::from_json(serde_json::json!({ "all": all, "few": true }));
            let data = r#"{"film":{"title":1,"year":2,"next":{}}}"#;
            assert_eq!(complete_with(Request::new(query).variables(variables), data, &[]), ordered);
        }
    }

    #[test]
    fn what_is_not_understood_stays() {
        let query = "{ json film { title ...Absent } __schema { types { name } } }";
        let data = r#"{"json":{"b":1,"a":2},"film":[3,"x"],"__schema":{"types":[{"name":"n"}]},"more":{"b":1,"a":2}}"#;
        assert_eq!(complete(query, data, &["film.title", "film.7", "json.b.c", "1"]), data);
        assert_eq!(complete("query A { film { year } } query B { json }", "null", &[""]), "null");
    }

    #[test]
    fn failed_nullable_field_is_null() {
        let query = "{ film { title year } films { total } }";
        let data = r#"{"films":{"total":1},"film":{"title":"t"}}"#;
        assert_eq!(complete(query, data, &["film.year"]), r#"{"film":{"title":"t","year":null},"films":{"total":1}}"#);
        assert_eq!(complete(query, r#"{"films":{"total":1}}"#, &["film"]), r#"{"film":null,"films":{"total":1}}"#);
        assert_eq!(complete("{ __type { name } }", "null", &["__type"]), r#"{"__type":null}"#);
    }

    #[test]
    fn failed_non_null_field_nulls_the_nearest_nullable_ancestor() {
        let maybe = "{ films { maybe { next { maker { name age } } } } }";
        let data = r#"{"films":{"maybe":[{"next":{"maker":{"age":1}}},{"next":{"maker":{"name":"n","age":1}}}]}}"#;
        let nulled = r#"{"films":{"maybe":[{"next":null},{"next":{"maker":{"name":"n","age":1}}}]}}"#;
        assert_eq!(complete(maybe, data, &["films.maybe.0.next.maker.name"]), nulled);
        // Both fields failed, one may be null: the ancestor of the other one decides.
        let data = r#"{"films":{"maybe":[{"next":{"maker":null}}]}}"#;
        let both = ["films.maybe.0.next.maker.age", "films.maybe.0.next.maker.name"];
        assert_eq!(complete(maybe, data, &both), r#"{"films":{"maybe":[{"next":null}]}}"#);
        assert_eq!(complete(maybe, data, &both[..1]), r#"{"films":{"maybe":[{"next":{"maker":{"age":null}}}]}}"#);
    }

    #[test]
    fn nulls_pass_through_lists() {
        let grid = r#"{"grid":[[{"title":"t"},null],[{"title":"t"}]]}"#;
        assert_eq!(complete("{ grid { title } }", grid, &["grid.0.1.title"]), r#"{"grid":[null,[{"title":"t"}]]}"#);
        let maybe = r#"{"films":{"maybe":[{"year":1},{"title":"t","year":1}]}}"#;
        let nulled = r#"{"films":{"maybe":[null,{"title":"t","year":1}]}}"#;
        assert_eq!(complete("{ films { maybe { title year } } }", maybe, &["films.maybe.0.title"]), nulled);
        assert_eq!(
            complete("{ film { tags year } }", r#"{"film":{"year":1}}"#, &["film.tags.3"]),
            r#"{"film":{"tags":null,"year":1}}"#
        );
    }

    #[test]
    fn nothing_nullable_on_the_way_nulls_the_data() {
        let data = r#"{"json":1,"films":{"nodes":[{"year":1},{"year":1}],"total":2}}"#;
        let errors = ["films.nodes.0.title", "films.nodes.1.title", "film.year"];
        assert_eq!(complete("{ films { nodes { title year } total } json film { year } }", data, &errors), "null");
        assert_eq!(complete("mutation { rename { title } }", "null", &["rename"]), "null");
    }

    #[test]
    fn members_of_a_union_have_their_own_types() {
        let query = "{ json found { ... on Maker { name age } ... on Film { next { title } year } } }";
        let data = r#"{"found":[{"year":1},{"age":1,"name":"n"},null],"json":1}"#;
        let completed = r#"{"json":1,"found":[{"next":null,"year":1},{"name":"n","age":1},{}]}"#;
        assert_eq!(complete(query, data, &["found.0.next"]), completed);
        assert_eq!(complete(query, &data.replace(r#","name":"n""#, ""), &["found.1.name"]), "null");
    }

    #[test]
    fn objects_without_fields_are_objects() {
        assert_eq!(complete("{ film @skip(if: true) { year } }", "null", &[]), "{}");
        let query = "{ films { nodes { title @skip(if: true) } } }";
        assert_eq!(complete(query, r#"{"films":{"nodes":[null]}}"#, &[]), r#"{"films":{"nodes":[{}]}}"#);
    }
}
