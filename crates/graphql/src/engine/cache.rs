//! An engine's caches: valid documents by text, and the plans of their operations.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::document::{Document, Operation};
use crate::input::VariableType;
use crate::plan::{Conditions, Cost, Plan, Truths};
use crate::schema::Schema;

/// The number of entries that a cache is sized for.
const DOCUMENTS_EXPECTED: usize = 1_000;

/// Valid documents by text.
pub(super) type Documents = Cache<Arc<str>, Arc<CachedDocument>, Weight>;

/// Plans of operations.
pub(super) type Plans = Cache<PlanKey, Arc<CachedPlan>, Weight>;

/// Both caches, which together take at most `bytes`.
pub(super) fn caches(bytes: u64) -> (Documents, Plans) {
    let documents = Cache::with_weighter(DOCUMENTS_EXPECTED, bytes / 2, Weight);
    (documents, Cache::with_weighter(DOCUMENTS_EXPECTED, bytes / 2, Weight))
}

/// The parts of a valid document that a request needs, so that it is not parsed again.
pub(super) struct CachedDocument {
    pub(super) number: u64,
    pub(super) operations: Vec<CachedOperation>,
}

pub(super) struct CachedOperation {
    pub(super) name: Option<Arc<str>>,
    pub(super) variables: Vec<VariableType>,
    pub(super) conditions: Conditions,
}

/// The key of a plan: an operation has one for each combination of its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlanKey {
    pub(super) document: u64,
    pub(super) operation: usize,
    pub(super) truths: Truths,
}

pub(super) struct CachedPlan {
    pub(super) number: u64,
    pub(super) plan: Plan,
    /// The operation's cost, unless it depends on variables.
    pub(super) cost: Option<Cost>,
    /// The size of its last response.
    pub(super) response_bytes: AtomicUsize,
}

impl CachedDocument {
    pub(super) fn new(number: u64, schema: &Schema, document: &Document<'_>) -> Self {
        let conditions = Conditions::of_operations(document);
        let operation = |(operation, conditions): (&Operation<'_>, Conditions)| CachedOperation {
            name: operation.name.map(|name| name.text.into()),
            variables: VariableType::all(schema, operation),
            conditions,
        };
        Self { number, operations: document.operations.iter().zip(conditions).map(operation).collect() }
    }

    /// Section 6.1: the operation to execute.
    pub(super) fn choose(&self, name: Option<&str>) -> Result<usize, &'static str> {
        let mut operations = self.operations.iter();
        match name {
            Some(name) => operations
                .position(|operation| operation.name.as_deref() == Some(name))
                .ok_or("The document has no operation of this name."),
            None if operations.len() == 1 => Ok(0),
            None if operations.len() == 0 => Err("The document has no operation."),
            None => Err("The document has several operations; name one in `operationName`."),
        }
    }

    fn bytes(&self) -> u64 {
        let operation = |operation: &CachedOperation| {
            let name = operation.name.as_ref().map_or(0, |name| name.len());
            let variables: u64 = operation.variables.iter().map(VariableType::bytes).sum();
            (size_of::<CachedOperation>() + name) as u64 + variables + operation.conditions.bytes()
        };
        size_of::<Self>() as u64 + self.operations.iter().map(operation).sum::<u64>()
    }
}

/// Estimates the bytes of an entry.
#[derive(Clone)]
pub(super) struct Weight;

/// Size of an entry besides its key and value: reference counts, and the cache's own data.
const ENTRY_BYTES: u64 = 128;

impl Weighter<Arc<str>, Arc<CachedDocument>> for Weight {
    fn weight(&self, text: &Arc<str>, document: &Arc<CachedDocument>) -> u64 {
        ENTRY_BYTES + text.len() as u64 + document.bytes()
    }
}

impl Weighter<PlanKey, Arc<CachedPlan>> for Weight {
    fn weight(&self, key: &PlanKey, cached: &Arc<CachedPlan>) -> u64 {
        ENTRY_BYTES + (size_of::<PlanKey>() + cached.plan.bytes) as u64 + key.truths.bytes()
    }
}
