//! From the text of a request to its answer.

mod cache;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_graphql::{ObjectType, SubscriptionType};
use serde_json::Value as Json;

use self::cache::{CachedDocument, CachedPlan, Documents, PlanKey, Plans, caches};
use crate::describe::{Describe, Description, Introspect, Printed};
use crate::document::{Document, OperationKind, parse};
use crate::error::{LimitExceeded, Limits, ParseError, Position};
use crate::execution::{Context, Execution, FieldError, Response, run, write};
use crate::input::{InputError, Inputs, coerce_variable_types};
use crate::plan::{Cost, Pages, compile};
use crate::schema::{Schema, SchemaBuilder, SchemaError};
use crate::validation::{Invalid, validate};

/// Executes operations of one schema.
pub struct Engine {
    schema: Schema,
    description: Description,
    introspect: Option<Box<dyn Introspect>>,
    settings: Settings,
    documents: Documents,
    plans: Plans,
    /// The number of the next document.
    next: AtomicU64,
}

/// The settings of an [`Engine`].
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The limits of documents and plans.
    pub limits: Limits,
    /// The sizes of pages, for costs.
    pub pages: Pages,
    /// The highest cost of an operation.
    pub cost_max: Cost,
    /// The size of the caches of documents and plans, in bytes.
    pub cache_bytes: u64,
    /// The highest size of a response, in bytes.
    pub answer_bytes: usize,
    /// Whether introspection is on.
    pub introspection: bool,
}

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// The document.
    pub query: &'a str,
    /// The name of the operation; optional if the document has only one.
    pub operation_name: Option<&'a str>,
    /// The variables.
    pub variables: &'a Inputs,
}

