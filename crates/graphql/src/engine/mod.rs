//! Executes requests, from the text to the response.

mod cache;
mod prepared;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde_json::Value as Json;

use self::cache::{CachedDocument, CachedPlan, Documents, PlanKey, Plans, caches};
pub use self::prepared::{PreparedOperation, SharingKey};
use crate::describe::{Describe, Description, Introspection};
use crate::document::{Document, parse};
use crate::error::{DocumentLimits, LimitExceeded, ParseError, SourcePosition};
use crate::execution::column::Rows;
use crate::execution::introspection::Introspector;
use crate::execution::{
    Context, Execution, FieldError, Response, ResponseObjects, failed, run, run_events, write, write_shortened,
};
use crate::input::{InputError, Inputs, coerce_variable_types};
use crate::plan::{Cost, PageSizes, compile};
use crate::schema::{Schema, SchemaBuilder, SchemaError};
use crate::validation::{Invalid, validate};

/// Executes operations of one schema.
pub struct Engine {
    schema: Schema,
    description: Arc<Description>,
    introspector: Option<Introspector>,
    settings: EngineSettings,
    documents: Documents,
    plans: Plans,
    /// The number of the next document or plan.
    next: AtomicU64,
}

/// The settings of an [`Engine`].
#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    /// The limits of documents and plans.
    pub limits: DocumentLimits,
    /// The sizes of pages, for costs.
    pub pages: PageSizes,
    /// The highest cost of an operation.
    pub cost_max: Cost,
    /// The size of the caches of documents and plans, in bytes.
    pub cache_bytes: u64,
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
pub enum EngineRefusal {
    /// The document does not parse.
    Parse(ParseError),
    /// The document is invalid.
    Invalid(Invalid),
    /// A limit is exceeded.
    Limit(LimitExceeded),
    /// No operation has this name, or there are several and no name was given.
    Operation(&'static str),
    /// Variables have invalid values.
    Variables(Vec<InputError>),
    /// The cost of the operation with its variables is too high.
    TooComplex {
        /// The limit.
        limit: CostLimit,
        /// The cost.
        found: u64,
        /// The maximum.
        max: u64,
    },
    /// Introspection is off, and the operation selects it.
    Introspection(SourcePosition),
    /// The response is larger than this number of bytes.
    TooLarge(usize),
}

/// A limit on the cost of an operation with its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostLimit {
    /// [`Cost::depth`].
    Depth,
    /// [`Cost::root_fields`].
    RootFields,
    /// [`Cost::fields`].
    Fields,
    /// [`Cost::values`].
    Values,
    /// [`Cost::introspection`].
    Introspection,
    /// [`Cost::introspection_levels`].
    IntrospectionLevels,
    /// [`DocumentLimits::input_values`].
    InputValues,
    /// [`DocumentLimits::list_items`], in a variable.
    ListItems,
    /// [`DocumentLimits::input_fields`], in a variable.
    InputFields,
}

impl CostLimit {
    fn check(self, found: u64, max: u64) -> Result<(), EngineRefusal> {
        if found > max { Err(EngineRefusal::TooComplex { limit: self, found, max }) } else { Ok(()) }
    }
}

/// A response.
#[derive(Debug)]
pub struct EngineResponse {
    /// `{"data":...}`, with `errors` if there are some.
    pub json: Vec<u8>,
    /// The errors.
    pub errors: Vec<FieldError>,
}

/// The expected size of a plan's first response.
const RESPONSE_BYTES: usize = 1_024;

/// Maximum size of the buffer that is allocated for a response at first.
const CAPACITY_MAX: usize = 256 << 10;

impl Engine {
    /// An engine for the schema that `D` describes.
    ///
    /// # Errors
    /// The description is not a valid schema.
    pub fn described<D: Describe>(settings: EngineSettings) -> Result<Self, SchemaError> {
        let (introspection, description) = (Introspection::<D>::new(), D::description());
        let mut builder = SchemaBuilder::from_sdl(&introspection.sdl())?;
        for (name, check) in &description.checks {
            builder.check(name, check.clone());
        }
        let introspector = settings.introspection.then(|| Introspector::new(Box::new(introspection)));
        let schema = builder.build()?;
        // If introspection is off, messages must not suggest names.
        let schema = if settings.introspection { schema.with_suggestions() } else { schema };
        Ok(Self::new(schema, description, introspector, settings))
    }

    /// An engine for a schema whose fields `description` resolves. Introspection is refused.
    pub fn of_schema(schema: Schema, description: Description, settings: EngineSettings) -> Self {
        Self::new(schema, Arc::new(description), None, settings)
    }

    fn new(
        schema: Schema,
        description: Arc<Description>,
        introspector: Option<Introspector>,
        settings: EngineSettings,
    ) -> Self {
        let (documents, plans) = caches(settings.cache_bytes);
        Self { schema, description, introspector, settings, documents, plans, next: AtomicU64::new(0) }
    }

