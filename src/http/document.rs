//! Documents: scanned, parsed, kept, and weighed before they are executed.

use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    Directive, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Request, Variables};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::limits::Limits;
use super::refusal::Refusal;
use super::shape::{Costs, Shape};
use super::weigh::{Pages, Scales};
use super::{inputs, overlap, scan, variables};
use crate::document::SharedDocument;
use crate::metrics;

/// The documents of a schema, and what they may ask for.
pub(super) struct Documents {
    shape: Shape,
    limits: Limits,
    pages: Pages,
    cache: Cache<String, Arc<Document>, Bytes>,
}

/// A document within the limits that need no variables to be checked.
struct Document {
    shared: Arc<SharedDocument>,
    variables: variables::Found,
    tokens: u64,
}

/// What a kept document costs in memory.
#[derive(Clone)]
struct Bytes;

/// Bytes of the parsed form for each token, measured generously.
const BYTES_PER_TOKEN: u64 = 160;

impl Weighter<String, Arc<Document>> for Bytes {
    fn weight(&self, text: &String, document: &Arc<Document>) -> u64 {
        document_bytes(text, document.tokens)
    }
}

fn document_bytes(text: &str, tokens: u64) -> u64 {
    text.len() as u64 + 512 + tokens * BYTES_PER_TOKEN
}

/// What is known of an operation that may be executed.
pub(super) struct Operation {
    pub(super) kind: OperationType,
    pub(super) name: Option<String>,
    /// Bytes of a parsed document with its text, about.
    pub(super) document_bytes: u64,
}

impl Documents {
    /// Documents for the schema that `sdl` defines.
    ///
    /// # Errors
    /// The text is no SDL.
    pub(super) fn new(
        sdl: &str,
        pages: Pages,
        costs: Costs,
        limits: Limits,
    ) -> Result<Self, async_graphql::parser::Error> {
        let items = usize::try_from(limits.document_cache_bytes / 4_096).unwrap_or(usize::MAX);
        let cache = Cache::with_weighter(items, limits.document_cache_bytes, Bytes);
        Ok(Self { shape: Shape::new(sdl, costs)?, limits, pages, cache })
    }

    /// Makes a request ready to be executed: its document parsed, its variables checked, its cost
    /// taken from `budget`.
    ///
    /// # Errors
    /// Whatever is wrong with it, or beyond a limit.
    pub(super) fn prepare(&self, request: &mut Request, budget: &mut u64) -> Result<Operation, Refusal> {
        let kept = self.cache.get(request.query.as_str());
        metrics::count_document(kept.is_some());
        let document = match kept {
            Some(kept) => kept,
            None => self.read(&request.query)?,
        };
        let parsed = &document.shared.parsed;
        let (name, operation) = select(parsed, request.operation_name.as_deref())?;
        inputs::check_variables(operation, &request.variables, &self.shape, &self.limits)?;
        variables::settle(operation, &mut request.variables);
        self.check_cost(parsed, operation, &request.variables, budget)?;
        let document_bytes = document_bytes(&request.query, document.tokens);
        let prepared = Operation { kind: operation.ty, name: name.map(ToString::to_string), document_bytes };
        // The executor consumes a document, so that it gets a copy; what completes its results reads
        // the shared one.
        let mut copy = ExecutableDocument::clone(parsed);
        let missing = document.variables.missing(name, &request.variables)?;
        if !missing.is_empty() {
            variables::take_out(&mut copy, name, &missing, &self.shape);
        }
        if missing.is_empty() || document.variables.is_whole() || document.shared.is_valid() {
            request.data.insert(Arc::clone(&document.shared));
        } else {
            // That this part of it is valid says nothing of the rest.
            request.data.insert(Arc::new(SharedDocument::new(parsed.clone())));
        }
        request.set_parsed_query(copy);
        Ok(prepared)
    }

    fn read(&self, text: &str) -> Result<Arc<Document>, Refusal> {
        let tokens = scan::check(text, &self.limits)?;
        let parsed = parse_query(text).map_err(|error| Refusal::syntax(error.into()))?;
        self.check_counts(&parsed)?;
        // Operations that this request does not select are validated too, and walked on each path.
        let mut scales = self.scales(&parsed, None);
        let mut selections = 0u64;
        for (_, operation) in parsed.operations.iter() {
            let weight = scales.weigh(&operation.node)?;
            selections = selections.saturating_add(weight.selections);
            self.check_selections(selections)?;
            self.check_values(weight.values(), self.limits.limit_complexity)?;
        }
        for fragment in parsed.fragments.values() {
            self.check_selections(scales.weigh_fragment(&fragment.node)?.selections)?;
        }
        overlap::check(&parsed)?;
        let variables = variables::find(&parsed, &self.shape)?;
        let document = Arc::new(Document { shared: Arc::new(SharedDocument::new(parsed)), variables, tokens });
        if self.limits.document_cache_bytes > 0 {
            self.cache.insert(text.to_owned(), Arc::clone(&document));
            metrics::note_documents(self.cache.weight());
        }
        Ok(document)
    }