/// Why a request is refused.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The document does not parse.
    Parse(ParseError),
    /// The document is not valid.
    Invalid(Invalid),
    /// A limit is exceeded.
    Limit(LimitExceeded),
    /// There is no operation of this name, or there are several and no name.
    Operation(&'static str),
    /// Variables do not fit their types.
    Variables(Vec<InputError>),
    /// The cost is too high: of what, the cost, and the highest that is allowed.
    TooComplex(&'static str, u64, u64),
    /// Introspection is off, and this selects it.
    Introspection(Position),
    /// The response is larger than so many bytes.
    TooLarge(usize),
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    /// `{"data":...}`, with `errors` if there are some.
    pub json: Vec<u8>,
    /// The errors.
    pub errors: Vec<FieldError>,
    /// The kind of the operation.
    pub kind: OperationKind,
}

/// The expected size of a plan's first response.
const ANSWER_BYTES: usize = 1_024;

/// Bytes that a response begins with, at most; it grows as it needs.
const CAPACITY_MAX: usize = 256 << 10;

impl Engine {
    /// An engine for the schema that `D` describes; the roots of mutations and subscriptions may be described by
    /// async-graphql.
    ///
    /// # Errors
    /// The description is not a valid schema.
    pub fn described<D: Describe, M: ObjectType + 'static, S: SubscriptionType + 'static>(
        printed: Printed<D, M, S>,
        settings: Settings,
    ) -> Result<Self, SchemaError> {
        let description = D::description();
        let mut builder = SchemaBuilder::from_sdl(&printed.sdl())?;
        for (name, check) in &description.checks {
            builder.check(name, check.clone());
        }
        let introspect: Box<dyn Introspect> = Box::new(printed);
        Ok(Self::new(builder.build()?, description, Some(introspect), settings))
    }

    /// An engine for a schema whose fields `description` resolves. Introspection is refused.
    pub fn of_schema(schema: Schema, description: Description, settings: Settings) -> Self {
        Self::new(schema, description, None, settings)
    }

    fn new(
        schema: Schema,
        description: Description,
        introspect: Option<Box<dyn Introspect>>,
        settings: Settings,
    ) -> Self {
        let (documents, plans) = caches(settings.cache_bytes);
        Self {
            schema,
            description,
            introspect: introspect.filter(|_| settings.introspection),
            settings,
            documents,
            plans,
            next: AtomicU64::new(0),
        }
    }

    /// The type system.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The estimated size of the cached documents and plans: at most [`Settings::cache_bytes`].
    pub fn cached_bytes(&self) -> u64 {
        self.documents.weight() + self.plans.weight()
    }

    /// Prepares an operation: parses, validates and plans it, coerces its variables and checks its cost.
    ///
    /// # Errors
    /// The request is refused.
    pub fn prepare(&self, request: &Request<'_>) -> Result<Prepared, Refusal> {
        let mut parsed = None;
        let cached = match self.documents.get(request.query) {
            Some(cached) => cached,
            None => self.cache(parsed.insert(self.parse(request.query)?))?,
        };
        let place = cached.choose(request.operation_name).map_err(Refusal::Operation)?;
        let operation = &cached.operations[place];
        self.check_inputs(request.variables)?;
        let variables = coerce_variable_types(&self.schema, &operation.variables, request.variables);
        let variables = variables.map_err(Refusal::Variables)?;
        let truths = operation.conditions.truths(&variables).map_err(|name| {
            let (path, message) = (format!("variables.{name}"), "must not be null".to_owned());
            Refusal::Variables(vec![InputError { path, message }])
        })?;
        let key = PlanKey { document: cached.number, operation: place, truths };
        let plan = match self.plans.get(&key) {
            Some(plan) => plan,
            None => {
                let document = parsed.map_or_else(|| self.parse(request.query), Ok)?;
                let plan = Arc::new(self.plan(&cached, &document, &key)?);
                self.plans.insert(key, Arc::clone(&plan));
                plan
            }
        };
        let prepared = Prepared { plan, variables };
        self.check_cost(&prepared)?;
        Ok(prepared)
    }

    /// Executes an operation.
    ///
    /// # Errors
    /// The response is larger than [`Settings::answer_bytes`].
    pub async fn execute(&self, prepared: &Prepared, context: &Context) -> Result<Answer, Refusal> {
        let Prepared { plan: cached, variables } = prepared;
        let introspect = self.introspect.as_deref();
        let execution = Execution { schema: &self.schema, context, variables, introspect };
        let root = run(&execution, &cached.plan).await;
        let expected = cached.answer_bytes.load(Ordering::Relaxed);
        let bytes_max = self.settings.answer_bytes;
        // One large response does not make all later ones take as much memory.
        let capacity = (expected + expected / 8).min(CAPACITY_MAX);
        let response = write(&cached.plan, &root, capacity, bytes_max);
        let Response { json, errors } = response.map_err(|_| Refusal::TooLarge(bytes_max))?;
        cached.answer_bytes.store(json.len(), Ordering::Relaxed);
        Ok(Answer { json, errors, kind: cached.plan.kind })
    }

    fn parse<'a>(&self, text: &'a str) -> Result<Document<'a>, Refusal> {
        parse(text, self.settings.limits).map_err(Refusal::Parse)
    }

    /// Validates a document and caches it.
    fn cache(&self, document: &Document<'_>) -> Result<Arc<CachedDocument>, Refusal> {
        validate(&self.schema, document, &self.settings.limits).map_err(Refusal::Invalid)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let cached = Arc::new(CachedDocument::new(number, &self.schema, document));
        self.documents.insert(document.text.into(), Arc::clone(&cached));
        Ok(cached)
    }

    fn plan(&self, cached: &CachedDocument, document: &Document<'_>, key: &PlanKey) -> Result<CachedPlan, Refusal> {
        let Settings { limits, pages, .. } = &self.settings;
        let operation = &document.operations[key.operation];
        let conditions = (&cached.operations[key.operation].conditions, &key.truths);
        let plan = compile((&self.schema, &self.description), document, operation, conditions, limits);
        let plan = plan.map_err(Refusal::Limit)?;
        if self.introspect.is_none()
            && let Some(position) = plan.introspection()
        {
            return Err(Refusal::Introspection(position));
        }
        let cost = plan.has_constant_cost().then(|| plan.cost(&Inputs::new(), *pages));
        Ok(CachedPlan { plan, cost, answer_bytes: AtomicUsize::new(ANSWER_BYTES) })
    }

    /// Checks the lists and objects of variables, as the parser checks those of literals.
    fn check_inputs(&self, variables: &Inputs) -> Result<(), Refusal> {
        let limits = &self.settings.limits;
        let check = |what, len: usize, max: usize| match len > max {
            true => Err(Refusal::TooComplex(what, len as u64, max as u64)),
            false => Ok(()),
        };
        let mut open: Vec<&Json> = variables.values().collect();
        while let Some(value) = open.pop() {
            match value {
                Json::Array(items) => {
                    check("items of a list", items.len(), limits.list_items)?;
                    open.extend(items);
                }
                Json::Object(fields) => {
                    check("fields of an input", fields.len(), limits.input_fields)?;
                    open.extend(fields.values());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_cost(&self, prepared: &Prepared) -> Result<(), Refusal> {
        let (cost, max) = (prepared.cost(self.settings.pages), self.settings.cost_max);
        let all = [
            ("depth", cost.depth, max.depth),
            ("root fields", cost.root_fields, max.root_fields),
            ("fields", cost.fields, max.fields),
            ("values", cost.values, max.values),
            ("values of introspection", cost.introspection, max.introspection),
            ("levels of introspection", cost.introspection_levels, max.introspection_levels),
            ("input values", prepared.input_values(), self.settings.limits.input_values),
        ];
        match all.into_iter().find(|(_, cost, max)| cost > max) {
            Some((what, cost, max)) => Err(Refusal::TooComplex(what, cost, max)),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// An operation that is ready to be executed, with its variables.
pub struct Prepared {
    plan: Arc<CachedPlan>,
    variables: Inputs,
}

impl Prepared {
    /// The kind of the operation.
    pub fn kind(&self) -> OperationKind {
        self.plan.plan.kind
    }

    /// Whether the response depends on the viewer.
    pub fn is_personal(&self) -> bool {
        self.plan.plan.is_personal
    }

    fn input_values(&self) -> u64 {
        self.plan.plan.inputs.count(&self.variables)
    }

    fn cost(&self, pages: Pages) -> Cost {
        self.plan.cost.unwrap_or_else(|| self.plan.plan.cost(&self.variables, pages))
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("kind", &self.kind()).finish_non_exhaustive()
    }
}
