//! From the text of a request to its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_graphql::{ObjectType, SubscriptionType};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::describe::{Describe, Description, Introspect, Printed};
use crate::document::{Operation, OperationKind};
use crate::error::{LimitExceeded, Limits, ParseError, Position};
use crate::execution::{Context, Execution, FieldError, Written, run, write};
use crate::input::{InputError, Inputs, VariableType, coerce_known};
use crate::plan::{Conditions, Cost, Pages, Plan, Truths, compile};
use crate::schema::{Schema, SchemaBuilder, SchemaError};
use crate::validation::{Invalid, validate};

/// Executes operations of one schema.
pub struct Engine {
    schema: Schema,
    description: Description,
    introspect: Option<Box<dyn Introspect>>,
    settings: Settings,
    documents: Cache<Arc<str>, Arc<Known>, Weight>,
    plans: Cache<PlanKey, Arc<Planned>, Weight>,
    next: AtomicU64,
}

/// How an [`Engine`] works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What documents may hold.
    pub limits: Limits,
    /// How long pages are.
    pub pages: Pages,
    /// What operations may cost.
    pub cost_max: Cost,
    /// Bytes that known documents and their plans may take.
    pub cache_bytes: u64,
    /// Bytes that an answer may have.
    pub answer_bytes: usize,
    /// Whether the schema answers questions about itself.
    pub introspection: bool,
}

/// An operation that a client asks for.
#[derive(Debug)]
pub struct Request<'a> {
    /// The document.
    pub query: &'a str,
    /// Which of its operations, if there are several.
    pub operation_name: Option<&'a str>,
    /// The variables.
    pub variables: &'a Inputs,
}

