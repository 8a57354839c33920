//! Graphs of JSON, resolved as `worlds.mjs` in `tests/documents` resolves them.

use graphql::execution::leaf::{Out, write_json, write_text};
use graphql::input::Inputs;
use graphql::schema::{Scalar, TypeKind, TypeRef};
use graphql::{
    ArgumentTypes, Arguments, Call, Cell, Cells, Column, Context, Cost, Description, DocumentLimits, Engine,
    EngineRefusal, EngineSettings, FieldError, Leaves, Object, PageSizes, Part, Request, Resolve, Root, Row, Rows,
    Schema, TypeName,
};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// One graph, with its schema.
pub struct World {
    schema: Schema,
    root: Json,
    objects: Json,
}

impl World {
    /// An engine for a schema, and the context with the graph of its operations.
    pub fn engine(sdl: &str, graph: &Json, settings: EngineSettings) -> (Engine, Context) {
        let schema = || Schema::from_sdl(sdl).unwrap();
        let engine = Engine::of_schema(schema(), description(&schema()), settings);
        let world = Self { schema: schema(), root: graph["root"].clone(), objects: graph["objects"].clone() };
        (engine, Context::new(Arc::new(world)))
    }

    /// The value that `worlds.mjs` returns for one object.
    fn value(&self, source: &Json, (parent, name): (&str, &str), arguments: &Inputs) -> Json {
        if name == "echo" {
            return Json::from(Json::Object(arguments.clone()).to_string());
        }
        if parent == "Query" && arguments.contains_key("id") {
            return self.object(&arguments["id"]);
        }
        if parent == "Query"
            && let Some(ids) = arguments.get("ids")
        {
            return ids.as_array().unwrap().iter().map(|id| self.object(id)).collect();
        }
        let value = source.get(name).unwrap_or_else(|| panic!("{parent}.{name} is not in the graph"));
        let nodes = value.get("nodes").and_then(Json::as_array);
        match nodes.filter(|nodes| nodes.iter().all(Json::is_string)) {
            Some(nodes) => self.connection(nodes, &value["totalCount"], arguments),
            None => value.clone(),
        }
    }

    fn object(&self, id: &Json) -> Json {
        self.objects.get(id.as_str().unwrap()).cloned().unwrap_or(Json::Null)
    }

    fn connection(&self, nodes: &[Json], total: &Json, arguments: &Inputs) -> Json {
        let total = total.as_u64().unwrap();
        let first = arguments.get("first").and_then(Json::as_u64).unwrap_or(20);
        assert!(nodes.len() as u64 >= first.min(total), "the graph has fewer rows than the page");
        let page: Vec<Json> = nodes.iter().take(usize::try_from(first).unwrap()).map(|id| self.object(id)).collect();
        let edges: Vec<Json> = page.iter().map(|node| json!({ "node": node })).collect();
        let page_info = json!({ "hasPreviousPage": false, "hasNextPage": (page.len() as u64) < total });
        json!({ "totalCount": total, "nodes": page, "edges": edges, "pageInfo": page_info })
    }
}

/// No limits except memory.
pub fn settings() -> EngineSettings {
    let most = u64::MAX;
    EngineSettings {
        limits: DocumentLimits::NONE,
        pages: PageSizes { default: 20, max: 1_000 },
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
    }
}

/// Executes an operation in its own thread. Its response has at most `bytes_max` bytes.
pub fn execute(
    (engine, context): (&Engine, &Context),
    query: &str,
    variables: &Inputs,
    bytes_max: usize,
) -> Result<String, EngineRefusal> {
    let prepared = engine.prepare(&Request { query, operation_name: None, variables })?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = runtime.block_on(engine.execute(&prepared, context, bytes_max))?;
    Ok(String::from_utf8(answer.json).unwrap())
}

/// Every object of a schema. Each field is read from the graph.
fn description(schema: &Schema) -> Description {
    let mut description = Description::new();
    for of in schema.types() {
        let TypeKind::Object { fields, .. } = &of.kind else { continue };
        let name = of.name.clone();
        // Descriptions use static texts: the few names of a test may leak.
        let fields = fields.iter().map(|field| &*field.name.clone().leak());
        if ["Query", "Mutation"].contains(&&*name) {
            let object = fields.fold(Object::<Root>::new(""), |object, field| object.resolve::<Stored>(field, ""));
            description.object_named(name.into(), object);
        } else {
            let object = fields.fold(Object::<Stone>::new(""), |object, field| object.resolve::<Stored>(field, ""));
            description.object_named(name.into(), object);
        }
    }
    description
}

/// An object of the graph.
struct Stone(Json);

impl Row for Stone {
    fn type_name() -> TypeName {
        unreachable!("objects of the graph have many types")
    }
}

struct Given(Inputs);

impl Arguments for Given {
    fn describe(_: &mut async_graphql::registry::Registry) -> ArgumentTypes {
        ArgumentTypes::new()
    }

    fn read(given: Inputs) -> Result<Self, FieldError> {
        Ok(Self(given))
    }
}

/// A field that is read from the graph.
struct Stored;

impl Resolve<Stone> for Stored {
    type Arguments = Given;

    fn type_name(_: &mut async_graphql::registry::Registry) -> String {
        unreachable!("the schema is not printed")
    }

    async fn resolve(call: Call<'_, Stone, Given>) -> Column {
        let world = call.context.data();
        column(world, call.selected.coordinate(), &call.arguments, call.iter().map(|stone| &stone.0))
    }
}

impl Resolve<Root> for Stored {
    type Arguments = Given;

    fn type_name(_: &mut async_graphql::registry::Registry) -> String {
        unreachable!("the schema is not printed")
    }