    fn scales<'a>(&'a self, document: &'a ExecutableDocument, variables: Option<&'a Variables>) -> Scales<'a> {
        Scales::new(&self.shape, &self.limits, self.pages, document, variables)
    }

    fn check_cost(
        &self,
        parsed: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
        budget: &mut u64,
    ) -> Result<(), Refusal> {
        let weight = self.scales(parsed, Some(variables)).weigh(operation)?;
        let max = self.limits.limit_depth;
        if weight.depth > max {
            return Err(Refusal::too_complex("limit-depth", "levels of fields", weight.depth, max));
        }
        let max = self.limits.limit_root_fields;
        if weight.fields > max {
            return Err(Refusal::too_complex("limit-root-fields", "root fields", weight.fields, max));
        }
        let max = self.limits.limit_input_values;
        if weight.inputs > max {
            return Err(Refusal::large_input("limit-input-values", "arguments", weight.inputs, "values", max));
        }
        self.check_values(weight.values(), *budget)?;
        *budget -= weight.values();
        Ok(())
    }

    fn check_selections(&self, selections: u64) -> Result<(), Refusal> {
        let max = self.limits.limit_selections;
        if selections > max {
            let what = "fields and fragments where they are spread, of all operations";
            return Err(Refusal::too_complex("limit-selections", what, selections, max));
        }
        Ok(())
    }

    fn check_values(&self, values: u64, budget: u64) -> Result<(), Refusal> {
        if values > budget {
            let max = self.limits.limit_complexity;
            let what = "values in its answer if every page is full (name smaller pages, or ask in steps)";
            return Err(Refusal::too_complex("limit-complexity", what, values, max));
        }
        Ok(())
    }

    /// Counts what stands in a document, wherever it stands.
    fn check_counts(&self, document: &ExecutableDocument) -> Result<(), Refusal> {
        let mut counts = Counts { limits: &self.limits, aliases: 0, directives: 0 };
        for (_, operation) in document.operations.iter() {
            counts.directives(&operation.node.directives)?;
            for definition in &operation.node.variable_definitions {
                counts.directives(&definition.node.directives)?;
                if let Some(default) = &definition.node.default_value {
                    let literal = default.node.clone().into_value();
                    inputs::check_literal(&definition.node.name.node, &literal, &self.limits)?;
                }
            }
            counts.set(&operation.node.selection_set.node)?;
        }
        for fragment in document.fragments.values() {
            counts.directives(&fragment.node.directives)?;
            counts.set(&fragment.node.selection_set.node)?;
        }
        let Counts { aliases, directives, .. } = counts;
        let Limits { limit_aliases, limit_directives, .. } = self.limits;
        if aliases > limit_aliases {
            return Err(Refusal::too_complex("limit-aliases", "aliases", aliases, limit_aliases));
        }
        if directives > limit_directives {
            return Err(Refusal::too_complex("limit-directives", "directives", directives, limit_directives));
        }
        Ok(())
    }
}

struct Counts<'a> {
    limits: &'a Limits,
    aliases: u64,
    directives: u64,
}

impl Counts<'_> {
    fn set(&mut self, set: &SelectionSet) -> Result<(), Refusal> {
        for item in &set.items {
            self.directives(item.node.directives())?;
            match &item.node {
                Selection::Field(field) => {
                    self.aliases += u64::from(field.node.alias.is_some());
                    for (name, value) in &field.node.arguments {
                        inputs::check_literal(&name.node, &value.node, self.limits)
                            .map_err(|refusal| refusal.at(value.pos))?;
                    }
                    self.set(&field.node.selection_set.node)?;
                }
                Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node)?,
                Selection::FragmentSpread(_) => {}
            }
        }
        Ok(())
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) -> Result<(), Refusal> {
        self.directives += directives.len() as u64;
        for (name, value) in directives.iter().flat_map(|directive| &directive.node.arguments) {
            inputs::check_literal(&name.node, &value.node, self.limits)?;
        }
        Ok(())
    }
}

/// The operation that is asked for: by its name, or the only one.
fn select<'a>(
    document: &'a ExecutableDocument,
    asked: Option<&str>,
) -> Result<(Option<&'a Name>, &'a OperationDefinition), Refusal> {
    let mut operations = document.operations.iter();
    let found = match asked {
        Some(asked) => operations.find(|(name, _)| name.is_some_and(|name| name == asked)),
        None => operations.next().filter(|_| operations.next().is_none()),
    };
    let message = match asked {
        Some(asked) => {
            let asked: String = asked.chars().take(NAME_LENGTH_MAX).collect();
            format!("operationName: the document has no operation {asked:?}")
        }
        None => "operationName: the document has several operations; name one of them".to_owned(),
    };
    let (name, operation) = found.ok_or_else(|| Refusal::invalid(message))?;
    Ok((name, &operation.node))
}

/// Characters of an operation's name that are repeated in texts: clients choose it.
pub(super) const NAME_LENGTH_MAX: usize = 100;