/// Why an operation is not executed.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The text is not a document.
    Parse(ParseError),
    /// The document breaks rules.
    Invalid(Invalid),
    /// A limit is exceeded.
    Limit(LimitExceeded),
    /// The document has no such operation, or several and none is named.
    Operation(&'static str),
    /// Variables do not fit: the path of each, and what is wrong.
    Variables(Vec<InputError>),
    /// It costs more than allowed: what, how much, and how much is allowed.
    TooComplex(&'static str, u64, u64),
    /// Introspection is off.
    Introspection(Position),
    /// The answer is larger than this.
    TooLarge(usize),
}

/// What was executed.
#[derive(Debug)]
pub struct Answer {
    /// `{"data":...}`, with `errors` if there are some.
    pub json: Vec<u8>,
    /// The errors.
    pub errors: Vec<FieldError>,
    /// What was done.
    pub kind: OperationKind,
}

/// A document that is known to be valid.
struct Known {
    number: u64,
    operations: Vec<KnownOperation>,
    bytes: u64,
}

struct KnownOperation {
    name: Option<String>,
    variables: Vec<VariableType>,
    conditions: Conditions,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PlanKey {
    document: u64,
    operation: usize,
    truths: Truths,
}

/// A plan, and how long its last answer was.
struct Planned {
    plan: Plan,
    answered: AtomicUsize,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Arc<str>, Arc<Known>> for Weight {
    fn weight(&self, text: &Arc<str>, known: &Arc<Known>) -> u64 {
        text.len() as u64 + known.bytes
    }
}

impl Weighter<PlanKey, Arc<Planned>> for Weight {
    fn weight(&self, _: &PlanKey, planned: &Arc<Planned>) -> u64 {
        planned.plan.bytes as u64
    }
}

/// Documents that a cache is laid out for.
const DOCUMENTS_EXPECTED: usize = 1_000;

impl Engine {
    /// An engine for the schema that `D` describes; the roots of mutations and subscriptions may be described by
    /// async-graphql.
    ///
    /// # Errors
    /// The description is no schema.
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

    /// An engine for a schema whose fields are found as `description` says. It answers no introspection.
    pub fn of_schema(schema: Schema, description: Description, settings: Settings) -> Self {
        Self::new(schema, description, None, settings)
    }

    fn new(
        schema: Schema,
        description: Description,
        introspect: Option<Box<dyn Introspect>>,
        settings: Settings,
    ) -> Self {
        let cache_bytes = settings.cache_bytes / 2;
        Self {
            schema,
            description,
            introspect: introspect.filter(|_| settings.introspection),
            settings,
            documents: Cache::with_weighter(DOCUMENTS_EXPECTED, cache_bytes, Weight),
            plans: Cache::with_weighter(DOCUMENTS_EXPECTED, cache_bytes, Weight),
            next: AtomicU64::new(0),
        }
    }

    /// The type system.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Prepares an operation: what it needs is known, and within the limits.
    ///
    /// # Errors
    /// Why it is not executed.
    pub fn prepare(&self, request: &Request<'_>) -> Result<Prepared, Refusal> {
        let known = match self.documents.get(request.query) {
            Some(known) => known,
            None => self.learn(request.query)?,
        };
        let place = choose(&known.operations, request.operation_name).map_err(Refusal::Operation)?;
        let operation = &known.operations[place];
        let variables = coerce_known(&self.schema, &operation.variables, request.variables);
        let variables = variables.map_err(Refusal::Variables)?;
        let truths = operation.conditions.truths(&variables).map_err(|name| {
            let (path, message) = (format!("variables.{name}"), "must not be null".to_owned());
            Refusal::Variables(vec![InputError { path, message }])
        })?;
        let key = PlanKey { document: known.number, operation: place, truths };
        let planned = match self.plans.get(&key) {
            Some(planned) => planned,
            None => {
                let planned = self.plan(request.query, operation, &key)?;
                self.plans.insert(key, Arc::clone(&planned));
                planned
            }
        };
        self.check_cost(&planned.plan, &variables)?;
        Ok(Prepared { planned, variables })
    }

    /// Executes an operation.
    ///
    /// # Errors
    /// The answer is larger than allowed.
    pub async fn execute(&self, prepared: &Prepared, context: &Context) -> Result<Answer, Refusal> {
        let Prepared { planned, variables } = prepared;
        let introspect = self.introspect.as_deref();
        let execution = Execution { schema: &self.schema, context, variables, introspect };
        let root = run(&execution, &planned.plan).await;
        let answered = planned.answered.load(Ordering::Relaxed);
        let bytes_max = self.settings.answer_bytes;
        let written = write(&planned.plan, &root, answered + answered / 8, bytes_max);
        let Written { json, errors } = written.map_err(|_| Refusal::TooLarge(bytes_max))?;
        planned.answered.store(json.len(), Ordering::Relaxed);
        Ok(Answer { json, errors, kind: planned.plan.kind })
    }

    fn learn(&self, text: &str) -> Result<Arc<Known>, Refusal> {
        let limits = &self.settings.limits;
        let document = crate::document::parse(text, *limits).map_err(Refusal::Parse)?;
        validate(&self.schema, &document, limits).map_err(Refusal::Invalid)?;
        let operation = |operation: &Operation<'_>| KnownOperation {
            name: operation.name.map(|name| name.text.to_owned()),
            variables: VariableType::all(&self.schema, operation),
            conditions: Conditions::of(&document, &operation.selections),
        };
        let operations: Vec<_> = document.operations.iter().map(operation).collect();
        let variables = operations.iter().flat_map(|operation| &operation.variables);
        let bytes = 256 + 128 * operations.len() as u64 + variables.map(VariableType::bytes).sum::<u64>();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let known = Arc::new(Known { number, operations, bytes });
        self.documents.insert(text.into(), Arc::clone(&known));
        Ok(known)
    }

    fn plan(&self, text: &str, known: &KnownOperation, key: &PlanKey) -> Result<Arc<Planned>, Refusal> {
        let limits = &self.settings.limits;
        // It was valid when it became known.
        let document = crate::document::parse(text, *limits).map_err(Refusal::Parse)?;
        let operation = &document.operations[key.operation];
        let types = (&self.schema, &self.description);
        let plan = compile(types, &document, operation, (&known.conditions, &key.truths), limits);
        let plan = plan.map_err(Refusal::Limit)?;
        if self.introspect.is_none()
            && let Some(position) = plan.introspection()
        {
            return Err(Refusal::Introspection(position));
        }
        Ok(Arc::new(Planned { plan, answered: AtomicUsize::new(1_024) }))
    }

    fn check_cost(&self, plan: &Plan, variables: &Inputs) -> Result<(), Refusal> {
        let (cost, max) = (plan.cost(variables, self.settings.pages), self.settings.cost_max);
        let all = [
            ("depth", cost.depth, max.depth),
            ("root fields", cost.root_fields, max.root_fields),
            ("fields", cost.fields, max.fields),
            ("values", cost.values, max.values),
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

/// An operation that can be executed, with its variables.
pub struct Prepared {
    planned: Arc<Planned>,
    variables: Inputs,
}

impl Prepared {
    /// What the operation does.
    pub fn kind(&self) -> OperationKind {
        self.planned.plan.kind
    }

    /// Whether its answer depends on who asks.
    pub fn is_personal(&self) -> bool {
        self.planned.plan.is_personal
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// Section 6.1: the operation to execute.
fn choose(operations: &[KnownOperation], name: Option<&str>) -> Result<usize, &'static str> {
    match name {
        Some(name) => operations
            .iter()
            .position(|operation| operation.name.as_deref() == Some(name))
            .ok_or("The document has no operation of this name."),
        None if operations.len() == 1 => Ok(0),
        None if operations.is_empty() => Err("The document has no operation."),
        None => Err("The document has several operations; name one in `operationName`."),
    }
}
