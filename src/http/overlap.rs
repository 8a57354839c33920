//! Fields that share a name in the answer and are not the same.
//!
//! The rule is async-graphql's own. It reports every pair, in a text for each argument: a document of 2 KB
//! gets gigabytes of errors. So its rule is asked here first, which stops at the first pair.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

use super::refusal::Refusal;

/// Passes a document whose fields can be merged, as far as validation looks.
///
/// # Errors
/// Two fields that cannot.
pub(super) fn check(document: &ExecutableDocument) -> Result<(), Refusal> {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).try_for_each(|set| check_sets(document, set))
}

/// The set, and all within it.
fn check_sets(document: &ExecutableDocument, set: &SelectionSet) -> Result<(), Refusal> {
    if set.items.len() > 1 || set.items.iter().any(|item| !matches!(item.node, Selection::Field(_))) {
        let mut outputs = Outputs { document, fields: HashMap::new(), visited: HashSet::new() };
        outputs.add(None, set)?;
    }
    set.items.iter().try_for_each(|item| match &item.node {
        Selection::Field(field) => check_sets(document, &field.node.selection_set.node),
        Selection::InlineFragment(fragment) => check_sets(document, &fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => Ok(()),
    })
}

/// Fields by the type that they are selected on and their names in the answer.
struct Outputs<'a> {
    document: &'a ExecutableDocument,
    fields: HashMap<(Option<&'a Name>, &'a Name), &'a Positioned<Field>>,
    visited: HashSet<&'a Name>,
}

impl<'a> Outputs<'a> {
    fn add(&mut self, on: Option<&'a Name>, set: &'a SelectionSet) -> Result<(), Refusal> {
        set.items.iter().try_for_each(|item| match &item.node {
            Selection::Field(field) => self.add_field(on, field),
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                self.add(condition, &fragment.node.selection_set.node)
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                match self.document.fragments.get(name).filter(|_| self.visited.insert(name)) {
                    Some(fragment) => {
                        let condition = &fragment.node.type_condition.node.on.node;
                        self.add(Some(condition), &fragment.node.selection_set.node)
                    }
                    None => Ok(()),
                }
            }
        })
    }

    fn add_field(&mut self, on: Option<&'a Name>, field: &'a Positioned<Field>) -> Result<(), Refusal> {
        let key = &field.node.response_key().node;
        let Some(first) = self.fields.get(&(on, key)) else {
            self.fields.insert((on, key), field);
            return Ok(());
        };
        let (one, other) = (&first.node, &field.node);
        let why = if one.name.node != other.name.node {
            format!("\"{}\" and \"{}\" are different fields", one.name.node, other.name.node)
        } else if one.arguments.len() == other.arguments.len()
            && one.arguments.iter().all(|(name, value)| other.get_argument(&name.node) == Some(value))
        {
            return Ok(());
        } else {
            "they have differing arguments".to_owned()
        };
        let message = format!(
            "Fields \"{key}\" conflict because {why}. \
            Use different aliases on the fields to fetch both if this was intentional."
        );
        Err(Refusal::invalid(message).at(first.pos).at(field.pos))
    }
}