    async fn resolve(call: Call<'_, Root, Given>) -> Column {
        let world: &World = call.context.data();
        column(world, call.selected.coordinate(), &call.arguments, call.iter().map(|_| &world.root))
    }
}

fn column<'w>(
    world: &'w World,
    coordinate: &str,
    arguments: &Given,
    sources: impl Iterator<Item = &'w Json>,
) -> Column {
    let (parent, name) = coordinate.split_once('.').unwrap();
    let field = world.schema.field(world.schema.find(parent).unwrap(), name).unwrap();
    let mut table = Table { world, cells: Cells::default(), leaves: Vec::new(), parts: Vec::new() };
    for source in sources {
        let cell = table.cell(&world.value(source, (parent, name), &arguments.0), &field.of);
        table.cells.cells.push(cell);
    }
    table.finish()
}

/// Makes a column from JSON, by the type of its field.
struct Table<'w> {
    world: &'w World,
    cells: Cells,
    leaves: Vec<Json>,
    parts: Vec<(String, Vec<Stone>)>,
}

impl Table<'_> {
    fn cell(&mut self, value: &Json, of: &TypeRef) -> Cell {
        if let Some(error) = value.get("error").and_then(Json::as_str) {
            return self.error(error.to_owned());
        }
        match of.nullable() {
            _ if value.is_null() => Cell::Null,
            TypeRef::List(item) => {
                let items: Vec<Cell> = value.as_array().unwrap().iter().map(|value| self.cell(value, item)).collect();
                self.list(items)
            }
            TypeRef::Named(id) if self.world.schema.is_composite(*id) => {
                let object = if value.is_string() { self.world.object(value) } else { value.clone() };
                let declared = &self.world.schema.get(*id).name;
                let name = object.get("__typename").map_or(&**declared, |name| name.as_str().unwrap()).to_owned();
                self.object(name, object)
            }
            TypeRef::Named(id) => match serialize(&self.world.schema.get(*id).kind, value) {
                Ok(value) => {
                    self.leaves.push(value);
                    Cell::Leaf(index(self.leaves.len() - 1))
                }
                Err(message) => {
                    let name = &self.world.schema.get(*id).name;
                    self.error(message.replace("{}", name))
                }
            },
            TypeRef::NonNull(_) => unreachable!("`nullable` takes the mark away"),
        }
    }

    fn error(&mut self, message: String) -> Cell {
        self.cells.errors.push(FieldError::plain(message));
        Cell::Error(index(self.cells.errors.len() - 1))
    }

    fn object(&mut self, name: String, object: Json) -> Cell {
        let part = self.parts.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
            self.parts.push((name, Vec::new()));
            self.parts.len() - 1
        });
        let rows = &mut self.parts[part].1;
        rows.push(Stone(object));
        Cell::Object { part: index(part), row: index(rows.len() - 1) }
    }

    /// Consecutive objects of the first part have the short form.
    fn list(&mut self, items: Vec<Cell>) -> Cell {
        let len = index(items.len());
        if let Some(Cell::Object { part: 0, row: from }) = items.first().copied() {
            let follows = |(item, row): (&Cell, u32)| *item == Cell::Object { part: 0, row };
            if items.iter().zip(from..).all(follows) {
                return Cell::Objects { from, len };
            }
        }
        self.cells.items.extend(items);
        Cell::List { from: index(self.cells.items.len()) - len, len }
    }

    fn finish(self) -> Column {
        let Self { mut cells, leaves, parts, .. } = self;
        if cells.cells.iter().all(|cell| matches!(cell, Cell::Leaf(_) | Cell::Null)) && cells.errors.is_empty() {
            let mut leaves = leaves.into_iter();
            let leaf = |cell: &Cell| if *cell == Cell::Null { Json::Null } else { leaves.next().unwrap() };
            return Column::Leaves(Box::new(JsonLeaves(cells.cells.iter().map(leaf).collect())));
        }
        cells.parts = parts.into_iter().map(|(of, rows)| Part { of: of.into(), rows: Rows::new(rows) }).collect();
        cells.leaves = Some(Box::new(JsonLeaves(leaves)));
        Column::Cells(cells)
    }
}

fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap()
}

struct JsonLeaves(Vec<Json>);

impl Leaves for JsonLeaves {
    fn write(&self, place: usize, out: &mut Out) {
        match &self.0[place] {
            Json::String(text) => write_text(out, text),
            other => write_json(out, other),
        }
    }
}

/// A leaf as graphql-js serializes it, or its message; `{}` stands for the type's name.
fn serialize(kind: &TypeKind, value: &Json) -> Result<Json, String> {
    let is_right = match kind {
        TypeKind::Scalar(Scalar::Int) if value.is_i64() && i32::try_from(value.as_i64().unwrap()).is_err() => {
            return Err(format!("Int cannot represent non 32-bit signed integer value: {value}"));
        }
        TypeKind::Scalar(Scalar::Float) if !value.is_number() => {
            return Err(format!("Float cannot represent non numeric value: {value}"));
        }
        TypeKind::Scalar(Scalar::Boolean) if !value.is_boolean() => {
            return Err(format!("Boolean cannot represent a non boolean value: {value}"));
        }
        TypeKind::Scalar(Scalar::Id) if value.is_number() => return Ok(Json::from(value.to_string())),
        TypeKind::Scalar(Scalar::Int) => value.is_i64(),
        TypeKind::Scalar(Scalar::String | Scalar::Id) => value.is_string(),
        TypeKind::Enum(values) if !values.iter().any(|name| value == name.as_str()) => {
            return Err(format!("Enum \"{{}}\" cannot represent value: {value}"));
        }
        _ => true,
    };
    assert!(is_right, "the graph has a value that graphql-js would convert: {value}");
    Ok(value.clone())
}