    /// The type system.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The estimated size of the cached documents and plans: at most [`EngineSettings::cache_bytes`].
    pub fn cached_bytes(&self) -> u64 {
        self.documents.weight() + self.plans.weight()
    }

    /// Prepares an operation: parses, validates and plans it, coerces its variables and checks its cost.
    ///
    /// # Errors
    /// The request is refused.
    pub fn prepare(&self, request: &Request<'_>) -> Result<PreparedOperation, EngineRefusal> {
        self.prepare_noting(request, |_| {})
    }

    /// The same. `note` is called with whether the document was in the cache, even if the request is refused.
    ///
    /// # Errors
    /// The request is refused.
    pub fn prepare_noting(
        &self,
        request: &Request<'_>,
        note: impl FnOnce(bool),
    ) -> Result<PreparedOperation, EngineRefusal> {
        let mut parsed = None;
        let known = self.documents.get(request.query);
        note(known.is_some());
        let cached = match known {
            Some(cached) => cached,
            None => self.cache(parsed.insert(self.parse(request.query)?))?,
        };
        let index = cached.choose(request.operation_name).map_err(EngineRefusal::Operation)?;
        let operation = &cached.operations[index];
        self.check_inputs(request.variables)?;
        let variables = coerce_variable_types(&self.schema, &operation.variables, request.variables);
        let variables = variables.map_err(EngineRefusal::Variables)?;
        let truths = operation.conditions.truths(&variables).map_err(|name| {
            let (path, message) = (format!("variables.{name}"), "must not be null".to_owned());
            EngineRefusal::Variables(vec![InputError { path, message }])
        })?;
        let key = PlanKey { document: cached.number, operation: index, truths };
        let plan = match self.plans.get(&key) {
            Some(plan) => plan,
            None => {
                let document = parsed.map_or_else(|| self.parse(request.query), Ok)?;
                let plan = Arc::new(self.plan(&cached, &document, &key)?);
                self.plans.insert(key, Arc::clone(&plan));
                plan
            }
        };
        let cost = plan.cost.unwrap_or_else(|| plan.plan.cost(&variables, self.settings.pages));
        let prepared = PreparedOperation { plan, variables, cost, name: operation.name.clone() };
        self.check_cost(&prepared)?;
        Ok(prepared)
    }

    /// Executes a query or a mutation. Its response has at most `bytes_max` bytes.
    ///
    /// # Errors
    /// The response is larger.
    pub async fn execute(
        &self,
        prepared: &PreparedOperation,
        context: &Context,
        bytes_max: usize,
    ) -> Result<EngineResponse, EngineRefusal> {
        self.run(prepared, context).await.response(bytes_max)
    }

    /// The same, before the response is written.
    pub async fn run<'p>(&self, prepared: &'p PreparedOperation, context: &Context) -> ExecutedOperation<'p> {
        let root = run(&self.execution(prepared, context), &prepared.plan.plan).await;
        ExecutedOperation { prepared, root }
    }

    /// Executes a subscription for several events at once: the rows of its root type. Each response has at most
    /// `bytes_max` bytes.
    pub async fn execute_events(
        &self,
        prepared: &PreparedOperation,
        events: Rows,
        context: &Context,
        bytes_max: usize,
    ) -> Vec<Result<EngineResponse, EngineRefusal>> {
        let len = events.len();
        let root = run_events(&self.execution(prepared, context), &prepared.plan.plan, events).await;
        (0..len).map(|at| write_response(prepared, &root, at, bytes_max)).collect()
    }

    fn execution<'a>(&'a self, prepared: &'a PreparedOperation, context: &'a Context) -> Execution<'a> {
        let introspector = self.introspector.as_ref();
        Execution { schema: &self.schema, context, variables: &prepared.variables, introspector }
    }

    fn parse<'a>(&self, text: &'a str) -> Result<Document<'a>, EngineRefusal> {
        parse(text, self.settings.limits).map_err(EngineRefusal::Parse)
    }

    /// Validates a document and caches it.
    fn cache(&self, document: &Document<'_>) -> Result<Arc<CachedDocument>, EngineRefusal> {
        validate(&self.schema, document, &self.settings.limits).map_err(EngineRefusal::Invalid)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let cached = Arc::new(CachedDocument::new(number, &self.schema, document));
        self.documents.insert(document.text.into(), Arc::clone(&cached));
        Ok(cached)
    }

    fn plan(
        &self,
        cached: &CachedDocument,
        document: &Document<'_>,
        key: &PlanKey,
    ) -> Result<CachedPlan, EngineRefusal> {
        let EngineSettings { limits, pages, .. } = &self.settings;
        let operation = &document.operations[key.operation];
        let conditions = (&cached.operations[key.operation].conditions, &key.truths);
        let plan = compile((&self.schema, &self.description), document, operation, conditions, limits);
        let plan = plan.map_err(EngineRefusal::Limit)?;
        if self.introspector.is_none()
            && let Some(position) = plan.introspection()
        {
            return Err(EngineRefusal::Introspection(position));
        }
        let cost = plan.has_constant_cost().then(|| plan.cost(&Inputs::new(), *pages));
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(CachedPlan { number, plan, cost, response_bytes: AtomicUsize::new(RESPONSE_BYTES) })
    }

    /// Checks the lists and objects of variables with the parser's limits for literals.
    fn check_inputs(&self, variables: &Inputs) -> Result<(), EngineRefusal> {
        let limits = &self.settings.limits;
        let mut open: Vec<&Json> = variables.values().collect();
        while let Some(value) = open.pop() {
            match value {
                Json::Array(items) => {
                    CostLimit::ListItems.check(items.len() as u64, limits.list_items as u64)?;
                    open.extend(items);
                }
                Json::Object(fields) => {
                    CostLimit::InputFields.check(fields.len() as u64, limits.input_fields as u64)?;
                    open.extend(fields.values());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds the cost of an operation to that of the previous ones in a batch. Together they may have as many values
    /// as one operation.
    ///
    /// # Errors
    /// They have more values.
    pub fn add_cost(&self, total: &mut Cost, prepared: &PreparedOperation) -> Result<(), EngineRefusal> {
        let (cost, max) = (prepared.cost, self.settings.cost_max);
        let values = total.values.saturating_add(cost.values);
        let introspection = total.introspection.saturating_add(cost.introspection);
        CostLimit::Values.check(values, max.values)?;
        CostLimit::Introspection.check(introspection, max.introspection)?;
        *total = Cost { values, introspection, ..*total };
        Ok(())
    }

    fn check_cost(&self, prepared: &PreparedOperation) -> Result<(), EngineRefusal> {
        let (cost, max) = (prepared.cost, self.settings.cost_max);
        let input_values = self.settings.limits.input_values;
        CostLimit::Depth.check(cost.depth, max.depth)?;
        CostLimit::RootFields.check(cost.root_fields, max.root_fields)?;
        CostLimit::Fields.check(cost.fields, max.fields)?;
        CostLimit::Values.check(cost.values, max.values)?;
        CostLimit::Introspection.check(cost.introspection, max.introspection)?;
        CostLimit::IntrospectionLevels.check(cost.introspection_levels, max.introspection_levels)?;
        CostLimit::InputValues.check(prepared.input_values(), input_values)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Writes the response for one object of the root.
fn write_response(
    prepared: &PreparedOperation,
    root: &ResponseObjects,
    at: usize,
    bytes_max: usize,
) -> Result<EngineResponse, EngineRefusal> {
    let PreparedOperation { plan: cached, .. } = prepared;
    let expected = cached.response_bytes.load(Ordering::Relaxed);
    // A large response must not make all later ones allocate as much memory.
    let capacity = (expected + expected / 8).min(CAPACITY_MAX).min(bytes_max);
    let response = write(&cached.plan, (root, at), capacity, bytes_max);
    let Response { json, errors } = response.map_err(|_| EngineRefusal::TooLarge(bytes_max))?;
    cached.response_bytes.store(json.len(), Ordering::Relaxed);
    Ok(EngineResponse { json, errors })
}

/// A query or a mutation that was executed.
pub struct ExecutedOperation<'p> {
    prepared: &'p PreparedOperation,
    root: ResponseObjects,
}

impl ExecutedOperation<'_> {
    /// The response, of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// It is larger.
    pub fn response(&self, bytes_max: usize) -> Result<EngineResponse, EngineRefusal> {
        write_response(self.prepared, &self.root, 0, bytes_max)
    }

    /// The response of a mutation that is larger than `bytes_max` bytes. Fields without room are null, with this
    /// error.
    pub fn shortened(&self, bytes_max: usize, error: &FieldError) -> EngineResponse {
        match write_shortened(&self.prepared.plan.plan, &self.root, bytes_max, error) {
            Ok(Response { json, errors }) => EngineResponse { json, errors },
            Err(_) => EngineResponse::failed(self.prepared, error),
        }
    }
}

impl std::fmt::Debug for ExecutedOperation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executed").field("prepared", &self.prepared).finish_non_exhaustive()
    }
}

impl EngineResponse {
    /// A response without data: each field of the root has this error.
    #[must_use]
    pub fn failed(prepared: &PreparedOperation, error: &FieldError) -> Self {
        let plan = &prepared.plan.plan;
        match write(plan, (&failed(plan, error), 0), RESPONSE_BYTES, usize::MAX) {
            Ok(Response { json, errors }) => Self { json, errors },
            Err(_) => Self { json: Vec::new(), errors: Vec::new() },
        }
    }
}
